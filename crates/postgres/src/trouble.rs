//! Why a question has no answer: the server's or the network's error, or no password to log in.
//!
//! It only tells the two apart for those who look closer; [`crate::fault`] judges the first.

use landfall_core::Failure;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The driver's error.
    Server(Error),
    /// The password could not be had, and so nobody was asked.
    Password(Failure),
}

impl Trouble {
    /// The server's own words, when it is the server who spoke.
    pub(crate) fn as_db_error(&self) -> Option<&DbError> {
        match self {
            Self::Server(error) => error.as_db_error(),
            Self::Password(_) => None,
        }
    }

    pub(crate) fn code(&self) -> Option<&SqlState> {
        self.as_db_error().map(DbError::code)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Password(failure)
    }
}
