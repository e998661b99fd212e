//! Reads the catalogue fresh and edits it, one edit at a time.
//!
//! Protocol of an edit, in one transaction:
//!
//! 1. **begin**: waits for the edit before it and for the changes of orders that are under way; from here on no order changes
//!    until the edit ends (see `share_catalogue` in the migrations).
//! 2. the stored answer, if the request id has one.
//! 3. **decide**: the rows from the catalogue; then, if it touches live orders, each of them, locked in the order of their ids.
//!    What was decided is summed up as a plan. If the caller expected another plan, the edit is refused.
//! 4. **write**: the rows, the orders (through the one writer, in portions), then the statuses that go, then the answer.
//! 5. **commit**.
//!
//! `validate_only` does 2 and 3 on one snapshot, without locks: it waits for nobody and holds up nobody.
//!
//! A crash before 5 leaves nothing, one after it all; who got no answer repeats with the request id. A unit runs in a task of
//! its own, so that a dropped call never leaves it half done. What changes between deciding and writing is decided again, a few
//! times.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Failure, Plant, RequestKey, kill_point};
use crate::{
    domain::{
        catalogue::{Catalogue, Department, OrderType, Stage, User},
        edit::{
            self, CalendarEdit, Change, DepartmentEdit, EDITED_ORDERS_MAX, EditPlan, Edited, NewOrderType, NewStatus,
            OnOrders, OrderTypeEdit, Responsibilities, StagesEdit, StatusEdit, StatusRemoval, UserEdit,
            WrittenCalendar,
        },
        order::{Context, Decision, Order},
        refusal::Refusal,
        violation::Violation,
    },
    store::{
        StoreError, StoreFault,
        catalogue_edit::{Among, CatalogueEdit},
        requests::StoredRequest,
        write::Writes,
    },
};

/// How often an edit is decided, at most, while facts change under it.
const ATTEMPTS_MAX: usize = 3;
/// Orders that one statement writes.
const PORTION: usize = 1_000;

/// How an edit is carried out.
#[derive(Debug, Clone, Default)]
pub struct Write {
    /// For safe repetition.
    pub request: Option<RequestKey>,
    /// Check and answer, change nothing.
    pub validate_only: bool,
    /// Fingerprint of the plan that the caller saw.
    pub expected_plan: Option<String>,
    /// Principal.
    pub actor: String,
}

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
    Edited { user: User, responsibilities: Option<Responsibilities>, plan: EditPlan },
    Alone(User),
}

