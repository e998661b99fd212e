//! An edit of the catalogue, carried out together with what it does to live orders.
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
//! Open orders that have to be planned anew, and may be very many, are left to the background: the edit asks for it in its own
//! transaction (see `replan`). A preview looks at them all the same.
//!
//! `validate_only` does 2 and 3 on one snapshot, without locks: it holds up nobody. One that looks at every open order waits for its
//! turn, outside of any transaction, and ends when nobody waits for its answer any more (see `previews`).
//!
//! A crash before 5 leaves nothing, one after it all; who got no answer repeats with the request id. A unit runs in a task of
//! its own, so that a dropped call never leaves it half done. What changes between deciding and writing is decided again, a few
//! times.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Failure, Plant, RequestKey, kill_point, previews::Look};
use crate::{
    domain::{
        alerts::fire::follow_up,
        catalogue::Catalogue,
        edit::{self, Change, EDITED_ORDERS_MAX, EditPlan, Edited, OnOrders, Replan},
        order::{Context, Decision, Order},
        refusal::Refusal,
        task_change::hand_over,
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

/// Open orders that a preview looks at, at most, to foresee what the background will do.
const FORESEEN_MAX: usize = 2_000_000;

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

/// What an answer is made of.
pub(super) struct Done<'a> {
    pub before: &'a Catalogue,
    pub now: DateTime<Utc>,
    pub edited: &'a Edited,
    pub counted: i64,
    pub tasks: i64,
    pub plan: &'a EditPlan,
}

/// What has to be counted for an answer.
pub(super) enum Count {
    Nothing,
    OpenOrders { order_type: String, status: String },
    OrdersOf(String),
}

impl Count {
    /// Orders, and tasks.
    async fn take(&self, edit: &mut CatalogueEdit) -> Result<(i64, i64), StoreError> {
        match self {
            Self::Nothing => Ok((0, 0)),
            Self::OpenOrders { order_type, status } => Ok((edit.count_open_orders(order_type, status).await?, 0)),
            Self::OrdersOf(user) => Ok((edit.count_orders_of(user).await?, edit.count_tasks_of(user).await?)),
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
/// What `decide` refuses; `InUse`, `BeyondHorizon` (an order), `TooManyOrders`, `PlanChanged`; `RequestIdReused`. `Busy` (a
/// preview).
pub(super) async fn run<A, D, M>(
    plant: &Arc<Plant>,
    write: Write,
    count: Count,
    decide: D,
    answer: M,
) -> Result<A, Failure>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    D: Fn(&Catalogue, DateTime<Utc>) -> Result<Edited, Refusal> + Send + Sync + 'static,
    M: Fn(&Done<'_>) -> A + Send + Sync + 'static,
{
    let plant = Arc::clone(plant);
    let unit = Unit { write, count, decide, answer };
    let (waiting, mut look) = Look::new();
    let work = async move {
        let mut attempts = 1;
        loop {
            match attempt(&plant, &unit, &mut look).await {
                Err(Failure::Busy) if !look.has_turn() => look.wait(&plant.previews).await?,
                Err(Failure::Store(error)) if decide_again(&error) && attempts < ATTEMPTS_MAX => attempts += 1,
                Err(Failure::Store(error)) => return Err(refused_by_the_database(error)),
                other => return other,
            }
        }
    };
    let answer = tokio::spawn(work).await;
    // Until here: a preview ends when this is dropped with the call.
    drop(waiting);
    answer.unwrap_or(Err(Failure::GivenUp("an edit of the catalogue ended without an answer")))
}

async fn attempt<A, D, M>(plant: &Plant, unit: &Unit<D, M>, look: &mut Look) -> Result<A, Failure>
where
    A: Serialize + DeserializeOwned,
    D: Fn(&Catalogue, DateTime<Utc>) -> Result<Edited, Refusal> + Sync,
    M: Fn(&Done<'_>) -> A + Sync,
{
    let mut edit = plant.store.edit_catalogue(unit.write.validate_only).await?;
    match carry_out(plant, &mut edit, unit, look).await {
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
    look: &mut Look,
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
    let mut edited = (unit.decide)(&before, now)?;
    if write.validate_only && looks_at_all(&edited) {
        look.go_on()?;
        look.begin(&plant.previews)?;
    }
    let (counted, tasks) = unit.count.take(edit).await?;
    let orders = orders_of(edit, &mut edited).await?;
    let after = edited.changes.iter().fold(before.as_ref().clone(), Catalogue::with);
    let (mut plan, decided) = decide_orders(plant, &after, &edited, &orders, write, now)?;
    if let Some(replan) = &edited.replan {
        if !write.validate_only {
            plan.replan = edit.queue_replan(replan, &write.actor, now).await?;
        } else if replan.dates {
            foresee((plant, edit, look), replan, &after, &mut plan, now).await?;
        }
    }
    let answer = (unit.answer)(&Done { before: &before, now, edited: &edited, counted, tasks, plan: &plan });
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
    if let OnOrders::Reassign { from, to } = &edited.on_orders {
        hand_over_tasks(plant, edit, (from, to), &after, write, now).await?;
    }
    for change in &edited.changes {
        if let Change::OrderType(order_type) = change {
            edit.remove_statuses(order_type, edited.replacements(), now).await?;
        }
    }
    if let Some(key) = &write.request {
        let outcome = serde_json::to_vec(&answer).expect("an answer has only text keys");
        edit.keep_request(&key.id, &StoredRequest { fingerprint: key.fingerprint.to_vec(), outcome }, now).await?;
    }
    Ok((answer, Some(decided)))
}

/// Whether an edit looks at every open order of a type, or of several.
fn looks_at_all(edited: &Edited) -> bool {
    let cycle = matches!(&edited.on_orders, OnOrders::Cycle(effect) if effect.replan);
    cycle || edited.replan.as_ref().is_some_and(|replan| replan.dates)
}

/// The orders that an edit touches; locked unless it is a preview.
///
/// When more are to be planned anew than one transaction may hold, they are left to the background.
async fn orders_of(edit: &mut CatalogueEdit, edited: &mut Edited) -> Result<Vec<Order>, Failure> {
    let limit = i64::try_from(EDITED_ORDERS_MAX + 1).unwrap_or(i64::MAX);
    let orders = find_orders(edit, &edited.on_orders, limit).await?;
    if orders.len() <= EDITED_ORDERS_MAX {
        return Ok(orders);
    }
    if !edited.leave_to_the_background() {
        return Err(Refusal::TooManyOrders { limit: EDITED_ORDERS_MAX }.into());
    }
    let orders = find_orders(edit, &edited.on_orders, limit).await?;
    if orders.len() > EDITED_ORDERS_MAX {
        return Err(Refusal::TooManyOrders { limit: EDITED_ORDERS_MAX }.into());
    }
    Ok(orders)
}

async fn find_orders(edit: &mut CatalogueEdit, on_orders: &OnOrders, limit: i64) -> Result<Vec<Order>, Failure> {
    Ok(match on_orders {
        OnOrders::Nothing => Vec::new(),
        OnOrders::Reassign { from, .. } => edit.orders_of_user(from, limit).await?,
        OnOrders::Cycle(effect) => {
            let among = Among { looked_at: effect.looked_at(), touched: effect.touched(), all_open: effect.replan };
            edit.orders_of_type(&effect.before.id, &among, limit).await?
        }
    })
}

/// Gives the open tasks of a user who leaves to another one, who is told of each.
async fn hand_over_tasks(
    plant: &Plant,
    edit: &mut CatalogueEdit,
    (from, to): (&str, &str),
    after: &Catalogue,
    write: &Write,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let mut ids = plant.fork_ids();
    let (actor, fallback) = (&write.actor, &plant.settings.fallback);
    let mut cx = Context { catalogue: after, now, ids: &mut ids, actor, fallback, cause: "" };
    let page = i64::try_from(PORTION).unwrap_or(1_000);
    let mut last = Uuid::nil();
    for _ in 0..EDITED_ORDERS_MAX / PORTION {
        let tasks = edit.lock_tasks_of(from, last, page).await?;
        let Some(end) = tasks.last() else { return Ok(()) };
        last = end.id;
        let given: Vec<_> = tasks.iter().map(|task| hand_over(task, to, actor, &mut cx)).collect();
        let handed: Vec<_> = tasks.iter().map(|task| task.id).collect();
        edit.give_tasks(&handed, to, now).await?;
        let mut writes = Writes::default();
        for decision in &given {
            writes.messages(&decision.messages, now);
        }
        edit.write_orders(&writes).await?;
        if tasks.len() < PORTION {
            return Ok(());
        }
    }
    Err(Refusal::TooManyOrders { limit: EDITED_ORDERS_MAX }.into())
}

/// What a recomputation in the background would do, seen on the snapshot of a preview: every open order is looked at.
async fn foresee(
    (plant, edit, look): (&Plant, &mut CatalogueEdit, &mut Look),
    replan: &Replan,
    after: &Catalogue,
    plan: &mut EditPlan,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let mut ids = plant.fork_ids();
    let mut cx =
        Context { catalogue: after, now, ids: &mut ids, actor: "", fallback: &plant.settings.fallback, cause: "" };
    let page = i64::try_from(PORTION).unwrap_or(1_000);
    let (mut last, mut failed, mut undated) = (Uuid::nil(), 0, 0);
    let mut left = true;
    for _ in 0..FORESEEN_MAX / PORTION {
        look.go_on()?;
        let orders = edit.open_orders(&replan.order_types, last, page).await?;
        for order in &orders {
            let decided = super::replan::anew(order, replan, false, &mut cx);
            failed += usize::from(decided.is_err());
            let after = decided.unwrap_or_default().map(|decision| decision.order);
            undated +=
                usize::from(order.visit.due.is_some() && after.as_ref().is_some_and(|it| it.visit.due.is_none()));
            plan.count_replanned(order, after.as_ref(), now);
        }
        match orders.last() {
            Some(order) if orders.len() == PORTION => last = order.id,
            _ => {
                left = false;
                break;
            }
        }
    }
    for (count, what) in [
        (failed, "open orders would be due beyond the horizon, and keep the date they have"),
        (undated, "open orders have no delivery date to plan from, and would have no due date"),
    ] {
        if count > 0 {
            plan.warnings.push(format!("{count} {what}"));
        }
    }
    if left {
        plan.warnings.push(format!("only the first {FORESEEN_MAX} open orders were looked at; all of them will be"));
    }
    Ok(())
}

/// The plan of an edit, and the decisions to write.
fn decide_orders(
    plant: &Plant,
    after: &Catalogue,
    edited: &Edited,
    orders: &[Order],
    write: &Write,
    now: DateTime<Utc>,
) -> Result<(EditPlan, Vec<Decision>), Refusal> {
    let mut ids = plant.fork_ids();
    let mut cx = Context {
        catalogue: after,
        now,
        ids: &mut ids,
        actor: &write.actor,
        fallback: &plant.settings.fallback,
        cause: "",
    };
    let mut decided = edit::decide(orders, &edited.on_orders, &mut cx)?;
    for (before, decision) in orders.iter().zip(&mut decided) {
        if let Some(decision) = decision {
            follow_up(Some(before), decision, &mut cx);
        }
    }
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
