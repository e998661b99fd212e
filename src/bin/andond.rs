//! `andond`: the daemon.

use std::{path::PathBuf, process::ExitCode};

use andon::{check, config::Config, daemon, store::Store, telemetry};
use clap::{Parser, Subcommand};

/// Knows where every production order stands, and tells the right person in time.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// The configuration, TOML. Every key can also be set by ANDON_SECTION__KEY.
    #[arg(long, global = true, env = "ANDON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serves until told to stop.
    Serve,
    /// Brings the schema of the database up to date.
    Migrate,
    /// Tests configuration, database, schema and mail, and says what to do. Changes nothing.
    Check,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The name of the file is told here, not there.
    let variables = std::env::vars().filter(|(name, _)| name != "ANDON_CONFIG" && name != "ANDON_KILL_POINT");
    let config = match Config::load(arguments.config.as_deref(), variables) {
        Ok(config) => config,
        Err(violations) => {
            for violation in violations {
                eprintln!("andond: {violation}");
            }
            return ExitCode::from(2);
        }
    };
    telemetry::start(&config.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("andond: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match arguments.verb {
            Verb::Serve => daemon::run(config).await.unwrap_or_else(|error| {
                tracing::error!(%error, "the daemon cannot run");
                ExitCode::FAILURE
            }),
            Verb::Migrate => migrate(&config).await,
            Verb::Check => report(&config).await,
        }
    });
    // What is left after the drain must not keep the process.
    runtime.shutdown_background();
    code
}

async fn migrate(config: &Config) -> ExitCode {
    let migrated = match Store::open(&daemon::store_settings(config)) {
        Ok(store) => match store.migrate().await {
            Ok(()) => store.schema_version().await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match migrated {
        Ok((version, _)) => {
            println!("The schema is at version {version}.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("andond: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn report(config: &Config) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for finding in check::check(config).await {
        match finding.wrong {
            None => println!("ok     {:<14} {}", finding.what, finding.found),
            Some(wrong) => {
                println!("WRONG  {:<14} {wrong}", finding.what);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
