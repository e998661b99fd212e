//! Reads the catalogue fresh, and the verbs that edit it. How an edit is carried out stands in `edit`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Failure, Plant,
    edit::{Count, Done, Write, run},
};
use crate::domain::{
    alerts::trigger::Trigger,
    catalogue::{Catalogue, Department, OrderType, Stage, User},
    edit::{
        CalendarEdit, Change, DepartmentEdit, EditPlan, Edited, NewOrderType, NewStatus, OrderTypeEdit,
        Responsibilities, ScheduleEdit, StagesEdit, StatusEdit, StatusRemoval, TriggerEdit, UserEdit, WrittenCalendar,
        remove_trigger,
    },
    plan::Method,
};

/// A type after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredType")]
pub struct TypeEdited {
    /// The type.
    pub order_type: OrderType,
    /// Open orders in the status that was edited; they stay.
    pub open_orders: i64,
    /// What it does to live orders.
    pub plan: EditPlan,
}

/// An answer as it was stored: before there were plans, some were the type alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredType {
    Edited {
        order_type: OrderType,
        #[serde(default)]
        open_orders: i64,
        #[serde(default)]
        plan: EditPlan,
    },
    Alone(OrderType),
}

impl From<StoredType> for TypeEdited {
    fn from(stored: StoredType) -> Self {
        match stored {
            StoredType::Edited { order_type, open_orders, plan } => Self { order_type, open_orders, plan },
            StoredType::Alone(order_type) => Self { order_type, open_orders: 0, plan: EditPlan::default() },
        }
    }
}

/// A user after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredUser")]
pub struct UserEdited {
    /// The user.
    pub user: User,
    /// Of a user who is inactive: what it was responsible for before.
    pub responsibilities: Option<Responsibilities>,
    /// What it does to live orders.
    pub plan: EditPlan,
}

/// An answer as it was stored: before there were plans, it was the user alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredUser {
    Edited { user: User, responsibilities: Option<Responsibilities>, plan: Box<EditPlan> },
    Alone(User),
}

impl From<StoredUser> for UserEdited {
    fn from(stored: StoredUser) -> Self {
        match stored {
            StoredUser::Edited { user, responsibilities, plan } => Self { user, responsibilities, plan: *plan },
            StoredUser::Alone(user) => Self { user, responsibilities: None, plan: EditPlan::default() },
        }
    }
}

/// A calendar after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredCalendar")]
pub struct CalendarEdited {
    /// The calendar.
    pub calendar: WrittenCalendar,
    /// What it does to open orders.
    pub plan: EditPlan,
}

/// An answer as it was stored: before there were plans, it was the calendar alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredCalendar {
    Edited { calendar: WrittenCalendar, plan: Box<EditPlan> },
    Alone(WrittenCalendar),
}

impl From<StoredCalendar> for CalendarEdited {
    fn from(stored: StoredCalendar) -> Self {
        match stored {
            StoredCalendar::Edited { calendar, plan } => Self { calendar, plan: *plan },
            StoredCalendar::Alone(calendar) => Self { calendar, plan: EditPlan::default() },
        }
    }
}

/// A department after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredDepartment")]
pub struct DepartmentEdited {
    /// The department.
    pub department: Department,
    /// What it does to open orders.
    pub plan: EditPlan,
}

/// An answer as it was stored: before there were plans, it was the department alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredDepartment {
    Edited { department: Department, plan: Box<EditPlan> },
    Alone(Department),
}

impl From<StoredDepartment> for DepartmentEdited {
    fn from(stored: StoredDepartment) -> Self {
        match stored {
            StoredDepartment::Edited { department, plan } => Self { department, plan: *plan },
            StoredDepartment::Alone(department) => Self { department, plan: EditPlan::default() },
        }
    }
}

/// How the company plans due dates, after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleEdited {
    /// The method.
    pub method: Method,
    /// Version of it.
    pub version: i64,
    /// What it does to open orders.
    pub plan: EditPlan,
}

