//! The catalogue: order types, calendars and people as one immutable value with a version.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    alerts::{preferences::Preferences, trigger::Trigger, webhook::Webhook},
    moves::AllowedMove,
    order::Order,
    plan::Method,
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
    /// Picture, a name from `edit::ICONS`, or empty.
    #[serde(default)]
    pub icon: String,
    /// Column of the board: id of a stage or a text of its own; empty = the name.
    pub stage: String,
    /// Department that gets the order on entry.
    pub default_department: Option<String>,
    /// User who gets the order on entry.
    pub default_user: Option<String>,
    /// Business days a visit may take, 0 to 3650. At most one of the durations is set; without one there is no due date.
    pub duration_days: Option<u32>,
    /// Minutes of working time a visit may take, 1 to 600 000.
    #[serde(default)]
    pub duration_minutes: Option<u32>,
    /// What it is in the cycle.
    pub kind: StatusKind,
    /// What its clock does.
    pub clock: StatusClock,
    /// Cannot be chosen any more.
    pub inactive: bool,
}

/// How long a visit may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duration {
    /// Business days.
    Days(u32),
    /// Minutes of working time.
    Work(u32),
}

impl Status {
    /// How long a visit may take; `None` = there is no due date.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration_minutes.map(Duration::Work).or(self.duration_days.map(Duration::Days))
    }

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

/// A column of the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Slug.
    pub id: String,
    /// Name.
    pub name: String,
    /// `#rrggbb`.
    pub colour: String,
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
    /// How due dates are planned; `None` = as the company does.
    #[serde(default)]
    pub schedule_method: Option<Method>,
    /// Status of new orders; `None` = the initial one.
    pub default_status: Option<String>,
    /// Takes no new orders.
    pub inactive: bool,
    /// Its statuses in their order: initial first, final last of the cycle.
    pub statuses: Vec<Status>,
    /// The moves that its orders may make; none = all.
    #[serde(default)]
    pub moves: Vec<AllowedMove>,
    /// Business days by which the finish may miss the target and still be on target.
    #[serde(default)]
    pub health_tolerance: u32,
    /// Ids of statuses that orders were in and that are gone; never used again.
    #[serde(default)]
    pub retired: Vec<String>,
    /// From the id of a retired status to that of the one that took its orders, which may be gone by now as well.
    #[serde(default)]
    pub replaced: BTreeMap<String, String>,
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

    /// The next active status of the cycle after this one; `None` after the last.
    #[must_use]
    pub fn next(&self, id: &str) -> Option<&Status> {
        let index = self.statuses.iter().position(|status| status.id == id)?;
        self.statuses[index + 1..].iter().find(|status| status.in_cycle() && !status.inactive)
    }

    /// The status that took the place of one that is gone, or the one of that id itself; `None` when it went without.
    #[must_use]
    pub fn successor_of<'a>(&'a self, id: &'a str) -> Option<&'a Status> {
        let mut id = id;
        // Each of them is retired once, so the chain has an end.
        for _ in 0..=self.replaced.len() {
            if let Some(status) = self.status(id) {
                return Some(status);
            }
            id = self.replaced.get(id)?;
        }
        None
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
    /// BCP 47 tag, or empty: that of the plant.
    #[serde(default)]
    pub language: String,
    /// IANA zone, or empty: that of the order's calendar.
    #[serde(default)]
    pub zone: String,
    /// How the person wants to be told.
    #[serde(default)]
    pub alerts: Preferences,
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
    /// Ids of those who work in it.
    #[serde(default)]
    pub members: Vec<String>,
    /// Id of its own calendar.
    #[serde(default)]
    pub calendar: Option<String>,
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
    /// Triggers by id.
    pub triggers: BTreeMap<String, Arc<Trigger>>,
    /// Webhooks by id.
    pub webhooks: BTreeMap<String, Arc<Webhook>>,
    /// Columns of the board in their order.
    pub stages: Arc<Vec<Stage>>,
    /// Version of the list of stages.
    pub stages_version: i64,
    /// Version of `schedule_method`.
    pub schedule_version: i64,
    /// How due dates are planned where neither the order nor its type says.
    pub schedule_method: Method,
}

impl Catalogue {
    /// A type by id.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn order_type(&self, id: &str) -> Result<&OrderType, Refusal> {
        self.types.get(id).map(AsRef::as_ref).ok_or_else(|| not_found(Kind::OrderType, id))
    }

    /// Ids of the types that count in a calendar: their own, or that of a department which owns one of their statuses.
    #[must_use]
    pub fn types_in(&self, calendar: &str) -> Vec<String> {
        let owns = |id: &str| self.departments.get(id).is_some_and(|it| it.calendar.as_deref() == Some(calendar));
        let counts = |it: &&Arc<OrderType>| {
            it.calendar == calendar
                || it.statuses.iter().any(|status| status.default_department.as_deref().is_some_and(owns))
        };
        self.types.values().filter(counts).map(|it| it.id.clone()).collect()
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

    /// The calendar in which a status counts: that of its default department, if it has its own, else that of the type.
    ///
    /// # Errors
    /// `NotFound`; the database keeps it from happening.
    pub fn calendar_in(&self, order_type: &OrderType, status: &Status) -> Result<&Calendar, Refusal> {
        let department = status.default_department.as_deref().and_then(|id| self.departments.get(id));
        match department.and_then(|department| department.calendar.as_deref()) {
            Some(id) => {
                self.calendars.get(id).map(|entry| &entry.calendar).ok_or_else(|| not_found(Kind::Calendar, id))
            }
            None => self.calendar_of(order_type),
        }
    }

    /// The calendar in which the due date of an order's current visit counts.
    ///
    /// # Errors
    /// `NotFound`; the database keeps it from happening.
    pub fn calendar_of_visit(&self, order: &Order) -> Result<&Calendar, Refusal> {
        let order_type = self.order_type(&order.order_type)?;
        match order_type.status(&order.visit.status) {
            Some(status) => self.calendar_in(order_type, status),
            None => self.calendar_of(order_type),
        }
    }

    /// A user who can be chosen.
    ///
    /// # Errors
    /// `NotFound`, `Inactive`.
    pub fn active_user(&self, id: &str) -> Result<&User, Refusal> {
        let user = self.users.get(id).ok_or_else(|| not_found(Kind::User, id))?;
        if user.inactive { Err(Refusal::Inactive { kind: Kind::User, id: id.into() }) } else { Ok(user) }
    }

    /// Ids of the departments in which a user works, or which the user manages.
    #[must_use]
    pub fn departments_of(&self, user: &str) -> Vec<String> {
        let belongs = |it: &&Arc<Department>| it.managers.iter().chain(&it.members).any(|id| id == user);
        self.departments.values().filter(belongs).map(|it| it.id.clone()).collect()
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

impl Catalogue {
    /// The name of the column in which a status stands, and the column's place from 1; 0 = not a listed stage.
    #[must_use]
    pub fn column_of<'a>(&'a self, status: &'a Status) -> (&'a str, usize) {
        match self.stages.iter().position(|stage| stage.id == status.stage) {
            Some(place) => (&self.stages[place].name, place + 1),
            None if status.stage.is_empty() => (&status.name, 0),
            None => (&status.stage, 0),
        }
    }
}

fn not_found(kind: Kind, id: &str) -> Refusal {
    Refusal::NotFound { kind, id: id.into() }
}
