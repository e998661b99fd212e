//! Create: a new order enters its first status.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    advance,
    catalogue::{OrderType, Status},
    health_turns::HealthTurns,
    order::{Context, Decision, Effects, HistoryDetail, HistoryKind, Order, Visit},
    plan::{Method, check_delivery},
    refusal::{Kind, Refusal},
    schedule,
    step::{Step, enter},
    unmaintained,
    violation::Violations,
};

/// Labels of one order.
pub const LABELS_MAX: usize = 32;

/// The fields of a new order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// The plant's own number.
    pub number: String,
    /// Id of the type.
    pub order_type: String,
    /// For people.
    pub title: String,
    /// The customer's reference.
    pub customer_reference: String,
    /// The vendor's reference.
    pub vendor_reference: String,
    /// Line of a sales order.
    pub sales_order_line: String,
    /// What is made.
    pub product: String,
    /// Decimal as text; empty = not said.
    pub quantity: String,
    /// Default: today.
    pub ordered_on: Option<NaiveDate>,
    /// Promised delivery.
    pub delivery_on: Option<NaiveDate>,
    /// Its own schedule method; `None` = that of the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_method: Option<Method>,
    /// -1000 to 1000.
    pub priority: i32,
    /// Key and value.
    pub labels: BTreeMap<String, String>,
    /// Default: that of the status.
    pub assigned_department: Option<String>,
    /// Default: that of the status.
    pub assigned_user: Option<String>,
    /// Default: that of the type.
    pub status: Option<String>,
}

impl NewOrder {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.printable("number", &self.number, 1, 64);
        if self.number.trim() != self.number {
            v.add("number", "must not begin or end with white space");
        }
        v.slug("order_type", &self.order_type);
        for (field, id) in [
            ("assigned_department", &self.assigned_department),
            ("assigned_user", &self.assigned_user),
            ("status", &self.status),
        ] {
            v.id(field, id.as_deref().unwrap_or_default());
        }
        v.line("title", &self.title, 0, 200);
        v.line("customer_reference", &self.customer_reference, 0, 100);
        v.line("vendor_reference", &self.vendor_reference, 0, 100);
        v.line("sales_order_line", &self.sales_order_line, 0, 100);
        v.line("product", &self.product, 0, 100);
        check_quantity(&self.quantity, v);
        check_priority(self.priority, v);
        check_labels(self.labels.iter(), v);
    }
}

/// Refuses what is no quantity; empty = not said.
pub(super) fn check_quantity(quantity: &str, v: &mut Violations) {
    if !quantity.is_empty() && !is_quantity(quantity) {
        v.add("quantity", "must be a decimal from 0 to 10^15 with at most 9 places, for example 12.5");
    }
}

/// Refuses a priority out of range.
pub(super) fn check_priority(priority: i32, v: &mut Violations) {
    if !(-1000..=1000).contains(&priority) {
        v.add("priority", "must be from -1000 to 1000");
    }
}

/// Refuses labels that are too many, or whose keys or values are wrong.
pub(super) fn check_labels<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>, v: &mut Violations) {
    let mut count = 0;
    for (key, value) in labels {
        count += 1;
        if !is_label_key(key) {
            v.add("labels", "a key must be 1 to 63 of a-z, 0-9, '_', '.' and '-', beginning with a letter or digit");
        }
        v.line("labels", value, 0, 200);
    }
    if count > LABELS_MAX {
        v.add("labels", format!("at most {LABELS_MAX} are allowed"));
    }
}

fn is_label_key(key: &str) -> bool {
    (1..=63).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
}

/// A plain decimal: digits, at most one point, at most 9 places, at most 10^15.
fn is_quantity(text: &str) -> bool {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(places) || places.len() > 9 || whole.len() > 16 {
        return false;
    }
    match whole.parse::<u64>() {
        Ok(value) => {
            value < 1_000_000_000_000_000 || (value == 1_000_000_000_000_000 && places.bytes().all(|b| b == b'0'))
        }
        Err(_) => false,
    }
}

