//! Reads the catalogue fresh and edits it, one edit at a time.
//!
//! An edit: begin (wait for the edit before) -> stored answer, if the request id has one -> catalogue -> decide -> write the
//! row and the answer -> commit. `validate_only` decides the same and undoes. A unit runs in a task of its own, so that a
//! dropped call never leaves it half done. What changes between deciding and writing is decided again, a few times.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Failure, Plant, RequestKey};
use crate::{
    domain::{
        catalogue::{Catalogue, Department, OrderType, User},
        edit::{
            CalendarEdit, Change, DepartmentEdit, NewOrderType, NewStatus, OrderTypeEdit, StatusEdit, StatusRemoval,
            UserEdit, WrittenCalendar,
        },
        refusal::Refusal,
        violation::Violation,
    },
    store::{StoreError, StoreFault, catalogue_edit::CatalogueEdit, requests::StoredRequest},
};

/// How often an edit is decided, at most, while facts change under it.
const ATTEMPTS_MAX: usize = 3;

/// How an edit is carried out.
#[derive(Debug, Clone, Default)]
pub struct Write {
    /// For safe repetition.
    pub request: Option<RequestKey>,
    /// Check and answer, change nothing.
    pub validate_only: bool,
}

/// A type after a change of one of its statuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusUpdated {
    /// The type.
    pub order_type: OrderType,
    /// Open orders in the status; they stay.
    pub open_orders: i64,
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
    run(plant, write, Count::Nothing, move |catalogue, _, now| {
        edit.create(catalogue, now).map(|user| (Change::User(user.clone()), user))
    })
    .await
}

/// Changes a user.
///
/// # Errors
/// As `UserEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_user(plant: &Arc<Plant>, edit: UserEdit, write: Write) -> Result<User, Failure> {
    run(plant, write, Count::Nothing, move |catalogue, _, now| {
        edit.update(catalogue, now).map(|user| (Change::User(user.clone()), user))
    })
    .await
}

/// Creates a department.
///
/// # Errors
/// As `DepartmentEdit::create`; `RequestIdReused`; when the database fails.
pub async fn create_department(plant: &Arc<Plant>, edit: DepartmentEdit, write: Write) -> Result<Department, Failure> {
    run(plant, write, Count::Nothing, move |catalogue, _, now| {
        edit.create(catalogue, now).map(|department| (Change::Department(department.clone()), department))
    })
    .await
}

/// Changes a department.
///
/// # Errors
/// As `DepartmentEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_department(plant: &Arc<Plant>, edit: DepartmentEdit, write: Write) -> Result<Department, Failure> {
    run(plant, write, Count::Nothing, move |catalogue, _, now| {
        edit.update(catalogue, now).map(|department| (Change::Department(department.clone()), department))
    })
    .await
}

/// Creates a calendar.
///
/// # Errors
/// As `CalendarEdit::create`; `RequestIdReused`; when the database fails.
pub async fn create_calendar(plant: &Arc<Plant>, edit: CalendarEdit, write: Write) -> Result<WrittenCalendar, Failure> {
    run(plant, write, Count::Nothing, move |catalogue, _, now| {
        edit.create(catalogue, now).map(|calendar| (Change::Calendar(calendar.clone()), calendar))
    })
    .await
}

/// Changes a calendar.
///
/// # Errors
/// As `CalendarEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_calendar(plant: &Arc<Plant>, edit: CalendarEdit, write: Write) -> Result<WrittenCalendar, Failure> {
    run(plant, write, Count::Nothing, move |catalogue, _, now| {
        edit.update(catalogue, now).map(|calendar| (Change::Calendar(calendar.clone()), calendar))
    })
    .await
}

/// Creates an order type with its cycle.
///
/// # Errors
/// As `NewOrderType::create`; `RequestIdReused`; when the database fails.
pub async fn create_order_type(plant: &Arc<Plant>, new: NewOrderType, write: Write) -> Result<OrderType, Failure> {
    run(plant, write, Count::Nothing, move |catalogue, _, now| new.create(catalogue, now).map(whole)).await
}

/// Changes an order type.
///
/// # Errors
/// As `OrderTypeEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_order_type(plant: &Arc<Plant>, edit: OrderTypeEdit, write: Write) -> Result<OrderType, Failure> {
    run(plant, write, Count::Nothing, move |catalogue, _, now| edit.update(catalogue, now).map(whole)).await
}

/// Inserts a status.
///
/// # Errors
/// As `NewStatus::create`; `RequestIdReused`; when the database fails.
pub async fn create_status(plant: &Arc<Plant>, new: NewStatus, write: Write) -> Result<OrderType, Failure> {
    run(plant, write, Count::Nothing, move |catalogue, _, now| new.create(catalogue, now).map(whole)).await
}

