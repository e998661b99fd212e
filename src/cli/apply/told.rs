//! The plan and what came of it, in words.

use std::fmt::Write as _;

use super::{
    call::{Answered, Foreseen, reason},
    carry_out::{Outcome, Stop},
    compare::Difference,
    entry::{Entry, Key, Kind},
    steps::{Plan, Step},
};
use crate::{
    cli::{dates, failure::Failure, words},
    grpc::proto::v1::{EditPlan, PlannedChange, Responsibilities},
};

/// Orders that are shown of each plan.
const EXAMPLES_MAX: usize = 10;
/// Longer values are cut; `--json` has them whole.
const VALUE_MAX: usize = 100;
/// Ids that are listed of what stays as it is.
const IDS_MAX: usize = 20;

/// The whole plan.
pub fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    for it in &plan.steps {
        text.push_str(&step(it));
    }
    if !plan.left.is_empty() {
        let _ = writeln!(text, "Not in the file, and left as it is: {}", ids(&plan.left));
    }
    text.push_str(&summary(plan));
    text
}

fn summary(plan: &Plan) -> String {
    let creates = plan.steps.iter().filter(|step| step.creates()).count();
    let refused = plan.refused().count();
    let unchanged = words::grouped(plan.unchanged.len());
    if plan.steps.is_empty() {
        return format!("Nothing changes: {unchanged} unchanged.\n");
    }
    let changes = words::grouped(plan.steps.len() - creates);
    let mut text = format!("{} to create, {changes} to change, {unchanged} unchanged.\n", words::grouped(creates));
    if refused > 0 {
        let _ = writeln!(text, "{} would be refused, so nothing is applied.", words::count(refused, "step"));
    }
    text
}

/// `user anna, erika; type job`, cut when there are many.
fn ids(keys: &[Key]) -> String {
    let kinds = [Kind::Stages, Kind::Calendar, Kind::User, Kind::Department, Kind::OrderType, Kind::Trigger];
    let of = |kind: Kind| {
        let all: Vec<_> = keys.iter().filter(|key| key.kind == kind).map(|key| words::clean(&key.id)).collect();
        let more = all.len().saturating_sub(IDS_MAX);
        let more = if more > 0 { format!(" and {} more", words::grouped(more)) } else { String::new() };
        let shown = &all[..all.len().min(IDS_MAX)];
        (!all.is_empty()).then(|| format!("{} {}{more}", kind.word(), shown.join(", ")))
    };
    kinds.into_iter().filter_map(of).collect::<Vec<_>>().join("; ")
}

fn step(step: &Step) -> String {
    let (mark, verb) = if step.creates() { ('+', "create") } else { ('~', "change") };
    let mut text = format!("{mark} {verb} {}{}\n", words::clean(&step.key().to_string()), detail(step));
    for it in &step.differences {
        let _ = writeln!(text, "    {}", difference(it));
    }
    match &step.foreseen {
        Foreseen::Nothing => {}
        Foreseen::Certain(answered) => text.push_str(&effects(answered)),
        Foreseen::Likely(answered) => {
            text.push_str(&effects(answered));
            let _ = writeln!(text, "    to be checked again when what it needs is there: {}", ids(&step.needs));
        }
        Foreseen::Later => {
            let _ = writeln!(text, "    to be checked when what it needs is there: {}", ids(&step.needs));
        }
        Foreseen::Refused(failure) => text.push_str(&refusal(failure, "    ")),
    }
    text
}

/// What is made, beside its id.
fn detail(step: &Step) -> String {
    if !step.creates() {
        return String::new();
    }
    match &step.entry {
        Entry::Stages(_) => String::new(),
        Entry::Calendar(it) => format!(": {}, {}", words::clean(&it.name), words::clean(&it.zone)),
        Entry::User(it) => format!(": {}", words::clean(&it.display_name)),
        Entry::Department(it) => format!(": {}", words::clean(&it.name)),
        Entry::Trigger(it) => format!(": {}", words::clean(&it.name)),
        Entry::OrderType(it) => {
            format!(
                ": {}, {}",
                words::clean(&it.name),
                words::count(it.statuses.len(), "status").replace("statuss", "statuses")
            )
        }
    }
}

fn difference(it: &Difference) -> String {
    let note = match (it.note.as_str(), &it.before, &it.after) {
        ("", ..) => String::new(),
        (note, None, None) => format!(" {note}"),
        (note, ..) => format!("; {note}"),
    };
    let change = match (&it.before, &it.after) {
        (Some(before), Some(after)) => format!(": {} -> {}", cut(before), cut(after)),
        (None, Some(after)) => format!(": + {}", cut(after)),
        (Some(before), None) => format!(": - {}", cut(before)),
        (None, None) => ":".to_owned(),
    };
    words::clean(&format!("{}{change}{note}", it.field))
}

fn cut(value: &str) -> String {
    if value.chars().count() <= VALUE_MAX {
        return value.to_owned();
    }
    value.chars().take(VALUE_MAX - 1).chain(['…']).collect()
}

