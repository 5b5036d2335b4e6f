//! What an SDK error means: one table from AWS's codes to [`FailureKind`].
//!
//! It keeps AWS's code and words for the person who must act, and nothing that could carry a
//! credential: where a signature is refused AWS echoes the signed headers, so those words are
//! dropped. A code the table does not know is `Unknown`, which a person looks at; an answer that
//! never came or was cut says nothing about the effect, which the next observation tells.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use landfall_core::{Failure, FailureKind};

/// Longer texts are not sentences for a person but dumps.
const DETAIL_CHARACTERS_MAX: usize = 500;

/// The failure of one request.
pub(crate) fn failure<E>(what: impl Into<String>, error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let what = what.into();
    let status = error.raw_response().map(|response| response.status().as_u16());
    match error {
        SdkError::ServiceError(refused) => match refused.err().code() {
            Some(code) => {
                let said = detail(code, refused.err().message());
                Failure::new(kind(code, status), what, said)
            }
            // The SDK could not read the answer, and calls that a refusal without a code.
            None => Failure::new(unreadable(status), what, answered(status, &words(error))),
        },
        SdkError::TimeoutError(_) => Failure::new(
            FailureKind::TimedOut,
            what,
            "no answer in time, counting the SDK's own retries",
        ),
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_)
            if lacks_credentials(error) =>
        {
            Failure::new(
                FailureKind::Denied,
                what,
                format!("no usable AWS credentials: {}", words(error)),
            )
        }
        SdkError::DispatchFailure(lost) if lost.is_timeout() => {
            Failure::new(FailureKind::TimedOut, what, words(error))
        }
        SdkError::DispatchFailure(_) => Failure::new(FailureKind::Unavailable, what, words(error)),
        SdkError::ResponseError(_) => {
            Failure::new(unreadable(status), what, answered(status, &words(error)))
        }
        SdkError::ConstructionFailure(_) => Failure::new(FailureKind::Invalid, what, words(error)),
        _ => Failure::new(FailureKind::Unknown, what, words(error)),
    }
}

/// The whole action was cut off.
pub(crate) fn timed_out(what: impl Into<String>, bound: Duration) -> Failure {
    Failure::new(FailureKind::TimedOut, what, format!("not done within {} ms", bound.as_millis()))
}

/// The table. AWS's codes carry `Fault` or not by their age, so it is taken off first.
pub(crate) fn kind(code: &str, status: Option<u16>) -> FailureKind {
    let code = code.strip_suffix("Fault").unwrap_or(code);
    let code = code.strip_suffix("Exception").unwrap_or(code);
    match code {
        "Throttling"
        | "Throttled"
        | "RequestThrottled"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "LimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown" => FailureKind::Throttled,
        "InternalFailure"
        | "InternalError"
        | "InternalService"
        | "InternalServiceError"
        | "ServiceUnavailable"
        | "Unavailable" => FailureKind::Unavailable,
        "RequestTimeout" => FailureKind::TimedOut,
        "AccessDenied"
        | "AuthFailure"
        | "ExpiredToken"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignature"
        | "KMSKeyNotAccessible"
        | "MissingAuthenticationToken"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnauthorizedOperation"
        | "UnrecognizedClient" => FailureKind::Denied,
        "InvalidAction"
        | "InvalidQueryParameter"
        | "InvalidRestore"
        | "InvalidSubnet"
        | "InvalidVPCNetworkState"
        | "MalformedQueryString"
        | "MissingParameter"
        | "MissingRequiredParameter"
        | "Validation"
        | "ValidationError"
        | "DBSubnetGroupDoesNotCoverEnoughAZs"
        | "DBUpgradeDependencyFailure"
        | "InvalidDBSubnetGroup"
        | "NetworkTypeNotSupported"
        | "ProvisionedIopsNotAvailableInAZ"
        | "StorageTypeNotAvailable"
        | "StorageTypeNotSupported"
        | "VpcEncryptionControlViolation" => FailureKind::Invalid,
        other => by_pattern(other, status),
    }
}