/// The list of stages after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagesEdited {
    /// In the order of the board.
    pub stages: Vec<Stage>,
    /// Version of the list.
    pub version: i64,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// The catalogue as it is now.
///
/// # Errors
/// When the database fails.
pub async fn catalogue(plant: &Plant) -> Result<Arc<Catalogue>, Failure> {
    let version = plant.store.catalogue_version().await?;
    Ok(plant.snapshot.at(version, &plant.store).await?)
}

/// The catalogue as it is now, and the one reading of the clock.
///
/// # Errors
/// When the database fails.
pub async fn catalogue_now(plant: &Plant) -> Result<(Arc<Catalogue>, DateTime<Utc>), Failure> {
    let (database_now, version) = plant.store.clock_and_version().await?;
    Ok((plant.snapshot.at(version, &plant.store).await?, plant.clock.now(database_now)))
}

/// Creates a user.
///
/// # Errors
/// As `UserEdit::create`; `RequestIdReused`; when the database fails.
pub async fn create_user(plant: &Arc<Plant>, edit: UserEdit, write: Write) -> Result<User, Failure> {
    let decide = move |catalogue: &Catalogue, now| edit.create(catalogue, now).map(|it| Edited::row(Change::User(it)));
    run(plant, write, Count::Nothing, decide, |done| {
        row_of(done, |change| match change {
            Change::User(it) => Some(it),
            _ => None,
        })
    })
    .await
}

/// Changes a user.
///
/// # Errors
/// As `UserEdit::update`; `TooManyOrders`, `PlanChanged`; `RequestIdReused`; when the database fails.
pub async fn update_user(plant: &Arc<Plant>, edit: UserEdit, write: Write) -> Result<UserEdited, Failure> {
    let id = edit.id.clone();
    let decide = move |catalogue: &Catalogue, now| edit.update(catalogue, now);
    run(plant, write, Count::OrdersOf(id), decide, |done| {
        let user = row_of(done, |change| if let Change::User(user) = change { Some(user) } else { None });
        let responsibilities =
            user.inactive.then(|| Responsibilities::of(&user.id, (done.counted, done.tasks), done.before));
        UserEdited { user, responsibilities, plan: done.plan.clone() }
    })
    .await
}

/// Creates a department.
///
/// # Errors
/// As `DepartmentEdit::create`; `RequestIdReused`; when the database fails.
pub async fn create_department(plant: &Arc<Plant>, edit: DepartmentEdit, write: Write) -> Result<Department, Failure> {
    let decide =
        move |catalogue: &Catalogue, now| edit.create(catalogue, now).map(|it| Edited::row(Change::Department(it)));
    run(plant, write, Count::Nothing, decide, |done| {
        row_of(done, |change| match change {
            Change::Department(it) => Some(it),
            _ => None,
        })
    })
    .await
}

/// Changes a department.
///
/// # Errors
/// As `DepartmentEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_department(
    plant: &Arc<Plant>,
    edit: DepartmentEdit,
    write: Write,
) -> Result<DepartmentEdited, Failure> {
    let decide = move |catalogue: &Catalogue, now| edit.edited(catalogue, now);
    run(plant, write, Count::Nothing, decide, |done| {
        let department = row_of(done, |change| if let Change::Department(it) = change { Some(it) } else { None });
        DepartmentEdited { department, plan: done.plan.clone() }
    })
    .await
}

/// Creates a calendar.
///
/// # Errors
/// As `CalendarEdit::create`; `RequestIdReused`; when the database fails.
pub async fn create_calendar(plant: &Arc<Plant>, edit: CalendarEdit, write: Write) -> Result<WrittenCalendar, Failure> {
    let decide =
        move |catalogue: &Catalogue, now| edit.create(catalogue, now).map(|it| Edited::row(Change::Calendar(it)));
    run(plant, write, Count::Nothing, decide, |done| {
        row_of(done, |change| match change {
            Change::Calendar(it) => Some(it),
            _ => None,
        })
    })
    .await
}

