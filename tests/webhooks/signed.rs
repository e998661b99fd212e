//! What is sent: signed, documented, the same bytes at every attempt.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use andon::grpc::proto::v1::{self, DeliveryState as State, TriggerEvent as Event};
use serde_json::{Value, json};
use tonic::{Code, Request};

use super::{LATER, MONDAY, call_to, calling, calls, labelled, outcomes, reaches, trigger, webhook};
use crate::support::{
    Expect as _,
    api::{Refused, advance, number},
    eventually,
    http::{Hook, Received, What},
    plant::{Shop, order},
};

/// A block of docs/webhooks.md in this language.
fn documented(language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/webhooks.md");
    let text = std::fs::read_to_string(path).expect("the manual is there");
    let (_, rest) = text.split_once(&format!("```{language}\n")).expect("there is such a block");
    rest.split_once("```").expect("it ends").0.to_owned()
}

/// What the documented Python says about a call; `None` when there is no Python.
fn verified_by_python(secret: &str, call: &Received, now: i64) -> Option<bool> {
    let python = std::env::var("ANDON_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = format!(
        "{}\nimport json, sys\nasked = json.load(sys.stdin)\nprint(verify(asked['secret'], asked['headers'], \
         bytes(asked['body']), now=asked['now']))\n",
        documented("python")
    );
    let asked = json!({ "secret": secret, "headers": call.headers, "body": call.body, "now": now });
    let child = Command::new(python).arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: there is no Python to verify a signature with");
        return None;
    };
    let asked = asked.to_string();
    child.stdin.take().expect("piped").write_all(asked.as_bytes()).expect("it listens");
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success());
    match String::from_utf8_lossy(&done.stdout).trim() {
        "True" => Some(true),
        "False" => Some(false),
        other => panic!("{other}"),
    }
}

fn assert_genuine(secret: &str, call: &Received) {
    let at: i64 = call.headers["webhook-timestamp"].parse().expect("seconds");
    if verified_by_python(secret, call, at).is_none() {
        return;
    }
    assert_eq!(verified_by_python(secret, call, at + 301), Some(false), "an old copy is refused");
    let forged = Received { body: [&call.body[..], b" "].concat(), ..call.clone() };
    assert_eq!(verified_by_python(secret, &forged, at), Some(false), "another body is refused");
    assert_eq!(verified_by_python(secret, call, at), Some(true), "it is genuine");
}

/// The documented shell lines give one of the signatures.
fn assert_genuine_in_a_shell(secret: &str, call: &Received) {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: there is no openssl to sign with");
        return;
    }
    let folder = crate::support::guard::guard().folder("signature");
    std::fs::write(folder.join("body.json"), &call.body).expect("it can be written");
    let done = Command::new("sh")
        .args(["-c", &documented("sh")])
        .current_dir(&folder)
        .env("SECRET", secret)
        .env("WEBHOOK_ID", &call.headers["webhook-id"])
        .env("WEBHOOK_TIMESTAMP", &call.headers["webhook-timestamp"])
        .output()
        .expect("a shell");
    let printed = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    assert!(call.headers["webhook-signature"].split(' ').any(|given| given == printed), "{printed}: {done:?}");
}

