//! `andon triggers`: what is told to whom, and when.

mod file;

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand};

pub use self::file::{from_value, inline, to_value, written};
use super::{
    answer::Answer,
    caller::{Caller, Write},
    dates,
    failure::Failure,
    json,
    orders::by_number,
    sheet::{Sheet, Tone},
    types::said,
    words,
};
use crate::grpc::proto::{
    Date,
    v1::{
        CreateTriggerRequest, DeleteTriggerRequest, GetTriggerRequest, ListTriggersRequest, TestTriggerRequest,
        TestTriggerResponse, Trigger, TriggerAction, TriggerRecipients, UpdateTriggerRequest, trigger_action::Action,
    },
};

/// What can be done with triggers.
#[derive(Subcommand)]
pub enum Verb {
    /// List triggers
    List,
    /// Show one trigger, as the text of a file for `set`
    Show {
        /// Id of the trigger
        id: String,
    },
    /// Create a trigger, or replace all fields of one, from a TOML file
    Set {
        /// The file; `andon triggers show ID` writes one
        #[arg(short, long, value_name = "FILE.toml")]
        file: PathBuf,
        #[command(flatten)]
        write: Write,
    },
    /// Let a trigger act, from now on
    Enable(Switch),
    /// Let a trigger act no more
    Disable(Switch),
    /// Remove a trigger
    Delete(Switch),
    /// Run a trigger over what has happened: what it would have sent to whom; sends nothing
    Test(Test),
}

/// One trigger.
#[derive(Args)]
pub struct Switch {
    /// Id of the trigger
    id: String,
    #[command(flatten)]
    write: Write,
}

/// What is tested.
#[derive(Args)]
pub struct Test {
    /// Id of a trigger as it is
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    id: Option<String>,
    /// A trigger as it could be
    #[arg(short, long, value_name = "FILE.toml")]
    file: Option<PathBuf>,
    /// From this day on [default: 30 days back]
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    from: Option<Date>,
    /// Only this order (number)
    #[arg(long, value_name = "NUMBER")]
    order: Option<String>,
    /// Show so many firings at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=500))]
    limit: i32,
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `TriggerService`; `Usage` for a wrong file.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    let mut client = caller.triggers().await?;
    match verb {
        Verb::List => {
            let found = client.list_triggers(ListTriggersRequest {}).await?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("ListTriggersResponse", &found)));
            }
            Ok(Answer::text(list(&found.triggers, caller.colour)))
        }
        Verb::Show { id } => {
            let found = client.get_trigger(GetTriggerRequest { id }).await?.into_inner();
            Ok(answer(caller, &found.trigger.unwrap_or_default(), ""))
        }
        Verb::Set { file, write } => set(caller, &file, &write).await,
        Verb::Enable(it) => switch(caller, it, true).await,
        Verb::Disable(it) => switch(caller, it, false).await,
        Verb::Delete(it) => {
            let request_id = it.write.request_id();
            let failure = Failure::of_write(&request_id);
            let id = words::clean(&it.id);
            let request =
                DeleteTriggerRequest { id: it.id, etag: String::new(), request_id, validate_only: it.write.preview };
            let deleted = client.delete_trigger(request).await.map_err(failure)?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("DeleteTriggerResponse", &deleted)));
            }
            Ok(Answer::text(format!("{id}: {}", said("removed", it.write.preview))))
        }
        Verb::Test(it) => test(caller, it).await,
    }
}

fn read(path: &PathBuf) -> Result<Trigger, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path.display().to_string(), &error))?;
    file::parsed(&text)
}

