//! Update: changes fields of an order that are not its status.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    advance::{check_etag, on_behalf_of},
    create,
    order::{Context, Decision, Due, DueCause, DueSource, Effects, FieldChange, HistoryDetail, HistoryKind, Order},
    refusal::Refusal,
    schedule,
    step::computed_due,
    violation::Violations,
};

/// Changed fields of an order; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateOrder {
    /// For people.
    pub title: Option<String>,
    /// The customer's reference.
    pub customer_reference: Option<String>,
    /// The vendor's reference.
    pub vendor_reference: Option<String>,
    /// Line of a sales order.
    pub sales_order_line: Option<String>,
    /// What is made.
    pub product: Option<String>,
    /// Decimal as text; empty = not said.
    pub quantity: Option<String>,
    /// The day from which due dates are planned.
    pub ordered_on: Option<NaiveDate>,
    /// Promised delivery.
    pub delivery_on: Option<Option<NaiveDate>>,
    /// -1000 to 1000.
    pub priority: Option<i32>,
    /// Key and value.
    pub labels: Option<BTreeMap<String, String>>,
    /// Who has it.
    pub assigned_department: Option<Option<String>>,
    /// Who has it.
    pub assigned_user: Option<Option<String>>,
    /// Kept in history.
    pub reason: String,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
    /// The order's etag as the caller saw it.
    pub etag: Option<String>,
}

impl UpdateOrder {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        for (field, max, text) in [
            ("order.title", 200, &self.title),
            ("order.customer_reference", 100, &self.customer_reference),
            ("order.vendor_reference", 100, &self.vendor_reference),
            ("order.sales_order_line", 100, &self.sales_order_line),
            ("order.product", 100, &self.product),
        ] {
            v.line(field, text.as_deref().unwrap_or_default(), 0, max);
        }
        for (field, id) in
            [("order.assigned_department", &self.assigned_department), ("order.assigned_user", &self.assigned_user)]
        {
            v.id(field, id.as_ref().and_then(Option::as_deref).unwrap_or_default());
        }
        v.within("order.", |v| {
            create::check_quantity(self.quantity.as_deref().unwrap_or_default(), v);
            create::check_priority(self.priority.unwrap_or(0), v);
            create::check_labels(self.labels.iter().flatten(), v);
        });
        v.line("reason", &self.reason, 0, 500);
        v.id("on_behalf_of", &self.on_behalf_of);
    }
}

/// Decides an update; `None` when all fields are so already. An order date that changes plans the due date of the current visit
/// anew, unless it is manual. Closed orders can be updated too; how they stood when they were closed stays.
///
/// # Errors
/// `EtagMismatch`, `NotFound` and `Inactive` (on whose behalf, who gets it), `BeyondHorizon`.
pub fn update(before: &Order, request: &UpdateOrder, cx: &mut Context<'_>) -> Result<Option<Decision>, Refusal> {
    check_etag(before, request.etag.as_deref())?;
    let order_type = cx.catalogue.order_type(&before.order_type)?;
    let acted_for = on_behalf_of(&request.on_behalf_of, cx)?;
    let mut order = before.clone();
    set(&mut order.title, request.title.as_ref());
    set(&mut order.customer_reference, request.customer_reference.as_ref());
    set(&mut order.vendor_reference, request.vendor_reference.as_ref());
    set(&mut order.sales_order_line, request.sales_order_line.as_ref());
    set(&mut order.product, request.product.as_ref());
    set(&mut order.quantity, request.quantity.as_ref());
    set(&mut order.ordered_on, request.ordered_on.as_ref());
    set(&mut order.delivery_on, request.delivery_on.as_ref());
    set(&mut order.priority, request.priority.as_ref());
    set(&mut order.labels, request.labels.as_ref());
    set(&mut order.assigned_department, request.assigned_department.as_ref());
    set(&mut order.assigned_user, request.assigned_user.as_ref());
    if let Some(id) =
        order.assigned_department.as_deref().filter(|_| order.assigned_department != before.assigned_department)
    {
        cx.catalogue.active_department(id)?;
    }
    if let Some(id) = order.assigned_user.as_deref().filter(|_| order.assigned_user != before.assigned_user) {
        cx.catalogue.active_user(id)?;
    }
    let differing = changes(before, &order);
    if differing.is_empty() {
        return Ok(None);
    }
    let mut effects = Effects { changes: differing.clone(), ..Effects::default() };
    order.touch(cx.now);
    let detail = HistoryDetail { changes: differing, reason: request.reason.clone(), ..HistoryDetail::default() };
    let mut history = vec![order.record(HistoryKind::Updated, cx.now, cx.actor, &acted_for, detail)];
    let mut changed = None;
    let planned = before.visit.due.is_some_and(|due| due.source == DueSource::Plan);
    if order.ordered_on != before.ordered_on
        && before.closed_at.is_none()
        && let Some(status) = order_type.status(&before.visit.status)
    {
        if planned {
            let due =
                computed_due(&order, order_type, cx.catalogue, status, before.visit.entered_on, before.visit.rework)?;
            let calendar = cx.catalogue.calendar_in(order_type, status)?;
            order.replan(due.map(|(on, source)| Due { on, at: schedule::due_at(calendar, on), source }));
        }
        replan_interrupted(&mut order, order_type, cx)?;
        if order.visit.due != before.visit.due {
            let detail = HistoryDetail {
                closed: Some(before.visit.clone()),
                opened: Some(order.visit.clone()),
                due_cause: Some(DueCause::OrderDate),
                ..HistoryDetail::default()
            };
            history.push(order.record(HistoryKind::DueDateChanged, cx.now, cx.actor, &acted_for, detail));
            changed = Some(order.visit.clone());
            if order.overdue(cx.now) && !before.overdue(cx.now) {
                effects.warnings.push(format!("'{}' is overdue with this order date", before.visit.status_name));
            }
        }
    }
    Ok(Some(Decision { effects, history, changed, ..Decision::of(order) }))
}

