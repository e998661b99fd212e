//! Why a command did not do what was asked, in words and as an exit code.

use std::{error::Error, fmt::Write as _, io, path::Path};

use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::words::clean;
use crate::grpc::proto::v1::{FieldViolation, Refusal};

/// Refused, by the server or by what it called.
pub const REFUSED: u8 = 1;
/// Wrong command line or file.
pub const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const UNREACHABLE: u8 = 4;
/// Some items were refused.
pub const IN_PART: u8 = 5;

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The command line, or a file it names, is wrong.
    Usage(String),
    /// No connection.
    Unreachable { server: String, cause: String },
    /// The server refused, or did not answer.
    Refused { answer: Box<tonic::Status>, request_id: Option<String> },
}

impl From<tonic::Status> for Failure {
    fn from(answer: tonic::Status) -> Self {
        Self::Refused { answer: Box::new(answer), request_id: None }
    }
}

impl Failure {
    /// Turns the refusal of a write into a failure that can tell how to repeat it.
    pub fn of_write(request_id: &str) -> impl FnOnce(tonic::Status) -> Self + use<> {
        let request_id = Some(request_id.to_owned());
        move |answer| Self::Refused { answer: Box::new(answer), request_id }
    }

    /// The refusal of one step of several, with what the step was about.
    pub fn about(what: &str, answer: &tonic::Status) -> Self {
        let message = format!("{what}: {}", answer.message());
        tonic::Status::with_details(answer.code(), message, answer.details().to_vec().into()).into()
    }

    /// A file that cannot be read or written.
    pub fn file(path: impl AsRef<Path>, error: &io::Error) -> Self {
        Self::Usage(format!("{}: {error}", path.as_ref().display()))
    }

    /// No connection to `server`.
    pub fn unreachable(server: &str, error: &dyn Error) -> Self {
        Self::Unreachable { server: server.to_owned(), cause: deepest(error) }
    }

    /// As listed in `--help`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Unreachable { .. } => UNREACHABLE,
            Self::Refused { answer, .. } => match answer.code() {
                Code::NotFound => NOT_FOUND,
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => UNREACHABLE,
                _ => REFUSED,
            },
        }
    }

    /// What was named does not exist.
    pub fn is_not_found(&self) -> bool {
        self.exit_code() == NOT_FOUND
    }

    /// The text for standard error: lines for people, or one JSON object.
    pub fn text(&self, json: bool) -> String {
        if json { json!({ "error": self.json() }).to_string() } else { self.lines().trim_end().to_owned() }
    }

    fn json(&self) -> Value {
        match self {
            Self::Usage(message) => json!({ "code": "USAGE", "message": message }),
            Self::Unreachable { server, cause } => {
                json!({ "code": "UNREACHABLE", "message": cause, "server": server })
            }
            Self::Refused { answer, request_id } => {
                let details = answer.get_error_details();
                let violations: Vec<_> = violations(answer)
                    .into_iter()
                    .map(|it| json!({ "field": it.field, "description": it.description }))
                    .collect();
                json!({
                    "code": code_name(answer.code()),
                    "reason": details.error_info().map(|about| about.reason.clone()),
                    "message": answer.message(),
                    "metadata": details.error_info().map(|about| about.metadata.clone()),
                    "violations": violations,
                    "retry_after_s": retry_after_s(answer),
                    "request_id": request_id,
                })
            }
        }
    }

    fn lines(&self) -> String {
        match self {
            Self::Usage(message) => format!("andon: {message}"),
            Self::Unreachable { server, cause } => format!(
                "andon: no daemon answers at {server}: {cause}\n\
                 Is andond running there? Name another one with --server URL or ANDON_SERVER."
            ),
            Self::Refused { answer, request_id } => refused_lines(answer, request_id.as_deref()),
        }
    }
}

