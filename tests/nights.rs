//! Nights: orders around every kind of change of the clocks, walked over in steps from a microsecond to a day.
//!
//! When an order goes overdue is what `nights.py` read off the clocks of Python, minute by minute. The daemon's bell rings once a
//! second at most, so where the walk has thousands of instants the sweep is called as a second daemon would, on the same
//! database and the same clock; one walk leaves it to the bell.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use andon::{
    grpc::proto::v1::{self, Health, ScheduleMethod as Method, StatusKind as Kind},
    ops::{FileClock, Plant, Settings, sweep::sweep},
    store::{Store, StoreSettings},
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::support::{
    Api, Daemon, Database, Expect as _, Options, TestClock,
    api::{date, instant},
    eventually,
    plant::FALLBACK,
};

const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);
/// So many orders are looked at in all lists before something turns.
const FEW: usize = 12;
/// How the numbers of orders begin that are late from the start.
const CANARY: &str = "canary-";

/// An order, and what is to be seen of it.
#[derive(Debug, Clone)]
struct Case {
    group: usize,
    number: String,
    zone: &'static str,
    calendar: &'static str,
    made_at: DateTime<Utc>,
    order_date: &'static str,
    delivery_date: &'static str,
    overdue_at: Option<DateTime<Utc>>,
    /// Ahead before the first, late from the second on.
    health: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Case {
    fn new_order(&self) -> v1::NewOrder {
        let given = |text: &str| if text.is_empty() { None } else { date(text) };
        let method = match (self.order_date, self.delivery_date) {
            ("", "") => Method::FromEntry,
            ("", _) if self.calendar != "free" => Method::FromDeliveryDate,
            _ => Method::FromOrderDate,
        };
        v1::NewOrder {
            number: self.number.clone(),
            order_type: format!("{}-{}", self.calendar, slug(self.zone)),
            order_date: given(self.order_date),
            delivery_date: given(self.delivery_date),
            schedule_method: method.into(),
            ..v1::NewOrder::default()
        }
    }

    /// The instants at which something about it turns.
    fn turns(&self) -> impl Iterator<Item = DateTime<Utc>> + use<> {
        let health = self.health.map(|(ahead_until, late_from)| [ahead_until, late_from]);
        self.overdue_at.into_iter().chain(health.into_iter().flatten())
    }

    fn overdue(&self, now: DateTime<Utc>) -> bool {
        self.overdue_at.is_some_and(|at| at <= now)
    }
}

fn slug(zone: &str) -> String {
    zone.to_lowercase().replace('+', "-plus-").replace(['/', '_'], "-").replace("--", "-minus-")
}

fn micros(text: &str) -> Option<DateTime<Utc>> {
    (!text.is_empty()).then(|| text.parse().ok().and_then(DateTime::from_timestamp_micros).expect("an instant"))
}

/// The cases of these groups; their numbers begin with the gait and the group.
fn cases(gait: char, groups: impl Fn(usize) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (line, text) in include_str!("data/nights.csv").lines().enumerate() {
        let cells: Vec<&'static str> = text.split(',').collect();
        let [group, zone, calendar, made_at, order_date, delivery_date, overdue_at, ahead_until, late_from] = cells[..]
        else {
            panic!("line {}: {text}", line + 1)
        };
        let group = group.parse().expect("a number");
        let case = Case {
            group,
            number: format!("{gait}{group:02}-{line:04}"),
            zone,
            calendar,
            made_at: micros(made_at).expect("each was made"),
            order_date,
            delivery_date,
            overdue_at: micros(overdue_at),
            health: micros(ahead_until).zip(micros(late_from)),
        };
        if groups(group) {
            cases.push(case);
        }
    }
    assert!(!cases.is_empty());
    cases
}

fn of_group(cases: &[Case], group: usize) -> Vec<&Case> {
    cases.iter().filter(|case| case.group == group).collect()
}

fn groups(cases: &[Case]) -> BTreeSet<usize> {
    cases.iter().map(|case| case.group).collect()
}

fn turns(cases: &[&Case]) -> BTreeSet<DateTime<Utc>> {
    cases.iter().flat_map(|case| case.turns()).collect()
}

fn open(hours: &[(i32, i32)]) -> v1::DayHours {
    let intervals = hours.iter().map(|(from, to)| v1::WorkingInterval { from_minute: from * 60, to_minute: to * 60 });
    v1::DayHours { open: true, intervals: intervals.collect() }
}

async fn create_calendar(api: &Api, id: &str, week: Vec<v1::DayHours>) {
    let calendar = v1::Calendar { id: id.into(), name: id.into(), zone: "UTC".into(), week, ..v1::Calendar::default() };
    let request = v1::CreateCalendarRequest { calendar: Some(calendar), ..v1::CreateCalendarRequest::default() };
    api.calendars().create_calendar(request).await.done();
}

async fn create_type(api: &Api, id: &str, calendar: &str, days: Option<i32>, minutes: Option<i32>) {
    let status = |id: &str, kind: Kind, timed: bool| v1::Status {
        id: id.into(),
        name: id.into(),
        kind: kind.into(),
        duration_business_days: days.filter(|_| timed),
        duration_working_minutes: minutes.filter(|_| timed),
        ..v1::Status::default()
    };
    let order_type = v1::OrderType {
        id: id.into(),
        name: id.into(),
        calendar: calendar.into(),
        statuses: vec![
            status("first", Kind::Initial, true),
            status("second", Kind::Standard, true),
            status("done", Kind::Final, false),
        ],
        ..v1::OrderType::default()
    };
    let request = v1::CreateOrderTypeRequest { order_type: Some(order_type), ..v1::CreateOrderTypeRequest::default() };
    api.types().create_order_type(request).await.done();
}

/// Calendars and types for these zones; see `nights.py`. Those of UTC are made through the API. The others are its rows with
/// another zone: an edit looks at the whole catalogue, which is not what is tested here. `kinds` is a pattern of their names.
async fn seed(api: &Api, database: &Database, kinds: &str, zones: &BTreeSet<&str>) {
    let working = vec![open(&[(8, 12), (13, 17)]); 5].into_iter().chain(vec![v1::DayHours::default(); 2]);
    for (id, week) in [
        ("day-utc", vec![open(&[]); 7]),
        ("shift-utc", vec![open(&[(0, 6), (22, 24)]); 7]),
        ("week-utc", working.collect::<Vec<_>>()),
    ] {
        create_calendar(api, id, week).await;
    }
    for (id, calendar, days, minutes) in [
        ("day-utc", "day-utc", Some(1), None),
        ("hours-utc", "day-utc", None, Some(25 * 60)),
        ("shift-utc", "shift-utc", None, Some(10 * 60)),
        ("week-utc", "week-utc", Some(1), None),
        ("free-utc", "day-utc", None, None),
    ] {
        create_type(api, id, calendar, days, minutes).await;
    }
    let others = zones.iter().filter(|zone| **zone != "UTC");
    let values: Vec<_> = others.map(|zone| format!("('{zone}', '-{}')", slug(zone))).collect();
    let mut copies = vec![format!("CREATE TEMP TABLE zones (name, slug) AS VALUES {}", values.join(", "))];
    for (table, kind, changed) in [
        ("calendars", "id", "'id', {id}, 'spec', r.spec || jsonb_build_object('id', {id}, 'zone', z.name)"),
        ("order_types", "id", "'id', {id}, 'calendar', replace(r.calendar, '-utc', z.slug)"),
        ("statuses", "order_type", "'order_type', replace(r.order_type, '-utc', z.slug)"),
    ] {
        let changed = changed.replace("{id}", "replace(r.id, '-utc', z.slug)");
        copies.push(format!(
            "INSERT INTO {table} SELECT (jsonb_populate_record(r, jsonb_build_object({changed}))).*
             FROM {table} r, zones z WHERE r.{kind} LIKE '{kinds}-utc'"
        ));
    }
    copies.push("UPDATE catalogue_version SET version = version + 1".into());
    database.execute(copies.join("; ")).await;
}

fn zones(cases: &[Case]) -> BTreeSet<&'static str> {
    cases.iter().map(|case| case.zone).collect()
}

