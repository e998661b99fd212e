//! One step as a call: asked with `validate_only`, or made.

use std::time::Duration;

use prost_types::FieldMask;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    entry::{Entry, Key},
    steps::Step,
};
use crate::{
    cli::{
        caller::{Caller, new_request_id},
        failure::Failure,
        plant::{kept_calendar, kept_stage, kept_type},
    },
    grpc::proto::v1::{
        Calendar, CreateCalendarRequest, CreateDepartmentRequest, CreateOrderTypeRequest, CreateTriggerRequest,
        CreateUserRequest, Department, EditPlan, OrderType, Responsibilities, Stage, Trigger, UpdateCalendarRequest,
        UpdateDepartmentRequest, UpdateOrderTypeRequest, UpdateStagesRequest, UpdateTriggerRequest, UpdateUserRequest,
        User,
    },
};

/// How long to wait before a call whose answer was lost is made again, under the same request id.
const WAITS: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What the daemon says a step would do.
#[derive(Default)]
pub enum Foreseen {
    /// It was not asked.
    #[default]
    Nothing,
    /// This.
    Certain(Answered),
    /// This as things are, and it is asked again when the steps before it are made.
    Likely(Answered),
    /// It cannot say before the steps before it are made.
    Later,
    /// It would refuse.
    Refused(Failure),
}

/// What a step did, or would do.
#[derive(Clone, Default)]
pub struct Answered {
    /// The entry after it.
    pub entry: Option<Entry>,
    /// Its version.
    pub etag: String,
    /// What it does to live orders.
    pub plan: EditPlan,
    /// What else there is to know.
    pub warnings: Vec<String>,
    /// What somebody who becomes inactive is responsible for.
    pub responsibilities: Option<Responsibilities>,
}

/// How a call is made.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// Version that is changed; empty = whatever is there.
    pub etag: &'a str,
    /// Ask only.
    pub validate_only: bool,
    /// Fingerprint of the plan that was shown, or empty.
    pub expected_plan: &'a str,
}

/// Makes the call of a step; when its answer is lost, again under the same request id, so that it is carried out once.
///
/// # Errors
/// The refusals of the call; no answer after several attempts.
pub async fn call(caller: &Caller, step: &Step, how: How<'_>) -> Result<Answered, Failure> {
    let request_id = if how.validate_only { String::new() } else { new_request_id() };
    let mut waits = WAITS.into_iter();
    loop {
        let failure = match attempt(caller, step, how, &request_id).await {
            Ok(answered) => return Ok(answered),
            Err(failure) => failure,
        };
        match waits.next() {
            Some(wait) if is_lost(&failure) => tokio::time::sleep(advised(&failure).unwrap_or(wait)).await,
            _ => return Err(about(&step.key(), failure)),
        }
    }
}

/// The `ErrorInfo.reason` of a refusal, for example `ETAG_MISMATCH`; empty where there is none.
pub fn reason(failure: &Failure) -> String {
    let Failure::Refused { answer, .. } = failure else { return String::new() };
    answer.get_error_details().error_info().map_or_else(String::new, |about| about.reason.clone())
}

/// Whether the call may have been carried out without an answer, or may succeed a moment later.
fn is_lost(failure: &Failure) -> bool {
    match failure {
        Failure::Usage(_) => false,
        Failure::Unreachable { .. } => true,
        Failure::Refused { answer, .. } => matches!(answer.code(), Code::Unavailable | Code::Unknown),
    }
}

fn advised(failure: &Failure) -> Option<Duration> {
    let Failure::Refused { answer, .. } = failure else { return None };
    let delay = answer.get_error_details().retry_info().and_then(|it| it.retry_delay)?;
    Some(delay.min(WAIT_MAX))
}

fn about(key: &Key, failure: Failure) -> Failure {
    match failure {
        Failure::Refused { answer, .. } => Failure::about(&key.to_string(), &answer),
        other => other,
    }
}

