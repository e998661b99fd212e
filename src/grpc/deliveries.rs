//! `DeliveryService`: the outbox and the record of what was delivered.

use std::sync::Arc;

use tonic::{Request, Response};
use uuid::Uuid;

use super::{
    errors::{fail, invalid},
    page_token::{PageTokens, page_size},
    parse::{optional, render_instant, request_key, uuid},
    proto::v1::{self, delivery_service_server::DeliveryService},
};
use crate::{
    domain::violation::Violations,
    ops::{Plant, deliveries},
    store::deliveries::{DeliveryFilter, DeliveryRow},
};

type Answer<T> = Result<Response<T>, tonic::Status>;

/// Serves deliveries.
#[derive(Debug, Clone)]
pub struct Deliveries {
    plant: Arc<Plant>,
    tokens: PageTokens,
}

impl Deliveries {
    /// Over these parts.
    #[must_use]
    pub fn new(plant: Arc<Plant>, tokens: PageTokens) -> Self {
        Self { plant, tokens }
    }
}

/// States that there are.
const STATES_MAX: usize = 10;

fn checked(v: Violations) -> Result<(), tonic::Status> {
    if v.is_empty() { Ok(()) } else { Err(invalid(v.into_found())) }
}

fn states(given: &[i32], v: &mut Violations) -> Vec<String> {
    let mut states = Vec::new();
    if given.len() > STATES_MAX {
        v.add("states", format!("at most {STATES_MAX} are allowed"));
    }
    for (index, state) in given.iter().enumerate().take(STATES_MAX) {
        match v1::DeliveryState::try_from(*state) {
            Ok(v1::DeliveryState::Unspecified) | Err(_) => {
                v.add(&format!("states[{index}]"), "is not a known state");
            }
            Ok(state) => states.push(state.as_str_name().trim_start_matches("DELIVERY_STATE_").to_owned()),
        }
    }
    states
}

fn delivery(row: &DeliveryRow) -> v1::Delivery {
    let state = v1::DeliveryState::from_str_name(&format!("DELIVERY_STATE_{}", row.state));
    v1::Delivery {
        id: row.id.to_string(),
        kind: row.kind.clone(),
        state: state.unwrap_or(v1::DeliveryState::Unspecified).into(),
        user: row.user_id.clone().unwrap_or_default(),
        address: row.address.clone(),
        order: row.order_id.map(|id| id.to_string()).unwrap_or_default(),
        order_number: row.order_number.clone(),
        subject: row.subject.clone(),
        message_id: row.message_id.clone(),
        attempts: row.attempts,
        create_time: Some(render_instant(row.created_at)),
        next_attempt_time: row.next_attempt_at.map(render_instant),
        settle_time: row.settled_at.map(render_instant),
        detail: row.detail.clone(),
        uncertain_count: row.uncertain_count,
        attempt_log: Vec::new(),
        message: Vec::new(),
        trigger: row.rule.clone(),
        channel: row.channel.clone(),
        digest: row.digest_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn whole(seen: deliveries::DeliverySeen) -> v1::Delivery {
    let attempt_log = seen
        .attempts
        .into_iter()
        .map(|attempt| v1::DeliveryAttempt {
            number: attempt.number,
            time: Some(render_instant(attempt.ended_at)),
            outcome: attempt.outcome,
            reply: attempt.reply,
        })
        .collect();
    v1::Delivery { attempt_log, message: seen.message, ..delivery(&seen.row) }
}

#[tonic::async_trait]
impl DeliveryService for Deliveries {
    async fn list_deliveries(&self, request: Request<v1::ListDeliveriesRequest>) -> Answer<v1::ListDeliveriesResponse> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let filter = DeliveryFilter {
            states: states(&request.states, &mut v),
            order: optional(&request.order).map(|id| uuid("order", &id, &mut v)),
            user: optional(&request.user),
            digest: optional(&request.digest).map(|id| uuid("digest", &id, &mut v)),
        };
        if let Some(user) = &filter.user {
            v.slug("user", user);
        }
        let size = page_size(request.page_size, &mut v);
        let filters = (&request.states, &request.order, &request.user, &request.digest);
        let binding = format!("ListDeliveries {filters:?}").into_bytes();
        let before: Option<Uuid> = self.tokens.open(&binding, &request.page_token, &mut v);
        checked(v)?;
        let mut rows = deliveries::list_deliveries(&self.plant, &filter, before, size + 1)
            .await
            .map_err(|failure| fail(&failure))?;
        let size = usize::try_from(size).unwrap_or(50);
        let more = rows.len() > size;
        rows.truncate(size);
        let next_page_token = match rows.last() {
            Some(last) if more => self.tokens.seal(&binding, &last.id),
            _ => String::new(),
        };
        let deliveries = rows.iter().map(delivery).collect();
        Ok(Response::new(v1::ListDeliveriesResponse { deliveries, next_page_token }))
    }

    async fn get_delivery(&self, request: Request<v1::GetDeliveryRequest>) -> Answer<v1::GetDeliveryResponse> {
        let mut v = Violations::new();
        let id = uuid("id", &request.get_ref().id, &mut v);
        checked(v)?;
        let seen = deliveries::get_delivery(&self.plant, id).await.map_err(|failure| fail(&failure))?;
        Ok(Response::new(v1::GetDeliveryResponse { delivery: Some(whole(seen)) }))
    }

    async fn retry_delivery(&self, request: Request<v1::RetryDeliveryRequest>) -> Answer<v1::RetryDeliveryResponse> {
        let mut request = request.into_inner();
        let request_id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let id = uuid("id", &request.id, &mut v);
        let key = request_key("RetryDelivery", &request_id, &request, &mut v);
        checked(v)?;
        let seen = deliveries::retry_delivery(Arc::clone(&self.plant), id, key, request.validate_only)
            .await
            .map_err(|failure| fail(&failure))?;
        Ok(Response::new(v1::RetryDeliveryResponse { delivery: Some(whole(seen)) }))
    }

    async fn cancel_delivery(&self, request: Request<v1::CancelDeliveryRequest>) -> Answer<v1::CancelDeliveryResponse> {
        let mut request = request.into_inner();
        let request_id = std::mem::take(&mut request.request_id);
        let validate_only = std::mem::take(&mut request.validate_only);
        let mut v = Violations::new();
        let id = uuid("id", &request.id, &mut v);
        v.line("reason", &request.reason, 0, 400);
        let key = request_key("CancelDelivery", &request_id, &request, &mut v);
        checked(v)?;
        let seen = deliveries::cancel_delivery(Arc::clone(&self.plant), id, request.reason, key, validate_only)
            .await
            .map_err(|failure| fail(&failure))?;
        Ok(Response::new(v1::CancelDeliveryResponse { delivery: Some(whole(seen)) }))
    }
}
