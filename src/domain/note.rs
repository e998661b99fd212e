//! Notes: the running record of an order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    alerts::{
        message::{MessageFacts, Topic},
        recipients,
    },
    edit::ROLES,
    order::{Context, Decision, Effects, HistoryDetail, HistoryKind, Order},
    projection::Health,
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// Characters of the newest note that an order carries.
pub const LAST_NOTE_MAX: usize = 2_000;
/// Characters of a note.
pub const NOTE_MAX: usize = 20_000;
/// People, departments and roles that one change may notify.
pub const NOTIFY_MAX: usize = 100;
/// Open questions of one order.
pub const OPEN_QUESTIONS_MAX: usize = 200;

/// What a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoteKind {
    /// A remark.
    Note,
    /// A question.
    Question,
    /// The answer to a question.
    Answer,
    /// A decision.
    Decision,
}

impl NoteKind {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "NOTE",
            Self::Question => "QUESTION",
            Self::Answer => "ANSWER",
            Self::Decision => "DECISION",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Note, Self::Question, Self::Answer, Self::Decision].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One entry in the running record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Made by the server.
    pub id: Uuid,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub at: DateTime<Utc>,
    /// 1 to 20 000 characters.
    pub text: String,
    /// What it is.
    pub kind: NoteKind,
    /// The question it answers.
    pub answers: Option<Uuid>,
    /// What its author said about how the order stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Health>,
}

/// What a person last said about how an order stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// How it stands.
    pub health: Health,
    /// Who said so.
    pub author: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The note it came with.
    pub note: Uuid,
}

impl Note {
    /// As an order carries it: the first 2 000 characters.
    #[must_use]
    pub fn cut(&self) -> Self {
        let mut note = self.clone();
        if let Some((end, _)) = note.text.char_indices().nth(LAST_NOTE_MAX) {
            note.text.truncate(end);
        }
        note
    }
}

/// Whom to tell, besides those whom rules tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Ids of users.
    pub users: Vec<String>,
    /// Ids of departments; their managers and members are told.
    pub departments: Vec<String>,
    /// Roles by name; every active user who has one is told.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl Notify {
    /// Whether anybody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.departments.is_empty() && self.roles.is_empty()
    }

    /// Finds what is wrong.
    pub fn check(&self, field: &str, violations: &mut Violations) {
        if self.users.len() + self.departments.len() + self.roles.len() > NOTIFY_MAX {
            violations.add(field, format!("at most {NOTIFY_MAX} users, departments and roles may be named"));
            return;
        }
        for (index, role) in self.roles.iter().enumerate() {
            if !ROLES.contains(&role.as_str()) {
                violations.add(&format!("{field}.roles[{index}]"), "is not a known role");
            }
        }
        for (kind, ids) in [("users", &self.users), ("departments", &self.departments)] {
            for (index, id) in ids.iter().enumerate() {
                violations.id(&format!("{field}.{kind}[{index}]"), id);
            }
        }
    }
}

/// A note to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddNote {
    /// 1 to 20 000 characters.
    pub text: String,
    /// What it is.
    pub kind: NoteKind,
    /// The question it answers.
    pub answers: Option<Uuid>,
    /// Whether that is a question of this order.
    pub answers_known: bool,
    /// Whom to tell.
    pub notify: Notify,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
    /// The order's etag as the caller saw it.
    pub etag: Option<String>,
    /// How the order stands in the author's judgement.
    pub assessment: Option<Health>,
}

impl AddNote {
    /// Finds all wrong fields.
    pub fn check(&self, violations: &mut Violations) {
        violations.text("text", &self.text, 1, NOTE_MAX);
        violations.id("on_behalf_of", &self.on_behalf_of);
        self.notify.check("notify", violations);
        if (self.kind == NoteKind::Answer) != self.answers.is_some() {
            violations.add("answers", "is required for an ANSWER, and refused for other kinds");
        }
    }
}

/// The id of the next note: after that of the note before it, whoever made that, so that notes are listed as they came.
pub fn next_id(order: &Order, cx: &mut Context<'_>) -> Uuid {
    cx.ids.next_after(cx.now, order.last_note.as_ref().map(|note| note.id))
}

/// Decides a note. Closed orders take notes too.
///
/// # Errors
/// In this order: `EtagMismatch`, `NotFound` (the question), `NotFound` and `Inactive` (on whose behalf), `TooManyQuestions`,
/// `NotFound` and `Inactive` (who is told).
pub fn add_note(order: &Order, request: &AddNote, cx: &mut Context<'_>) -> Result<Decision, Refusal> {
    super::advance::check_etag(order, request.etag.as_deref())?;
    if let Some(question) = request.answers.filter(|_| !request.answers_known) {
        return Err(Refusal::NotFound { kind: Kind::Note, id: question.to_string() });
    }
    let acted_for = super::advance::on_behalf_of(&request.on_behalf_of, cx)?;
    let mut order = order.clone();
    let author = if acted_for.is_empty() { cx.actor.to_owned() } else { acted_for.clone() };
    let note = Note {
        id: next_id(&order, cx),
        author,
        at: cx.now,
        text: request.text.clone(),
        kind: request.kind,
        answers: request.answers,
        assessment: request.assessment,
    };
    if note.kind == NoteKind::Question {
        if order.open_questions.len() >= OPEN_QUESTIONS_MAX {
            return Err(Refusal::TooManyQuestions { limit: OPEN_QUESTIONS_MAX });
        }
        order.open_questions.push(note.id);
    }
    if let Some(question) = note.answers {
        order.open_questions.retain(|open| *open != question);
    }
    if let Some(health) = note.assessment {
        order.assessment = Some(Assessment { health, author: note.author.clone(), at: note.at, note: note.id });
    }
    order.last_note = Some(note.cut());
    order.touch(cx.now);
    let messages = recipients::notified(&order, &request.notify, Topic::Note, cx, |facts| MessageFacts::NoteAdded {
        order: facts,
        note: (&note).into(),
    })?;
    let entry = order.record(
        HistoryKind::Noted,
        cx.now,
        cx.actor,
        &acted_for,
        HistoryDetail {
            note: Some(note.clone()),
            messages: messages.iter().map(super::alerts::message::Message::summary).collect(),
            ..HistoryDetail::default()
        },
    );
    Ok(Decision {
        effects: Effects { messages, note: Some(note.clone()), ..Effects::default() },
        notes: vec![note],
        history: vec![entry],
        ..Decision::of(order)
    })
}
