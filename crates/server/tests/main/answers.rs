//! What the door answers to whom, in which form.

use landfall_api::{AdoptRoute, SpecText};
use landfall_core::port::router::Traffic;
use landfall_core::{Code, Endpoint, MigrationName, ServiceName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::place::{Place, problem, status_and_code};

/// One request in its raw form, and the whole answer.
async fn raw(place: &Place, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(place.address()).await.unwrap();
    let length = body.len();
    let request = format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_server_that_only_shows_says_so() {
    let place = Place::new().await;
    let health = place.client.health().await.unwrap();
    assert!(!health.drives && health.xds.is_none() && health.moves.is_empty(), "{health:?}");
    place.close().await;
}

#[tokio::test]
async fn an_unknown_move_is_problem_json_with_a_request_id() {
    let place = Place::new().await;
    let unknown = problem(place.client.one(&MigrationName::new("nope")).await);
    assert_eq!(status_and_code(&unknown), (404, Some(Code::UnknownMove)));
    assert!(unknown.title.contains("nope") && !unknown.hint.is_empty(), "{unknown:?}");

    let answer = raw(&place, "GET /v1/moves/nope HTTP/1.1\r\nHost: 127.0.0.1", "").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    let id = answer.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap();
    assert!(answer.contains(&format!("\"request_id\":\"{id}\"")), "{answer}");
    place.close().await;
}

#[tokio::test]
async fn every_answer_that_is_no_success_is_problem_json() {
    let place = Place::new().await;
    let json = "Content-Type: application/json\r\nHost: localhost";
    for (head, body, status) in [
        ("GET /nowhere HTTP/1.1", "", 404),
        ("DELETE /v1/moves HTTP/1.1", "", 405),
        ("GET /v1/moves/a/history?after=soon HTTP/1.1", "", 400),
        ("POST /v1/moves HTTP/1.1", "{", 400),
        ("POST /v1/moves HTTP/1.1", "{\"spec\":1}", 422),
        ("POST /v1/moves/a/approve HTTP/1.1", "{\"by\":\"ann\"}", 400),
        ("POST /v1/moves/a/explode HTTP/1.1", "{\"by\":\"ann\"}", 404),
    ] {
        let answer = raw(&place, &format!("{head}\r\n{json}"), body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: landfall_api::ApiProblem = serde_json::from_str(body).unwrap();
        assert!(problem.status == status && !problem.title.is_empty(), "{head}: {problem:?}");
    }
    place.close().await;
}

#[tokio::test]
async fn a_web_page_cannot_reach_it_through_a_name_of_its_own() {
    let place = Place::new().await;
    let answer = raw(&place, "GET /v1/health HTTP/1.1\r\nHost: evil.example", "").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    // Without the content type that a page may not send unasked, nothing is taken.
    let plain = "POST /v1/moves HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain";
    let answer = raw(&place, plain, "{\"spec_toml\":\"\",\"by\":\"x\"}").await;
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    place.close().await;
}

#[tokio::test]
async fn every_mistake_of_a_spec_is_told() {
    let place = Place::new().await;
    let spec_toml =
        crate::place::SPEC.replace("[cutover]", "[cutover]\nlag_mux = \"1MiB\"\ngrac = \"1s\"");
    for told in [
        problem(place.client.plan(&SpecText { spec_toml: spec_toml.clone() }).await),
        problem(place.client.assess(&SpecText { spec_toml: spec_toml.clone() }).await),
        problem(
            place
                .client
                .start(&landfall_api::StartMove { spec_toml: spec_toml.clone(), by: "ann".into() })
                .await,
        ),
    ] {
        assert_eq!(status_and_code(&told), (422, Some(Code::SpecInvalid)));
        let keys: Vec<&str> = told.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
        assert_eq!(keys, ["cutover.grac", "cutover.lag_mux"]);
    }
    assert_eq!(place.client.moves().await.unwrap(), []);
    place.close().await;
}

#[tokio::test]
async fn a_service_is_taken_on_once() {
    let place = Place::new().await;
    let adopt = |port| AdoptRoute {
        service: ServiceName::new("orders"),
        endpoint: Endpoint::new("127.0.0.1", port),
    };
    for _ in 0..2 {
        let adopted = place.client.adopt(&adopt(5432)).await.unwrap();
        let route = adopted.view.route.unwrap();
        assert_eq!((route.epoch, route.traffic), (1, Traffic::Open));
    }
    let refused = problem(place.client.adopt(&adopt(5433)).await);
    assert_eq!(status_and_code(&refused), (409, Some(Code::NotNow)));
    assert!(refused.title.contains("127.0.0.1:5432"), "{refused:?}");
    let routes = place.client.routes().await.unwrap();
    assert_eq!(routes.len(), 1);
    place.close().await;
}
