//! `andon tasks`: what somebody has to do.

mod change;
mod list;

use std::fmt::Write as _;

use clap::Subcommand;

use super::{
    answer::Answer,
    caller::Caller,
    dates,
    failure::Failure,
    json,
    sheet::{Sheet, Tone},
    words,
};
use crate::grpc::proto::v1::{GetTaskRequest, QueuedMessage, Task, TaskState};

pub use list::of_order;

/// What can be done with tasks.
#[derive(Subcommand)]
pub enum Verb {
    /// List tasks, the first due first
    List(list::List),
    /// Show one task
    Show {
        /// Id of the task
        id: String,
    },
    /// Make a task for a user or a department
    Add(change::Add),
    /// Change what an open task says and when it is due; what is not given stays
    Set(change::Set),
    /// Give an open task to somebody else; what is not given stays
    Assign(change::Assign),
    /// Mark a task as done
    Done(change::Step),
    /// Cancel a task: it is not to be done any more
    Cancel(change::Step),
    /// Open a task again that is done or cancelled
    Reopen(change::Step),
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `TaskService`.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::List(list) => list::run(caller, list).await,
        Verb::Show { id } => {
            let found = caller.tasks().await?.get_task(GetTaskRequest { id }).await?.into_inner();
            Ok(answer(caller, found.task, &[], ""))
        }
        Verb::Add(add) => change::add(caller, add).await,
        Verb::Set(set) => change::set(caller, set).await,
        Verb::Assign(assign) => change::assign(caller, assign).await,
        Verb::Done(step) => change::done(caller, step).await,
        Verb::Cancel(step) => change::cancel(caller, step).await,
        Verb::Reopen(step) => change::reopen(caller, step).await,
    }
}

/// A task as an answer, with what was done to it and who is told.
fn answer(caller: &Caller, task: Option<Task>, messages: &[QueuedMessage], said: &str) -> Answer {
    let task = task.unwrap_or_default();
    if caller.json {
        return Answer::json(&json::value("Task", &task));
    }
    let mut text = if said.is_empty() { String::new() } else { format!("{said}\n\n") };
    text.push_str(&block(&task, caller.colour));
    for message in messages {
        let _ = writeln!(text, "  tells          {}", words::recipient(message));
    }
    Answer::text(text)
}

/// `open`, `overdue`, `done`, `cancelled`.
fn standing(task: &Task) -> String {
    if task.overdue { "overdue".to_owned() } else { words::word(task.state().as_str_name(), "TASK_STATE_") }
}

fn tone(task: &Task) -> Tone {
    match task.state() {
        _ if task.overdue => Tone::Alarm,
        TaskState::Open => Tone::Plain,
        _ => Tone::Faint,
    }
}

/// Tasks as a table.
fn table(tasks: &[Task], colour: bool) -> String {
    let mut sheet = Sheet::new(&["ID", "DUE", "STATE", "WITH", "ORDER", "TITLE"], colour);
    (0..3).for_each(|column| sheet.keep_whole(column));
    for it in tasks {
        let tone = tone(it);
        let holder = words::holder(&it.assigned_user, &it.assigned_department);
        let id_tone = if tone == Tone::Alarm { tone } else { Tone::Faint };
        sheet.toned_row([
            (it.id.clone(), id_tone),
            (dates::show_with_weekday(it.due_date), tone),
            (standing(it), tone),
            (holder, tone),
            (it.order_number.clone(), tone),
            (it.title.clone(), tone),
        ]);
    }
    sheet.fitted()
}

fn block(task: &Task, colour: bool) -> String {
    let due = if task.due_date.is_some() {
        let from = dates::show_instant(task.due_time.as_ref());
        format!("{}, overdue from {from}", dates::show_with_weekday(task.due_date))
    } else {
        String::new()
    };
    let closed = match task.close_time.as_ref() {
        Some(at) => format!("{} by {}", dates::show_instant(Some(at)), task.closed_by),
        None => String::new(),
    };
    let made = if task.trigger.is_empty() { task.made_by.clone() } else { format!("trigger {}", task.trigger) };
    let facts = [
        ("due", due),
        ("with", words::holder(&task.assigned_user, &task.assigned_department)),
        ("order", task.order_number.clone()),
        ("made by", format!("{made}, {}", dates::show_instant(task.create_time.as_ref()))),
        ("closed", closed),
        ("comment", task.comment.clone()),
        ("id", task.id.clone()),
        ("etag", task.etag.clone()),
    ];
    let title = format!("{}: {}", task.title, standing(task));
    let mut text = super::sheet::toned(&title, tone(task), colour) + "\n";
    for (label, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {label:<14} {}", words::clean(&value));
    }
    if !task.description.is_empty() {
        text.push('\n');
        for line in words::clean(&task.description).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::Date;

    fn task() -> Task {
        Task {
            id: "t1".into(),
            title: "Order inserts".into(),
            assigned_user: "anna".into(),
            order_number: "W-1".into(),
            due_date: Some(Date { year: 2026, month: 3, day: 2 }),
            overdue: true,
            state: TaskState::Open.into(),
            made_by: "erika".into(),
            ..Task::default()
        }
    }

    #[test]
    fn an_overdue_task_is_red_in_the_table_and_a_closed_one_faint() {
        let closed = Task { overdue: false, state: TaskState::Done.into(), ..task() };
        assert!(tone(&task()) == Tone::Alarm && tone(&closed) == Tone::Faint);
        assert!(table(&[task()], false).contains("overdue"));
        let text = table(&[closed], false);
        assert!(text.contains("done") && text.contains("2026-03-02 Mon") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_task_is_shown_with_who_has_it_and_who_made_it() {
        let text = block(&task(), false);
        assert!(text.starts_with("Order inserts: overdue\n  due            2026-03-02 Mon, overdue from"), "{text}");
        assert!(text.contains("  with           anna\n") && text.contains("  made by        erika, "), "{text}");
        let by_trigger = Task { trigger: "late".into(), made_by: "andon".into(), ..task() };
        assert!(block(&by_trigger, false).contains("made by        trigger late, "));
        assert!(!text.contains("closed") && !text.contains("comment"));
    }
}
