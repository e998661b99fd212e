//! Replan: plans open orders anew in the background, after a calendar, a method or a cycle changed.
//!
//! Protocol. An edit writes a row into `replans` in its own transaction; so a recomputation is there if and only if the edit is.
//! Every daemon hears the bell. Who first locks the row cuts the open orders into parts, by id, in one transaction. Each daemon then
//! works on parts in two lanes, so that one is decided while the database writes the other; a batch is one transaction:
//!
//! 1. lock the first part that is not finished; one that another lane or daemon has locked is passed over.
//! 2. share the lock of the catalogue, so that no edit changes it meanwhile; lock the next orders of the part, by id.
//! 3. decide each as any change is decided, write the dates that changed, move the part on, commit.
//!
//! When no part is left, who first locks the row adds up what the parts did and ends it, in one transaction.
//!
//! | what is killed, when | what follows |
//! |---|---|
//! | while it is cut | nothing of it happened; any daemon cuts it |
//! | in a batch, anywhere before its commit | nothing of it happened; the next batch of any daemon begins where it began |
//! | after its commit | the next batch goes on after its last order |
//! | after the last batch | any daemon finds all parts finished, and ends it |
//!
//! A second run over the same orders changes nothing. Orders that are made meanwhile are decided with the new catalogue anyway;
//! so are those that move. Alerts are the sweep's: a date that is missed by a recomputation sets the next alarm, and one that is
//! in time again withdraws what is queued about the old one when it is about to be sent.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};
use tokio::task::JoinSet;

use super::{Failure, Plant, kill_point};
use crate::{
    domain::{
        alerts::alarm,
        catalogue::Catalogue,
        edit::Replan,
        health_turns::{HealthTurns, turns},
        ids::Ids,
        order::{Context, Decision, Order},
        refusal::Refusal,
        replan,
    },
    store::{
        StoreError, StoreFault,
        dates::{Dates, write_dates},
        replan_parts::{
            PartRow, count_parts, cut, lock_open_orders, lock_part, lock_part_again, move_on, next_open_order,
        },
        replans::{Progress, ReplanRow, begin_replan, count_open, end_replan, lock_replan, write_turns},
        write::{Writes, write},
    },
};

/// Lanes that a daemon works with.
const LANES: usize = 2;
/// Orders of one batch: small enough that who wants to change one of them hardly waits.
const BATCH: i64 = 128;
/// Batches that one run of a lane takes; what is left is left to the next one.
const BATCHES_MAX: usize = 400;
/// Parts that a recomputation is cut into: enough that lanes and daemons end at about the same time.
const PARTS_MAX: i64 = 64;

/// An edit came in between: the batch is done again with the new catalogue.
const EDITED: &str = "replan with a catalogue that was edited meanwhile";

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplanReport {
    /// Batches.
    pub batches: usize,
    /// What they did.
    pub progress: Progress,
    /// Whether there may be more.
    pub left: bool,
}

