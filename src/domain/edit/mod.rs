//! Edits of the catalogue: what is asked for, what is wrong with it, and the row that comes out.
//!
//! Every edit is checked twice: its fields alone (`check`, before anything is read) and against the catalogue (`create`,
//! `update`, `remove`). What an edit names must exist and be active when the edit puts it there; what stood there before may
//! have become inactive since.
//!
//! An edit of a cycle, or of a person, may touch live orders: it says which (`OnOrders`), `decide` decides each of them, and
//! `plan` sums up what was decided. Rows and orders are written in one transaction, so a preview is the same decision without
//! the writing.

mod calendars;
mod cycle;
mod departments;
mod faults;
#[cfg(test)]
mod holiday_properties;
mod holidays;
mod on_orders;
mod plan;
mod schedule;
mod stages;
mod statuses;
mod triggers;
mod types;
mod users;
mod webhooks;

pub use calendars::{CALENDARS_MAX, CalendarEdit, WrittenCalendar};
pub use cycle::CycleEffect;
pub use departments::{DEPARTMENTS_MAX, DepartmentEdit, MANAGERS_MAX, MEMBERS_MAX};
pub use holidays::{FoundHolidays, HolidayDiff, HolidayImport};
pub use on_orders::{EDITED_ORDERS_MAX, OnOrders, decide};
pub use plan::{EXAMPLES_MAX, EditPlan, PlannedChange, plan};
pub use schedule::ScheduleEdit;
pub use stages::{STAGES_MAX, StagesEdit};
pub use statuses::{NewStatus, StatusEdit, StatusRemoval};
pub use triggers::{TriggerEdit, remove_trigger};
pub use types::{ICONS, NewOrderType, OrderTypeEdit, STATUSES_MAX, TYPES_MAX, colour};
pub use users::{AlertsEdit, ROLES, Responsibilities, USERS_MAX, UserEdit};
pub use webhooks::{NewSecret, WebhookEdit, WrittenWebhook, rotate_secret};

use std::{collections::BTreeMap, sync::Arc};

use super::{
    alerts::trigger::Trigger,
    catalogue::{CalendarEntry, Catalogue, Department, OrderType, Stage, User},
    order::DueCause,
    plan::Method,
    refusal::{Kind, Refusal},
    schedule::Calendar,
    violation::Violation,
};

/// A row as an edit leaves it. Version 1 is a new row; any other replaces the version before it.
#[derive(Debug, Clone)]
pub enum Change {
    /// A user.
    User(User),
    /// A department with its managers.
    Department(Department),
    /// A calendar.
    Calendar(WrittenCalendar),
    /// An order type with its statuses.
    OrderType(OrderType),
    /// The list of stages, and its next version.
    Stages(Vec<Stage>, i64),
    /// How the company plans due dates, and the next version of that.
    ScheduleMethod(Method, i64),
    /// A trigger.
    Trigger(Trigger),
    /// A trigger that goes, by id.
    TriggerRemoved(String),
    /// A webhook, perhaps with another secret.
    Webhook(WrittenWebhook),
}

/// What an edit decided: the rows to write, and what happens to live orders.
#[derive(Debug, Clone)]
pub struct Edited {
    /// Rows, each after what it names.
    pub changes: Vec<Change>,
    /// Which orders it touches.
    pub on_orders: OnOrders,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// Open orders that are planned anew in the background.
    pub replan: Option<Replan>,
}

/// Open orders that are planned anew in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replan {
    /// Why; kept in the history of each order.
    pub cause: DueCause,
    /// Id of what was edited.
    pub subject: String,
    /// What was edited, in words.
    pub reason: String,
    /// Types whose orders are looked at; never none.
    pub order_types: Vec<String>,
    /// Whether due dates change; otherwise only the projection does, and with it when health turns.
    pub dates: bool,
}

impl Edited {
    /// One row, no orders.
    #[must_use]
    pub fn row(change: Change) -> Self {
        Self { changes: vec![change], on_orders: OnOrders::Nothing, warnings: Vec::new(), replan: None }
    }

    /// With open orders that are planned anew, of these types; when there are any.
    #[must_use]
    fn planned_anew(mut self, cause: DueCause, subject: &str, reason: String, order_types: Vec<String>) -> Self {
        let replan = Replan { cause, subject: subject.to_owned(), reason, order_types, dates: true };
        self.replan = Some(replan).filter(|replan| !replan.order_types.is_empty());
        self
    }
}

