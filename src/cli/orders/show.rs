//! `andon orders show`: how one order stands, and its story.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{PAGES_MAX, Which, history, notes, story, times};
use crate::{
    cli::{
        answer::Answer,
        caller::Caller,
        dates,
        failure::Failure,
        json,
        sheet::{Tone, toned},
        tasks, words,
    },
    grpc::proto::v1::{DueSource, GetOrderRequest, Health, ListVisitsRequest, Note, Order, OrderRef, Visit},
};

/// Which order, and how much of it.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
    /// The whole story, however long it is
    #[arg(long)]
    all: bool,
}

/// Shows one order.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn run(caller: &Caller, show: &Show) -> Result<Answer, Failure> {
    let order = show.which.to_ref();
    let mut client = caller.orders().await?;
    let found = client.get_order(GetOrderRequest { order: Some(order.clone()) }).await?.into_inner();
    let found = found.order.unwrap_or_default();
    let visits = visits(caller, &order).await?;
    let entries = history::entries(caller, &order).await?;
    let times = times::list(caller, &order).await?;
    let (open_tasks, tasks_told) = tasks::of_order(caller, &order).await?;
    if caller.json {
        let notes = notes::list(caller, &order, false).await?;
        return Ok(Answer::json(&json!({
            "order": json::value("Order", &found),
            "visits": json::list("Visit", &visits),
            "notes": json::list("Note", &notes),
            "entries": json::list("HistoryEntry", &entries),
            "times": json::list("StatusTime", &times.times),
            "open_tasks": json::list("Task", &open_tasks),
        })));
    }
    let questions = if found.open_questions > 0 { notes::list(caller, &order, true).await? } else { Vec::new() };
    let mut text = heading(&found, caller.colour);
    text.push_str(&asked(&questions, caller.colour));
    text.push_str(&facts(&found));
    if words::any_beyond([&found]) {
        let _ = writeln!(text, "\n{}", words::BEYOND_LEGEND);
    }
    text.push_str(&tasks_told);
    let _ = write!(text, "\nStory\n\n{}", story::told(&entries, &visits, show.all, caller.colour));
    let _ = write!(text, "\nTime in each status\n\n{}", times::told(&times, caller.colour));
    Ok(Answer::text(text))
}

/// All visits of an order, first to last.
///
/// # Errors
/// `NOT_FOUND`.
async fn visits(caller: &Caller, order: &OrderRef) -> Result<Vec<Visit>, Failure> {
    let mut client = caller.orders().await?;
    let mut request = ListVisitsRequest { order: Some(order.clone()), page_size: 500, ..ListVisitsRequest::default() };
    let mut visits = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.list_visits(request.clone()).await?.into_inner();
        visits.extend(page.visits);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(visits)
}

/// What matters most: where it is, how late, where it is heading, and what a person says about it.
fn heading(order: &Order, colour: bool) -> String {
    let status = order.visit.as_ref().map_or("", |visit| visit.status_name.as_str());
    let standing = words::standing(order);
    let standing = if standing.is_empty() { String::new() } else { format!(", {standing}") };
    let title = if order.title.is_empty() { String::new() } else { format!("  {}", order.title) };
    let tone = if order.overdue { Tone::Alarm } else { Tone::Plain };
    let mut text = toned(&format!("{}{title}: {status}{standing}", order.number), tone, colour) + "\n";
    let health = health(order);
    let late = order.projection.as_ref().is_some_and(|it| it.health() == Health::Late) && !order.closed;
    let health = toned(&health, if late { Tone::Alarm } else { Tone::Plain }, colour);
    let said = order.assessment.as_ref().map(words::assessment).unwrap_or_default();
    let parts: Vec<_> = [health, said].into_iter().filter(|part| !part.is_empty()).collect();
    if !parts.is_empty() {
        let _ = writeln!(text, "{}", parts.join("; "));
    }
    text
}

/// `late by 3 days against delivery 2026-03-12 Thu, expected 2026-03-17 Tue`.
fn health(order: &Order) -> String {
    let Some(projection) = &order.projection else { return String::new() };
    let mut text = words::projection(projection);
    if text.is_empty() {
        return text;
    }
    if projection.target_date.is_some() {
        let target = if order.delivery_date.is_some() { "delivery" } else { "the plan" };
        let _ = write!(
            text,
            " against {target} {}",
            words::marked_date(projection.target_date, projection.target_beyond_holidays)
        );
    }
    if projection.finish_date.is_some() {
        let finish = if projection.r#final { "finished" } else { "expected" };
        let _ = write!(
            text,
            ", {finish} {}",
            words::marked_date(projection.finish_date, projection.finish_beyond_holidays)
        );
    }
    text
}

/// The open questions, ahead of everything else since somebody waits for them.
fn asked(questions: &[Note], colour: bool) -> String {
    if questions.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", toned("Open questions", Tone::Alarm, colour));
    for line in notes::told(questions, colour).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text.push('\n');
    text
}

