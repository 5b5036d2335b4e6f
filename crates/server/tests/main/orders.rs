//! Starting a move and giving it orders: what is taken, what is refused, what the journal says.

use landfall_api::{MoveLine, Order, Place as RowPlace, StartMove};
use landfall_core::journal::{Record, Request};
use landfall_core::problem::Writes;
use landfall_core::status::{Course, Run};
use landfall_core::{Code, MigrationName, Seq};
use landfall_server::{Role, Server};

use crate::place::{Place, SPEC, by, config, problem, status_and_code};

fn orders() -> MigrationName {
    MigrationName::new("orders")
}

#[tokio::test]
async fn a_move_is_started_once_and_then_gone_on_with() {
    let place = Place::new().await;
    let first = place.start().await;
    assert!(first.new && first.last == Seq(1), "{first:?}");
    let second = place.start().await;
    assert!(!second.new && second.last == Seq(1), "{second:?}");

    let changed = SPEC.replace("orders-aurora", "orders-other");
    let start = StartMove { spec_toml: changed, by: "bob".to_owned() };
    let refused = problem(place.client.start(&start).await);
    assert_eq!(status_and_code(&refused), (409, Some(Code::SpecChanged)));

    let view = place.client.one(&orders()).await.unwrap();
    assert_eq!((view.writes, view.last), (Writes::Source, Seq(1)));
    assert!(view.rows.iter().all(|row| row.place == RowPlace::Ahead));
    let moves = place.client.moves().await.unwrap();
    assert!(matches!(&moves[..], [MoveLine::Stands(one)] if one.name == orders()), "{moves:?}");
    place.close().await;
}

#[tokio::test]
async fn orders_are_journaled_with_who_and_why() {
    let place = Place::new().await;
    place.start().await;
    let pause = Order { why: "release freeze".to_owned(), ..by("ann") };
    let view = place.client.order(&orders(), "pause", &pause).await.unwrap();
    assert!(matches!(&view.status.run, Run::Paused { by, .. } if by == "ann"), "{view:?}");
    let paused = view.paused.unwrap();
    assert_eq!((paused.by.as_str(), paused.why.as_str()), ("ann", "release freeze"));
    assert_eq!(paused.at, view.updated_at);
    let view = place.client.order(&orders(), "resume", &by("bob")).await.unwrap();
    assert_eq!((view.status.run, view.paused), (Run::Running, None));
    let view = place.client.order(&orders(), "abort", &by("cleo")).await.unwrap();
    assert_eq!(view.status.course, Course::Undoing);

    let history = place.client.history(&orders(), Seq(1)).await.unwrap();
    let requests: Vec<Request> = history
        .entries
        .into_iter()
        .map(|entry| {
            let Record::Requested { request } = entry.record else {
                panic!("not a request: {entry:?}")
            };
            request
        })
        .collect();
    let (ann, bob, cleo) = ("ann".to_owned(), "bob".to_owned(), "cleo".to_owned());
    assert_eq!(
        requests,
        [
            Request::Pause { by: ann, why: "release freeze".to_owned() },
            Request::Resume { by: bob },
            Request::Abort { by: cleo, why: String::new() },
        ]
    );
    place.close().await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    let place = Place::new().await;
    place.start().await;
    let gate = Some("approve_cutover".to_owned());
    for (verb, order) in
        [("resume", by("ann")), ("approve", Order { gate, ..by("ann") }), ("retire", by("ann"))]
    {
        let refused = problem(place.client.order(&orders(), verb, &order).await);
        assert_eq!(status_and_code(&refused), (409, Some(Code::NotNow)), "{verb}");
        assert!(refused.hint.contains("landfall status orders"), "{verb}: {refused:?}");
    }
    for verb in ["pause", "resume", "abort", "retire"] {
        let refused = problem(place.client.order(&"nope".into(), verb, &by("ann")).await);
        assert_eq!(status_and_code(&refused), (404, Some(Code::UnknownMove)), "{verb}");
    }
    assert_eq!(place.client.one(&orders()).await.unwrap().last, Seq(1));
    place.close().await;
}

#[tokio::test]
async fn two_servers_on_one_state_see_the_same() {
    let place = Place::new().await;
    place.start().await;
    let other = Server::start(config(place.state.path(), Role::Shows)).await.unwrap();
    let client = landfall_api::Client::new(&other.url()).unwrap();
    client.order(&orders(), "pause", &by("ann")).await.unwrap();
    let view = place.client.one(&orders()).await.unwrap();
    assert!(matches!(view.status.run, Run::Paused { .. }), "{:?}", view.status);
    other.stop().await;
    place.close().await;
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let place = Place::new().await;
    place.start().await;
    let before = place.client.history(&orders(), Seq(0)).await.unwrap();
    let again = Server::start(config(place.state.path(), Role::Shows)).await.unwrap();
    let client = landfall_api::Client::new(&again.url()).unwrap();
    assert_eq!(client.history(&orders(), Seq(0)).await.unwrap(), before);
    again.stop().await;
    place.close().await;
}