/// Cuts the first recomputation that is to be cut, works on parts until none is left, the bound is reached or `stop` says so, and
/// ends the first one that is done.
///
/// # Errors
/// When the database fails; what earlier batches wrote stays.
pub async fn replan(
    plant: &Arc<Plant>,
    stop: impl Fn() -> bool + Clone + Send + 'static,
) -> Result<ReplanReport, StoreError> {
    let mut report = ReplanReport::default();
    if stop() || !plant.store.replan_waits().await? {
        return Ok(report);
    }
    report.left = cut_or_end(plant).await?;
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        lanes.spawn(lane(Arc::clone(plant), stop.clone()));
    }
    let mut failed = None;
    while let Some(ended) = lanes.join_next().await {
        match ended {
            Ok(Ok(lane)) => {
                report.batches += lane.batches;
                report.progress.add(lane.progress);
                report.left |= lane.left;
            }
            Ok(Err(error)) => failed = Some(error),
            Err(ended) => {
                // Otherwise the runtime is shutting down.
                if let Ok(panic) = ended.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    report.left |= cut_or_end(plant).await?;
    Ok(report)
}

/// Works on parts, whichever nobody else works on.
async fn lane(plant: Arc<Plant>, stop: impl Fn() -> bool) -> Result<ReplanReport, StoreError> {
    let mut ids = plant.fork_ids();
    let mut report = ReplanReport::default();
    // Batches of a single order that are still to be done.
    let mut single = 0;
    for _ in 0..BATCHES_MAX {
        if stop() {
            break;
        }
        let limit = if single > 0 { 1 } else { BATCH };
        single -= i64::from(single > 0);
        let mut part = None;
        let done = match (batch(&plant, &mut ids, limit, &mut part).await, part) {
            (Err(error), _) if error.operation == EDITED => {
                report.left = true;
                continue;
            }
            // One order must not hold up all others: the batch is done one by one, and that order is stepped over.
            (Err(error), Some(_)) if is_poison(&error) && limit > 1 => {
                tracing::warn!(%error, "a batch of a recomputation is done order by order");
                single = BATCH;
                continue;
            }
            (Err(error), Some(part)) if is_poison(&error) => step_over(&plant, &part, &error).await?,
            (done, _) => done?,
        };
        report.left = done.is_some();
        let Some(done) = done else { break };
        report.batches += 1;
        report.progress.add(done);
    }
    Ok(report)
}

/// Whether the rows of a batch brought a failure about, not the database or an edit in between.
fn is_poison(error: &StoreError) -> bool {
    error.fault != StoreFault::Unavailable && error.operation != EDITED
}

/// Cuts the first recomputation that has no parts, or ends the first one whose parts are all finished; false when there is none,
/// or another daemon does it.
async fn cut_or_end(plant: &Plant) -> Result<bool, StoreError> {
    let (database_now, _) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now).trunc_subsecs(6);
    let mut transaction = plant.store.begin("replan").await?;
    let Some(row) = lock_replan(&mut transaction).await? else { return Ok(false) };
    let parts = count_parts(&mut transaction, row.id).await?;
    let ends = parts.all > 0;
    if parts.open > 0 {
        // Cut by another daemon between the look and the lock.
        return Ok(false);
    }
    if ends {
        end_replan(&mut transaction, row.id, now).await?;
        kill_point("replan-before-end");
    } else {
        let orders = count_open(&mut transaction, &row.replan.order_types, row.after_id).await?;
        begin_replan(&mut transaction, row.id, orders, now).await?;
        cut(&mut transaction, &row, BATCH.max(orders / PARTS_MAX + 1)).await?;
        kill_point("replan-before-cut");
    }
    transaction.commit().await.map_err(|error| StoreError::new("commit a recomputation", error))?;
    if ends {
        tracing::info!(id = row.id, subject = row.replan.subject, "open orders were planned anew");
    } else {
        kill_point("replan-after-cut");
    }
    Ok(true)
}

/// Moves a part on over the order that cannot be decided or written; `None` when another lane has it now.
async fn step_over(plant: &Plant, part: &PartRow, error: &StoreError) -> Result<Option<Progress>, StoreError> {
    let (database_now, _) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now).trunc_subsecs(6);
    let mut transaction = plant.store.begin("replan").await?;
    if !lock_part_again(&mut transaction, part).await? {
        // Whoever has it goes on with it.
        return Ok(Some(Progress::default()));
    }
    let next = next_open_order(&mut transaction, part).await?;
    let failed =
        Progress { examined: i64::from(next.is_some()), failed: i64::from(next.is_some()), ..Progress::default() };
    tracing::error!(order = ?next, %error, "an order cannot be planned anew and was left as it is");
    move_on(&mut transaction, part, (next.unwrap_or(part.after_id), failed, next.is_none()), now).await?;
    transaction.commit().await.map_err(|error| StoreError::new("commit a recomputation", error))?;
    Ok(Some(failed))
}

/// Recomputations before an id, the latest first.
///
/// # Errors
/// When the database fails.
pub async fn list(plant: &Plant, before: i64, limit: i64) -> Result<Vec<ReplanRow>, Failure> {
    Ok(plant.store.list_replans(before, limit).await?)
}

/// One recomputation.
///
/// # Errors
/// When the database fails.
pub async fn get(plant: &Plant, id: i64) -> Result<Option<ReplanRow>, Failure> {
    Ok(plant.store.get_replan(id).await?)
}

