//! The figures: what andon does per second, each beside its limit on the same PostgreSQL in the same run.
//!
//! `cargo bench` prints them all. `ANDON_BENCH_ONLY=start,advance,edit,list,sweep,replan,get,mail,calendar` chooses parts,
//! `ANDON_BENCH_ORDERS=100000` the number of orders (default a million), `ANDON_BENCH_ROUNDS` the alternating rounds (3),
//! `ANDON_BENCH_SECONDS` how long each run of a round takes (4), `ANDON_BENCH_CONNECTIONS` the connections that the callers
//! share (8). `ANDON_BENCH_DIR` keeps the database in a folder, so that a second run need not fill it again.

mod advance;
mod calendar;
mod edit;
mod get;
mod list;
mod load;
mod machine;
mod mail;
mod replan;
mod stand;
mod start;
mod stats;
mod sweep;

use std::{env, process::ExitCode, time::Instant};

/// What a run is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Orders in the database.
    pub orders: i64,
    /// Alternating rounds.
    pub rounds: usize,
    /// Seconds of each run.
    pub seconds: u64,
    /// Connections that the callers share.
    pub connections: usize,
    parts: Option<Vec<String>>,
}

impl Options {
    fn read() -> Self {
        let number = |name: &str, default: u64| {
            env::var(name).ok().and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(default)
        };
        Self {
            orders: i64::try_from(number("ANDON_BENCH_ORDERS", 1_000_000)).unwrap_or(1_000_000).max(20_000) / 20 * 20,
            rounds: usize::try_from(number("ANDON_BENCH_ROUNDS", 3)).unwrap_or(3).clamp(1, 3),
            seconds: number("ANDON_BENCH_SECONDS", 4).max(1),
            connections: usize::try_from(number("ANDON_BENCH_CONNECTIONS", 8)).unwrap_or(8).clamp(1, 64),
            parts: env::var("ANDON_BENCH_ONLY")
                .ok()
                .map(|list| list.split(',').map(|part| part.trim().to_owned()).collect()),
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.as_ref().is_none_or(|parts| parts.iter().any(|wanted| wanted == part))
    }
}

/// Anything that ends a run.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    if env::args().any(|argument| argument == "--test" || argument == "--list") || cfg!(debug_assertions) {
        println!("the figures are printed by `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    match runtime.block_on(run(&Options::read())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("the run ended: {fault}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Fault> {
    let began = Instant::now();
    if options.wants("calendar") {
        calendar::measure(options);
    }
    let stand = stand::Stand::build(options).await?;
    machine::describe(options, &stand).await?;
    if options.wants("start") {
        start::measure(options, &stand).await?;
    }
    if options.wants("list") {
        list::measure(&stand).await?;
    }
    if options.wants("get") {
        get::measure(options, &stand).await?;
    }
    if options.wants("advance") {
        advance::measure(options, &stand).await?;
    }
    if options.wants("edit") {
        edit::measure(options, &stand).await?;
    }
    if options.wants("sweep") {
        sweep::measure(options, &stand).await?;
    }
    if options.wants("replan") {
        replan::measure(options, &stand).await?;
    }
    if options.wants("mail") {
        mail::measure(options, &stand).await?;
    }
    println!("\nall in {:.0} s; load average now {}", began.elapsed().as_secs_f64(), machine::load_average());
    Ok(())
}
