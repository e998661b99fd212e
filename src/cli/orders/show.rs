//! `andon orders show`: one order with its visits and last notes.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{PAGES_MAX, Which, history};
use crate::{
    cli::{
        answer::Answer,
        caller::Caller,
        dates,
        failure::Failure,
        json,
        sheet::{Sheet, Tone},
        words,
    },
    grpc::proto::v1::{GetOrderRequest, ListVisitsRequest, Note, Order, OrderRef, Visit},
};

const NOTES_SHOWN: usize = 5;

/// Which order.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
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
    let notes: Vec<_> = history::entries(caller, &order).await?.into_iter().filter_map(|entry| entry.note).collect();
    if caller.json {
        return Ok(Answer::json(&json!({
            "order": json::value("Order", &found),
            "visits": json::list("Visit", &visits),
            "notes": json::list("Note", &notes),
        })));
    }
    Ok(Answer::text(block(&found, &visits, &notes, caller.colour)))
}

/// All visits of an order, first to last.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn visits(caller: &Caller, order: &OrderRef) -> Result<Vec<Visit>, Failure> {
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

fn block(order: &Order, visits: &[Visit], notes: &[Note], colour: bool) -> String {
    let mut text = heading(order);
    for (label, value) in facts(order) {
        if !value.is_empty() {
            let _ = writeln!(text, "  {label:<14} {}", words::clean(&value));
        }
    }
    let _ = writeln!(text, "\n{}", table(visits, colour));
    if !notes.is_empty() {
        let hidden = notes.len().saturating_sub(NOTES_SHOWN);
        let earlier = if hidden > 0 {
            format!(" (the last {NOTES_SHOWN} of {})", words::grouped(notes.len()))
        } else {
            String::new()
        };
        let _ = writeln!(text, "\nNotes{earlier}");
        for note in &notes[hidden..] {
            let _ = writeln!(text, "  {}", words::note(note));
        }
    }
    text
}

fn heading(order: &Order) -> String {
    let status = order.visit.as_ref().map_or("", |visit| visit.status_name.as_str());
    let standing = words::standing(order);
    let standing = if standing.is_empty() { String::new() } else { format!(", {standing}") };
    let title = if order.title.is_empty() { String::new() } else { format!("  {}", order.title) };
    words::clean(&format!("{}{title}: {status}{standing}", order.number)) + "\n"
}

fn facts(order: &Order) -> Vec<(&'static str, String)> {
    let labels: Vec<_> = order.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let priority = if order.priority == 0 { String::new() } else { order.priority.to_string() };
    let due = order.visit.as_ref().filter(|_| !order.closed).and_then(|visit| visit.due_date);
    vec![
        ("due", dates::show_with_weekday(due)),
        ("with", words::holder(&order.assigned_user, &order.assigned_department)),
        ("type", order.order_type.clone()),
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
    ]
}

fn table(visits: &[Visit], colour: bool) -> String {
    let mut sheet = Sheet::new(&["#", "STATUS", "ENTERED", "DUE", "LEFT", ""], colour);
    (0..5).for_each(|column| sheet.keep_whole(column));
    for visit in visits {
        let tone = if visit.overdue { Tone::Alarm } else { Tone::Plain };
        let rest = if visit.skipped { Tone::Faint } else { Tone::Plain };
        sheet.toned_row([
            (visit.sequence.to_string(), Tone::Faint),
            (visit.status_name.clone(), rest),
            (dates::show_instant(visit.enter_time.as_ref()), rest),
            (dates::show_with_weekday(visit.due_date), tone),
            (dates::show_instant(visit.leave_time.as_ref()), rest),
            (words::remarks(visit), tone),
        ]);
    }
    sheet.fitted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_begins_with_what_matters() {
        let visit = Visit { sequence: 1, status_name: "Milling".into(), overdue: true, ..Visit::default() };
        let order = Order {
            number: "W-1".into(),
            title: "Shaft".into(),
            overdue: true,
            days_late: 2,
            visit: Some(visit.clone()),
            ..Order::default()
        };
        let note = |text: &str| Note { author: "anna".into(), text: text.into(), ..Note::default() };
        let notes: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(note).into();
        let text = block(&order, &[visit], &notes, false);
        assert!(text.starts_with("W-1  Shaft: Milling, 2 days late\n"), "{text}");
        assert!(text.contains("Notes (the last 5 of 6)") && !text.contains(": a\n"), "{text}");
        assert!(!text.contains("vendor"), "{text}");
    }
}
