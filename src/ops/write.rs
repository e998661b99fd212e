//! The one write path: everything that changes orders on a caller's behalf goes through `run`, over a slice of units.
//!
//! Protocol of a round, for all units of a batch together:
//!
//! 1. **load**: one statement reads the orders and the version of the catalogue; another, only when new numbers are named, what
//!    is known of them. Stored answers are looked up only where they can matter: when a unit with a request id is refused, and
//!    when writing failed, as it does when the request id is taken. So the usual change costs two round trips.
//! 2. **decide**: each unit on its own, in the order of arrival. A refusal is the answer of its unit and spoils no neighbour.
//!    A unit that names an order which an earlier unit of this round changes is put off to the next round.
//! 3. **apply**: one guarded statement writes all decisions, whole or not at all, durable before anybody is answered.
//!
//! When a guard fails (somebody else changed an order, the catalogue, or took a number in between), the round is done again from
//! 1: at most `ATTEMPTS_MAX` times, the last ones unit by unit.
//!
//! What a crash does: before 3 nothing has happened; after 3 all has, and a caller who got no answer repeats with its request id
//! and gets the stored one. A call without an etag acts on the order as it was when the call arrived: if a caller changed the
//! order after that, the answer is `EtagMismatch`, so two callers at once never make a double step.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Failure, Plant,
    bridge::Placed,
    kill_point,
    unit::{Answer, Answered, Change, Mode, Outcome, Unit},
};
use crate::{
    domain::{
        acknowledge, advance,
        alerts::fire::{acted, follow_up, hold_back},
        catalogue::Catalogue,
        change_type, create,
        ids::Ids,
        import::{self, Known},
        note,
        order::{Context, Decision, Effects, Order},
        refusal::{Kind, Refusal},
        set_due_date, update,
    },
    store::{
        StoreError, StoreFault,
        facts::{NumberFact, OrderFact, OrderRef},
        requests::StoredRequest,
        write::Writes,
    },
};

/// Rounds that a batch may take before it is given up.
const ATTEMPTS_MAX: u32 = 12;
/// From this attempt on, units are done one by one.
const ATTEMPTS_TOGETHER: u32 = 4;

/// The revision that each unit, by its place, saw of an order when it first read it: another one later was made by somebody
/// else in between.
type Seen = HashMap<(usize, Uuid), i64>;

/// The triggers that have acted, by cause.
type Acted = BTreeMap<String, BTreeSet<String>>;

/// What a round knows.
struct Loaded {
    database_now: DateTime<Utc>,
    catalogue_version: i64,
    orders: Vec<Option<OrderFact>>,
    numbers: Vec<Option<NumberFact>>,
    placed: Placed,
}

/// Carries out units. Every unit is answered, in the order given.
pub async fn run(plant: &Plant, units: &[Unit], ids: &mut Ids) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = units.iter().map(|_| None).collect();
    let mut seen = Seen::new();
    let mut attempt = 0;
    loop {
        let mut open: Vec<usize> = (0..units.len()).filter(|index| answers[*index].is_none()).collect();
        if open.is_empty() {
            break;
        }
        if attempt >= ATTEMPTS_TOGETHER {
            open.truncate(1);
        }
        match round(plant, units, &open, ids, &mut seen, attempt > 0).await {
            Ok(done) => {
                attempt = if done.is_empty() { attempt + 1 } else { 0 };
                for (index, answer) in done {
                    answers[index] = Some(Ok(answer));
                }
            }
            Err(error) if retryable(&error) && attempt < ATTEMPTS_MAX => attempt += 1,
            // What one unit's rows brought about must not be its neighbours' answer.
            Err(error) if open.len() > 1 && error.fault != StoreFault::Unavailable => {
                attempt = attempt.max(ATTEMPTS_TOGETHER);
            }
            Err(error) => {
                let shared = Arc::new(error);
                for index in open {
                    answers[index] = Some(Err(Failure::Store(copy(&shared))));
                }
                attempt = 0;
            }
        }
    }
    answers.into_iter().map(|answer| answer.unwrap_or(Err(Failure::GivenUp("no answer")))).collect()
}

