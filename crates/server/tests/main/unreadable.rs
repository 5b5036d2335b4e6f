//! A journal that cannot be read: the other moves are listed and driven all the same, and what is
//! wrong with it is told.

use jiff::Timestamp;
use landfall_api::{Client, Driven, MoveLine};
use landfall_core::journal::{Author, NewEntry, Record, Store};
use landfall_core::status::{Course, Phase};
use landfall_core::{Code, MigrationName, Seq};
use landfall_server::{Config, Role, Server, Token};
use landfall_store::SqliteStore;

use crate::place::{Place, config, problem};

fn billing() -> MigrationName {
    MigrationName::new("billing")
}

/// A journal that begins in the middle, as somebody's edit may leave it.
async fn break_billing(place: &Place) {
    let store = SqliteStore::open(place.state.path()).unwrap();
    let record = Record::Entered { phase: Phase::Prepare, course: Course::Doing };
    let (step, author) = (Some("prepare.assess_source".to_owned()), Author::Person);
    let (at, after) = (Timestamp::UNIX_EPOCH, Seq(0));
    let entry = NewEntry { migration: billing(), after, author, at, step, record };
    store.append(entry).await.unwrap();
}

#[tokio::test]
async fn one_journal_that_cannot_be_read_does_not_hide_the_others() {
    let place = Place::new().await;
    place.start().await;
    break_billing(&place).await;
    let moves = place.client.moves().await.unwrap();
    let [MoveLine::Unreadable { name, problem }, MoveLine::Stands(orders)] = &moves[..] else {
        panic!("not one of each: {moves:?}")
    };
    assert_eq!((name.as_str(), orders.name.as_str()), ("billing", "orders"));
    assert_eq!(problem.code, Some(Code::StoreUnwritable));
    assert!(problem.title.contains("entry 1 of the journal"), "{problem:?}");
    assert!(problem.hint.contains("landfall explain LF-029"), "{problem:?}");
    assert!(!problem.request_id.is_empty(), "nothing finds it in the log: {problem:?}");
    place.close().await;
}

#[tokio::test]
async fn a_server_drives_although_one_journal_cannot_be_read() {
    let place = Place::new().await;
    break_billing(&place).await;
    let role = Role::Drives { xds: "127.0.0.1:0".parse().unwrap() };
    let server = Server::start(config(place.state.path(), role)).await.unwrap();
    let client = Client::new(&server.url()).unwrap();
    let give_up = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let told = loop {
        let health = client.health().await.unwrap();
        if let Some(Driven::Stopped { why }) = health.moves.get(&billing()) {
            break why.clone();
        }
        assert!(tokio::time::Instant::now() < give_up, "nobody says so: {health:?}");
        tokio::task::yield_now().await;
    };
    assert!(told.contains("LF-029"), "{told}");
    server.stop().await;
    place.close().await;
}

#[tokio::test]
async fn why_it_cannot_be_read_is_for_the_command_that_the_server_belongs_to() {
    let place = Place::new().await;
    break_billing(&place).await;
    let refused = problem(place.client.one(&billing()).await);
    let inside = "the move has not started";
    assert_eq!((refused.status, refused.code), (503, Some(Code::StoreUnwritable)));
    assert!(refused.detail.contains(&refused.request_id), "{refused:?}");
    assert!(!serde_json::to_string(&refused).unwrap().contains(inside), "{refused:?}");

    let token = Token::random().unwrap();
    let own = Config { token: Some(token.clone()), ..config(place.state.path(), Role::Shows) };
    let server = Server::start(own).await.unwrap();
    let client = Client::new(&server.url()).unwrap().with_token(token.expose());
    let told = problem(client.one(&billing()).await);
    assert!(told.detail.contains(inside), "{told:?}");
    server.stop().await;
    place.close().await;
}
