//! Phrases: every sentence of a message, once per language. The compiler checks that each language has all of them.

mod de;
mod en;

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;

use crate::domain::{
    alerts::{
        event::Occurrence,
        message::{Given, Why},
    },
    note::NoteKind,
    projection::Health,
};

/// A word over a message or a line of a digest: what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Badge {
    Overdue,
    Escalation,
    DueSoon,
    Stale,
    Created,
    Moved,
    Left,
    Note(NoteKind),
    Health(Option<Health>),
    DueDate,
    Closed,
    Digest,
    Storm,
    New,
    Worse,
    Recovered,
    Acknowledged,
    Task,
}

impl Badge {
    /// What a message about it is headed with.
    pub(super) fn of(occurrence: &Occurrence) -> Self {
        match occurrence {
            Occurrence::OrderCreated { .. } => Self::Created,
            Occurrence::StatusEntered { .. } => Self::Moved,
            Occurrence::StatusLeft { .. } => Self::Left,
            Occurrence::DueSoon { .. } => Self::DueSoon,
            Occurrence::StatusOverdue => Self::Overdue,
            Occurrence::Escalation { .. } => Self::Escalation,
            Occurrence::Stale { .. } => Self::Stale,
            Occurrence::NoteAdded { note } => Self::Note(note.kind),
            Occurrence::HealthChanged { after, .. } => Self::Health(*after),
            Occurrence::DueDateChanged { .. } => Self::DueDate,
            Occurrence::OrderClosed { .. } => Self::Closed,
        }
    }

    /// How urgent it is: the class that gives it its colour.
    pub(super) fn tone(self) -> &'static str {
        match self {
            Self::Overdue | Self::Escalation | Self::Health(Some(Health::Late)) | Self::New | Self::Worse => "red",
            Self::DueSoon | Self::Stale | Self::Storm | Self::Note(NoteKind::Question) => "amber",
            Self::Closed | Self::Recovered | Self::Health(Some(Health::Ahead | Health::OnTarget)) => "green",
            Self::Created
            | Self::Moved
            | Self::Left
            | Self::Note(NoteKind::Note | NoteKind::Answer | NoteKind::Decision)
            | Self::Health(None)
            | Self::DueDate
            | Self::Digest
            | Self::Acknowledged
            | Self::Task => "blue",
        }
    }
}

/// The name of a part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Status,
    Due,
    Holder,
    OrderType,
    CustomerReference,
    Priority,
    Escalation,
    Cause,
    /// The newest note of an order.
    LastNote(NoteKind),
    /// The note that was just added.
    TheNote(NoteKind),
    /// The note that came with a move.
    MoveNote,
    Steps,
    OpenOrder,
    Ageing,
    Tasks,
    /// The order that a task is about.
    Order,
    /// What was said when a task was reopened.
    Said,
    DaysAreWorkingDays,
    /// Stands for the number of an order in a command.
    Number,
    /// Why somebody gets a digest that has tasks; see [`Phrases::you_get_this`].
    WhyTasks,
}

/// Something to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Advance,
    NewDueDate,
    SayWhatIsMissing,
    Acknowledge,
    Answer,
    AddNote,
    Check,
    Explain,
    TellCustomer,
    Nothing,
    ListOverdue,
    TaskDone,
    TaskAssign,
}

/// Who gave somebody a task.
#[derive(Debug, Clone, Copy)]
pub(super) enum GivenBy<'a> {
    /// By name.
    Person(&'a str),
    /// By name.
    Trigger(&'a str),
}

impl Step {
    /// The command that does it, where there is one worth naming; `order` names it to `andon orders`, a task to `andon tasks`.
    pub(super) fn command(self, order: &str) -> String {
        match self {
            Self::Acknowledge => format!("andon orders ack {order}"),
            Self::Explain => format!("andon orders explain {order}"),
            Self::TaskDone => format!("andon tasks done {order}"),
            Self::TaskAssign => format!("andon tasks assign {order} --user"),
            Self::ListOverdue => "andon orders list --overdue".to_owned(),
            Self::Advance
            | Self::NewDueDate
            | Self::SayWhatIsMissing
            | Self::Answer
            | Self::AddNote
            | Self::Check
            | Self::TellCustomer
            | Self::Nothing => String::new(),
        }
    }
}

/// What is told of one order, cleaned for one line each.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// What happened.
    pub(super) occurrence: &'a Occurrence,
    /// Name of the status that the order is in.
    pub(super) status: &'a str,
    /// Last day in time.
    pub(super) due_on: Option<NaiveDate>,
    /// First day on which it is too late.
    pub(super) late_since: Option<NaiveDate>,
    /// Business days late.
    pub(super) days_late: u32,
    /// Where instants are shown.
    pub(super) zone: Tz,
}

/// What a digest counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) orders: u32,
    pub(super) new: u32,
    pub(super) worse: u32,
    pub(super) recovered: u32,
    pub(super) tasks: u32,
    pub(super) storm: bool,
}

