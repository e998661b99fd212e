//! Edits of the statuses of a type: insert, change, move, remove.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    Edited, STATUSES_MAX, check_etag,
    faults::Faults,
    invalid, not_found, set, taken,
    types::{check_status, edited, named_by, touched},
};
use crate::domain::{
    catalogue::{Catalogue, OrderType, Status, StatusClock, StatusKind},
    moves::forget_moves,
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
    /// Whether the due dates of open orders are planned anew.
    pub replan: bool,
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
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let before = catalogue.order_type(&self.order_type)?;
        let mut order_type = before.clone();
        let mut faults = Faults::default();
        faults.add_named(&named_by(&self.status, None), catalogue);
        if order_type.status(&self.status.id).is_some() {
            faults.add(Err(taken(Kind::Status, &self.status.id)));
        }
        faults.add(check_etag(Kind::OrderType, self.etag.as_deref(), order_type.version));
        let count = order_type.statuses.len();
        if count >= STATUSES_MAX {
            let text = format!("the type has {count} statuses already; the limit is {STATUSES_MAX}");
            faults.add(Err(invalid("status", text)));
        }
        let default = if self.status.in_cycle() {
            let last = |status: &Status| status.kind == StatusKind::Final && !status.inactive;
            order_type.statuses.iter().position(last).unwrap_or(count)
        } else {
            count
        };
        let position = within_list("position", self.position.unwrap_or(default), count, &mut faults);
        order_type.statuses.insert(position, self.status.clone());
        edited(before, touched(order_type, now), BTreeMap::new(), self.replan, catalogue, faults)
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
    /// Business days a visit may take; taking the place of working time.
    pub duration_days: Option<Option<u32>>,
    /// Minutes of working time a visit may take; taking the place of business days.
    pub duration_minutes: Option<Option<u32>>,
    /// What its clock does; ignored for a status of the cycle.
    pub clock: Option<StatusClock>,
    /// Whether it can be chosen.
    pub inactive: Option<bool>,
    /// New place from 0, counted after it was taken out.
    pub position: Option<usize>,
    /// Picture.
    pub icon: Option<String>,
    /// Whether the due dates of open orders are planned anew.
    pub replan: bool,
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
                icon: String::new(),
                stage: String::new(),
                default_department: None,
                default_user: None,
                duration_days: None,
                duration_minutes: None,
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
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let type_before = catalogue.order_type(&self.order_type)?;
        let mut order_type = type_before.clone();
        let (index, before) = find(&order_type, &self.id)?;
        let before = before.clone();
        let after = self.onto(before.clone());
        let mut faults = Faults::default();
        faults.add_named(&named_by(&after, Some(&before)), catalogue);
        faults.add(check_etag(Kind::OrderType, self.etag.as_deref(), order_type.version));
        order_type.statuses.remove(index);
        let last = order_type.statuses.len();
        let position = within_list("status.position", self.position.unwrap_or(index), last, &mut faults);
        order_type.statuses.insert(position, after);
        edited(type_before, touched(order_type, now), BTreeMap::new(), self.replan, catalogue, faults)
    }

    /// The one that is given takes the place of the other.
    fn set_duration(&self, status: &mut Status) {
        set(&mut status.duration_days, self.duration_days.as_ref());
        set(&mut status.duration_minutes, self.duration_minutes.as_ref());
        match (self.duration_days.flatten(), self.duration_minutes.flatten()) {
            (Some(_), None) => status.duration_minutes = None,
            (None, Some(_)) => status.duration_days = None,
            _ => {}
        }
    }

    fn onto(&self, mut status: Status) -> Status {
        set(&mut status.name, self.name.as_ref());
        set(&mut status.definition, self.definition.as_ref());
        set(&mut status.colour, self.colour.as_ref());
        set(&mut status.icon, self.icon.as_ref());
        set(&mut status.stage, self.stage.as_ref());
        set(&mut status.default_department, self.default_department.as_ref());
        set(&mut status.default_user, self.default_user.as_ref());
        self.set_duration(&mut status);
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
    /// Status that gets its orders.
    pub replacement: Option<String>,
    /// Status that becomes the initial or the final one in its place.
    pub successor: Option<String>,
    /// Whether the due dates of open orders are planned anew.
    pub replan: bool,
}

impl StatusRemoval {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("order_type", &self.order_type);
        v.slug("status", &self.status);
        for (field, id) in [("replacement", &self.replacement), ("successor", &self.successor)] {
            if let Some(id) = id {
                v.slug(field, id);
                if *id == self.status {
                    v.add(field, "must be another status");
                }
            }
        }
    }

    /// The type after the change. Orders of an initial or final status go to its successor unless a replacement is named.
    ///
    /// # Errors
    /// `NotFound` (type, status, replacement, successor), `EtagMismatch`, `Inactive`, `Invalid` (a successor for another
    /// status than the initial and the final one, or one that is no active standard status), `CycleBroken`.
    pub fn remove(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let before = catalogue.order_type(&self.order_type)?;
        let mut after = before.clone();
        let (index, gone) = find(before, &self.status)?;
        let mut faults = Faults::default();
        for id in self.replacement.iter().chain(&self.successor) {
            faults.add(find(before, id).map(drop));
        }
        faults.add(check_etag(Kind::OrderType, self.etag.as_deref(), before.version));
        after.statuses.remove(index);
        if let Some(successor) = &self.successor {
            faults.add(succeed(&mut after, gone, index, successor));
        }
        if self.successor.is_some() && after.default_status.as_ref() == Some(&self.status) {
            after.default_status.clone_from(&self.successor);
        }
        faults.add(forget_moves(&mut after));
        let taker = self.replacement.clone().or_else(|| self.successor.clone());
        let replacements = taker.map(|to| (self.status.clone(), to)).into_iter().collect();
        edited(before, touched(after, now), replacements, self.replan, catalogue, faults)
    }
}

/// Gives a standard status the kind and the place of the initial or final one that goes.
fn succeed(order_type: &mut OrderType, gone: &Status, index: usize, successor: &str) -> Result<(), Refusal> {
    if !matches!(gone.kind, StatusKind::Initial | StatusKind::Final) {
        return Err(invalid("successor", "only the initial and the final status have a successor".into()));
    }
    let (place, status) = find(order_type, successor)?;
    if status.kind != StatusKind::Standard || status.inactive {
        return Err(invalid("successor", "must be an active standard status".into()));
    }
    let mut status = order_type.statuses.remove(place);
    status.kind = gone.kind;
    order_type.statuses.insert(if place < index { index - 1 } else { index }, status);
    Ok(())
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

/// The position; the last one when it lies beyond.
fn within_list(field: &str, position: usize, last: usize, faults: &mut Faults) -> usize {
    if position > last {
        faults.add(Err(invalid(field, format!("must be from 0 to {last}"))));
    }
    position.min(last)
}