fn by_pattern(code: &str, status: Option<u16>) -> FailureKind {
    let of_an_object = code.starts_with("InvalidDB") || code.starts_with("InvalidGlobal");
    if of_an_object && code.ends_with("State") {
        FailureKind::WrongState
    } else if code.ends_with("AlreadyExists") {
        FailureKind::TakenByAnother
    } else if code.contains("NotFound") {
        FailureKind::NotFound
    } else if code.ends_with("QuotaExceeded") {
        FailureKind::QuotaExceeded
    } else if code.starts_with("InvalidParameter") || lacks_capacity(code) {
        FailureKind::Invalid
    } else {
        by_status(status)
    }
}

/// AWS is out of machines or storage of a kind, and may be for hours: another class is the remedy.
fn lacks_capacity(code: &str) -> bool {
    code.starts_with("Insufficient") && code.ends_with("Capacity")
}

const fn by_status(status: Option<u16>) -> FailureKind {
    match status {
        Some(500..) => FailureKind::Unavailable,
        Some(429) => FailureKind::Throttled,
        Some(401 | 403) => FailureKind::Denied,
        _ => FailureKind::Unknown,
    }
}

/// An answer that cannot be parsed: cut off half-way, or written by something that is not AWS.
const fn unreadable(status: Option<u16>) -> FailureKind {
    match status {
        Some(200..300) => FailureKind::Unavailable,
        other => by_status(other),
    }
}

fn answered(status: Option<u16>, words: &str) -> String {
    status.map_or_else(|| words.to_owned(), |status| format!("HTTP {status}: {words}"))
}

fn detail(code: &str, message: Option<&str>) -> String {
    if matches!(code, "SignatureDoesNotMatch" | "IncompleteSignature" | "InvalidSignatureException")
    {
        return format!("{code}: the request's signature was refused; check the secret key");
    }
    match message.and_then(|text| text.lines().next()).filter(|line| !line.is_empty()) {
        Some(line) => shortened(&format!("{code}: {line}")),
        None => code.to_owned(),
    }
}

/// The error and its causes, each once.
pub(crate) fn words(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if said.last() != Some(&text) {
            said.push(text);
        }
        next = cause.source();
    }
    shortened(&said.join(": "))
}