/// One daemon, and the sweep of another one.
struct Walker {
    api: Api,
    clock: TestClock,
    other: Arc<Plant>,
    /// The sweep is left to the daemon and its bell.
    by_bell: bool,
    /// When each order was to be told of: at the first instant of the walk at which it was overdue.
    told: BTreeMap<String, DateTime<Utc>>,
    // Dropped last.
    _daemon: Daemon,
    database: Database,
}

impl Walker {
    /// A daemon whose bell rings every second, or hardly ever.
    async fn start(by_bell: bool) -> Self {
        let database = Database::create();
        let clock = TestClock::standing_at("1990-01-01T00:00:00Z");
        let tick_s = if by_bell { 1 } else { 60 };
        let daemon = Daemon::start(&database, Options::new().clock(&clock).set("alerts.tick_s", tick_s)).await;
        let store = Store::open(&StoreSettings {
            url: database.url(),
            pool_max: 3,
            delivery_pool_max: 1,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
        })
        .expect("a valid URL");
        let settings = Settings { fallback: FALLBACK.into(), gather_lanes: 1, ..Settings::default() };
        let other = Plant::new(store, Arc::new(FileClock::new(clock.path().into())), settings, fastrand::u64(..));
        Self { api: daemon.api(), clock, other, by_bell, told: BTreeMap::new(), _daemon: daemon, database }
    }

