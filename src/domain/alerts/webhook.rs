//! Webhooks: programs that are told by HTTP.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Webhooks of one plant.
pub const WEBHOOKS_MAX: usize = 100;
/// Secrets that sign at the same time: the current one, and those that are still accepted.
pub const SECRETS_MAX: usize = 4;
/// Name of the header, and of the metadata of a call, by which a cause travels.
pub const CAUSE_HEADER: &str = "andon-cause";

/// What begins every secret, as it is written.
const SECRET_PREFIX: &str = "whsec_";

/// A secret that signs calls: `whsec_` and 24 to 64 bytes in base64. Never shown but by `expose`.
///
/// # Source
/// Standard Webhooks 1.0.0, "Signature scheme".
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl SigningSecret {
    /// Of these bytes; `None` unless there are 24 to 64.
    #[must_use]
    pub fn of(key: &[u8]) -> Option<Self> {
        (24..=64).contains(&key.len()).then(|| Self(format!("{SECRET_PREFIX}{}", BASE64.encode(key))))
    }

    /// As it was written; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = BASE64.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
        Self::of(&key)
    }

    /// As it is written, for the one who has to know it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes to sign with.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        BASE64.decode(self.0.trim_start_matches(SECRET_PREFIX)).unwrap_or_default()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

/// What a webhook is, as it is stored. Its secrets are kept elsewhere and never answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSpec {
    /// `https://` or, where the configuration allows it, `http://`.
    pub url: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Whether it is called at all; what is decided meanwhile waits.
    pub enabled: bool,
}

/// A webhook with its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Slug.
    pub id: String,
    /// What it is.
    pub spec: WebhookSpec,
    /// Version of this row.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_24_to_64_bytes_and_is_never_shown() {
        for (bytes, good) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(SigningSecret::of(&vec![7; bytes]).is_some(), good, "{bytes}");
        }
        let secret = SigningSecret::of(&[7; 32]).expect("32 bytes");
        assert_eq!(SigningSecret::parse(secret.expose()), Some(secret.clone()));
        assert_eq!((secret.key(), format!("{secret:?}")), (vec![7; 32], "SigningSecret(..)".to_owned()));
        for bad in ["", "whsec_", "whsec_AAAA", "whsec_%", &secret.expose()[1..]] {
            assert_eq!(SigningSecret::parse(bad), None, "{bad}");
        }
    }
}
