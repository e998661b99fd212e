//! The service of webhooks.

use std::{mem, sync::Arc, time::Duration};

use tonic::{Request, Response};

use super::{
    edits::{self, Mask, fail, required, settle},
    parse::{optional, render_instant},
    proto::v1::{self, webhook_service_server::WebhookService},
};
use crate::{
    domain::{
        alerts::webhook::Webhook,
        edit::WebhookEdit,
        refusal::{Kind, Refusal},
        violation::Violations,
    },
    ops::{
        Plant, calls, catalogue,
        webhooks::{self, Hooks},
    },
};

const FIELDS: [&str; 3] = ["url", "description", "disabled"];
/// The longest that a secret which was replaced may sign: 30 days.
const OVERLAP_S_MAX: i64 = 30 * 24 * 60 * 60;

/// Webhooks of one plant.
#[derive(Debug, Clone)]
pub struct Webhooks {
    plant: Arc<Plant>,
    hooks: Arc<Hooks>,
}

impl Webhooks {
    /// The service over a plant.
    #[must_use]
    pub fn new(plant: Arc<Plant>, hooks: Arc<Hooks>) -> Self {
        Self { plant, hooks }
    }
}

#[tonic::async_trait]
impl WebhookService for Webhooks {
    async fn list_webhooks(
        &self,
        request: Request<v1::ListWebhooksRequest>,
    ) -> Result<Response<v1::ListWebhooksResponse>, tonic::Status> {
        let request = request.into_inner();
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        let webhooks = catalogue.webhooks.values().filter(|it| request.include_disabled || it.spec.enabled);
        Ok(Response::new(v1::ListWebhooksResponse { webhooks: webhooks.map(|it| render(it)).collect() }))
    }

    async fn get_webhook(
        &self,
        request: Request<v1::GetWebhookRequest>,
    ) -> Result<Response<v1::GetWebhookResponse>, tonic::Status> {
        let id = request.into_inner().id;
        edits::slug("id", &id)?;
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        match catalogue.webhooks.get(&id) {
            Some(webhook) => Ok(Response::new(v1::GetWebhookResponse { webhook: Some(render(webhook)) })),
            None => Err(fail(Refusal::NotFound { kind: Kind::Webhook, id }.into())),
        }
    }

    async fn create_webhook(
        &self,
        request: Request<v1::CreateWebhookRequest>,
    ) -> Result<Response<v1::CreateWebhookResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("CreateWebhook", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(None, &FIELDS, &[], &mut v);
        let edit = edit(&required("webhook", request.webhook)?, &mask, &mut v);
        settle(v)?;
        let made = webhooks::create_webhook(&self.plant, &self.hooks, edit, write).await.map_err(fail)?;
        let secret = made.secret.filter(|_| !validate_only).map(|secret| secret.expose().to_owned());
        let webhook = Some(render(&made.webhook));
        Ok(Response::new(v1::CreateWebhookResponse { webhook, secret: secret.unwrap_or_default() }))
    }

    async fn update_webhook(
        &self,
        request: Request<v1::UpdateWebhookRequest>,
    ) -> Result<Response<v1::UpdateWebhookResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("UpdateWebhook", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(request.update_mask.as_ref(), &FIELDS, &[], &mut v);
        let edit = edit(&required("webhook", request.webhook)?, &mask, &mut v);
        settle(v)?;
        let webhook = webhooks::update_webhook(&self.plant, &self.hooks, edit, write).await.map_err(fail)?;
        Ok(Response::new(v1::UpdateWebhookResponse { webhook: Some(render(&webhook)) }))
    }

    async fn rotate_secret(
        &self,
        request: Request<v1::RotateSecretRequest>,
    ) -> Result<Response<v1::RotateSecretResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("RotateSecret", &id, validate_only, &request, &mut v);
        v.slug("id", &request.id);
        let overlap = overlap(request.overlap.as_ref(), &mut v);
        settle(v)?;
        let which = (request.id, optional(&request.etag));
        let rotated = webhooks::rotate_secret(&self.plant, &self.hooks, which, overlap, write).await.map_err(fail)?;
        let secret = rotated.secret.filter(|_| !validate_only).map(|secret| secret.expose().to_owned());
        Ok(Response::new(v1::RotateSecretResponse {
            webhook: Some(render(&rotated.webhook)),
            secret: secret.unwrap_or_default(),
            old_until_time: rotated.old_until.map(render_instant),
        }))
    }

    async fn test_webhook(
        &self,
        request: Request<v1::TestWebhookRequest>,
    ) -> Result<Response<v1::TestWebhookResponse>, tonic::Status> {
        let id = request.into_inner().id;
        edits::slug("id", &id)?;
        let tested = webhooks::test_webhook(&self.plant, &self.hooks, &id).await.map_err(fail)?;
        let (outcome, reply) = calls::describe(&tested.called);
        Ok(Response::new(v1::TestWebhookResponse {
            outcome: outcome.to_owned(),
            reply: reply.to_owned(),
            took: prost_types::Duration::try_from(tested.took).ok(),
            webhook_id: tested.id,
        }))
    }
}

fn edit(webhook: &v1::Webhook, mask: &Mask, v: &mut Violations) -> WebhookEdit {
    let edit = WebhookEdit {
        id: webhook.id.clone(),
        etag: optional(&webhook.etag),
        url: mask.pick("url", || webhook.url.clone()),
        description: mask.pick("description", || webhook.description.clone()),
        enabled: mask.pick("disabled", || !webhook.disabled),
    };
    v.within("webhook.", |v| edit.check(v));
    edit
}

fn overlap(given: Option<&prost_types::Duration>, v: &mut Violations) -> Option<Duration> {
    let given = given?;
    let in_range = given.nanos >= 0 && (0..=OVERLAP_S_MAX).contains(&given.seconds);
    let overlap = Duration::try_from(*given).ok().filter(|_| in_range);
    if overlap.is_none() {
        v.add("overlap", "must be a valid duration from 0 to 30 days");
    }
    overlap
}

fn render(webhook: &Webhook) -> v1::Webhook {
    v1::Webhook {
        id: webhook.id.clone(),
        url: webhook.spec.url.clone(),
        description: webhook.spec.description.clone(),
        disabled: !webhook.spec.enabled,
        etag: webhook.version.to_string(),
        create_time: Some(render_instant(webhook.created_at)),
        update_time: Some(render_instant(webhook.updated_at)),
    }
}
