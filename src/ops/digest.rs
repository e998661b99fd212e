//! Digest: tells what was gathered for a person, in one message.
//!
//! Protocol. Whoever decides a message that its recipient wants in a digest, or that is held back (import, outage, storm), writes
//! it into the outbox as `GATHERED` and says in `digests` when that address is to be told; an earlier time wins. The bell wakes
//! every daemon; one address is one transaction:
//!
//! 1. take on the address that is due the longest; one that another daemon has taken on is passed over. Its row in `digests` stays
//!    free, so that who gathers more for the address need not wait for what follows.
//! 2. lock what was gathered, and digests for the same address that have not left; read what stands and the orders as they are.
//! 3. decide (`domain/alerts/digest`). Write the digest as one `READY` message; move what it tells to the delivery record as
//!    `FOLDED`, with its id, and what is no longer true as `WITHDRAWN`; keep what stands.
//! 4. lock the row, look what was gathered meanwhile, and say when the next digest is due, while anything stands or waits, or delete
//!    the row. Commit. Who gathers more from here on waits for the commit, and finds the row as it is then.
//!
//! | state | who moves it on |
//! |---|---|
//! | gathered | this, when the digest is due: folded, withdrawn, or ready when it is the only one and was only held back; a person: cancelled |
//! | folded | this, while its digest has not left: folded by the next one, or withdrawn |
//! | the digest itself | the senders, as any message; this, when it has not left and the next one is due: withdrawn, its lines told anew. While a sender has it, the next one waits |
//!
//! | what is killed, when | what follows |
//! |---|---|
//! | anywhere before the commit | nothing happened; any daemon begins again |
//! | after it | the digest is a message like any other; nothing of it is gathered any more, so it is not told twice |
//!
//! While alarms of an outage are still being found, digests wait, for a minute at most, so that the first round is one digest per
//! person. The digest after an import waits until nothing more has come for a minute. One that cannot be made is put off, so that it
//! holds up nobody else's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Plant, kill_point, sweep};
use crate::{
    domain::{
        alerts::{
            digest::{self, Entry, Person, Said, Standing, Waiting},
            digest_facts::{DigestFacts, Mark, TaskLine},
            message::{Channel, Message, MessageFacts, Recipient, Topic, Way},
            preferences,
        },
        catalogue::Catalogue,
        ids::Ids,
        order::{Context, Order},
        schedule,
    },
    store::{
        Connection, StoreError, StoreFault,
        digests::{
            DueDigest, Fate, Gathered, facts_of, fold, folded_by, gathered_until, insert_digest, keep_standing,
            lock_digest, lock_gathered, lock_unsent_digests, orders_by_id, overdue_tasks, replace_digests, send_alone,
            settle_digest, standing_of, take_due_digest,
        },
    },
};

/// Messages of one digest; what is more is told by another one.
const LINES_MAX: i64 = 20_000;
/// Orders that stand for one person.
const STANDING_MAX: i64 = 50_000;
/// Orders that are read at once.
const ORDERS_AT_ONCE: usize = 500;
/// Messages whose facts one digest shows; of what is more, only the orders are listed.
const FACTS_MAX: usize = 2_000;
/// Overdue tasks that one digest lists.
const TASKS_MAX: i64 = 50;
/// Digests that one run makes; what is left is left to the next tick.
const DIGESTS_MAX: usize = 1_000;
/// How long digests wait for the sweep to find what an outage left.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a digest that cannot be made is put off.
const PUT_OFF: TimeDelta = TimeDelta::minutes(5);

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DigestReport {
    /// Addresses that were due.
    pub examined: usize,
    /// Digests that were made.
    pub made: usize,
    /// Messages that they tell.
    pub folded: usize,
    /// Messages that leave by themselves after all.
    pub alone: usize,
    /// Messages that were no longer true.
    pub withdrawn: usize,
    /// Addresses whose digest was put off.
    pub put_off: usize,
    /// Whether there may be more.
    pub left: bool,
}

/// How long digests have been waiting for the sweep, in this daemon.
#[derive(Debug, Default)]
pub struct Patience {
    since: Option<Instant>,
}

