//! What andond is told from outside: documented defaults, then a TOML file, then the environment.
//!
//! The defaults are `systemd/andon.toml` itself, so that what is documented is what is in force.

mod layers;
mod read;
mod secret;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, net::SocketAddr, path::Path, path::PathBuf, time::Duration};

pub use self::{
    layers::{ConfigViolation, DEFAULTS},
    secret::Secret,
};

use self::layers::Layers;

/// The whole configuration, checked; secrets have been read from their files.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to reach PostgreSQL.
    pub database: DatabaseConfig,
    /// Where calls are taken.
    pub listen: ListenConfig,
    /// How messages leave.
    pub mail: MailConfig,
    /// How programs are called.
    pub webhooks: WebhooksConfig,
    /// Alarms and who hears of them.
    pub alerts: AlertsConfig,
    /// What a caller may ask for.
    pub limits: LimitsConfig,
    /// How single calls share transactions.
    pub gather: GatherConfig,
    /// A file that sets the time (rehearsals and tests); `None`: the database's time.
    pub clock_file: Option<PathBuf>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// The longest that running work may take once the daemon was told to stop.
    pub drain_limit: Duration,
}

/// How to reach PostgreSQL.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `postgres://...`, perhaps with a password.
    pub url: Secret,
    /// Connections for calls and alarms.
    pub pool_max: u32,
    /// Connections for the delivery of mail.
    pub delivery_pool_max: u32,
    /// The longest wait for a free connection.
    pub acquire_timeout: Duration,
    /// The longest a statement may run.
    pub statement_timeout: Duration,
    /// The longest a statement may wait for a lock; shorter than `statement_timeout`.
    pub lock_timeout: Duration,
    /// Whether the schema is brought up to date at the start.
    pub migrate_at_start: bool,
}

/// Where calls are taken.
#[derive(Clone, Debug)]
pub struct ListenConfig {
    /// Address and port; port 0 means any free one.
    pub address: SocketAddr,
    /// Certificate and key; always there unless `address` is a loopback one.
    pub tls: Option<ListenTls>,
}

/// The server's own certificate.
#[derive(Clone, Debug)]
pub struct ListenTls {
    /// Chain of certificates, PEM, the server's own first.
    pub certificate_file: PathBuf,
    /// Private key, PEM.
    pub key_file: PathBuf,
}

/// How messages leave.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Through a relay, or into a folder.
    pub transport: MailTransport,
    /// The sender, an address with or without a name.
    pub from: String,
    /// The right-hand side of every Message-ID.
    pub message_id_domain: String,
    /// A link that holds `{number}`.
    pub link_pattern: Option<String>,
    /// BCP 47 tag of the language for who has none.
    pub language: String,
    /// Messages under way at the same time.
    pub connections: u32,
    /// The wait before the second try.
    pub retry_first: Duration,
    /// The longest wait between two tries; at least `retry_first`.
    pub retry_max: Duration,
    /// The age at which a message is given up.
    pub give_up_after: Duration,
    /// How long a message belongs to who took it; longer than an attempt can take.
    pub claim_lease: Duration,
    /// The longest each step with the relay may take.
    pub deadlines: MailDeadlines,
}

/// Through a relay, or into a folder.
#[derive(Clone, Debug)]
pub enum MailTransport {
    /// A mail relay that speaks SMTP.
    Smtp(SmtpConfig),
    /// Each message becomes a file in this folder.
    Folder(PathBuf),
}

/// A mail relay.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Name or address.
    pub host: String,
    /// TCP port, 1 to 65535.
    pub port: u16,
    /// Whether and when TLS begins.
    pub tls: MailTls,
    /// Name and password for the relay.
    pub login: Option<(String, Secret)>,
    /// Authorities that may sign the relay's certificate, PEM; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// The name for EHLO; `None`: the name of the machine.
    pub helo_name: Option<String>,
    /// Messages over one connection.
    pub connection_messages_max: u32,
    /// How long an unused connection is trusted.
    pub idle_max: Duration,
}

