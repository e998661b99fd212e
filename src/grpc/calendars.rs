//! The service of calendars.

use std::{mem, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use tonic::{Request, Response};

use super::{
    edits::{self, Mask, fail, required, settle},
    holidays,
    parse::{self, optional, render_date, render_instant},
    proto::v1::{self, calendar_service_server::CalendarService},
    schedule::render_day,
};
use crate::{
    domain::{
        catalogue::CalendarEntry,
        edit::{CalendarEdit, WrittenCalendar},
        refusal::{Kind, Refusal},
        schedule::{self, DayHours, Exception, ExceptionDays, Interval, MonthDay, Upkeep},
        violation::Violations,
    },
    ops::{Plant, catalogue, explain, holidays::import_holidays},
};

const FIELDS: [&str; 5] = ["name", "zone", "week", "exceptions", "maintained_until_date"];

/// Calendars of one plant.
#[derive(Debug, Clone)]
pub struct Calendars {
    plant: Arc<Plant>,
}

impl Calendars {
    /// The service over a plant.
    #[must_use]
    pub fn new(plant: Arc<Plant>) -> Self {
        Self { plant }
    }
}

#[tonic::async_trait]
impl CalendarService for Calendars {
    async fn list_calendars(
        &self,
        _: Request<v1::ListCalendarsRequest>,
    ) -> Result<Response<v1::ListCalendarsResponse>, tonic::Status> {
        let (catalogue, now) = catalogue::catalogue_now(&self.plant).await.map_err(fail)?;
        let calendars = catalogue.calendars.values().map(|entry| render_as_of(entry, now));
        Ok(Response::new(v1::ListCalendarsResponse { calendars: calendars.collect() }))
    }

    async fn get_calendar(
        &self,
        request: Request<v1::GetCalendarRequest>,
    ) -> Result<Response<v1::GetCalendarResponse>, tonic::Status> {
        let id = request.into_inner().id;
        edits::slug("id", &id)?;
        let (catalogue, now) = catalogue::catalogue_now(&self.plant).await.map_err(fail)?;
        match catalogue.calendars.get(&id) {
            Some(entry) => Ok(Response::new(v1::GetCalendarResponse { calendar: Some(render_as_of(entry, now)) })),
            None => Err(fail(Refusal::NotFound { kind: Kind::Calendar, id }.into())),
        }
    }

    async fn create_calendar(
        &self,
        request: Request<v1::CreateCalendarRequest>,
    ) -> Result<Response<v1::CreateCalendarResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("CreateCalendar", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(None, &FIELDS, &[], &mut v);
        let given = required("calendar", request.calendar)?;
        let edit = v.within("calendar.", |v| calendar_edit(&given, &mask, v));
        settle(v)?;
        let calendar = catalogue::create_calendar(&self.plant, edit, write).await.map_err(fail)?;
        Ok(Response::new(v1::CreateCalendarResponse { calendar: Some(render(&calendar)) }))
    }

    async fn update_calendar(
        &self,
        request: Request<v1::UpdateCalendarRequest>,
    ) -> Result<Response<v1::UpdateCalendarResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let mut write = edits::write("UpdateCalendar", &id, validate_only, &request, &mut v);
        write.expected_plan = optional(&request.expected_plan);
        let mask = Mask::parse(request.update_mask.as_ref(), &FIELDS, &[], &mut v);
        let given = required("calendar", request.calendar)?;
        let edit = v.within("calendar.", |v| calendar_edit(&given, &mask, v));
        settle(v)?;
        let edited = catalogue::update_calendar(&self.plant, edit, write).await.map_err(fail)?;
        let plan = Some(edits::render_plan(&edited.plan));
        Ok(Response::new(v1::UpdateCalendarResponse {
            calendar: Some(render(&edited.calendar)),
            plan,
            replan: edited.plan.replan,
        }))
    }

    async fn import_holidays(
        &self,
        request: Request<v1::ImportHolidaysRequest>,
    ) -> Result<Response<v1::ImportHolidaysResponse>, tonic::Status> {
        let (import, write) = holidays::parse(request.into_inner())?;
        let imported = import_holidays(&self.plant, import, write).await.map_err(fail)?;
        Ok(Response::new(holidays::answer(&imported)))
    }

    async fn explain_due_date(
        &self,
        request: Request<v1::ExplainDueDateRequest>,
    ) -> Result<Response<v1::ExplainDueDateResponse>, tonic::Status> {
        let request = request.into_inner();
        let mut v = Violations::new();
        v.slug("calendar", &request.calendar);
        let start = parse::date("start_date", request.start_date.as_ref(), &mut v);
        if request.start_date.is_none() {
            v.add("start_date", "must be set");
        }
        let days = u32::try_from(request.business_days).ok().filter(|days| *days <= 3_650);
        if days.is_none() {
            v.add("business_days", "must be from 0 to 3650");
        }
        let (Some(start), Some(days), true) = (start, days, v.is_empty()) else {
            return Err(super::errors::invalid(v.into_found()));
        };
        let explained = explain::due_date(&self.plant, &request.calendar, start, days).await.map_err(fail)?;
        let days = explained.days.iter().map(render_day);
        Ok(Response::new(v1::ExplainDueDateResponse {
            due_date: Some(render_date(explained.due_on)),
            due_time: Some(render_instant(explained.due_at)),
            days: days.collect(),
            beyond_holidays: explained.beyond_holidays,
        }))
    }
}