impl Patience {
    fn waits(&mut self, behind: bool) -> bool {
        if !behind {
            self.since = None;
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }
}

/// Makes the digests that are due, until none is left, the bound is reached, or `stop` says so.
///
/// # Errors
/// When the database fails; digests that were made before stay.
pub async fn tell(plant: &Plant, patience: &mut Patience, stop: impl Fn() -> bool) -> Result<DigestReport, StoreError> {
    let mut report = DigestReport::default();
    let (database_now, _) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now);
    let (due, behind) = plant.store.digest_waits(now, now - plant.settings.outage_after).await?;
    if !due || patience.waits(behind) {
        report.left = due;
        return Ok(report);
    }
    let mut ids = plant.fork_ids();
    let mut aside = Vec::new();
    while report.examined < DIGESTS_MAX && !stop() {
        let mut address = None;
        match one(plant, &mut ids, now, (&mut address, &mut aside), &mut report).await {
            Ok(true) => report.examined += 1,
            Ok(false) => return Ok(report),
            Err(error) => {
                let Some(address) = address.filter(|_| error.fault != StoreFault::Unavailable) else {
                    return Err(error);
                };
                tracing::error!(%address, %error, "a digest cannot be made and was put off");
                plant.store.put_off_digest(&address, now + PUT_OFF).await?;
                report.examined += 1;
                report.put_off += 1;
            }
        }
    }
    report.left = true;
    Ok(report)
}

/// One address; false when none is due. Leaves the address in `at_work`, for who has to put it off; those in `aside` are left to
/// the next run.
async fn one(
    plant: &Plant,
    ids: &mut Ids,
    now: DateTime<Utc>,
    (at_work, aside): (&mut Option<String>, &mut Vec<String>),
    report: &mut DigestReport,
) -> Result<bool, StoreError> {
    // Before anything is locked: reading the catalogue takes another connection.
    let catalogue = plant.snapshot.at(plant.store.catalogue_version().await?, &plant.store).await?;
    let mut transaction = plant.store.begin("tell a digest").await?;
    let Some(due) = take_due_digest(&mut transaction, now, aside).await? else { return Ok(false) };
    *at_work = Some(due.address.clone());
    let mut cx =
        Context { catalogue: &catalogue, now, ids, actor: sweep::ACTOR, fallback: &plant.settings.fallback, cause: "" };
    let Some(done) = tell_one(&mut transaction, &due, &mut cx).await? else {
        aside.push(due.address);
        return Ok(true);
    };
    kill_point("digest-before-commit");
    transaction.commit().await.map_err(|error| StoreError::new("commit a digest", error))?;
    kill_point("digest-after-commit");
    report.made += done.made;
    report.folded += done.folded;
    report.alone += done.alone;
    report.withdrawn += done.withdrawn;
    report.put_off += done.put_off;
    Ok(true)
}

/// What was read for one address.
struct Read {
    gathered: Gathered,
    /// Digests that have not left: their ids, and what they say.
    unsent: Vec<(Uuid, DigestFacts)>,
    standing: Vec<Standing>,
}

impl Read {
    /// Orders of which there may be something to tell.
    fn orders(&self) -> BTreeSet<Uuid> {
        let waiting = self.gathered.messages.iter().map(|it| it.order_id);
        let standing = self.standing.iter().map(|it| it.order_id);
        let unsent = self.unsent.iter().flat_map(|(_, facts)| facts.lines()).map(|line| line.order.order_id);
        waiting.chain(standing).chain(unsent).collect()
    }
}

/// What the orders come to.
#[derive(Default)]
struct Outcome {
    entries: Vec<Entry>,
    standing: Vec<Standing>,
    ages: Vec<u32>,
    import_until: Option<DateTime<Utc>>,
    /// When the next digest is due, while anything stands.
    next: Option<DateTime<Utc>>,
}

