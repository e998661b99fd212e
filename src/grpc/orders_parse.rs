//! Orders from protobuf: every request checked whole, all wrong fields at once.

use std::sync::Arc;

use chrono::DateTime;
use sha2::{Digest as _, Sha256};

use super::{
    edits::Mask,
    parse::{date, instant, method, optional, role_name, uuid},
    proto::v1,
};
use crate::{
    domain::{
        acknowledge::{Acknowledge, Follow},
        advance::Advance,
        change_type::ChangeType,
        create::NewOrder,
        import::{ImportedNote, ImportedOrder, ImportedVisit},
        note::{AddNote, NoteKind, Notify},
        projection::Health,
        set_due_date::SetDueDate,
        update::UpdateOrder,
        violation::Violations,
    },
    ops::unit::Mode,
    store::{
        facts::OrderRef,
        orders::{OrderBy, OrderFilter, OrderState},
    },
};

/// Orders of one bulk call.
pub const BULK_MAX: usize = 1_000;
/// Alternatives within one field of a filter.
const FILTER_MAX: usize = 50;

/// A reference to an order.
pub fn order_ref(field: &str, given: Option<&v1::OrderRef>, v: &mut Violations) -> OrderRef {
    match given.and_then(|given| given.r#ref.as_ref()) {
        Some(v1::order_ref::Ref::Id(id)) => OrderRef::Id(uuid(&format!("{field}.id"), id, v)),
        Some(v1::order_ref::Ref::Number(number)) => {
            v.line(&format!("{field}.number"), number, 1, 64);
            OrderRef::Number(number.clone())
        }
        None => {
            v.add(field, "must name an order by id or by number");
            OrderRef::Number(String::new())
        }
    }
}

/// The fields of a new order; conversions only, `NewOrder::check` does the rest.
pub fn new_order(given: Option<&v1::NewOrder>, v: &mut Violations) -> NewOrder {
    let Some(given) = given else {
        v.add("order", "is required");
        return NewOrder::default();
    };
    let order = v.within("order.", |v| new_order_fields(given, v));
    v.within("order.", |v| order.check(v));
    order
}

fn new_order_fields(given: &v1::NewOrder, v: &mut Violations) -> NewOrder {
    NewOrder {
        number: given.number.clone(),
        order_type: given.order_type.clone(),
        title: given.title.clone(),
        customer_reference: given.customer_reference.clone(),
        vendor_reference: given.vendor_reference.clone(),
        sales_order_line: given.sales_order_line.clone(),
        product: given.product.clone(),
        quantity: given.quantity.clone(),
        ordered_on: date("order_date", given.order_date.as_ref(), v),
        delivery_on: date("delivery_date", given.delivery_date.as_ref(), v),
        schedule_method: method("schedule_method", given.schedule_method, v),
        priority: given.priority,
        labels: given.labels.clone(),
        assigned_department: optional(&given.assigned_department),
        assigned_user: optional(&given.assigned_user),
        status: optional(&given.status),
    }
}

/// The orders of a bulk creation.
pub fn new_orders(given: &[v1::NewOrder], v: &mut Violations) -> Vec<NewOrder> {
    bulk_size("orders", given.len(), v);
    given
        .iter()
        .take(BULK_MAX)
        .enumerate()
        .map(|(index, given)| {
            v.within(&format!("orders[{index}]."), |v| {
                let order = new_order_fields(given, v);
                order.check(v);
                order
            })
        })
        .collect()
}

/// Refuses a bulk call of the wrong size.
pub fn bulk_size(field: &str, size: usize, v: &mut Violations) {
    if size == 0 || size > BULK_MAX {
        v.add(field, format!("has {size} items; 1 to {BULK_MAX} are allowed"));
    }
}

/// How a bulk call treats refusals.
pub fn mode(given: i32, v: &mut Violations) -> Mode {
    match v1::BulkMode::try_from(given) {
        Ok(v1::BulkMode::Unspecified | v1::BulkMode::Each) => Mode::Each,
        Ok(v1::BulkMode::Atomic) => Mode::Atomic,
        Err(_) => {
            v.add("mode", "is not a known bulk mode");
            Mode::Each
        }
    }
}