fn shortened(text: &str) -> String {
    text.chars().take(DETAIL_CHARACTERS_MAX).collect()
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<CredentialsError>() {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::error::ErrorMetadata;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDBInstancesError;

    use super::*;

    /// AWS's codes as its model spells them, with the HTTP status it sends them under.
    const TABLE: &[(FailureKind, &[(&str, u16)])] = &[
        (
            FailureKind::Throttled,
            &[
                ("Throttling", 400),
                ("ThrottlingException", 400),
                ("RequestLimitExceeded", 503),
                ("TooManyRequestsException", 429),
                ("SomethingNew", 429),
            ],
        ),
        (
            FailureKind::Unavailable,
            &[
                ("InternalFailure", 500),
                ("InternalServiceFault", 500),
                ("ServiceUnavailable", 503),
                ("SomethingNew", 502),
            ],
        ),
        (FailureKind::TimedOut, &[("RequestTimeout", 400), ("RequestTimeoutException", 400)]),
        (
            FailureKind::WrongState,
            &[
                ("InvalidDBInstanceState", 400),
                ("InvalidDBInstanceStateFault", 400),
                ("InvalidDBClusterStateFault", 400),
                ("InvalidDBParameterGroupState", 400),
                ("InvalidDBSnapshotState", 400),
            ],
        ),
        (
            FailureKind::NotFound,
            &[
                ("DBInstanceNotFound", 404),
                ("DBClusterNotFoundFault", 404),
                ("DBParameterGroupNotFound", 404),
                ("DBSnapshotNotFound", 404),
                ("DBSubnetGroupNotFoundFault", 404),
                ("ResourceNotFoundException", 404),
            ],
        ),
        (
            FailureKind::TakenByAnother,
            &[
                ("DBInstanceAlreadyExists", 400),
                ("DBClusterAlreadyExistsFault", 400),
                ("DBParameterGroupAlreadyExists", 400),
                ("DBSnapshotAlreadyExists", 400),
            ],
        ),
        (
            FailureKind::QuotaExceeded,
            &[
                ("InstanceQuotaExceeded", 400),
                ("DBClusterQuotaExceededFault", 403),
                ("StorageQuotaExceeded", 400),
                ("SnapshotQuotaExceeded", 400),
                ("DBParameterGroupQuotaExceeded", 400),
                ("DBInstanceAutomatedBackupQuotaExceeded", 400),
                ("DBClusterAutomatedBackupQuotaExceededFault", 400),
            ],
        ),
        (
            FailureKind::Denied,
            &[
                ("AccessDenied", 403),
                ("AccessDeniedException", 400),
                ("UnrecognizedClientException", 400),
                ("ExpiredToken", 403),
                ("ExpiredTokenException", 400),
                ("InvalidClientTokenId", 403),
                ("SignatureDoesNotMatch", 403),
                ("KMSKeyNotAccessibleFault", 400),
                ("SomethingNew", 403),
            ],
        ),
        (
            FailureKind::Invalid,
            &[
                ("InvalidParameterValue", 400),
                ("InvalidParameterCombination", 400),
                ("InvalidParameterValueException", 400),
                ("MissingParameter", 400),
                ("ValidationError", 400),
                ("ValidationException", 400),
                ("InvalidAction", 400),
                ("InvalidVPCNetworkStateFault", 400),
                ("DBSubnetGroupDoesNotCoverEnoughAZs", 400),
                ("InvalidDBSubnetGroupFault", 400),
                ("NetworkTypeNotSupported", 400),
                ("StorageTypeNotAvailableFault", 400),
                ("StorageTypeNotSupported", 400),
                ("VpcEncryptionControlViolationException", 400),
                ("InsufficientDBInstanceCapacity", 400),
                ("InsufficientStorageClusterCapacity", 400),
            ],
        ),
        (FailureKind::Unknown, &[("SomethingNew", 400), ("InvalidSomethingNew", 404)]),
    ];

    #[test]
    fn every_code_has_its_kind() {
        for (expected, codes) in TABLE {
            for (code, status) in *codes {
                assert_eq!(kind(code, Some(*status)), *expected, "{code} with HTTP {status}");
            }
        }
    }

    fn refused(code: &str, message: &str) -> Failure {
        let meta = ErrorMetadata::builder().code(code).message(message).build();
        let raw =
            aws_sdk_rds::config::http::HttpResponse::new(400_u16.try_into().unwrap(), "".into());
        failure(
            "read orders",
            &SdkError::service_error(DescribeDBInstancesError::generic(meta), raw),
        )
    }

    #[test]
    fn the_detail_is_aws_code_and_first_line() {
        let failure = refused("InvalidParameterValue", "No such class.\nsecond line");
        assert_eq!(failure.detail, "InvalidParameterValue: No such class.");
        assert_eq!(failure.what, "read orders");
        assert_eq!(refused("InvalidParameterValue", "").detail, "InvalidParameterValue");
    }

    #[test]
    fn a_refused_signature_is_not_repeated() {
        for code in ["SignatureDoesNotMatch", "IncompleteSignature"] {
            let failure = refused(code, "The String-to-Sign should have been x-token:PRIVATE");
            assert_eq!(failure.kind, FailureKind::Denied);
            assert!(!failure.detail.contains("PRIVATE"), "{failure}");
        }
    }

    #[test]
    fn a_long_detail_is_cut_between_characters() {
        let failure = refused("InvalidParameterValue", &"é".repeat(2_000));
        assert_eq!(failure.detail.chars().count(), DETAIL_CHARACTERS_MAX);
    }

    #[test]
    fn an_answer_that_is_not_aws_own_is_no_verdict() {
        assert_eq!(unreadable(Some(200)), FailureKind::Unavailable);
        assert_eq!(unreadable(Some(502)), FailureKind::Unavailable);
        assert_eq!(unreadable(Some(404)), FailureKind::Unknown);
        assert_eq!(unreadable(None), FailureKind::Unknown);
    }
}