/// The transaction's work; `None`, and nothing changed, while a sender has a digest for the address.
async fn tell_one(
    connection: &mut Connection,
    due: &DueDigest,
    cx: &mut Context<'_>,
) -> Result<Option<DigestReport>, StoreError> {
    let now = cx.now;
    let Some(mut read) = read(connection, due, now).await? else { return Ok(None) };
    let more = i64::try_from(read.gathered.messages.len()).is_ok_and(|count| count >= LINES_MAX);
    let user = due.user_id.clone().or_else(|| read.gathered.user_id.clone());
    let person = Person::of(&due.address, user.as_deref(), cx.catalogue);
    // A task is told by itself, when the time of its digest has come.
    let (tasks, messages) =
        std::mem::take(&mut read.gathered.messages).into_iter().partition(|it| it.topic == Some(Topic::Task));
    let tasks: Vec<Waiting> = tasks;
    read.gathered.messages = messages;

    let outcome = look(connection, &read, person, cx).await?;
    if let Some(until) = outcome.import_until
        && read.gathered.messages.iter().all(|it| person.forced(it))
    {
        settle_digest(connection, &due.address, Some(until)).await?;
        return Ok(Some(DigestReport { put_off: 1, ..DigestReport::default() }));
    }

    let held = || read.gathered.messages.iter().filter(|it| it.holds);
    let only = held().next().filter(|it| {
        held().count() == 1
            && person.forced(it)
            && read.standing.is_empty()
            && read.unsent.is_empty()
            && outcome.standing.is_empty()
            && outcome.entries.len() == 1
    });
    let mut alone: Vec<Uuid> = tasks.iter().filter(|it| it.holds).map(|it| it.id).collect();
    alone.extend(only.map(|it| it.id));
    let digest = if only.is_some() || outcome.entries.is_empty() {
        None
    } else {
        Some(compose(connection, due, &read, &outcome, person, cx).await?)
    };
    if let Some(digest) = &digest {
        insert_digest(connection, digest, now).await?;
    }
    let digest_id = digest.as_ref().map(|digest| digest.id);
    let fates = |folded: bool| {
        let waiting = read.gathered.messages.iter().chain(&tasks);
        let these = waiting.filter(|it| it.folded == folded && !alone.contains(&it.id));
        these.map(|it| Fate { id: it.id, told: it.holds && digest_id.is_some() }).collect::<Vec<_>>()
    };
    let fresh = fates(false);
    fold(connection, &fresh, digest_id, now).await?;
    if !read.unsent.is_empty() {
        let old: Vec<Uuid> = read.unsent.iter().map(|(id, _)| *id).collect();
        replace_digests(connection, &old, &fates(true), digest_id, now).await?;
    }
    send_alone(connection, &alone, now).await?;
    let stands: BTreeSet<Uuid> = outcome.standing.iter().map(|it| it.order_id).collect();
    let over: Vec<Uuid> = read.standing.iter().map(|it| it.order_id).filter(|id| !stands.contains(id)).collect();
    keep_standing(connection, &due.address, &outcome.standing, &over).await?;
    lock_digest(connection, &due.address).await?;
    let waits = gathered_until(connection, &due.address).await?.map(|until| if more { now } else { until });
    settle_digest(connection, &due.address, waits.into_iter().chain(outcome.next).min()).await?;
    let folded = fresh.iter().filter(|fate| fate.told).count();
    Ok(Some(DigestReport {
        made: usize::from(digest.is_some()),
        folded,
        alone: alone.len(),
        withdrawn: fresh.len() - folded,
        ..DigestReport::default()
    }))
}

/// Reads and locks it; `None` while a sender has a digest for the address.
async fn read(connection: &mut Connection, due: &DueDigest, now: DateTime<Utc>) -> Result<Option<Read>, StoreError> {
    let mut gathered = lock_gathered(connection, &due.address, now, LINES_MAX).await?;
    let Some(mut unsent) = lock_unsent_digests(connection, &due.address).await? else { return Ok(None) };
    if !unsent.is_empty() {
        let ids: Vec<Uuid> = unsent.iter().map(|(id, _)| *id).collect();
        let folded = folded_by(connection, &ids, now, LINES_MAX).await?;
        // What tells of so many goes out as it is.
        if i64::try_from(folded.len()).is_ok_and(|count| count >= LINES_MAX) {
            unsent.clear();
        } else {
            gathered.messages.extend(folded);
        }
    }
    let standing = standing_of(connection, &due.address, STANDING_MAX).await?;
    Ok(Some(Read { gathered, unsent, standing }))
}

/// Looks at every order of which there may be something to tell, a few hundred at a time.
async fn look(
    connection: &mut Connection,
    read: &Read,
    person: Person<'_>,
    cx: &Context<'_>,
) -> Result<Outcome, StoreError> {
    let mut waiting: HashMap<Uuid, Vec<&Waiting>> = HashMap::new();
    for message in read.gathered.messages.iter().filter(|it| it.holds) {
        waiting.entry(message.order_id).or_default().push(message);
    }
    let standing: HashMap<Uuid, &Standing> = read.standing.iter().map(|it| (it.order_id, it)).collect();
    let unsent: HashMap<Uuid, &Mark> = read
        .unsent
        .iter()
        .rev()
        .flat_map(|(_, facts)| facts.lines())
        .map(|line| (line.order.order_id, &line.mark))
        .collect();
    let mut outcome = Outcome::default();
    let all: Vec<Uuid> = read.orders().into_iter().collect();
    for some in all.chunks(ORDERS_AT_ONCE) {
        let orders = orders_by_id(connection, some).await?;
        let of = |order: &Order| waiting.get(&order.id).map_or(&[][..], Vec::as_slice);
        let imported = orders.iter().flat_map(|order| of(order).iter().map(move |message| (order, *message)));
        outcome.import_until = outcome.import_until.max(digest::import_goes_on(imported, cx.now));
        for order in &orders {
            let told = standing.get(&order.id).copied();
            let looked = digest::look(order, of(order), told, unsent.get(&order.id).copied(), person, cx);
            if let Some(user) = person.user
                && looked.standing.is_some()
                && outcome.next.is_none()
            {
                let calendar = cx.catalogue.calendar_of_visit(order).ok();
                outcome.next = Some(preferences::next_digest(user, calendar, cx.catalogue, cx.now));
            }
            outcome.entries.extend(looked.entry);
            outcome.standing.extend(looked.standing);
            outcome.ages.extend(looked.age);
        }
    }
    Ok(outcome)
}