/// Changes a calendar.
///
/// # Errors
/// As `CalendarEdit::update`; `PlanChanged`; `RequestIdReused`; when the database fails.
pub async fn update_calendar(plant: &Arc<Plant>, edit: CalendarEdit, write: Write) -> Result<CalendarEdited, Failure> {
    let decide = move |catalogue: &Catalogue, now| edit.edited(catalogue, now);
    run(plant, write, Count::Nothing, decide, |done| {
        let calendar = row_of(done, |change| if let Change::Calendar(it) = change { Some(it) } else { None });
        CalendarEdited { calendar, plan: done.plan.clone() }
    })
    .await
}

/// Changes how the company plans due dates.
///
/// # Errors
/// As `ScheduleEdit::update`; `PlanChanged`; `RequestIdReused`; when the database fails.
pub async fn update_schedule(plant: &Arc<Plant>, edit: ScheduleEdit, write: Write) -> Result<ScheduleEdited, Failure> {
    let decide = move |catalogue: &Catalogue, _| edit.update(catalogue);
    run(plant, write, Count::Nothing, decide, |done| {
        let row = |change: &Change| {
            if let Change::ScheduleMethod(it, version) = change { Some((*it, *version)) } else { None }
        };
        let (method, version) = done.edited.changes.iter().find_map(row).unwrap_or_default();
        ScheduleEdited { method, version, plan: done.plan.clone() }
    })
    .await
}

/// Creates an order type with its cycle.
///
/// # Errors
/// As `NewOrderType::create`; `RequestIdReused`; when the database fails.
pub async fn create_order_type(plant: &Arc<Plant>, new: NewOrderType, write: Write) -> Result<OrderType, Failure> {
    let decide = move |catalogue: &Catalogue, now| new.create(catalogue, now);
    run(plant, write, Count::Nothing, decide, order_type_of).await
}

/// Changes an order type.
///
/// # Errors
/// As `OrderTypeEdit::update`; those of the plan (see `run`); when the database fails.
pub async fn update_order_type(plant: &Arc<Plant>, edit: OrderTypeEdit, write: Write) -> Result<TypeEdited, Failure> {
    let decide = move |catalogue: &Catalogue, now| edit.update(catalogue, now);
    run(plant, write, Count::Nothing, decide, type_edited).await
}

/// Inserts a status.
///
/// # Errors
/// As `NewStatus::create`; those of the plan (see `run`); when the database fails.
pub async fn create_status(plant: &Arc<Plant>, new: NewStatus, write: Write) -> Result<TypeEdited, Failure> {
    let decide = move |catalogue: &Catalogue, now| new.create(catalogue, now);
    run(plant, write, Count::Nothing, decide, type_edited).await
}

/// Changes a status.
///
/// # Errors
/// As `StatusEdit::update`; those of the plan (see `run`); when the database fails.
pub async fn update_status(plant: &Arc<Plant>, edit: StatusEdit, write: Write) -> Result<TypeEdited, Failure> {
    let (order_type, status) = (edit.order_type.clone(), edit.id.clone());
    let count = Count::OpenOrders { order_type, status: status.clone() };
    let decide = move |catalogue: &Catalogue, now| edit.update(catalogue, now);
    run(plant, write, count, decide, move |done| {
        let mut edited = type_edited(done);
        let inactive = edited.order_type.status(&status).is_some_and(|status| status.inactive);
        if inactive && edited.open_orders > 0 {
            let count = edited.open_orders;
            let stay = if count == 1 { "1 open order stays".to_owned() } else { format!("{count} open orders stay") };
            edited.plan.warnings.push(format!("{stay} in '{status}', which cannot be chosen any more"));
        }
        edited
    })
    .await
}

/// Removes a status.
///
/// # Errors
/// As `StatusRemoval::remove`; those of the plan (see `run`); when the database fails.
pub async fn delete_status(plant: &Arc<Plant>, removal: StatusRemoval, write: Write) -> Result<TypeEdited, Failure> {
    let decide = move |catalogue: &Catalogue, now| removal.remove(catalogue, now);
    run(plant, write, Count::Nothing, decide, type_edited).await
}

