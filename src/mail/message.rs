//! The envelope of a message: who, when and in which thread, apart from what it tells.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::alerts::message::MessageFacts;

/// Everything a rendered message needs besides the facts; stored with them, so that rendering is repeatable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Id of the message; it makes the MIME boundary and the `X-Andon-Message` header.
    pub id: Uuid,
    /// Sender: an address, or `Name <address>`.
    pub from: String,
    /// Display name of the recipient; may be empty.
    pub to_name: String,
    /// Address of the recipient.
    pub to_address: String,
    /// Message-ID, with or without angle brackets.
    pub message_id: String,
    /// Date header; shown in UTC.
    pub date: DateTime<Utc>,
    /// Message-ID that all messages of one thread refer to, with or without angle brackets; empty for none. See [`thread_of`].
    pub thread: String,
    /// Address of an order's page, with `{number}` or `{id}` in it.
    pub link_pattern: Option<String>,
    /// BCP 47 tag of the plant's language: for who has none, or one that nobody wrote phrases for.
    pub language: String,
}

/// The thread of a message: one per order, one per task that has no order, and for digests, which are about many, one per mailbox.
#[must_use]
pub fn thread_of(facts: &MessageFacts, order_id: Option<Uuid>, address: &str, domain: &str) -> String {
    match facts {
        MessageFacts::Digest(_) | MessageFacts::OverdueDigest { .. } => {
            let mailbox = Sha256::digest(address.to_lowercase());
            let short = mailbox.iter().take(8).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            format!("digest-{short}@{domain}")
        }
        MessageFacts::Task(task) if order_id.is_none() => format!("task-{}@{domain}", task.task_id),
        MessageFacts::Task(_)
        | MessageFacts::Overdue(_)
        | MessageFacts::Advanced { .. }
        | MessageFacts::NoteAdded { .. }
        | MessageFacts::Happened(_)
        | MessageFacts::Called(_) => order_id.map_or_else(String::new, |order_id| format!("order-{order_id}@{domain}")),
    }
}

/// A message ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Subject, decoded.
    pub subject: String,
    /// Headers and body with CRLF line ends, ASCII only.
    pub bytes: Vec<u8>,
}

/// Why a message cannot be rendered: never because of its texts, only because of an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The configured sender is not an address.
    #[error("the sender is not an e-mail address: {0:?}")]
    Sender(String),
    /// The recipient is not an address.
    #[error("the recipient is not an e-mail address: {0:?}")]
    Recipient(String),
}

/// The id in the `X-Andon-Message` header; `None` when there is no such header or it is no UUID.
#[must_use]
pub fn message_id_of(message: &[u8]) -> Option<Uuid> {
    const NAME: &[u8] = b"x-andon-message:";
    message
        .split(|byte| *byte == b'\n')
        .take_while(|line| !matches!(line, [] | [b'\r']))
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok())
        .and_then(|value| Uuid::parse_str(value.trim()).ok())
}

/// The bare address in a configured sender such as `andon <andon@example.com>`, as the SMTP envelope needs it.
///
/// # Errors
///
/// [`RenderError::Sender`] when there is none.
pub fn bare_address(from: &str) -> Result<String, RenderError> {
    let mailbox: lettre::message::Mailbox = from.parse().map_err(|_| RenderError::Sender(from.to_owned()))?;
    Ok(mailbox.email.to_string())
}
