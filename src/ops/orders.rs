//! Reads of orders: get, list, count, visits, history.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Failure, Plant};
use crate::{
    domain::{
        catalogue::Catalogue,
        note::{Note, NoteKind},
        order::{HistoryEntry, Order, Visit},
        refusal::{Kind, Refusal},
        status_times::{self, StatusTime},
    },
    store::{
        facts::OrderRef,
        orders::{OrderBy, OrderFilter, OrderState, Position, StatusCount},
    },
};

/// Visits that one statement reads.
const VISITS_PAGE: i64 = 500;

/// Orders as they stood at one instant, with the catalogue to render them by.
#[derive(Debug, Clone)]
pub struct Seen<T> {
    /// The orders.
    pub orders: T,
    /// The one reading of the clock.
    pub now: DateTime<Utc>,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
}

/// Gets one order.
///
/// # Errors
/// `NotFound`, or when the database fails.
pub async fn get_order(plant: &Plant, order: &OrderRef) -> Result<Seen<Order>, Failure> {
    let missing = || Refusal::NotFound { kind: Kind::Order, id: order.to_string() };
    let facts = plant.store.order_facts(std::slice::from_ref(order)).await?.ok_or_else(missing)?;
    let catalogue = plant.snapshot.at(facts.catalogue_version, &plant.store).await?;
    let found = facts.found.into_iter().next().ok_or_else(missing)?;
    Ok(Seen { orders: found.order, now: plant.clock.now(facts.database_now), catalogue })
}

/// Lists a page of at most `limit` orders. With `overdue`, only those that are overdue now.
///
/// # Errors
/// When the database fails.
pub async fn list_orders(
    plant: &Plant,
    mut filter: OrderFilter,
    overdue: bool,
    by: OrderBy,
    after: Option<&Position>,
    limit: i64,
) -> Result<Seen<Vec<Order>>, Failure> {
    let mut looked = None;
    if overdue || !filter.health.is_empty() || filter.acknowledged.is_some() {
        let (database_now, _) = plant.store.clock_and_version().await?;
        let now = plant.clock.now(database_now);
        looked = Some(now);
        filter.health_at = now;
        if overdue {
            filter.due_by = Some(now);
            filter.state = OrderState::Open;
        }
    }
    let Some(facts) = plant.store.list_orders(&filter, by, after, limit).await? else {
        return Ok(Seen { orders: Vec::new(), now: DateTime::UNIX_EPOCH, catalogue: plant.snapshot.held() });
    };
    let catalogue = plant.snapshot.at(facts.catalogue_version, &plant.store).await?;
    // What was selected by one reading of the clock is judged by the same.
    let now = looked.unwrap_or_else(|| plant.clock.now(facts.database_now));
    Ok(Seen { orders: facts.found.into_iter().map(|fact| fact.order).collect(), now, catalogue })
}

/// Counts open orders by type and status.
///
/// # Errors
/// When the database fails.
pub async fn count_orders(plant: &Plant) -> Result<Seen<Vec<StatusCount>>, Failure> {
    let (database_now, version) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now);
    let catalogue = plant.snapshot.at(version, &plant.store).await?;
    Ok(Seen { orders: plant.store.count_orders(now).await?, now, catalogue })
}

/// Lists visits of an order after a sequence. `now` is the instant by which open ones are judged: of a closed order, when it
/// was closed. With the order as it stood then.
///
/// # Errors
/// `NotFound`, or when the database fails.
pub async fn list_visits(
    plant: &Plant,
    order: &OrderRef,
    after: i32,
    limit: i64,
) -> Result<(Seen<Order>, Vec<Visit>), Failure> {
    let seen = get_order(plant, order).await?;
    let visits = plant.store.list_visits(seen.orders.id, after, limit).await?;
    let now = seen.orders.closed_at.unwrap_or(seen.now);
    Ok((Seen { now, ..seen }, visits))
}

/// Lists history of an order after a sequence.
///
/// # Errors
/// `NotFound`, or when the database fails.
pub async fn list_history(
    plant: &Plant,
    order: &OrderRef,
    after: i32,
    limit: i64,
) -> Result<Seen<Vec<HistoryEntry>>, Failure> {
    let seen = get_order(plant, order).await?;
    let entries = plant.store.list_history(seen.orders.id, after, limit).await?;
    Ok(Seen { orders: entries, now: seen.now, catalogue: seen.catalogue })
}

/// Lists notes of an order after an id, oldest first; with `open_questions` only questions that nobody has answered. With the
/// order as it stood then.
///
/// # Errors
/// `NotFound`, or when the database fails.
pub async fn list_notes(
    plant: &Plant,
    order: &OrderRef,
    open_questions: bool,
    after: Uuid,
    limit: i64,
) -> Result<(Order, Vec<Note>), Failure> {
    let order = get_order(plant, order).await?.orders;
    let among = open_questions.then_some(order.open_questions.as_slice());
    let notes = plant.store.list_notes(order.id, after, among, limit).await?;
    Ok((order, notes))
}

/// All visits of an order, first to last.
///
/// # Errors
/// When the database fails.
pub(super) async fn all_visits(plant: &Plant, order: &Order) -> Result<Vec<Visit>, Failure> {
    let (mut visits, mut after) = (Vec::new(), 0);
    loop {
        let page = plant.store.list_visits(order.id, after, VISITS_PAGE).await?;
        let full = i64::try_from(page.len()).is_ok_and(|count| count >= VISITS_PAGE);
        after = page.last().map_or(after, |visit| visit.sequence);
        visits.extend(page);
        if !full {
            return Ok(visits);
        }
    }
}

/// How long an order was in each status, in the order of the first entry, and in all.
///
/// # Errors
/// `NotFound`, or when the database fails.
pub async fn status_times(plant: &Plant, order: &OrderRef) -> Result<(Vec<StatusTime>, TimeDelta), Failure> {
    let seen = get_order(plant, order).await?;
    let order = &seen.orders;
    let visits = all_visits(plant, order).await?;
    let calendar = seen.catalogue.calendar_of(seen.catalogue.order_type(&order.order_type)?)?;
    Ok(status_times::status_times(&visits, order, calendar, seen.now))
}

/// Whether a note is a question of this order. Notes are never changed, so what is found stays true.
///
/// # Errors
/// When the database fails.
pub async fn is_question(plant: &Plant, order: &OrderRef, question: Uuid) -> Result<bool, Failure> {
    let found = plant.store.order_facts(std::slice::from_ref(order)).await?;
    let id = found.and_then(|facts| facts.found.into_iter().next()).map(|fact| fact.order.id);
    let place = plant.store.note_place(question).await?;
    Ok(place.is_some_and(|(place, kind)| Some(place) == id && kind == NoteKind::Question.as_str()))
}
