//! `andon orders note`: adds to the running record of an order.

use std::io::Read as _;

use clap::{Args, ValueEnum};

use super::{Tell, by_number, preview_mark};
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        failure::Failure,
        json, words,
    },
    grpc::proto::v1::{AddNoteRequest, Health, NoteKind},
};

const TEXT_BYTES_MAX: u64 = 1 << 20;

/// The note.
#[derive(Args)]
pub struct AddNote {
    /// Number of the order
    number: String,
    /// The text; `-` reads it from standard input
    text: String,
    /// It asks something; open until a note answers it
    #[arg(long, conflicts_with_all = ["decision", "answers"])]
    question: bool,
    /// It tells what was decided
    #[arg(long, conflicts_with = "answers")]
    decision: bool,
    /// It answers the question with this id
    #[arg(long, value_name = "NOTE", default_value = "", hide_default_value = true)]
    answers: String,
    /// How the order stands in your judgement; shown beside what is computed
    #[arg(long, value_enum)]
    assessment: Option<Judgement>,
    #[command(flatten)]
    tell: Tell,
    /// Only if this is still the version of the order
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// How an order stands, as a person says.
#[derive(Clone, Copy, ValueEnum)]
enum Judgement {
    /// Finishes before its target
    Ahead,
    /// Finishes in time
    OnTarget,
    /// Finishes after its target
    Late,
}

impl Judgement {
    fn to_message(self) -> Health {
        match self {
            Self::Ahead => Health::Ahead,
            Self::OnTarget => Health::OnTarget,
            Self::Late => Health::Late,
        }
    }
}

/// Adds a note.
///
/// # Errors
/// The refusals of `AddNote`.
pub async fn run(caller: &Caller, note: AddNote) -> Result<Answer, Failure> {
    let kind = match (note.question, note.decision, note.answers.is_empty()) {
        (true, ..) => NoteKind::Question,
        (_, true, _) => NoteKind::Decision,
        (_, _, false) => NoteKind::Answer,
        _ => NoteKind::Note,
    };
    let request_id = note.write.request_id();
    let preview = note.write.preview;
    let request = AddNoteRequest {
        order: Some(by_number(&note.number)),
        text: if note.text == "-" { standard_input()? } else { note.text },
        kind: kind.into(),
        answers: note.answers,
        notify: note.tell.into_notify(),
        on_behalf_of: note.on_behalf_of,
        etag: note.etag,
        request_id: request_id.clone(),
        validate_only: preview,
        assessment: note.assessment.map_or(0, |judgement| judgement.to_message().into()),
    };
    let mut client = caller.orders().await?;
    let answer = client.add_note(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("AddNoteResponse", &answer)));
    }
    let written = answer.note.unwrap_or_default();
    let effects = words::effects(&answer.effects.unwrap_or_default());
    let id = if written.id.is_empty() { String::new() } else { format!("  id {}\n", words::clean(&written.id)) };
    Ok(Answer::text(format!("{}{}\n{id}{effects}", preview_mark(preview), words::note(&written))))
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    let input = std::io::stdin().lock();
    input.take(TEXT_BYTES_MAX).read_to_string(&mut text).map_err(|error| Failure::file("standard input", &error))?;
    Ok(text.trim_end().to_owned())
}
