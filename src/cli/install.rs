//! Puts catalogue entries into a plant unless they are there already.

use tonic::{Code, Response};

use super::{
    caller::{Caller, new_request_id},
    failure::Failure,
};
use crate::grpc::proto::v1::{
    Calendar, CreateCalendarRequest, CreateDepartmentRequest, CreateOrderTypeRequest, CreateUserRequest, Department,
    ListStagesRequest, OrderType, Stage, UpdateStagesRequest, User,
};

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It was there, and stays as it is.
    AlreadyThere,
}

impl Outcome {
    /// `created`, `already there`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AlreadyThere => "already there",
        }
    }
}

/// Puts stages behind those that are listed, unless their ids are.
///
/// # Errors
/// The refusals of `UpdateStages`, also when somebody else changes the list at the same moment.
pub async fn stages(caller: &Caller, wanted: Vec<Stage>) -> Result<Vec<(String, Outcome)>, Failure> {
    let mut client = caller.types().await?;
    let listed = client.list_stages(ListStagesRequest {}).await?.into_inner();
    let is_listed = |stage: &Stage| listed.stages.iter().any(|it| it.id == stage.id);
    let outcome = |stage: &Stage| if is_listed(stage) { Outcome::AlreadyThere } else { Outcome::Created };
    let outcomes: Vec<_> = wanted.iter().map(|stage| (stage.id.clone(), outcome(stage))).collect();
    let new: Vec<_> = wanted.into_iter().filter(|stage| !is_listed(stage)).collect();
    if !new.is_empty() {
        let stages = listed.stages.iter().cloned().chain(new).collect();
        let request = UpdateStagesRequest {
            stages,
            etag: listed.etag.clone(),
            request_id: new_request_id(),
            validate_only: false,
        };
        client.update_stages(request).await.map_err(|refusal| Failure::about("stages", &refusal))?;
    }
    Ok(outcomes)
}

/// Creates a calendar unless its id is taken. With `validate_only` nothing changes.
///
/// # Errors
/// The other refusals of `CreateCalendar`.
pub async fn calendar(caller: &Caller, calendar: Calendar, validate_only: bool) -> Result<Outcome, Failure> {
    let what = format!("calendar {}", calendar.id);
    let request = CreateCalendarRequest { calendar: Some(calendar), request_id: new_request_id(), validate_only };
    outcome(&what, caller.calendars().await?.create_calendar(request).await)
}

/// Creates an order type unless its id is taken.
///
/// # Errors
/// The other refusals of `CreateOrderType`.
pub async fn order_type(caller: &Caller, order_type: OrderType, validate_only: bool) -> Result<Outcome, Failure> {
    let what = format!("order type {}", order_type.id);
    let request = CreateOrderTypeRequest { order_type: Some(order_type), request_id: new_request_id(), validate_only };
    outcome(&what, caller.types().await?.create_order_type(request).await)
}

/// Creates a user unless the id is taken.
///
/// # Errors
/// The other refusals of `CreateUser`.
pub async fn user(caller: &Caller, user: User) -> Result<Outcome, Failure> {
    let what = format!("user {}", user.id);
    let request = CreateUserRequest { user: Some(user), request_id: new_request_id(), validate_only: false };
    outcome(&what, caller.people().await?.create_user(request).await)
}

/// Creates a department unless the id is taken.
///
/// # Errors
/// The other refusals of `CreateDepartment`.
pub async fn department(caller: &Caller, department: Department) -> Result<Outcome, Failure> {
    let what = format!("department {}", department.id);
    let request =
        CreateDepartmentRequest { department: Some(department), request_id: new_request_id(), validate_only: false };
    outcome(&what, caller.people().await?.create_department(request).await)
}

fn outcome<T>(what: &str, answer: Result<Response<T>, tonic::Status>) -> Result<Outcome, Failure> {
    match answer {
        Ok(_) => Ok(Outcome::Created),
        Err(refusal) if refusal.code() == Code::AlreadyExists => Ok(Outcome::AlreadyThere),
        Err(refusal) => Err(Failure::about(what, &refusal)),
    }
}
