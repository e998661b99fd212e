//! Edits of the catalogue: what is asked for, what is wrong with it, and the row that comes out.
//!
//! Every edit is checked twice: its fields alone (`check`, before anything is read) and against the catalogue (`create`,
//! `update`, `remove`). What an edit names must exist and be active when the edit puts it there; what stood there before may
//! have become inactive since.

mod calendars;
mod people;
mod statuses;
mod types;

pub use calendars::{CALENDARS_MAX, CalendarEdit, WrittenCalendar};
pub use people::{DEPARTMENTS_MAX, DepartmentEdit, MANAGERS_MAX, ROLES, USERS_MAX, UserEdit};
pub use statuses::{NewStatus, StatusEdit, StatusRemoval};
pub use types::{NewOrderType, OrderTypeEdit, STATUSES_MAX, TYPES_MAX, colour};

use super::{
    catalogue::{Catalogue, Department, OrderType, User},
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