fn effects(answered: &Answered) -> String {
    let mut text = live_orders(&answered.plan);
    for warning in &answered.warnings {
        let _ = writeln!(text, "    note: {}", words::clean(warning));
    }
    if let Some(it) = &answered.responsibilities {
        text.push_str(&responsibilities(it));
    }
    text
}

/// Whether a plan changes any order.
pub fn touches_orders(plan: &EditPlan) -> bool {
    !counts(plan).is_empty() || !plan.examples.is_empty()
}

/// What a plan does to live orders, indented; empty when it does nothing.
pub fn live_orders(plan: &EditPlan) -> String {
    let mut text = String::new();
    if touches_orders(plan) {
        let _ = writeln!(text, "    live orders: {}", counts(plan).join(", "));
    }
    for it in plan.examples.iter().take(EXAMPLES_MAX) {
        let _ = writeln!(text, "      {}", example(it));
    }
    if plan.examples.len() > EXAMPLES_MAX {
        text.push_str("      and more; --json shows 50\n");
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "    note: {}", words::clean(warning));
    }
    text
}

fn counts(plan: &EditPlan) -> Vec<String> {
    let count = |number: i64, one: &str, many: &str| {
        let number = usize::try_from(number).unwrap_or(0);
        (number > 0).then(|| format!("{} {}", words::grouped(number), if number == 1 { one } else { many }))
    };
    let all = [
        count(plan.moved_orders, "moves", "move"),
        count(plan.closed_orders, "is closed", "are closed"),
        count(plan.redirected_orders, "comes back elsewhere", "come back elsewhere"),
        count(plan.due_dates_changed, "due date changes", "due dates change"),
        count(plan.newly_overdue, "becomes overdue", "become overdue"),
        count(plan.reassigned_orders, "gets another user", "get another user"),
    ];
    all.into_iter().flatten().collect()
}

fn example(it: &PlannedChange) -> String {
    let mut parts = Vec::new();
    if it.from_status != it.to_status {
        parts.push(format!("{} -> {}", it.from_status, it.to_status));
    }
    if it.due_date_before != it.due_date_after {
        let date = |date: Option<_>| if date.is_none() { "none".to_owned() } else { dates::show(date) };
        parts.push(format!("due {} -> {}", date(it.due_date_before), date(it.due_date_after)));
    }
    if it.user_before != it.user_after {
        parts.push(format!("user {} -> {}", it.user_before, it.user_after));
    }
    for (holds, mark) in [(it.closes, "closed"), (it.newly_overdue, "overdue by it")] {
        parts.extend(holds.then(|| mark.to_owned()));
    }
    if parts.is_empty() {
        parts.push("what it comes back to".to_owned());
    }
    words::clean(&format!("{}: {}", it.number, parts.join(", ")))
}

fn responsibilities(it: &Responsibilities) -> String {
    let mut text = String::new();
    if let Some(orders) = usize::try_from(it.open_orders).ok().filter(|orders| *orders > 0) {
        let _ = writeln!(
            text,
            "    note: {} stay assigned; give them to somebody else",
            words::count(orders, "open order")
        );
    }
    if let Some(tasks) = usize::try_from(it.open_tasks).ok().filter(|tasks| *tasks > 0) {
        let _ =
            writeln!(text, "    note: {} stay assigned; give them to somebody else", words::count(tasks, "open task"));
    }
    let lists = [
        (&it.default_user_of, "gets the orders of"),
        (&it.manages, "manages"),
        (&it.manages_alone, "is the only one who manages"),
        (&it.member_of, "works in"),
        (&it.named_by_triggers, "is named by the triggers"),
    ];
    for (all, verb) in lists.into_iter().filter(|(all, _)| !all.is_empty()) {
        let _ = writeln!(text, "    note: {verb} {}", words::clean(&all.join(", ")));
    }
    text
}

/// A refusal with all that it says, indented.
pub fn refusal(failure: &Failure, indent: &str) -> String {
    let text = failure.text(false);
    let text = text.strip_prefix("andon: ").unwrap_or(&text);
    let mut lines = String::new();
    for line in text.lines() {
        let _ = writeln!(lines, "{indent}{line}");
    }
    if let Some(advice) = advice(&reason(failure)) {
        let _ = writeln!(lines, "{indent}{advice}");
    }
    lines
}

fn advice(reason: &str) -> Option<&'static str> {
    match reason {
        "ETAG_MISMATCH" | "PLAN_CHANGED" => {
            Some("Somebody changed it meanwhile; run it again and look at the new plan.")
        }
        "IN_USE" => {
            Some("Name the status that gets its orders: replacements = { status-that-goes = \"status-that-stays\" }")
        }
        _ => None,
    }
}

