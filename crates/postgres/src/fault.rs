//! What went wrong in a call, as the kinds the driver decides on: the one table of this crate.
//!
//! The detail of a failure is the SQLSTATE and the server's primary message, or the words of the
//! network. It never holds a statement, the message's DETAIL (which may quote a row) or a
//! password.

use std::error::Error as _;
use std::io;

use landfall_core::{Failure, FailureKind};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// The failure of doing `what`, for an error of the driver.
pub(crate) fn failure(what: &str, error: &Error) -> Failure {
    Failure::new(kind(error), what, detail(error))
}

/// The failure of an answer that is not of the form we asked for.
pub(crate) fn unexpected(what: &str, detail: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Unknown, what, detail)
}

/// Whether the connection has gone, as opposed to the server having answered "no".
pub(crate) fn is_broken(error: &Error) -> bool {
    match error.as_db_error() {
        Some(answer) => is_farewell(answer.code()),
        None => kind(error) == FailureKind::Unavailable,
    }
}

/// Whether the server did not take the password: PostgreSQL's own check, or RDS's for tokens.
pub(crate) fn is_refused_login(error: &Error) -> bool {
    let refusals = [&SqlState::INVALID_PASSWORD, &SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
    error.code().is_some_and(|code| refusals.contains(&code))
}

/// The server's verdict on a statement of the owner's, unless it is about the connection or the
/// moment and says nothing about the statement.
pub(crate) fn verdict(error: &Error) -> Option<&DbError> {
    error.as_db_error().filter(|answer| !is_farewell(answer.code()) && !is_moment(answer.code()))
}

fn is_moment(state: &SqlState) -> bool {
    // Resources used up, a lock not available, a conflict with recovery, a deadlock.
    let code = state.code();
    code.starts_with("53") || ["55P03", "40001", "40P01"].contains(&code)
}

/// SQLSTATE and primary message, without what may be a row's.
pub(crate) fn words(answer: &DbError) -> String {
    told(answer.code().code(), answer.message())
}

fn told(code: &str, message: &str) -> String {
    // Errors about values quote them, and so may a function's own; all others quote names.
    let values = code.starts_with("22") || code.starts_with("P0");
    if !values {
        return format!("{code}: {message}");
    }
    let parts = message.split('"').enumerate();
    let hidden = parts.map(|(at, part)| if at % 2 == 0 { part } else { "…" });
    format!("{code}: {}", hidden.collect::<Vec<_>>().join("\""))
}

fn is_farewell(state: &SqlState) -> bool {
    state.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::IDLE_SESSION_TIMEOUT,
        ]
        .contains(state)
}

fn kind(error: &Error) -> FailureKind {
    if let Some(answer) = error.as_db_error() {
        return kind_of(answer.code());
    }
    if error.is_closed() {
        return FailureKind::Unavailable;
    }
    let Some(cause) = error.source() else { return FailureKind::Unknown };
    match cause.downcast_ref::<io::Error>() {
        Some(cause) => kind_of_io(cause),
        // What has a cause that is neither the server's nor the network's: TLS that the server
        // does not offer, or an authentication method we cannot answer.
        None if is_handshake(error) => FailureKind::Denied,
        None => FailureKind::Unknown,
    }
}

/// The driver tells its kinds apart in words only.
fn is_handshake(error: &Error) -> bool {
    let words = error.to_string();
    words.starts_with("error performing TLS handshake") || words.starts_with("authentication error")
}

fn kind_of_io(error: &io::Error) -> FailureKind {
    let cause = error.kind();
    if cause == io::ErrorKind::TimedOut {
        FailureKind::TimedOut
    } else if cause == io::ErrorKind::InvalidData {
        // How the TLS layer says that it does not trust the server.
        FailureKind::Denied
    } else if cause == io::ErrorKind::InvalidInput {
        FailureKind::Invalid
    } else {
        FailureKind::Unavailable
    }
}

fn kind_of(state: &SqlState) -> FailureKind {
    match state.code() {
        "3D000" | "3F000" | "42P01" | "42704" => FailureKind::NotFound,
        "42501" => FailureKind::Denied,
        "57014" => FailureKind::TimedOut,
        // Lock not available, object in use, a replica asked to write, a conflict with recovery,
        // a deadlock: nothing happened, and it may pass by itself.
        "55P03" | "55006" | "55000" | "25006" | "40001" | "40P01" => FailureKind::WrongState,
        code => kind_of_class(code.get(..2).unwrap_or_default()),
    }
}

