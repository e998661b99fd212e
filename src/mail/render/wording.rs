//! Which words a message is made of: a letter about one order or task, or a digest of several.

use crate::domain::alerts::{event::Occurrence, message::MessageFacts};

use super::{
    SUBJECT_CHARS_MAX,
    digest::{Digest, digest, overdue_digest},
    letter::{Letter, Telling, letter},
    task::task,
    text::cut,
};

/// A message in words; which template shows it follows from its shape.
#[derive(Debug)]
pub(super) enum Words {
    Letter(Box<Letter>),
    Digest(Box<Digest>),
}

/// Subject and words of a message.
pub(super) fn words(facts: &MessageFacts, plant_language: &str, link_pattern: Option<&str>) -> (String, Words) {
    let tell = |telling: Telling<'_>| {
        let (subject, letter) = letter(&telling, plant_language, link_pattern);
        (subject, Words::Letter(Box::new(letter)))
    };
    let nobody = ("", "", "");
    let (subject, words) = match facts {
        MessageFacts::Overdue(order) => {
            tell(Telling { order, occurrence: &Occurrence::StatusOverdue, with_it: None, trigger: nobody })
        }
        MessageFacts::OverdueDigest { orders, more } => {
            let (subject, digest) = overdue_digest(orders, *more, plant_language, link_pattern);
            (subject, Words::Digest(Box::new(digest)))
        }
        MessageFacts::Digest(facts) => {
            let (subject, digest) = digest(facts, plant_language, link_pattern);
            (subject, Words::Digest(Box::new(digest)))
        }
        MessageFacts::Advanced { order, from_status, by, note } => {
            let occurrence = Occurrence::StatusEntered { from: from_status.clone(), by: by.clone() };
            tell(Telling { order, occurrence: &occurrence, with_it: note.as_ref(), trigger: nobody })
        }
        MessageFacts::NoteAdded { order, note } => {
            let occurrence = Occurrence::NoteAdded { note: note.clone() };
            tell(Telling { order, occurrence: &occurrence, with_it: None, trigger: nobody })
        }
        MessageFacts::Task(facts) => {
            let (subject, letter) = task(facts, plant_language, link_pattern);
            (subject, Words::Letter(Box::new(letter)))
        }
        // A call is rendered elsewhere; as a mail it would read like this.
        MessageFacts::Happened(happened) | MessageFacts::Called(happened) => tell(Telling {
            order: &happened.order,
            occurrence: &happened.occurrence,
            with_it: None,
            trigger: (&happened.trigger_name, &happened.subject, &happened.text),
        }),
    };
    (cut(&subject, SUBJECT_CHARS_MAX), words)
}
