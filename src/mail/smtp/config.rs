//! How the mail server is reached.

use std::fmt;
use std::time::Duration;

/// Port for a relay inside the house.
pub const PORT_DEFAULT: u16 = 25;

/// How the conversation is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// Not at all: for a relay on the same machine or network.
    None,
    /// STARTTLS, required: a server that does not offer it is not used.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// Name and password for AUTH; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the account.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// The longest each step may take, as a whole: a server that sends a byte a second gains nothing by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Name lookup and TCP connection; 3 s.
    pub connect: Duration,
    /// TLS handshake; 3 s.
    pub tls: Duration,
    /// From the connection to the server's greeting; 5 s (some servers make callers wait to shake off spammers).
    pub greeting: Duration,
    /// All of connection, greeting, EHLO, STARTTLS, TLS, AUTH together, whatever the single steps may take; 8 s.
    pub opening: Duration,
    /// A command until its reply: EHLO, STARTTLS, each round of AUTH, RSET, MAIL, RCPT; 2 s.
    pub command: Duration,
    /// DATA until its reply; 2 s.
    pub data: Duration,
    /// Writing the body; 3 s.
    pub body: Duration,
    /// Writing the final dot until its reply; 8 s, the longest, since what is missed here is uncertain.
    pub reply: Duration,
    /// QUIT until its reply; 300 ms, for politeness only.
    pub quit: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(3),
            greeting: Duration::from_secs(5),
            opening: Duration::from_secs(8),
            command: Duration::from_secs(2),
            data: Duration::from_secs(2),
            body: Duration::from_secs(3),
            reply: Duration::from_secs(8),
            quit: Duration::from_millis(300),
        }
    }
}

impl Deadlines {
    /// The longest that one message can take: opening, MAIL, RCPT, DATA, body, dot. 25 s with the defaults.
    ///
    /// Everything before the last MAIL (goodbye to an old connection, RSET, a first MAIL on a connection that turns
    /// out to be dead) is counted into `opening`.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.opening + 2 * self.command + self.data + self.body + self.reply
    }
}

/// How the mail server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpConfig {
    /// Name or address of the server; the name must be in its certificate.
    pub host: String,
    /// Port: usually 25 inside the house, 587 with STARTTLS, 465 with implicit TLS.
    pub port: u16,
    /// Protection.
    pub tls: TlsMode,
    /// Sent after TLS is up; `None` for a relay that knows its clients by their address.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) that are trusted besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// How the daemon names itself in EHLO; a host name, or an address in brackets.
    pub helo_name: String,
    /// Deadlines of the steps.
    pub deadlines: Deadlines,
    /// Messages over one connection; 100.
    pub connection_messages_max: u32,
    /// How long an unused connection is trusted; 5 s.
    pub idle_max: Duration,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: PORT_DEFAULT,
            tls: TlsMode::default(),
            credentials: None,
            extra_ca_pem: None,
            helo_name: "[127.0.0.1]".to_owned(),
            deadlines: Deadlines::default(),
            connection_messages_max: 100,
            idle_max: Duration::from_secs(5),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmtpConfigError {
    /// The host is neither a name nor an address.
    #[error("the mail server's host is neither a name nor an address: {0:?}")]
    Host(String),
    /// The name for EHLO is empty or has characters that do not belong there.
    #[error("the name for EHLO is not a host name: {0:?}")]
    HeloName(String),
    /// The extra certificates cannot be read.
    #[error("the extra CA certificates cannot be used: {0}")]
    Certificates(String),
    /// TLS is wanted, and there is no certificate to trust.
    #[error("neither the system nor the configuration has a CA certificate to trust")]
    NothingTrusted,
}
