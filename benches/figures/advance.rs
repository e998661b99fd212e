//! Advances through gRPC, beside pgbench doing the same writes with separate statements.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use andon::grpc::proto::v1::{self, order_ref::Ref, order_service_client::OrderServiceClient};
use tonic::transport::Channel;

use crate::{
    Fault, Options, load,
    stand::Stand,
    stats::{Rounds, head, percentile, verdict},
};

/// The number of the `index`-th order to move: spread over all, none twice before all of the class were moved.
pub fn number(index: i64, orders: i64) -> String {
    let place = (index / 3 * 611_953) % (orders / 20);
    let class = [6, 8, 16][usize::try_from(index % 3).unwrap_or(0)];
    format!("A{:08}", place * 20 + class)
}

fn request(number: String) -> v1::AdvanceOrderRequest {
    v1::AdvanceOrderRequest {
        order: Some(v1::OrderRef { r#ref: Some(Ref::Number(number)) }),
        advance: Some(v1::Advance {
            notify: Some(v1::Notify { users: vec!["u1".into()], ..v1::Notify::default() }),
            ..v1::Advance::default()
        }),
        ..v1::AdvanceOrderRequest::default()
    }
}

#[derive(Debug, Default)]
struct Series {
    per_second: Rounds,
    p50: Rounds,
    p99: Rounds,
}

impl Series {
    fn add(&mut self, per_second: f64, p50: f64, p99: f64) {
        self.per_second.add(per_second);
        self.p50.add(p50);
        self.p99.add(p99);
    }

    fn lines(&self, what: &str) {
        self.per_second.line(what, "moves/s");
        self.p50.line("    p50", "ms");
        self.p99.line("    p99", "ms");
    }
}

/// Measures and prints.
pub async fn measure(options: &Options, stand: &Stand) -> Result<(), Fault> {
    let daemon = stand.daemon(&[]).await?;
    let idle = daemon.memory();
    let next = Arc::new(AtomicI64::new(0));
    let orders = options.orders;
    let calls = |channel: Channel| {
        let next = Arc::clone(&next);
        let client = OrderServiceClient::new(channel);
        move || {
            let mut client = client.clone();
            let request = request(number(next.fetch_add(1, Ordering::Relaxed), orders));
            async move { client.advance_order(request).await.inspect_err(|status| eprintln!("{status}")).is_ok() }
        }
    };
    load::run(&daemon, 8, options.connections, 1, calls).await?;
    let script = script(options, stand).await?;
    let pgbench = stand.program("pgbench").await?;
    let mut lone = Series::default();
    let mut many = Series::default();
    let mut limits: Vec<(u32, Series)> = [1, 8, 64].map(|clients| (clients, Series::default())).into();
    let mut memory: f64 = 0.0;
    let mut failed = 0;
    let rows_before = rows(stand).await?;
    for _ in 0..options.rounds {
        let seen = load::run(&daemon, 1, 1, options.seconds, calls).await?;
        lone.add(seen.per_second, seen.p50, seen.p99);
        failed += seen.failed;
        for (clients, series) in &mut limits {
            let (per_second, p50, p99) = separate(stand, &pgbench, &script, *clients, options.seconds)?;
            series.add(per_second, p50, p99);
            if *clients == 8 {
                let seen = load::run(&daemon, 64, options.connections, options.seconds, calls).await?;
                many.add(seen.per_second, seen.p50, seen.p99);
                failed += seen.failed;
                memory = memory.max(daemon.memory());
            }
        }
    }
    head("Advances: gRPC, durable before the answer; visit, history, outbox, change and order row each");
    lone.lines("andon, 1 caller");
    many.lines(&format!("andon, 64 callers over {} connections", options.connections));
    for (clients, series) in &limits {
        series.lines(&format!("pgbench -M prepared, separate statements, {clients} clients"));
    }
    let rows_after = rows(stand).await?;
    let written: Vec<String> = rows_after
        .iter()
        .zip(rows_before)
        .map(|((table, after), (_, before))| format!("{table} +{}", after - before))
        .collect();
    println!("  rows written by both: {}; calls that failed: {failed}", written.join(", "));
    let best = limits.iter().map(|(_, series)| series.per_second.median()).fold(0.0, f64::max);
    verdict("64 callers beside pgbench's best", many.per_second.median() / best, ">=", 1.5, " x");
    verdict(
        "p99 of 64 callers beside that of pgbench, 64 clients",
        many.p99.median() / limits[2].1.p99.median(),
        "<=",
        3.0,
        " x",
    );
    verdict("one lone caller, median", lone.p50.median(), "<=", 1.3, " ms");
    verdict("memory of the daemon, idle", idle, "<=", 40.0, " MiB");
    verdict("memory of the daemon, under this load", memory, "<=", 128.0, " MiB");
    daemon.stop()
}

async fn rows(stand: &Stand) -> Result<Vec<(&'static str, i64)>, Fault> {
    let mut rows = Vec::new();
    for (table, count) in [
        ("visits", "SELECT count(*) FROM visits"),
        ("history", "SELECT count(*) FROM history"),
        ("outbox", "SELECT count(*) FROM outbox"),
        ("changes", "SELECT count(*) FROM changes"),
    ] {
        rows.push((table, sqlx::query_scalar(count).fetch_one(&stand.pool).await?));
    }
    Ok(rows)
}

/// The script of the limit: the same rows with the same JSON that andon wrote a moment ago.
async fn script(options: &Options, stand: &Stand) -> Result<std::path::PathBuf, Fault> {
    let detail: String = sqlx::query_scalar("SELECT detail::text FROM history WHERE kind = 'ADVANCED' LIMIT 1")
        .fetch_one(&stand.pool)
        .await?;
    let facts: String = sqlx::query_scalar("SELECT facts::text FROM outbox WHERE kind = 'ADVANCED' LIMIT 1")
        .fetch_one(&stand.pool)
        .await?;
    let text = include_str!("move.pgbench")
        .replace("{last}", &(options.orders / 20 - 1).to_string())
        .replace("{detail}", &without_variables(&detail))
        .replace("{facts}", &without_variables(&facts));
    let path = stand.file("move.pgbench");
    fs::write(&path, text)?;
    Ok(path)
}

/// JSON in which pgbench finds no `:variable`.
fn without_variables(json: &str) -> String {
    let mut text = String::new();
    let mut quoted = false;
    for character in json.chars() {
        match character {
            '"' => quoted = !quoted,
            ':' if quoted => {
                text.push_str("\\u003a");
                continue;
            }
            ':' => {
                text.push_str(": ");
                continue;
            }
            _ => {}
        }
        text.push(character);
    }
    text
}

/// One run of pgbench: transactions per second, p50 and p99 in ms.
fn separate(
    stand: &Stand,
    pgbench: &Path,
    script: &Path,
    clients: u32,
    seconds: u64,
) -> Result<(f64, f64, f64), Fault> {
    let folder = stand.file("pgbench-log");
    fs::create_dir_all(&folder)?;
    let threads = clients.min(2).to_string();
    let output = Command::new(pgbench)
        .current_dir(&folder)
        .args(["--no-vacuum", "--protocol=prepared", "--log", "--jobs", &threads, "--client", &clients.to_string()])
        .args(["--time", &seconds.to_string(), "--file"])
        .arg(script)
        .arg(&stand.url)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let per_second = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
    let Some(per_second) = per_second.filter(|_| output.status.success()) else {
        return Err(format!("pgbench failed: {text}{}", String::from_utf8_lossy(&output.stderr)).into());
    };
    let mut took = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        for line in fs::read_to_string(&path)?.lines() {
            took.extend(line.split(' ').nth(2).and_then(|us| us.parse::<f64>().ok()).map(|us| us / 1e3));
        }
        fs::remove_file(path)?;
    }
    Ok((per_second, percentile(&mut took, 50.0), percentile(&mut took, 99.0)))
}
