//! Recomputation of all open orders after a calendar edit, each with another date, beside a bare UPDATE of the same rows; and what
//! other callers wait meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use andon::{
    domain::{
        edit::CalendarEdit,
        schedule::{DayHours, Exception, ExceptionDays},
    },
    grpc::proto::v1::{self, order_ref::Ref, order_service_client::OrderServiceClient},
    ops::{Clock, Plant, Settings, catalogue, edit::Write, replan},
    store::replans::Progress,
};
use chrono::{DateTime, Datelike as _, Days, NaiveDate, Utc, Weekday};

use crate::{
    Fault, Options, advance,
    stand::{Daemon, Stand},
    stats::{Rounds, head, percentile, verdict},
};

/// Callers of each method that work while a recomputation runs.
const CALLERS: usize = 4;
/// Between two calls of one of them.
const PACE: Duration = Duration::from_millis(40);

/// The database's clock.
#[derive(Debug)]
struct Real;

impl Clock for Real {
    fn now(&self, database_now: DateTime<Utc>) -> DateTime<Utc> {
        database_now
    }
}

/// Closes three weekdays more for each round, so that every planned date moves, and further than the bare UPDATE moved it.
fn holidays(today: NaiveDate, round: usize) -> Vec<Exception> {
    let weekday = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let days = (today + Days::new(1)).iter_days().filter(weekday).take(3 * (round + 1));
    let closed = |day| Exception {
        name: "closed".into(),
        days: ExceptionDays::On { from: day, to: day },
        hours: DayHours::Closed,
    };
    days.map(closed).collect()
}

/// Edits the calendar, which asks for a recomputation.
async fn edit(plant: &Arc<Plant>, exceptions: Vec<Exception>) -> Result<(), Fault> {
    let edit = CalendarEdit { id: "plant".into(), exceptions: Some(exceptions), ..CalendarEdit::default() };
    catalogue::update_calendar(plant, edit, Write { actor: "bench".into(), ..Write::default() }).await?;
    Ok(())
}

/// Edits the calendar, and plans all open orders anew: how many there were, each of which got another date.
async fn anew(plant: &Arc<Plant>, exceptions: Vec<Exception>) -> Result<i64, Fault> {
    edit(plant, exceptions).await?;
    let mut done = Progress::default();
    loop {
        let report = replan::replan(plant, || false).await?;
        done.examined += report.progress.examined;
        done.changed += report.progress.changed;
        if !report.left {
            break;
        }
    }
    // Where the bare UPDATE before left the very dates that the calendar gives, nothing would be written.
    if done.changed < done.examined / 100 * 99 {
        return Err(format!("of {} orders only {} got another date", done.examined, done.changed).into());
    }
    Ok(done.examined)
}

/// What other callers see, ms.
#[derive(Debug, Default)]
struct Waits {
    get: Vec<f64>,
    advance: Vec<f64>,
}