fn notify(given: Option<&v1::Notify>) -> Notify {
    given.map_or_else(Notify::default, |given| Notify {
        users: given.users.clone(),
        departments: given.departments.clone(),
        roles: given.roles.iter().map(|role| role_name(*role)).collect(),
    })
}

fn health(field: &str, given: i32, v: &mut Violations) -> Option<Health> {
    match v1::Health::try_from(given) {
        Ok(v1::Health::Unspecified) => None,
        Ok(v1::Health::Ahead) => Some(Health::Ahead),
        Ok(v1::Health::OnTarget) => Some(Health::OnTarget),
        Ok(v1::Health::Late) => Some(Health::Late),
        Err(_) => {
            v.add(field, "is not a known health");
            None
        }
    }
}

/// A move.
pub fn advance(given: Option<&v1::Advance>, v: &mut Violations) -> Arc<Advance> {
    let given = given.cloned().unwrap_or_default();
    let advance = v.within("advance.", |v| {
        let advance = Advance {
            target: optional(&given.target_status),
            completed_on: date("completed_date", given.completed_date.as_ref(), v),
            not_complete: given.not_complete,
            due_on: date("due_date", given.due_date.as_ref(), v),
            on_behalf_of: given.on_behalf_of,
            assign_department: optional(&given.assign_department),
            assign_user: optional(&given.assign_user),
            reason: given.reason,
            note: given.note,
            notify: notify(given.notify.as_ref()),
            reopen: given.reopen,
        };
        advance.check(v);
        advance
    });
    Arc::new(advance)
}

/// A note.
pub fn add_note(given: &v1::AddNoteRequest, v: &mut Violations) -> AddNote {
    let kind = match v1::NoteKind::try_from(given.kind) {
        Ok(v1::NoteKind::Unspecified | v1::NoteKind::Note) => NoteKind::Note,
        Ok(v1::NoteKind::Question) => NoteKind::Question,
        Ok(v1::NoteKind::Answer) => NoteKind::Answer,
        Ok(v1::NoteKind::Decision) => NoteKind::Decision,
        Err(_) => {
            v.add("kind", "is not a known kind of note");
            NoteKind::Note
        }
    };
    let note = AddNote {
        text: given.text.clone(),
        kind,
        answers: optional(&given.answers).map(|id| uuid("answers", &id, v)),
        answers_known: false,
        notify: notify(given.notify.as_ref()),
        on_behalf_of: given.on_behalf_of.clone(),
        etag: optional(&given.etag),
        assessment: health("assessment", given.assessment, v),
    };
    note.check(v);
    note
}

/// A due date.
pub fn set_due_date(given: &v1::SetDueDateRequest, v: &mut Violations) -> SetDueDate {
    let due = SetDueDate {
        due_on: date("due_date", given.due_date.as_ref(), v),
        reason: given.reason.clone(),
        on_behalf_of: given.on_behalf_of.clone(),
        etag: optional(&given.etag),
    };
    due.check(v);
    due
}

/// An acknowledgement.
pub fn acknowledge(given: &v1::AcknowledgeOrderRequest, v: &mut Violations) -> Acknowledge {
    let acknowledge = Acknowledge {
        until_on: date("until_date", given.until_date.as_ref(), v),
        until: instant("until_time", given.until_time.as_ref(), v),
        take_back: given.take_back,
        note: given.note.clone(),
        on_behalf_of: given.on_behalf_of.clone(),
        etag: optional(&given.etag),
    };
    acknowledge.check(v);
    acknowledge
}

/// Who follows, or no more.
pub fn follow(given: &v1::FollowOrderRequest, v: &mut Violations) -> Follow {
    let follow =
        Follow { add: given.add.clone(), remove: given.remove.clone(), on_behalf_of: given.on_behalf_of.clone() };
    follow.check(v);
    follow
}

/// Fields of an order that a request for an update may set.
const UPDATE_FIELDS: [&str; 13] = [
    "title",
    "customer_reference",
    "vendor_reference",
    "sales_order_line",
    "product",
    "quantity",
    "order_date",
    "delivery_date",
    "schedule_method",
    "priority",
    "labels",
    "assigned_department",
    "assigned_user",
];

