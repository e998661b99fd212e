//! `andon orders notes`: the running record of an order, answers beneath their question.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{PAGES_MAX, Which};
use crate::{
    cli::{
        answer::Answer,
        caller::Caller,
        failure::Failure,
        json,
        sheet::{Tone, toned},
        words,
    },
    grpc::proto::v1::{ListNotesRequest, Note, NoteKind, OrderRef},
};

/// Which order, and which notes.
#[derive(Args)]
pub struct Notes {
    #[command(flatten)]
    which: Which,
    /// Only questions that nobody has answered
    #[arg(long)]
    open: bool,
}

/// Lists notes.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn run(caller: &Caller, notes: &Notes) -> Result<Answer, Failure> {
    let found = list(caller, &notes.which.to_ref(), notes.open).await?;
    if caller.json {
        return Ok(Answer::json(&json!({ "notes": json::list("Note", &found) })));
    }
    if found.is_empty() {
        return Ok(Answer::text(if notes.open { "No open questions." } else { "No notes." }));
    }
    Ok(Answer::text(told(&found, caller.colour)))
}

/// The notes of an order, oldest first.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn list(caller: &Caller, order: &OrderRef, open_questions: bool) -> Result<Vec<Note>, Failure> {
    let mut client = caller.orders().await?;
    let mut request =
        ListNotesRequest { order: Some(order.clone()), open_questions, page_size: 500, page_token: String::new() };
    let mut notes = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.list_notes(request.clone()).await?.into_inner();
        notes.extend(page.notes);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(notes)
}

/// The notes; an answer stands indented beneath its question, or in its place when the question is not among them.
pub fn told(notes: &[Note], colour: bool) -> String {
    let asked = |note: &Note| !note.answers.is_empty() && notes.iter().any(|it| it.id == note.answers);
    let mut text = String::new();
    for note in notes.iter().filter(|note| !asked(note)) {
        let tone = if note.open { Tone::Alarm } else { Tone::Plain };
        let _ = writeln!(text, "{}", toned(&words::note(note), tone, colour));
        if note.open && note.kind() == NoteKind::Question {
            let _ =
                writeln!(text, "{}", toned(&format!("    answer it with --answers {}", note.id), Tone::Faint, colour));
        }
        let answers = notes.iter().filter(|it| !note.id.is_empty() && it.answers == note.id);
        for answer in answers {
            let _ = writeln!(text, "    {}", words::note(answer).replace('\n', "\n    "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(id: &str, kind: NoteKind, text: &str) -> Note {
        Note { id: id.into(), author: "anna".into(), kind: kind.into(), text: text.into(), ..Note::default() }
    }

    #[test]
    fn answers_stand_beneath_their_question() {
        let answer = Note { answers: "1".into(), ..note("3", NoteKind::Answer, "drawing A\nrevision 2") };
        let notes = [note("1", NoteKind::Question, "which?"), note("2", NoteKind::Note, "cut"), answer];
        assert_eq!(
            told(&notes, false),
            "  anna: [question] which?\n      anna: [answer] drawing A\n        revision 2\n  anna: cut\n"
        );
    }

    #[test]
    fn an_open_question_tells_how_to_answer_it() {
        let open = Note { open: true, ..note("1", NoteKind::Question, "which?") };
        let text = told(&[open], false);
        assert_eq!(text, "  anna: [open question] which?\n    answer it with --answers 1\n");
    }

    #[test]
    fn an_answer_without_its_question_is_not_lost() {
        let answer = Note { answers: "0".into(), ..note("3", NoteKind::Answer, "yes") };
        assert!(told(&[answer], false).contains("[answer] yes"));
    }
}