/// Calls for some seconds at a fixed rate. A call that is late because the one before took long counts from when it was to be made.
async fn others(daemon: &Daemon, seconds: u64, orders: i64, next: &Arc<AtomicI64>) -> Result<Waits, Fault> {
    let channel = daemon.connect().await?;
    let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
    let mut callers = Vec::new();
    for caller in 0..2 * CALLERS {
        let (mut client, next) = (OrderServiceClient::new(channel.clone()), Arc::clone(next));
        callers.push(tokio::spawn(async move {
            let begin = tokio::time::Instant::now() + PACE * u32::try_from(caller).unwrap_or(0) / 8;
            let mut ticks = tokio::time::interval_at(begin, PACE);
            let mut took = Vec::new();
            loop {
                let asked = ticks.tick().await;
                if asked >= until {
                    return (caller, took);
                }
                let place = next.fetch_add(1, Ordering::Relaxed);
                let number = if caller < CALLERS {
                    format!("A{:08}", place * 611_953 % orders)
                } else {
                    advance::number(place, orders)
                };
                let order = Some(v1::OrderRef { r#ref: Some(Ref::Number(number)) });
                let done = if caller < CALLERS {
                    client.get_order(v1::GetOrderRequest { order }).await.map(drop)
                } else {
                    client.advance_order(v1::AdvanceOrderRequest { order, ..Default::default() }).await.map(drop)
                };
                match done {
                    Ok(()) => took.push(asked.elapsed().as_secs_f64() * 1e3),
                    Err(status) => eprintln!("{status}"),
                }
            }
        }));
    }
    let mut waits = Waits::default();
    for caller in callers {
        let (caller, took) = caller.await?;
        if caller < CALLERS { &mut waits.get } else { &mut waits.advance }.extend(took);
    }
    Ok(waits)
}

/// Waits until the last recomputation has begun, or has ended.
async fn reached(stand: &Stand, ended: bool) -> Result<(), Fault> {
    loop {
        let (began, done): (bool, bool) = sqlx::query_as(
            "SELECT started_at IS NOT NULL, finished_at IS NOT NULL FROM replans ORDER BY id DESC LIMIT 1",
        )
        .fetch_one(&stand.pool)
        .await?;
        if if ended { done } else { began } {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[derive(Debug, Default)]
struct Percentiles {
    p50: Rounds,
    p99: Rounds,
}

impl Percentiles {
    fn add(&mut self, took: &mut [f64]) {
        self.p50.add(percentile(took, 50.0));
        self.p99.add(percentile(took, 99.0));
    }
}

/// Measures and prints what other callers of a daemon wait while it plans all open orders anew, and while it does not.
async fn beside(options: &Options, stand: &Stand, plant: &Arc<Plant>, today: NaiveDate) -> Result<(), Fault> {
    let daemon = stand.daemon(&[]).await?;
    let next = Arc::new(AtomicI64::new(0));
    let mut series: [[Percentiles; 2]; 2] = Default::default();
    others(&daemon, 1, options.orders, &next).await?;
    let mut early = 0;
    for round in 0..options.rounds {
        let mut waits = others(&daemon, options.seconds, options.orders, &next).await?;
        series[0][0].add(&mut waits.get);
        series[1][0].add(&mut waits.advance);
        edit(plant, holidays(today, options.rounds + round)).await?;
        reached(stand, false).await?;
        let mut waits = others(&daemon, options.seconds, options.orders, &next).await?;
        let under_way: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM replans WHERE finished_at IS NULL)")
            .fetch_one(&stand.pool)
            .await?;
        early += usize::from(!under_way);
        series[0][1].add(&mut waits.get);
        series[1][1].add(&mut waits.advance);
        reached(stand, true).await?;
    }
    daemon.stop()?;
    head(&format!(
        "Other calls beside a recomputation: {CALLERS} callers of each method, {} calls/s in all",
        2 * CALLERS * 1_000 / usize::try_from(PACE.as_millis()).unwrap_or(1)
    ));
    for (method, series) in ["GetOrder", "AdvanceOrder"].iter().zip(&series) {
        for (when, it) in ["nothing else runs", "a recomputation runs"].iter().zip(series) {
            it.p50.line(&format!("{method}, {when}, p50"), "ms");
            it.p99.line("    p99", "ms");
        }
        let ratio = series[1].p99.median() / series[0].p99.median();
        verdict(&format!("p99 of {method} with beside without"), ratio, "<=", 3.0, " x");
    }
    if early > 0 {
        println!("  in {early} rounds the recomputation ended before the calls did");
    }
    Ok(())
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
    let (mut own, mut server, mut raw_server) = (Rounds::default(), Rounds::default(), Rounds::default());
    let mut orders = 0;
    for round in 0..options.rounds {
        let (began, worked) = (Instant::now(), stand.worked());
        orders = anew(&plant, holidays(today, round)).await?;
        rates.add(orders as f64 / began.elapsed().as_secs_f64());
        let after = stand.worked();
        own.add((after.0 - worked.0) * 1e6 / orders as f64);
        server.add((after.1 - worked.1) * 1e6 / orders as f64);
        let (began, worked) = (Instant::now(), stand.worked());
        let rows = sqlx::query(
            "UPDATE orders SET due_on = due_on + 1, due_at = due_at + interval '1 day', version = version + 1,
                revision = revision + 1, updated_at = now()
            WHERE closed_at IS NULL AND due_on IS NOT NULL",
        )
        .execute(&stand.pool)
        .await?
        .rows_affected();
        raw.add(rows as f64 / began.elapsed().as_secs_f64());
        raw_server.add((stand.worked().1 - worked.1) * 1e6 / rows as f64);
    }
    head(&format!("Recomputation after a calendar edit: {orders} open orders, each with another date and its history"));
    rates.line("andon::ops::replan, two lanes", "orders/s");
    own.line("    work of andon", "us/order");
    server.line("    work of PostgreSQL", "us/order");
    raw.line("a bare UPDATE of the same rows, one transaction", "orders/s");
    raw_server.line("    work of PostgreSQL", "us/order");
    verdict("recomputation beside the bare UPDATE", rates.median() / raw.median(), ">=", 0.5, " x");
    beside(options, stand, &plant, today).await
}