/// Whether reading again may help: the facts changed, or a constraint tells that they did.
fn retryable(error: &StoreError) -> bool {
    matches!(error.fault, StoreFault::FactsChanged | StoreFault::Constraint(_))
}

fn copy(error: &StoreError) -> StoreError {
    StoreError { operation: error.operation, fault: error.fault.clone(), detail: error.detail.clone() }
}

/// One round over the open units; answers those that it carried out or refused.
async fn round(
    plant: &Plant,
    units: &[Unit],
    open: &[usize],
    ids: &mut Ids,
    seen: &mut Seen,
    look_up_first: bool,
) -> Result<Vec<(usize, Answered)>, StoreError> {
    let mut answered = Vec::new();
    let mut left: Vec<usize> = Vec::new();
    for index in open.iter().copied() {
        let stored = if look_up_first { stored_answer(plant, &units[index]).await? } else { None };
        match stored {
            Some(answer) => answered.push((index, answer)),
            None => left.push(index),
        }
    }
    if left.is_empty() {
        return Ok(answered);
    }
    let changes: Vec<&Change> = left.iter().flat_map(|index| &units[*index].changes).collect();
    let known = load(plant, &changes).await?;
    let catalogue = plant.snapshot.at(known.catalogue_version, &plant.store).await?;
    if catalogue.version != known.catalogue_version {
        return Err(StoreError {
            operation: "decide",
            fault: StoreFault::FactsChanged,
            detail: "the catalogue changed while it was read".into(),
        });
    }
    let now = plant.clock.now(known.database_now);
    let mut acted = acted_for(plant, units, &left).await?;
    let mut taken = HashSet::new();
    let mut decided: Vec<(usize, Vec<Outcome>, Vec<Decision>)> = Vec::new();
    let mut first = 0;
    for index in left {
        let unit = &units[index];
        let span = first..first + unit.changes.len();
        first = span.end;
        for fact in known.orders[span.clone()].iter().flatten() {
            seen.entry((index, fact.order.id)).or_insert(fact.order.revision);
        }
        let mut round = Round {
            plant,
            catalogue: &catalogue,
            now,
            known: &known,
            ids,
            arrived_us: known.placed.us(unit.arrived),
            index,
            seen,
            acted: acted.get(&unit.cause),
        };
        let Some((outcomes, decisions)) = round.decide(unit, span, &mut taken) else { continue };
        let refused = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Refused(_)));
        let stored =
            if (refused || decisions.is_empty()) && !look_up_first { stored_answer(plant, unit).await? } else { None };
        if let Some(answer) = stored {
            answered.push((index, answer));
            continue;
        }
        // A trigger acts for one call at most: for all that this one does, and for none after it.
        if !unit.cause.is_empty() {
            acted.entry(unit.cause.clone()).or_default().extend(rules(&decisions).map(str::to_owned));
        }
        decided.push((index, outcomes, decisions));
    }
    apply(plant, units, &decided, known.catalogue_version, now).await?;
    answered.extend(decided.into_iter().map(|(index, outcomes, _)| (index, Answered { outcomes, at: now })));
    Ok(answered)
}

/// The triggers that have acted for the causes of these units. Only calls with a cause pay for it.
async fn acted_for(plant: &Plant, units: &[Unit], open: &[usize]) -> Result<Acted, StoreError> {
    let causes: BTreeSet<&String> =
        open.iter().map(|index| &units[*index].cause).filter(|cause| !cause.is_empty()).collect();
    if causes.is_empty() {
        return Ok(Acted::new());
    }
    plant.store.acted_triggers(&causes.into_iter().cloned().collect::<Vec<_>>()).await
}

/// The triggers that act in these decisions.
fn rules(decisions: &[Decision]) -> impl Iterator<Item = &str> {
    decisions.iter().flat_map(|decision| acted(&decision.effects))
}