fn kind_of_class(class: &str) -> FailureKind {
    match class {
        // 53: connections, memory or disk are used up. Connections come back when sessions end and
        // a disk grows by autoscaling; when they do not, the driver's cap asks a person.
        "08" | "53" | "57" => FailureKind::Unavailable,
        "28" => FailureKind::Denied,
        "0A" | "22" | "42" | "54" => FailureKind::Invalid,
        _ => FailureKind::Unknown,
    }
}

fn detail(error: &Error) -> String {
    if let Some(answer) = error.as_db_error() {
        return words(answer);
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sqlstate_we_know_has_its_kind() {
        let table = [
            ("28P01", FailureKind::Denied),
            ("28000", FailureKind::Denied),
            ("42501", FailureKind::Denied),
            ("3D000", FailureKind::NotFound),
            ("3F000", FailureKind::NotFound),
            ("42P01", FailureKind::NotFound),
            ("42704", FailureKind::NotFound),
            ("08006", FailureKind::Unavailable),
            ("53100", FailureKind::Unavailable),
            ("53200", FailureKind::Unavailable),
            ("53300", FailureKind::Unavailable),
            ("57P01", FailureKind::Unavailable),
            ("57P02", FailureKind::Unavailable),
            ("57P03", FailureKind::Unavailable),
            ("57P05", FailureKind::Unavailable),
            ("57014", FailureKind::TimedOut),
            ("55P03", FailureKind::WrongState),
            ("55006", FailureKind::WrongState),
            ("55000", FailureKind::WrongState),
            ("25006", FailureKind::WrongState),
            ("40001", FailureKind::WrongState),
            ("40P01", FailureKind::WrongState),
            ("42601", FailureKind::Invalid),
            ("22P02", FailureKind::Invalid),
            ("0A000", FailureKind::Invalid),
            ("54000", FailureKind::Invalid),
            ("23505", FailureKind::Unknown),
            ("XX000", FailureKind::Unknown),
            ("ZZ999", FailureKind::Unknown),
        ];
        for (code, expected) in table {
            assert_eq!(kind_of(&SqlState::from_code(code)), expected, "{code}");
        }
    }

    #[test]
    fn a_value_is_not_told_and_a_name_is() {
        let value = "invalid input syntax for type integer: \"hunter2\"";
        assert_eq!(told("22P02", value), "22P02: invalid input syntax for type integer: \"…\"");
        assert_eq!(told("P0001", "no \"hunter2"), "P0001: no \"…");
        let name = "relation \"orders\" does not exist";
        assert_eq!(told("42P01", name), format!("42P01: {name}"));
    }

    #[test]
    fn every_network_error_has_its_kind() {
        let table = [
            (io::ErrorKind::ConnectionRefused, FailureKind::Unavailable),
            (io::ErrorKind::ConnectionReset, FailureKind::Unavailable),
            (io::ErrorKind::BrokenPipe, FailureKind::Unavailable),
            (io::ErrorKind::UnexpectedEof, FailureKind::Unavailable),
            (io::ErrorKind::HostUnreachable, FailureKind::Unavailable),
            (io::ErrorKind::TimedOut, FailureKind::TimedOut),
            (io::ErrorKind::InvalidData, FailureKind::Denied),
            (io::ErrorKind::InvalidInput, FailureKind::Invalid),
        ];
        for (io, expected) in table {
            assert_eq!(kind_of_io(&io.into()), expected, "{io:?}");
        }
    }

    #[test]
    fn a_farewell_breaks_a_connection_and_a_refusal_does_not() {
        for code in ["57P01", "57P02", "57P03", "57P05", "25P03", "08006", "08P01"] {
            assert!(is_farewell(&SqlState::from_code(code)), "{code}");
        }
        for code in ["42501", "57014", "53300", "40001"] {
            assert!(!is_farewell(&SqlState::from_code(code)), "{code}");
        }
    }

    #[test]
    fn a_moment_is_no_verdict() {
        for code in ["53300", "55P03", "40001", "40P01"] {
            assert!(is_moment(&SqlState::from_code(code)), "{code}");
        }
        for code in ["42P01", "57014", "25006", "22012", "42501"] {
            let state = SqlState::from_code(code);
            assert!(!is_moment(&state) && !is_farewell(&state), "{code}");
        }
    }
}
