//! Digest: what was gathered for a person, and what has become of what the person was told, as one message.
//!
//! | an order | mark |
//! |---|---|
//! | was not told of, is overdue, and a message about that waits | new |
//! | was told of, and is later now, in business days | worse |
//! | was told of, and is not overdue any more, or has moved on | recovered |
//! | was told of, and has been acknowledged since; or is new and acknowledged already | acknowledged |
//! | has other messages waiting | news |
//! | was told of, and is as it was, or was told as acknowledged | none: it is counted only |
//!
//! What stands (was told and is not over) is kept only for a person who gets digests about overdue orders: who is told at once
//! does not ask for what has become of it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    alarm,
    digest_facts::{Ageing, DigestFacts, DigestGroup, DigestLine, Mark, News},
    message::{DIGEST_LINES_MAX, MessageFacts, OrderFacts, Reader, Topic, Why},
    preferences::Pace,
    recipients,
};
use crate::domain::{
    catalogue::{Catalogue, User},
    order::{Context, Order},
};

/// Why a message was gathered though its recipient is told at once: too many came.
pub const STORM: &str = "gathered: too many messages at once";
/// Why a message was gathered though its recipient is told at once: it could not leave for long.
pub const WAITED: &str = "gathered: it could not be sent for a long time";
/// How long the digest after an import waits for more of it, and how long at most.
pub const IMPORT_QUIET: TimeDelta = TimeDelta::minutes(1);
const IMPORT_MAX: TimeDelta = TimeDelta::minutes(30);
/// Things that happened to one order that a line names, the latest ones.
const NEWS_MAX: usize = 10;

/// A message that waits for a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub id: Uuid,
    /// What it is about; `None` for what nobody can choose a pace for.
    pub topic: Option<Topic>,
    /// The order.
    pub order_id: Uuid,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// Whether it is still true.
    pub holds: bool,
    /// Whether too many messages came at once.
    pub storm: bool,
    /// Whether a digest that has not left has told it already.
    pub folded: bool,
}

/// An order that a person was told of as overdue, and that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The order.
    pub order_id: Uuid,
    /// Its visit.
    pub visit: i32,
    /// The due time that it had missed.
    pub due_at: DateTime<Utc>,
    /// Business days late when it was told.
    pub days_late: u32,
    /// When it was told.
    pub told_at: DateTime<Utc>,
}

/// For whom a digest is.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The user whose address it is; `None` for a fixed address.
    pub user: Option<&'a User>,
    /// Whether what stands is kept.
    pub keeps: bool,
}

impl<'a> Person<'a> {
    /// The person behind an address. Who has left, or has another address by now, is not asked for preferences.
    #[must_use]
    pub fn of(address: &str, user: Option<&str>, catalogue: &'a Catalogue) -> Self {
        let user = user.and_then(|id| catalogue.users.get(id)).map(AsRef::as_ref);
        let keeps = user.is_some_and(|user| {
            !user.inactive
                && user.email.eq_ignore_ascii_case(address)
                && user.alerts.pace_of(Topic::Overdue) == Pace::Digest
        });
        Self { user, keeps }
    }

    /// Whether a message was gathered though the person wants it at once.
    #[must_use]
    pub fn forced(&self, message: &Waiting) -> bool {
        let pace = |topic| self.user.map_or(Pace::Immediate, |user| user.alerts.pace_of(topic));
        message.topic.is_none_or(|topic| pace(topic) == Pace::Immediate)
    }
}

/// An order in a digest, before its facts are gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The order.
    pub order_id: Uuid,
    /// Its number.
    pub number: String,
    /// What there is about its being overdue.
    pub mark: Mark,
    /// Business days late.
    pub days_late: u32,
    /// Names of the department that has it (or empty) and of its type.
    pub group: (String, String),
}

/// What one order comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// What is told of it.
    pub entry: Option<Entry>,
    /// What stands after this digest.
    pub standing: Option<Standing>,
    /// Business days late, when it is overdue and stands or is told.
    pub age: Option<u32>,
}