/// The stored answer to a unit's request id: `None` when there is no id, or nothing is stored for it.
async fn stored_answer(plant: &Plant, unit: &Unit) -> Result<Option<Answered>, StoreError> {
    let Some(key) = &unit.key else { return Ok(None) };
    let Some(StoredRequest { fingerprint, outcome }) = plant.store.find_request(&key.id).await? else {
        return Ok(None);
    };
    if fingerprint != key.fingerprint {
        let refusal = Refusal::RequestIdReused(key.id.clone());
        let outcomes = unit.changes.iter().map(|_| Outcome::Refused(refusal.clone())).collect();
        return Ok(Some(Answered { outcomes, at: DateTime::UNIX_EPOCH }));
    }
    let outcomes: Vec<Outcome> =
        serde_json::from_slice(&outcome).map_err(|_| StoreError::impossible("requests", "outcome", key.id.clone()))?;
    // What is stored changed an order, which tells when.
    let changed_at = |outcome: &Outcome| match outcome {
        Outcome::Done { order, .. } => Some(order.updated_at),
        _ => None,
    };
    let at = outcomes.iter().filter_map(changed_at).max().unwrap_or_default();
    Ok(Some(Answered { outcomes, at }))
}

/// The facts of all changes of a round; places follow the order of `changes`.
async fn load(plant: &Plant, changes: &[&Change]) -> Result<Loaded, StoreError> {
    let mut refs = Vec::new();
    let mut ref_places = Vec::new();
    let mut numbers = Vec::new();
    let mut number_places = Vec::new();
    for (place, change) in changes.iter().enumerate() {
        if let Some(order) = change.order() {
            refs.push(order.clone());
            ref_places.push(place);
        }
        if let Some(number) = change.number() {
            numbers.push(number.to_owned());
            number_places.push(place);
        }
    }
    let mut known = Loaded {
        database_now: DateTime::UNIX_EPOCH,
        catalogue_version: 0,
        orders: changes.iter().map(|_| None).collect(),
        numbers: changes.iter().map(|_| None).collect(),
        placed: Placed::default(),
    };
    // Numbers first: when both are read, the orders' later version of the catalogue is the one that is checked.
    if !numbers.is_empty() {
        let facts = plant.store.number_facts(&numbers).await?;
        known.database_now = facts.database_now;
        known.catalogue_version = facts.catalogue_version;
        for fact in facts.found {
            let place = number_places[fact.place];
            known.numbers[place] = Some(fact);
        }
    }
    if !refs.is_empty() {
        let asked = Instant::now();
        if let Some(facts) = plant.store.order_facts(&refs).await? {
            let clock_us = facts.found.iter().map(|fact| fact.clock_us).max().unwrap_or(0);
            known.placed = plant.bridge.read(asked, Instant::now(), clock_us);
            known.database_now = facts.database_now;
            known.catalogue_version = facts.catalogue_version;
            for fact in facts.found {
                let place = ref_places[fact.place];
                known.orders[place] = Some(fact);
            }
        } else if numbers.is_empty() {
            let (database_now, catalogue_version) = plant.store.clock_and_version().await?;
            known.database_now = database_now;
            known.catalogue_version = catalogue_version;
        }
    }
    Ok(known)
}

/// What the decisions of one unit are made with.
struct Round<'a> {
    plant: &'a Plant,
    catalogue: &'a Catalogue,
    now: DateTime<Utc>,
    known: &'a Loaded,
    ids: &'a mut Ids,
    /// When the call arrived, at the earliest, by the database's wall clock.
    arrived_us: i64,
    index: usize,
    seen: &'a Seen,
    /// The triggers that have acted for the cause of the unit.
    acted: Option<&'a BTreeSet<String>>,
}

