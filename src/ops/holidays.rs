//! Imports holidays into a calendar.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Failure, Plant,
    catalogue::catalogue,
    edit::{Count, Done, Write, run},
};
use crate::domain::{
    catalogue::Catalogue,
    edit::{Change, EditPlan, Edited, FoundHolidays, HolidayDiff, HolidayImport, OnOrders, WrittenCalendar},
    refusal::Refusal,
    schedule::{
        Exception,
        icalendar::{Skipped, Window},
    },
};

/// Skipped events that an answer names.
const SKIPPED_MAX: usize = 500;

/// A calendar after an import of holidays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolidaysImported {
    /// The calendar.
    pub calendar: WrittenCalendar,
    /// The days that were looked at.
    pub window: Window,
    /// Exceptions that came.
    pub added: Vec<Exception>,
    /// Exceptions that went.
    pub removed: Vec<Exception>,
    /// Days of the file that were closed already.
    pub unchanged: usize,
    /// The first events that close no day.
    pub skipped: Vec<Skipped>,
    /// How many there are.
    pub skipped_count: usize,
    /// Until when holidays were maintained before.
    pub maintained_before: Option<NaiveDate>,
    /// Fingerprint and warnings.
    pub plan: EditPlan,
}

/// Imports the holidays of a file.
///
/// # Errors
/// As `HolidayImport::find` and `HolidayImport::diff`; those of the plan (see `run`); when the database fails.
pub async fn import_holidays(
    plant: &Arc<Plant>,
    import: HolidayImport,
    write: Write,
) -> Result<HolidaysImported, Failure> {
    let catalogue = catalogue(plant).await?;
    let now = plant.clock.now(plant.store.clock_and_version().await?.0);
    // Rules can take a while to follow, which must hold up neither other calls nor other edits.
    let work = tokio::task::spawn_blocking(move || {
        let found = import.find(&catalogue, now);
        (import, found)
    });
    let given_up = |_| Failure::GivenUp("the rules of a file were not followed to their end");
    let (import, found) = work.await.map_err(given_up)?;
    let found = Arc::new((import, found));
    let of_answer = Arc::clone(&found);
    let decide = move |catalogue: &Catalogue, now| {
        let diff = diff(&found, catalogue, now)?;
        let warnings = diff.warnings;
        match diff.edit {
            Some(edit) => Ok(Edited { warnings, ..edit.edited(catalogue, now)? }),
            None => Ok(Edited { changes: Vec::new(), on_orders: OnOrders::Nothing, warnings, replan: None }),
        }
    };
    run(plant, write, Count::Nothing, decide, move |done| answer(&of_answer, done)).await
}

type Found = (HolidayImport, Result<FoundHolidays, Refusal>);

fn diff((import, found): &Found, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<HolidayDiff, Refusal> {
    import.diff(found.as_ref().map_err(Clone::clone)?, catalogue, now)
}

fn answer(found: &Found, done: &Done<'_>) -> HolidaysImported {
    let diff = diff(found, done.before, done.now).expect("it was decided from the same facts just now");
    let written = done.edited.changes.iter().find_map(|change| match change {
        Change::Calendar(calendar) => Some(calendar.clone()),
        _ => None,
    });
    let present = || done.before.calendars.get(&diff.calendar).map(|entry| WrittenCalendar::from(entry.as_ref()));
    HolidaysImported {
        calendar: written.or_else(present).expect("the calendar was found when it was decided"),
        window: diff.window,
        added: diff.added,
        removed: diff.removed,
        unchanged: diff.unchanged,
        skipped_count: diff.skipped.len(),
        skipped: diff.skipped.into_iter().take(SKIPPED_MAX).collect(),
        maintained_before: diff.maintained_before,
        plan: done.plan.clone(),
    }
}
