//! What goes wrong while it stands: a slot that is lost, tables that change, a publisher that has
//! gone, and passwords that must not be seen.

use landfall_core::action::Apply;
use landfall_core::port::Database;
use landfall_core::port::way_back::{SlotState, SubscriptionView};
use landfall_core::spec::WithoutIdentity;
use landfall_core::{DatabaseName, FailureKind};
use landfall_lab::server::{ServerConfig, StopMode};

use super::sides::{Major, Sides, on_both_majors, value};
use crate::bench::eventually;

async fn subscription(sides: &Sides) -> SubscriptionView {
    let views = sides.port.subscriber(&sides.source(), &sides.name).await.unwrap();
    views[&DatabaseName::new("shop")].subscription.clone().unwrap()
}

on_both_majors! {
    async fn a_slot_whose_log_was_dropped_is_lost_and_told(major) {
        let small = |config: &mut ServerConfig| {
            config.settings.insert("max_slot_wal_keep_size".to_owned(), "64MB".to_owned());
        };
        let Some(sides) = Sides::with(major, "", small).await else { return };
        sides.arm(WithoutIdentity::Refuse).await;
        sides.streams().await;
        let slot = sides.publisher("shop").await.slot.unwrap();
        assert!(slot.safe_wal.is_some(), "{slot:?}");
        sides.twice(sides.apply(Apply::Off)).await;
        assert_eq!(subscription(&sides).await.apply, Apply::Off);
        eventually("the slot to be lost", async || {
            let switch = "insert into orders default values; select pg_switch_wal(); checkpoint";
            sides.on_target("shop", switch).await;
            let slot = sides.publisher("shop").await.slot.unwrap();
            if slot.state == SlotState::Lost { Ok(()) } else { Err(slot) }
        })
        .await;
        sides.twice(sides.unsubscribe()).await;
        sides.twice(sides.unpublish()).await;
    }
}

on_both_majors! {
    async fn a_table_that_changes_stops_it_until_both_sides_are_alike(major) {
        let Some(sides) = Sides::new(major, "").await else { return };
        sides.arm(WithoutIdentity::Refuse).await;
        sides.streams().await;
        let armed = sides.publisher("shop").await.fingerprint;
        let add = "alter table orders add column note text not null default 'x'";
        sides.on_target("shop", add).await;
        let changed = sides.publisher("shop").await.fingerprint;
        assert_ne!(changed, armed);
        sides.on_target("shop", "insert into orders (note) values ('after')").await;
        eventually("the worker's error", async || {
            let view = subscription(&sides).await;
            if view.errors > Some(0) { Ok(()) } else { Err(view) }
        })
        .await;
        let source = async || {
            let survey = sides.port.survey(&sides.source()).await.unwrap();
            survey[&DatabaseName::new("shop")].fingerprint.clone()
        };
        assert_eq!(source().await, armed);
        sides.on_source("shop", add).await;
        assert_eq!(source().await, changed);
        let note = "select max(note) from orders";
        assert_eq!(sides.same("shop", note).await.unwrap(), "after");
        // A new table is in no publication.
        sides.on_target("shop", "create table later (id int primary key);
            alter table later owner to owner").await;
        assert_eq!(sides.publisher("shop").await.left_out.names, ["public.later"]);
    }
}

on_both_majors! {
    async fn a_publisher_that_has_gone_keeps_no_subscription(major) {
        let Some(sides) = Sides::new(major, "").await else { return };
        sides.arm(WithoutIdentity::Refuse).await;
        sides.streams().await;
        sides.target_server().stop(StopMode::Immediate).await;
        sides.twice(sides.unsubscribe()).await;
        let told = sides.port.reaches(&sides.source(), &sides.target()).await.unwrap();
        assert!(told.is_err(), "{told:?}");
        sides.target_server().start().await.unwrap();
        sides.twice(sides.unpublish()).await;
    }
}

on_both_majors! {
    async fn what_others_made_is_neither_used_nor_dropped(major) {
        let Some(sides) = Sides::new(major, "").await else { return };
        let name = sides.name.as_str();
        for (make, clear) in [
            (format!("create role {name} superuser"), format!("drop role {name}")),
            (
                format!("create publication {name} for table orders"),
                format!("drop publication {name}"),
            ),
        ] {
            sides.on_target("shop", &make).await;
            let refused = sides.act(sides.publish(WithoutIdentity::Refuse)).await.unwrap_err();
            assert_eq!(refused.kind, FailureKind::TakenByAnother, "{refused}");
            sides.on_target("shop", &clear).await;
        }
        let theirs = format!(
            "create subscription {name} connection 'dbname=x password=y' publication x
             with (connect = false, slot_name = none)"
        );
        sides.arm_target().await;
        sides.on_source("shop", &theirs).await;
        for action in [sides.subscribe(), sides.unsubscribe(), sides.apply(Apply::On)] {
            let refused = sides.act(action).await.unwrap_err();
            assert_eq!(refused.kind, FailureKind::TakenByAnother, "{refused}");
        }
    }
}

impl Sides {
    async fn arm_target(&self) {
        self.twice(self.publish(WithoutIdentity::Refuse)).await;
    }
}

on_both_majors! {
    async fn the_password_is_in_no_log(major) {
        let everything = |config: &mut ServerConfig| {
            for (name, value) in [
                ("log_statement", "all"),
                ("log_min_duration_statement", "0"),
                ("log_error_verbosity", "verbose"),
            ] {
                config.settings.insert(name.to_owned(), value.to_owned());
            }
        };
        let Some(sides) = Sides::with(major, "", everything).await else { return };
        sides.twice(sides.publish(WithoutIdentity::Refuse)).await;
        let conninfo = "select subconninfo from pg_subscription limit 1";
        let password = async || {
            let text = value(&sides.source.server, "shop", conninfo).await.unwrap();
            let (_, rest) = text.split_once("password='").unwrap();
            rest.split_once('\'').unwrap().0.to_owned()
        };
        // Refused by the publisher, so that the statement fails where it would be quoted.
        sides.on_target("shop", "alter system set max_wal_senders = 0").await;
        sides.target_server().restart().await.unwrap();
        let refused = sides.act(sides.subscribe()).await.unwrap_err();
        sides.on_target("shop", "alter system reset max_wal_senders").await;
        sides.target_server().restart().await.unwrap();
        sides.act(sides.subscribe()).await.unwrap();
        let first = password().await;
        sides.act(sides.subscribe()).await.unwrap();
        let second = password().await;
        assert_ne!(first, second, "a repeat gives another one");
        sides.streams().await;
        for server in [&sides.source.server, sides.target_server()] {
            let log = std::fs::read_to_string(server.log()).unwrap();
            assert!(log.to_lowercase().contains("alter subscription") || log.contains("alter role"));
            assert!(!log.contains(&first) && !log.contains(&second), "a password is in a log");
            let quoted = log.lines().find(|line| line.contains("password='"));
            assert!(quoted.is_none_or(|line| line.contains("landfall_nobody")), "{quoted:?}");
        }
        assert!(!refused.to_string().contains("password='"), "{refused}");
    }
}
