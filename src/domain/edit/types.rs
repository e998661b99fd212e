//! Edits of order types, and the shape that every cycle keeps.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    Change, CycleEffect, Edited, Named, OnOrders, Replan, check_etag, check_room, faults::Faults, not_found, set, taken,
};
use crate::domain::{
    catalogue::{Catalogue, OrderType, Status, StatusKind},
    moves::{AllowedMove, check_moves, forget_moves},
    order::DueCause,
    plan::Method,
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// Order types of one plant.
pub const TYPES_MAX: usize = 1_000;
/// Statuses of one type.
pub const STATUSES_MAX: usize = 200;
/// Pictures of statuses.
pub const ICONS: [&str; 52] = [
    "alert",
    "archive",
    "ban",
    "bell",
    "box",
    "calendar",
    "camera",
    "cart",
    "chat",
    "check",
    "circle",
    "clipboard",
    "clock",
    "cog",
    "cut",
    "document",
    "drop",
    "eye",
    "factory",
    "fire",
    "flag",
    "gauge",
    "hammer",
    "hand",
    "home",
    "hourglass",
    "inbox",
    "layers",
    "lock",
    "mail",
    "needle",
    "paint",
    "pause",
    "pencil",
    "phone",
    "play",
    "printer",
    "question",
    "refresh",
    "ruler",
    "search",
    "send",
    "shield",
    "square",
    "star",
    "stop",
    "tag",
    "thermometer",
    "tool",
    "truck",
    "user",
    "wrench",
];
/// Business days of one status.
const DURATION_DAYS_MAX: u32 = 3_650;
/// Minutes of working time of one status: 10 000 hours.
const DURATION_MINUTES_MAX: u32 = 600_000;
/// Colour of a status that names none.
const COLOUR_DEFAULT: &str = "#808080";

/// Changed fields of an order type; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct OrderTypeEdit {
    /// Which type.
    pub id: String,
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Id of its calendar.
    pub calendar: Option<String>,
    /// How due dates are planned; `Some(None)` = as the company does.
    pub schedule_method: Option<Option<Method>>,
    /// Status of new orders; `Some(None)` = the initial one.
    pub default_status: Option<Option<String>>,
    /// Whether it takes new orders.
    pub inactive: Option<bool>,
    /// The moves that its orders may make; none = all.
    pub moves: Option<Vec<AllowedMove>>,
    /// Business days by which the finish may miss the target and still be on target.
    pub health_tolerance: Option<u32>,
    /// The whole cycle; what is not in it any more goes.
    pub statuses: Option<Vec<Status>>,
    /// From the id of a status that goes to the id of the one that gets its orders.
    pub replacements: BTreeMap<String, String>,
    /// Whether the due dates of open orders are planned anew.
    pub replan: bool,
}

impl OrderTypeEdit {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("id", &self.id);
        if let Some(name) = &self.name {
            v.line("name", name, 1, 100);
        }
        if let Some(description) = &self.description {
            v.text("description", description, 0, 2_000);
        }
        if let Some(calendar) = &self.calendar {
            v.slug("calendar", calendar);
        }
        if let Some(Some(status)) = &self.default_status {
            v.slug("default_status", status);
        }
        if self.health_tolerance.is_some_and(|days| days > DURATION_DAYS_MAX) {
            v.add("health_tolerance_business_days", format!("must be from 0 to {DURATION_DAYS_MAX}"));
        }
        check_moves(self.moves.as_deref().unwrap_or_default(), v);
        if let Some(statuses) = &self.statuses {
            check_statuses(statuses, v);
        }
    }

    /// The type after the change, and what it does to live orders.
    ///
    /// # Errors
    /// `NotFound` (the type, what it newly names), `EtagMismatch`, `Inactive` (what it newly names, a replacement), `Invalid` (a
    /// replacement for a status that stays), `CycleBroken`.
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let before = catalogue.order_type(&self.id)?;
        let mut named: Vec<_> = self.calendar.iter().map(|id| Named::Calendar(id)).collect();
        for status in self.statuses.iter().flatten() {
            named.extend(named_by(status, before.status(&status.id)));
        }
        let mut faults = Faults::default();
        faults.add_named(&named, catalogue);
        let mut after = self.onto(before.clone(), now);
        if let Some(Some(id)) = &self.default_status {
            let status = after.status(id).ok_or_else(|| not_found(Kind::Status, id));
            let inactive = || Refusal::Inactive { kind: Kind::Status, id: id.clone() };
            faults.add(status.and_then(|status| if status.inactive { Err(inactive()) } else { Ok(()) }));
        }
        faults.add(check_etag(Kind::OrderType, self.etag.as_deref(), before.version));
        if self.statuses.is_some() && self.moves.is_none() {
            faults.add(forget_moves(&mut after));
        }
        edited(before, after, self.replacements.clone(), self.replan, catalogue, faults)
    }

    fn onto(&self, mut order_type: OrderType, now: DateTime<Utc>) -> OrderType {
        set(&mut order_type.name, self.name.as_ref());
        set(&mut order_type.description, self.description.as_ref());
        set(&mut order_type.calendar, self.calendar.as_ref());
        set(&mut order_type.schedule_method, self.schedule_method.as_ref());
        set(&mut order_type.default_status, self.default_status.as_ref());
        set(&mut order_type.inactive, self.inactive.as_ref());
        set(&mut order_type.moves, self.moves.as_ref());
        set(&mut order_type.health_tolerance, self.health_tolerance.as_ref());
        set(&mut order_type.statuses, self.statuses.as_ref());
        touched(order_type, now)
    }
}

