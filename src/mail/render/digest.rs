//! A digest: what is told of several orders at once.

use serde::Serialize;

use crate::domain::alerts::{
    event::Occurrence,
    message::{Ageing, DigestFacts, DigestGroup, DigestLine, Mark, News, NoteFacts, OrderFacts, TaskLine},
};

use super::{
    clean::{self, Clean, name},
    letter::Todo,
    phrases::{self, Badge, Counts, Label, Phrases, Step},
    text::line,
};

/// Characters of a note.
const NOTE_CHARS_MAX: usize = 140;
/// News of one order that are listed; what is more is counted.
const NEWS_MAX: usize = 8;
/// Different reasons that are given.
const REASONS_MAX: usize = 5;
/// Overdue orders from which on a picture says more than the list.
const AGEING_FROM: u32 = 3;
/// Characters of the longest bar in plain text.
const BAR_CHARS: u32 = 24;

/// A message about several orders, in words.
#[derive(Debug, Serialize)]
pub(super) struct Digest {
    lang: &'static str,
    badge: &'static str,
    tone: &'static str,
    headline: String,
    intro: &'static str,
    hint: &'static str,
    ageing_label: &'static str,
    ageing: Vec<Bar>,
    groups: Vec<Group>,
    more: String,
    unchanged: String,
    tasks_label: &'static str,
    tasks: Vec<Task>,
    tasks_more: String,
    steps_label: &'static str,
    steps: Vec<Todo>,
    why: String,
}

/// One age of the picture: how many orders, and how long that is drawn.
#[derive(Debug, Serialize)]
struct Bar {
    label: String,
    count: u32,
    percent: u32,
    /// Between label and count in plain text, so that the counts stand below each other.
    gap: String,
    drawn: String,
}

#[derive(Debug, Serialize)]
struct Group {
    /// Empty in digests that know no groups.
    name: String,
    lines: Vec<Line>,
    more: String,
}

#[derive(Debug, Serialize)]
struct Line {
    badge: &'static str,
    tone: &'static str,
    name: String,
    link: Option<String>,
    /// How late, or empty.
    late: String,
    /// How late it was, or empty.
    before: String,
    about: String,
    acknowledged: String,
    news: Vec<String>,
    news_more: String,
    /// The newest note; empty when the news tell it.
    note: String,
}

#[derive(Debug, Serialize)]
struct Task {
    name: String,
    link: Option<String>,
    late: String,
    about: String,
}

/// Subject and words of a digest.
pub(super) fn digest(facts: &DigestFacts, plant_language: &str, link_pattern: Option<&str>) -> (String, Digest) {
    let phrases = phrases::choose(&facts.reader.language, plant_language);
    let marked = |wanted: fn(&Mark) -> bool| count(facts.lines().filter(|line| wanted(&line.mark)).count());
    let counts = Counts {
        orders: facts.count(),
        new: marked(|mark| matches!(mark, Mark::New)),
        worse: marked(|mark| matches!(mark, Mark::Worse { .. })),
        recovered: marked(|mark| matches!(mark, Mark::Recovered)),
        tasks: count(facts.tasks.len()).saturating_add(facts.tasks_more),
        storm: facts.storm,
    };
    let worst = worst(facts.lines().filter(|line| line.mark.is_overdue()).map(|line| &line.order));
    let subject = phrases.digest_subject(&counts, worst.as_ref().map(|(name, days)| (name.as_str(), *days)));
    let badge = if facts.storm { Badge::Storm } else { Badge::Digest };
    let is_late = facts.lines().any(|line| line.mark.is_overdue());
    let tone = if is_late { Badge::Overdue.tone() } else { badge.tone() };
    let mut steps = Vec::new();
    if is_late {
        let number = phrases.label(Label::Number);
        let late = [Step::Advance, Step::NewDueDate, Step::SayWhatIsMissing, Step::Acknowledge];
        steps.extend(late.map(|step| Todo::new(step, number, phrases)));
    }
    if facts.unchanged > 0 || facts.count() > count(facts.lines().count()) {
        steps.push(Todo::new(Step::ListOverdue, "", phrases));
    }
    let digest = Digest {
        badge: phrases.badge(badge),
        tone,
        headline: phrases.digest_headline(&counts),
        intro: if facts.storm { phrases.storm() } else { "" },
        ageing: ageing(facts, phrases),
        steps,
        ..common(facts, phrases, link_pattern)
    };
    (subject, digest)
}