/// Decides a new order.
///
/// # Errors
/// In this order: `NotFound` (the type, the status, on whose behalf, who gets it), `AlreadyExists` when `taken`, `Inactive` (the
/// type, the status, on whose behalf, who gets it), `DeliveryDateRequired`, `BeyondHorizon`.
pub fn create(request: &NewOrder, on_behalf_of: &str, taken: bool, cx: &mut Context<'_>) -> Result<Decision, Refusal> {
    let order_type = cx.catalogue.order_type(&request.order_type)?;
    all_known(request, on_behalf_of, order_type, cx)?;
    if taken {
        return Err(Refusal::AlreadyExists { kind: Kind::Order, id: request.number.clone() });
    }
    if order_type.inactive {
        return Err(Refusal::Inactive { kind: Kind::OrderType, id: order_type.id.clone() });
    }
    let calendar = cx.catalogue.calendar_of(order_type)?;
    let status = first_status(order_type, request.status.as_deref())?;
    let acted_for = advance::on_behalf_of(on_behalf_of, cx)?;
    let today = schedule::local_date(calendar, cx.now);
    let step = Step {
        target: status,
        at: cx.now,
        on: today,
        not_complete: false,
        due_on: None,
        record_skips: false,
        actor: cx.actor,
        acted_for: &acted_for,
    };
    let mut order = blank(request, cx.ids.next(cx.now), request.ordered_on.unwrap_or(today), cx.now, order_type);
    advance::assign(&mut order, status, request.assigned_department.as_deref(), request.assigned_user.as_deref(), cx)?;
    check_delivery(&order, order_type, cx.catalogue)?;
    enter(&mut order, order_type, cx.catalogue, step, 1)?;
    let entry = order.record(
        HistoryKind::Created,
        cx.now,
        cx.actor,
        &acted_for,
        HistoryDetail { opened: Some(order.visit.clone()), ..HistoryDetail::default() },
    );
    let mut effects = Effects { opened: Some(order.visit.clone()), ..Effects::default() };
    if order.overdue(cx.now) {
        effects.warnings.push(format!("'{}' is overdue on entry", status.name));
    }
    effects.warnings.extend(unmaintained::warning(&order, cx.catalogue));
    let visits = vec![order.visit.clone()];
    Ok(Decision { effects, created: true, visits, history: vec![entry], ..Decision::of(order) })
}

/// `NotFound` for the first that is named and does not exist.
fn all_known(request: &NewOrder, on_behalf_of: &str, order_type: &OrderType, cx: &Context<'_>) -> Result<(), Refusal> {
    let user = |id: &str| (Kind::User, id.to_owned(), cx.catalogue.users.contains_key(id));
    let department = |id: &str| (Kind::Department, id.to_owned(), cx.catalogue.departments.contains_key(id));
    let status = |id: &str| (Kind::Status, id.to_owned(), order_type.status(id).is_some());
    let named = [
        request.status.as_deref().map(status),
        (!on_behalf_of.is_empty()).then(|| user(on_behalf_of)),
        request.assigned_department.as_deref().map(department),
        request.assigned_user.as_deref().map(user),
    ];
    match named.into_iter().flatten().find(|(_, _, known)| !known) {
        Some((kind, id, _)) => Err(Refusal::NotFound { kind, id }),
        None => Ok(()),
    }
}

fn first_status<'a>(order_type: &'a OrderType, named: Option<&str>) -> Result<&'a Status, Refusal> {
    let not_found = |id: &str| Refusal::NotFound { kind: Kind::Status, id: id.into() };
    let status = match named {
        Some(id) => order_type.status(id).ok_or_else(|| not_found(id))?,
        None => order_type.first_status().ok_or_else(|| not_found(""))?,
    };
    if status.inactive {
        return Err(Refusal::Inactive { kind: Kind::Status, id: status.id.clone() });
    }
    Ok(status)
}

/// An order that has not yet entered a status.
#[must_use]
pub fn blank(request: &NewOrder, id: Uuid, ordered_on: NaiveDate, now: DateTime<Utc>, order_type: &OrderType) -> Order {
    let initial = order_type.active_cycle().next().map(|status| status.id.clone()).unwrap_or_default();
    Order {
        id,
        number: request.number.clone(),
        order_type: request.order_type.clone(),
        title: request.title.clone(),
        customer_reference: request.customer_reference.clone(),
        vendor_reference: request.vendor_reference.clone(),
        sales_order_line: request.sales_order_line.clone(),
        product: request.product.clone(),
        quantity: request.quantity.clone(),
        ordered_on,
        delivery_on: request.delivery_on,
        schedule_method: request.schedule_method,
        priority: request.priority,
        labels: request.labels.clone(),
        assigned_department: None,
        assigned_user: None,
        visit: Visit {
            sequence: 0,
            status: String::new(),
            status_name: String::new(),
            entered_at: now,
            entered_on: ordered_on,
            due: None,
            rework: false,
            resumed: false,
            skipped: false,
            entered_by: String::new(),
            entered_for: String::new(),
            left_at: None,
            completed_on: None,
            completed: false,
            counted: None,
        },
        followers: Vec::new(),
        acknowledged: None,
        next_alarm_at: None,
        closed_at: None,
        completed: Vec::new(),
        interrupted: None,
        health_turns: HealthTurns::default(),
        cycle_status: initial,
        holds: Vec::new(),
        lost_days: 0,
        last_note: None,
        open_questions: Vec::new(),
        assessment: None,
        finish: None,
        history_sequence: 0,
        import_fingerprint: None,
        imported_at: None,
        version: 1,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_a_plain_decimal_up_to_ten_to_the_fifteen() {
        for good in ["0", "12.5", "1000000000000000", "1000000000000000.000", "0.000000001", "007"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in
            ["-1", "1e3", ".5", "5.", "1000000000000000.1", "1000000000000001", "0.0000000001", "NaN", "1,5", " 1"]
        {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