/// One batch, of the part that it leaves in `locked`; `None` when there is nothing to do, or other lanes do it.
async fn batch(
    plant: &Plant,
    ids: &mut Ids,
    limit: i64,
    locked: &mut Option<PartRow>,
) -> Result<Option<Progress>, StoreError> {
    // Before anything is locked: reading the catalogue takes another connection.
    let catalogue = plant.snapshot.at(plant.store.catalogue_version().await?, &plant.store).await?;
    let mut transaction = plant.store.begin("replan").await?;
    let Some(part) = lock_part(&mut transaction).await? else { return Ok(None) };
    let part = &*locked.insert(part);
    let (version, database_now, orders) = lock_open_orders(&mut transaction, part, limit).await?;
    if catalogue.version != version {
        return Err(StoreError {
            operation: EDITED,
            fault: StoreFault::FactsChanged,
            detail: "the catalogue changed while it was read".into(),
        });
    }
    let now = plant.clock.now(database_now).trunc_subsecs(6);
    let decided = decide(&orders, part, &catalogue, ids, (now, &plant.settings.fallback))?;
    write_dates(&mut transaction, &decided.dates).await?;
    if !decided.whole.is_empty() {
        let mut writes = Writes::default();
        for decision in &decided.whole {
            writes.add(decision, now);
        }
        write(&mut transaction, &writes, version).await?;
    }
    write_turns(&mut transaction, &decided.turns).await?;
    let after_id = orders.last().map_or(part.after_id, |(order, _)| order.id);
    let done = after_id == part.until_id || i64::try_from(orders.len()).is_ok_and(|count| count < limit);
    move_on(&mut transaction, part, (after_id, decided.progress, done), now).await?;
    kill_point("replan-before-commit");
    transaction.commit().await.map_err(|error| StoreError::new("commit a recomputation", error))?;
    kill_point("replan-after-commit");
    Ok(Some(decided.progress))
}

#[derive(Default)]
struct Decided {
    dates: Dates,
    /// What changes more than dates: what triggers tell about it.
    whole: Vec<Decision>,
    turns: Vec<(uuid::Uuid, HealthTurns, Option<DateTime<Utc>>)>,
    progress: Progress,
}

fn decide(
    orders: &[(Order, bool)],
    part: &PartRow,
    catalogue: &Catalogue,
    ids: &mut Ids,
    (now, fallback): (DateTime<Utc>, &str),
) -> Result<Decided, StoreError> {
    let mut decided = Decided::default();
    let mut cx = Context { catalogue, now, ids, actor: &part.actor, fallback, cause: "" };
    for (before, told) in orders {
        decided.progress.examined += 1;
        let decision = anew(before, &part.replan, *told, &mut cx);
        decided.progress.failed += i64::from(decision.is_err());
        if let Some(decision) = decision.unwrap_or_default() {
            decided.progress.count(before, &decision.order, now);
            if Dates::fit(before, &decision) {
                decided.dates.add(&decision)?;
            } else {
                decided.whole.push(decision);
            }
            continue;
        }
        let mut after = before.clone();
        after.health_turns = turns(before, catalogue);
        // From the beginning: what a trigger, or a calendar, brought into the past meanwhile is found by the sweep.
        let next = alarm::next(&after, catalogue, None);
        after.next_alarm_at = before.next_alarm_at.into_iter().chain(next).min();
        if after.health_turns != before.health_turns || after.next_alarm_at != before.next_alarm_at {
            decided.turns.push((before.id, after.health_turns, after.next_alarm_at));
        }
    }
    Ok(decided)
}

/// Decides one order anew.
///
/// # Errors
/// `BeyondHorizon`.
pub(super) fn anew(
    before: &Order,
    replan: &Replan,
    told: bool,
    cx: &mut Context<'_>,
) -> Result<Option<Decision>, Refusal> {
    if replan.dates { replan::decide(before, (replan.cause, &replan.reason), told, cx) } else { Ok(None) }
}

impl Progress {
    /// Counts an order that was decided anew.
    pub(super) fn count(&mut self, before: &Order, after: &Order, now: DateTime<Utc>) {
        let (was, is) = (before.overdue(now), after.overdue(now));
        self.changed += i64::from(before.visit.due != after.visit.due);
        self.newly_overdue += i64::from(!was && is);
        self.in_time_again += i64::from(was && !is && after.visit.due.is_some());
    }

    /// Adds what a later part did.
    pub(super) fn add(&mut self, later: Self) {
        self.examined += later.examined;
        self.changed += later.changed;
        self.newly_overdue += later.newly_overdue;
        self.in_time_again += later.in_time_again;
        self.failed += later.failed;
    }
}