async fn attempt(caller: &Caller, step: &Step, how: How<'_>, request_id: &str) -> Result<Answered, Failure> {
    let validate_only = how.validate_only;
    let request_id = request_id.to_owned();
    let etag = how.etag.to_owned();
    let mask = Some(FieldMask { paths: step.mask.iter().map(|path| (*path).to_owned()).collect() });
    match step.entry.clone() {
        Entry::Stages(stages) => {
            let request = UpdateStagesRequest { stages, etag, request_id, validate_only };
            let answer = caller.types().await?.update_stages(request).await?.into_inner();
            let stages = answer.stages.into_iter().map(kept_stage).collect();
            Ok(Answered { warnings: answer.warnings, ..stages_answered(stages, answer.etag) })
        }
        Entry::Calendar(calendar) if step.creates() => {
            let request = CreateCalendarRequest { calendar: Some(calendar), request_id, validate_only };
            Ok(calendar_answered(caller.calendars().await?.create_calendar(request).await?.into_inner().calendar))
        }
        Entry::Calendar(calendar) => {
            let calendar = Some(Calendar { etag, ..calendar });
            let expected_plan = how.expected_plan.to_owned();
            let request =
                UpdateCalendarRequest { calendar, update_mask: mask, request_id, validate_only, expected_plan };
            let answer = caller.calendars().await?.update_calendar(request).await?.into_inner();
            Ok(Answered { plan: answer.plan.unwrap_or_default(), ..calendar_answered(answer.calendar) })
        }
        Entry::User(user) if step.creates() => {
            let request = CreateUserRequest { user: Some(user), request_id, validate_only };
            Ok(user_answered(caller.people().await?.create_user(request).await?.into_inner().user))
        }
        Entry::User(user) => {
            let user = Some(User { etag, ..user });
            let request = UpdateUserRequest {
                user,
                update_mask: mask,
                request_id,
                validate_only,
                ..UpdateUserRequest::default()
            };
            let answer = caller.people().await?.update_user(request).await?.into_inner();
            let (responsibilities, plan) = (answer.responsibilities, answer.plan.unwrap_or_default());
            Ok(Answered { plan, responsibilities, ..user_answered(answer.user) })
        }
        Entry::Department(department) if step.creates() => {
            let request = CreateDepartmentRequest { department: Some(department), request_id, validate_only };
            Ok(department_answered(caller.people().await?.create_department(request).await?.into_inner().department))
        }
        Entry::Department(department) => {
            let department = Some(Department { etag, ..department });
            let request = UpdateDepartmentRequest { department, update_mask: mask, request_id, validate_only };
            Ok(department_answered(caller.people().await?.update_department(request).await?.into_inner().department))
        }
        Entry::Trigger(trigger) if step.creates() => {
            let request = CreateTriggerRequest { trigger: Some(trigger), request_id, validate_only };
            Ok(trigger_answered(caller.triggers().await?.create_trigger(request).await?.into_inner().trigger))
        }
        Entry::Trigger(trigger) => {
            let trigger = Some(Trigger { etag, ..trigger });
            let request = UpdateTriggerRequest { trigger, update_mask: mask, request_id, validate_only };
            Ok(trigger_answered(caller.triggers().await?.update_trigger(request).await?.into_inner().trigger))
        }
        Entry::OrderType(order_type) if step.creates() => {
            let request = CreateOrderTypeRequest { order_type: Some(order_type), request_id, validate_only };
            Ok(type_answered(caller.types().await?.create_order_type(request).await?.into_inner().order_type))
        }
        Entry::OrderType(order_type) => {
            let request = UpdateOrderTypeRequest {
                order_type: Some(OrderType { etag, ..order_type }),
                update_mask: mask,
                request_id,
                validate_only,
                replacements: step.replacements.clone().into_iter().collect(),
                apply_to_open: step.apply_to_open,
                expected_plan: how.expected_plan.to_owned(),
            };
            let answer = caller.types().await?.update_order_type(request).await?.into_inner();
            Ok(Answered { plan: answer.plan.unwrap_or_default(), ..type_answered(answer.order_type) })
        }
    }
}

fn trigger_answered(it: Option<Trigger>) -> Answered {
    let it = it.unwrap_or_default();
    Answered { etag: it.etag.clone(), entry: Some(Entry::Trigger(it)), ..Answered::default() }
}

fn stages_answered(stages: Vec<Stage>, etag: String) -> Answered {
    Answered { etag, entry: Some(Entry::Stages(stages)), ..Answered::default() }
}

fn calendar_answered(it: Option<Calendar>) -> Answered {
    let it = kept_calendar(it.unwrap_or_default());
    Answered { etag: it.etag.clone(), entry: Some(Entry::Calendar(it)), ..Answered::default() }
}

fn user_answered(it: Option<User>) -> Answered {
    let it = it.unwrap_or_default();
    Answered { etag: it.etag.clone(), entry: Some(Entry::User(it)), ..Answered::default() }
}

fn department_answered(it: Option<Department>) -> Answered {
    let it = it.unwrap_or_default();
    Answered { etag: it.etag.clone(), entry: Some(Entry::Department(it)), ..Answered::default() }
}

fn type_answered(it: Option<OrderType>) -> Answered {
    let it = kept_type(it.unwrap_or_default());
    Answered { etag: it.etag.clone(), entry: Some(Entry::OrderType(it)), ..Answered::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn refused(code: Code, reason: &str, wait: Option<Duration>) -> Failure {
        let mut details = ErrorDetails::with_error_info(reason, "andon", HashMap::new());
        details.set_retry_info(wait);
        tonic::Status::with_error_details(code, "no", details).into()
    }

    #[test]
    fn only_a_lost_answer_is_asked_for_again() {
        for (code, lost) in
            [(Code::Unavailable, true), (Code::Unknown, true), (Code::Aborted, false), (Code::Internal, false)]
        {
            assert_eq!(is_lost(&refused(code, "X", None)), lost, "{code:?}");
        }
        assert!(!is_lost(&Failure::Usage(String::new())));
    }

    #[test]
    fn the_daemon_says_how_long_to_wait_within_bounds() {
        let wait = |seconds| advised(&refused(Code::Unavailable, "X", Some(Duration::from_secs(seconds))));
        assert_eq!((wait(2), wait(3600)), (Some(Duration::from_secs(2)), Some(WAIT_MAX)));
        assert_eq!(advised(&refused(Code::Unavailable, "X", None)), None);
    }

    #[test]
    fn a_refusal_of_a_step_keeps_its_reason() {
        let failure = about(
            &Key::new(crate::cli::apply::entry::Kind::User, "anna"),
            refused(Code::Aborted, "ETAG_MISMATCH", None),
        );
        assert_eq!(reason(&failure), "ETAG_MISMATCH");
        assert_eq!(failure.text(false), "andon: user anna: no (ETAG_MISMATCH)");
    }
}