    /// Makes these orders now; each must be due when it is to be.
    async fn make(&self, cases: &[&Case]) {
        let made = self.api.create_many(cases.iter().map(|case| case.new_order()).collect()).await;
        for (case, order) in cases.iter().zip(made) {
            let due = order.visit.and_then(|visit| visit.due_time).map(|due| instant(Some(due)));
            assert_eq!(due, case.overdue_at, "{case:?}");
        }
    }

    /// Walks over a group of cases from instant to instant, in the order given, and looks at each.
    async fn walk(&mut self, cases: &[&Case], instants: &[DateTime<Utc>]) {
        let mut left: BTreeMap<DateTime<Utc>, Vec<&Case>> = BTreeMap::new();
        for case in cases {
            left.entry(case.made_at).or_default().push(case);
        }
        let mut made = Vec::new();
        for now in instants {
            while let Some(next) = left.first_entry().filter(|next| next.key() <= now) {
                self.clock.set(*next.key());
                self.make(next.get()).await;
                made.extend(next.remove());
            }
            self.clock.set(*now);
            self.sweep().await;
            self.expect_told(&made, *now);
            self.look(&made, *now).await;
        }
        assert!(left.is_empty(), "the walk ended before all were made");
    }

    /// When it returns, a sweep has run that began after the clock was set.
    async fn sweep(&self) {
        if !self.by_bell {
            sweep(&self.other).await.expect("the database answers");
            return;
        }
        for _ in 0..2 {
            // An order that is late from the start is told of by the next sweep; the second by one that began after the first.
            let number = format!("{CANARY}{:08x}", fastrand::u32(..));
            let order_type = format!("day-{}", slug(BY_BELL));
            let late = v1::NewOrder {
                number: number.clone(),
                order_type,
                order_date: date("1989-01-02"),
                ..v1::NewOrder::default()
            };
            self.api.create(late).await;
            eventually("the canary is told of", async || {
                self.messages().await.iter().any(|(told, _)| *told == number).then_some(())
            })
            .await;
        }
    }