/// The fields as they are now; those that are not set are left out.
fn facts(order: &Order) -> String {
    let labels: Vec<_> = order.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let priority = if order.priority == 0 { String::new() } else { order.priority.to_string() };
    let facts = [
        ("due", due(order)),
        ("with", words::holder(&order.assigned_user, &order.assigned_department)),
        (
            "seen",
            order
                .acknowledgement
                .as_ref()
                .map_or_else(String::new, |it| format!("{} {}", it.by, words::acknowledged(Some(it)))),
        ),
        ("followers", order.followers.join(", ")),
        ("type", order.order_type.clone()),
        ("interrupted", order.interrupted_status.clone()),
        ("customer", order.customer_reference.clone()),
        ("vendor", order.vendor_reference.clone()),
        ("sales line", order.sales_order_line.clone()),
        ("product", order.product.clone()),
        ("quantity", order.quantity.clone()),
        ("order date", dates::show_with_weekday(order.order_date)),
        ("delivery date", dates::show_with_weekday(order.delivery_date)),
        ("priority", priority),
        ("labels", labels.join(", ")),
        ("closed", dates::show_instant(order.close_time.as_ref())),
        ("imported", if order.imported { "yes".to_owned() } else { String::new() }),
        ("id", order.id.clone()),
        ("etag", order.etag.clone()),
    ];
    let mut text = String::new();
    for (label, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {label:<14} {}", words::clean(value));
    }
    text
}

/// The due date of an open order, with where it came from.
fn due(order: &Order) -> String {
    let Some(visit) = order.visit.as_ref().filter(|visit| !order.closed && visit.due_date.is_some()) else {
        return String::new();
    };
    let date = words::marked_date(visit.due_date, visit.beyond_holidays);
    match visit.due_source() {
        DueSource::Unspecified => date,
        source => format!(
            "{date} ({}), overdue from {}",
            words::due_source(source),
            dates::show_instant(visit.due_time.as_ref())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::{
        Date,
        v1::{Assessment, NoteKind, Projection},
    };

    fn late() -> Order {
        let date = |day| Some(Date { year: 2026, month: 3, day });
        let projection = Projection {
            health: Health::Late.into(),
            slack_business_days: -3,
            finish_date: date(17),
            target_date: date(12),
            r#final: false,
            ..Projection::default()
        };
        let visit = Visit { status_name: "Milling".into(), due_date: date(2), ..Visit::default() };
        Order {
            number: "W-1".into(),
            title: "Shaft".into(),
            overdue: true,
            days_late: 2,
            delivery_date: date(12),
            visit: Some(Visit { due_source: DueSource::Manual.into(), ..visit }),
            projection: Some(projection),
            ..Order::default()
        }
    }

    #[test]
    fn the_heading_says_what_matters() {
        assert_eq!(
            heading(&late(), false),
            "W-1  Shaft: Milling, 2 days late\n\
             late by 3 days against delivery 2026-03-12 Thu, expected 2026-03-17 Tue\n"
        );
        let plan = Order { delivery_date: None, ..late() };
        assert!(heading(&plan, false).contains("against the plan 2026-03-12"));
        assert_eq!(heading(&Order { projection: None, ..late() }, false), "W-1  Shaft: Milling, 2 days late\n");
    }

    #[test]
    fn dates_beyond_the_maintained_holidays_are_marked() {
        let mut order = Order { delivery_date: None, ..late() };
        if let (Some(projection), Some(visit)) = (&mut order.projection, &mut order.visit) {
            (projection.finish_beyond_holidays, visit.beyond_holidays) = (true, true);
        }
        assert!(heading(&order, false).ends_with("the plan 2026-03-12 Thu, expected 2026-03-17 Tue ~\n"));
        assert!(facts(&order).starts_with("  due            2026-03-02 Mon ~ (set by hand)"), "{}", facts(&order));
    }

    #[test]
    fn what_a_person_says_stands_beside_what_is_computed() {
        let said = Assessment { health: Health::OnTarget.into(), author: "anna".into(), ..Assessment::default() };
        let text = heading(&Order { assessment: Some(said), ..late() }, false);
        assert!(text.contains("expected 2026-03-17 Tue; anna says: on target"), "{text}");
    }

    #[test]
    fn late_is_red_until_it_is_closed() {
        assert_eq!(heading(&late(), true).matches("\u{1b}[31m").count(), 2);
        let closed = Order { closed: true, overdue: false, ..late() };
        assert!(!heading(&closed, true).contains('\u{1b}'));
    }

    #[test]
    fn facts_that_are_not_set_are_left_out() {
        let text = facts(&late());
        assert!(text.starts_with("  due            2026-03-02 Mon (set by hand), overdue from "), "{text}");
        assert!(!text.contains("vendor") && !text.contains("comes back"), "{text}");
    }

    #[test]
    fn open_questions_stand_apart() {
        let question = Note {
            id: "7".into(),
            text: "which drawing?".into(),
            kind: NoteKind::Question.into(),
            open: true,
            ..Note::default()
        };
        let text = asked(&[question], false);
        assert!(text.starts_with("\nOpen questions\n") && text.contains("--answers 7"), "{text}");
        assert_eq!(asked(&[], false), "");
    }
}
