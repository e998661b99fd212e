//! Edits of webhooks.

use chrono::{DateTime, Utc};

use super::{Change, Edited, check_etag, check_room, faults::Faults, invalid, not_found, set, taken};
use crate::domain::{
    alerts::{
        destination::{AllowList, Destination},
        webhook::{SigningSecret, WEBHOOKS_MAX, Webhook, WebhookSpec},
    },
    catalogue::Catalogue,
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// A secret that a webhook gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// It signs first from now on.
    pub secret: SigningSecret,
    /// Those before it sign as well until then.
    pub accept_old_until: DateTime<Utc>,
}

/// A webhook as an edit leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// A new secret.
    pub secret: Option<NewSecret>,
}

/// A new webhook, or changed fields of one; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct WebhookEdit {
    /// Which webhook.
    pub id: String,
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// Where it calls.
    pub url: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Whether it is called.
    pub enabled: Option<bool>,
}

impl WebhookEdit {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("id", &self.id);
        if let Some(url) = &self.url
            && let Err(why) = Destination::parse(url)
        {
            v.add("url", why);
        }
        if let Some(description) = &self.description {
            v.line("description", description, 0, 200);
        }
    }

    /// The new webhook.
    ///
    /// # Errors
    /// `Invalid` when its URL is not allowed, or there are `WEBHOOKS_MAX`; `AlreadyExists`.
    pub fn create(
        &self,
        secret: &SigningSecret,
        allow: &AllowList,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<Edited, Refusal> {
        let mut faults = Faults::default();
        faults.add(allowed(self.url.as_deref().unwrap_or_default(), allow));
        if catalogue.webhooks.contains_key(&self.id) {
            faults.add(Err(taken(Kind::Webhook, &self.id)));
        }
        faults.add(check_room("webhook", Kind::Webhook, catalogue.webhooks.len(), WEBHOOKS_MAX));
        faults.told()?;
        let spec = WebhookSpec { url: String::new(), description: String::new(), enabled: true };
        let blank = Webhook { id: self.id.clone(), spec, version: 0, created_at: now, updated_at: now };
        let secret = Some(NewSecret { secret: secret.clone(), accept_old_until: now });
        Ok(Edited::row(Change::Webhook(WrittenWebhook { webhook: self.onto(blank, now), secret })))
    }

    /// The webhook after the change. Its URL must be allowed when it is another one, or when the webhook is enabled by it: so
    /// that one whose destination is allowed no more can still be disabled.
    ///
    /// # Errors
    /// `Invalid` when its URL is not allowed; `NotFound`, `EtagMismatch`.
    pub fn update(&self, allow: &AllowList, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let before = catalogue.webhooks.get(&self.id).ok_or_else(|| not_found(Kind::Webhook, &self.id))?;
        let after = self.onto(Webhook::clone(before), now);
        let mut faults = Faults::default();
        if after.spec.url != before.spec.url || (after.spec.enabled && !before.spec.enabled) {
            faults.add(allowed(&after.spec.url, allow));
        }
        faults.add(check_etag(Kind::Webhook, self.etag.as_deref(), before.version));
        faults.told()?;
        Ok(Edited::row(Change::Webhook(WrittenWebhook { webhook: after, secret: None })))
    }

    fn onto(&self, mut webhook: Webhook, now: DateTime<Utc>) -> Webhook {
        set(&mut webhook.spec.url, self.url.as_ref());
        set(&mut webhook.spec.description, self.description.as_ref());
        set(&mut webhook.spec.enabled, self.enabled.as_ref());
        webhook.version += 1;
        webhook.updated_at = now;
        webhook
    }
}

/// The webhook with another secret.
///
/// # Errors
/// `NotFound`, `EtagMismatch`.
pub fn rotate_secret(
    id: &str,
    etag: Option<&str>,
    secret: NewSecret,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<Edited, Refusal> {
    let before = catalogue.webhooks.get(id).ok_or_else(|| not_found(Kind::Webhook, id))?;
    check_etag(Kind::Webhook, etag, before.version)?;
    let webhook = WebhookEdit::default().onto(Webhook::clone(before), now);
    Ok(Edited::row(Change::Webhook(WrittenWebhook { webhook, secret: Some(secret) })))
}

fn allowed(url: &str, allow: &AllowList) -> Result<(), Refusal> {
    Destination::parse(url).and_then(|to| allow.check(&to)).map_err(|why| invalid("webhook.url", why))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_webhook_whose_destination_is_allowed_no_more_can_be_disabled_and_not_enabled() {
        let now = DateTime::from_timestamp(1_000_000_000, 0).expect("a valid instant");
        let allow = AllowList::parse(&["a.example".to_owned()], false).expect("an entry");
        let secret = SigningSecret::of(&[1; 32]).expect("32 bytes");
        let edit = WebhookEdit { id: "erp".into(), url: Some("https://a.example/x".into()), ..WebhookEdit::default() };
        let off = AllowList::default();
        let mut catalogue = Catalogue::default();
        assert!(matches!(edit.create(&secret, &off, &catalogue, now), Err(Refusal::Invalid(_))));
        let made = edit.create(&secret, &allow, &catalogue, now).expect("allowed");
        let Some(Change::Webhook(made)) = made.changes.first() else { panic!("a webhook") };
        assert!(made.webhook.spec.enabled && made.webhook.version == 1);
        catalogue.webhooks.insert("erp".into(), Arc::new(made.webhook.clone()));
        let turn = |enabled| WebhookEdit { id: "erp".into(), enabled: Some(enabled), ..WebhookEdit::default() };
        let disabled = turn(false).update(&off, &catalogue, now).expect("allowed");
        let Some(Change::Webhook(disabled)) = disabled.changes.first() else { panic!("a webhook") };
        catalogue.webhooks.insert("erp".into(), Arc::new(disabled.webhook.clone()));
        assert!(matches!(turn(true).update(&off, &catalogue, now), Err(Refusal::Invalid(_))));
        assert!(turn(true).update(&allow, &catalogue, now).is_ok());
    }
}