    fn expect_told(&mut self, made: &[&Case], now: DateTime<Utc>) {
        for case in made.iter().filter(|case| case.overdue(now)) {
            self.told.entry(case.number.clone()).or_insert(now);
        }
    }

    /// All lists and single orders say the same, and what is to be seen now.
    async fn look(&self, made: &[&Case], now: DateTime<Utc>) {
        let Some(first) = made.first() else { return };
        // All lists are looked at when something turns, of few orders just before as well; else only the overdue ones.
        let nearest = |case: &&&Case| case.turns().map(|at| (at - now).abs()).min();
        let one = made.iter().min_by_key(nearest).expect("there is one");
        let turns = |at: DateTime<Utc>| made.iter().any(|case| case.turns().any(|turn| turn == at));
        let only_overdue = turns(now - MICROSECOND) || made.len() > FEW && !turns(now);
        let prefix = &first.number[..4];
        let filter = |overdue, health: &[Health]| v1::OrderFilter {
            number_prefix: prefix.into(),
            overdue,
            health: health.iter().map(|health| (*health).into()).collect(),
            ..v1::OrderFilter::default()
        };
        let (overdue, one) = tokio::join!(self.numbers(filter(true, &[])), self.api.get(&one.number));
        let mut expected: Vec<_> = made.iter().map(|case| (case.number.clone(), case.overdue(now))).collect();
        expected.sort();
        let late: Vec<_> = expected.iter().filter(|(_, overdue)| *overdue).map(|(number, _)| number.clone()).collect();
        assert_eq!(overdue, late, "overdue at {now}");
        assert_eq!(one.overdue, overdue.contains(&one.number), "{} at {now}", one.number);
        if only_overdue {
            return;
        }
        let (all, late, on_target) = tokio::join!(
            self.rows(filter(false, &[])),
            self.numbers(filter(false, &[Health::Late])),
            self.numbers(filter(false, &[Health::OnTarget])),
        );
        let seen: Vec<_> = all.iter().map(|order| (order.number.clone(), order.overdue)).collect();
        assert_eq!(seen, expected, "{now}");
        assert!(all.contains(&one), "one order is what the list says: {} at {now}", one.number);
        let with = |wanted: Health| {
            all.iter().filter(|order| health(order) == wanted).map(|order| order.number.clone()).collect::<Vec<_>>()
        };
        assert_eq!(late, with(Health::Late), "late at {now}");
        assert_eq!(on_target, with(Health::OnTarget), "on target at {now}");
        for order in &all {
            let visit = order.visit.as_ref().expect("a visit");
            assert_eq!(visit.overdue, order.overdue, "{} at {now}", order.number);
        }
        let by_number: BTreeMap<_, _> = all.iter().map(|order| (&order.number, health(order))).collect();
        for case in made {
            if let Some((ahead_until, late_from)) = case.health {
                let expected = match now {
                    now if now < ahead_until => Health::Ahead,
                    now if now < late_from => Health::OnTarget,
                    _ => Health::Late,
                };
                assert_eq!(by_number[&case.number], expected, "{now} {case:?}");
            }
        }
    }

    async fn rows(&self, filter: v1::OrderFilter) -> Vec<v1::Order> {
        let request = v1::ListOrdersRequest {
            filter: Some(filter),
            order_by: v1::OrderBy::Number.into(),
            page_size: 500,
            ..v1::ListOrdersRequest::default()
        };
        let page = self.api.orders().list_orders(request).await.done();
        assert_eq!(page.next_page_token, "", "a group is one page");
        page.orders
    }

    async fn numbers(&self, filter: v1::OrderFilter) -> Vec<String> {
        self.rows(filter).await.into_iter().map(|order| order.number).collect()
    }

