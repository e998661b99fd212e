//! Update: changes fields of an order that are not its status.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    advance::{check_etag, on_behalf_of},
    catalogue::OrderType,
    create,
    order::{Context, Decision, DueCause, DueSource, Effects, FieldChange, HistoryDetail, HistoryKind, Order},
    plan::{Method, check_delivery, method_of},
    refusal::Refusal,
    replan::{record_interrupted, replan_interrupted, replan_visit},
    unmaintained,
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
    /// Its own schedule method.
    pub schedule_method: Option<Option<Method>>,
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

/// Decides an update; `None` when all fields are so already. An order date, delivery date or schedule method that changes plans
/// the due date of the current visit anew where it depends on it, unless it is manual. Closed orders can be updated too; how they stood when they were closed stays.
///
/// # Errors
/// In this order: `EtagMismatch`, `NotFound` and `Inactive` (on whose behalf, who gets it), `DeliveryDateRequired`,
/// `BeyondHorizon`.
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
    set(&mut order.schedule_method, request.schedule_method.as_ref());
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
    let cause = replan_changed(&mut order, before, order_type, cx)?;
    if let Some(cause) = cause
        && order.visit.due != before.visit.due
    {
        let detail = HistoryDetail {
            closed: Some(before.visit.clone()),
            opened: Some(order.visit.clone()),
            due_cause: Some(cause),
            ..HistoryDetail::default()
        };
        history.push(order.record(HistoryKind::DueDateChanged, cx.now, cx.actor, &acted_for, detail));
        changed = Some(order.visit.clone());
        if order.overdue(cx.now) && !before.overdue(cx.now) {
            effects.warnings.push(format!("'{}' is overdue with this change", before.visit.status_name));
        }
        effects.warnings.extend(unmaintained::warning(&order, cx.catalogue));
    }
    if let Some(cause) = cause {
        history.extend(record_interrupted(&mut order, before, order_type, (cause, ""), (cx, &acted_for)));
    }
    Ok(Some(Decision { effects, history, changed, ..Decision::of(order) }))
}

/// Plans anew what depends on a field that changed; the first cause. A date that was counted from entry, or that a person set,
/// stays unless the method changed, or that is what was set.
fn replan_changed(
    order: &mut Order,
    before: &Order,
    order_type: &OrderType,
    cx: &Context<'_>,
) -> Result<Option<DueCause>, Refusal> {
    let method = method_of(order, order_type, cx.catalogue);
    let (cause, depends): (_, fn(Option<DueSource>) -> bool) = if method != method_of(before, order_type, cx.catalogue)
    {
        (DueCause::Method, |source| source != Some(DueSource::Manual))
    } else if order.ordered_on != before.ordered_on && method == Method::FromOrderDate {
        (DueCause::OrderDate, |source| source == Some(DueSource::Plan))
    } else if order.delivery_on != before.delivery_on && method == Method::FromDeliveryDate {
        (DueCause::DeliveryDate, |source| matches!(source, None | Some(DueSource::Delivery)))
    } else {
        return Ok(None);
    };
    if cause != DueCause::OrderDate || order.delivery_on != before.delivery_on {
        check_delivery(order, order_type, cx.catalogue)?;
    }
    if before.closed_at.is_some() {
        return Ok(None);
    }
    if depends(before.visit.due.map(|due| due.source)) {
        replan_visit(order, order_type, cx.catalogue)?;
    }
    let waits = order.interrupted.as_ref().map(|it| it.due.map(|due| due.source));
    if waits.is_some_and(|source| source.is_none() || depends(source)) {
        replan_interrupted(order, order_type, cx.catalogue)?;
    }
    Ok(Some(cause))
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
    let method = |method: Option<Method>| method.map(Method::as_str).unwrap_or_default().to_owned();
    let fields: [(&str, String, String); 13] = [
        ("title", before.title.clone(), after.title.clone()),
        ("customer_reference", before.customer_reference.clone(), after.customer_reference.clone()),
        ("vendor_reference", before.vendor_reference.clone(), after.vendor_reference.clone()),
        ("sales_order_line", before.sales_order_line.clone(), after.sales_order_line.clone()),
        ("product", before.product.clone(), after.product.clone()),
        ("quantity", before.quantity.clone(), after.quantity.clone()),
        ("order_date", day(Some(before.ordered_on)), day(Some(after.ordered_on))),
        ("delivery_date", day(before.delivery_on), day(after.delivery_on)),
        ("schedule_method", method(before.schedule_method), method(after.schedule_method)),
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
