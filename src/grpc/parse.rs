//! From protobuf to the domain's values: conversions that find what is wrong.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use prost_types::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::proto::{Date, v1};
use crate::{
    domain::{order, plan::Method, violation::Violations},
    ops::RequestKey,
};

/// A date; `None` when it is not set. Violation when it is not a day from 1970 to 2199.
pub fn date(field: &str, given: Option<&Date>, v: &mut Violations) -> Option<NaiveDate> {
    let given = given?;
    let day = u32::try_from(given.month)
        .ok()
        .zip(u32::try_from(given.day).ok())
        .and_then(|(month, day)| NaiveDate::from_ymd_opt(given.year, month, day))
        .filter(|day| (1970..2200).contains(&day.year()));
    if day.is_none() {
        v.add(field, "must be a whole, valid date from 1970-01-01 to 2199-12-31");
    }
    day
}

/// An instant; `None` when it is not set. Violation when it does not lie in the years 1970 to 2199.
pub fn instant(field: &str, given: Option<&Timestamp>, v: &mut Violations) -> Option<DateTime<Utc>> {
    let given = given?;
    let instant = u32::try_from(given.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)
        // PostgreSQL keeps microseconds.
        .and_then(|nanos| DateTime::from_timestamp(given.seconds, nanos / 1_000 * 1_000))
        .filter(|instant| (1970..2200).contains(&instant.year()));
    if instant.is_none() {
        v.add(field, "must be a valid instant from 1970 to 2199");
    }
    instant
}

/// A schedule method; `None` when it is not set.
pub fn method(field: &str, given: i32, v: &mut Violations) -> Option<Method> {
    match v1::ScheduleMethod::try_from(given) {
        Ok(v1::ScheduleMethod::Unspecified) => None,
        Ok(v1::ScheduleMethod::FromOrderDate) => Some(Method::FromOrderDate),
        Ok(v1::ScheduleMethod::FromDeliveryDate) => Some(Method::FromDeliveryDate),
        Ok(v1::ScheduleMethod::FromEntry) => Some(Method::FromEntry),
        Err(_) => {
            v.add(field, "is not a known method");
            None
        }
    }
}

/// A schedule method as it is sent.
#[must_use]
pub fn render_method(method: Option<Method>) -> v1::ScheduleMethod {
    match method {
        None => v1::ScheduleMethod::Unspecified,
        Some(Method::FromOrderDate) => v1::ScheduleMethod::FromOrderDate,
        Some(Method::FromDeliveryDate) => v1::ScheduleMethod::FromDeliveryDate,
        Some(Method::FromEntry) => v1::ScheduleMethod::FromEntry,
    }
}

/// A text that may be left empty.
#[must_use]
pub fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A UUID.
pub fn uuid(field: &str, text: &str, v: &mut Violations) -> Uuid {
    Uuid::try_parse(text).unwrap_or_else(|_| {
        v.add(field, "must be a UUID");
        Uuid::nil()
    })
}

/// The key of a write for safe repetition: `None` when the caller gave no request id.
pub fn request_key<M: prost::Message>(method: &str, id: &str, bare: &M, v: &mut Violations) -> Option<RequestKey> {
    if id.is_empty() {
        return None;
    }
    v.line("request_id", id, 1, 64);
    let mut hash = Sha256::new();
    hash.update(method.as_bytes());
    hash.update([0]);
    hash.update(bare.encode_to_vec());
    Some(RequestKey { id: id.to_owned(), fingerprint: hash.finalize().into() })
}

/// A date for an answer.
#[must_use]
pub fn render_date(day: NaiveDate) -> Date {
    let part = |part: u32| i32::try_from(part).unwrap_or(0);
    Date { year: day.year(), month: part(day.month()), day: part(day.day()) }
}

/// An instant for an answer.
#[must_use]
pub fn render_instant(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        nanos: i32::try_from(instant.timestamp_subsec_nanos()).unwrap_or(999_999_999),
    }
}

/// Where a due date came from, for an answer.
#[must_use]
pub fn render_source(source: order::DueSource) -> v1::DueSource {
    match source {
        order::DueSource::Plan => v1::DueSource::Plan,
        order::DueSource::Entry => v1::DueSource::Entry,
        order::DueSource::Manual => v1::DueSource::Manual,
        order::DueSource::Delivery => v1::DueSource::Delivery,
    }
}

/// The name of a role as the domain knows it; a number without a name gives an empty one, which is refused there.
#[must_use]
pub fn role_name(role: i32) -> String {
    let name = v1::Role::try_from(role).map(|role| role.as_str_name()).unwrap_or_default();
    name.trim_start_matches("ROLE_").to_owned()
}

/// Roles for an answer.
#[must_use]
pub fn render_roles(names: &[String]) -> Vec<i32> {
    let role = |name: &String| v1::Role::from_str_name(&format!("ROLE_{name}")).map(i32::from);
    names.iter().filter_map(role).collect()
}
