//! Edits of triggers.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Change, Edited, Named, ROLES, Replan, check_etag, check_room, faults::Faults, not_found, taken, users};
use crate::domain::{
    alerts::{
        template::{self, BODY_MAX, SUBJECT_MAX},
        trigger::{
            ACTIONS_MAX, Action, Condition, DAYS_MAX, Event, Recipients, TRIGGERS_MAX, TaskAction, Trigger, TriggerSpec,
        },
    },
    catalogue::Catalogue,
    order::DueCause,
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// Types that a trigger names.
pub const TYPES_NAMED_MAX: usize = 100;
/// Statuses that a trigger names.
pub const STATUSES_NAMED_MAX: usize = 200;
/// Labels that a trigger asks for.
pub const LABELS_MAX: usize = 20;
/// Users, and departments, that an action names.
pub const NAMED_MAX: usize = 100;
/// Addresses that an action names.
pub const ADDRESSES_MAX: usize = 20;

/// A new trigger, or changed fields of one.
#[derive(Debug, Clone)]
pub struct TriggerEdit {
    /// Which trigger.
    pub id: String,
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// The fields of `spec` that are set.
    pub fields: Vec<&'static str>,
    /// The fields as they shall be.
    pub spec: TriggerSpec,
}

impl TriggerEdit {
    /// Finds all fields that are wrong by themselves.
    pub fn check(&self, v: &mut Violations) {
        v.slug("id", &self.id);
        let sets = |field: &str| self.fields.contains(&field);
        if sets("name") {
            v.line("name", &self.spec.name, 1, 100);
        }
        if sets("description") {
            v.text("description", &self.spec.description, 0, 2_000);
        }
        if sets("order_types") {
            ids(v, "order_types", &self.spec.order_types, TYPES_NAMED_MAX);
        }
        if sets("statuses") {
            ids(v, "statuses", &self.spec.statuses, STATUSES_NAMED_MAX);
        }
        if sets("condition") {
            v.within("condition.", |v| check_condition(&self.spec.condition, v));
        }
        if sets("actions") {
            let count = self.spec.actions.len();
            if !(1..=ACTIONS_MAX).contains(&count) {
                v.add("actions", format!("must be 1 to {ACTIONS_MAX}, and are {count}"));
            }
            for (index, action) in self.spec.actions.iter().enumerate().take(ACTIONS_MAX) {
                v.within(&format!("actions[{index}]."), |v| check_action(action, v));
            }
        }
    }

    /// The new trigger.
    ///
    /// # Errors
    /// `Invalid` when fields are wrong together or there are `TRIGGERS_MAX`, `AlreadyExists`; `NotFound`, `Inactive` for what it names.
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let mut faults = Faults::default();
        if catalogue.triggers.contains_key(&self.id) {
            faults.add(Err(taken(Kind::Trigger, &self.id)));
        }
        faults.add(check_room("trigger", Kind::Trigger, catalogue.triggers.len(), TRIGGERS_MAX));
        faults.add(check_together(&self.spec));
        check_names(&self.spec, None, catalogue, &mut faults);
        faults.told()?;
        let trigger = Trigger {
            id: self.id.clone(),
            spec: self.spec.clone(),
            active_since: now,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        Ok(edited(None, Some(trigger), catalogue))
    }

    /// The trigger after the change.
    ///
    /// # Errors
    /// `NotFound`, `EtagMismatch`; as `create`.
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let before = catalogue.triggers.get(&self.id).ok_or_else(|| not_found(Kind::Trigger, &self.id))?;
        let mut trigger = before.as_ref().clone();
        for field in &self.fields {
            self.set(field, &mut trigger.spec);
        }
        let mut faults = Faults::default();
        faults.add(check_etag(Kind::Trigger, self.etag.as_deref(), before.version));
        faults.add(check_together(&trigger.spec));
        check_names(&trigger.spec, Some(&before.spec), catalogue, &mut faults);
        faults.told()?;
        if waits_for(&trigger.spec) != waits_for(&before.spec) {
            trigger.active_since = now;
        }
        trigger.version += 1;
        trigger.updated_at = now;
        Ok(edited(Some(before), Some(trigger), catalogue))
    }

    fn set(&self, field: &str, spec: &mut TriggerSpec) {
        let new = &self.spec;
        match field {
            "name" => spec.name.clone_from(&new.name),
            "description" => spec.description.clone_from(&new.description),
            "event" => spec.event = new.event,
            "days" => spec.days = new.days,
            "repeat_days" => spec.repeat_days = new.repeat_days,
            "order_types" => spec.order_types.clone_from(&new.order_types),
            "statuses" => spec.statuses.clone_from(&new.statuses),
            "condition" => spec.condition.clone_from(&new.condition),
            "actions" => spec.actions.clone_from(&new.actions),
            "enabled" => spec.enabled = new.enabled,
            _ => {}
        }
    }
}

