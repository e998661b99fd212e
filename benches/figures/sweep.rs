//! The alarm sweep of a tenth of all orders at once, beside the same writes as raw set-based SQL; the same with ten triggers more
//! for each type; and the idle tick.

use std::{sync::Arc, time::Instant};

use andon::ops::{Clock, Plant, Settings, sweep};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    Fault, Options,
    stand::Stand,
    stats::{Rounds, head, verdict},
};

/// A clock that stands still.
#[derive(Debug)]
struct Still(DateTime<Utc>);

impl Clock for Still {
    fn now(&self, _: DateTime<Utc>) -> DateTime<Utc> {
        self.0
    }
}

fn plant(stand: &Stand, now: DateTime<Utc>) -> Result<Arc<Plant>, Fault> {
    let settings = Settings::default();
    Ok(Plant::new(stand.store(8)?, Arc::new(Still(now)), settings, 7))
}

/// Measures and prints.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
pub async fn measure(options: &Options, stand: &Stand) -> Result<(), Fault> {
    let days: Vec<DateTime<Utc>> = sqlx::query_scalar(
        "SELECT DISTINCT next_alarm_at FROM orders WHERE next_alarm_at < now() + interval '25 days' ORDER BY 1 LIMIT 9",
    )
    .fetch_all(&stand.pool)
    .await?;
    let (mut swept, mut raw) = (Rounds::default(), Rounds::default());
    let (mut orders, mut messages) = (0, 0);
    for pair in days.chunks_exact(2).take(options.rounds) {
        let now = pair[0] + TimeDelta::seconds(1);
        let plant = plant(stand, now)?;
        let began = Instant::now();
        let report = sweep::sweep(&plant).await?;
        swept.add(report.fired as f64 / began.elapsed().as_secs_f64());
        (orders, messages) = (report.fired, report.queued);
        let (detail, facts): (String, String) = sqlx::query_as(
            "SELECT h.detail::text, m.facts::text FROM history h JOIN outbox m ON m.order_id = h.order_id AND m.kind = 'OVERDUE'
             WHERE h.kind = 'OVERDUE' AND h.sequence = 2 LIMIT 1",
        )
        .fetch_one(&stand.pool)
        .await?;
        let began = Instant::now();
        let mut done = 0;
        loop {
            let batch: i64 = sqlx::query_scalar(include_str!("sweep.sql"))
                .bind(pair[1] + TimeDelta::seconds(1))
                .bind(&detail)
                .bind(&facts)
                .fetch_one(&stand.pool)
                .await?;
            done += batch;
            if batch < 1_000 {
                break;
            }
        }
        raw.add(done as f64 / began.elapsed().as_secs_f64());
    }
    ten_triggers(stand).await?;
    let mut with_ten = Rounds::default();
    for day in days.iter().skip(6).take(options.rounds) {
        let plant = plant(stand, *day + TimeDelta::seconds(1))?;
        let began = Instant::now();
        let report = sweep::sweep(&plant).await?;
        with_ten.add(report.fired as f64 / began.elapsed().as_secs_f64());
    }
    let (mut idle, mut idle_raw) = (Rounds::default(), Rounds::default());
    // By a clock at which everything has been told.
    let now = days.first().copied().unwrap_or_default() + TimeDelta::seconds(1);
    let plant = plant(stand, now)?;
    for _ in 0..200 {
        let began = Instant::now();
        sweep::sweep(&plant).await?;
        idle.add(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        sqlx::query("SELECT id FROM orders WHERE next_alarm_at <= $1 ORDER BY next_alarm_at LIMIT 1000")
            .bind(now)
            .fetch_all(&stand.pool)
            .await?;
        idle_raw.add(began.elapsed().as_secs_f64() * 1e3);
    }
    head(&format!(
        "Alarm sweep: {orders} orders of {} overdue at once, {messages} messages; the sweep runs in the bench process",
        options.orders
    ));
    swept.line("andon::ops::sweep, batches of 1 000", "orders/s");
    with_ten.line("the same with ten triggers more for each type", "orders/s");
    raw.line("raw set-based SQL, the same rows, batches of 1 000", "orders/s");
    idle.line("idle tick", "ms");
    idle_raw.line("idle look, raw", "ms");
    verdict("sweep beside raw SQL", swept.median() / raw.median(), ">=", 0.7, " x");
    verdict("sweep with ten triggers beside raw SQL", with_ten.median() / raw.median(), ">=", 0.5, " x");
    verdict("idle tick", idle.median(), "<=", 2.0, " ms");
    Ok(())
}

/// Ten triggers for each type that wait for what time brings: each is counted for every order that is swept, and none has come.
async fn ten_triggers(stand: &Stand) -> Result<(), Fault> {
    sqlx::raw_sql(
        r#"INSERT INTO triggers (id, spec, active_since, created_at, updated_at)
        SELECT t.id || '-' || n, jsonb_build_object(
            'name', 'Ten', 'event', (ARRAY['DUE_SOON', 'ESCALATION', 'STALE'])[n % 3 + 1], 'days', 100 + n, 'enabled', true,
            'order_types', jsonb_build_array(t.id),
            'actions', '[{"email": {"to": {"assignee": true}}}]'::jsonb), now(), now(), now()
        FROM order_types t CROSS JOIN generate_series(1, 10) AS n;
        UPDATE catalogue_version SET version = version + 1;"#,
    )
    .execute(&stand.pool)
    .await?;
    Ok(())
}