/// A language. Texts of people are passed in cleaned and cut.
pub(super) trait Phrases: Sync {
    /// Its tag.
    fn tag(&self) -> &'static str;
    /// A badge, in capitals.
    fn badge(&self, badge: Badge) -> &'static str;
    /// A label, without a colon.
    fn label(&self, label: Label) -> &'static str;
    /// A step as a sentence; one that has a command ends with a colon.
    fn step(&self, step: Step) -> &'static str;

    /// A day with its year, for example `Tue 3 Mar 2026`.
    fn day(&self, day: NaiveDate) -> String;
    /// An instant with its zone.
    fn instant(&self, at: DateTime<Tz>) -> String;
    /// `2 working days`; less than one for none.
    fn working_days(&self, days: u32) -> String;
    /// `2 days`; less than one for none.
    fn days(&self, days: u32) -> String;
    /// How late a line of a digest is.
    fn days_late(&self, days: u32) -> String;
    /// How late it was before, behind [`Phrases::days_late`].
    fn before(&self, days: u32) -> String;

    /// The status, and since when.
    fn status_since(&self, status: &str, day: NaiveDate) -> String;
    /// When it is due, and how late it is when that is more than nothing.
    fn due(&self, due_on: Option<NaiveDate>, days_late: u32) -> String;
    /// The same in a line of a digest.
    fn due_in_line(&self, due_on: Option<NaiveDate>) -> String;
    /// Who has it.
    fn holder(&self, assignee: Option<&str>, department: Option<&str>) -> String;
    /// The step of an escalation.
    fn escalation_step(&self, step: u32) -> String;
    /// Why a due date is another.
    fn due_cause(&self, occurrence: &Occurrence) -> String;

    /// What a message about one order says first.
    fn verdict(&self, scene: &Scene<'_>) -> String;
    /// The subject of a message about an order of this name.
    fn subject(&self, order: &str, scene: &Scene<'_>) -> String;
    /// What happened, in a line of a digest.
    fn news(&self, scene: &Scene<'_>) -> String;

    /// That a note is longer, before the command that shows it.
    fn note_goes_on(&self) -> &'static str;
    /// Heads the definition of a status.
    fn about_status(&self, status: &str) -> String;
    /// Why somebody gets a message, as the end of [`Phrases::you_get_this`].
    fn why(&self, why: &Why) -> String;
    /// The sentence of the reasons.
    fn you_get_this(&self, whys: &[String]) -> String;
    /// Which trigger tells it.
    fn told_by(&self, trigger: &str) -> String;

    /// What a digest is about.
    fn digest_headline(&self, counts: &Counts) -> String;
    /// The subject of a digest; `worst` is an order and how late it is.
    fn digest_subject(&self, counts: &Counts, worst: Option<(&str, u32)>) -> String;
    /// What an older digest, of overdue orders only, is about.
    fn overdue_headline(&self, orders: u32) -> String;
    /// Its subject.
    fn overdue_subject(&self, orders: u32, worst: Option<(&str, u32)>) -> String;
    /// The orders of one department and one type; either may be empty.
    fn group(&self, department: &str, order_type: &str) -> String;
    /// What is counted only.
    fn more(&self, count: u32) -> String;
    /// Orders that are overdue as before.
    fn unchanged(&self, count: u32) -> String;
    /// Who acknowledged, until when, and what was said.
    fn acknowledged(&self, by: &str, note: &str, until: Option<DateTime<Tz>>) -> String;
    /// Days late from and to, inclusive; without an end, more than `from - 1`.
    fn age(&self, from: u32, to: Option<u32>) -> String;
    /// Why a digest came at an unusual time.
    fn storm(&self) -> &'static str;
    /// A task's order and department; either may be empty.
    fn task_about(&self, order: &str, due_on: Option<NaiveDate>, department: &str) -> String;

    /// How somebody came to have a task.
    fn task_verdict(&self, given: Given, by: GivenBy<'_>) -> String;
    /// The subject of a message about a task; `order` is the number of its order, or empty.
    fn task_subject(&self, title: &str, order: &str, due_on: Option<NaiveDate>) -> String;
    /// Why somebody gets a message about a task, as the end of [`Phrases::you_get_this`].
    fn task_why(&self, why: &Why) -> String;
}

/// All languages; the first is spoken when nothing else is asked for.
pub(super) const ALL: [&dyn Phrases; 2] = [&en::English, &de::German];

/// The language of a BCP 47 tag, by its first part; `None` when nobody wrote its phrases.
pub(super) fn of_tag(tag: &str) -> Option<&'static dyn Phrases> {
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    ALL.into_iter().find(|phrases| phrases.tag().eq_ignore_ascii_case(primary))
}

/// The language of who reads, else that of the plant, else English.
pub(super) fn choose(reader: &str, plant: &str) -> &'static dyn Phrases {
    of_tag(reader).or_else(|| of_tag(plant)).unwrap_or(ALL[0])
}