/// Stands for a day that is missing or wrong, which has been said already: a day that is right.
const STAND_IN: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a valid date");

fn calendar_edit(given: &v1::Calendar, mask: &Mask, v: &mut Violations) -> CalendarEdit {
    let edit = CalendarEdit {
        id: given.id.clone(),
        etag: optional(&given.etag),
        name: mask.pick("name", || given.name.clone()),
        zone: mask.pick("zone", || zone(&given.zone, v)),
        week: mask.pick("week", || week(&given.week, v)),
        exceptions: mask.pick("exceptions", || {
            let exceptions = given.exceptions.iter().enumerate();
            exceptions
                .map(|(index, given)| v.within(&format!("exceptions[{index}]."), |v| exception(given, v)))
                .collect()
        }),
        maintained_until: mask.pick("maintained_until_date", || {
            parse::date("maintained_until_date", given.maintained_until_date.as_ref(), v)
        }),
    };
    edit.check(v);
    edit
}

fn zone(name: &str, v: &mut Violations) -> Tz {
    name.parse().unwrap_or_else(|_| {
        v.add("zone", "must be an IANA time zone, for example Europe/Vienna");
        Tz::UTC
    })
}

fn week(given: &[v1::DayHours], v: &mut Violations) -> [DayHours; 7] {
    if given.len() != 7 {
        v.add("week", format!("has {} days; exactly 7 are needed, Monday first", given.len()));
        // Open days, so that only this is found wrong.
        return std::array::from_fn(|_| DayHours::Open(Vec::new()));
    }
    std::array::from_fn(|index| v.within(&format!("week[{index}]"), |v| hours(&given[index], v)))
}

fn hours(given: &v1::DayHours, v: &mut Violations) -> DayHours {
    if !given.open {
        if !given.intervals.is_empty() {
            v.add(".intervals", "may only be set for an open day");
        }
        return DayHours::Closed;
    }
    // A minute that does not fit becomes one that is too large, and is refused as such.
    let minute = |minute: i32| u16::try_from(minute).unwrap_or(u16::MAX);
    let intervals = given.intervals.iter();
    DayHours::Open(
        intervals
            .map(|interval| Interval {
                from_minute: minute(interval.from_minute),
                to_minute: minute(interval.to_minute),
            })
            .collect(),
    )
}