/// Looks at one order: the messages about it that still hold, what stands, and what a digest that has not left would have said.
#[must_use]
pub fn look(
    order: &Order,
    waiting: &[&Waiting],
    told: Option<&Standing>,
    unsent: Option<&Mark>,
    person: Person<'_>,
    cx: &Context<'_>,
) -> Looked {
    let overdue = order.overdue(cx.now);
    let days_late = cx.catalogue.calendar_of_visit(order).map_or(0, |calendar| order.days_late(calendar, cx.now));
    let acknowledged = order
        .acknowledged
        .as_ref()
        .filter(|it| it.visit == order.visit.sequence && it.until.is_none_or(|until| until > cx.now));
    let about = |topics: &[Topic]| waiting.iter().any(|it| it.topic.is_some_and(|topic| topics.contains(&topic)));
    let due_at = order.visit.due.map(|due| due.at);
    let missed_again = told.is_some_and(|it| it.visit != order.visit.sequence || Some(it.due_at) != due_at)
        && about(&[Topic::Overdue]);
    let seen = || acknowledged.map(|it| acknowledged_mark(it, cx.catalogue));
    let fresh = || Some(seen().unwrap_or(Mark::New));
    let mark = match told {
        Some(_) if !overdue => Some(Mark::Recovered),
        Some(_) if missed_again => fresh(),
        Some(told) => match acknowledged {
            Some(it) if it.at > told.told_at => seen(),
            None if days_late > told.days_late => Some(Mark::Worse { days_late_before: told.days_late }),
            Some(_) | None => None,
        },
        None if overdue && about(&[Topic::Overdue, Topic::Escalation]) => fresh(),
        None => None,
    };
    let mark = match (mark, unsent) {
        (None | Some(Mark::Worse { .. }), Some(unsent)) if overdue && unsent.is_overdue() => {
            if matches!(unsent, Mark::Acknowledged { .. }) { seen().or(Some(Mark::New)) } else { Some(unsent.clone()) }
        }
        // Nobody has read that it was overdue.
        (Some(Mark::Recovered), Some(Mark::New)) => None,
        (None, Some(Mark::Recovered)) if !overdue => Some(Mark::Recovered),
        (mark, _) => mark,
    };
    let tells = mark.is_some();
    let mark = mark.or_else(|| (!waiting.is_empty()).then_some(Mark::News));
    let stands = person.keeps && overdue && (told.is_some() || about(&[Topic::Overdue]));
    let standing = due_at.filter(|_| stands).map(|due_at| match told {
        Some(told) if !tells => Standing { visit: order.visit.sequence, due_at, ..*told },
        _ => Standing { order_id: order.id, visit: order.visit.sequence, due_at, days_late, told_at: cx.now },
    });
    let entry = mark.map(|mark| Entry {
        order_id: order.id,
        number: order.number.clone(),
        mark,
        days_late,
        group: group_of(order, cx.catalogue),
    });
    let age = (overdue && (standing.is_some() || entry.is_some())).then_some(days_late);
    Looked { entry, standing, age }
}

fn acknowledged_mark(it: &crate::domain::order::Acknowledgement, catalogue: &Catalogue) -> Mark {
    let by = catalogue.users.get(&it.by).map_or_else(|| it.by.clone(), |user| user.display_name.clone());
    Mark::Acknowledged { by, note: it.note.clone(), until: it.until }
}

fn group_of(order: &Order, catalogue: &Catalogue) -> (String, String) {
    let department = order.assigned_department.as_ref().and_then(|id| catalogue.departments.get(id));
    let order_type = catalogue.types.get(&order.order_type);
    (
        department.map(|it| it.name.clone()).unwrap_or_default(),
        order_type.map_or_else(|| order.order_type.clone(), |it| it.name.clone()),
    )
}