/// Changes a status.
///
/// # Errors
/// As `StatusEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_status(plant: &Arc<Plant>, edit: StatusEdit, write: Write) -> Result<StatusUpdated, Failure> {
    let count = Count::OpenOrders { order_type: edit.order_type.clone(), status: edit.id.clone() };
    run(plant, write, count, move |catalogue, open_orders, now| {
        let (change, order_type) = edit.update(catalogue, now).map(whole)?;
        Ok((change, StatusUpdated { order_type, open_orders }))
    })
    .await
}

/// Removes a status that no order ever was in.
///
/// # Errors
/// As `StatusRemoval::remove`; `RequestIdReused`; when the database fails.
pub async fn delete_status(plant: &Arc<Plant>, removal: StatusRemoval, write: Write) -> Result<OrderType, Failure> {
    let count = Count::OrdersEver { order_type: removal.order_type.clone(), status: removal.status.clone() };
    run(plant, write, count, move |catalogue, used, now| removal.remove(catalogue, used, now).map(whole)).await
}

fn whole(order_type: OrderType) -> (Change, OrderType) {
    (Change::OrderType(order_type.clone()), order_type)
}

/// What has to be counted for a decision.
enum Count {
    Nothing,
    OpenOrders { order_type: String, status: String },
    OrdersEver { order_type: String, status: String },
}

impl Count {
    async fn take(&self, edit: &mut CatalogueEdit) -> Result<i64, StoreError> {
        match self {
            Self::Nothing => Ok(0),
            Self::OpenOrders { order_type, status } => edit.count_open_orders(order_type, status).await,
            Self::OrdersEver { order_type, status } => edit.count_orders_ever(order_type, status).await,
        }
    }
}

/// Runs an edit in its own task.
async fn run<A, D>(plant: &Arc<Plant>, write: Write, count: Count, decide: D) -> Result<A, Failure>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    D: Fn(&Catalogue, i64, DateTime<Utc>) -> Result<(Change, A), Refusal> + Send + Sync + 'static,
{
    let plant = Arc::clone(plant);
    let unit = async move {
        let mut attempts = 1;
        loop {
            match attempt(&plant, &write, &count, &decide).await {
                Err(Failure::Store(error)) if decide_again(&error) && attempts < ATTEMPTS_MAX => attempts += 1,
                Err(Failure::Store(error)) => return Err(refused_by_the_database(error)),
                other => return other,
            }
        }
    };
    tokio::spawn(unit).await.unwrap_or(Err(Failure::GivenUp("an edit of the catalogue ended without an answer")))
}

async fn attempt<A, D>(plant: &Plant, write: &Write, count: &Count, decide: &D) -> Result<A, Failure>
where
    A: Serialize + DeserializeOwned,
    D: Fn(&Catalogue, i64, DateTime<Utc>) -> Result<(Change, A), Refusal> + Sync,
{
    let mut edit = plant.store.edit_catalogue().await?;
    match carry_out(plant, &mut edit, write, count, decide).await {
        Ok((answer, true)) => {
            edit.commit().await?;
            Ok(answer)
        }
        done => {
            // A failure to undo ends the connection, and the edit with it.
            let _ = edit.undo().await;
            done.map(|(answer, _)| answer)
        }
    }
}

/// The answer, and whether there is something to commit.
async fn carry_out<A, D>(
    plant: &Plant,
    edit: &mut CatalogueEdit,
    write: &Write,
    count: &Count,
    decide: &D,
) -> Result<(A, bool), Failure>
where
    A: Serialize + DeserializeOwned,
    D: Fn(&Catalogue, i64, DateTime<Utc>) -> Result<(Change, A), Refusal> + Sync,
{
    if let Some(key) = &write.request
        && let Some(stored) = edit.find_request(&key.id).await?
    {
        return Ok((repeated(key, &stored)?, false));
    }
    let held = plant.snapshot.held();
    let catalogue = if held.version == edit.version { held } else { Arc::new(edit.load().await?) };
    // PostgreSQL keeps microseconds.
    let now = plant.clock.now(edit.database_now).trunc_subsecs(6);
    let (change, answer) = decide(&catalogue, count.take(edit).await?, now)?;
    if write.validate_only {
        return Ok((answer, false));
    }
    edit.write(&change).await?;
    if let Some(key) = &write.request {
        let outcome = serde_json::to_vec(&answer).expect("an answer has only text keys");
        edit.keep_request(&key.id, &StoredRequest { fingerprint: key.fingerprint.to_vec(), outcome }, now).await?;
    }
    Ok((answer, true))
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
        "calendars_spec_size" => {
            let description = "is too large; at most 1 MiB can be kept".to_owned();
            Refusal::Invalid(vec![Violation { field: "calendar".into(), description }]).into()
        }
        _ => error.into(),
    }
}