    /// Each was told of once, at the first instant at which it was overdue; nobody else was.
    async fn all_told_once(&self) {
        let expected: Vec<_> = self.told.iter().map(|(number, at)| (number.clone(), *at)).collect();
        let mut told = self.messages().await;
        told.retain(|(number, _)| !number.starts_with(CANARY));
        told.sort();
        let twice: Vec<_> = told.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
        let wrong: Vec<_> = told.iter().filter(|one| !expected.contains(one)).collect();
        let missing: Vec<_> = expected.iter().filter(|one| !told.contains(one)).collect();
        assert_eq!((twice, wrong, missing), Default::default(), "told twice, early or late, not at all");
    }

    async fn messages(&self) -> Vec<(String, DateTime<Utc>)> {
        // Many for one mailbox come in a digest as well; what it tells is listed with it.
        let messages = self.api.messages().await.into_iter().filter(|message| message.kind != "DIGEST");
        messages.map(|message| (message.order_number, instant(message.create_time))).collect()
    }
}

fn health(order: &v1::Order) -> Health {
    order.projection.as_ref().map_or(Health::Unspecified, v1::Projection::health)
}

/// Before, at and after each turn; once back again.
fn by_microseconds(cases: &[&Case]) -> Vec<DateTime<Utc>> {
    let mut instants = Vec::new();
    for (index, turn) in turns(cases).into_iter().enumerate() {
        instants.extend([turn - MICROSECOND, turn, turn + MICROSECOND]);
        if index == 2 {
            instants.extend([turn - MICROSECOND, turn]);
        }
    }
    instants
}

/// From the first order to the last turn, in equal steps.
fn by_steps(cases: &[&Case], step: TimeDelta) -> Vec<DateTime<Utc>> {
    let (begin, end) = (cases.iter().map(|case| case.made_at).min(), turns(cases).pop_last());
    let (mut now, end) = (begin.expect("there are cases"), end.expect("there are turns"));
    let mut instants = vec![now];
    while now < end {
        now += step;
        instants.push(now);
    }
    instants
}

/// Stands still for ten minutes over each turn.
fn by_pauses(cases: &[&Case]) -> Vec<DateTime<Utc>> {
    let mut instants = Vec::new();
    for turn in turns(cases) {
        let before = turn - TimeDelta::minutes(4);
        if instants.last().is_none_or(|last| *last < before) {
            instants.extend([before, before + TimeDelta::minutes(10)]);
        }
    }
    instants
}

async fn walk_all(walker: &mut Walker, cases: &[Case], instants: impl Fn(&[&Case]) -> Vec<DateTime<Utc>>) {
    for group in groups(cases) {
        let cases = of_group(cases, group);
        let instants = instants(&cases);
        walker.walk(&cases, &instants).await;
    }
}

/// The zone of the walk that is left to the bell.
const BY_BELL: &str = "America/Havana";