/// Until when the digest after an import waits, since more of it may come; `None` when it is complete.
#[must_use]
pub fn import_goes_on<'a>(
    orders: impl Iterator<Item = (&'a Order, &'a Waiting)>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let decided = orders.filter(|(order, _)| alarm::in_first_digest(order)).map(|(_, message)| message.decided_at);
    let (first, last) = decided.fold(None, |span: Option<(DateTime<Utc>, DateTime<Utc>)>, at| {
        Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))))
    })?;
    let until = (last + IMPORT_QUIET).min(first + IMPORT_MAX);
    (until > now).then_some(until)
}

/// The orders that are listed, the most urgent first, and those that are counted only.
#[must_use]
pub fn listed(mut entries: Vec<Entry>) -> (Vec<Entry>, Vec<Entry>) {
    let rank = |mark: &Mark| match mark {
        Mark::New => 0,
        Mark::Worse { .. } => 1,
        Mark::News => 2,
        Mark::Acknowledged { .. } => 3,
        Mark::Recovered => 4,
    };
    entries.sort_by(|a, b| (rank(&a.mark), b.days_late, &a.number).cmp(&(rank(&b.mark), a.days_late, &b.number)));
    let counted = entries.split_off(entries.len().min(DIGEST_LINES_MAX));
    (entries, counted)
}

/// What a listed order's messages say: the facts of each and when it was decided, the oldest first.
pub type Said = (MessageFacts, DateTime<Utc>);

/// The line of a listed order. `said` is what its messages say; `messages` is how many there are.
#[must_use]
pub fn line(
    order: &Order,
    mark: Mark,
    said: Vec<Said>,
    messages: usize,
    person: Person<'_>,
    cx: &Context<'_>,
) -> DigestLine {
    let read = said.len();
    let mut reason = None;
    let mut news: Vec<News> = Vec::new();
    for (facts, at) in said {
        for line in DigestLine::of(facts, at).into_iter().filter(|line| line.order.order_id == order.id) {
            reason = Some(line.order.reason);
            news.extend(line.news);
        }
    }
    news.sort_by_key(|it| it.at);
    let cut = news.len().saturating_sub(NEWS_MAX);
    news.drain(..cut);
    let news_more = u32::try_from(cut + messages.saturating_sub(read)).unwrap_or(u32::MAX);
    let reason = reason.unwrap_or_else(|| reason_of(order, person, cx.catalogue));
    let order = OrderFacts { reader: Reader::of(person.user), ..recipients::order_facts(order, reason, cx) };
    DigestLine { order, mark, news, news_more }
}

/// Why somebody is told of an order of which no message waits.
fn reason_of(order: &Order, person: Person<'_>, catalogue: &Catalogue) -> Why {
    let Some(user) = person.user else { return Why::Notified };
    let department = order.assigned_department.as_ref().and_then(|id| catalogue.departments.get(id));
    let among = |ids: &[String]| ids.contains(&user.id);
    match department {
        _ if order.assigned_user.as_ref() == Some(&user.id) => Why::Assignee,
        Some(it) if among(&it.managers) => Why::ManagerOf(it.name.clone()),
        Some(it) if among(&it.members) => Why::MemberOf(it.name.clone()),
        _ if among(&order.followers) => Why::Follower,
        _ => Why::Notified,
    }
}

