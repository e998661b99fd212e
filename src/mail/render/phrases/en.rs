//! English.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;

use super::{Badge, Counts, GivenBy, Label, Phrases, Scene, Step};
use crate::domain::{
    alerts::{
        event::Occurrence,
        message::{Given, Why},
    },
    note::NoteKind,
    order::DueCause,
    projection::Health,
};

pub(super) struct English;

fn plural(count: u32, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn short_day(day: NaiveDate) -> String {
    day.format("%a %-d %b").to_string()
}

/// For the end of a subject; nothing as long as no working day is lost.
fn in_brackets(days: u32) -> String {
    if days == 0 { String::new() } else { format!(" ({})", plural(days, "working day")) }
}

fn health(health: Option<Health>) -> &'static str {
    match health {
        Some(Health::Ahead) => "ahead of plan",
        Some(Health::OnTarget) => "on target",
        Some(Health::Late) => "late",
        None => "not known",
    }
}

fn wrote(kind: NoteKind) -> (&'static str, &'static str) {
    match kind {
        NoteKind::Note => ("note", "wrote a note"),
        NoteKind::Question => ("question", "asked a question"),
        NoteKind::Answer => ("answer", "answered a question"),
        NoteKind::Decision => ("decision", "made a decision"),
    }
}

impl English {
    fn digest_parts(counts: &Counts) -> String {
        let part = |count: u32, text: String| (count > 0).then_some(text);
        let parts: Vec<String> = [
            part(counts.orders, plural(counts.orders, "order")),
            part(counts.new, format!("{} newly overdue", counts.new)),
            part(counts.worse, format!("{} worse", counts.worse)),
            part(counts.recovered, format!("{} recovered", counts.recovered)),
            part(counts.tasks, plural(counts.tasks, "overdue task")),
        ]
        .into_iter()
        .flatten()
        .collect();
        if parts.is_empty() { "nothing new".to_owned() } else { parts.join(", ") }
    }

    fn overdue(&self, since: Option<NaiveDate>, days: u32) -> String {
        let since = since.map_or_else(|| "Overdue".to_owned(), |since| format!("Overdue since {}", self.day(since)));
        // Right after midnight of a closed day nothing is lost yet, and the order is late all the same.
        format!("{since}: {}", self.working_days(days))
    }
}