/// Subject and words of a digest as it was before there were groups: overdue orders only.
pub(super) fn overdue_digest(
    orders: &[OrderFacts],
    more: u32,
    plant_language: &str,
    link_pattern: Option<&str>,
) -> (String, Digest) {
    let line =
        |order: &OrderFacts| DigestLine { order: order.clone(), mark: Mark::New, news: Vec::new(), news_more: 0 };
    let group = DigestGroup { lines: orders.iter().map(line).collect(), more, ..DigestGroup::default() };
    let reader = orders.first().map(|order| order.reader.clone()).unwrap_or_default();
    let facts = DigestFacts { reader, groups: vec![group], ..DigestFacts::default() };
    let phrases = phrases::choose(&facts.reader.language, plant_language);
    let worst = worst(orders.iter());
    let subject = phrases.overdue_subject(facts.count(), worst.as_ref().map(|(name, days)| (name.as_str(), *days)));
    let mut digest = Digest {
        badge: phrases.badge(Badge::Overdue),
        tone: Badge::Overdue.tone(),
        headline: phrases.overdue_headline(facts.count()),
        ageing: ageing(&facts, phrases),
        steps: [Step::Advance, Step::NewDueDate, Step::SayWhatIsMissing]
            .map(|step| Todo::new(step, "", phrases))
            .into(),
        ..common(&facts, phrases, link_pattern)
    };
    for group in &mut digest.groups {
        group.name.clear();
        // All of them are overdue: saying so in each line would say nothing.
        group.lines.iter_mut().for_each(|line| line.badge = "");
    }
    (subject, digest)
}

