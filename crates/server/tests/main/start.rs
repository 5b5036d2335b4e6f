//! Why a server does not start, and that a stopped one is gone.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use landfall_server::{Config, Role, Server, StartError, Token};
use landfall_store::{FILE_NAME, SqliteStore};

use crate::place::{Place, config, problem};

async fn refused(config: Config) -> StartError {
    match Server::start(config).await {
        Ok(server) => {
            server.stop().await;
            panic!("it started");
        }
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_state_directory_of_a_newer_version_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(state.path()).unwrap());
    // The place of the version in an SQLite file: `user_version`, four bytes at 60.
    let file = state.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[60..64].copy_from_slice(&2_u32.to_be_bytes());
    std::fs::write(&file, bytes).unwrap();
    let error = refused(config(state.path(), Role::Shows)).await;
    assert!(matches!(error, StartError::Store { .. }), "{error}");
    assert!(error.to_string().contains(&state.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let state = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(state.path(), Role::Shows);
    config.listen = taken.local_addr().unwrap();
    let address = config.listen.to_string();
    let error = refused(config).await;
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn two_control_planes_on_one_address_are_refused_with_the_remedy() {
    let state = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let error =
        refused(config(state.path(), Role::Drives { xds: taken.local_addr().unwrap() })).await;
    assert!(error.to_string().contains("--xds-listen"), "{error}");
}

#[tokio::test]
async fn a_stopped_server_answers_no_more() {
    let place = Place::new().await;
    let client = place.client.clone();
    client.health().await.unwrap();
    place.close().await;
    assert!(client.health().await.is_err());
}

#[tokio::test]
async fn a_driving_server_tells_where_proxies_connect() {
    let state = tempfile::tempdir().unwrap();
    let xds = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::start(config(state.path(), Role::Drives { xds })).await.unwrap();
    let client = landfall_api::Client::new(&server.url()).unwrap();
    let health = client.health().await.unwrap();
    assert!(health.drives, "{health:?}");
    assert_eq!(health.xds, server.xds().map(|address| address.to_string()));
    assert_ne!(server.xds().unwrap().port(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_server_of_one_command_hears_only_that_one() {
    let state = tempfile::tempdir().unwrap();
    let token = Token::random().unwrap();
    assert_ne!(token, Token::random().unwrap());
    assert!(!format!("{token:?}").contains(token.expose()), "a token is not printed");
    let config = Config { token: Some(token.clone()), ..config(state.path(), Role::Shows) };
    let server = Server::start(config).await.unwrap();
    let stranger = landfall_api::Client::new(&server.url()).unwrap();
    for client in [stranger.clone(), stranger.clone().with_token("guessed")] {
        assert_eq!(problem(client.health().await).status, 401);
    }
    stranger.with_token(token.expose()).health().await.unwrap();
    server.stop().await;
}
