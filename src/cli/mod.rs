//! The command line: calls the API of a running daemon and shows its answers.

mod answer;
mod apply;
mod ask;
mod calendars;
mod caller;
mod catch_mail;
mod dates;
mod deliveries;
mod duration;
mod edit_plan;
mod export_config;
mod failure;
mod import;
mod install;
mod json;
mod orders;
mod people;
mod plant;
mod replan;
mod schedule;
mod seed;
mod sheet;
mod tasks;
mod triggers;
mod types;
mod webhooks;
mod words;

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use self::{answer::Answer, caller::Caller, failure::Failure};

const EXIT_CODES: &str = "Exit codes:
  0  done (also: nothing to show)
  1  refused by the server; the reason is printed
  2  wrong command line, or a file that cannot be read or understood
  3  what was named does not exist
  4  the server cannot be reached, or cannot answer now; repeat with the same --request-id
  5  refused in part: some items of a bulk call, of an import or of its comparison; apply: some steps were made
  6  apply --check: there would be changes

With --json the answer is the message of the API in the JSON of protobuf: fields named as in proto/andon/v1
(snake_case), every field present, counts as numbers; a refusal is an object `error` on standard error.
Times are shown in the zone of the terminal (TZ); in JSON in UTC.";

/// Where each production order stands, when it should have moved on, and who is told.
#[derive(Parser)]
#[command(name = "andon", version, after_help = EXIT_CODES, max_term_width = 110)]
struct CommandLine {
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Args)]
struct Everywhere {
    /// Address of the daemon
    #[arg(
        long,
        global = true,
        help_heading = "Everywhere",
        env = "ANDON_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:7171",
        value_name = "URL"
    )]
    server: String,
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true, help_heading = "Everywhere")]
    json: bool,
}

#[derive(Subcommand)]
enum Noun {
    /// Production orders: list, show, create, advance, note, history, board
    #[command(subcommand)]
    Orders(orders::Verb),
    /// Order types and their statuses
    #[command(subcommand)]
    Types(types::Verb),
    /// Business calendars, and how a due date comes about
    #[command(subcommand)]
    Calendars(calendars::Verb),
    /// How the company plans due dates
    #[command(subcommand)]
    Schedule(schedule::Verb),
    /// Open orders that are planned anew in the background, and how far that is
    #[command(subcommand)]
    Replan(replan::Verb),
    /// Users and departments
    #[command(subcommand)]
    People(people::Verb),
    /// Tasks: what somebody has to do
    #[command(subcommand)]
    Tasks(tasks::Verb),
    /// Triggers: what is told to whom, and when
    #[command(subcommand)]
    Triggers(triggers::Verb),
    /// Webhooks: programs that are told by HTTP
    #[command(subcommand)]
    Webhooks(webhooks::Verb),
    /// Messages: who was told what, and what the mail server said
    #[command(subcommand)]
    Deliveries(deliveries::Verb),
    /// Bring in orders with their past from the event log of another system (CSV)
    Import(import::Import),
    /// Bring the plant to what a file says: stages, calendars, people, order types; shows its plan first
    Apply(apply::Apply),
    /// Write the whole configuration of the plant as a file for `andon apply`
    ExportConfig(export_config::ExportConfig),
    /// Install a sample plant: calendar, people, three order types, a dozen orders; a second run changes nothing
    Seed(seed::Seed),
    /// Catch mail on a loopback port into a folder, for trying out; it goes nowhere else
    CatchMail {
        /// Address to listen on
        #[arg(long, default_value = "127.0.0.1:2525", value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
        /// Folder for the messages, one .eml file each; it must exist
        #[arg(long, value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Reads the command line, makes the calls, prints the answer, and says how it went by the exit code.
pub async fn run() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(usage) => {
            // Help and version come this way too, with exit code 0.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(failure::USAGE));
        }
    };
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = io::stdout().is_terminal() && !no_colour && !line.everywhere.json;
    let caller = Caller::new(line.everywhere.server, line.everywhere.json, colour);
    match carry_out(&caller, line.noun).await.and_then(|answer| print(&answer)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{}", failure.text(caller.json));
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn carry_out(caller: &Caller, noun: Noun) -> Result<Answer, Failure> {
    match noun {
        Noun::Orders(verb) => orders::run(caller, verb).await,
        Noun::Types(verb) => types::run(caller, verb).await,
        Noun::Calendars(verb) => calendars::run(caller, verb).await,
        Noun::Schedule(verb) => schedule::run(caller, verb).await,
        Noun::Replan(verb) => replan::run(caller, verb).await,
        Noun::People(verb) => people::run(caller, verb).await,
        Noun::Tasks(verb) => tasks::run(caller, verb).await,
        Noun::Triggers(verb) => triggers::run(caller, verb).await,
        Noun::Webhooks(verb) => webhooks::run(caller, verb).await,
        Noun::Deliveries(verb) => deliveries::run(caller, verb).await,
        Noun::Import(import) => import::run(caller, import).await,
        Noun::Apply(apply) => apply::run(caller, &apply).await,
        Noun::ExportConfig(export) => export_config::run(caller, export).await,
        Noun::Seed(seed) => seed::run(caller, &seed).await,
        Noun::CatchMail { listen, folder } => catch_mail::catch_mail(listen, folder)
            .await
            .map(|()| Answer::bytes(Vec::new()))
            .map_err(|error| Failure::file(listen.to_string(), &error)),
        Noun::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CommandLine::command(), "andon", &mut script);
            Ok(Answer::bytes(script))
        }
    }
}

/// Writes the whole answer at once. A reader that went away (`andon orders list | head`) is no failure.
fn print(answer: &Answer) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(answer.body()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::file("standard output", &error)),
        _ => Ok(answer.exit_code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn several_orders_advance_in_one_call() {
        let line =
            CommandLine::try_parse_from(["andon", "orders", "advance", "W-1", "W-2", "--to", "milling", "--atomic"]);
        assert!(line.is_ok());
    }

    #[test]
    fn an_etag_goes_with_one_order_only() {
        let line = CommandLine::try_parse_from(["andon", "orders", "advance", "W-1", "--etag", "x", "--atomic"]);
        assert!(line.is_err());
    }

    #[test]
    fn a_date_that_does_not_exist_is_a_wrong_command_line() {
        let line = CommandLine::try_parse_from(["andon", "orders", "list", "--due-to", "2026-02-29"]);
        assert_eq!(line.err().map(|error| error.exit_code()), Some(2));
    }
}
