//! What a server's refusals mean, for the person who has to do something about them.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::tsig::TsigError;

/// Why a question was not answered.
pub(super) fn of_question(zone: &Name, code: ResponseCode) -> String {
    if code == ResponseCode::Refused || code == ResponseCode::NotAuth {
        return format!("does not answer for the zone {zone} ({code:?}): is it the zone's server?");
    }
    format!("answered {code:?} to a question about the zone {zone}; its log says why")
}

/// Why an update was not done; `answer` is the server's.
pub(super) fn of_update(zone: &Name, name: &Name, key: Option<&Name>, answer: &Message) -> String {
    let code = answer.response_code;
    let key = key.map_or_else(
        || "an unsigned update (there is no route.dns.key)".to_owned(),
        |key| format!("key {key}"),
    );
    match answer.signature().and_then(|signature| signature.data.error) {
        // Knot says this also of a key that it knows and that may not change the name.
        Some(TsigError::BadKey) => {
            return format!(
                "BADKEY: it does not know {key} with HMAC-SHA256, or does not let it change {name}"
            );
        }
        Some(TsigError::BadSig) => return format!("BADSIG: its {key} has another secret"),
        Some(TsigError::BadTime) => {
            return "BADTIME: its clock and this machine's differ by minutes".to_owned();
        }
        Some(TsigError::BadTrunc | TsigError::Unknown(_)) | None => {}
    }
    if code == ResponseCode::Refused {
        return format!("REFUSED: it does not let {key} change {name}");
    }
    if code == ResponseCode::NotAuth {
        return format!(
            "NOTAUTH: it does not let {key} change {name}, or is not the primary of {zone}"
        );
    }
    if code == ResponseCode::NotZone {
        return format!("NOTZONE: {name} is not in the zone {zone} there");
    }
    if code == ResponseCode::NotImp {
        return "NOTIMP: it takes no dynamic updates".to_owned();
    }
    let changed = [
        ResponseCode::NXRRSet,
        ResponseCode::YXRRSet,
        ResponseCode::NXDomain,
        ResponseCode::YXDomain,
    ];
    if changed.contains(&code) {
        return format!("{code:?}: somebody changed {name} at this moment; it is looked at again");
    }
    format!("answered {code:?} to the update of {name}; its log says why")
}

/// There is nothing to be changed.
pub(super) fn absent(name: &Name) -> String {
    format!("{name} points nowhere, or to several places")
}

/// The zone's own name has records that no CNAME may stand beside.
pub(super) fn no_alias_here(name: &Name, alias: &Name) -> String {
    format!(
        "{name} is the zone's own name, where no CNAME may be, and {alias} is a name: use a name \
         below it for the service"
    )
}