/// A new order type with its whole cycle.
#[derive(Debug, Clone, Default)]
pub struct NewOrderType {
    /// Its own fields.
    pub fields: OrderTypeEdit,
    /// Its statuses in their order.
    pub statuses: Vec<Status>,
}

impl NewOrderType {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        self.fields.check(v);
        check_statuses(&self.statuses, v);
        if let Some(Some(id)) = &self.fields.default_status
            && !self.statuses.iter().any(|status| status.id == *id && !status.inactive)
        {
            v.add("default_status", "must be the id of one of the statuses, an active one");
        }
    }

    /// The new type.
    ///
    /// # Errors
    /// `NotFound` (what it names), `Invalid` when there are `TYPES_MAX`, `AlreadyExists`, `Inactive`, `CycleBroken`.
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let id = &self.fields.id;
        let mut named: Vec<_> = self.fields.calendar.iter().map(|id| Named::Calendar(id)).collect();
        named.extend(self.statuses.iter().flat_map(|status| named_by(status, None)));
        let mut faults = Faults::default();
        faults.add_named(&named, catalogue);
        if catalogue.types.contains_key(id) {
            faults.add(Err(taken(Kind::OrderType, id)));
        }
        faults.add(check_room("order_type", Kind::OrderType, catalogue.types.len(), TYPES_MAX));
        let blank = OrderType {
            id: id.clone(),
            name: String::new(),
            description: String::new(),
            calendar: String::new(),
            schedule_method: None,
            default_status: None,
            inactive: false,
            statuses: self.statuses.clone(),
            moves: Vec::new(),
            health_tolerance: 0,
            retired: Vec::new(),
            replaced: BTreeMap::new(),
            version: 0,
            created_at: now,
            updated_at: now,
        };
        let order_type = self.fields.onto(blank.clone(), now);
        check_cycle(&order_type, &mut faults);
        faults.told()?;
        let warnings = warnings(&OrderType { statuses: Vec::new(), ..blank }, &order_type, catalogue);
        Ok(Edited { warnings, ..Edited::row(Change::OrderType(order_type)) })
    }
}

/// What an edit of a cycle comes to: the type, and what that does to live orders.
///
/// # Errors
/// Of `faults` and what else is found, the first in the documented order.
pub(super) fn edited(
    before: &OrderType,
    after: OrderType,
    replacements: BTreeMap<String, String>,
    replan: bool,
    catalogue: &Catalogue,
    mut faults: Faults,
) -> Result<Edited, Refusal> {
    let effect = CycleEffect { before: before.clone(), after: after.clone(), replacements, replan };
    check_cycle(&after, &mut faults);
    effect.check("replacements", &mut faults);
    if let Some(status) = after.statuses.iter().find(|status| before.retired.contains(&status.id)) {
        let id = &status.id;
        let text =
            format!("the id '{id}' stood for a status that orders were in; ids are never used again, take another");
        faults.add(Err(Refusal::CycleBroken(text)));
    }
    faults.told()?;
    let warnings = warnings(before, &after, catalogue);
    let on_orders = if effect.is_nothing() { OnOrders::Nothing } else { OnOrders::Cycle(Box::new(effect)) };
    let (cause, reason) = changed(before, &after);
    let replan = projects_otherwise(before, &after).then(|| Replan {
        cause,
        subject: after.id.clone(),
        reason,
        order_types: vec![after.id.clone()],
        dates: cause != DueCause::Cycle,
    });
    Ok(Edited { changes: vec![Change::OrderType(after)], on_orders, warnings, replan })
}

/// Why due dates of a type may change, in a word and in words. What counts them is followed at once; durations and the shape of the
/// cycle are not retroactive.
pub(super) fn changed(before: &OrderType, after: &OrderType) -> (DueCause, String) {
    let id = &after.id;
    if before.schedule_method != after.schedule_method {
        (DueCause::Method, format!("the schedule method of '{id}' was changed"))
    } else if before.calendar != after.calendar {
        (DueCause::Calendar, format!("'{id}' got another calendar"))
    } else {
        (DueCause::Cycle, format!("the cycle of '{id}' was edited"))
    }
}

