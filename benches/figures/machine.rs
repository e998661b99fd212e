//! On what the figures were taken.

use std::{fs, process::Command};

use crate::{Fault, Options, stand::Stand};

/// The system's load average, as it says it.
pub fn load_average() -> String {
    fs::read_to_string("/proc/loadavg")
        .map(|text| text.split(' ').take(3).collect::<Vec<_>>().join(" "))
        .unwrap_or_default()
}

fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// Prints machine, versions and settings.
pub async fn describe(options: &Options, stand: &Stand) -> Result<(), Fault> {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    println!("andon {}, built by {}", env!("CARGO_PKG_VERSION"), output("rustc", &["--version"]));
    println!(
        "machine: {cores} cores{}, {}, Linux {}",
        model.trim_start_matches(['\t', ':']),
        memory.lines().next().unwrap_or_default(),
        output("uname", &["-r"])
    );
    println!(
        "the load generator, the daemon and PostgreSQL share these cores; load average before: {}",
        load_average()
    );
    let version: String = sqlx::query_scalar("SELECT version()").fetch_one(&stand.pool).await?;
    println!("{}", version.split(" on ").next().unwrap_or_default());
    for name in
        ["fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "checkpoint_timeout"]
    {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&stand.pool).await?;
        print!("{name}={value} ");
    }
    let size: String = sqlx::query_scalar("SELECT pg_size_pretty(pg_database_size(current_database()))")
        .fetch_one(&stand.pool)
        .await?;
    println!("\n{} orders, {size}; daemon with its default settings", options.orders);
    println!(
        "mail goes to a closed port, so that nothing is delivered while other things are measured (the breaker of the"
    );
    println!(
        "dispatcher asks about once a minute); {} rounds, alternating, {} s each run",
        options.rounds, options.seconds
    );
    Ok(())
}
