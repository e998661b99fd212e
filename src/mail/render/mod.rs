//! From facts to the bytes of a message.

mod clean;
mod digest;
mod letter;
mod phrases;
mod task;
mod text;
mod wording;

use std::sync::LazyLock;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, MultiPartKind, SinglePart};
use minijinja::Environment;
use serde::Serialize;

use crate::domain::alerts::message::MessageFacts;

use super::message::{Envelope, RenderError, Rendered};
use wording::Words;

/// Characters of a subject.
const SUBJECT_CHARS_MAX: usize = 150;

/// Characters of a display name in a header.
const DISPLAY_NAME_CHARS_MAX: usize = 100;

/// Characters of a Message-ID.
const MESSAGE_ID_CHARS_MAX: usize = 250;

/// 9999-12-31T23:59:59Z: a Date header has four digits for the year.
const DATE_MAX_S: i64 = 253_402_300_799;

/// A page between its head and its foot.
macro_rules! framed {
    ($page:literal) => {
        concat!(include_str!("../templates/head.html"), include_str!($page), include_str!("../templates/foot.html"))
    };
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    for (name, source) in [
        // Names that end in .html are escaped.
        ("letter.html", framed!("../templates/letter.html")),
        ("letter.txt", include_str!("../templates/letter.txt")),
        ("digest.html", framed!("../templates/digest.html")),
        ("digest.txt", include_str!("../templates/digest.txt")),
    ] {
        templates.add_template(name, source).expect("templates are part of the program and tested");
    }
    templates
});

/// Renders a message. The same input gives the same bytes.
///
/// # Errors
///
/// [`RenderError`] when sender or recipient is not an address.
pub fn render(facts: &MessageFacts, envelope: &Envelope) -> Result<Rendered, RenderError> {
    let from = sender(&envelope.from)?;
    let to = recipient(envelope)?;
    let Letter { subject, plain, html } = letter(facts, &envelope.language, envelope.link_pattern.as_deref());
    let bytes = assemble(envelope, from, to, &subject, &plain, &html);
    Ok(Rendered { subject, bytes })
}

/// What the reader of a message sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Subject line.
    pub subject: String,
    /// For readers of plain text.
    pub plain: String,
    /// For all others.
    pub html: String,
}

/// What a message says, in the language of its reader, else in that of the plant.
#[must_use]
pub fn letter(facts: &MessageFacts, plant_language: &str, link_pattern: Option<&str>) -> Letter {
    let (subject, words) = wording::words(facts, plant_language, link_pattern);
    let (plain, html) = match &words {
        Words::Letter(letter) => (fill("letter.txt", letter), fill("letter.html", letter)),
        Words::Digest(digest) => (fill("digest.txt", digest), fill("digest.html", digest)),
    };
    Letter { subject, plain, html }
}

fn assemble(envelope: &Envelope, from: Mailbox, to: Mailbox, subject: &str, plain: &str, html: &str) -> Vec<u8> {
    let mut builder = Message::builder()
        .from(from)
        .to(to)
        .subject(subject)
        .date(date(envelope.date))
        .message_id(Some(message_id(&envelope.message_id)));
    if !envelope.thread.trim().is_empty() {
        let thread = message_id(&envelope.thread);
        builder = builder.in_reply_to(thread.clone()).references(thread);
    }
    let body = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(format!("andon-{}", envelope.id.simple()))
        .singlepart(part(ContentType::TEXT_PLAIN, plain))
        .singlepart(part(ContentType::TEXT_HTML, html));
    builder
        // RFC 3834: made by a program, so that no program answers. Exchange looks at its own header only; that a message could not
        // be delivered is still reported.
        .raw_header(header("Auto-Submitted", "auto-generated".to_owned()))
        .raw_header(header("X-Auto-Response-Suppress", "DR, RN, NRN, OOF, AutoReply".to_owned()))
        .raw_header(header("X-Andon-Message", envelope.id.to_string()))
        .multipart(body)
        .expect("sender and recipient are set")
        .formatted()
}

fn fill(template: &str, words: &impl Serialize) -> String {
    TEMPLATES
        .get_template(template)
        .and_then(|template| template.render(minijinja::value::Serde(words)))
        .expect("templates use only what every message has, and are tested with each")
}

/// Whether messages are written in the language of this BCP 47 tag.
#[must_use]
pub fn speaks(tag: &str) -> bool {
    phrases::of_tag(tag).is_some()
}

/// A body part that survives every server: CRLF, short lines, ASCII.
fn part(content_type: ContentType, text: &str) -> SinglePart {
    let crlf = text.split('\n').map(|line| line.trim_end_matches('\r')).collect::<Vec<_>>().join("\r\n");
    let body = Body::new_with_encoding(crlf, ContentTransferEncoding::QuotedPrintable)
        .expect("quoted-printable encodes everything");
    SinglePart::builder().content_type(content_type).body(body)
}

fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

fn sender(from: &str) -> Result<Mailbox, RenderError> {
    let wrong = || RenderError::Sender(from.to_owned());
    let mailbox: Mailbox = text::line(from, usize::MAX).parse().map_err(|_| wrong())?;
    Ok(Mailbox::new(mailbox.name.and_then(|name| display_name(&name)), mailbox.email))
}

fn recipient(envelope: &Envelope) -> Result<Mailbox, RenderError> {
    let address = envelope.to_address.parse().map_err(|_| RenderError::Recipient(envelope.to_address.clone()))?;
    Ok(Mailbox::new(display_name(&envelope.to_name), address))
}

fn display_name(name: &str) -> Option<String> {
    Some(text::line(name, DISPLAY_NAME_CHARS_MAX)).filter(|name| !name.is_empty())
}

/// In angle brackets, with nothing in it that ends a header.
fn message_id(id: &str) -> String {
    let inner = id.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>'));
    format!("<{}>", inner.take(MESSAGE_ID_CHARS_MAX).collect::<String>())
}

fn date(at: DateTime<Utc>) -> SystemTime {
    let seconds = u64::try_from(at.timestamp().clamp(0, DATE_MAX_S)).expect("not negative");
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests;
