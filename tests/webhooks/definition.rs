//! Definition: what may be a webhook, and that its secret is told once and shown nowhere.

use std::process::Command;

use andon::grpc::proto::v1::{self, TriggerEvent as Event};
use tonic::Code;

use super::{MONDAY, calling, labelled, trigger, webhook};
use crate::support::{
    Expect as _, eventually,
    http::{Hook, What},
    plant::Shop,
};

fn create(id: &str, url: &str) -> v1::CreateWebhookRequest {
    let webhook = v1::Webhook { id: id.into(), url: url.into(), ..v1::Webhook::default() };
    v1::CreateWebhookRequest { webhook: Some(webhook), ..v1::CreateWebhookRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_list_webhooks_are_off_and_say_so() {
    let shop = Shop::open(MONDAY).await;
    let status = shop.api.webhooks().create_webhook(create("erp", "https://a.example/")).await.expect_err("off");
    let refused = crate::support::api::Refused::from(status.clone());
    assert_eq!(
        (refused.why(), refused.fields.clone()),
        ((Code::InvalidArgument, "INVALID_REQUEST"), vec!["webhook.url".into()])
    );
    assert!(status.message().contains("webhooks are off"), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_created_once_and_its_secret_is_told_once() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    let mut client = shop.api.webhooks();
    let preview = v1::CreateWebhookRequest { validate_only: true, ..create("erp", &hook.url()) };
    let seen = client.create_webhook(preview).await.done();
    assert_eq!((seen.webhook.expect("a webhook").etag.as_str(), seen.secret.as_str()), ("1", ""));
    let keyed = v1::CreateWebhookRequest { request_id: "r".into(), ..create("erp", &hook.url()) };
    let first = client.create_webhook(keyed.clone()).await.done();
    let again = client.create_webhook(keyed.clone()).await.done();
    assert_eq!((&first.webhook, again.secret.as_str()), (&again.webhook, ""), "a repetition is without the secret");
    assert!(first.secret.starts_with("whsec_") && !format!("{first:?}").contains(&first.secret[6..]));
    let other = v1::CreateWebhookRequest { request_id: "r".into(), ..create("mes", &hook.url()) };
    assert_eq!(client.create_webhook(other).await.refused().reason, "REQUEST_ID_REUSED");
    assert_eq!(client.create_webhook(create("erp", &hook.url())).await.refused().reason, "ALREADY_EXISTS");
    let get = v1::GetWebhookRequest { id: "erp".into() };
    assert_eq!(client.get_webhook(get).await.done().webhook, first.webhook);

    let stale = v1::UpdateWebhookRequest {
        webhook: Some(v1::Webhook { id: "erp".into(), etag: "7".into(), ..v1::Webhook::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["disabled".into()] }),
        ..v1::UpdateWebhookRequest::default()
    };
    assert_eq!(client.update_webhook(stale).await.refused().reason, "ETAG_MISMATCH");
    let disable = v1::UpdateWebhookRequest {
        webhook: Some(v1::Webhook { id: "erp".into(), etag: "1".into(), disabled: true, ..v1::Webhook::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["disabled".into()] }),
        ..v1::UpdateWebhookRequest::default()
    };
    let disabled = client.update_webhook(disable).await.done().webhook.expect("a webhook");
    assert_eq!((disabled.etag.as_str(), disabled.url.as_str()), ("2", hook.url().as_str()));
    let list = async |include_disabled| {
        let request = v1::ListWebhooksRequest { include_disabled };
        shop.api.webhooks().list_webhooks(request).await.done().webhooks.len()
    };
    assert_eq!((list(false).await, list(true).await), (0, 1));
    for (id, reason) in [("nobody", "NOT_FOUND"), ("No", "INVALID_REQUEST")] {
        let (get, test) = (v1::GetWebhookRequest { id: id.into() }, v1::TestWebhookRequest { id: id.into() });
        assert_eq!(client.get_webhook(get).await.refused().reason, reason);
        assert_eq!(client.test_webhook(test).await.refused().reason, reason);
        let rotate = v1::RotateSecretRequest { id: id.into(), ..v1::RotateSecretRequest::default() };
        assert_eq!(client.rotate_secret(rotate).await.refused().reason, reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_wrong_is_named_at_once() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    let mut client = shop.api.webhooks();
    let wrong = v1::CreateWebhookRequest {
        webhook: Some(v1::Webhook {
            id: "No".into(),
            url: "ftp://x".into(),
            description: "x".repeat(201),
            ..v1::Webhook::default()
        }),
        request_id: "x".repeat(65),
        ..v1::CreateWebhookRequest::default()
    };
    let mut fields = client.create_webhook(wrong).await.refused().fields;
    fields.sort();
    assert_eq!(fields, ["request_id", "webhook.description", "webhook.id", "webhook.url"]);
    let port = hook.port();
    for url in [
        "http://127.0.0.1:1/".to_owned(),
        "https://hooks.example.com/".to_owned(),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.1:{port}@evil.example/"),
        format!("http://evil.example/127.0.0.1:{port}"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ] {
        let refused = client.create_webhook(create("erp", &url)).await.refused();
        assert_eq!(refused.fields, ["webhook.url"], "{url}");
    }
    assert_eq!(client.create_webhook(v1::CreateWebhookRequest::default()).await.refused().fields, ["webhook"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_in_no_log_and_no_table_but_its_own() {
    let hook = Hook::start().await;
    hook.inject(What::DropBeforeReply);
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook]).set("log.filter", "trace")).await;
    let first = webhook(&shop.api, "erp", &hook.url()).await;
    let rotate =
        v1::RotateSecretRequest { id: "erp".into(), request_id: "r".into(), ..v1::RotateSecretRequest::default() };
    let second = shop.api.webhooks().rotate_secret(rotate.clone()).await.done().secret;
    assert_eq!(shop.api.webhooks().rotate_secret(rotate).await.done().secret, "");
    trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
    shop.api.create(labelled("A-1", "")).await;
    shop.api.webhooks().test_webhook(v1::TestWebhookRequest { id: "erp".into() }).await.done();
    eventually("calls were made", async || (hook.received().len() >= 2).then_some(())).await;
    let log = shop.daemon.text();
    assert!(log.contains("TRACE"), "the log is as talkative as it can be");
    let signatures: Vec<String> =
        hook.received()[0].headers["webhook-signature"].split(' ').map(str::to_owned).collect();
    assert_eq!(signatures.len(), 2);
    for canary in [&first, &second] {
        assert!(!log.contains(canary.trim_start_matches("whsec_")), "a secret is in the log");
    }
    let kept = "SELECT count(*) FROM requests WHERE position('whsec_'::bytea IN outcome) > 0";
    assert_eq!(shop.database.number(kept).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_adds_tests_rotates_and_disables_a_webhook() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    let andon = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_andon"));
        command.args(["--server", &shop.daemon.address]).args(arguments);
        let output = tokio::task::block_in_place(|| command.output()).expect("andon runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is JSON");
    assert!(andon(&["webhooks", "list"]).1.contains("No webhooks"));
    let (code, _, error) = andon(&["webhooks", "add", "erp", "--url", "https://elsewhere.example/"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("webhooks.allow"), "{error}");
    let (code, _, _) = andon(&["webhooks", "add", "erp", "--url", &hook.url(), "--preview"]);
    assert_eq!((code, andon(&["webhooks", "show", "erp"]).0), (Some(0), Some(3)));
    let (code, told, _) = andon(&["webhooks", "add", "erp", "--url", &hook.url(), "--request-id", "r"]);
    assert_eq!(code, Some(0));
    assert!(told.contains("secret whsec_"), "{told}");
    let (_, again, _) = andon(&["webhooks", "add", "erp", "--url", &hook.url(), "--request-id", "r"]);
    assert!(!again.contains("whsec_") && again.contains("rotate"), "{again}");
    let (code, told, _) = andon(&["webhooks", "test", "erp"]);
    assert_eq!(code, Some(0));
    assert!(told.starts_with("sent after "), "{told}");
    hook.inject(What::Status(404));
    let (code, told, _) = andon(&["webhooks", "test", "erp", "--json"]);
    assert_eq!((code, json(&told)["outcome"].as_str()), (Some(1), Some("REFUSED_FOR_GOOD")));
    let (code, told, _) = andon(&["webhooks", "rotate", "erp", "--overlap", "2h", "--json"]);
    assert_eq!((code, json(&told)["old_until_time"].as_str()), (Some(0), Some("2026-03-02T10:00:00Z")));
    assert!(json(&told)["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")));
    assert_eq!(andon(&["webhooks", "set", "erp"]).0, Some(2), "nothing to change");
    assert_eq!(andon(&["webhooks", "set", "erp", "--disabled", "true", "--description", "The ERP"]).0, Some(0));
    assert!(andon(&["webhooks", "list"]).1.contains("No webhooks"));
    let (_, listed, _) = andon(&["webhooks", "list", "--all"]);
    assert!(listed.contains("The ERP") && listed.contains("disabled"), "{listed}");
    assert_eq!(andon(&["webhooks", "set", "erp", "--disabled", "false"]).0, Some(0));
    trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
    hook.inject(What::Status(404));
    shop.api.create(labelled("A-1", "")).await;
    eventually("it failed", async || {
        andon(&["deliveries", "list", "--state", "failed"]).1.contains("A-1").then_some(())
    })
    .await;
    let (_, listed, _) = andon(&["deliveries", "list", "--json"]);
    let dead = json(&listed)["deliveries"][0].clone();
    assert_eq!((dead["channel"].as_str(), dead["state"].as_str()), (Some("WEBHOOK"), Some("DELIVERY_STATE_FAILED")));
    let id = dead["id"].as_str().expect("an id");
    assert!(andon(&["deliveries", "show", id]).1.contains("webhook:erp"));
    assert_eq!(andon(&["deliveries", "retry", id]).0, Some(0));
    eventually("it is told", async || andon(&["deliveries", "show", id]).1.contains("order.created A-1").then_some(()))
        .await;
    let (_, sent, _) = andon(&["deliveries", "show", id, "--message"]);
    assert_eq!(json(&sent)["type"].as_str(), Some("order.created"));
}
