//! What an edit of the catalogue does to live orders, for people.

use std::fmt::Write as _;

use super::{
    dates,
    sheet::{Sheet, Tone},
    words,
};
use crate::grpc::proto::v1::{EditPlan, PlannedChange};

/// As many examples as a plan carries at most.
const EXAMPLES_MAX: usize = 50;

/// The plan: a line for each kind of change, the examples as a table, the warnings; in a preview last how to apply it.
pub fn told(plan: &EditPlan, preview: bool, colour: bool) -> String {
    let mut text = touched(plan, colour);
    if !plan.warnings.is_empty() {
        text.push_str(if plan.examples.is_empty() { "" } else { "\n" });
        for warning in &plan.warnings {
            let _ = writeln!(text, "warning: {}", words::clean(warning));
        }
    }
    if preview && !plan.fingerprint.is_empty() {
        let fingerprint = words::clean(&plan.fingerprint);
        let _ = writeln!(text, "\nTo apply exactly this plan: --expected-plan {fingerprint}");
    }
    text
}

/// What becomes of orders: a line for each kind of change, the examples as a table.
pub fn touched(plan: &EditPlan, colour: bool) -> String {
    let mut text = String::new();
    let counts = counts(plan);
    if counts.is_empty() && plan.examples.is_empty() {
        text.push_str("No live order is touched.\n");
    }
    for line in counts {
        let _ = writeln!(text, "{line}");
    }
    if !plan.examples.is_empty() {
        let _ = writeln!(text, "\n{}", table(&plan.examples, colour));
        if plan.examples.len() >= EXAMPLES_MAX {
            let _ = writeln!(text, "The first {EXAMPLES_MAX} orders, oldest first.");
        }
    }
    text
}

/// Where to look on, of an edit that asked for a recomputation.
pub fn in_background(replan: i64) -> Option<String> {
    let line = format!("Open orders are planned anew in the background: andon replan status {replan} --wait\n");
    (replan > 0).then_some(line)
}

/// Where to look on, of an edit of a cycle: what its plan tells was done, the background follows with all others, in their dates or
/// only in their health.
pub fn followed(replan: i64) -> Option<String> {
    let line = format!("Open orders are looked at anew in the background: andon replan status {replan} --wait\n");
    (replan > 0).then_some(line)
}

/// One line for each count that is not 0.
fn counts(plan: &EditPlan) -> Vec<String> {
    let amount = |count: i64| usize::try_from(count).unwrap_or(0);
    let line = |verb: &str, count: i64, noun: &str, more: &str| {
        (amount(count) > 0).then(|| format!("{verb} {}{more}", words::count(amount(count), noun)))
    };
    let overdue = match amount(plan.newly_overdue) {
        0 => String::new(),
        1 => ", 1 becomes overdue".to_owned(),
        many => format!(", {} become overdue", words::grouped(many)),
    };
    let back = if plan.redirected_orders == 1 { " that waits" } else { " that wait" };
    let lines = [
        line("moves", plan.moved_orders, "order", ""),
        line("closes", plan.closed_orders, "order", ""),
        line("redirects", plan.redirected_orders, "order", &(back.to_owned() + " beside the cycle")),
        line("changes", plan.due_dates_changed, "due date", &overdue),
        line("reassigns", plan.reassigned_orders, "order", ""),
        line("puts", plan.in_time_again, "overdue order", " in time again"),
    ];
    let mut lines: Vec<_> = lines.into_iter().flatten().collect();
    if let Some(line) = line("looks at", plan.replanned_orders, "open order", ", in the background") {
        lines.push(line);
    }
    lines
}

