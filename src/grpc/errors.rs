//! Refusals and faults as gRPC codes with details: one place maps each to one code and one reason.

use std::{collections::HashMap, time::Duration};

use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::proto::v1::Reason;
use crate::{
    domain::{refusal::Refusal, violation::Violation},
    ops::{Failure, gather::NotTaken},
    store::StoreFault,
};

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "andon";
/// Bytes of field violations that travel in the details. Clients drop a call whose trailers are longer than 8 KiB, details
/// travel in base64, and the text of the status twice.
const VIOLATIONS_BYTES_MAX: usize = 3_000;
/// Bytes of the text of a status.
const TEXT_BYTES_MAX: usize = 900;

/// The code, reason and metadata of a refusal.
#[must_use]
pub fn sort(refusal: &Refusal) -> (Code, Reason, HashMap<String, String>) {
    let facts =
        |pairs: &[(&str, String)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let none = HashMap::new();
    match refusal {
        Refusal::Invalid(_) => (Code::InvalidArgument, Reason::InvalidRequest, none),
        Refusal::NotFound { kind, id } => {
            (Code::NotFound, Reason::NotFound, facts(&[("kind", kind.to_string()), ("id", id.clone())]))
        }
        Refusal::AlreadyExists { kind, id } => {
            (Code::AlreadyExists, Reason::AlreadyExists, facts(&[("kind", kind.to_string()), ("id", id.clone())]))
        }
        Refusal::EtagMismatch { current_etag, .. } => {
            (Code::Aborted, Reason::EtagMismatch, facts(&[("current_etag", current_etag.clone())]))
        }
        Refusal::RequestIdReused(_) => (Code::FailedPrecondition, Reason::RequestIdReused, none),
        Refusal::OrderClosed { status } => {
            (Code::FailedPrecondition, Reason::OrderClosed, facts(&[("status", status.clone())]))
        }
        Refusal::NotClosed { status } => {
            (Code::FailedPrecondition, Reason::NotClosed, facts(&[("status", status.clone())]))
        }
        Refusal::SameStatus { status } => {
            (Code::FailedPrecondition, Reason::SameStatus, facts(&[("status", status.clone())]))
        }
        Refusal::NoNextStatus { status } => {
            (Code::FailedPrecondition, Reason::NoNextStatus, facts(&[("status", status.clone())]))
        }
        Refusal::Inactive { kind, id } => {
            (Code::FailedPrecondition, Reason::Inactive, facts(&[("kind", kind.to_string()), ("id", id.clone())]))
        }
        Refusal::InUse { count, .. } => {
            (Code::FailedPrecondition, Reason::InUse, facts(&[("count", count.to_string())]))
        }
        Refusal::MoveNotAllowed { from, to, allowed, roles } => (
            Code::FailedPrecondition,
            Reason::MoveNotAllowed,
            facts(&[
                ("from", from.clone()),
                ("to", to.clone()),
                ("allowed", cut(allowed.join(","))),
                ("roles", roles.join(",")),
            ]),
        ),
        Refusal::SameType { order_type } => {
            (Code::FailedPrecondition, Reason::SameType, facts(&[("order_type", order_type.clone())]))
        }
        Refusal::StatusNotMapped { status } => {
            (Code::FailedPrecondition, Reason::StatusNotMapped, facts(&[("status", status.clone())]))
        }
        Refusal::ClosesOrder { status } => {
            (Code::FailedPrecondition, Reason::ClosesOrder, facts(&[("status", status.clone())]))
        }
        Refusal::PlanChanged { fingerprint } => {
            (Code::Aborted, Reason::PlanChanged, facts(&[("fingerprint", fingerprint.clone())]))
        }
        Refusal::TooManyOrders { limit } => {
            (Code::FailedPrecondition, Reason::TooManyOrders, facts(&[("limit", limit.to_string())]))
        }
        Refusal::TooManyQuestions { limit } => {
            (Code::FailedPrecondition, Reason::TooManyQuestions, facts(&[("limit", limit.to_string())]))
        }
        Refusal::CycleBroken(_) => (Code::FailedPrecondition, Reason::CycleBroken, none),
        Refusal::MixedTypes { expected, found } => (
            Code::FailedPrecondition,
            Reason::MixedTypes,
            facts(&[("expected", expected.clone()), ("found", found.clone())]),
        ),
        Refusal::CompletedDateOutOfRange { first, last, .. } => (
            Code::FailedPrecondition,
            Reason::CompletedDateOutOfRange,
            facts(&[("first", first.to_string()), ("last", last.to_string())]),
        ),
        Refusal::DeliveryDateRequired => (Code::FailedPrecondition, Reason::DeliveryDateRequired, none),
        Refusal::BeyondHorizon(_) => (Code::FailedPrecondition, Reason::BeyondHorizon, none),
        Refusal::NotRetryable { state } => {
            (Code::FailedPrecondition, Reason::NotRetryable, facts(&[("state", state.clone())]))
        }
        Refusal::NotCancellable { state } => {
            (Code::FailedPrecondition, Reason::NotCancellable, facts(&[("state", state.clone())]))
        }
        Refusal::TaskClosed { state, by } => (
            Code::FailedPrecondition,
            Reason::TaskClosed,
            facts(&[("state", state.clone()), ("closed_by", by.clone())]),
        ),
        Refusal::TaskOpen => (Code::FailedPrecondition, Reason::TaskOpen, none),
        Refusal::BatchRefused { index } => {
            (Code::Aborted, Reason::BatchRefused, facts(&[("index", index.to_string())]))
        }
        Refusal::ImportDiffers { number } => {
            (Code::AlreadyExists, Reason::ImportDiffers, facts(&[("number", number.clone())]))
        }
    }
}

/// The name of a reason as it stands in `ErrorInfo` and in bulk results: without prefix.
#[must_use]
pub fn name(reason: Reason) -> &'static str {
    reason.as_str_name().trim_start_matches("REASON_")
}