/// The first groups lie in years that are past, and have one zone each; in the others many zones meet.
const FIRST_OF_MANY: usize = 38;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nights_of_the_past_by_microseconds_hours_days_and_pauses() {
    let mut walker = Walker::start(false).await;
    let past = |gait, some: fn(usize) -> bool| cases(gait, |group| group < FIRST_OF_MANY && some(group));
    seed(&walker.api, &walker.database, "%", &zones(&past('m', |_| true))).await;
    walk_all(&mut walker, &past('m', |_| true), by_microseconds).await;
    walk_all(&mut walker, &past('h', |group| group == 3), |cases| by_steps(cases, TimeDelta::hours(1))).await;
    walk_all(&mut walker, &past('d', |group| group % 2 == 1), |cases| by_steps(cases, TimeDelta::days(1))).await;
    walk_all(&mut walker, &past('p', |group| group % 6 == 2), by_pauses).await;
    walker.all_told_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nights_of_many_zones_by_microseconds_hours_days_and_pauses() {
    let mut walker = Walker::start(false).await;
    let many = |gait, some: fn(usize) -> bool| cases(gait, |group| group >= FIRST_OF_MANY && some(group));
    seed(&walker.api, &walker.database, "%", &zones(&many('m', |_| true))).await;
    walk_all(&mut walker, &many('m', |_| true), by_microseconds).await;
    walk_all(&mut walker, &many('h', |group| group == 40), |cases| by_steps(cases, TimeDelta::hours(1))).await;
    walk_all(&mut walker, &many('d', |_| true), |cases| by_steps(cases, TimeDelta::days(1))).await;
    walk_all(&mut walker, &many('p', |group| group == 44), by_pauses).await;
    walker.all_told_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_by_the_bell_of_the_daemon() {
    let mut walker = Walker::start(true).await;
    let mut night = cases('b', |_| true);
    night.retain(|case| case.zone == BY_BELL);
    seed(&walker.api, &walker.database, "%", &zones(&night)).await;
    let group = *groups(&night).last().expect("two nights");
    let night = of_group(&night, group);
    let all: Vec<_> = turns(&night).into_iter().collect();
    let (first, last) = (all[0], all[all.len() - 1]);
    // A microsecond, a pause of ten minutes, back by an hour, on by a day, and to the end.
    let instants = [
        first - MICROSECOND,
        first,
        first + TimeDelta::minutes(10),
        first - TimeDelta::minutes(50),
        first + TimeDelta::days(1),
        last,
    ];
    walker.walk(&night, &instants).await;
    walker.all_told_once().await;
}

/// Each zone that there is, once at the turn of a year and once at its last change of the clocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn midnight_of_every_zone_to_the_microsecond() {
    let mut midnights: BTreeMap<DateTime<Utc>, Vec<(String, String)>> = BTreeMap::new();
    let mut zones = BTreeSet::new();
    let mut orders = Vec::new();
    for text in include_str!("data/midnights.csv").lines() {
        let mut cells = text.split(',');
        let mut cell = || cells.next().unwrap_or_else(|| panic!("{text}"));
        let (zone, day, overdue_at) = (cell(), cell(), micros(cell()).expect("an instant"));
        zones.insert(zone);
        let (number, order_type) = (format!("z{:04}", orders.len()), format!("day-{}", slug(zone)));
        let before = day.parse::<chrono::NaiveDate>().expect("a day").pred_opt().expect("not the first");
        orders.push(v1::NewOrder {
            number: number.clone(),
            order_type: order_type.clone(),
            order_date: date(&before.to_string()),
            ..v1::NewOrder::default()
        });
        midnights.entry(overdue_at).or_default().push((number, order_type));
    }
    for zone in chrono_tz::TZ_VARIANTS {
        assert!(zones.contains(zone.name()), "{} is not in midnights.csv: write it anew", zone.name());
    }
    let mut walker = Walker::start(false).await;
    seed(&walker.api, &walker.database, "day", &zones).await;
    walker.clock.set(*midnights.keys().next().expect("there are some") - TimeDelta::days(1));
    for some in orders.chunks(500) {
        walker.api.create_many(some.to_vec()).await;
    }
    for (midnight, those) in &midnights {
        for now in [*midnight - MICROSECOND, *midnight, *midnight + MICROSECOND] {
            walker.clock.set(now);
            walker.sweep().await;
            for (number, _) in those {
                if now >= *midnight {
                    walker.told.entry(number.clone()).or_insert(now);
                }
                if now <= *midnight {
                    assert_eq!(walker.api.get(number).await.overdue, now >= *midnight, "{number} at {now}");
                }
            }
            // A list takes 50 types at most.
            for some in those.chunks(50) {
                let filter = v1::OrderFilter {
                    overdue: true,
                    order_types: some.iter().map(|(_, order_type)| order_type.clone()).collect(),
                    ..v1::OrderFilter::default()
                };
                let listed: BTreeSet<_> = walker.api.list(filter).await.into_iter().collect();
                for (number, _) in some {
                    assert_eq!(listed.contains(number), now >= *midnight, "{number} at {now}");
                }
            }
        }
    }
    assert_eq!(walker.api.overdue().await.len(), orders.len());
    walker.all_told_once().await;
}