async fn set(caller: &Caller, path: &PathBuf, write: &Write) -> Result<Answer, Failure> {
    let mut client = caller.triggers().await?;
    let trigger = read(path)?;
    let known = client.list_triggers(ListTriggersRequest {}).await?.into_inner().triggers;
    let request_id = write.request_id();
    let failure = Failure::of_write(&request_id);
    let validate_only = write.preview;
    if known.iter().any(|it| it.id == trigger.id) {
        let request = UpdateTriggerRequest { trigger: Some(trigger), update_mask: None, request_id, validate_only };
        let changed = client.update_trigger(request).await.map_err(failure)?.into_inner();
        return Ok(answer(caller, &changed.trigger.unwrap_or_default(), said("changed", validate_only)));
    }
    let request = CreateTriggerRequest { trigger: Some(trigger), request_id, validate_only };
    let created = client.create_trigger(request).await.map_err(failure)?.into_inner();
    Ok(answer(caller, &created.trigger.unwrap_or_default(), said("created", validate_only)))
}

async fn switch(caller: &Caller, it: Switch, enabled: bool) -> Result<Answer, Failure> {
    let request_id = it.write.request_id();
    let failure = Failure::of_write(&request_id);
    let request = UpdateTriggerRequest {
        trigger: Some(Trigger { id: it.id, enabled, ..Trigger::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["enabled".to_owned()] }),
        request_id,
        validate_only: it.write.preview,
    };
    let changed = caller.triggers().await?.update_trigger(request).await.map_err(failure)?.into_inner();
    let done = if enabled { "enabled" } else { "disabled" };
    Ok(answer(caller, &changed.trigger.unwrap_or_default(), said(done, it.write.preview)))
}

async fn test(caller: &Caller, it: Test) -> Result<Answer, Failure> {
    let trigger = it.file.as_ref().map(read).transpose()?;
    let from_time = it
        .from
        .and_then(dates::to_chrono)
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .map(|at| prost_types::Timestamp { seconds: at.and_utc().timestamp(), nanos: 0 });
    let request = TestTriggerRequest {
        id: it.id.unwrap_or_default(),
        trigger,
        from_time,
        to_time: None,
        order: it.order.as_deref().map(by_number),
        page_size: it.limit,
    };
    let found = caller.triggers().await?.test_trigger(request).await?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("TestTriggerResponse", &found)));
    }
    Ok(Answer::text(tested(&found, caller.colour)))
}

fn tested(found: &TestTriggerResponse, colour: bool) -> String {
    let orders = words::count(usize::try_from(found.orders).unwrap_or(0), "order");
    let mut text = String::new();
    if found.firings.is_empty() {
        let _ = writeln!(text, "It would not have acted; {orders} were looked at.");
    } else {
        let mut sheet = Sheet::new(&["WHEN", "ORDER", "STATUS", "WHAT", "TELLS"], colour);
        (0..2).for_each(|column| sheet.keep_whole(column));
        for it in &found.firings {
            let mut told: Vec<_> = it.messages.iter().map(words::recipient).collect();
            told.extend(it.tasks.iter().map(|task| format!("task: {}", task.title)));
            sheet.row([
                dates::show_instant(it.time.as_ref()),
                it.order_number.clone(),
                it.status.clone(),
                it.what.clone(),
                told.join(", "),
            ]);
        }
        let total = words::count(usize::try_from(found.total).unwrap_or(0), "time");
        let _ = writeln!(text, "{}\n\nIt would have acted {total}; {orders} were looked at.", sheet.fitted());
    }
    for warning in &found.warnings {
        let _ = writeln!(text, "warning: {}", words::clean(warning));
    }
    if let Some(mail) = &found.mail {
        let _ = writeln!(text, "\nThe mail, as it is read:\n\n    {}\n", words::clean(&mail.subject));
        for line in mail.text.lines() {
            let _ = writeln!(text, "    {}", words::clean(line));
        }
    }
    text
}