/// Changed fields, and of which order.
pub fn update(request: &v1::UpdateOrderRequest, v: &mut Violations) -> (OrderRef, UpdateOrder) {
    let given = request.order.clone().unwrap_or_default();
    let mask = Mask::parse(request.update_mask.as_ref(), &[], &UPDATE_FIELDS, v);
    if mask.is_empty() {
        v.add("update_mask", format!("must name at least one of: {}", UPDATE_FIELDS.join(", ")));
    }
    let order = match (given.id.as_str(), given.number.as_str()) {
        ("", "") => {
            v.add("order", "must name an order by id or by number");
            OrderRef::Number(String::new())
        }
        ("", number) => {
            v.line("order.number", number, 1, 64);
            OrderRef::Number(number.to_owned())
        }
        (id, _) => OrderRef::Id(uuid("order.id", id, v)),
    };
    let ordered_on = date("order.order_date", given.order_date.as_ref(), v);
    if ordered_on.is_none() && given.order_date.is_none() && mask.names("order_date") {
        v.add("order.order_date", "must be set");
    }
    let delivery_on = date("order.delivery_date", given.delivery_date.as_ref(), v);
    let update = UpdateOrder {
        title: mask.pick("title", || given.title.clone()),
        customer_reference: mask.pick("customer_reference", || given.customer_reference.clone()),
        vendor_reference: mask.pick("vendor_reference", || given.vendor_reference.clone()),
        sales_order_line: mask.pick("sales_order_line", || given.sales_order_line.clone()),
        product: mask.pick("product", || given.product.clone()),
        quantity: mask.pick("quantity", || given.quantity.clone()),
        ordered_on: mask.pick("order_date", || ordered_on).flatten(),
        delivery_on: mask.pick("delivery_date", || delivery_on),
        schedule_method: mask.pick("schedule_method", || method("order.schedule_method", given.schedule_method, v)),
        priority: mask.pick("priority", || given.priority),
        labels: mask.pick("labels", || given.labels.clone()),
        assigned_department: mask.pick("assigned_department", || optional(&given.assigned_department)),
        assigned_user: mask.pick("assigned_user", || optional(&given.assigned_user)),
        reason: request.reason.clone(),
        on_behalf_of: request.on_behalf_of.clone(),
        etag: optional(&given.etag),
    };
    update.check(v);
    (order, update)
}

/// Another type.
pub fn change_type(given: &v1::ChangeOrderTypeRequest, v: &mut Violations) -> Arc<ChangeType> {
    let change = ChangeType {
        order_type: given.order_type.clone(),
        statuses: given.statuses.clone(),
        reason: given.reason.clone(),
        on_behalf_of: given.on_behalf_of.clone(),
    };
    change.check(v);
    Arc::new(change)
}

/// References of a bulk call.
pub fn order_refs(given: &[v1::OrderRef], v: &mut Violations) -> Vec<OrderRef> {
    bulk_size("orders", given.len(), v);
    let given = given.iter().take(BULK_MAX).enumerate();
    given.map(|(index, order)| order_ref(&format!("orders[{index}]"), Some(order), v)).collect()
}

