//! An import of holidays, from and to protobuf.

use std::mem;

use super::{
    calendars::{render, render_exception},
    edits::{self, render_plan, settle},
    parse::{self, optional, render_date},
    proto::v1,
};
use crate::{
    domain::{
        edit::HolidayImport,
        schedule::icalendar::{Icalendar, SkipReason, Skipped},
        violation::Violations,
    },
    ops::{edit::Write, holidays::HolidaysImported},
};

/// What a request asks for.
pub fn parse(mut request: v1::ImportHolidaysRequest) -> Result<(HolidayImport, Write), tonic::Status> {
    let mut v = Violations::new();
    let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
    let mut write = edits::write("ImportHolidays", &id, validate_only, &request, &mut v);
    write.expected_plan = optional(&request.expected_plan);
    v.slug("calendar", &request.calendar);
    let from = parse::date("from_date", request.from_date.as_ref(), &mut v);
    let to = parse::date("to_date", request.to_date.as_ref(), &mut v);
    let file = Icalendar::read(&request.icalendar, &mut v);
    settle(v)?;
    let etag = optional(&request.etag);
    Ok((HolidayImport { calendar: request.calendar, etag, file, from, to, replace: request.replace }, write))
}

/// The answer.
pub fn answer(imported: &HolidaysImported) -> v1::ImportHolidaysResponse {
    v1::ImportHolidaysResponse {
        calendar: Some(render(&imported.calendar)),
        from_date: Some(render_date(imported.window.from)),
        to_date: Some(render_date(imported.window.to)),
        added: imported.added.iter().map(render_exception).collect(),
        removed: imported.removed.iter().map(render_exception).collect(),
        unchanged_count: count(imported.unchanged),
        skipped: imported.skipped.iter().map(skipped).collect(),
        skipped_count: count(imported.skipped_count),
        maintained_until_date_before: imported.maintained_before.map(render_date),
        plan: Some(render_plan(&imported.plan)),
        replan: imported.plan.replan,
    }
}

fn skipped(skipped: &Skipped) -> v1::SkippedEvent {
    let reason = match skipped.reason {
        SkipReason::NotWholeDays => v1::SkipReason::NotWholeDays,
        SkipReason::Cancelled => v1::SkipReason::Cancelled,
        SkipReason::OutsideWindow => v1::SkipReason::OutsideWindow,
        SkipReason::UnknownZone(_) => v1::SkipReason::UnknownZone,
        SkipReason::RuleNotUnderstood(_) => v1::SkipReason::RuleNotUnderstood,
        SkipReason::NotAnEvent(_) => v1::SkipReason::NotAnEvent,
    };
    v1::SkippedEvent {
        name: skipped.name.clone(),
        line: count(skipped.line),
        date: skipped.day.map(render_date),
        reason: reason.into(),
        description: skipped.reason.to_string(),
    }
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