impl Phrases for English {
    fn tag(&self) -> &'static str {
        "en"
    }

    fn badge(&self, badge: Badge) -> &'static str {
        match badge {
            Badge::Overdue => "OVERDUE",
            Badge::Escalation => "ESCALATION",
            Badge::DueSoon => "DUE SOON",
            Badge::Stale => "STANDSTILL",
            Badge::Created => "NEW ORDER",
            Badge::Moved => "MOVED",
            Badge::Left => "LEFT",
            Badge::Note(NoteKind::Note) => "NOTE",
            Badge::Note(NoteKind::Question) => "QUESTION",
            Badge::Note(NoteKind::Answer) => "ANSWER",
            Badge::Note(NoteKind::Decision) => "DECISION",
            Badge::Health(Some(Health::Ahead)) => "AHEAD OF PLAN",
            Badge::Health(Some(Health::OnTarget)) => "ON TARGET",
            Badge::Health(Some(Health::Late)) => "WILL BE LATE",
            Badge::Health(None) => "HEALTH NOT KNOWN",
            Badge::DueDate => "NEW DUE DATE",
            Badge::Closed => "CLOSED",
            Badge::Digest => "DIGEST",
            Badge::Storm => "MANY AT ONCE",
            Badge::New => "NEW",
            Badge::Worse => "WORSE",
            Badge::Recovered => "RECOVERED",
            Badge::Acknowledged => "ACKNOWLEDGED",
            Badge::Task => "TASK",
        }
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Status => "Status",
            Label::Due => "Due",
            Label::Holder => "Who has it",
            Label::OrderType => "Order type",
            Label::CustomerReference => "Customer's reference",
            Label::Priority => "Priority",
            Label::Escalation => "Escalation",
            Label::Cause => "Why",
            Label::LastNote(NoteKind::Note) => "Last note",
            Label::LastNote(NoteKind::Question) => "Last note, a question",
            Label::LastNote(NoteKind::Answer) => "Last note, an answer",
            Label::LastNote(NoteKind::Decision) => "Last note, a decision",
            Label::TheNote(NoteKind::Note) => "The note",
            Label::TheNote(NoteKind::Question) => "The question",
            Label::TheNote(NoteKind::Answer) => "The answer",
            Label::TheNote(NoteKind::Decision) => "The decision",
            Label::MoveNote => "Note with the move",
            Label::Steps => "What to do now",
            Label::OpenOrder => "Open the order",
            Label::Ageing => "How late the open orders are",
            Label::Tasks => "Overdue tasks",
            Label::Order => "Order",
            Label::Said => "What was said",
            Label::DaysAreWorkingDays => "The worst first; days are working days.",
            Label::Number => "NUMBER",
            Label::WhyTasks => "you have overdue tasks",
        }
    }

    fn step(&self, step: Step) -> &'static str {
        match step {
            Step::Advance => "Done here? Advance the order to its next status.",
            Step::NewDueDate => "Needs longer? Set a new due date.",
            Step::SayWhatIsMissing => "Stuck? Add a note that says what is missing and who is on it.",
            Step::Acknowledge => "Seen, and somebody is on it? Acknowledge:",
            Step::Answer => "You know it? Answer with a note to the order.",
            Step::AddNote => "Something to add? Write a note to the order.",
            Step::Check => "Check who has it and when it is due, and correct it now if that is wrong.",
            Step::Explain => "See how the date comes about:",
            Step::TellCustomer => "Not to be made up for? Tell whoever waits for it.",
            Step::Nothing => "Nothing: this is for your information.",
            Step::TaskDone => "Done? Mark it:",
            Step::TaskAssign => "Not yours? Give it to who has to do it:",
            Step::ListOverdue => "See all that is late:",
        }
    }

    fn day(&self, day: NaiveDate) -> String {
        day.format("%a %-d %b %Y").to_string()
    }

    fn instant(&self, at: DateTime<Tz>) -> String {
        format!("{} ({})", at.format("%a %-d %b %Y, %H:%M"), at.timezone().name())
    }

    fn working_days(&self, days: u32) -> String {
        if days == 0 { "less than a working day".to_owned() } else { plural(days, "working day") }
    }

    fn days(&self, days: u32) -> String {
        if days == 0 { "< 1 day".to_owned() } else { plural(days, "day") }
    }

    fn days_late(&self, days: u32) -> String {
        format!("{} late", self.days(days))
    }

    fn before(&self, days: u32) -> String {
        format!("was {}", self.days(days))
    }

    fn status_since(&self, status: &str, day: NaiveDate) -> String {
        format!("{status}, since {}", self.day(day))
    }

    fn due(&self, due_on: Option<NaiveDate>, days_late: u32) -> String {
        let due = due_on.map_or_else(|| "no due date".to_owned(), |day| self.day(day));
        if days_late == 0 { due } else { format!("{due}, {} late", self.working_days(days_late)) }
    }

    fn due_in_line(&self, due_on: Option<NaiveDate>) -> String {
        due_on.map_or_else(|| "no due date".to_owned(), |day| format!("due {}", self.day(day)))
    }

    fn holder(&self, assignee: Option<&str>, department: Option<&str>) -> String {
        match (assignee, department) {
            (Some(assignee), Some(department)) => format!("{assignee} ({department})"),
            (Some(assignee), None) => assignee.to_owned(),
            (None, Some(department)) => format!("{department}, nobody in person"),
            (None, None) => "nobody".to_owned(),
        }
    }

    fn escalation_step(&self, step: u32) -> String {
        format!("step {step}")
    }

    fn due_cause(&self, occurrence: &Occurrence) -> String {
        let Occurrence::DueDateChanged { cause, by, .. } = occurrence else { return String::new() };
        match cause {
            Some(DueCause::Manual) => format!("set by hand by {by}"),
            Some(DueCause::Cleared) => format!("{by} cleared the date that was set by hand"),
            Some(DueCause::OrderDate) => "the order date changed".to_owned(),
            Some(DueCause::Cycle) => "the times of the order type changed".to_owned(),
            Some(DueCause::DeliveryDate) => "the delivery date changed".to_owned(),
            Some(DueCause::Method) => "the schedule method changed".to_owned(),
            Some(DueCause::Calendar) => "the calendar changed".to_owned(),
            None => format!("came with another change by {by}"),
        }
    }

    fn verdict(&self, scene: &Scene<'_>) -> String {
        let status = scene.status;
        match scene.occurrence {
            Occurrence::OrderCreated { by } => format!("Created by {by}, begins in {status}"),
            Occurrence::StatusEntered { from, by } if from.is_empty() => format!("{by} put it into {status}"),
            Occurrence::StatusEntered { from, by } => format!("{by} moved it from {from} to {status}"),
            Occurrence::StatusLeft { from, by } => format!("{by} moved it out of {from}, now in {status}"),
            Occurrence::DueSoon { days: 0 } => "Due today".to_owned(),
            Occurrence::DueSoon { days } => {
                let due = scene.due_on.map_or_else(|| "Due".to_owned(), |day| format!("Due {},", self.day(day)));
                format!("{due} in {}", plural(*days, "working day"))
            }
            Occurrence::StatusOverdue => self.overdue(scene.late_since, scene.days_late),
            Occurrence::Escalation { days, .. } => {
                format!("{}, and nobody has acknowledged it", self.overdue(scene.late_since, *days))
            }
            Occurrence::Stale { days, since } => {
                let since = self.instant(since.with_timezone(&scene.zone));
                format!("Nothing has happened for {}, since {since}", plural(*days, "working day"))
            }
            Occurrence::NoteAdded { note } => format!("{} {}", note.author, wrote(note.kind).1),
            Occurrence::HealthChanged { before: None, after } => format!("Now {}", health(*after)),
            Occurrence::HealthChanged { before, after } => {
                format!("Now {}, was {} before", health(*after), health(*before))
            }
            Occurrence::DueDateChanged { before, after, .. } => match (before, after) {
                (Some(before), Some(after)) => format!("Due {}, before it was {}", self.day(*after), self.day(*before)),
                (None, Some(after)) => format!("Due {}, before it had no due date", self.day(*after)),
                (Some(before), None) => format!("No due date any more, before it was {}", self.day(*before)),
                (None, None) => "No due date".to_owned(),
            },
            Occurrence::OrderClosed { by } => format!("Closed by {by}"),
        }
    }

    fn subject(&self, order: &str, scene: &Scene<'_>) -> String {
        let status = scene.status;
        let since = scene.late_since.map_or_else(String::new, |since| format!(" since {}", short_day(since)));
        match scene.occurrence {
            Occurrence::OrderCreated { .. } => format!("{order}: new order"),
            Occurrence::StatusEntered { from, .. } if from.is_empty() => format!("{order}: begins in {status}"),
            Occurrence::StatusEntered { from, .. } => format!("{order}: moved from {from} to {status}"),
            Occurrence::StatusLeft { from, .. } => format!("{order}: left {from}"),
            Occurrence::DueSoon { days: 0 } => format!("DUE TODAY: {order}, {status}"),
            Occurrence::DueSoon { days } => {
                let due = scene.due_on.map_or_else(String::new, |day| format!(" {}", short_day(day)));
                format!("DUE SOON: {order}, {status}{due}, in {}", plural(*days, "working day"))
            }
            Occurrence::StatusOverdue => format!("OVERDUE: {order}, {status}{since}{}", in_brackets(scene.days_late)),
            Occurrence::Escalation { days, step } => {
                format!("ESCALATION {step}: {order}, {status} overdue{since}{}", in_brackets(*days))
            }
            Occurrence::Stale { days, .. } => {
                format!("STANDSTILL: {order}, {status}, nothing for {}", plural(*days, "working day"))
            }
            Occurrence::NoteAdded { note } => format!("{order}: {} by {}", wrote(note.kind).0, note.author),
            Occurrence::HealthChanged { after, .. } => format!("{order}: now {}", health(*after)),
            Occurrence::DueDateChanged { after: Some(after), .. } => format!("{order}: now due {}", short_day(*after)),
            Occurrence::DueDateChanged { after: None, .. } => format!("{order}: no due date any more"),
            Occurrence::OrderClosed { .. } => format!("{order}: closed"),
        }
    }

    fn news(&self, scene: &Scene<'_>) -> String {
        match scene.occurrence {
            Occurrence::Escalation { days, step } => {
                format!("Escalation, step {step}, after {}", plural(*days, "day"))
            }
            Occurrence::NoteAdded { note } => format!("{}, {}: {}", note.author, wrote(note.kind).0, note.text),
            Occurrence::DueDateChanged { .. } => {
                format!("{} ({})", self.verdict(scene), self.due_cause(scene.occurrence))
            }
            Occurrence::OrderCreated { .. }
            | Occurrence::StatusEntered { .. }
            | Occurrence::StatusLeft { .. }
            | Occurrence::DueSoon { .. }
            | Occurrence::StatusOverdue
            | Occurrence::Stale { .. }
            | Occurrence::HealthChanged { .. }
            | Occurrence::OrderClosed { .. } => self.verdict(scene),
        }
    }

    fn note_goes_on(&self) -> &'static str {
        "The note is longer. All of it:"
    }

    fn about_status(&self, status: &str) -> String {
        format!("About the status {status}")
    }

    fn why(&self, why: &Why) -> String {
        match why {
            Why::Assignee => "the order is assigned to you".to_owned(),
            Why::ManagerOf(department) => format!("you manage {department}, which has the order"),
            Why::Fallback(text) => format!("nobody else could be told ({})", text.trim_end_matches('.')),
            Why::MemberOf(department) => format!("you work in {department}, which has the order"),
            Why::Follower => "you follow the order".to_owned(),
            Why::Trigger(trigger) => format!("the trigger '{trigger}' names you"),
            Why::Notified => "somebody asked for you to be told".to_owned(),
        }
    }

    fn you_get_this(&self, whys: &[String]) -> String {
        format!("You get this because {}.", whys.join("; "))
    }

    fn told_by(&self, trigger: &str) -> String {
        format!("Told by the trigger '{trigger}'.")
    }

    fn digest_headline(&self, counts: &Counts) -> String {
        Self::digest_parts(counts)
    }

    fn digest_subject(&self, counts: &Counts, worst: Option<(&str, u32)>) -> String {
        let head = if counts.storm { "Many at once" } else { "Digest" };
        let worst = worst.map_or_else(String::new, |(order, days)| format!("; worst {order}{}", in_brackets(days)));
        format!("{head}: {}{worst}", Self::digest_parts(counts))
    }

    fn overdue_headline(&self, orders: u32) -> String {
        format!("{} overdue", if orders == 1 { "1 order is".to_owned() } else { format!("{orders} orders are") })
    }

    fn overdue_subject(&self, orders: u32, worst: Option<(&str, u32)>) -> String {
        let worst = worst.map_or_else(String::new, |(order, days)| format!(", worst {order}{}", in_brackets(days)));
        format!("OVERDUE: {}{worst}", plural(orders, "order"))
    }

    fn group(&self, department: &str, order_type: &str) -> String {
        let department = if department.is_empty() { "No department" } else { department };
        if order_type.is_empty() { department.to_owned() } else { format!("{department} · {order_type}") }
    }

    fn more(&self, count: u32) -> String {
        format!("… and {count} more.")
    }

    fn unchanged(&self, count: u32) -> String {
        if count == 1 {
            "1 other order is overdue as before.".to_owned()
        } else {
            format!("{count} other orders are overdue as before.")
        }
    }

    fn acknowledged(&self, by: &str, note: &str, until: Option<DateTime<Tz>>) -> String {
        let until = until.map_or_else(String::new, |until| format!(" until {}", self.instant(until)));
        let note = if note.is_empty() { String::new() } else { format!(": {note}") };
        format!("Acknowledged by {by}{until}{note}")
    }

    fn age(&self, from: u32, to: Option<u32>) -> String {
        match to {
            Some(1) => "up to 1 day".to_owned(),
            Some(to) => format!("{from}–{to} days"),
            None => format!("over {} days", from - 1),
        }
    }

    fn storm(&self) -> &'static str {
        "So much happened at once that it comes in one message. Nothing was left out."
    }

    fn task_about(&self, order: &str, due_on: Option<NaiveDate>, department: &str) -> String {
        let order = (!order.is_empty()).then(|| format!("order {order}"));
        let department = (!department.is_empty()).then(|| department.to_owned());
        [order, Some(self.due_in_line(due_on)), department].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }

    fn task_verdict(&self, given: Given, by: GivenBy<'_>) -> String {
        let by = match by {
            GivenBy::Person(name) => name.to_owned(),
            GivenBy::Trigger(name) => format!("the trigger '{name}'"),
        };
        match given {
            Given::Made => format!("A new task, made by {by}"),
            Given::Reassigned => format!("Handed over by {by}"),
            Given::Reopened => format!("To be done again: reopened by {by}"),
        }
    }

    fn task_subject(&self, title: &str, order: &str, due_on: Option<NaiveDate>) -> String {
        let order = if order.is_empty() { String::new() } else { format!(" ({order})") };
        let due = due_on.map_or_else(String::new, |day| format!(", due {}", short_day(day)));
        format!("TASK: {title}{order}{due}")
    }

    fn task_why(&self, why: &Why) -> String {
        match why {
            Why::Assignee => "the task is yours".to_owned(),
            Why::ManagerOf(department) => format!("you manage {department}, which has the task"),
            why => self.why(why),
        }
    }
}
