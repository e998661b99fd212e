//! The catalogue: order types, calendars and people as one immutable value with a version.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    refusal::{Kind, Refusal},
    schedule::{Calendar, CalendarSpec},
};

/// What a status is in its cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StatusKind {
    /// The first of the cycle.
    Initial,
    /// A step of the cycle.
    Standard,
    /// The last of the cycle; closes the order.
    Final,
    /// Beside the cycle.
    NonStandard,
}

impl StatusKind {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Standard => "STANDARD",
            Self::Final => "FINAL",
            Self::NonStandard => "NON_STANDARD",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Initial, Self::Standard, Self::Final, Self::NonStandard].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What the clock of a status does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StatusClock {
    /// Time goes on.
    Runs,
    /// The order is on hold.
    Pauses,
    /// The order is closed.
    Stops,
}

impl StatusClock {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "RUNS",
            Self::Pauses => "PAUSES",
            Self::Stops => "STOPS",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Runs, Self::Pauses, Self::Stops].into_iter().find(|clock| clock.as_str() == text)
    }
}

/// One status of an order type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Slug, unique within the type.
    pub id: String,
    /// Name.
    pub name: String,
    /// When to use it.
    pub definition: String,
    /// `#rrggbb`.
    pub colour: String,
    /// Column of the board; empty = the name.
    pub stage: String,
    /// Department that gets the order on entry.
    pub default_department: Option<String>,
    /// User who gets the order on entry.
    pub default_user: Option<String>,
    /// Business days a visit may take, 0 to 3650; `None` = no due date.
    pub duration_days: Option<u32>,
    /// What it is in the cycle.
    pub kind: StatusKind,
    /// What its clock does.
    pub clock: StatusClock,
    /// Cannot be chosen any more.
    pub inactive: bool,
}

impl Status {
    /// Whether it is a step of the cycle.
    #[must_use]
    pub fn in_cycle(&self) -> bool {
        self.kind != StatusKind::NonStandard
    }

    /// Whether an order that enters it is closed.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.kind == StatusKind::Final || self.clock == StatusClock::Stops
    }
}

/// A kind of order with its cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderType {
    /// Slug.
    pub id: String,
    /// Name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Id of its calendar.
    pub calendar: String,
    /// Status of new orders; `None` = the initial one.
    pub default_status: Option<String>,
    /// Takes no new orders.
    pub inactive: bool,
    /// Its statuses in their order: initial first, final last of the cycle.
    pub statuses: Vec<Status>,
    /// Version of this row.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl OrderType {
    /// A status by id, active or not.
    #[must_use]
    pub fn status(&self, id: &str) -> Option<&Status> {
        self.statuses.iter().find(|status| status.id == id)
    }

    /// The active statuses of the cycle, in order.
    #[must_use]
    pub fn active_cycle(&self) -> impl DoubleEndedIterator<Item = &Status> {
        self.statuses.iter().filter(|status| status.in_cycle() && !status.inactive)
    }

    /// Place of a status in the cycle, from 0; an inactive one stands where the active ones before it end.
    #[must_use]
    pub fn cycle_position(&self, id: &str) -> Option<usize> {
        let index = self.statuses.iter().position(|status| status.id == id && status.in_cycle())?;
        Some(self.statuses[..index].iter().filter(|status| status.in_cycle() && !status.inactive).count())
    }

    /// The next active status of the cycle after this one; `None` after the last.
    #[must_use]
    pub fn next(&self, id: &str) -> Option<&Status> {
        let index = self.statuses.iter().position(|status| status.id == id)?;
        self.statuses[index + 1..].iter().find(|status| status.in_cycle() && !status.inactive)
    }

    /// The status that new orders get.
    #[must_use]
    pub fn first_status(&self) -> Option<&Status> {
        self.default_status.as_deref().and_then(|id| self.status(id)).or_else(|| self.active_cycle().next())
    }
}

/// A calendar with its row.
#[derive(Debug, Clone)]
pub struct CalendarEntry {
    /// As it was written.
    pub spec: CalendarSpec,
    /// Ready to count.
    pub calendar: Calendar,
    /// Version of this row.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Slug.
    pub id: String,
    /// Name.
    pub display_name: String,
    /// Address, or empty.
    pub email: String,
    /// Roles by name, for example `MANAGER`.
    pub roles: Vec<String>,
    /// Gets no orders and no messages.
    pub inactive: bool,
    /// Version of this row.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A department.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Department {
    /// Slug.
    pub id: String,
    /// Name.
    pub name: String,
    /// Ids of its managers.
    pub managers: Vec<String>,
    /// Gets no orders.
    pub inactive: bool,
    /// Version of this row.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Everything that decisions look up, at one version.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Compared in the round trip of every decision.
    pub version: i64,
    /// Order types by id.
    pub types: BTreeMap<String, Arc<OrderType>>,
    /// Calendars by id.
    pub calendars: BTreeMap<String, Arc<CalendarEntry>>,
    /// Users by id.
    pub users: BTreeMap<String, Arc<User>>,
    /// Departments by id.
    pub departments: BTreeMap<String, Arc<Department>>,
}

impl Catalogue {
    /// A type by id.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn order_type(&self, id: &str) -> Result<&OrderType, Refusal> {
        self.types.get(id).map(AsRef::as_ref).ok_or_else(|| not_found(Kind::OrderType, id))
    }

    /// The calendar of a type.
    ///
    /// # Errors
    /// `NotFound`; the database keeps it from happening.
    pub fn calendar_of(&self, order_type: &OrderType) -> Result<&Calendar, Refusal> {
        self.calendars
            .get(&order_type.calendar)
            .map(|entry| &entry.calendar)
            .ok_or_else(|| not_found(Kind::Calendar, &order_type.calendar))
    }

    /// A user who can be chosen.
    ///
    /// # Errors
    /// `NotFound`, `Inactive`.
    pub fn active_user(&self, id: &str) -> Result<&User, Refusal> {
        let user = self.users.get(id).ok_or_else(|| not_found(Kind::User, id))?;
        if user.inactive { Err(Refusal::Inactive { kind: Kind::User, id: id.into() }) } else { Ok(user) }
    }

    /// A department that can be chosen.
    ///
    /// # Errors
    /// `NotFound`, `Inactive`.
    pub fn active_department(&self, id: &str) -> Result<&Department, Refusal> {
        let department = self.departments.get(id).ok_or_else(|| not_found(Kind::Department, id))?;
        if department.inactive {
            Err(Refusal::Inactive { kind: Kind::Department, id: id.into() })
        } else {
            Ok(department)
        }
    }
}

fn not_found(kind: Kind, id: &str) -> Refusal {
    Refusal::NotFound { kind, id: id.into() }
}