/// Whether open orders may be heading elsewhere than before.
fn projects_otherwise(before: &OrderType, after: &OrderType) -> bool {
    let of = |it: &OrderType| {
        let one =
            |it: &Status| (it.id.clone(), it.kind, it.clock, it.duration(), it.inactive, it.default_department.clone());
        let statuses: Vec<_> = it.statuses.iter().map(one).collect();
        (it.calendar.clone(), it.schedule_method, it.health_tolerance, statuses)
    };
    of(before) != of(after)
}

/// Columns of the board that an edit newly names and that are not listed, where there is a list.
fn warnings(before: &OrderType, after: &OrderType, catalogue: &Catalogue) -> Vec<String> {
    let unlisted = |status: &&Status| {
        let known = before.status(&status.id).is_some_and(|before| before.stage == status.stage);
        !known && !status.stage.is_empty() && catalogue.column_of(status).1 == 0
    };
    let statuses = after.statuses.iter().filter(|_| !catalogue.stages.is_empty()).filter(unlisted);
    statuses
        .map(|status| format!("'{}' of '{}' is not a listed stage; it is a column of its own", status.stage, status.id))
        .collect()
}

fn check_statuses(statuses: &[Status], v: &mut Violations) {
    let count = statuses.len();
    if !(2..=STATUSES_MAX).contains(&count) {
        v.add("statuses", format!("has {count}; 2 to {STATUSES_MAX} are allowed"));
    }
    for (index, status) in statuses.iter().enumerate().take(STATUSES_MAX) {
        v.within(&format!("statuses[{index}]."), |v| {
            check_status(status, v);
            if statuses[..index].iter().any(|before| before.id == status.id) {
                v.add("id", "is there twice");
            }
        });
    }
}

/// A colour as it is kept: lower case, grey when empty.
#[must_use]
pub fn colour(given: &str) -> String {
    if given.is_empty() { COLOUR_DEFAULT.into() } else { given.to_ascii_lowercase() }
}

/// Finds all wrong fields of a status.
pub(super) fn check_status(status: &Status, v: &mut Violations) {
    v.slug("id", &status.id);
    v.line("name", &status.name, 1, 100);
    v.text("definition", &status.definition, 0, 2_000);
    check_colour(&status.colour, v);
    if !status.icon.is_empty() && !ICONS.contains(&status.icon.as_str()) {
        v.add("icon", format!("must be empty or one of {}", ICONS.join(", ")));
    }
    v.line("stage", &status.stage, 0, 100);
    if let Some(id) = &status.default_department {
        v.slug("default_department", id);
    }
    if let Some(id) = &status.default_user {
        v.slug("default_user", id);
    }
    if status.duration_days.is_some_and(|days| days > DURATION_DAYS_MAX) {
        v.add("duration_business_days", format!("must be from 0 to {DURATION_DAYS_MAX}, or not set"));
    }
    if status.duration_minutes.is_some_and(|minutes| !(1..=DURATION_MINUTES_MAX).contains(&minutes)) {
        v.add("duration_working_minutes", format!("must be from 1 to {DURATION_MINUTES_MAX}, or not set"));
    }
    if status.duration_days.is_some() && status.duration_minutes.is_some() {
        v.add("duration_working_minutes", "a duration is either business days or working time; set one of them");
    }
}

/// Refuses what is no colour.
pub(super) fn check_colour(colour: &str, v: &mut Violations) {
    let digits = colour.strip_prefix('#').unwrap_or_default();
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        v.add("colour", "must be '#' and six hexadecimal digits, for example #1e90ff");
    }
}

/// What a status names and did not name before.
pub(super) fn named_by<'a>(status: &'a Status, before: Option<&Status>) -> Vec<Named<'a>> {
    let department = status
        .default_department
        .as_deref()
        .filter(|id| before.and_then(|status| status.default_department.as_deref()) != Some(*id));
    let user = status
        .default_user
        .as_deref()
        .filter(|id| before.and_then(|status| status.default_user.as_deref()) != Some(*id));
    department.map(Named::Department).into_iter().chain(user.map(Named::User)).collect()
}