impl Edited {
    /// From the id of a status that goes to the id of the one that gets its orders.
    #[must_use]
    pub fn replacements(&self) -> &BTreeMap<String, String> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        match &self.on_orders {
            OnOrders::Cycle(effect) => &effect.replacements,
            OnOrders::Nothing | OnOrders::Reassign { .. } => NONE,
        }
    }

    /// Leaves the due dates of open orders to the background; `false` when it plans none anew.
    pub fn leave_to_the_background(&mut self) -> bool {
        match (&mut self.on_orders, &mut self.replan) {
            (OnOrders::Cycle(effect), replan) if effect.replan => {
                effect.replan = false;
                let after = &effect.after;
                let (cause, reason) = types::changed(&effect.before, after);
                let asked = Replan {
                    cause,
                    subject: after.id.clone(),
                    reason,
                    order_types: vec![after.id.clone()],
                    dates: true,
                };
                *replan = Some(asked);
                true
            }
            _ => false,
        }
    }

    /// What it comes to: the rows it writes, as its plan is known by. Instants are left out, since they pass.
    #[must_use]
    pub fn basis(&self) -> String {
        let row = |change: &Change| match change {
            Change::User(it) => format!("user {} {}", it.id, it.version),
            Change::Department(it) => {
                format!("department {} {} {:?} {:?}", it.id, it.version, it.calendar, it.managers)
            }
            Change::Calendar(it) => format!("calendar {} {} {:?}", it.spec.id, it.version, it.spec),
            Change::OrderType(it) => {
                let fields = (&it.calendar, it.schedule_method, it.health_tolerance, &it.default_status, it.inactive);
                format!("type {} {} {fields:?} {:?} {:?}", it.id, it.version, it.statuses, it.moves)
            }
            Change::Stages(_, version) => format!("stages {version}"),
            Change::ScheduleMethod(method, version) => format!("method {} {version}", method.as_str()),
            Change::Trigger(it) => format!("trigger {} {} {:?}", it.id, it.version, it.spec),
            Change::TriggerRemoved(id) => format!("trigger {id} removed"),
            Change::Webhook(it) => format!("webhook {} {} {:?}", it.webhook.id, it.webhook.version, it.webhook.spec),
        };
        self.changes.iter().map(row).collect::<Vec<_>>().join("\n")
    }
}

impl Catalogue {
    /// The catalogue with a row as an edit leaves it.
    #[must_use]
    pub fn with(mut self, change: &Change) -> Self {
        match change {
            Change::User(user) => drop(self.users.insert(user.id.clone(), Arc::new(user.clone()))),
            Change::Department(it) => drop(self.departments.insert(it.id.clone(), Arc::new(it.clone()))),
            Change::OrderType(it) => drop(self.types.insert(it.id.clone(), Arc::new(it.clone()))),
            Change::Stages(stages, version) => {
                self.stages = Arc::new(stages.clone());
                self.stages_version = *version;
            }
            Change::Calendar(it) => {
                let entry = CalendarEntry {
                    calendar: Calendar::compile(&it.spec),
                    spec: it.spec.clone(),
                    version: it.version,
                    created_at: it.created_at,
                    updated_at: it.updated_at,
                };
                drop(self.calendars.insert(it.spec.id.clone(), Arc::new(entry)));
            }
            Change::ScheduleMethod(method, _) => self.schedule_method = *method,
            Change::Trigger(it) => drop(self.triggers.insert(it.id.clone(), Arc::new(it.clone()))),
            Change::TriggerRemoved(id) => drop(self.triggers.remove(id)),
            Change::Webhook(it) => {
                drop(self.webhooks.insert(it.webhook.id.clone(), Arc::new(it.webhook.clone())));
            }
        }
        self
    }
}

/// Something that an edit newly names.
#[derive(Debug, Clone, Copy)]
enum Named<'a> {
    Calendar(&'a str),
    Department(&'a str),
    User(&'a str),
}

impl Named<'_> {
    /// `NotFound` when it is missing, `Inactive` when it cannot be chosen.
    fn check(self, catalogue: &Catalogue) -> Result<(), Refusal> {
        match self {
            Self::Calendar(id) if catalogue.calendars.contains_key(id) => Ok(()),
            Self::Calendar(id) => Err(not_found(Kind::Calendar, id)),
            Self::Department(id) => catalogue.active_department(id).map(drop),
            Self::User(id) => catalogue.active_user(id).map(drop),
        }
    }
}

fn not_found(kind: Kind, id: &str) -> Refusal {
    Refusal::NotFound { kind, id: id.into() }
}

fn taken(kind: Kind, id: &str) -> Refusal {
    Refusal::AlreadyExists { kind, id: id.into() }
}

fn check_etag(kind: Kind, given: Option<&str>, version: i64) -> Result<(), Refusal> {
    let current_etag = version.to_string();
    if given.is_none_or(|given| given == current_etag) {
        Ok(())
    } else {
        Err(Refusal::EtagMismatch { kind, current_etag })
    }
}

fn check_room(field: &str, kind: Kind, count: usize, max: usize) -> Result<(), Refusal> {
    if count < max {
        Ok(())
    } else {
        Err(invalid(field, format!("there are {count} of kind {kind} already; the limit is {max}")))
    }
}

fn invalid(field: &str, description: String) -> Refusal {
    Refusal::Invalid(vec![Violation { field: field.into(), description }])
}

fn set<T: Clone>(place: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        place.clone_from(given);
    }
}
