//! An order with its current visit, and how a step changes it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    alerts::message::Message,
    catalogue::Catalogue,
    health_turns::HealthTurns,
    ids::Ids,
    note::{Assessment, Note},
    plan::{Method, Planned},
    projection::Projection,
    schedule::{self, Calendar},
    task::Task,
};

/// Where a due date came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DueSource {
    /// Planned from the order date.
    Plan,
    /// Counted from the day of entry.
    Entry,
    /// Set by a person.
    Manual,
    /// Planned back from the delivery date.
    Delivery,
}

impl DueSource {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "PLAN",
            Self::Entry => "ENTRY",
            Self::Manual => "MANUAL",
            Self::Delivery => "DELIVERY",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Plan, Self::Entry, Self::Manual, Self::Delivery].into_iter().find(|source| source.as_str() == text)
    }
}

/// A due date with its instant and source; the three belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Last day in time.
    pub on: NaiveDate,
    /// Instant from which the visit is overdue.
    pub at: DateTime<Utc>,
    /// Where it came from.
    pub source: DueSource,
}

/// When a visit began: what durations from entry count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Day of entry as given; may lie before the recording.
    pub on: NaiveDate,
    /// Instant of the recording.
    pub at: DateTime<Utc>,
}

/// One stay of an order in one status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing about the visit; they are independent")]
pub struct Visit {
    /// From 1.
    pub sequence: i32,
    /// Id of the status.
    pub status: String,
    /// Its name at the time of entry.
    pub status_name: String,
    /// Instant of entry.
    pub entered_at: DateTime<Utc>,
    /// Day of entry as given; may lie before the recording.
    pub entered_on: NaiveDate,
    /// When it should end.
    pub due: Option<Due>,
    /// The status had been completed before.
    pub rework: bool,
    /// Goes on with an interrupted visit.
    pub resumed: bool,
    /// Jumped over.
    pub skipped: bool,
    /// Principal.
    pub entered_by: String,
    /// User on whose behalf, or empty.
    pub entered_for: String,
    /// Instant of leaving.
    pub left_at: Option<DateTime<Utc>>,
    /// Day given as completed.
    pub completed_on: Option<NaiveDate>,
    /// Completed on leaving.
    pub completed: bool,
    /// Of a visit that goes on with an interrupted one: when that one began. Kept with the order only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Entry>,
}

impl Visit {
    /// What durations from entry count from.
    #[must_use]
    pub fn counts_from(&self) -> Entry {
        self.counted.unwrap_or(Entry { on: self.entered_on, at: self.entered_at })
    }
}

/// A visit that was left not complete: what coming back resumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// Id of the status.
    pub status: String,
    /// The due date it had.
    #[serde(deserialize_with = "stored_planned")]
    pub due: Option<Planned>,
    /// When it began; `None` when an older program left it.
    #[serde(default)]
    pub entered: Option<Entry>,
    /// It was rework.
    #[serde(default)]
    pub rework: bool,
}

/// A due date as an answer was stored: before there was working time, it was the day and its source.
fn stored_planned<'de, D: serde::Deserializer<'de>>(stored: D) -> Result<Option<Planned>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Pair(NaiveDate, DueSource),
        Whole { on: NaiveDate, at: Option<DateTime<Utc>>, source: DueSource },
    }
    Ok(Option::<Stored>::deserialize(stored)?.map(|stored| match stored {
        Stored::Pair(on, source) => Planned::day(on, source),
        Stored::Whole { on, at, source } => Planned { on, at, source },
    }))
}

/// That somebody has seen that a visit is late: escalation is silent, for good or for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The visit that it is about; another visit is not acknowledged.
    pub visit: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// Principal, or the user on whose behalf.
    pub by: String,
    /// What was said, at most 500 characters.
    pub note: String,
    /// Snoozed until this instant; `None` = for the whole visit.
    pub until: Option<DateTime<Utc>>,
}

/// An alert as the database keeps it: unique, so that it is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Sequence of the visit.
    pub visit: i32,
    /// `OVERDUE`, or the id of a trigger.
    pub rule: String,
    /// The due time that was missed, or the instant at which the trigger fired.
    pub at: DateTime<Utc>,
}

