//! STS by awsQuery: who the caller is. Everybody is the same user of the lab's one account.

use super::form::Form;
use super::xml::Fields;
use crate::cloud::names::ACCOUNT;
use crate::cloud::refusal::{Code, Refusal};

/// The namespace of the answers.
pub(super) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// The version in every request.
pub(super) const VERSION: &str = "2011-06-15";

/// Performs an action.
pub(super) fn perform(action: &str, _form: &Form) -> Result<Fields, Refusal> {
    match action {
        "GetCallerIdentity" => Ok(Fields::new()
            .text("UserId", "AIDALABLABLABLABLABLA")
            .text("Account", ACCOUNT)
            .text("Arn", format_args!("arn:aws:iam::{ACCOUNT}:user/lab"))),
        _ => Err(Refusal::new(
            Code::InvalidAction,
            format!("Could not find operation {action} for version {VERSION}"),
        )),
    }
}