/// One active initial status first, one active final status last, an active default, and moves between statuses that exist.
pub(super) fn check_cycle(order_type: &OrderType, faults: &mut Faults) {
    faults.add(check_ends(order_type));
    let named = order_type.moves.iter().flat_map(|it| it.from.iter().chain(std::iter::once(&it.to)));
    if let Some(id) = named.into_iter().find(|id| order_type.status(id).is_none()) {
        faults.add(Err(not_found(Kind::Status, id)));
    }
    if let Some(id) = order_type.default_status.as_deref() {
        let wrong = match order_type.status(id) {
            Some(status) if status.closes() => Some(format!("'{id}' closes orders, so new ones cannot begin in it")),
            Some(status) if !status.inactive => None,
            _ => Some(format!("new orders get status '{id}'; give the type another default status first")),
        };
        faults.add(wrong.map_or(Ok(()), |text| Err(Refusal::CycleBroken(text))));
    }
}

fn check_ends(order_type: &OrderType) -> Result<(), Refusal> {
    let broken = |text: String| Err(Refusal::CycleBroken(text));
    let active = |kind| order_type.statuses.iter().filter(|status| status.kind == kind && !status.inactive).count();
    for (kind, word) in [(StatusKind::Initial, "initial"), (StatusKind::Final, "final")] {
        let count = active(kind);
        if count != 1 {
            return broken(format!("a cycle has exactly one active {word} status; this one would have {count}"));
        }
    }
    if order_type.active_cycle().next().is_none_or(|status| status.kind != StatusKind::Initial) {
        return broken("the initial status must stand before all others of the cycle".into());
    }
    if order_type.active_cycle().next_back().is_none_or(|status| status.kind != StatusKind::Final) {
        return broken("the final status must stand after all others of the cycle".into());
    }
    Ok(())
}

/// The type with its next version.
pub(super) fn touched(mut order_type: OrderType, now: DateTime<Utc>) -> OrderType {
    order_type.version += 1;
    order_type.updated_at = now;
    order_type
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::StatusClock;

    fn status(id: &str, kind: StatusKind) -> Status {
        Status {
            id: id.into(),
            name: id.into(),
            definition: String::new(),
            colour: colour(""),
            icon: String::new(),
            stage: String::new(),
            default_department: None,
            default_user: None,
            duration_days: Some(DURATION_DAYS_MAX),
            duration_minutes: None,
            kind,
            clock: StatusClock::Runs,
            inactive: false,
        }
    }

    fn new_type(standard: usize) -> NewOrderType {
        let mut statuses = vec![status("open", StatusKind::Initial)];
        statuses.extend((0..standard).map(|index| status(&format!("s{index}"), StatusKind::Standard)));
        statuses.push(status("done", StatusKind::Final));
        NewOrderType { fields: OrderTypeEdit { id: "machining".into(), ..OrderTypeEdit::default() }, statuses }
    }

    fn wrong(new: &NewOrderType) -> Vec<String> {
        let mut v = Violations::new();
        new.check(&mut v);
        v.into_found().into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_type_has_2_to_200_statuses() {
        assert!(wrong(&new_type(0)).is_empty());
        assert!(wrong(&new_type(STATUSES_MAX - 2)).is_empty());
        assert_eq!(wrong(&new_type(STATUSES_MAX - 1)), ["statuses"]);
        let mut one = new_type(0);
        one.statuses.pop();
        assert_eq!(wrong(&one), ["statuses"]);
    }

    #[test]
    fn a_colour_is_kept_in_lower_case_and_is_grey_when_empty() {
        assert_eq!((colour("").as_str(), colour("#1E90FF").as_str()), ("#808080", "#1e90ff"));
        for (given, right) in
            [("#000000", true), ("#00000", false), ("#00000g", false), ("000000", false), ("#ääa", false)]
        {
            let mut new = new_type(0);
            new.statuses[0].colour = colour(given);
            assert_eq!(wrong(&new).is_empty(), right, "{given}");
        }
    }

    #[test]
    fn a_duration_of_3650_days_is_allowed_and_one_more_is_not() {
        let mut new = new_type(0);
        new.statuses[0].duration_days = Some(DURATION_DAYS_MAX + 1);
        assert_eq!(wrong(&new), ["statuses[0].duration_business_days"]);
    }

    #[test]
    fn inactive_and_non_standard_statuses_have_no_part_in_the_shape_of_the_cycle() {
        let now = DateTime::from_timestamp(1_000_000_000, 0).expect("a valid instant");
        let mut new = new_type(1);
        new.statuses.insert(0, status("hold", StatusKind::NonStandard));
        new.statuses.push(Status { inactive: true, ..status("shipped", StatusKind::Final) });
        new.statuses.push(Status { inactive: true, ..status("old", StatusKind::Standard) });
        assert!(new.create(&Catalogue::default(), now).is_ok());
        new.statuses[5].inactive = false;
        assert!(matches!(new.create(&Catalogue::default(), now), Err(Refusal::CycleBroken(_))));
        new.statuses[5].inactive = true;
        new.statuses[4].inactive = false;
        assert!(matches!(new.create(&Catalogue::default(), now), Err(Refusal::CycleBroken(_))));
    }
}
