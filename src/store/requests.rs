//! Stored answers: a repeated request id gives the answer of the first time.

use chrono::{DateTime, Utc};

use super::{Store, StoreError};

/// What is stored for a request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// Hash over method and request.
    pub fingerprint: Vec<u8>,
    /// The outcome, as the verb wrote it.
    pub outcome: Vec<u8>,
}

impl Store {
    /// Finds a stored answer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_request(&self, id: &str) -> Result<Option<StoredRequest>, StoreError> {
        sqlx::query_as!(StoredRequest, "SELECT fingerprint, outcome FROM requests WHERE id = $1", id)
            .fetch_optional(&self.calls)
            .await
            .map_err(|error| StoreError::new("find a request", error))
    }

    /// Forgets answers that were stored before `before`; at most 10 000 at once. Returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_requests(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        sqlx::query!(
            "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE created_at < $1 ORDER BY created_at LIMIT 10000)",
            before
        )
        .execute(&self.calls)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| StoreError::new("forget requests", error))
    }
}