/// Removes a trigger.
///
/// # Errors
/// `NotFound`, `EtagMismatch`.
pub fn remove_trigger(id: &str, etag: Option<&str>, catalogue: &Catalogue) -> Result<Edited, Refusal> {
    let before = catalogue.triggers.get(id).ok_or_else(|| not_found(Kind::Trigger, id))?;
    check_etag(Kind::Trigger, etag, before.version)?;
    Ok(edited(Some(before), None, catalogue))
}

/// What decides when a trigger acts: when that changes, it acts from then on only.
fn waits_for(spec: &TriggerSpec) -> (bool, Event, u32, u32, &[String], &[String]) {
    (spec.enabled, spec.event, spec.days, spec.repeat_days, &spec.order_types, &spec.statuses)
}

/// The rows, and the open orders whose alarms are set anew in the background.
fn edited(before: Option<&Trigger>, after: Option<Trigger>, catalogue: &Catalogue) -> Edited {
    let id = after.as_ref().or(before).map(|it| it.id.clone()).unwrap_or_default();
    let sets_alarms =
        |it: &Trigger| it.spec.enabled && it.spec.event.comes_with_time() && it.spec.event != Event::StatusOverdue;
    let alarms = after.as_ref().is_some_and(|after| {
        sets_alarms(after) && before.is_none_or(|before| waits_for(&before.spec) != waits_for(&after.spec))
    });
    let types: Vec<String> = match &after {
        Some(after) if alarms && after.spec.order_types.is_empty() => catalogue.types.keys().cloned().collect(),
        Some(after) if alarms => after.spec.order_types.clone(),
        _ => Vec::new(),
    };
    let replan = Replan {
        cause: DueCause::Cycle,
        subject: id.clone(),
        reason: format!("the trigger '{id}' was changed"),
        order_types: types,
        dates: false,
    };
    let change = after.map_or(Change::TriggerRemoved(id), Change::Trigger);
    Edited { replan: Some(replan).filter(|it| !it.order_types.is_empty()), ..Edited::row(change) }
}

fn ids(v: &mut Violations, field: &str, ids: &[String], max: usize) {
    if ids.len() > max {
        v.add(field, format!("may be {max} at most, and are {}", ids.len()));
    }
    let mut seen = BTreeSet::new();
    for (index, id) in ids.iter().enumerate().take(max) {
        let field = format!("{field}[{index}]");
        v.slug(&field, id);
        if !seen.insert(id) {
            v.add(&field, "is there twice");
        }
    }
}

fn check_condition(condition: &Condition, v: &mut Violations) {
    if condition.labels.len() > LABELS_MAX {
        v.add("labels", format!("may be {LABELS_MAX} at most, and are {}", condition.labels.len()));
    }
    for (key, value) in condition.labels.iter().take(LABELS_MAX) {
        v.line("labels", key, 1, 63);
        v.line(&format!("labels[{key}]"), value, 0, 200);
    }
    ids(v, "departments", &condition.departments, NAMED_MAX);
    for (field, priority) in [("priority_min", condition.priority_min), ("priority_max", condition.priority_max)] {
        if priority.is_some_and(|it| !(-1_000..=1_000).contains(&it)) {
            v.add(field, "must be -1000 to 1000");
        }
    }
    if let (Some(min), Some(max)) = (condition.priority_min, condition.priority_max)
        && min > max
    {
        v.add("priority_max", "must not be below priority_min");
    }
}

fn check_action(action: &Action, v: &mut Violations) {
    match action {
        Action::Email(email) => {
            v.within("email.to.", |v| check_recipients(&email.to, v));
            if email.to == Recipients::default() {
                v.add("email.to", "must name somebody");
            }
            v.line("email.subject", &email.subject, 0, SUBJECT_MAX);
            v.text("email.body", &email.body, 0, BODY_MAX);
        }
        Action::Task(TaskAction { title, user, department, due_in_days }) => {
            v.line("task.title", title, 1, SUBJECT_MAX);
            v.id("task.user", user);
            v.id("task.department", department);
            if !user.is_empty() && !department.is_empty() {
                v.add("task.department", "must be empty when there is a user");
            }
            if *due_in_days > DAYS_MAX {
                v.add("task.due_in_days", format!("must be 0 to {DAYS_MAX}"));
            }
        }
        Action::Webhook(id) => v.slug("webhook", id),
    }
}

