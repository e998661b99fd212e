//! An exchange: one request over a new connection, and what the reply means.

use std::{sync::atomic::Ordering, time::Duration};

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::{Call, Called, Deadlines, REPLY_CHARS_MAX, RetryAfter, connection::Connection, sign, step};
use crate::domain::alerts::{destination::Destination, webhook::CAUSE_HEADER};

/// Bytes of the head of a reply, at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Lines of the head of a reply, at most.
const HEAD_LINES_MAX: usize = 64;
/// Bytes of the body of a reply that are read, at most.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A body in bytes that surely holds all the characters that are kept.
const KEPT_BYTES: usize = 4 * REPLY_CHARS_MAX;

/// Writes the request and reads the reply, before `end`.
pub(super) async fn exchange(
    connection: Connection,
    to: &Destination,
    call: &Call<'_>,
    limits: &Deadlines,
    end: Instant,
) -> Called {
    let request = match request(to, call) {
        Ok(request) => request,
        Err(error) => return Called::NotSent { reason: format!("request: {error}") },
    };
    let written = connection.written();
    let broken = |reason: String| {
        if written.load(Ordering::Relaxed) { Called::Uncertain { reason } } else { Called::NotSent { reason } }
    };
    let opened = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEAD_LINES_MAX)
        .handshake::<_, Full<Bytes>>(TokioIo::new(connection))
        .await;
    let (mut sender, driver) = match opened {
        Ok(opened) => opened,
        Err(error) => return broken(format!("request: {error}")),
    };
    let talk = async {
        match step("reply", limits.reply, end, sender.send_request(request)).await {
            Ok(response) => judge(response, limits.body, end).await,
            Err(reason) => broken(reason),
        }
    };
    // The connection is driven beside the exchange, which ends with it in any case, and is dropped with it.
    let drive = async {
        let _ = driver.await;
        std::future::pending::<Called>().await
    };
    tokio::select! {
        called = talk => called,
        called = drive => called,
    }
}

fn request(to: &Destination, call: &Call<'_>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    Request::post(&to.target)
        .header(header::HOST, to.host_header())
        .header(header::USER_AGENT, concat!("andon/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .header("webhook-id", &call.id)
        .header("webhook-timestamp", call.timestamp)
        .header("webhook-signature", sign(call.secrets, &call.id, call.timestamp, call.body))
        .header(CAUSE_HEADER, &call.cause)
        .body(Full::new(Bytes::copy_from_slice(call.body)))
}

/// What the head of a reply means; its body is read for the record.
async fn judge(response: Response<Incoming>, allowed: Duration, end: Instant) -> Called {
    let status = response.status();
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
    let said = beginning(response.into_body(), allowed, end).await;
    let reply = one_line(&format!("{status} {said}"));
    match status {
        _ if status.is_success() => Called::Sent { reply },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            Called::RefusedForNow { reply, after, overloaded: false }
        }
        StatusCode::TOO_MANY_REQUESTS => Called::RefusedForNow { reply, after, overloaded: true },
        _ if status.is_server_error() => Called::RefusedForNow { reply, after, overloaded: true },
        _ => Called::RefusedForGood { reply },
    }
}

/// The beginning of a body: what came within the limits.
async fn beginning(mut body: Incoming, allowed: Duration, end: Instant) -> String {
    let mut kept = Vec::new();
    let mut read = 0;
    let until = end.min(Instant::now() + allowed);
    while read < BODY_BYTES_MAX {
        let Ok(Some(Ok(frame))) = tokio::time::timeout_at(until, body.frame()).await else { break };
        if let Some(bytes) = frame.data_ref() {
            read += bytes.len();
            let room = KEPT_BYTES.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// On one line, cut, without control characters.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REPLY_CHARS_MAX);
    plain.collect::<String>().trim_end().to_owned()
}

/// Seconds, or a date of HTTP.
fn retry_after(text: &str) -> Option<RetryAfter> {
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(|seconds| RetryAfter::Pause(Duration::from_secs(seconds)));
    }
    DateTime::parse_from_rfc2822(text).ok().map(|at| RetryAfter::At(at.with_timezone(&Utc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 120 "), Some(RetryAfter::Pause(Duration::from_mins(2))));
        let at = DateTime::from_timestamp(1_445_412_480, 0).expect("an instant");
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(RetryAfter::At(at)));
        for bad in ["-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(retry_after(bad), None, "{bad}");
        }
    }
}
