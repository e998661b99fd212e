//! Preferences: how a person wants to be told.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::message::{Topic, Way};
use crate::domain::{
    catalogue::{Catalogue, User},
    schedule::{self, Calendar},
};

/// Times of a day at which a person gets a digest, at most.
pub const DIGEST_TIMES_MAX: usize = 12;
/// When there is a digest if nothing else is said: 07:00.
const MORNING: u16 = 7 * 60;
/// Days that are looked ahead for the next digest; a calendar without an open day for so long gets one on any day.
const LOOK_AHEAD_DAYS: u64 = 366;

/// At once, or with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Pace {
    /// A message of its own, at once.
    #[default]
    Immediate,
    /// A line in the next digest.
    Digest,
}

/// How a person wants to be told. Nothing said = everything at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// For kinds that are not named in `by_topic`.
    pub pace: Pace,
    /// By kind of message.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_topic: BTreeMap<Topic, Pace>,
    /// Local times of the digest in minutes after midnight, 0 to 1439, ascending; none = 07:00.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub digest_times: Vec<u16>,
    /// Id of the calendar on whose open days there are digests; empty = that of the person's department, else of the order.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub calendar: String,
    /// No messages about what the person did.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_own: bool,
}

impl Preferences {
    /// How a message of this kind goes.
    #[must_use]
    pub fn pace_of(&self, topic: Topic) -> Pace {
        self.by_topic.get(&topic).copied().unwrap_or(self.pace)
    }
}

/// How a message goes to a person: at once, or with the next digest after `now`. `of_order` is the calendar of the order it is about.
#[must_use]
pub fn way(user: &User, topic: Topic, of_order: Option<&Calendar>, catalogue: &Catalogue, now: DateTime<Utc>) -> Way {
    match user.alerts.pace_of(topic) {
        Pace::Immediate => Way::Now,
        Pace::Digest => Way::Gathered { until: next_digest(user, of_order, catalogue, now) },
    }
}

/// The calendar of a person's digests: the own one, that of a department in which the person works or which the person manages, or
/// that of the order, else the first there is.
#[must_use]
pub fn calendar_of<'a>(user: &User, of_order: Option<&'a Calendar>, catalogue: &'a Catalogue) -> Option<&'a Calendar> {
    let by_id = |id: &str| catalogue.calendars.get(id).map(|entry| &entry.calendar);
    let departments = catalogue
        .departments
        .values()
        .filter(|it| !it.inactive && (it.members.contains(&user.id) || it.managers.contains(&user.id)));
    by_id(&user.alerts.calendar)
        .or_else(|| departments.filter_map(|it| it.calendar.as_deref()).find_map(by_id))
        .or(of_order)
        .or_else(|| catalogue.calendars.values().next().map(|entry| &entry.calendar))
}

/// The first instant after `now` at which a person gets a digest: at one of the chosen times, in the person's zone, on an open day.
#[must_use]
pub fn next_digest(
    user: &User,
    of_order: Option<&Calendar>,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let calendar = calendar_of(user, of_order, catalogue);
    let zone: Tz = user.zone.parse().ok().or(calendar.map(Calendar::zone)).unwrap_or(Tz::UTC);
    let times = if user.alerts.digest_times.is_empty() { &[MORNING][..] } else { &user.alerts.digest_times[..] };
    let today = now.with_timezone(&zone).date_naive();
    let open = |day| calendar.is_none_or(|calendar| schedule::is_open(calendar, day));
    let days = || (0..LOOK_AHEAD_DAYS).filter_map(|ahead| today.checked_add_days(Days::new(ahead)));
    let at = |day| times.iter().map(move |time| schedule::instant(zone, day, *time)).find(|at| *at > now);
    days().filter(|day| open(*day)).find_map(at).or_else(|| days().find_map(at)).unwrap_or(now)
}