/// The digest itself.
async fn compose(
    connection: &mut Connection,
    due: &DueDigest,
    read: &Read,
    outcome: &Outcome,
    person: Person<'_>,
    cx: &mut Context<'_>,
) -> Result<Message, StoreError> {
    let (listed, counted) = digest::listed(outcome.entries.clone());
    let ids: Vec<Uuid> = listed.iter().map(|entry| entry.order_id).collect();
    let orders: HashMap<Uuid, Order> =
        orders_by_id(connection, &ids).await?.into_iter().map(|order| (order.id, order)).collect();
    let mut messages: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for it in read.gathered.messages.iter().filter(|it| it.holds && orders.contains_key(&it.order_id)) {
        messages.entry(it.order_id).or_default().push(it.id);
    }
    // The latest of each order, in turns, until there are enough.
    let turns = (0..messages.values().map(Vec::len).max().unwrap_or(0))
        .flat_map(|turn| messages.values().filter_map(move |ids| ids.iter().rev().nth(turn)));
    let shown: Vec<Uuid> = turns.take(FACTS_MAX).copied().collect();
    let mut said: HashMap<Uuid, Vec<Said>> = HashMap::new();
    for (order, facts, at) in facts_of(connection, &shown).await? {
        said.entry(order).or_default().push((facts, at));
    }
    let mut lines = Vec::with_capacity(listed.len());
    for entry in listed {
        let Some(order) = orders.get(&entry.order_id) else { continue };
        let said = said.remove(&order.id).unwrap_or_default();
        let count = messages.get(&order.id).map_or(0, Vec::len);
        lines.push((entry.group, digest::line(order, entry.mark, said, count, person, cx)));
    }
    let first = lines.first().map(|(_, line)| (line.order.order_id, line.order.number.clone()));
    let told: BTreeSet<Uuid> = outcome.entries.iter().map(|entry| entry.order_id).collect();
    let unchanged = outcome.standing.iter().filter(|it| !told.contains(&it.order_id)).count();
    let unchanged = u32::try_from(unchanged).unwrap_or(u32::MAX);
    let ageing = outcome.ages.iter().copied().collect();
    let mut facts = digest::compose(lines, &counted, (unchanged, ageing), person);
    facts.storm = read.gathered.messages.iter().any(|it| it.storm);
    facts.tasks = tasks(connection, person, cx).await?;
    let id = cx.ids.next(cx.now);
    let (order_id, order_number) = first.unzip();
    Ok(Message {
        id,
        dedup_key: format!("digest/{}/{}/{id}", due.address, due.due_at.timestamp_micros()),
        topic: Topic::Digest,
        recipient: Recipient {
            user: person.user.map(|user| user.id.clone()),
            name: person.user.map_or_else(|| read.gathered.recipient_name.clone(), |user| user.display_name.clone()),
            address: due.address.clone(),
        },
        order_id,
        order_number: order_number.unwrap_or_default(),
        visit_sequence: order_id.and_then(|id| orders.get(&id)).map_or(0, |order| order.visit.sequence),
        due_at: None,
        facts: MessageFacts::Digest(Box::new(facts)),
        rule: String::new(),
        way: Way::Now,
        channel: Channel::Mail,
    })
}

/// The overdue tasks of a person and of the person's departments.
async fn tasks(connection: &mut Connection, person: Person<'_>, cx: &Context<'_>) -> Result<Vec<TaskLine>, StoreError> {
    let Some(user) = person.user else { return Ok(Vec::new()) };
    let own = |ids: &[String]| ids.contains(&user.id);
    let departments: Vec<String> = cx
        .catalogue
        .departments
        .values()
        .filter(|it| !it.inactive && (own(&it.managers) || own(&it.members)))
        .map(|it| it.id.clone())
        .collect();
    let calendar = preferences::calendar_of(user, None, cx.catalogue);
    let days_late = |on| calendar.map_or(0, |it| schedule::days_late(it, on, schedule::local_date(it, cx.now)));
    let found = overdue_tasks(connection, &user.id, &departments, cx.now, TASKS_MAX).await?;
    Ok(found
        .into_iter()
        .map(|task| TaskLine {
            title: task.title,
            order_id: task.order_id,
            order_number: task.order_number,
            due_on: task.due_on,
            days_late: task.due_on.map_or(0, days_late),
            department: task.assigned_department.map(|id| department_name(&id, cx.catalogue)).unwrap_or_default(),
        })
        .collect())
}

fn department_name(id: &str, catalogue: &Catalogue) -> String {
    catalogue.departments.get(id).map_or_else(|| id.to_owned(), |it| it.name.clone())
}