fn refused_lines(answer: &tonic::Status, request_id: Option<&str>) -> String {
    let details = answer.get_error_details();
    let reason = details.error_info().map_or_else(|| code_name(answer.code()), |about| about.reason.clone());
    let violations = violations(answer);
    // A message that goes on to tell the violations is cut where they begin: each gets a line of its own.
    let first = violations.first().map(|it| format!(": {}: ", it.field));
    let message =
        first.and_then(|first| answer.message().split_once(&first)).map_or(answer.message(), |(head, _)| head);
    let mut lines = format!("andon: {} ({})\n", clean(message), clean(&reason));
    if let Some(about) = details.error_info() {
        // Kind and id stand in the message.
        let mut facts: Vec<_> =
            about.metadata.iter().filter(|(key, _)| !matches!(key.as_str(), "kind" | "id")).collect();
        facts.sort();
        for (key, value) in facts {
            let _ = writeln!(lines, "  {}: {}", clean(key), clean(value));
        }
    }
    for FieldViolation { field, description } in violations {
        let _ = writeln!(lines, "  {}: {}", clean(&field), clean(&description));
    }
    if let Some(seconds) = retry_after_s(answer) {
        let _ = writeln!(lines, "Try again in {seconds:.1} s.");
    }
    let unknown = matches!(answer.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown);
    if answer.code() == Code::Unknown {
        lines.push_str("The connection broke off. Is it andond that listens there (--server, ANDON_SERVER)?\n");
    }
    if let (true, Some(request_id)) = (unknown, request_id) {
        let _ = writeln!(lines, "Whether it was done is not known. Repeat it safely with --request-id {request_id}");
    }
    lines
}

fn violations(answer: &tonic::Status) -> Vec<FieldViolation> {
    let details = answer.get_error_details();
    let Some(bad) = details.bad_request() else { return Vec::new() };
    let one = |it: &tonic_types::FieldViolation| FieldViolation {
        field: it.field.clone(),
        description: it.description.clone(),
    };
    bad.field_violations.iter().map(one).collect()
}

fn retry_after_s(answer: &tonic::Status) -> Option<f64> {
    answer.get_error_details().retry_info().and_then(|it| it.retry_delay).map(|delay| delay.as_secs_f64())
}

/// The name of a gRPC code as documentation writes it, for example `FAILED_PRECONDITION`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The refusal of one item of a bulk call or import, on one line.
pub fn refusal_line(refusal: &Refusal) -> String {
    let facts: Vec<_> = refusal.metadata.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" [{}]", facts.join(", ")) };
    clean(&format!("{} ({}){facts}", refusal.message, refusal.reason))
}

/// The innermost cause: "connection refused" helps, "transport error" does not.
fn deepest(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use tonic_types::ErrorDetails;

    use super::*;

    fn invalid() -> Failure {
        let mut details = ErrorDetails::new();
        details.set_error_info("INVALID_REQUEST", "andon", HashMap::new());
        details.add_bad_request_violation("order.number", "must not be empty");
        details.add_bad_request_violation("order.priority", "1001 is above 1000");
        tonic::Status::with_error_details(Code::InvalidArgument, "the request is wrong", details).into()
    }

    #[test]
    fn every_violation_is_shown() {
        let text = invalid().text(false);
        assert_eq!(
            text,
            "andon: the request is wrong (INVALID_REQUEST)\n  order.number: must not be empty\n  \
             order.priority: 1001 is above 1000"
        );
        assert_eq!(invalid().exit_code(), 1);
    }

    #[test]
    fn a_message_that_tells_its_violations_does_not_tell_them_twice() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("order.number", "must not be empty");
        let message = "1 field is wrong: order.number: must not be empty";
        let answer = tonic::Status::with_error_details(Code::InvalidArgument, message, details);
        assert_eq!(
            Failure::about("order W-1", &answer).text(false),
            "andon: order W-1: 1 field is wrong (INVALID_ARGUMENT)\n  order.number: must not be empty"
        );
    }

    #[test]
    fn a_refusal_in_json_carries_reason_and_violations() {
        let value: Value = serde_json::from_str(&invalid().text(true)).expect("json");
        assert_eq!(value["error"]["code"], "INVALID_ARGUMENT");
        assert_eq!(value["error"]["reason"], "INVALID_REQUEST");
        assert_eq!(value["error"]["violations"][1]["field"], "order.priority");
    }

    #[test]
    fn a_lost_answer_tells_how_to_repeat() {
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(Duration::from_millis(1500)));
        let answer = tonic::Status::with_error_details(Code::Unavailable, "the database cannot be reached", details);
        let failure = Failure::of_write("7f")(answer);
        let text = failure.text(false);
        assert!(text.contains("Try again in 1.5 s."), "{text}");
        assert!(text.ends_with("--request-id 7f"), "{text}");
        assert_eq!(failure.exit_code(), 4);
    }

    #[test]
    fn what_does_not_exist_has_its_own_exit_code() {
        assert_eq!(Failure::from(tonic::Status::not_found("no order W-1")).exit_code(), 3);
    }
}
