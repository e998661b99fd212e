//! Sweep: finds the orders whose alarm has come, and records what fires, in batches.
//!
//! A batch is one transaction: lock the due orders (passing over what another daemon has locked), decide, write. The alert is
//! unique per visit, rule and due time, and the order's next alarm is settled in the same write, so a second tick at the same
//! instant does nothing, and what a kill interrupts is found again by the next tick of any daemon. After a full batch two are
//! under way at once.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    domain::{
        alerts::{alarm, trigger::Event},
        ids::Ids,
        order::{Context, Order},
    },
    store::{
        StoreError, StoreFault,
        facts::{OrderFact, alerts_of, lock_due_alarms},
        write::{Writes, write},
    },
};

use super::{Plant, kill_point};

/// The principal in whose name alarms fire.
pub const ACTOR: &str = "andon";
/// Batches that one run takes; what is left is left to the next tick.
const BATCHES_MAX: usize = 1_000;
/// Messages of one batch; the orders that are left are taken by the next one.
const MESSAGES_MAX: usize = 10_000;
/// How long an alarm is put off that cannot be recorded.
const PUT_OFF: TimeDelta = TimeDelta::minutes(5);
/// Batches under way at once when there is more than one: one is decided while the database writes the other.
const LANES: usize = 2;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Orders whose alarm had come.
    pub examined: usize,
    /// Alerts that fired.
    pub fired: usize,
    /// Messages that were queued.
    pub queued: usize,
    /// Whether there may be more.
    pub left: bool,
}

impl SweepReport {
    fn add(&mut self, later: Self) {
        self.examined += later.examined;
        self.fired += later.fired;
        self.queued += later.queued;
        self.left = later.left;
    }
}

/// Runs until no alarm is due, or the bound is reached.
///
/// # Errors
/// When the database fails; what earlier batches recorded stays.
pub async fn sweep(plant: &Plant) -> Result<SweepReport, StoreError> {
    let mut report = SweepReport::default();
    // The first batch alone: most of the time there is no other.
    report.add(run(plant, 1).await?);
    if report.left {
        let (one, other) = tokio::join!(run(plant, BATCHES_MAX / LANES), run(plant, BATCHES_MAX / LANES));
        let (one, other) = (one?, other?);
        report.add(one);
        report.add(other);
        report.left = one.left || other.left;
    }
    Ok(report)
}

/// One batch after the other, at most `batches`, while there are more. One order must not hold up all others: a batch that cannot
/// be written is done order by order, and the alarm of an order that cannot be written alone is put off.
async fn run(plant: &Plant, batches: usize) -> Result<SweepReport, StoreError> {
    let mut ids = plant.fork_ids();
    let mut report = SweepReport::default();
    // Batches of a single order that are still to be done.
    let mut single: usize = 0;
    for _ in 0..batches {
        let limit = if single > 0 { 1 } else { plant.settings.sweep_batch };
        single = single.saturating_sub(1);
        let mut first = None;
        match batch(plant, &mut ids, limit, &mut first).await {
            Ok(done) => report.add(done),
            Err(error) if !is_poison(&error) => return Err(error),
            Err(error) if limit > 1 => {
                tracing::warn!(%error, "a batch of alarms is done order by order");
                single = limit;
                report.left = true;
            }
            Err(error) => {
                tracing::error!(order = ?first, %error, "the alarm of an order cannot be recorded and was put off");
                if let Some((order, now)) = first {
                    plant.store.put_off_alarm(order, now + PUT_OFF).await?;
                }
                report.left = true;
            }
        }
        if !report.left {
            break;
        }
    }
    Ok(report)
}

/// Whether the rows of a batch brought a failure about, not the database or an edit in between.
fn is_poison(error: &StoreError) -> bool {
    !matches!(error.fault, StoreFault::Unavailable | StoreFault::FactsChanged)
}

/// One batch of at most `limit` orders; leaves the first of them, and the instant, in `first`.
async fn batch(
    plant: &Plant,
    ids: &mut Ids,
    limit: usize,
    first: &mut Option<(Uuid, DateTime<Utc>)>,
) -> Result<SweepReport, StoreError> {
    let (database_now, _) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now);
    let mut transaction = plant.store.begin("sweep").await?;
    let Some(facts) = lock_due_alarms(&mut transaction, now, i64::try_from(limit).unwrap_or(1_000)).await? else {
        return Ok(SweepReport::default());
    };
    *first = facts.found.first().map(|fact| (fact.order.id, now));
    let catalogue = plant.snapshot.at(facts.catalogue_version, &plant.store).await?;
    if catalogue.version != facts.catalogue_version {
        return Err(StoreError {
            operation: "sweep",
            fault: StoreFault::FactsChanged,
            detail: "the catalogue changed while it was read".into(),
        });
    }
    let visits: Vec<_> = facts.found.iter().map(|fact| (fact.order.id, fact.order.visit.sequence)).collect();
    // Whether they are overdue came with the orders; the rest is asked for only where triggers come with time.
    let timed =
        catalogue.triggers.values().any(|it| it.spec.event.counts_days() || it.spec.event == Event::HealthChanged);
    let told =
        if timed { Told::of_visits(alerts_of(&mut transaction, &visits).await?) } else { Told::overdue(&facts.found) };
    let mut cx =
        Context { catalogue: &catalogue, now, ids, actor: ACTOR, fallback: &plant.settings.fallback, cause: "" };
    let outage_after = plant.settings.outage_after;
    let mut decisions = Vec::with_capacity(facts.found.len());
    let mut messages = 0;
    for fact in &facts.found {
        let decision = alarm::alarm(&fact.order, told.of(&fact.order), outage_after, &mut cx);
        messages += decision.effects.messages.len();
        decisions.push(decision);
        if messages >= MESSAGES_MAX {
            break;
        }
    }
    let mut writes = Writes::default();
    for decision in &decisions {
        writes.add(decision, now);
    }
    kill_point("sweep-before-write");
    write(&mut transaction, &writes, facts.catalogue_version).await?;
    kill_point("sweep-before-commit");
    transaction.commit().await.map_err(|error| StoreError::new("commit a sweep", error))?;
    kill_point("sweep-after-commit");
    Ok(SweepReport {
        examined: decisions.len(),
        fired: decisions.iter().filter(|decision| !decision.alerts.is_empty()).count(),
        queued: decisions.iter().map(|decision| decision.effects.messages.len()).sum(),
        left: decisions.len() == limit || messages >= MESSAGES_MAX,
    })
}

/// The alerts of visits, by order.
#[derive(Debug, Default)]
struct Told(HashMap<Uuid, Vec<(String, DateTime<Utc>)>>);

impl Told {
    fn of_visits(alerts: Vec<(Uuid, String, DateTime<Utc>)>) -> Self {
        let mut told = Self::default();
        for (order, rule, at) in alerts {
            told.0.entry(order).or_default().push((rule, at));
        }
        told
    }

    fn overdue(facts: &[OrderFact]) -> Self {
        let alert = |fact: &OrderFact| Some((alarm::OVERDUE.to_owned(), fact.order.visit.due?.at));
        let known = facts.iter().filter(|fact| fact.alerted);
        Self(known.map(|fact| (fact.order.id, alert(fact).into_iter().collect())).collect())
    }

    fn of(&self, order: &Order) -> &[(String, DateTime<Utc>)] {
        self.0.get(&order.id).map_or(&[], Vec::as_slice)
    }
}