/// Whether and when TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// Never.
    None,
    /// After STARTTLS, which the relay must offer.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// The longest each step with the relay may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailDeadlines {
    /// Name lookup and connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// The relay's first line.
    pub greeting: Duration,
    /// Everything from the connection to the login together.
    pub opening: Duration,
    /// One command until its reply.
    pub command: Duration,
    /// DATA until its reply.
    pub data: Duration,
    /// Writing the message.
    pub body: Duration,
    /// The final dot until its reply.
    pub reply: Duration,
    /// QUIT until its reply.
    pub quit: Duration,
}

impl MailDeadlines {
    /// The longest that one attempt can take.
    #[must_use]
    pub fn attempt(&self) -> Duration {
        self.opening + 2 * self.command + self.data + self.body + self.reply
    }
}

/// How programs are called.
#[derive(Clone, Debug)]
pub struct WebhooksConfig {
    /// Hosts and addresses that may be called, as `AllowList` reads them; none: webhooks are off.
    pub allow: Vec<String>,
    /// Whether `http://` may be called as well.
    pub allow_http: bool,
    /// Authorities that may sign certificates besides those of the system, PEM.
    pub ca_file: Option<PathBuf>,
    /// Calls of one webhook at the same time.
    pub lanes: u32,
    /// How long a secret that was replaced signs as well.
    pub secret_overlap: Duration,
    /// The wait before the second try.
    pub retry_first: Duration,
    /// The longest wait between two tries; at least `retry_first`.
    pub retry_max: Duration,
    /// The age at which a message is given up.
    pub give_up_after: Duration,
    /// How long a message belongs to who took it; longer than a call can take.
    pub claim_lease: Duration,
    /// The longest each step of a call may take.
    pub deadlines: WebhookDeadlines,
}

/// The longest each step of a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookDeadlines {
    /// Looking the name up.
    pub resolve: Duration,
    /// The connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// Writing the request until the head of the reply.
    pub reply: Duration,
    /// Reading the body of the reply.
    pub body: Duration,
    /// All of it together.
    pub whole: Duration,
}

/// Alarms and who hears of them.
#[derive(Clone, Debug)]
pub struct AlertsConfig {
    /// Who gets an alert that nobody else is left for.
    pub fallback_address: String,
    /// Orders that one round of the sweep takes.
    pub sweep_batch: u32,
    /// The time between two looks for due alarms, a whole number of seconds.
    pub tick: Duration,
    /// What is found or leaves later than this was out: the first round after it is one digest per person.
    pub outage_after: Duration,
    /// Messages for one person within `storm_window`; more are told in a digest.
    pub storm_messages: u32,
    /// See `storm_messages`; whole minutes.
    pub storm_window: Duration,
}

/// What a caller may ask for.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Calls at the same time.
    pub concurrent_calls: u32,
    /// The longest a call may take.
    pub request_timeout: Duration,
}

/// How single calls share transactions.
#[derive(Clone, Debug)]
pub struct GatherConfig {
    /// Calls in one transaction.
    pub batch_max: u32,
    /// Transactions at the same time.
    pub lanes: u32,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// Levels and `target=level`.
    pub filter: Vec<String>,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// As text; for journald with the level as it wants it, and without the time that it adds itself.
    Auto,
    /// As text with its time.
    Text,
    /// As one JSON object.
    Json,
}

impl Config {
    /// Lays the file at `path` and the variables of `env` over the defaults, and reads the secrets.
    ///
    /// # Errors
    /// Everything that is wrong, at once: unknown keys, wrong types, values out of range, combinations that cannot work,
    /// secrets that cannot be read. A file that cannot be read or is not TOML is the only violation then.
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<ConfigViolation>> {
        let layers = Layers::read(path, env.into_iter().collect::<HashMap<_, _>>()).map_err(|fault| vec![fault])?;
        let config = read::read(&layers);
        let violations = layers.into_violations();
        if violations.is_empty() { Ok(config) } else { Err(violations) }
    }
}
