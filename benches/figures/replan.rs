//! Recomputation of all open orders after a calendar edit, each with another date, beside a bare UPDATE of the same rows.

use std::{sync::Arc, time::Instant};

use andon::{
    domain::{
        edit::CalendarEdit,
        schedule::{DayHours, Exception, ExceptionDays},
    },
    ops::{Clock, Plant, Settings, catalogue, edit::Write, replan},
};
use chrono::{DateTime, Datelike as _, Days, NaiveDate, Utc, Weekday};

use crate::{
    Fault, Options,
    stand::Stand,
    stats::{Rounds, head, verdict},
};

/// The database's clock.
#[derive(Debug)]
struct Real;

impl Clock for Real {
    fn now(&self, database_now: DateTime<Utc>) -> DateTime<Utc> {
        database_now
    }
}

/// Closes so many of the next weekdays, so that every planned date moves.
fn holidays(today: NaiveDate, count: usize) -> Vec<Exception> {
    let weekday = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let days = (today + Days::new(1)).iter_days().filter(weekday).take(count);
    let closed = |day| Exception {
        name: "closed".into(),
        days: ExceptionDays::On { from: day, to: day },
        hours: DayHours::Closed,
    };
    days.map(closed).collect()
}

/// Edits the calendar, and plans all open orders anew: how many there were.
async fn anew(plant: &Arc<Plant>, exceptions: Vec<Exception>) -> Result<i64, Fault> {
    let edit = CalendarEdit { id: "plant".into(), exceptions: Some(exceptions), ..CalendarEdit::default() };
    catalogue::update_calendar(plant, edit, Write { actor: "bench".into(), ..Write::default() }).await?;
    let mut examined = 0;
    loop {
        let report = replan::replan(plant, || false).await?;
        examined += report.progress.examined;
        if report.batches == 0 {
            return Ok(examined);
        }
    }
}

/// Measures and prints.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
pub async fn measure(options: &Options, stand: &Stand) -> Result<(), Fault> {
    let settings = Settings::default();
    let plant = Plant::new(stand.store(8)?, Arc::new(Real), settings, 7);
    let today: NaiveDate = sqlx::query_scalar("SELECT current_date").fetch_one(&stand.pool).await?;
    sqlx::query("UPDATE orders SET due_source = 'PLAN' WHERE due_source = 'MANUAL'").execute(&stand.pool).await?;
    sqlx::query("UPDATE visits SET due_source = 'PLAN' WHERE due_source = 'MANUAL' AND left_at IS NULL")
        .execute(&stand.pool)
        .await?;
    sqlx::query("VACUUM ANALYZE orders").execute(&stand.pool).await?;
    let (mut rates, mut raw) = (Rounds::default(), Rounds::default());
    let mut orders = 0;
    for round in 0..options.rounds {
        let began = Instant::now();
        orders = anew(&plant, holidays(today, round + 1)).await?;
        rates.add(orders as f64 / began.elapsed().as_secs_f64());
        let began = Instant::now();
        let rows = sqlx::query(
            "UPDATE orders SET due_on = due_on + 1, due_at = due_at + interval '1 day', version = version + 1,
                revision = revision + 1, updated_at = now()
            WHERE closed_at IS NULL AND due_on IS NOT NULL",
        )
        .execute(&stand.pool)
        .await?
        .rows_affected();
        raw.add(rows as f64 / began.elapsed().as_secs_f64());
    }
    head(&format!("Recomputation after a calendar edit: {orders} open orders, each with another date and its history"));
    rates.line("andon::ops::replan, batches of 500", "orders/s");
    raw.line("a bare UPDATE of the same rows, one transaction", "orders/s");
    verdict("recomputation beside the bare UPDATE", rates.median() / raw.median(), ">=", 0.5, " x");
    Ok(())
}