/// A trigger after an edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerEdited {
    /// The trigger; `None` = it is gone.
    pub trigger: Option<Trigger>,
    /// What it does to open orders.
    pub plan: EditPlan,
}

/// Creates a trigger.
///
/// # Errors
/// As `TriggerEdit::create`; `RequestIdReused`; when the database fails.
pub async fn create_trigger(plant: &Arc<Plant>, edit: TriggerEdit, write: Write) -> Result<TriggerEdited, Failure> {
    let decide = move |catalogue: &Catalogue, now| edit.create(catalogue, now);
    run(plant, write, Count::Nothing, decide, trigger_edited).await
}

/// Changes a trigger.
///
/// # Errors
/// As `TriggerEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_trigger(plant: &Arc<Plant>, edit: TriggerEdit, write: Write) -> Result<TriggerEdited, Failure> {
    let decide = move |catalogue: &Catalogue, now| edit.update(catalogue, now);
    run(plant, write, Count::Nothing, decide, trigger_edited).await
}

/// Removes a trigger.
///
/// # Errors
/// As `remove_trigger`; `RequestIdReused`; when the database fails.
pub async fn delete_trigger(
    plant: &Arc<Plant>,
    id: String,
    etag: Option<String>,
    write: Write,
) -> Result<TriggerEdited, Failure> {
    let decide = move |catalogue: &Catalogue, _| remove_trigger(&id, etag.as_deref(), catalogue);
    run(plant, write, Count::Nothing, decide, trigger_edited).await
}

fn trigger_edited(done: &Done<'_>) -> TriggerEdited {
    let row = |change: &Change| if let Change::Trigger(it) = change { Some(it.clone()) } else { None };
    TriggerEdited { trigger: done.edited.changes.iter().find_map(row), plan: done.plan.clone() }
}

/// Replaces the list of stages.
///
/// # Errors
/// As `StagesEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_stages(plant: &Arc<Plant>, edit: StagesEdit, write: Write) -> Result<StagesEdited, Failure> {
    let decide = move |catalogue: &Catalogue, _| edit.update(catalogue);
    run(plant, write, Count::Nothing, decide, |done| {
        let row = |change: &Change| {
            if let Change::Stages(stages, version) = change { Some((stages.clone(), *version)) } else { None }
        };
        let (stages, version) = done.edited.changes.iter().find_map(row).unwrap_or_default();
        StagesEdited { stages, version, warnings: done.plan.warnings.clone() }
    })
    .await
}

/// The row that an edit is about: the last of its kind, since what it hands over stands before it.
pub(super) fn row_of<T: Clone>(done: &Done<'_>, pick: impl Fn(&Change) -> Option<&T>) -> T {
    done.edited.changes.iter().rev().find_map(pick).cloned().expect("an edit has the row that it is about")
}

fn order_type_of(done: &Done<'_>) -> OrderType {
    row_of(done, |change| if let Change::OrderType(order_type) = change { Some(order_type) } else { None })
}

fn type_edited(done: &Done<'_>) -> TypeEdited {
    TypeEdited { order_type: order_type_of(done), open_orders: done.counted, plan: done.plan.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_stored_before_there_were_plans_is_still_given() {
        let order_type = r#"{"id":"job","name":"Job","description":"","calendar":"plant","default_status":null,"inactive":false,
            "statuses":[],"version":3,"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}"#;
        let alone: TypeEdited = serde_json::from_str(order_type).expect("as it was stored");
        assert_eq!((alone.order_type.version, alone.open_orders), (3, 0));
        let counted = format!(r#"{{"order_type":{order_type},"open_orders":7}}"#);
        let counted: TypeEdited = serde_json::from_str(&counted).expect("as it was stored");
        assert_eq!((counted.order_type, counted.open_orders), (alone.order_type, 7));
        let user = r#"{"id":"anna","display_name":"Anna","email":"","roles":[],"inactive":true,"version":2,
            "created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}"#;
        let user: UserEdited = serde_json::from_str(user).expect("as it was stored");
        assert_eq!((user.user.version, user.responsibilities), (2, None));
    }
}