/// A refusal as a gRPC status with details.
#[must_use]
pub fn refuse(refusal: &Refusal) -> tonic::Status {
    let (code, reason, metadata) = sort(refusal);
    let text = cut(refusal.to_string());
    let mut details = ErrorDetails::with_error_info(name(reason), DOMAIN, metadata);
    match refusal {
        Refusal::Invalid(violations) => {
            details.set_bad_request(field_violations(violations));
        }
        _ if code == Code::FailedPrecondition => {
            details.add_precondition_failure_violation(name(reason), "", text.clone());
        }
        _ => {}
    }
    tonic::Status::with_error_details(code, text, details)
}

/// As many as a client can receive; what is left out is counted in a last one.
fn field_violations(violations: &[Violation]) -> Vec<FieldViolation> {
    let mut bytes = 0;
    let mut found: Vec<FieldViolation> = violations
        .iter()
        .take_while(|violation| {
            bytes += violation.field.len() + violation.description.len() + 8;
            bytes <= VIOLATIONS_BYTES_MAX
        })
        .map(|violation| FieldViolation::new(&violation.field, &violation.description))
        .collect();
    let left_out = violations.len() - found.len();
    if left_out > 0 {
        found.push(FieldViolation::new("", format!("{left_out} more are wrong; they are named once these are right")));
    }
    found
}

/// The head of a text that is too long.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// All wrong fields as a gRPC status.
#[must_use]
pub fn invalid(violations: Vec<Violation>) -> tonic::Status {
    refuse(&Refusal::Invalid(violations))
}

/// A failure as a gRPC status. Faults are logged here, once; their texts stay inside.
#[must_use]
pub fn fail(failure: &Failure) -> tonic::Status {
    match failure {
        Failure::Refused(refusal) => refuse(refusal),
        Failure::Store(error) if matches!(error.fault, StoreFault::Unavailable | StoreFault::FactsChanged) => {
            tracing::warn!(operation = error.operation, detail = %error.detail, "database unavailable");
            unavailable(Reason::DatabaseUnavailable, "the database cannot be reached; repeat with the same request id")
        }
        Failure::Busy => {
            tracing::warn!("a preview was refused: others are under way");
            overloaded("other previews of edits are under way; try again in a moment", Duration::from_secs(5))
        }
        Failure::GivenUp(why) => {
            tracing::warn!(why, "work given up");
            unavailable(Reason::Draining, "the daemon is stopping; repeat with the same request id")
        }
        Failure::Store(error) => {
            tracing::error!(operation = error.operation, fault = ?error.fault, detail = %error.detail, "fault of the store");
            let details = ErrorDetails::with_error_info(name(Reason::Internal), DOMAIN, HashMap::new());
            tonic::Status::with_error_details(Code::Internal, "a fault inside andon; its log tells more", details)
        }
    }
}

/// A unit that was not taken as a gRPC status.
#[must_use]
pub fn not_taken(why: NotTaken) -> tonic::Status {
    match why {
        NotTaken::Closed => {
            unavailable(Reason::Draining, "the daemon is stopping; call another one, or this one after its restart")
        }
        NotTaken::Full => overloaded("more calls at once than are admitted", Duration::from_millis(200)),
    }
}

fn overloaded(text: &str, again_after: Duration) -> tonic::Status {
    let mut details = ErrorDetails::with_error_info(name(Reason::Overloaded), DOMAIN, HashMap::new());
    details.set_retry_info(Some(again_after));
    tonic::Status::with_error_details(Code::ResourceExhausted, text, details)
}

fn unavailable(reason: Reason, text: &str) -> tonic::Status {
    let mut details = ErrorDetails::with_error_info(name(reason), DOMAIN, HashMap::new());
    details.set_retry_info(Some(Duration::from_secs(1)));
    tonic::Status::with_error_details(Code::Unavailable, text, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_many_fields_fits_into_what_a_client_receives() {
        let violation = |index| Violation {
            field: format!("orders[{index}].customer_reference"),
            description: "must not contain control characters other than line breaks and tabs".into(),
        };
        let status = invalid((0..10_000).map(violation).collect());
        assert!(status.details().len() * 4 / 3 + status.message().len() < 7_000);
        let named = status.get_details_bad_request().expect("wrong fields are named").field_violations;
        assert_eq!(named[0].field, "orders[0].customer_reference");
        let left_out = 10_000 - (named.len() - 1);
        assert!(named.last().expect("not empty").description.starts_with(&left_out.to_string()));
        let few = invalid((0..12).map(violation).collect());
        assert_eq!(few.get_details_bad_request().expect("wrong fields are named").field_violations.len(), 12);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let status = refuse(&Refusal::CycleBroken("ä".repeat(1_000)));
        assert!(status.message().len() <= TEXT_BYTES_MAX + 3 && status.message().ends_with("ä..."));
    }
}
