//! What a digest tells: the orders and tasks of one person, as data that is stored and later rendered.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    event::Occurrence,
    message::{MessageFacts, OrderFacts, Reader},
};

/// Ages that are counted apart; see [`Ageing::UP_TO`].
pub const AGES: usize = 5;

/// A digest for one person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DigestFacts {
    /// How the person reads.
    pub reader: Reader,
    /// Orders, by the department that has them and their type.
    pub groups: Vec<DigestGroup>,
    /// Orders that are counted only and stand in no group that is listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u32,
    /// Orders that are overdue as they were when the person was last told; they are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub unchanged: u32,
    /// Overdue tasks of the person and of the person's departments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskLine>,
    /// Overdue tasks that are counted only.
    #[serde(skip_serializing_if = "is_zero")]
    pub tasks_more: u32,
    /// All overdue orders of the person by how late they are, listed or not; all zero = the listed ones are counted.
    pub ageing: Ageing,
    /// Made since too many messages came at once, not since it was time for a digest.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub storm: bool,
}

/// The orders of one department and one type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DigestGroup {
    /// Name of the department; empty = no department has them.
    pub department: String,
    /// Name of the type.
    pub order_type: String,
    /// The orders that are listed, each once.
    pub lines: Vec<DigestLine>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u32,
}

/// One order in a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestLine {
    /// The order as it stands when the digest is made.
    pub order: OrderFacts,
    /// What there is about its being overdue.
    #[serde(default)]
    pub mark: Mark,
    /// What happened to it since the last digest, the oldest first; may be none, as of an order that recovered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<News>,
    /// What else happened to it, counted only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub news_more: u32,
}

/// How an order differs from when the person was last told of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mark {
    /// Nothing about its being overdue; what there is stands in the news.
    #[default]
    News,
    /// It is overdue, and the person was not told before.
    New,
    /// It is later than when the person was last told.
    Worse {
        /// Business days late when the person was last told.
        days_late_before: u32,
    },
    /// It is not overdue any more.
    Recovered,
    /// It is overdue, and somebody has acknowledged that.
    Acknowledged {
        /// Display name of who did.
        by: String,
        /// What was said; may be empty.
        note: String,
        /// Until when; `None` = for this visit.
        until: Option<DateTime<Utc>>,
    },
}

impl Mark {
    /// Whether an order with this mark is overdue for sure.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        matches!(self, Self::New | Self::Worse { .. } | Self::Acknowledged { .. })
    }
}

/// One thing that happened, in a line of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What happened.
    pub occurrence: Occurrence,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// Name of the trigger that tells it; empty when a person did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trigger_name: String,
    /// The trigger's own subject, else its own text; empty = the usual words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A task that should be done by now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskLine {
    /// What is to be done.
    pub title: String,
    /// The order it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Uuid>,
    /// Its number; empty = about no order.
    pub order_number: String,
    /// The last day in time.
    pub due_on: Option<NaiveDate>,
    /// Business days late.
    pub days_late: u32,
    /// Name of the department that has it; empty = the person has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub department: String,
}

/// How many orders are how late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ageing {
    /// Orders, by [`Ageing::UP_TO`]; the last are those that are later still.
    pub counts: [u32; AGES],
}

impl Ageing {
    /// Business days late up to which an order is counted, inclusive; the fifth has no end.
    pub const UP_TO: [u32; AGES - 1] = [1, 3, 5, 10];

    /// Counts one order.
    pub fn add(&mut self, days_late: u32) {
        let age = Self::UP_TO.iter().position(|up_to| days_late <= *up_to).unwrap_or(AGES - 1);
        self.counts[age] = self.counts[age].saturating_add(1);
    }

    /// All orders.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl FromIterator<u32> for Ageing {
    fn from_iter<I: IntoIterator<Item = u32>>(days_late: I) -> Self {
        let mut ageing = Self::default();
        days_late.into_iter().for_each(|days| ageing.add(days));
        ageing
    }
}

impl DigestFacts {
    /// The listed orders.
    pub fn lines(&self) -> impl Iterator<Item = &DigestLine> {
        self.groups.iter().flat_map(|group| &group.lines)
    }

    /// Orders in it: listed, or counted only since they were too many. Those that are unchanged are not among them.
    #[must_use]
    pub fn count(&self) -> u32 {
        let more = self.groups.iter().fold(self.more, |sum, group| sum.saturating_add(group.more));
        u32::try_from(self.lines().count()).unwrap_or(u32::MAX).saturating_add(more)
    }
}

impl DigestLine {
    /// The lines that tell what a message tells, decided at `at`: one of a message about an order, several of an older digest, none
    /// of a digest of this kind, of a call or of a task. Lines about one order are the caller's to join.
    #[must_use]
    pub fn of(facts: MessageFacts, at: DateTime<Utc>) -> Vec<Self> {
        let line = |order: OrderFacts, occurrence: Occurrence| {
            let mark = if occurrence == Occurrence::StatusOverdue { Mark::New } else { Mark::News };
            let news = News { occurrence, at, trigger_name: String::new(), text: String::new() };
            Self { order, mark, news: vec![news], news_more: 0 }
        };
        match facts {
            MessageFacts::Overdue(order) => vec![line(order, Occurrence::StatusOverdue)],
            MessageFacts::OverdueDigest { orders, .. } => {
                orders.into_iter().map(|order| line(order, Occurrence::StatusOverdue)).collect()
            }
            MessageFacts::Advanced { order, from_status, by, note } => {
                let mut line = line(order, Occurrence::StatusEntered { from: from_status, by });
                if let Some(note) = note {
                    let occurrence = Occurrence::NoteAdded { note };
                    line.news.push(News { occurrence, at, trigger_name: String::new(), text: String::new() });
                }
                vec![line]
            }
            MessageFacts::NoteAdded { order, note } => vec![line(order, Occurrence::NoteAdded { note })],
            MessageFacts::Happened(happened) => {
                let mut line = line(happened.order, happened.occurrence);
                for news in &mut line.news {
                    news.trigger_name.clone_from(&happened.trigger_name);
                    news.text =
                        if happened.subject.is_empty() { happened.text.clone() } else { happened.subject.clone() };
                }
                vec![line]
            }
            MessageFacts::Digest(_) | MessageFacts::Called(_) | MessageFacts::Task(_) => Vec::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_ends_with_its_last_day() {
        let ageing: Ageing = [0, 1, 2, 3, 4, 5, 6, 10, 11, u32::MAX].into_iter().collect();
        assert_eq!((ageing.counts, ageing.total()), ([2, 2, 2, 2, 2], 10));
    }

    #[test]
    fn what_a_stored_digest_does_not_say_is_nothing() {
        let stored: DigestFacts =
            serde_json::from_str(r#"{"groups": [{"order_type": "Sheet metal"}]}"#).expect("as stored");
        assert_eq!((stored.count(), stored.storm, stored.ageing.total()), (0, false, 0));
        let mark = Mark::Worse { days_late_before: 3 };
        let text = serde_json::to_string(&mark).expect("it is written");
        assert_eq!(
            (text.as_str(), serde_json::from_str::<Mark>(&text).ok()),
            (r#"{"WORSE":{"days_late_before":3}}"#, Some(mark))
        );
    }
}