/// Plans the due date anew that an interrupted status will have when the order comes back to it.
///
/// # Errors
/// `BeyondHorizon`.
pub fn replan_interrupted(
    order: &mut Order,
    order_type: &super::catalogue::OrderType,
    cx: &Context<'_>,
) -> Result<(), Refusal> {
    let Some(interrupted) = &order.interrupted else { return Ok(()) };
    let planned = !matches!(interrupted.due, Some((_, DueSource::Manual | DueSource::Entry)));
    let Some(status) = order_type.status(&interrupted.status).filter(|_| planned) else { return Ok(()) };
    let due = computed_due(order, order_type, cx.catalogue, status, order.ordered_on, false)?;
    if let Some(interrupted) = &mut order.interrupted {
        interrupted.due = due;
    }
    Ok(())
}

fn set<T: Clone>(place: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        place.clone_from(given);
    }
}

fn changes(before: &Order, after: &Order) -> Vec<FieldChange> {
    let day = |on: Option<NaiveDate>| on.map(|on| on.to_string()).unwrap_or_default();
    let labels =
        |order: &Order| order.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ");
    let fields: [(&str, String, String); 12] = [
        ("title", before.title.clone(), after.title.clone()),
        ("customer_reference", before.customer_reference.clone(), after.customer_reference.clone()),
        ("vendor_reference", before.vendor_reference.clone(), after.vendor_reference.clone()),
        ("sales_order_line", before.sales_order_line.clone(), after.sales_order_line.clone()),
        ("product", before.product.clone(), after.product.clone()),
        ("quantity", before.quantity.clone(), after.quantity.clone()),
        ("order_date", day(Some(before.ordered_on)), day(Some(after.ordered_on))),
        ("delivery_date", day(before.delivery_on), day(after.delivery_on)),
        ("priority", before.priority.to_string(), after.priority.to_string()),
        ("labels", labels(before), labels(after)),
        (
            "assigned_department",
            before.assigned_department.clone().unwrap_or_default(),
            after.assigned_department.clone().unwrap_or_default(),
        ),
        (
            "assigned_user",
            before.assigned_user.clone().unwrap_or_default(),
            after.assigned_user.clone().unwrap_or_default(),
        ),
    ];
    let mut changes: Vec<FieldChange> = fields
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(field, before, after)| FieldChange { field: field.into(), before, after })
        .collect();
    // Labels whose texts join to the same line are still different.
    if before.labels != after.labels && !changes.iter().any(|change| change.field == "labels") {
        changes.push(FieldChange { field: "labels".into(), before: labels(before), after: labels(after) });
    }
    changes
}