/// One production order: the facts of every decision about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Made by the server.
    pub id: Uuid,
    /// The plant's own number.
    pub number: String,
    /// Id of the type.
    pub order_type: String,
    /// For people.
    pub title: String,
    /// The customer's reference.
    pub customer_reference: String,
    /// The vendor's reference.
    pub vendor_reference: String,
    /// Line of a sales order.
    pub sales_order_line: String,
    /// What is made.
    pub product: String,
    /// Decimal as text; empty = not said.
    pub quantity: String,
    /// The day from which due dates are planned.
    pub ordered_on: NaiveDate,
    /// Promised delivery.
    pub delivery_on: Option<NaiveDate>,
    /// Its own schedule method; `None` = that of the type.
    #[serde(default)]
    pub schedule_method: Option<Method>,
    /// Higher is more urgent.
    pub priority: i32,
    /// Key and value.
    pub labels: BTreeMap<String, String>,
    /// Who has it.
    pub assigned_department: Option<String>,
    /// Who has it.
    pub assigned_user: Option<String>,
    /// The current visit; of a closed order the last.
    pub visit: Visit,
    /// Earliest instant at which anything must happen.
    pub next_alarm_at: Option<DateTime<Utc>>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Statuses of the cycle that were completed at least once.
    pub completed: Vec<String>,
    /// What coming back resumes.
    pub interrupted: Option<Interrupted>,
    /// Ids of users who follow it.
    #[serde(default)]
    pub followers: Vec<String>,
    /// That somebody has seen that it is late.
    #[serde(default)]
    pub acknowledged: Option<Acknowledgement>,
    /// When its health turns.
    #[serde(default)]
    pub health_turns: HealthTurns,
    /// The last status of the cycle it was in.
    pub cycle_status: String,
    /// Times on hold that have ended.
    pub holds: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    /// Working days lost by holds.
    pub lost_days: u32,
    /// The newest note, cut to 2 000 characters.
    pub last_note: Option<Note>,
    /// Questions that no note has answered, oldest first.
    #[serde(default)]
    pub open_questions: Vec<Uuid>,
    /// What a person last said about how it stands.
    #[serde(default)]
    pub assessment: Option<Assessment>,
    /// Of a closed order: its real finish against its target, as it was then.
    #[serde(default)]
    pub finish: Option<Projection>,
    /// Entries so far.
    pub history_sequence: i32,
    /// Of an imported order: hash of its past.
    pub import_fingerprint: Option<Vec<u8>>,
    /// When it was imported.
    pub imported_at: Option<DateTime<Utc>>,
    /// Guards every write.
    pub version: i64,
    /// Bumped by changes a caller can see.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Order {
    /// The etag of this state.
    #[must_use]
    pub fn etag(&self) -> String {
        self.revision.to_string()
    }

    /// Whether it is overdue at `now`: open, and its visit's due time has come.
    #[must_use]
    pub fn overdue(&self, now: DateTime<Utc>) -> bool {
        self.closed_at.is_none() && schedule::overdue(now, self.visit.due.map(|due| due.at))
    }

    /// Business days it is late at `now`; 0 unless overdue.
    #[must_use]
    pub fn days_late(&self, calendar: &Calendar, now: DateTime<Utc>) -> u32 {
        match self.visit.due {
            Some(due) if self.overdue(now) => {
                schedule::days_late(calendar, due.on, schedule::local_date(calendar, now))
            }
            _ => 0,
        }
    }
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HistoryKind {
    /// It was created.
    Created,
    /// It moved.
    Advanced,
    /// A note was added.
    Noted,
    /// Its visit went overdue.
    Overdue,
    /// Its due date changed.
    DueDateChanged,
    /// Fields changed.
    Updated,
    /// It got another type.
    TypeChanged,
    /// An edit of the cycle moved or closed it.
    CycleEdited,
    /// A trigger fired that came with time.
    Alerted,
    /// Somebody acknowledged or snoozed its visit, or took that back.
    Acknowledged,
    /// Somebody follows it from now on, or no more.
    Followed,
}

/// Why a due date changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DueCause {
    /// Set by a person.
    Manual,
    /// A manual date was cleared.
    Cleared,
    /// The order date changed.
    OrderDate,
    /// The cycle changed, and the edit was applied to open orders.
    Cycle,
    /// The delivery date changed.
    DeliveryDate,
    /// The schedule method changed.
    Method,
    /// The calendar changed.
    Calendar,
}

impl DueCause {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "MANUAL",
            Self::Cleared => "CLEARED",
            Self::OrderDate => "ORDER_DATE",
            Self::Cycle => "CYCLE",
            Self::DeliveryDate => "DELIVERY_DATE",
            Self::Method => "METHOD",
            Self::Calendar => "CALENDAR",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Manual,
            Self::Cleared,
            Self::OrderDate,
            Self::Cycle,
            Self::DeliveryDate,
            Self::Method,
            Self::Calendar,
        ];
        all.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Name of the field.
    pub field: String,
    /// As text; empty = not set.
    pub before: String,
    /// As text; empty = not set.
    pub after: String,
}

