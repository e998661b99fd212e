//! Edits of the statuses of a type: insert, change, move, remove. Live orders stay where they are.

use chrono::{DateTime, Utc};

use super::{
    STATUSES_MAX, all_active, all_exist, check_etag, invalid, not_found, set, taken,
    types::{check_cycle, check_status, named_by, touched},
};
use crate::domain::{
    catalogue::{Catalogue, OrderType, Status, StatusClock, StatusKind},
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// A status to insert.
#[derive(Debug, Clone)]
pub struct NewStatus {
    /// Id of the type.
    pub order_type: String,
    /// Version of the type the caller decided on.
    pub etag: Option<String>,
    /// The status.
    pub status: Status,
    /// Place from 0; default: before the final status, or last for one beside the cycle.
    pub position: Option<usize>,
}

impl NewStatus {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("order_type", &self.order_type);
        v.within("status.", |v| check_status(&self.status, v));
        check_position("position", self.position, v);
    }

    /// The type after the change.
    ///
    /// # Errors
    /// `NotFound` (the type, what the status names), `AlreadyExists`, `EtagMismatch`, `Invalid` when the type is full or the
    /// place lies beyond its end, `Inactive`, `CycleBroken`.
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<OrderType, Refusal> {
        let mut order_type = catalogue.order_type(&self.order_type)?.clone();
        let named = named_by(&self.status, None);
        all_exist(&named, catalogue)?;
        if order_type.status(&self.status.id).is_some() {
            return Err(taken(Kind::Status, &self.status.id));
        }
        check_etag(Kind::OrderType, self.etag.as_deref(), order_type.version)?;
        let count = order_type.statuses.len();
        if count >= STATUSES_MAX {
            return Err(invalid(
                "status",
                format!("the type has {count} statuses already; the limit is {STATUSES_MAX}"),
            ));
        }
        all_active(&named, catalogue)?;
        let default = if self.status.in_cycle() {
            let last = |status: &Status| status.kind == StatusKind::Final && !status.inactive;
            order_type.statuses.iter().position(last).unwrap_or(count)
        } else {
            count
        };
        let position = within_list("position", self.position.unwrap_or(default), count)?;
        order_type.statuses.insert(position, self.status.clone());
        check_cycle(&order_type)?;
        Ok(touched(order_type, now))
    }
}

/// Changed fields of a status; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct StatusEdit {
    /// Id of the type.
    pub order_type: String,
    /// Which status.
    pub id: String,
    /// Version of the type the caller decided on.
    pub etag: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// When to use it.
    pub definition: Option<String>,
    /// `#rrggbb`.
    pub colour: Option<String>,
    /// Column of the board.
    pub stage: Option<String>,
    /// Department that gets the order on entry.
    pub default_department: Option<Option<String>>,
    /// User who gets the order on entry.
    pub default_user: Option<Option<String>>,
    /// Business days a visit may take.
    pub duration_days: Option<Option<u32>>,
    /// What its clock does; ignored for a status of the cycle.
    pub clock: Option<StatusClock>,
    /// Whether it can be chosen.
    pub inactive: Option<bool>,
    /// New place from 0, counted after it was taken out.
    pub position: Option<usize>,
}

impl StatusEdit {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("order_type", &self.order_type);
        v.within("status.", |v| {
            let blank = Status {
                id: self.id.clone(),
                name: "-".into(),
                definition: String::new(),
                colour: super::colour(""),
                stage: String::new(),
                default_department: None,
                default_user: None,
                duration_days: None,
                kind: StatusKind::NonStandard,
                clock: StatusClock::Runs,
                inactive: false,
            };
            check_status(&self.onto(blank), v);
            check_position("position", self.position, v);
        });
    }

    /// The type after the change.
    ///
    /// # Errors
    /// `NotFound` (type, status, what the status newly names), `EtagMismatch`, `Invalid` when the place lies beyond the end,
    /// `Inactive`, `CycleBroken`.
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<OrderType, Refusal> {
        let mut order_type = catalogue.order_type(&self.order_type)?.clone();
        let (index, before) = find(&order_type, &self.id)?;
        let before = before.clone();
        let after = self.onto(before.clone());
        let named = named_by(&after, Some(&before));
        all_exist(&named, catalogue)?;
        check_etag(Kind::OrderType, self.etag.as_deref(), order_type.version)?;
        all_active(&named, catalogue)?;
        order_type.statuses.remove(index);
        let position = within_list("status.position", self.position.unwrap_or(index), order_type.statuses.len())?;
        order_type.statuses.insert(position, after);
        check_cycle(&order_type)?;
        Ok(touched(order_type, now))
    }

    fn onto(&self, mut status: Status) -> Status {
        set(&mut status.name, self.name.as_ref());
        set(&mut status.definition, self.definition.as_ref());
        set(&mut status.colour, self.colour.as_ref());
        set(&mut status.stage, self.stage.as_ref());
        set(&mut status.default_department, self.default_department.as_ref());
        set(&mut status.default_user, self.default_user.as_ref());
        set(&mut status.duration_days, self.duration_days.as_ref());
        if !status.in_cycle() {
            set(&mut status.clock, self.clock.as_ref());
        }
        set(&mut status.inactive, self.inactive.as_ref());
        status
    }
}

/// A status to remove.
#[derive(Debug, Clone)]
pub struct StatusRemoval {
    /// Id of the type.
    pub order_type: String,
    /// Which status.
    pub status: String,
    /// Version of the type the caller decided on.
    pub etag: Option<String>,
}

impl StatusRemoval {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("order_type", &self.order_type);
        v.slug("status", &self.status);
    }

    /// The type after the change, given how many orders are or ever were in the status.
    ///
    /// # Errors
    /// `NotFound`, `EtagMismatch`, `InUse`, `CycleBroken`.
    pub fn remove(&self, catalogue: &Catalogue, used: i64, now: DateTime<Utc>) -> Result<OrderType, Refusal> {
        let mut order_type = catalogue.order_type(&self.order_type)?.clone();
        let (index, _) = find(&order_type, &self.status)?;
        check_etag(Kind::OrderType, self.etag.as_deref(), order_type.version)?;
        if used > 0 {
            return Err(Refusal::InUse { kind: Kind::Status, id: self.status.clone(), count: used });
        }
        order_type.statuses.remove(index);
        check_cycle(&order_type)?;
        Ok(touched(order_type, now))
    }
}

fn find<'a>(order_type: &'a OrderType, id: &str) -> Result<(usize, &'a Status), Refusal> {
    let found = order_type.statuses.iter().enumerate().find(|(_, status)| status.id == id);
    found.ok_or_else(|| not_found(Kind::Status, id))
}

fn check_position(field: &str, position: Option<usize>, v: &mut Violations) {
    if position.is_some_and(|position| position >= STATUSES_MAX) {
        v.add(field, format!("must be from 0 to {}", STATUSES_MAX - 1));
    }
}

fn within_list(field: &str, position: usize, last: usize) -> Result<usize, Refusal> {
    if position <= last { Ok(position) } else { Err(invalid(field, format!("must be from 0 to {last}"))) }
}