/// The examples; columns in which nothing differs are left out. Where nothing of what stands now differs, it is what the order
/// comes back to.
fn table(examples: &[PlannedChange], colour: bool) -> String {
    let mut rows: Vec<_> = examples.iter().map(|it| [status(it), due(it), user(it)]).collect();
    for row in rows.iter_mut().filter(|row| row.iter().all(String::is_empty)) {
        "(what it comes back to)".clone_into(&mut row[0]);
    }
    let columns = [(0, "STATUS"), (1, "DUE"), (2, "USER")];
    let columns: Vec<_> =
        columns.into_iter().filter(|(place, _)| rows.iter().any(|row| !row[*place].is_empty())).collect();
    let headings: Vec<_> = std::iter::once("NUMBER").chain(columns.iter().map(|(_, heading)| *heading)).collect();
    let mut sheet = Sheet::new(&headings, colour);
    sheet.keep_whole(0);
    for (example, row) in examples.iter().zip(&rows) {
        let tone = if example.newly_overdue { Tone::Alarm } else { Tone::Plain };
        let cells = columns.iter().map(|(place, _)| (row[*place].clone(), tone));
        sheet.toned_row(std::iter::once((example.number.clone(), tone)).chain(cells));
    }
    sheet.fitted()
}

fn status(change: &PlannedChange) -> String {
    let closes = if change.closes { ", closes" } else { "" };
    match change.from_status == change.to_status {
        false => format!("{} -> {}{closes}", change.from_status, change.to_status),
        true if change.closes => format!("{}{closes}", change.from_status),
        true => String::new(),
    }
}

fn due(change: &PlannedChange) -> String {
    let date = |date| if let Some(date) = date { dates::show(Some(date)) } else { "none".to_owned() };
    let overdue = if change.newly_overdue { ", overdue" } else { "" };
    match change.due_date_before == change.due_date_after {
        false => format!("{} -> {}{overdue}", date(change.due_date_before), date(change.due_date_after)),
        true if change.newly_overdue => format!("{}{overdue}", date(change.due_date_after)),
        true => String::new(),
    }
}

fn user(change: &PlannedChange) -> String {
    let name = |user: &str| if user.is_empty() { "nobody".to_owned() } else { user.to_owned() };
    if change.user_before == change.user_after {
        return String::new();
    }
    format!("{} -> {}", name(&change.user_before), name(&change.user_after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::Date;

    #[test]
    fn only_an_edit_that_asked_for_a_recomputation_tells_where_to_look_on() {
        assert_eq!((followed(0), in_background(0)), (None, None));
        assert!(followed(7).is_some_and(|line| line.contains("andon replan status 7")));
    }

    #[test]
    fn a_plan_that_touches_nothing_says_so() {
        let plan = EditPlan { warnings: vec!["orders stay".into()], fingerprint: "f1".into(), ..EditPlan::default() };
        assert_eq!(told(&plan, false, false), "No live order is touched.\nwarning: orders stay\n");
        let last = "\nTo apply exactly this plan: --expected-plan f1\n";
        assert!(told(&plan, true, false).ends_with(last));
    }

    #[test]
    fn each_count_has_a_line() {
        let plan = EditPlan {
            moved_orders: 12,
            closed_orders: 1,
            redirected_orders: 1,
            due_dates_changed: 14,
            newly_overdue: 3,
            reassigned_orders: 1_500,
            ..EditPlan::default()
        };
        assert_eq!(
            told(&plan, false, false),
            "moves 12 orders\ncloses 1 order\nredirects 1 order that waits beside the cycle\n\
             changes 14 due dates, 3 become overdue\nreassigns 1 500 orders\n"
        );
    }

    #[test]
    fn examples_show_what_differs_only() {
        let date = |day| Some(Date { year: 2026, month: 3, day });
        let moved = PlannedChange {
            number: "W-1".into(),
            from_status: "milling".into(),
            to_status: "packing".into(),
            due_date_before: date(9),
            due_date_after: date(2),
            newly_overdue: true,
            user_before: "anna".into(),
            user_after: "anna".into(),
            ..PlannedChange::default()
        };
        let text = table(std::slice::from_ref(&moved), false);
        assert!(text.contains("milling -> packing") && text.contains("2026-03-09 -> 2026-03-02, overdue"), "{text}");
        assert!(!text.contains("USER") && !text.contains("anna"), "{text}");
        let given = PlannedChange { user_after: String::new(), ..moved };
        assert!(table(&[given], false).contains("anna -> nobody"));
        let waits = PlannedChange { number: "W-2".into(), ..PlannedChange::default() };
        assert!(table(&[waits], false).contains("W-2     (what it comes back to)"));
    }
}
