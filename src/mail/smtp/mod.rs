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
mod session;
mod transaction;
mod wire;

pub use config::{Credentials, Deadlines, SmtpConfig, SmtpConfigError, TlsMode};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Closing, Delivery, MailLane, Mailer, Outgoing, Probing, Sending};
use session::{Session, Tls};
use transaction::Ended;
use wire::{Fault, Until};

/// Sends through one SMTP server.
#[derive(Clone)]
pub struct SmtpMailer {
    config: Arc<SmtpConfig>,
    tls: Option<Tls>,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("config", &self.config).finish_non_exhaustive()
    }
}

impl SmtpMailer {
    /// Prepares TLS; does not connect yet.
    ///
    /// # Errors
    ///
    /// [`SmtpConfigError`] when the host's name, the name for EHLO or the certificates cannot be used.
    pub fn new(config: SmtpConfig) -> Result<Self, SmtpConfigError> {
        let is_word = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic());
        if !is_word(&config.host) {
            return Err(SmtpConfigError::Host(config.host));
        }
        if !is_word(&config.helo_name) {
            return Err(SmtpConfigError::HeloName(config.helo_name));
        }
        let tls = session::prepare_tls(&config)?;
        Ok(Self { config: Arc::new(config), tls })
    }
}

impl Mailer for SmtpMailer {
    fn lane(&self) -> Box<dyn MailLane> {
        Box::new(SmtpLane { config: Arc::clone(&self.config), tls: self.tls.clone(), session: None })
    }

    fn total_deadline(&self) -> Duration {
        self.config.deadlines.total()
    }

    fn probe(&self) -> Probing<'_> {
        Box::pin(async move {
            let end = Until::after(self.config.deadlines.opening);
            let session = session::open(&self.config, self.tls.as_ref(), end).await?;
            goodbye(session, Until::after(self.config.deadlines.quit)).await;
            let login = if self.config.credentials.is_some() { "the login is accepted" } else { "no login" };
            Ok(format!("ready, TLS {:?}, {login}", self.config.tls))
        })
    }
}

struct SmtpLane {
    config: Arc<SmtpConfig>,
    tls: Option<Tls>,
    /// Taken out while a message is on its way, and put back only when it is beyond doubt.
    session: Option<Session>,
}

impl MailLane for SmtpLane {
    fn send<'a>(&'a mut self, outgoing: &'a Outgoing) -> Sending<'a> {
        Box::pin(self.attempt(outgoing))
    }

    fn close(&mut self) -> Closing<'_> {
        Box::pin(async move {
            if let Some(session) = self.session.take() {
                goodbye(session, Until::after(self.config.deadlines.quit)).await;
            }
        })
    }
}

impl SmtpLane {
    async fn attempt(&mut self, outgoing: &Outgoing) -> Delivery {
        if let Some(reply) = transaction::envelope_fault(outgoing) {
            return Delivery::RefusedForGood { reply };
        }
        let limits = self.config.deadlines;
        let opening_end = Until::after(limits.opening);
        let (mut session, mail_reply) = match self.begun_on_the_old(outgoing, opening_end).await {
            Some(begun) => begun,
            None => match session::open(&self.config, self.tls.as_ref(), opening_end).await {
                Err(reason) => return Delivery::TransportDown { reason },
                Ok(session) if transaction::needs_utf8(outgoing) && !session.extensions.utf8 => {
                    self.session = Some(session);
                    return utf8_refusal();
                }
                Ok(mut session) => {
                    let reply = transaction::mail(&mut session, outgoing, Until::after(limits.command)).await;
                    (session, reply)
                }
            },
        };
        let Ended { delivery, is_clean } = transaction::go_on(&mut session, outgoing, mail_reply, &limits).await;
        if is_clean {
            self.session = Some(session);
        }
        delivery
    }

    /// Begins on the connection of the last message. `None` when there is none, or none that is fit: nothing of this
    /// message has reached a server then, and a new connection may be opened.
    async fn begun_on_the_old(
        &mut self,
        outgoing: &Outgoing,
        opening_end: Until,
    ) -> Option<(Session, Result<wire::Reply, Fault>)> {
        let limits = self.config.deadlines;
        let mut session = self.session.take()?;
        if session.messages >= self.config.connection_messages_max
            || session.clean_at.elapsed() > self.config.idle_max
            || (transaction::needs_utf8(outgoing) && !session.extensions.utf8)
        {
            goodbye(session, opening_end.and_after(limits.quit)).await;
            return None;
        }
        if session.needs_reset {
            let until = opening_end.and_after(limits.command);
            match wire::step("RSET", until, session.wire.command("RSET")).await {
                Ok(reply) if reply.is_yes() => session.needs_reset = false,
                Ok(_) | Err(_) => return None,
            }
        }
        match transaction::mail(&mut session, outgoing, opening_end.and_after(limits.command)).await {
            // Servers hang up on idle callers, with 421 or without a word; that is not about this message.
            Err(Fault::Broken { .. }) => None,
            Ok(reply) if reply.code == transaction::CLOSING => None,
            reply => Some((session, reply)),
        }
    }
}

fn utf8_refusal() -> Delivery {
    Delivery::RefusedForGood {
        reply: "not offered: the address is not ASCII, and the server does not know SMTPUTF8".to_owned(),
    }
}

/// QUIT, for politeness; nothing depends on the answer.
async fn goodbye(mut session: Session, until: Until) {
    drop(wire::step("QUIT", until, session.wire.command("QUIT")).await);
}
