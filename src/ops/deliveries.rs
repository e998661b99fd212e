//! Deliveries: who is told what, and what the mail server said.

use uuid::Uuid;

use super::{Failure, Plant, RequestKey};
use crate::{
    domain::refusal::{Kind, Refusal},
    store::{
        StoreFault,
        deliveries::{AttemptRow, DeliveryFilter, DeliveryRow},
    },
};

/// A message with its bytes and attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySeen {
    /// The message.
    pub row: DeliveryRow,
    /// Its bytes; empty before it was rendered.
    pub message: Vec<u8>,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptRow>,
}

/// Gets one message.
///
/// # Errors
/// `NotFound`, or when the database fails.
pub async fn get_delivery(plant: &Plant, id: Uuid) -> Result<DeliverySeen, Failure> {
    let (row, message) = plant
        .store
        .find_delivery(id)
        .await?
        .ok_or_else(|| Refusal::NotFound { kind: Kind::Delivery, id: id.to_string() })?;
    let attempts = plant.store.list_attempts(id).await?;
    Ok(DeliverySeen { row, message, attempts })
}

/// Lists a page of messages, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list_deliveries(
    plant: &Plant,
    filter: &DeliveryFilter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DeliveryRow>, Failure> {
    Ok(plant.store.list_deliveries(filter, before, limit).await?)
}

/// Makes a failed message, or one that waits, ready to be sent now. Carried out in a task of its own.
///
/// # Errors
/// `RequestIdReused`, `NotFound`, `NotRetryable`, or when the database fails.
pub async fn retry_delivery(
    plant: std::sync::Arc<Plant>,
    id: Uuid,
    key: Option<RequestKey>,
    validate_only: bool,
) -> Result<DeliverySeen, Failure> {
    tokio::spawn(async move {
        if repeated(&plant, key.as_ref()).await? {
            return get_delivery(&plant, id).await;
        }
        let seen = get_delivery(&plant, id).await?;
        if !matches!(seen.row.state.as_str(), "FAILED" | "READY" | "UNCERTAIN") {
            return Err(Refusal::NotRetryable { state: seen.row.state }.into());
        }
        if validate_only {
            return Ok(seen);
        }
        let (database_now, _) = plant.store.clock_and_version().await?;
        let bound = key.as_ref().map(|key| (key.id.as_str(), key.fingerprint.as_slice()));
        match plant.store.retry_delivery(id, plant.clock.now(database_now), bound).await {
            // A call with this request id at the same time: when it is the same call, what it asked for is done.
            Err(error) if error.fault == StoreFault::Constraint("requests_pkey".into()) => {
                repeated(&plant, key.as_ref()).await?;
            }
            Err(error) => return Err(error.into()),
            Ok(true) => {}
            Ok(false) => {
                let seen = get_delivery(&plant, id).await?;
                return Err(Refusal::NotRetryable { state: seen.row.state }.into());
            }
        }
        get_delivery(&plant, id).await
    })
    .await
    .unwrap_or(Err(Failure::GivenUp("the retry ended without an answer")))
}

/// Takes back a message that has not left, or may not leave once more. Carried out in a task of its own.
///
/// # Errors
/// `RequestIdReused`, `NotFound`, `NotCancellable`, or when the database fails.
pub async fn cancel_delivery(
    plant: std::sync::Arc<Plant>,
    id: Uuid,
    reason: String,
    key: Option<RequestKey>,
    validate_only: bool,
) -> Result<DeliverySeen, Failure> {
    tokio::spawn(async move {
        if repeated(&plant, key.as_ref()).await? {
            return get_delivery(&plant, id).await;
        }
        let seen = get_delivery(&plant, id).await?;
        if !matches!(seen.row.state.as_str(), "READY" | "GATHERED" | "UNCERTAIN") {
            return Err(Refusal::NotCancellable { state: seen.row.state }.into());
        }
        if validate_only {
            return Ok(seen);
        }
        let (database_now, _) = plant.store.clock_and_version().await?;
        let bound = key.as_ref().map(|key| (key.id.as_str(), key.fingerprint.as_slice()));
        let detail = if reason.is_empty() { "taken back".to_owned() } else { format!("taken back: {reason}") };
        match plant.store.cancel_delivery(id, &detail, plant.clock.now(database_now), bound).await {
            // As in `retry_delivery`.
            Err(error) if error.fault == StoreFault::Constraint("requests_pkey".into()) => {
                repeated(&plant, key.as_ref()).await?;
            }
            Err(error) => return Err(error.into()),
            Ok(true) => {}
            Ok(false) => {
                let seen = get_delivery(&plant, id).await?;
                return Err(Refusal::NotCancellable { state: seen.row.state }.into());
            }
        }
        get_delivery(&plant, id).await
    })
    .await
    .unwrap_or(Err(Failure::GivenUp("the taking back ended without an answer")))
}

/// Whether a call with this key was carried out before.
async fn repeated(plant: &Plant, key: Option<&RequestKey>) -> Result<bool, Failure> {
    let Some(key) = key else { return Ok(false) };
    match plant.store.find_request(&key.id).await? {
        Some(stored) if stored.fingerprint != key.fingerprint => Err(Refusal::RequestIdReused(key.id.clone()).into()),
        stored => Ok(stored.is_some()),
    }
}