impl HistoryKind {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Advanced => "ADVANCED",
            Self::Noted => "NOTED",
            Self::Overdue => "OVERDUE",
            Self::DueDateChanged => "DUE_DATE_CHANGED",
            Self::Updated => "UPDATED",
            Self::TypeChanged => "TYPE_CHANGED",
            Self::CycleEdited => "CYCLE_EDITED",
            Self::Alerted => "ALERTED",
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Followed => "FOLLOWED",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Created,
            Self::Advanced,
            Self::Noted,
            Self::Overdue,
            Self::DueDateChanged,
            Self::Updated,
            Self::TypeChanged,
            Self::CycleEdited,
            Self::Alerted,
            Self::Acknowledged,
            Self::Followed,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// The part of a history entry that is stored as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryDetail {
    /// The visit that was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Visit>,
    /// The visit that was opened, or went overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Visit>,
    /// The note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// The messages that were queued: id, user, address, kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<(Uuid, String, String, String)>,
    /// The tasks that were made: id, title.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<(Uuid, String)>,
    /// Id of the trigger that fired.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The acknowledgement after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// The reason that was given; of a trigger its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why the due date changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_cause: Option<DueCause>,
    /// Fields that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// Of a due date that the order waits for: id and name of the interrupted status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<(String, String)>,
    /// Who has it after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_department: Option<String>,
    /// Who has it after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_user: Option<String>,
}

/// One thing that happened, as it was then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// From 1, without gaps.
    pub sequence: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: HistoryKind,
    /// Principal.
    pub actor: String,
    /// User on whose behalf, or empty.
    pub acted_for: String,
    /// Came in by import.
    pub imported: bool,
    /// The rest.
    pub detail: HistoryDetail,
}

/// What a change did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effects {
    /// The visit that was closed.
    pub closed: Option<Visit>,
    /// Statuses that were jumped over.
    pub skipped: Vec<Visit>,
    /// The visit that was opened.
    pub opened: Option<Visit>,
    /// Messages that were queued.
    pub messages: Vec<Message>,
    /// Business days given back for holds.
    pub days_given_back: u32,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// The note that was added.
    pub note: Option<Note>,
    /// Fields that changed.
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// Tasks that triggers made.
    #[serde(default)]
    pub tasks: Vec<Task>,
}

/// A decision: the order after it, and all that is written with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The order after the change.
    pub order: Order,
    /// Whether the order is new.
    pub created: bool,
    /// What the caller is told.
    pub effects: Effects,
    /// Visits to insert: skipped, opened, or a whole past.
    pub visits: Vec<Visit>,
    /// Notes to insert.
    pub notes: Vec<Note>,
    /// History to append.
    pub history: Vec<HistoryEntry>,
    /// The open visit, when it changed in place.
    pub changed: Option<Visit>,
    /// The alerts to record.
    pub alerts: Vec<Alert>,
}

impl Decision {
    /// A change of an order that is there: nothing but the order itself so far.
    #[must_use]
    pub fn of(order: Order) -> Self {
        Self {
            order,
            created: false,
            effects: Effects::default(),
            visits: Vec::new(),
            notes: Vec::new(),
            history: Vec::new(),
            changed: None,
            alerts: Vec::new(),
        }
    }
}

/// What every decision is given beside the order.
#[derive(Debug)]
pub struct Context<'a> {
    /// The catalogue at its version.
    pub catalogue: &'a Catalogue,
    /// The one reading of the clock.
    pub now: DateTime<Utc>,
    /// Maker of ids.
    pub ids: &'a mut Ids,
    /// Principal who calls.
    pub actor: &'a str,
    /// Who gets what nobody else can get.
    pub fallback: &'a str,
    /// Travels along a chain of webhooks and calls; empty = a chain begins here.
    pub cause: &'a str,
}

impl Order {
    /// Gives the current visit another due date, and sets the next alarm anew when that moves its due time.
    pub fn replan(&mut self, due: Option<Due>) {
        if due.map(|due| due.at) != self.visit.due.map(|due| due.at) && self.closed_at.is_none() {
            self.next_alarm_at = due.map(|due| due.at);
        }
        self.visit.due = due;
    }

    /// The next entry of its history.
    pub fn record(
        &mut self,
        kind: HistoryKind,
        at: DateTime<Utc>,
        actor: &str,
        acted_for: &str,
        mut detail: HistoryDetail,
    ) -> HistoryEntry {
        self.history_sequence += 1;
        detail.assigned_department.clone_from(&self.assigned_department);
        detail.assigned_user.clone_from(&self.assigned_user);
        HistoryEntry {
            sequence: self.history_sequence,
            at,
            kind,
            actor: actor.into(),
            acted_for: acted_for.into(),
            imported: false,
            detail,
        }
    }

    /// Marks a change that callers can see.
    pub fn touch(&mut self, now: DateTime<Utc>) {
        self.version += 1;
        self.revision += 1;
        self.updated_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_visit_of_an_older_answer_is_still_read() {
        let old: Interrupted =
            serde_json::from_str(r#"{"status":"milling","due":["2026-03-09","PLAN"]}"#).expect("old");
        let on = NaiveDate::from_ymd_opt(2026, 3, 9).expect("a valid date");
        assert_eq!((old.due, old.entered, old.rework), (Some(Planned::day(on, DueSource::Plan)), None, false));
        let text = serde_json::to_string(&old).expect("plain data");
        assert_eq!(serde_json::from_str::<Interrupted>(&text).expect("as it was written"), old);
        let none: Interrupted = serde_json::from_str(r#"{"status":"milling","due":null}"#).expect("old");
        assert_eq!(none.due, None);
    }
}