/// What both have.
fn common(facts: &DigestFacts, phrases: &dyn Phrases, link_pattern: Option<&str>) -> Digest {
    let more = |count: u32| if count == 0 { String::new() } else { phrases.more(count) };
    let groups = facts.groups.iter().filter(|group| group.more > 0 || !group.lines.is_empty());
    let groups = groups.map(|group| Group {
        name: phrases.group(&name(&group.department), &name(&group.order_type)),
        lines: in_order(&group.lines)
            .into_iter()
            .map(|line| words_of_line(line, facts, phrases, link_pattern))
            .collect(),
        more: more(group.more),
    });
    Digest {
        lang: phrases.tag(),
        badge: "",
        tone: "",
        headline: String::new(),
        intro: "",
        hint: phrases.label(Label::DaysAreWorkingDays),
        ageing_label: phrases.label(Label::Ageing),
        ageing: Vec::new(),
        groups: groups.collect(),
        more: more(facts.more),
        unchanged: if facts.unchanged == 0 { String::new() } else { phrases.unchanged(facts.unchanged) },
        tasks_label: phrases.label(Label::Tasks),
        tasks: facts.tasks.iter().map(|task| words_of_task(task, phrases, link_pattern)).collect(),
        tasks_more: more(facts.tasks_more),
        steps_label: phrases.label(Label::Steps),
        steps: Vec::new(),
        why: reasons(facts, phrases),
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// What is late first, the latest first; then what is acknowledged, what else there is, and what recovered. A stable sort keeps the
/// caller's order among equals.
fn in_order(lines: &[DigestLine]) -> Vec<&DigestLine> {
    let mut lines: Vec<&DigestLine> = lines.iter().collect();
    lines.sort_by_key(|line| {
        let rank = match line.mark {
            Mark::New | Mark::Worse { .. } => 0,
            Mark::Acknowledged { .. } => 1,
            Mark::News => 2,
            Mark::Recovered => 3,
        };
        (rank, std::cmp::Reverse(line.order.days_late))
    });
    lines
}

/// The order that is latest, and how late; the first of several.
fn worst<'a>(orders: impl Iterator<Item = &'a OrderFacts>) -> Option<(String, u32)> {
    let latest =
        |worst: &'a OrderFacts, order: &'a OrderFacts| if order.days_late > worst.days_late { order } else { worst };
    let worst = orders.reduce(latest)?;
    Some((Clean::new(worst, None).short_name(), worst.days_late))
}

fn words_of_line(line: &DigestLine, facts: &DigestFacts, phrases: &dyn Phrases, link_pattern: Option<&str>) -> Line {
    let clean = Clean { zone: clean::zone(&facts.reader, &line.order.zone), ..Clean::new(&line.order, link_pattern) };
    let order = &clean.order;
    let badge = match &line.mark {
        Mark::New => Some(Badge::New),
        Mark::Worse { .. } => Some(Badge::Worse),
        Mark::Recovered => Some(Badge::Recovered),
        Mark::Acknowledged { .. } => Some(Badge::Acknowledged),
        Mark::News => line.news.last().map(|news| Badge::of(&news.occurrence)),
    };
    let acknowledged = match &line.mark {
        Mark::Acknowledged { by, note, until } => {
            let until = until.map(|until| until.with_timezone(&clean.zone));
            phrases.acknowledged(&clean::who(by), &super::text::line(note, NOTE_CHARS_MAX), until)
        }
        _ => String::new(),
    };
    let is_late = line.mark.is_overdue() || (line.mark == Mark::News && order.days_late > 0);
    // What the mark says is not said again.
    let told: Vec<&News> =
        line.news.iter().filter(|it| it.occurrence != Occurrence::StatusOverdue || !it.text.is_empty()).collect();
    let news_more = line.news_more.saturating_add(count(told.len().saturating_sub(NEWS_MAX)));
    Line {
        badge: badge.map_or("", |badge| phrases.badge(badge)),
        tone: badge.map_or("", Badge::tone),
        name: clean.name(),
        late: if is_late { phrases.days_late(order.days_late) } else { String::new() },
        before: match line.mark {
            Mark::Worse { days_late_before } => phrases.before(days_late_before),
            _ => String::new(),
        },
        about: [
            order.status_name.clone(),
            phrases.due_in_line(order.due_on),
            phrases.holder(order.assignee.as_deref(), order.department.as_deref()),
        ]
        .join(" · "),
        acknowledged,
        news: told.iter().take(NEWS_MAX).map(|news| words_of_news(news, &clean, phrases)).collect(),
        news_more: if news_more == 0 { String::new() } else { phrases.more(news_more) },
        note: last_note(line, &told),
        link: clean.link,
    }
}

fn words_of_news(news: &News, clean: &Clean, phrases: &dyn Phrases) -> String {
    let occurrence = clean::occurrence(&news.occurrence, NOTE_CHARS_MAX);
    match line(&news.text, NOTE_CHARS_MAX) {
        own if own.is_empty() => phrases.news(&clean.scene(&occurrence)),
        own => own,
    }
}

/// The newest note, unless it is among the news.
fn last_note(of: &DigestLine, told: &[&News]) -> String {
    let is_told = |last: &NoteFacts| {
        told.iter().take(NEWS_MAX).any(|news| {
            matches!(&news.occurrence, Occurrence::NoteAdded { note } if note.at == last.at && note.author == last.author)
        })
    };
    let note = of.order.last_note.as_ref().filter(|last| !is_told(last));
    note.map_or_else(String::new, |note| format!("{}: {}", clean::who(&note.author), line(&note.text, NOTE_CHARS_MAX)))
}

fn words_of_task(task: &TaskLine, phrases: &dyn Phrases, link_pattern: Option<&str>) -> Task {
    let link = task.order_id.and_then(|id| clean::link_to(&task.order_number, &id.to_string(), link_pattern));
    Task {
        name: name(&task.title),
        link: link.filter(|_| !task.order_number.is_empty()),
        late: phrases.days_late(task.days_late),
        about: phrases.task_about(&name(&task.order_number), task.due_on, &name(&task.department)),
    }
}

/// The picture of how late the orders are; nothing when there are too few of them.
fn ageing(facts: &DigestFacts, phrases: &dyn Phrases) -> Vec<Bar> {
    let listed = || facts.lines().filter(|line| line.mark.is_overdue()).map(|line| line.order.days_late).collect();
    let all_are_listed = facts.count() == count(facts.lines().count()) && facts.unchanged == 0;
    let ageing: Ageing = if facts.ageing.total() == 0 && all_are_listed { listed() } else { facts.ageing };
    if ageing.total() < AGEING_FROM {
        return Vec::new();
    }
    let most = ageing.counts.into_iter().max().unwrap_or_default().max(1);
    // What is there is seen, however little it is beside the rest.
    let length = |count: u32, whole: u32| {
        let share = u64::from(count) * u64::from(whole) / u64::from(most);
        if count == 0 { 0 } else { u32::try_from(share).unwrap_or(whole).max(1) }
    };
    let from = |age: usize| if age == 0 { 0 } else { Ageing::UP_TO[age - 1] + 1 };
    let bar = |(age, count): (usize, u32)| Bar {
        label: phrases.age(from(age), Ageing::UP_TO.get(age).copied()),
        count,
        percent: length(count, 100),
        gap: String::new(),
        drawn: "#".repeat(length(count, BAR_CHARS) as usize),
    };
    let mut bars: Vec<Bar> = ageing.counts.into_iter().enumerate().map(bar).collect();
    let width = |bar: &Bar| bar.label.chars().count() + bar.count.to_string().len();
    let widest = bars.iter().map(width).max().unwrap_or_default();
    for bar in &mut bars {
        bar.gap = " ".repeat(widest + 2 - width(bar));
    }
    bars
}

/// Why the person gets it, each reason once.
fn reasons(facts: &DigestFacts, phrases: &dyn Phrases) -> String {
    let mut reasons = Vec::new();
    for line in in_order(&facts.lines().cloned().collect::<Vec<_>>()) {
        let reason = phrases.why(&Clean::new(&line.order, None).order.reason);
        if reasons.len() < REASONS_MAX && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    if !facts.tasks.is_empty() {
        reasons.push(phrases.label(Label::WhyTasks).to_owned());
    }
    if reasons.is_empty() { String::new() } else { phrases.you_get_this(&reasons) }
}