/// A filter, and whether only overdue orders are asked for.
pub fn filter(given: Option<&v1::OrderFilter>, v: &mut Violations) -> (OrderFilter, bool) {
    let Some(given) = given else { return (OrderFilter::default(), false) };
    v.within("filter.", |v| {
        let state = match v1::OrderState::try_from(given.state) {
            Ok(v1::OrderState::Unspecified | v1::OrderState::Open) => OrderState::Open,
            Ok(v1::OrderState::Closed) => OrderState::Closed,
            Ok(v1::OrderState::Any) => OrderState::Any,
            Err(_) => {
                v.add("state", "is not a known state");
                OrderState::Open
            }
        };
        if given.overdue && state == OrderState::Closed {
            v.add("overdue", "closed orders are never overdue");
        }
        for (field, values) in [("order_types", &given.order_types), ("statuses", &given.statuses)] {
            if values.len() > FILTER_MAX {
                v.add(field, format!("has {}; at most {FILTER_MAX} are allowed", values.len()));
            }
            for (index, value) in values.iter().enumerate().take(FILTER_MAX) {
                v.slug(&format!("{field}[{index}]"), value);
            }
        }
        for (field, value) in
            [("assigned_department", &given.assigned_department), ("assigned_user", &given.assigned_user)]
        {
            if !value.is_empty() {
                v.slug(field, value);
            }
        }
        v.line("number_prefix", &given.number_prefix, 0, 64);
        v.line("customer_reference", &given.customer_reference, 0, 100);
        let filter = OrderFilter {
            state,
            order_types: given.order_types.clone(),
            statuses: given.statuses.clone(),
            assigned_department: optional(&given.assigned_department),
            assigned_user: optional(&given.assigned_user),
            due_by: None,
            due_to: date("due_to_date", given.due_to_date.as_ref(), v),
            number_prefix: optional(&given.number_prefix),
            customer_reference: optional(&given.customer_reference),
            open_questions: given.open_questions,
            health: healths(&given.health, v),
            health_at: DateTime::UNIX_EPOCH,
            acknowledged: given.acknowledged,
        };
        (filter, given.overdue)
    })
}

fn healths(given: &[i32], v: &mut Violations) -> Vec<Health> {
    let mut found = Vec::new();
    for (index, health) in given.iter().enumerate() {
        match v1::Health::try_from(*health) {
            Ok(v1::Health::Ahead) => found.push(Health::Ahead),
            Ok(v1::Health::OnTarget) => found.push(Health::OnTarget),
            Ok(v1::Health::Late) => found.push(Health::Late),
            Ok(v1::Health::Unspecified) | Err(_) => v.add(&format!("health[{index}]"), "is not a known health"),
        }
        if index >= 3 {
            v.add("health", "has more than the three there are");
            break;
        }
    }
    found
}

/// An order of lists.
pub fn order_by(given: i32, v: &mut Violations) -> OrderBy {
    match v1::OrderBy::try_from(given) {
        Ok(v1::OrderBy::Unspecified | v1::OrderBy::DueTime) => OrderBy::Due,
        Ok(v1::OrderBy::CreateTime) => OrderBy::Created,
        Ok(v1::OrderBy::CreateTimeDesc) => OrderBy::CreatedDesc,
        Ok(v1::OrderBy::Number) => OrderBy::Number,
        Ok(v1::OrderBy::Health) => OrderBy::Health,
        Err(_) => {
            v.add("order_by", "is not a known order");
            OrderBy::Due
        }
    }
}

/// An order with its past. The fingerprint is taken over all that was sent.
pub fn imported_order(given: Option<&v1::ImportedOrder>, v: &mut Violations) -> ImportedOrder {
    let given = given.cloned().unwrap_or_default();
    let fingerprint = Sha256::digest(prost::Message::encode_to_vec(&given)).to_vec();
    let fields = given.order.unwrap_or_default();
    let order = v.within("order.", |v| new_order_fields(&fields, v));
    let visits = given
        .visits
        .into_iter()
        .enumerate()
        .map(|(index, visit)| v.within(&format!("visits[{index}]."), |v| imported_visit(visit, v)))
        .collect();
    let imported = ImportedOrder { order, visits, fingerprint };
    imported.check(v);
    imported
}

fn imported_visit(given: v1::ImportedVisit, v: &mut Violations) -> ImportedVisit {
    let entered_at = instant("enter_time", given.enter_time.as_ref(), v);
    if given.enter_time.is_none() {
        v.add("enter_time", "is required");
    }
    let notes = given
        .notes
        .into_iter()
        .enumerate()
        .map(|(index, note)| {
            let at = instant(&format!("notes[{index}].time"), note.time.as_ref(), v);
            if note.time.is_none() {
                v.add(&format!("notes[{index}].time"), "is required");
            }
            ImportedNote { author: note.author, at: at.unwrap_or_default(), text: note.text }
        })
        .collect();
    ImportedVisit {
        status: given.status,
        entered_at: entered_at.unwrap_or_default(),
        notes,
        not_complete: given.not_complete,
    }
}
