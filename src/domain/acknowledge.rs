//! Acknowledge and follow: people say that they have seen that a visit is late, and whom an order concerns.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{
    advance,
    order::{Acknowledgement, Context, Decision, FieldChange, HistoryDetail, HistoryKind, Order},
    refusal::{Kind, Refusal},
    schedule,
    violation::{Violation, Violations},
};

/// Users who follow one order.
pub const FOLLOWERS_MAX: usize = 100;
/// The longest snooze, in days.
pub const SNOOZE_DAYS_MAX: i64 = 366;

/// An acknowledgement, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledge {
    /// Snoozed until this day begins, in the calendar of the visit.
    pub until_on: Option<NaiveDate>,
    /// Snoozed until this instant.
    pub until: Option<DateTime<Utc>>,
    /// Take back what was said.
    pub take_back: bool,
    /// What is said, 0 to 500 characters.
    pub note: String,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
    /// The order's etag as the caller saw it.
    pub etag: Option<String>,
}

impl Acknowledge {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.line("note", &self.note, 0, 500);
        v.id("on_behalf_of", &self.on_behalf_of);
        if self.until_on.is_some() && self.until.is_some() {
            v.add("until_time", "must not be set together with until_date");
        }
        if self.take_back && (self.until_on.is_some() || self.until.is_some()) {
            v.add("take_back", "must not be set together with an end");
        }
    }
}

/// Decides an acknowledgement: of the visit as a whole, or until an instant after now. It replaces the one before.
///
/// # Errors
/// `EtagMismatch`, `OrderClosed`, `NotFound`, `Inactive`, `Invalid` when the end does not lie ahead.
pub fn acknowledge(before: &Order, request: &Acknowledge, cx: &mut Context<'_>) -> Result<Decision, Refusal> {
    advance::check_etag(before, request.etag.as_deref())?;
    if before.closed_at.is_some() {
        return Err(Refusal::OrderClosed { status: before.visit.status.clone() });
    }
    let acted_for = advance::on_behalf_of(&request.on_behalf_of, cx)?;
    let until = until(before, request, cx)?;
    let by = if acted_for.is_empty() { cx.actor.to_owned() } else { acted_for.clone() };
    let given = Acknowledgement { visit: before.visit.sequence, at: cx.now, by, note: request.note.clone(), until };
    let mut order = before.clone();
    order.acknowledged = (!request.take_back).then_some(given);
    order.touch(cx.now);
    let detail = HistoryDetail {
        acknowledged: order.acknowledged.clone(),
        reason: if request.take_back { request.note.clone() } else { String::new() },
        ..HistoryDetail::default()
    };
    let entry = order.record(HistoryKind::Acknowledged, cx.now, cx.actor, &acted_for, detail);
    let mut decision = Decision { history: vec![entry], ..Decision::of(order) };
    if !request.take_back && before.visit.due.is_none() {
        decision.effects.warnings.push(format!("'{}' has no due date to be late for", before.visit.status_name));
    }
    Ok(decision)
}

fn until(order: &Order, request: &Acknowledge, cx: &Context<'_>) -> Result<Option<DateTime<Utc>>, Refusal> {
    let (field, until) = match (request.until_on, request.until) {
        (Some(on), _) => {
            let calendar = cx.catalogue.calendar_of_visit(order)?;
            ("until_date", schedule::instant(calendar.zone(), on, 0))
        }
        (None, Some(until)) => ("until_time", until),
        (None, None) => return Ok(None),
    };
    let ahead = until > cx.now && until - cx.now <= TimeDelta::days(SNOOZE_DAYS_MAX);
    if ahead {
        return Ok(Some(until));
    }
    let description = format!("must lie ahead, at most {SNOOZE_DAYS_MAX} days");
    Err(Refusal::Invalid(vec![Violation { field: field.into(), description }]))
}

/// Who follows an order from now on, or no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follow {
    /// Ids of users who follow it from now on.
    pub add: Vec<String>,
    /// Ids of users who follow it no more.
    pub remove: Vec<String>,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
}

impl Follow {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        for (field, ids) in [("add", &self.add), ("remove", &self.remove)] {
            if ids.len() > FOLLOWERS_MAX {
                v.add(field, format!("may be {FOLLOWERS_MAX} at most, and are {}", ids.len()));
            }
            for (index, id) in ids.iter().enumerate().take(FOLLOWERS_MAX) {
                v.slug(&format!("{field}[{index}]"), id);
            }
        }
        if self.add.is_empty() && self.remove.is_empty() {
            v.add("add", "somebody must be named, here or in remove");
        }
        v.id("on_behalf_of", &self.on_behalf_of);
    }
}

/// Decides who follows; `None` when nothing changes.
///
/// # Errors
/// `NotFound`, `Inactive` (who is to follow, on whose behalf), `Invalid` when more than `FOLLOWERS_MAX` would follow.
pub fn follow(before: &Order, request: &Follow, cx: &mut Context<'_>) -> Result<Option<Decision>, Refusal> {
    let acted_for = advance::on_behalf_of(&request.on_behalf_of, cx)?;
    for id in &request.add {
        cx.catalogue.active_user(id)?;
    }
    if let Some(id) = request.remove.iter().find(|id| !cx.catalogue.users.contains_key(*id)) {
        return Err(Refusal::NotFound { kind: Kind::User, id: id.clone() });
    }
    let mut order = before.clone();
    order.followers.retain(|id| !request.remove.contains(id));
    for id in &request.add {
        if !order.followers.contains(id) {
            order.followers.push(id.clone());
        }
    }
    if order.followers == before.followers {
        return Ok(None);
    }
    if order.followers.len() > FOLLOWERS_MAX {
        let description = format!("at most {FOLLOWERS_MAX} users may follow an order");
        return Err(Refusal::Invalid(vec![Violation { field: "add".into(), description }]));
    }
    order.touch(cx.now);
    let list = |order: &Order| order.followers.join(", ");
    let change = FieldChange { field: "followers".into(), before: list(before), after: list(&order) };
    let detail = HistoryDetail { changes: vec![change.clone()], ..HistoryDetail::default() };
    let entry = order.record(HistoryKind::Followed, cx.now, cx.actor, &acted_for, detail);
    let mut decision = Decision { history: vec![entry], ..Decision::of(order) };
    decision.effects.changes.push(change);
    Ok(Some(decision))
}
