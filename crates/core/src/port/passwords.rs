//! The port to passwords: what a role logs in with, asked for at every login.
//!
//! A password is no constant: a token lasts minutes, and a stored one is rotated while a move goes
//! on. So nobody keeps one beside this port. A refused password is read again once; whoever
//! refuses the fresh one means it. It dies without a trace: nothing of it is written anywhere.

use std::fmt;

use async_trait::async_trait;

use crate::failure::Failure;
use crate::ids::Endpoint;
use crate::secret::Secret;

/// Where the password of one role comes from.
#[async_trait]
pub trait Passwords: fmt::Debug + Send + Sync {
    /// The password for a login at `at`; it may be one that was read a while ago.
    async fn current(&self, at: &Endpoint) -> Result<Secret<String>, Failure>;

    /// The password after the current one was refused: read anew, whatever was kept.
    async fn renewed(&self, at: &Endpoint) -> Result<Secret<String>, Failure>;
}

/// One that never changes, for whoever has it at hand.
#[async_trait]
impl Passwords for Secret<String> {
    async fn current(&self, _: &Endpoint) -> Result<Secret<String>, Failure> {
        Ok(self.clone())
    }

    async fn renewed(&self, _: &Endpoint) -> Result<Secret<String>, Failure> {
        Ok(self.clone())
    }
}