/// Puts a digest together: listed lines with their groups, in the order of `listed`, and those that are counted only.
#[must_use]
pub fn compose(
    lines: Vec<((String, String), DigestLine)>,
    counted: &[Entry],
    (unchanged, ageing): (u32, Ageing),
    person: Person<'_>,
) -> DigestFacts {
    // No department comes last.
    let place =
        |(department, order_type): &(String, String)| (department.is_empty(), department.clone(), order_type.clone());
    let mut groups: BTreeMap<_, DigestGroup> = BTreeMap::new();
    for (group, line) in lines {
        let into = groups.entry(place(&group)).or_insert_with(|| DigestGroup {
            department: group.0,
            order_type: group.1,
            ..DigestGroup::default()
        });
        into.lines.push(line);
    }
    let mut more = 0;
    for entry in counted {
        match groups.get_mut(&place(&entry.group)) {
            Some(group) => group.more += 1,
            None => more += 1,
        }
    }
    DigestFacts {
        reader: Reader::of(person.user),
        groups: groups.into_values().collect(),
        more,
        unchanged,
        ageing,
        ..DigestFacts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        catalogue::OrderType,
        create::{NewOrder, blank},
        ids::Ids,
        order::{Acknowledgement, Due, DueSource},
    };

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(10) + TimeDelta::minutes(minutes)
    }

    /// An order that is overdue from minute 0 on.
    fn order() -> Order {
        let order_type = OrderType {
            id: "part".into(),
            name: "Part".into(),
            description: String::new(),
            calendar: "plant".into(),
            schedule_method: None,
            default_status: None,
            inactive: false,
            statuses: Vec::new(),
            moves: Vec::new(),
            health_tolerance: 0,
            retired: Vec::new(),
            replaced: BTreeMap::new(),
            version: 1,
            created_at: at(-9),
            updated_at: at(-9),
        };
        let new = NewOrder::default();
        let mut order = blank(&new, Uuid::from_u128(1), at(-9).date_naive(), at(-9), &order_type);
        order.visit.due = Some(Due { on: at(-9).date_naive(), at: at(0), source: DueSource::Manual });
        order
    }

    fn message(topic: Topic) -> Waiting {
        let (id, order_id) = (Uuid::from_u128(2), Uuid::from_u128(1));
        Waiting { id, topic: Some(topic), order_id, decided_at: at(0), holds: true, storm: false, folded: false }
    }

    fn told(minutes: i64) -> Standing {
        let order = order();
        let due_at = order.visit.due.expect("due").at;
        let (visit, told_at) = (order.visit.sequence, at(minutes));
        Standing { order_id: order.id, visit, due_at, days_late: 0, told_at }
    }

    /// What an order comes to an hour after it was overdue: the mark, and when it was told if it stands.
    fn looked(
        order: &Order,
        waiting: &[Waiting],
        told: Option<&Standing>,
        unsent: Option<&Mark>,
        keeps: bool,
    ) -> (Option<Mark>, Option<DateTime<Utc>>) {
        let catalogue = Catalogue::default();
        let mut ids = Ids::seeded(1);
        let cx = Context {
            catalogue: &catalogue,
            now: at(60),
            ids: &mut ids,
            actor: "andon",
            fallback: "fallback@x",
            cause: "",
        };
        let waiting: Vec<&Waiting> = waiting.iter().collect();
        let looked = look(order, &waiting, told, unsent, Person { user: None, keeps }, &cx);
        (looked.entry.map(|entry| entry.mark), looked.standing.map(|it| it.told_at))
    }

    fn acknowledged(mut order: Order, minutes: i64) -> Order {
        let visit = order.visit.sequence;
        let by = "erika".to_owned();
        order.acknowledged = Some(Acknowledgement { visit, at: at(minutes), by, note: String::new(), until: None });
        order
    }

    fn seen() -> Mark {
        Mark::Acknowledged { by: "erika".into(), note: String::new(), until: None }
    }

    #[test]
    fn an_order_is_marked_by_what_was_told_of_it() {
        let overdue = [message(Topic::Overdue)];
        let note = [message(Topic::Note)];
        let (late, mut in_time) = (order(), order());
        in_time.visit.due = None;
        let now = Some(at(60));
        let before = told(10);
        // order, waiting, told, mark, stands since
        let (nothing, escalated) = (&[][..], [message(Topic::Escalation)]);
        let cases = [
            (&late, &overdue[..], None, Some(Mark::New), now),
            (&late, &escalated[..], None, Some(Mark::New), None),
            (&late, &note[..], None, Some(Mark::News), None),
            (&late, nothing, None, None, None),
            (&late, nothing, Some(&before), None, Some(at(10))),
            (&late, &note[..], Some(&before), Some(Mark::News), Some(at(10))),
            (&in_time, nothing, Some(&before), Some(Mark::Recovered), None),
            (&in_time, &note[..], None, Some(Mark::News), None),
        ];
        for (index, (order, waiting, told, mark, stands)) in cases.into_iter().enumerate() {
            assert_eq!(looked(order, waiting, told, None, true), (mark.clone(), stands), "{index}");
            assert_eq!(looked(order, waiting, told, None, false), (mark, None), "{index}, told at once");
        }
        let earlier = Standing { visit: before.visit - 1, ..before };
        assert_eq!(looked(&late, &overdue, Some(&earlier), None, true), (Some(Mark::New), now), "missed again");
    }

    #[test]
    fn an_acknowledgement_is_told_once() {
        let before = told(10);
        let late = acknowledged(order(), 20);
        assert_eq!(looked(&late, &[], Some(&before), None, true), (Some(seen()), Some(at(60))));
        let after = Standing { told_at: at(20), ..before };
        assert_eq!(looked(&late, &[], Some(&after), None, true), (None, Some(at(20))));
        assert_eq!(looked(&late, &[message(Topic::Overdue)], None, None, true), (Some(seen()), Some(at(60))));
        let mut snoozed = late;
        snoozed.acknowledged.as_mut().expect("it is").until = Some(at(60));
        assert_eq!(looked(&snoozed, &[], Some(&before), None, true), (None, Some(at(10))), "the snooze is over");
    }

    #[test]
    fn what_a_digest_would_have_said_that_never_left_is_said_by_the_next_one() {
        let before = told(10);
        let (late, mut in_time) = (order(), order());
        in_time.visit.due = None;
        let worse = Mark::Worse { days_late_before: 3 };
        let both = |order, unsent: &Mark| looked(order, &[], Some(&before), Some(unsent), true).0;
        assert_eq!(both(&late, &Mark::New), Some(Mark::New));
        assert_eq!(both(&late, &worse), Some(worse.clone()));
        assert_eq!(both(&late, &Mark::News), None);
        assert_eq!(both(&in_time, &Mark::New), None, "nobody has read that it was overdue");
        assert_eq!(both(&in_time, &worse), Some(Mark::Recovered));
        assert_eq!(looked(&in_time, &[], None, Some(&Mark::Recovered), true).0, Some(Mark::Recovered));
        assert_eq!(looked(&late, &[], None, Some(&Mark::Recovered), true).0, None);
    }

    #[test]
    fn the_most_urgent_orders_are_listed_and_all_are_counted() {
        let entry = |number: u32, mark, days_late, department: &str| Entry {
            order_id: Uuid::from_u128(u128::from(number)),
            number: format!("{number:04}"),
            mark,
            days_late,
            group: (department.into(), "Part".into()),
        };
        let mut entries = vec![
            entry(1, Mark::Recovered, 0, "A"),
            entry(2, Mark::News, 9, "A"),
            entry(3, Mark::Worse { days_late_before: 1 }, 2, ""),
            entry(4, Mark::New, 0, "B"),
            entry(5, Mark::New, 1, "A"),
        ];
        let (lines, counted) = listed(entries.clone());
        assert_eq!(
            lines.iter().map(|it| it.number.as_str()).collect::<Vec<_>>(),
            ["0005", "0004", "0003", "0002", "0001"]
        );
        assert!(counted.is_empty());
        let max = u32::try_from(DIGEST_LINES_MAX).expect("small");
        entries.extend((6..=max + 2).map(|number| entry(number, Mark::New, 0, if number == 7 { "C" } else { "B" })));
        let (lines, counted) = listed(entries);
        assert_eq!((lines.len(), counted.len()), (DIGEST_LINES_MAX, 2));
        assert_eq!(counted[0].mark, Mark::News);
        assert_eq!(counted[1].mark, Mark::Recovered);
        let person = Person { user: None, keeps: false };
        let facts = compose(Vec::new(), &counted, (3, Ageing::default()), person);
        assert_eq!((facts.more, facts.unchanged, facts.count()), (2, 3, 2));
    }
}