/// Names of fields, with those of the objects in them, as `a.b`.
fn fields(value: &Value, prefix: &str, found: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if name != "labels" {
            fields(value, &path, found);
        }
        found.push(path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_signed_and_says_what_the_manual_says() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    let secret = webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "moves", Event::StatusEntered, "erp", true).await;
    let order = v1::NewOrder { customer_reference: "PO 88 ü".into(), ..labelled("A-1", "erp") };
    let made = shop.api.create(order).await;
    let id = call_to(&shop.api, "erp").await.id;
    let sent = reaches(&shop.api, &id, State::Sent, 1).await;
    assert_eq!(
        (outcomes(&sent), sent.trigger.as_str(), sent.subject.as_str()),
        (vec!["SENT"], "moves", "order.status_entered A-1")
    );
    assert_eq!(sent.detail, "200 OK said");

    let call = hook.received().remove(0);
    assert_eq!(call.line, "POST /hook HTTP/1.1");
    assert_eq!((&call.headers["webhook-id"], &call.headers["andon-cause"]), (&id, &id));
    assert_eq!(call.headers["content-type"], "application/json");
    assert_eq!(call.headers["host"], format!("127.0.0.1:{}", hook.port()));
    assert_eq!((sent.message_id.as_str(), &sent.message), (id.as_str(), &call.body));
    assert_genuine(&secret, &call);
    assert_genuine_in_a_shell(&secret, &call);

    let body = call.json();
    assert_eq!((&body["type"], &body["timestamp"]), (&json!("order.status_entered"), &json!(MONDAY)));
    let told = &body["data"]["order"];
    assert_eq!((&told["id"], &told["number"]), (&json!(made.id), &json!("A-1")));
    assert_eq!(
        (&told["type"], &told["status"], &told["status_name"]),
        (&json!("job"), &json!("planned"), &json!("Planned"))
    );
    assert_eq!((&told["due_date"], &told["due_time"]), (&json!("2026-03-03"), &json!("2026-03-03T23:00:00Z")));
    assert_eq!((&told["customer_reference"], &told["labels"]["to"]), (&json!("PO 88 ü"), &json!("erp")));
    assert_eq!(body["data"]["occurrence"], json!({ "from_status_name": "", "by": "local" }));
    let (mut are, mut should) = (Vec::new(), Vec::new());
    fields(&body, "", &mut are);
    fields(&serde_json::from_str(&documented("json")).expect("the manual shows JSON"), "", &mut should);
    should.retain(|field| !field.starts_with("data.order.last_note."));
    assert_eq!(are, should, "the manual names every field and no other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_and_bytes_go_out_at_every_attempt_signed_anew() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    let secret = webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "made", Event::OrderCreated, "erp", true).await;
    hook.inject(What::DropBeforeReply);
    shop.api.create(labelled("A-1", "erp")).await;
    let id = call_to(&shop.api, "erp").await.id;
    let doubtful = reaches(&shop.api, &id, State::Uncertain, 1).await;
    assert_eq!((outcomes(&doubtful), doubtful.uncertain_count), (vec!["UNCERTAIN"], 1));
    shop.set(LATER);
    reaches(&shop.api, &id, State::Sent, 2).await;
    let received = hook.received();
    assert_eq!(received.len(), 2);
    assert_eq!(
        (&received[0].body, &received[0].headers["webhook-id"]),
        (&received[1].body, &received[1].headers["webhook-id"])
    );
    assert_ne!(received[0].headers["webhook-timestamp"], received[1].headers["webhook-timestamp"]);
    for call in &received {
        assert_genuine(&secret, call);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_secret_signs_as_well_for_a_while() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    let old = webhook(&shop.api, "erp", &hook.url()).await;
    let rotate = |overlap: Option<i64>| v1::RotateSecretRequest {
        id: "erp".into(),
        overlap: overlap.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        ..v1::RotateSecretRequest::default()
    };
    let rotated = shop.api.webhooks().rotate_secret(rotate(None)).await.done();
    let new = rotated.secret;
    assert!(new.starts_with("whsec_") && new != old);
    assert_eq!(rotated.old_until_time.expect("an instant").seconds, 1_772_524_800, "a day later");
    let signatures = async || {
        let test = v1::TestWebhookRequest { id: "erp".into() };
        let said = shop.api.webhooks().test_webhook(test).await.done();
        assert_eq!((said.outcome.as_str(), said.reply.as_str()), ("SENT", "200 OK said"));
        let call = hook.received().pop().expect("a call");
        assert_eq!((&call.headers["webhook-id"], &call.json()["type"]), (&said.webhook_id, &json!("webhook.test")));
        (call.headers["webhook-signature"].split(' ').count(), call)
    };
    let (count, call) = signatures().await;
    assert_eq!(count, 2);
    assert_genuine(&new, &call);
    assert_genuine(&old, &call);
    shop.set("2026-03-03T07:59:59Z");
    assert_eq!(signatures().await.0, 2);
    shop.set("2026-03-03T08:00:00Z");
    let (count, call) = signatures().await;
    assert_eq!(count, 1, "the overlap is over");
    assert_genuine(&new, &call);
    // Many in a row: at most three old ones sign.
    for _ in 0..5 {
        shop.api.webhooks().rotate_secret(rotate(Some(3600))).await.done();
    }
    assert_eq!(signatures().await.0, 4);
    let last = shop.api.webhooks().rotate_secret(rotate(Some(0))).await.done().secret;
    let (count, call) = signatures().await;
    assert_eq!(count, 1, "none of the old ones signs");
    assert_genuine(&last, &call);
    for wrong in [-1, 30 * 24 * 3600 + 1] {
        assert_eq!(shop.api.webhooks().rotate_secret(rotate(Some(wrong))).await.refused().fields, ["overlap"]);
    }
}

/// A call that says what led to it.
fn led_to<T>(cause: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("andon-cause", cause.parse().expect("ASCII"));
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_of_webhooks_and_calls_comes_to_an_end() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "moves", Event::StatusEntered, "erp", false).await;
    trigger(&shop.api, "notes", Event::NoteAdded, "erp", false).await;
    shop.api.create_many((1..=4).map(|number| order(&format!("A-{number}"))).collect()).await;
    eventually("four calls", async || (hook.received().len() == 4).then_some(())).await;
    let cause = hook.received()[0].headers["andon-cause"].clone();
    // The receiver moves another order: the trigger that told it has acted for this cause.
    let moved = shop.api.orders().advance_order(led_to(&cause, advance("A-2"))).await.done();
    assert!(moved.effects.expect("effects").messages.is_empty());
    assert_eq!(shop.api.status("A-2").await, "milling");
    // Another trigger acts for all that one call does, and for no call after it.
    let note =
        |order: &str| v1::AddNoteRequest { order: number(order), text: "seen".into(), ..v1::AddNoteRequest::default() };
    let preview = v1::AddNoteRequest { validate_only: true, ..note("A-3") };
    let seen = shop.api.orders().add_note(led_to(&cause, preview)).await.done();
    assert_eq!(seen.effects.expect("effects").messages.len(), 1, "a preview does not count");
    shop.api.orders().add_note(led_to(&cause, note("A-3"))).await.done();
    shop.api.orders().add_note(led_to(&cause, note("A-4"))).await.done();
    shop.api.orders().add_note(note("A-1")).await.done();
    eventually("two more calls", async || (hook.received().len() >= 6).then_some(())).await;
    let notes: Vec<_> = hook.received().into_iter().skip(4).collect();
    let told: Vec<_> = notes
        .iter()
        .map(|call| (call.json()["data"]["order"]["number"].clone(), call.headers["andon-cause"].clone()))
        .collect();
    assert!(told.contains(&(json!("A-3"), cause.clone())), "{told:?}");
    let fresh = told.iter().find(|(number, _)| *number == json!("A-1")).expect("a chain of its own");
    assert_ne!(fresh.1, cause);
    assert_eq!(calls(&shop.api).await.len(), 6);
    assert_eq!(shop.database.number("SELECT count(*) FROM trigger_causes").await, 1);
    for bad in ["", "0123456789012345678901234567890123456789012345678901234567890123456"] {
        let refused =
            Refused::from(shop.api.orders().advance_order(led_to(bad, advance("A-1"))).await.expect_err("refused"));
        assert_eq!((refused.code, refused.fields), (Code::InvalidArgument, vec!["andon-cause".to_owned()]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_at_once_with_one_cause_let_a_trigger_act_once() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    shop.api.create_many((0..16).map(|number| order(&format!("A-{number}"))).collect()).await;
    trigger(&shop.api, "moves", Event::StatusEntered, "erp", false).await;
    let moves = (0..16).map(|number| {
        let mut client = shop.api.orders();
        tokio::spawn(async move {
            let request = led_to("one-cause", advance(&format!("A-{number}")));
            client.advance_order(request).await.done().effects.expect("effects").messages.len()
        })
    });
    let mut acted = 0;
    for moved in moves.collect::<Vec<_>>() {
        acted += moved.await.expect("a call ends");
    }
    assert_eq!(acted, 1);
    assert_eq!(calls(&shop.api).await.len(), 1);
}
