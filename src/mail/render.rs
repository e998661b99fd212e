//! From facts to the bytes of a message.

use crate::domain::alerts::message::MessageFacts;

use super::message::{Envelope, RenderError, Rendered};

/// Renders a message. The same input gives the same bytes.
///
/// # Errors
///
/// [`RenderError`] when sender or recipient is not an address.
pub fn render(facts: &MessageFacts, envelope: &Envelope) -> Result<Rendered, RenderError> {
    let _ = facts;
    Err(RenderError::Sender(envelope.from.clone()))
}