fn list(triggers: &[Trigger], colour: bool) -> String {
    if triggers.is_empty() {
        return "No triggers: nobody is told anything by itself. `andon triggers set -f FILE.toml` makes one."
            .to_owned();
    }
    let mut sheet = Sheet::new(&["ID", "WHEN", "WHERE", "TELLS", "", "NAME"], colour);
    sheet.keep_whole(0);
    sheet.leave_out_first(&["NAME", "WHERE"]);
    for it in triggers {
        let tone = if it.enabled { Tone::Plain } else { Tone::Faint };
        let tells: Vec<_> = it.actions.iter().map(action).collect();
        let off = if it.enabled { "" } else { "disabled" };
        sheet.toned_row([
            (it.id.clone(), tone),
            (when(it), tone),
            (place(it), tone),
            (tells.join("; "), tone),
            (off.to_owned(), tone),
            (it.name.clone(), tone),
        ]);
    }
    sheet.fitted()
}

/// `2 business days overdue, then every day`.
fn when(trigger: &Trigger) -> String {
    use crate::grpc::proto::v1::TriggerEvent as E;
    let days = words::count(usize::try_from(trigger.days).unwrap_or(0), "business day");
    match trigger.event() {
        E::Unspecified => "never".to_owned(),
        E::OrderCreated => "an order is created".to_owned(),
        E::StatusEntered => "a status is entered".to_owned(),
        E::StatusLeft => "a status is left".to_owned(),
        E::DueSoon => format!("{days} before it is due"),
        E::StatusOverdue => "it is overdue".to_owned(),
        E::Escalation if trigger.repeat_days > 0 => {
            let again = words::count(usize::try_from(trigger.repeat_days).unwrap_or(0), "day");
            format!("{days} overdue, again every {again}")
        }
        E::Escalation => format!("{days} overdue"),
        E::Stale => format!("nothing happens for {days}"),
        E::NoteAdded => "a note is added".to_owned(),
        E::HealthChanged => "its health changes".to_owned(),
        E::DueDateChanged => "its due date changes".to_owned(),
        E::OrderClosed => "it is closed".to_owned(),
    }
}

fn place(trigger: &Trigger) -> String {
    let mut parts = Vec::new();
    if !trigger.order_types.is_empty() {
        parts.push(trigger.order_types.join(", "));
    }
    if !trigger.statuses.is_empty() {
        parts.push(trigger.statuses.join(", "));
    }
    if trigger.condition.is_some() {
        parts.push("some orders".to_owned());
    }
    if parts.is_empty() { "everywhere".to_owned() } else { parts.join(": ") }
}

fn action(action: &TriggerAction) -> String {
    match &action.action {
        Some(Action::Email(email)) => format!("mail to {}", recipients(email.to.as_ref())),
        Some(Action::Task(task)) => format!("task '{}'", task.title),
        Some(Action::Webhook(id)) => format!("webhook {id}"),
        None => String::new(),
    }
}

fn recipients(to: Option<&TriggerRecipients>) -> String {
    let Some(to) = to else { return "nobody".to_owned() };
    let mut who = Vec::new();
    let groups = [
        (to.assignee, "assignee"),
        (to.department_managers, "managers"),
        (to.department_members, "members"),
        (to.followers, "followers"),
    ];
    who.extend(groups.into_iter().filter(|(named, _)| *named).map(|(_, name)| name.to_owned()));
    who.extend(to.users.iter().cloned());
    who.extend(
        to.roles().map(|role| format!("every {}", role.as_str_name().trim_start_matches("ROLE_").to_lowercase())),
    );
    who.extend(to.departments.iter().cloned());
    who.extend(to.addresses.iter().cloned());
    who.join(", ")
}

fn answer(caller: &Caller, trigger: &Trigger, said: &str) -> Answer {
    if caller.json {
        return Answer::json(&json::value("Trigger", trigger));
    }
    let mut text = String::new();
    if !said.is_empty() {
        let _ = writeln!(text, "# {said}");
    }
    let _ =
        writeln!(text, "# acts when {}, from {} on", when(trigger), dates::show_instant(trigger.active_since.as_ref()));
    let _ = writeln!(text, "{}", words::clean(written(trigger, "").trim_end()));
    let _ = write!(text, "# etag {}", words::clean(&trigger.etag));
    Answer::text(text)
}