impl Round<'_> {
    /// Decides a unit; `None` when it has to wait for the next round, since an earlier unit changes one of its orders.
    fn decide(
        &mut self,
        unit: &Unit,
        span: std::ops::Range<usize>,
        taken: &mut HashSet<Taken>,
    ) -> Option<(Vec<Outcome>, Vec<Decision>)> {
        let mut own: HashSet<Taken> = HashSet::new();
        let mut outcomes = Vec::with_capacity(unit.changes.len());
        let mut decisions: Vec<Decision> = Vec::new();
        let mut one_type: Option<String> = None;
        for (change, place) in unit.changes.iter().zip(span) {
            let name = self.name(change, place);
            if taken.contains(&name) {
                return None;
            }
            if own.contains(&name) && matches!(name, Taken::Order(_)) {
                outcomes.push(Outcome::Repeated);
                continue;
            }
            let earlier = match &name {
                Taken::Number(number) if own.contains(&name) => {
                    decisions.iter().map(|decision| &decision.order).find(|order| order.number == *number)
                }
                _ => None,
            };
            let result =
                self.same_type(unit, place, &mut one_type).and_then(|()| self.change(unit, change, place, earlier));
            // A number is taken by the order that gets it, not by one that was refused.
            if !matches!(name, Taken::Number(_)) || matches!(result, Ok(Decided::Change(_))) {
                own.insert(name);
            }
            match result {
                Ok(Decided::Change(decision)) => {
                    outcomes.push(Outcome::Done {
                        order: Box::new(decision.order.clone()),
                        effects: Box::new(decision.effects.clone()),
                    });
                    decisions.push(*decision);
                }
                Ok(Decided::Nothing(outcome)) => outcomes.push(outcome),
                Err(refusal) => outcomes.push(Outcome::Refused(refusal)),
            }
        }
        if unit.mode == Mode::Atomic
            && let Some(index) = outcomes.iter().position(|outcome| matches!(outcome, Outcome::Refused(_)))
        {
            decisions.clear();
            for outcome in &mut outcomes {
                if matches!(outcome, Outcome::Done { .. }) {
                    *outcome = Outcome::Refused(Refusal::BatchRefused { index });
                }
            }
        }
        if unit.validate_only {
            decisions.clear();
        }
        if !decisions.is_empty() {
            taken.extend(own);
        }
        Some((outcomes, decisions))
    }

    fn name(&self, change: &Change, place: usize) -> Taken {
        match (change.number(), &self.known.orders[place]) {
            (Some(number), _) => Taken::Number(number.to_owned()),
            (None, Some(fact)) => Taken::Order(fact.order.id),
            (None, None) => Taken::Nothing(change.order().map(ToString::to_string).unwrap_or_default()),
        }
    }

    /// Orders of a bulk call are of the type of the first one.
    fn same_type(&self, unit: &Unit, place: usize, one_type: &mut Option<String>) -> Result<(), Refusal> {
        let Some(fact) = self.known.orders[place].as_ref().filter(|_| unit.one_type) else { return Ok(()) };
        let found = &fact.order.order_type;
        let expected = one_type.get_or_insert_with(|| found.clone());
        if expected == found {
            Ok(())
        } else {
            Err(Refusal::MixedTypes { expected: expected.clone(), found: found.clone() })
        }
    }

    /// Decides one change; `earlier` is the order that an earlier change of the unit makes under the same number.
    fn change(
        &mut self,
        unit: &Unit,
        change: &Change,
        place: usize,
        earlier: Option<&Order>,
    ) -> Result<Decided, Refusal> {
        let mut cx = Context {
            catalogue: self.catalogue,
            now: self.now,
            ids: self.ids,
            actor: &unit.actor,
            fallback: &self.plant.settings.fallback,
            cause: &unit.cause,
        };
        let found = |order: &OrderRef| {
            let refusal = || Refusal::NotFound { kind: Kind::Order, id: order.to_string() };
            self.known.orders[place].as_ref().ok_or_else(refusal)
        };
        let mut decided = match change {
            Change::Create { order, on_behalf_of } => {
                let taken = earlier.is_some() || self.known.numbers[place].as_ref().is_some_and(|fact| fact.taken);
                create::create(order, on_behalf_of, taken, &mut cx).map(Decided::change)
            }
            Change::Advance { order, advance, etag } => {
                let fact = found(order)?;
                let before = self.plant.made.before(fact.order.id, fact.order.revision, unit.arrived);
                let passed = (fact.touched_us >= self.arrived_us && !before)
                    || self.seen.get(&(self.index, fact.order.id)).is_some_and(|seen| *seen != fact.order.revision);
                if etag.is_none() && passed {
                    return Err(Refusal::EtagMismatch { kind: Kind::Order, current_etag: fact.order.etag() });
                }
                advance::advance(&fact.order, advance, etag.as_deref(), &mut cx).map(Decided::change)
            }
            Change::Note { order, note } => note::add_note(&found(order)?.order, note, &mut cx).map(Decided::change),
            Change::SetDueDate { order, due } => {
                set_due_date::set_due_date(&found(order)?.order, due, &mut cx).map(Decided::change)
            }
            Change::Update { order, update } => {
                let before = &found(order)?.order;
                let unchanged =
                    || Outcome::Done { order: Box::new(before.clone()), effects: Box::new(Effects::default()) };
                let decision = update::update(before, update, &mut cx)?;
                Ok(decision.map_or_else(|| Decided::Nothing(unchanged()), Decided::change))
            }
            Change::Acknowledge { order, acknowledge: asked } => {
                acknowledge::acknowledge(&found(order)?.order, asked, &mut cx).map(Decided::change)
            }
            Change::Follow { order, follow } => {
                let before = &found(order)?.order;
                let unchanged =
                    || Outcome::Done { order: Box::new(before.clone()), effects: Box::new(Effects::default()) };
                let decision = acknowledge::follow(before, follow, &mut cx)?;
                Ok(decision.map_or_else(|| Decided::Nothing(unchanged()), Decided::change))
            }
            Change::ChangeType { order, change } => {
                change_type::change_type(&found(order)?.order, change, &mut cx).map(Decided::change)
            }
            Change::Import(order) => {
                let known = match (earlier, &self.known.numbers[place]) {
                    (None, Some(NumberFact { taken: false, .. }) | None) => Known::No,
                    (Some(Order { import_fingerprint, .. }), _)
                    | (None, Some(NumberFact { import_fingerprint, .. }))
                        if import_fingerprint.as_deref() == Some(&order.fingerprint) =>
                    {
                        Known::Same
                    }
                    _ => Known::Differs,
                };
                let decision = import::import(order, known, &mut cx)?;
                Ok(decision.map_or(Decided::Nothing(Outcome::Unchanged), Decided::change))
            }
        }?;
        if let Decided::Change(decision) = &mut decided {
            let before = self.known.orders[place].as_ref().filter(|_| !decision.created).map(|fact| &fact.order);
            follow_up(before, decision, &mut cx);
            if let Some(acted) = self.acted {
                hold_back(decision, acted);
            }
        }
        Ok(decided)
    }
}