fn check_recipients(to: &Recipients, v: &mut Violations) {
    ids(v, "users", &to.users, NAMED_MAX);
    ids(v, "departments", &to.departments, NAMED_MAX);
    for (index, role) in to.roles.iter().enumerate() {
        let field = format!("roles[{index}]");
        if !ROLES.contains(&role.as_str()) {
            v.add(&field, "is not a known role");
        } else if to.roles[..index].contains(role) {
            v.add(&field, "is there twice");
        }
    }
    if to.addresses.len() > ADDRESSES_MAX {
        v.add("addresses", format!("may be {ADDRESSES_MAX} at most, and are {}", to.addresses.len()));
    }
    for (index, address) in to.addresses.iter().enumerate().take(ADDRESSES_MAX) {
        if !users::is_plausible(address) {
            let text = "must be an address of 3 to 254 characters with one '@' and without white space";
            v.add(&format!("addresses[{index}]"), text);
        }
    }
}

/// What can only be told of all fields together.
fn check_together(spec: &TriggerSpec) -> Result<(), Refusal> {
    let mut v = Violations::new();
    v.within("trigger.", |v| {
        match (spec.event.counts_days(), spec.days) {
            (true, 1..=DAYS_MAX) | (false, 0) => {}
            (true, _) => v.add("days", format!("must be 1 to {DAYS_MAX} business days for {}", spec.event.as_str())),
            (false, _) => v.add("days", format!("must be 0 for {}, which counts no days", spec.event.as_str())),
        }
        if spec.repeat_days > 0 && spec.event != Event::Escalation {
            v.add("repeat_days", "is only for ESCALATION; must be 0");
        } else if spec.repeat_days > DAYS_MAX {
            v.add("repeat_days", format!("must be 0 to {DAYS_MAX}"));
        }
        for (index, action) in spec.actions.iter().enumerate() {
            let mut check = |field: &str, template: &str| {
                if let Err(error) = template::check(template, spec.event) {
                    v.add(&format!("actions[{index}].{field}"), error);
                }
            };
            match action {
                Action::Email(email) => {
                    check("email.subject", &email.subject);
                    check("email.body", &email.body);
                }
                Action::Task(task) => check("task.title", &task.title),
                Action::Webhook(_) => {}
            }
        }
    });
    if v.is_empty() { Ok(()) } else { Err(Refusal::Invalid(v.into_found())) }
}

/// What a trigger names must exist, and be active when it is new.
fn check_names(spec: &TriggerSpec, before: Option<&TriggerSpec>, catalogue: &Catalogue, faults: &mut Faults) {
    for id in &spec.order_types {
        faults.add(catalogue.order_type(id).map(drop));
    }
    let types = || {
        let named = |id: &String| spec.order_types.is_empty() || spec.order_types.contains(id);
        catalogue.types.values().filter(move |it| named(&it.id))
    };
    for id in &spec.statuses {
        if !types().any(|it| it.status(id).is_some()) {
            faults.add(Err(not_found(Kind::Status, id)));
        }
    }
    let known = |action: &Action| before.is_some_and(|before| before.actions.contains(action));
    let old = before.map(|it| it.condition.departments.as_slice()).unwrap_or_default();
    for id in spec.condition.departments.iter().filter(|id| !old.contains(id)) {
        faults.add_named(&[Named::Department(id)], catalogue);
    }
    for action in spec.actions.iter().filter(|action| !known(action)) {
        match action {
            Action::Email(email) => {
                for id in &email.to.users {
                    faults.add_named(&[Named::User(id)], catalogue);
                }
                for id in &email.to.departments {
                    faults.add_named(&[Named::Department(id)], catalogue);
                }
            }
            Action::Task(task) => {
                if !task.user.is_empty() {
                    faults.add_named(&[Named::User(&task.user)], catalogue);
                }
                if !task.department.is_empty() {
                    faults.add_named(&[Named::Department(&task.department)], catalogue);
                }
            }
            Action::Webhook(id) if !catalogue.webhooks.contains_key(id) => {
                faults.add(Err(not_found(Kind::Webhook, id)));
            }
            Action::Webhook(_) => {}
        }
    }
}
