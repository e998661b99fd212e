//! Mail: what a message looks like and how it reaches a mail server.
//!
//! `render` makes bytes from facts; a [`Mailer`] gives lanes, and a lane hands one message after the other over.
//! Nothing here knows the database: what an outcome means for a stored message is decided by the caller.

pub mod folder;
pub mod message;
pub mod render;
pub mod smtp;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

pub use folder::FolderMailer;
pub use message::{Envelope, RenderError, Rendered, bare_address, thread_of};
pub use render::{Letter, letter, render, speaks};
pub use smtp::{Credentials, Deadlines, SmtpConfig, SmtpConfigError, SmtpMailer, TlsMode};

/// One message on its way to one recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Envelope sender: where bounces go.
    pub from: String,
    /// Envelope recipient.
    pub to: String,
    /// Headers and body, as rendered.
    pub message: Vec<u8>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("message_bytes", &self.message.len())
            .finish()
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The server took the message over.
    Sent {
        /// What it said.
        reply: String,
    },
    /// The server refused this message now (4xx): worth another attempt later.
    RefusedForNow {
        /// What it said.
        reply: String,
    },
    /// The server refused this message for good (5xx): another attempt would be refused as well.
    RefusedForGood {
        /// What it said, or why the message was not even offered.
        reply: String,
    },
    /// The conversation broke before the end of the message was written: the server cannot have taken it over.
    NotSent {
        /// What broke.
        reason: String,
    },
    /// The end of the message was written, at least in part, and no complete reply was seen: the server may have it.
    Uncertain {
        /// What broke.
        reason: String,
    },
    /// No conversation could be opened (unreachable, TLS, authentication): the fault is not this message's.
    TransportDown {
        /// What is wrong.
        reason: String,
    },
}

/// An attempt under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Delivery> + Send + 'a>>;

/// Closing under way.
pub type Closing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Asking under way: what was found, or what is wrong.
pub type Probing<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

/// A way out for messages.
pub trait Mailer: Send + Sync {
    /// A new lane; it connects when the first message is sent.
    fn lane(&self) -> Box<dyn MailLane>;

    /// The longest that one [`MailLane::send`] can take: after it, an attempt that was begun is surely over.
    fn total_deadline(&self) -> Duration;

    /// Whether messages could leave, without sending one: opens a conversation up to the login, and closes it.
    fn probe(&self) -> Probing<'_>;
}

/// Sends one message after the other, over one connection as long as that is beyond doubt.
pub trait MailLane: Send {
    /// Makes one attempt, within [`Mailer::total_deadline`]. Dropping it half-way loses the connection, never its order.
    fn send<'a>(&'a mut self, outgoing: &'a Outgoing) -> Sending<'a>;

    /// Says goodbye to the server, if connected. The lane stays usable: the next message opens a new connection.
    fn close(&mut self) -> Closing<'_>;
}