/// What was decided for one change.
enum Decided {
    /// Something is written.
    Change(Box<Decision>),
    /// Nothing is; this is the answer.
    Nothing(Outcome),
}

impl Decided {
    fn change(decision: Decision) -> Self {
        Self::Change(Box::new(decision))
    }
}

/// What a unit of the round lays its hand on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Taken {
    Order(Uuid),
    Number(String),
    Nothing(String),
}

/// Writes the decisions of a round, with the answers to be stored.
async fn apply(
    plant: &Plant,
    units: &[Unit],
    decided: &[(usize, Vec<Outcome>, Vec<Decision>)],
    catalogue_version: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    for (index, outcomes, decisions) in decided {
        for decision in decisions {
            writes.add(decision, now);
        }
        let cause = &units[*index].cause;
        if !cause.is_empty() {
            for rule in rules(decisions).collect::<BTreeSet<_>>() {
                writes.acted(cause, rule, now);
            }
        }
        if let Some(key) = units[*index].key.as_ref().filter(|_| !decisions.is_empty()) {
            let outcome = serde_json::to_vec(outcomes)
                .map_err(|_| StoreError::impossible("requests", "outcome", key.id.clone()))?;
            writes.answer(&key.id, &key.fingerprint, &outcome, now);
        }
    }
    if writes.is_empty() {
        return Ok(());
    }
    kill_point("write-before");
    plant.store.write(&writes, catalogue_version).await?;
    let orders = decided.iter().flat_map(|(_, _, decisions)| decisions).map(|decision| &decision.order);
    plant.made.note(orders.map(|order| (order.id, order.revision)), Instant::now());
    kill_point("write-after");
    Ok(())
}
