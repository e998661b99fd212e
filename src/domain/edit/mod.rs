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
#[cfg(test)]
mod holiday_properties;
mod holidays;
mod on_orders;
mod plan;
mod stages;
mod statuses;
mod types;
mod users;

pub use calendars::{CALENDARS_MAX, CalendarEdit, WrittenCalendar};
pub use cycle::CycleEffect;
pub use departments::{DEPARTMENTS_MAX, DepartmentEdit, MANAGERS_MAX, MEMBERS_MAX};
pub use holidays::{FoundHolidays, HolidayDiff, HolidayImport};
pub use on_orders::{EDITED_ORDERS_MAX, OnOrders, decide};
pub use plan::{EXAMPLES_MAX, EditPlan, PlannedChange, plan};
pub use stages::{STAGES_MAX, StagesEdit};
pub use statuses::{NewStatus, StatusEdit, StatusRemoval};
pub use types::{ICONS, NewOrderType, OrderTypeEdit, STATUSES_MAX, TYPES_MAX, colour};
pub use users::{ROLES, Responsibilities, USERS_MAX, UserEdit};

use std::sync::Arc;

use super::{
    catalogue::{Catalogue, Department, OrderType, Stage, User},
    refusal::{Kind, Refusal},
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
}

impl Edited {
    /// One row, no orders.
    #[must_use]
    pub fn row(change: Change) -> Self {
        Self { changes: vec![change], on_orders: OnOrders::Nothing, warnings: Vec::new() }
    }
}

impl Edited {
    /// What it comes to: the rows it writes, as its plan is known by. Instants are left out, since they pass.
    #[must_use]
    pub fn basis(&self) -> String {
        let row = |change: &Change| match change {
            Change::User(it) => format!("user {} {}", it.id, it.version),
            Change::Department(it) => format!("department {} {}", it.id, it.version),
            Change::Calendar(it) => format!("calendar {} {} {:?}", it.spec.id, it.version, it.spec),
            Change::OrderType(it) => format!("type {} {} {:?} {:?}", it.id, it.version, it.statuses, it.moves),
            Change::Stages(_, version) => format!("stages {version}"),
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
            // No edit of a calendar touches orders, so nobody asks for it.
            Change::Calendar(_) => {}
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

/// `NotFound` for the first that is missing.
fn all_exist(named: &[Named<'_>], catalogue: &Catalogue) -> Result<(), Refusal> {
    named.iter().try_for_each(|named| {
        let (found, kind, id) = match *named {
            Named::Calendar(id) => (catalogue.calendars.contains_key(id), Kind::Calendar, id),
            Named::Department(id) => (catalogue.departments.contains_key(id), Kind::Department, id),
            Named::User(id) => (catalogue.users.contains_key(id), Kind::User, id),
        };
        if found { Ok(()) } else { Err(not_found(kind, id)) }
    })
}

/// `Inactive` for the first that cannot be chosen.
fn all_active(named: &[Named<'_>], catalogue: &Catalogue) -> Result<(), Refusal> {
    named.iter().try_for_each(|named| match *named {
        Named::Calendar(_) => Ok(()),
        Named::Department(id) => catalogue.active_department(id).map(drop),
        Named::User(id) => catalogue.active_user(id).map(drop),
    })
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