/// One line for a step that was made.
pub fn done(step: &Step, answered: &Answered) -> String {
    let verb = if step.creates() { "created" } else { "changed" };
    let counts = counts(&answered.plan);
    let orders = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    words::clean(&format!("{verb} {}{orders}", step.key()))
}

/// What came of a plan.
pub fn outcome(plan: &Plan, outcome: &Outcome) -> String {
    let (made, rest) = plan.steps.split_at(outcome.done);
    let created = made.iter().filter(|step| step.creates()).count();
    let counted = format!(
        "{} created, {} changed, {} unchanged",
        words::grouped(created),
        words::grouped(made.len() - created),
        words::grouped(plan.unchanged.len())
    );
    let (Some(stop), Some((at, not_reached))) = (&outcome.stopped, rest.split_first()) else {
        return format!("Applied: {counted}.\n");
    };
    let mut text = format!("Stopped at {}.\n", words::clean(&at.key().to_string()));
    match stop {
        Stop::Refused(failure) => text.push_str(&refusal(failure, "  ")),
        Stop::Declined => text.push_str("  What it does to live orders was not agreed to.\n"),
    }
    let keys = |steps: &[Step]| ids(&steps.iter().map(Step::key).collect::<Vec<_>>());
    if !made.is_empty() {
        let _ = writeln!(text, "Done before: {}", keys(made));
    }
    if !not_reached.is_empty() {
        let _ = writeln!(text, "Not reached: {}", keys(not_reached));
    }
    let _ = writeln!(text, "{counted}. Run it again: it goes on from here.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::plant::given::{present, wanted},
        grpc::proto::Date,
    };

    const PLANT: &str = "
        [[users]]
        id = 'anna'
        name = 'Anna'
        [[types]]
        id = 't'
        name = 'T'
        calendar = 'c'
        statuses = [{ id = 'a', name = 'A', kind = 'initial' }, { id = 'f', name = 'F', kind = 'final' }]";

    fn made(before: &str, after: &str) -> Plan {
        Plan::new(&present(before), &wanted(after), false)
    }

    #[test]
    fn a_plan_tells_each_difference_and_what_it_does_to_orders() {
        let after = PLANT
            .replace("name = 'A'", "name = \"A\\u001b\"")
            .replace("{ id = 'f'", "{ id = 'n', name = 'N' }, { id = 'f'");
        let mut changed = made(PLANT, &(after + "\n[[departments]]\nid = 'd'\nname = 'D'"));
        let date = |day| Some(Date { year: 2026, month: 1, day });
        let example = PlannedChange {
            number: "W-1".into(),
            from_status: "a".into(),
            to_status: "n".into(),
            due_date_before: date(5),
            due_date_after: date(6),
            ..PlannedChange::default()
        };
        let effects =
            EditPlan { moved_orders: 1, due_dates_changed: 2, examples: vec![example], ..EditPlan::default() };
        changed.steps[1].foreseen = Foreseen::Certain(Answered { plan: effects, ..Answered::default() });
        changed.steps[0].foreseen = Foreseen::Later;
        let expected = "+ create department d: D\n    to be checked when what it needs is there: \n\
                        ~ change type t\n    statuses.a.name: \"A\" -> \"A\\u001B\"\n    statuses.n: + \"N\"; after a\n    \
                        live orders: 1 moves, 2 due dates change\n      W-1: a -> n, due 2026-01-05 -> 2026-01-06\n\
                        1 to create, 1 to change, 1 unchanged.\n";
        assert_eq!(plan(&changed), expected);
    }

    #[test]
    fn a_second_run_says_that_nothing_changes_and_what_is_left() {
        let text = plan(&made(PLANT, "[[users]]\nid = 'anna'\nname = 'Anna'"));
        assert_eq!(text, "Not in the file, and left as it is: type t\nNothing changes: 1 unchanged.\n");
    }

    #[test]
    fn a_stop_tells_what_was_done_and_what_was_not() {
        let plan = made("", &(PLANT.to_owned() + "\n[[departments]]\nid = 'd'\nname = 'D'"));
        let refused = Failure::from(tonic::Status::aborted("department d: another version is there"));
        let mut outcome =
            Outcome { done: 1, answers: vec![Answered::default()], stopped: Some(Stop::Refused(refused)) };
        let expected = "Stopped at department d.\n  department d: another version is there (ABORTED)\nDone before: user anna\n\
                        Not reached: type t\n1 created, 0 changed, 0 unchanged. Run it again: it goes on from here.\n";
        assert_eq!(super::outcome(&plan, &outcome), expected);
        outcome.stopped = None;
        outcome.done = 3;
        assert_eq!(super::outcome(&plan, &outcome), "Applied: 3 created, 0 changed, 0 unchanged.\n");
    }

    #[test]
    fn many_ids_are_cut() {
        let keys: Vec<_> = (0..25).map(|number| Key::new(Kind::User, &format!("u{number}"))).collect();
        assert!(ids(&keys).ends_with("u19 and 5 more"), "{}", ids(&keys));
    }
}
