//! Webhooks: programs that are told by HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Webhooks of one plant.
pub const WEBHOOKS_MAX: usize = 100;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