fn exception(given: &v1::CalendarException, v: &mut Violations) -> Exception {
    let from_date = parse::date("from_date", given.from_date.as_ref(), v);
    let to_date = parse::date("to_date", given.to_date.as_ref(), v);
    let days = match (&given.from_date, &given.to_date, &given.from_yearly, &given.to_yearly) {
        (Some(_), _, None, None) => {
            let from = from_date.unwrap_or(STAND_IN);
            ExceptionDays::On { from, to: if given.to_date.is_some() { to_date.unwrap_or(from) } else { from } }
        }
        (None, None, Some(from), to) => {
            let day = |day: &v1::MonthDay| MonthDay {
                month: u32::try_from(day.month).unwrap_or(0),
                day: u32::try_from(day.day).unwrap_or(0),
            };
            ExceptionDays::Yearly { from: day(from), to: day(to.as_ref().unwrap_or(from)) }
        }
        _ => {
            v.add("from_date", "set either from_date (and to_date) or from_yearly (and to_yearly)");
            ExceptionDays::On { from: STAND_IN, to: STAND_IN }
        }
    };
    let hours = if let Some(given) = &given.hours {
        v.within("hours", |v| hours(given, v))
    } else {
        v.add("hours", "must be set");
        DayHours::Closed
    };
    Exception { name: given.name.clone(), days, hours }
}

/// A calendar for an answer.
pub(super) fn render(calendar: &WrittenCalendar) -> v1::Calendar {
    let spec = &calendar.spec;
    v1::Calendar {
        id: spec.id.clone(),
        name: spec.name.clone(),
        zone: spec.zone.name().to_owned(),
        week: spec.week.iter().map(render_hours).collect(),
        exceptions: spec.exceptions.iter().map(render_exception).collect(),
        maintained_until_date: spec.maintained_until.map(render_date),
        etag: calendar.version.to_string(),
        create_time: Some(render_instant(calendar.created_at)),
        update_time: Some(render_instant(calendar.updated_at)),
        holiday_upkeep: v1::HolidayUpkeep::Unspecified.into(),
    }
}

/// A calendar with how its holidays are looked after as of `now`.
fn render_as_of(entry: &CalendarEntry, now: DateTime<Utc>) -> v1::Calendar {
    let upkeep = match Upkeep::of(&entry.spec, schedule::local_date(&entry.calendar, now)) {
        Upkeep::NotSaid => v1::HolidayUpkeep::NotSaid,
        Upkeep::Maintained => v1::HolidayUpkeep::Maintained,
        Upkeep::EndsSoon => v1::HolidayUpkeep::EndsSoon,
        Upkeep::Ended => v1::HolidayUpkeep::Ended,
    };
    v1::Calendar { holiday_upkeep: upkeep.into(), ..render(&WrittenCalendar::from(entry)) }
}

fn render_hours(hours: &DayHours) -> v1::DayHours {
    let DayHours::Open(intervals) = hours else { return v1::DayHours::default() };
    let intervals = intervals.iter().map(|interval| v1::WorkingInterval {
        from_minute: interval.from_minute.into(),
        to_minute: interval.to_minute.into(),
    });
    v1::DayHours { open: true, intervals: intervals.collect() }
}

/// An exception for an answer.
pub(super) fn render_exception(exception: &Exception) -> v1::CalendarException {
    let mut rendered = v1::CalendarException {
        name: exception.name.clone(),
        hours: Some(render_hours(&exception.hours)),
        ..v1::CalendarException::default()
    };
    let part = |part: u32| i32::try_from(part).unwrap_or(0);
    let yearly = |day: MonthDay| v1::MonthDay { month: part(day.month), day: part(day.day) };
    match exception.days {
        ExceptionDays::On { from, to } => {
            rendered.from_date = Some(render_date(from));
            rendered.to_date = Some(render_date(to));
        }
        ExceptionDays::Yearly { from, to } => {
            rendered.from_yearly = Some(yearly(from));
            rendered.to_yearly = Some(yearly(to));
        }
    }
    rendered
}
