//! Edits of calendars.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Change, Edited, check_etag, check_room, faults::Faults, not_found, set, taken};
use crate::domain::{
    catalogue::{CalendarEntry, Catalogue},
    order::DueCause,
    refusal::{Kind, Refusal},
    schedule::{CalendarSpec, DayHours, Exception, ExceptionDays, MonthDay},
    violation::Violations,
};

/// Calendars of one plant.
pub const CALENDARS_MAX: usize = 1_000;

/// A calendar as it is written, with its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenCalendar {
    /// The calendar.
    pub spec: CalendarSpec,
    /// Version of this row.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<&CalendarEntry> for WrittenCalendar {
    fn from(entry: &CalendarEntry) -> Self {
        Self {
            spec: entry.spec.clone(),
            version: entry.version,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        }
    }
}

/// A new calendar, or changed fields of one; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct CalendarEdit {
    /// Which calendar.
    pub id: String,
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// IANA zone.
    pub zone: Option<Tz>,
    /// Monday first.
    pub week: Option<[DayHours; 7]>,
    /// Holidays, extra days.
    pub exceptions: Option<Vec<Exception>>,
    /// Until when holidays are maintained.
    pub maintained_until: Option<Option<NaiveDate>>,
}

impl CalendarEdit {
    /// Finds all wrong fields, as far as they can be told without the fields that stay.
    pub fn check(&self, v: &mut Violations) {
        let mut spec = self.onto_spec(blank(&self.id));
        if self.name.is_none() {
            spec.name.push('-');
        }
        if self.exceptions.is_none() {
            // Whether a year keeps an open day depends on the exceptions that stay: `update` tells.
            let day = MonthDay { month: 1, day: 1 };
            let days = ExceptionDays::Yearly { from: day, to: day };
            spec.exceptions.push(Exception { name: "stays".into(), days, hours: DayHours::Open(Vec::new()) });
        }
        spec.check(v);
    }

    /// The new calendar.
    ///
    /// # Errors
    /// `Invalid` when fields are wrong together or there are `CALENDARS_MAX`, `AlreadyExists`.
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<WrittenCalendar, Refusal> {
        let mut faults = Faults::default();
        if catalogue.calendars.contains_key(&self.id) {
            faults.add(Err(taken(Kind::Calendar, &self.id)));
        }
        faults.add(check_room("calendar", Kind::Calendar, catalogue.calendars.len(), CALENDARS_MAX));
        faults.told()?;
        self.onto(WrittenCalendar { spec: blank(&self.id), version: 0, created_at: now, updated_at: now }, now)
    }

    /// The calendar after the change.
    ///
    /// # Errors
    /// `NotFound`, `EtagMismatch`, `Invalid` when its fields are wrong together with those that stay.
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<WrittenCalendar, Refusal> {
        let before = catalogue.calendars.get(&self.id).ok_or_else(|| not_found(Kind::Calendar, &self.id))?;
        check_etag(Kind::Calendar, self.etag.as_deref(), before.version)?;
        self.onto(WrittenCalendar::from(before.as_ref()), now)
    }

    /// The change, and the open orders that are planned anew by it: those of all types that count in the calendar, when it counts
    /// otherwise than before.
    ///
    /// # Errors
    /// As `update`.
    pub fn edited(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let after = self.update(catalogue, now)?;
        let counts = |spec: &CalendarSpec| (spec.zone, spec.week.clone(), spec.exceptions.clone());
        let same = catalogue.calendars.get(&self.id).is_some_and(|before| counts(&before.spec) == counts(&after.spec));
        let reason = format!("calendar '{}' was changed", self.id);
        let types = if same { Vec::new() } else { catalogue.types_in(&self.id) };
        Ok(Edited::row(Change::Calendar(after)).planned_anew(DueCause::Calendar, &self.id, reason, types))
    }

    fn onto(&self, before: WrittenCalendar, now: DateTime<Utc>) -> Result<WrittenCalendar, Refusal> {
        let spec = self.onto_spec(before.spec);
        let mut v = Violations::new();
        v.within("calendar.", |v| spec.check(v));
        if v.is_empty() {
            Ok(WrittenCalendar { spec, version: before.version + 1, created_at: before.created_at, updated_at: now })
        } else {
            Err(Refusal::Invalid(v.into_found()))
        }
    }

    fn onto_spec(&self, mut spec: CalendarSpec) -> CalendarSpec {
        set(&mut spec.name, self.name.as_ref());
        set(&mut spec.zone, self.zone.as_ref());
        set(&mut spec.week, self.week.as_ref());
        set(&mut spec.exceptions, self.exceptions.as_ref());
        set(&mut spec.maintained_until, self.maintained_until.as_ref());
        spec
    }
}

fn blank(id: &str) -> CalendarSpec {
    CalendarSpec {
        id: id.into(),
        name: String::new(),
        zone: Tz::UTC,
        week: std::array::from_fn(|_| DayHours::Open(Vec::new())),
        exceptions: Vec::new(),
        maintained_until: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::schedule::Calendar;

    #[test]
    fn a_closed_week_is_allowed_when_the_exceptions_that_stay_open_a_day_of_each_year() {
        let now = DateTime::from_timestamp(1_000_000_000, 0).expect("a valid instant");
        let may_day = MonthDay { month: 5, day: 1 };
        let open = Exception {
            name: "fair".into(),
            days: ExceptionDays::Yearly { from: may_day, to: may_day },
            hours: DayHours::Open(Vec::new()),
        };
        let closed = Some(std::array::from_fn(|_| DayHours::Closed));
        let edit = CalendarEdit { id: "fair".into(), week: closed, ..CalendarEdit::default() };
        for (exceptions, allowed) in [(vec![open], true), (vec![], false)] {
            let spec = CalendarSpec { name: "Fair".into(), exceptions, ..blank("fair") };
            let calendar = Calendar::compile(&spec);
            let entry = CalendarEntry { spec, calendar, version: 3, created_at: now, updated_at: now };
            let mut catalogue = Catalogue::default();
            catalogue.calendars.insert("fair".into(), Arc::new(entry));
            let mut v = Violations::new();
            edit.check(&mut v);
            assert!(v.is_empty());
            match edit.update(&catalogue, now) {
                Ok(after) => assert!(allowed && after.version == 4),
                Err(Refusal::Invalid(found)) => assert!(!allowed && found[0].field == "calendar.week"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}
