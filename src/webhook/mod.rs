//! Webhooks: how a program is told by HTTP, after Standard Webhooks.
//!
//! `body` makes bytes from facts; a [`Caller`] makes one POST. Nothing here knows the database: what an outcome means for a
//! stored message is decided by who calls.
//!
//! ```text
//! URL allowed, name resolved, addresses allowed, connect, [TLS]       any fault: Down
//! request                                                            a fault before its first byte is written: NotSent
//! head of the reply                                                  2xx: Sent; 408, 425, 429, 5xx: RefusedForNow;
//!                                                                    any other: RefusedForGood; none, or garbage: Uncertain
//! body of the reply                                                  for the record only: cut off at its limits
//! ```
//!
//! A connection serves one call, and leads to the very address that was checked. Redirects are not followed: they would lead
//! past the check.

mod body;
mod connection;
mod exchange;
mod signature;

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

pub use body::{Rendered, render, render_test};
pub use signature::sign;

use crate::domain::alerts::{
    destination::{AllowList, Destination},
    webhook::SigningSecret,
};

/// Characters of a reply that are kept.
pub const REPLY_CHARS_MAX: usize = 500;

/// The longest each step may take, as a whole: a destination that sends a byte a second gains nothing by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Looking the name up.
    pub resolve: Duration,
    /// The TCP connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// Writing the request until the head of the reply.
    pub reply: Duration,
    /// Reading the body of the reply, for the record only.
    pub body: Duration,
    /// All of it together.
    pub whole: Duration,
}

/// How destinations are called.
#[derive(Debug, Clone)]
pub struct CallerConfig {
    /// What may be called.
    pub allow: AllowList,
    /// Deadlines of the steps.
    pub deadlines: Deadlines,
    /// Certificates (PEM) that are trusted besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallerConfigError {
    /// The file is no PEM, or holds no certificate.
    #[error("the certificates cannot be used: {0}")]
    Certificates(String),
}

/// One call.
pub struct Call<'a> {
    /// Where to.
    pub url: &'a str,
    /// The same for every attempt: receivers know a repetition by it.
    pub id: String,
    /// Of this attempt, in seconds since 1970.
    pub timestamp: i64,
    /// What a call that follows from this one names.
    pub cause: String,
    /// The bytes that are signed.
    pub body: &'a [u8],
    /// Each signs; the current one first.
    pub secrets: &'a [SigningSecret],
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// When a destination asks to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So much later.
    Pause(Duration),
    /// Then.
    At(DateTime<Utc>),
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// Taken: 2xx.
    Sent {
        /// Status and the beginning of the body.
        reply: String,
    },
    /// Refused now: worth another attempt later.
    RefusedForNow {
        /// As above.
        reply: String,
        /// `Retry-After`.
        after: Option<RetryAfter>,
        /// The destination has too much to do, or is out of order: others would be refused as well.
        overloaded: bool,
    },
    /// Refused for good: another attempt would be refused as well.
    RefusedForGood {
        /// As above.
        reply: String,
    },
    /// Nothing of the request was written.
    NotSent {
        /// What broke.
        reason: String,
    },
    /// The request was written, at least in part, and no reply was understood: the destination may have it.
    Uncertain {
        /// What broke.
        reason: String,
    },
    /// No connection could be made, or none is allowed: the fault is not this message's.
    Down {
        /// What is wrong.
        reason: String,
    },
}

/// Makes calls.
#[derive(Clone)]
pub struct Caller {
    config: Arc<CallerConfig>,
    tls: TlsConnector,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("deadlines", &self.config.deadlines).finish_non_exhaustive()
    }
}

impl Caller {
    /// Prepares TLS; does not connect yet.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub fn new(config: CallerConfig) -> Result<Self, CallerConfigError> {
        let wrong = |why: String| CallerConfigError::Certificates(why);
        let mut roots = RootCertStore::empty();
        // A system without certificates trusts no destination, which then is down; with `http` alone it needs none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(pem) = &config.extra_ca_pem {
            let certificates = CertificateDer::pem_slice_iter(pem)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| wrong(error.to_string()))?;
            if certificates.is_empty() {
                return Err(wrong("no certificate in it".to_owned()));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
        }
        Ok(Self { config: Arc::new(config), tls: connector(roots) })
    }

    /// What may be called.
    #[must_use]
    pub fn allow(&self) -> &AllowList {
        &self.config.allow
    }

    /// Makes one call, within `Deadlines::whole`.
    pub async fn call(&self, call: &Call<'_>) -> Called {
        let end = Instant::now() + self.config.deadlines.whole;
        let down = |reason: String| Called::Down { reason };
        let to = match Destination::parse(call.url) {
            Ok(to) => to,
            Err(why) => return down(format!("the URL {why}")),
        };
        if let Err(why) = self.config.allow.check(&to) {
            return down(format!("the URL {why}"));
        }
        match connection::open(&to, &self.config, &self.tls, end).await {
            Ok(stream) => exchange::exchange(stream, &to, call, &self.config.deadlines, end).await,
            Err(reason) => down(reason),
        }
    }
}

fn connector(roots: RootCertStore) -> TlsConnector {
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(client))
}

/// A new secret, from the system's randomness.
///
/// # Errors
/// When the system has none to give.
pub fn new_secret() -> Result<SigningSecret, &'static str> {
    const NONE: &str = "no randomness can be had";
    let mut key = [0; 32];
    ring::default_provider().secure_random.fill(&mut key).map_err(|_| NONE)?;
    SigningSecret::of(&key).ok_or(NONE)
}

/// A step before `end` that may take so long; what it gives, or what to say.
async fn step<T, E: fmt::Display>(
    name: &str,
    allowed: Duration,
    end: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    let until = end.min(Instant::now() + allowed);
    match timeout_at(until, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{name}: {error}")),
        Err(_) => Err(format!("{name}: not within {} ms", allowed.as_millis())),
    }
}