impl From<StoredUser> for UserEdited {
    fn from(stored: StoredUser) -> Self {
        match stored {
            StoredUser::Edited { user, responsibilities, plan } => Self { user, responsibilities, plan },
            StoredUser::Alone(user) => Self { user, responsibilities: None, plan: EditPlan::default() },
        }
    }
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
        let responsibilities = user.inactive.then(|| Responsibilities::of(&user.id, done.counted, done.before));
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
pub async fn update_department(plant: &Arc<Plant>, edit: DepartmentEdit, write: Write) -> Result<Department, Failure> {
    let decide =
        move |catalogue: &Catalogue, now| edit.update(catalogue, now).map(|it| Edited::row(Change::Department(it)));
    run(plant, write, Count::Nothing, decide, |done| {
        row_of(done, |change| match change {
            Change::Department(it) => Some(it),
            _ => None,
        })
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
/// As `CalendarEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_calendar(plant: &Arc<Plant>, edit: CalendarEdit, write: Write) -> Result<WrittenCalendar, Failure> {
    let decide =
        move |catalogue: &Catalogue, now| edit.update(catalogue, now).map(|it| Edited::row(Change::Calendar(it)));
    run(plant, write, Count::Nothing, decide, |done| {
        row_of(done, |change| match change {
            Change::Calendar(it) => Some(it),
            _ => None,
        })
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

/// What an answer is made of.
struct Done<'a> {
    before: &'a Catalogue,
    edited: &'a Edited,
    counted: i64,
    plan: &'a EditPlan,
}

/// The row that an edit is about: the last of its kind, since what it hands over stands before it.
fn row_of<T: Clone>(done: &Done<'_>, pick: impl Fn(&Change) -> Option<&T>) -> T {
    done.edited.changes.iter().rev().find_map(pick).cloned().expect("an edit has the row that it is about")
}

fn order_type_of(done: &Done<'_>) -> OrderType {
    row_of(done, |change| if let Change::OrderType(order_type) = change { Some(order_type) } else { None })
}

fn type_edited(done: &Done<'_>) -> TypeEdited {
    TypeEdited { order_type: order_type_of(done), open_orders: done.counted, plan: done.plan.clone() }
}

/// What has to be counted for an answer.
enum Count {
    Nothing,
    OpenOrders { order_type: String, status: String },
    OrdersOf(String),
}

impl Count {
    async fn take(&self, edit: &mut CatalogueEdit) -> Result<i64, StoreError> {
        match self {
            Self::Nothing => Ok(0),
            Self::OpenOrders { order_type, status } => edit.count_open_orders(order_type, status).await,
            Self::OrdersOf(user) => edit.count_orders_of(user).await,
        }
    }
}

/// One edit: what decides it, and what makes its answer.
struct Unit<D, M> {
    write: Write,
    count: Count,
    decide: D,
    answer: M,
}

/// Runs an edit in its own task.
///
/// # Errors
/// What `decide` refuses; `InUse`, `BeyondHorizon` (an order), `TooManyOrders`, `PlanChanged`; `RequestIdReused`.
async fn run<A, D, M>(plant: &Arc<Plant>, write: Write, count: Count, decide: D, answer: M) -> Result<A, Failure>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    D: Fn(&Catalogue, DateTime<Utc>) -> Result<Edited, Refusal> + Send + Sync + 'static,
    M: Fn(&Done<'_>) -> A + Send + Sync + 'static,
{
    let plant = Arc::clone(plant);
    let unit = Unit { write, count, decide, answer };
    let work = async move {
        let mut attempts = 1;
        loop {
            match attempt(&plant, &unit).await {
                Err(Failure::Store(error)) if decide_again(&error) && attempts < ATTEMPTS_MAX => attempts += 1,
                Err(Failure::Store(error)) => return Err(refused_by_the_database(error)),
                other => return other,
            }
        }
    };
    tokio::spawn(work).await.unwrap_or(Err(Failure::GivenUp("an edit of the catalogue ended without an answer")))
}

async fn attempt<A, D, M>(plant: &Plant, unit: &Unit<D, M>) -> Result<A, Failure>
where
    A: Serialize + DeserializeOwned,
    D: Fn(&Catalogue, DateTime<Utc>) -> Result<Edited, Refusal> + Sync,
    M: Fn(&Done<'_>) -> A + Sync,
{
    let mut edit = plant.store.edit_catalogue(unit.write.validate_only).await?;
    match carry_out(plant, &mut edit, unit).await {
        Ok((answer, Some(decided))) => {
            kill_point("edit-before-commit");
            edit.commit().await?;
            kill_point("edit-after-commit");
            plant.made.note(decided.iter().map(|it| (it.order.id, it.order.revision)), Instant::now());
            Ok(answer)
        }
        done => {
            // A failure to undo ends the connection, and the edit with it.
            let _ = edit.undo().await;
            done.map(|(answer, _)| answer)
        }
    }
}

/// The answer, and what to commit, if there is something.
async fn carry_out<A, D, M>(
    plant: &Plant,
    edit: &mut CatalogueEdit,
    unit: &Unit<D, M>,
) -> Result<(A, Option<Vec<Decision>>), Failure>
where
    A: Serialize + DeserializeOwned,
    D: Fn(&Catalogue, DateTime<Utc>) -> Result<Edited, Refusal> + Sync,
    M: Fn(&Done<'_>) -> A + Sync,
{
    let write = &unit.write;
    if let Some(key) = &write.request
        && let Some(stored) = edit.find_request(&key.id).await?
    {
        return Ok((repeated(key, &stored)?, None));
    }
    let held = plant.snapshot.held();
    let before = if held.version == edit.version { held } else { Arc::new(edit.load().await?) };
    // PostgreSQL keeps microseconds.
    let now = plant.clock.now(edit.database_now).trunc_subsecs(6);
    let edited = (unit.decide)(&before, now)?;
    let counted = unit.count.take(edit).await?;
    let orders = orders_of(edit, &edited.on_orders).await?;
    let (plan, decided) = decide_orders(plant, &before, &edited, &orders, write, now)?;
    let answer = (unit.answer)(&Done { before: &before, edited: &edited, counted, plan: &plan });
    if write.validate_only {
        return Ok((answer, None));
    }
    for change in &edited.changes {
        edit.write(change).await?;
    }
    for portion in decided.chunks(PORTION) {
        let mut writes = Writes::default();
        for decision in portion {
            writes.add(decision, now);
        }
        edit.write_orders(&writes).await?;
    }
    for change in &edited.changes {
        if let Change::OrderType(order_type) = change {
            edit.remove_statuses(order_type, now).await?;
        }
    }
    if let Some(key) = &write.request {
        let outcome = serde_json::to_vec(&answer).expect("an answer has only text keys");
        edit.keep_request(&key.id, &StoredRequest { fingerprint: key.fingerprint.to_vec(), outcome }, now).await?;
    }
    Ok((answer, Some(decided)))
}

/// The orders that an edit touches; locked unless it is a preview.
async fn orders_of(edit: &mut CatalogueEdit, on_orders: &OnOrders) -> Result<Vec<Order>, Failure> {
    let limit = i64::try_from(EDITED_ORDERS_MAX + 1).unwrap_or(i64::MAX);
    let orders = match on_orders {
        OnOrders::Nothing => Vec::new(),
        OnOrders::Reassign { from, .. } => edit.orders_of_user(from, limit).await?,
        OnOrders::Cycle(effect) => {
            let among = Among { looked_at: effect.looked_at(), touched: effect.touched(), all_open: effect.replan };
            edit.orders_of_type(&effect.before.id, &among, limit).await?
        }
    };
    if orders.len() > EDITED_ORDERS_MAX {
        return Err(Refusal::TooManyOrders { limit: EDITED_ORDERS_MAX }.into());
    }
    Ok(orders)
}

/// The plan of an edit, and the decisions to write.
fn decide_orders(
    plant: &Plant,
    before: &Catalogue,
    edited: &Edited,
    orders: &[Order],
    write: &Write,
    now: DateTime<Utc>,
) -> Result<(EditPlan, Vec<Decision>), Refusal> {
    let after = edited.changes.iter().fold(before.clone(), Catalogue::with);
    let mut ids = plant.fork_ids();
    let mut cx =
        Context { catalogue: &after, now, ids: &mut ids, actor: &write.actor, fallback: &plant.settings.fallback };
    let decided = edit::decide(orders, &edited.on_orders, &mut cx)?;
    let touched = orders.iter().zip(&decided).filter_map(|(order, decision)| Some((order, decision.as_ref()?)));
    let plan = edit::plan(&edited.basis(), touched, edited.warnings.clone(), now);
    if write.expected_plan.as_ref().is_some_and(|expected| *expected != plan.fingerprint) {
        return Err(Refusal::PlanChanged { fingerprint: plan.fingerprint });
    }
    Ok((plan, decided.into_iter().flatten().collect()))
}

fn repeated<A: DeserializeOwned>(key: &RequestKey, stored: &StoredRequest) -> Result<A, Failure> {
    if stored.fingerprint != key.fingerprint {
        return Err(Refusal::RequestIdReused(key.id.clone()).into());
    }
    let answer = serde_json::from_slice(&stored.outcome);
    Ok(answer.map_err(|_| StoreError::impossible("requests", "outcome", &key.id))?)
}

/// Whether a failure comes from a change between deciding and writing: the version of a row, a request id that was taken, an
/// order that entered the status which is removed.
fn decide_again(error: &StoreError) -> bool {
    match &error.fault {
        StoreFault::FactsChanged => true,
        StoreFault::Constraint(name) => matches!(name.as_str(), "requests_pkey" | "orders_status_fkey"),
        _ => false,
    }
}

/// A refusal for what a named constraint refused.
fn refused_by_the_database(error: StoreError) -> Failure {
    let StoreFault::Constraint(name) = &error.fault else { return error.into() };
    match name.as_str() {
        "statuses_cycle_whole" | "statuses_one_initial" | "statuses_one_final" | "order_types_default_status_fkey" => {
            let rule =
                "a cycle has one active initial status first, one active final status last, and an active default";
            Refusal::CycleBroken(rule.into()).into()
        }
        "statuses_id_not_reused" => {
            let rule = "the id of a status that orders were in is never used again; take another";
            Refusal::CycleBroken(rule.into()).into()
        }
        "calendars_spec_size" => {
            let description = "is too large; at most 1 MiB can be kept".to_owned();
            Refusal::Invalid(vec![Violation { field: "calendar".into(), description }]).into()
        }
        _ => error.into(),
    }
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
