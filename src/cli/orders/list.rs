//! `andon orders list`: orders by filter, in as many pages as asked for.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::PAGES_MAX;
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
    grpc::proto::{
        Date,
        v1::{Health, ListOrdersRequest, Order, OrderBy, OrderFilter, OrderState},
    },
};

const PAGE_MAX: usize = 500;

/// Which orders, and how many.
#[derive(Args)]
pub struct List {
    /// Only these order types (ids)
    #[arg(long = "type", value_delimiter = ',', value_name = "TYPE")]
    types: Vec<String>,
    /// Only orders in these statuses (ids)
    #[arg(long = "status", value_delimiter = ',', value_name = "STATUS")]
    statuses: Vec<String>,
    /// Open or closed ones
    #[arg(long, value_enum, default_value_t = State::Open)]
    state: State,
    /// Only overdue ones
    #[arg(long)]
    overdue: bool,
    /// Only those that stand so against their target
    #[arg(long, value_enum, value_delimiter = ',')]
    health: Vec<Stand>,
    /// Only those with a question that nobody has answered
    #[arg(long)]
    open_questions: bool,
    /// Only those whose current visit nobody has acknowledged
    #[arg(long)]
    unacknowledged: bool,
    /// Only those that this department has
    #[arg(long, default_value = "", hide_default_value = true)]
    department: String,
    /// Only those that this user has
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
    /// Only numbers that begin so
    #[arg(long, default_value = "", hide_default_value = true)]
    number_prefix: String,
    /// Only this customer reference
    #[arg(long, default_value = "", hide_default_value = true)]
    customer: String,
    /// Only those due on or before this day
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    due_to: Option<Date>,
    /// In which order
    #[arg(long, value_enum, default_value_t = By::Due)]
    order_by: By,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Open,
    Closed,
    Any,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// Due first
    Due,
    /// As they were created
    Created,
    /// Newest first
    Newest,
    /// By number
    Number,
    /// Late first, the longest first; then those that will be late soonest
    Health,
}

#[derive(Clone, Copy, ValueEnum)]
enum Stand {
    Ahead,
    OnTarget,
    Late,
}

/// Lists orders.
///
/// # Errors
/// The refusals of `ListOrders`.
pub async fn run(caller: &Caller, list: List) -> Result<Answer, Failure> {
    let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
    let mut request = request(list);
    let mut client = caller.orders().await?;
    let mut orders = Vec::new();
    for _ in 0..PAGES_MAX {
        let wanted = limit - orders.len();
        request.page_size = i32::try_from(wanted.clamp(1, PAGE_MAX)).unwrap_or(0);
        let page = client.list_orders(request.clone()).await?.into_inner();
        orders.extend(page.orders.into_iter().take(wanted));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || orders.len() >= limit {
            break;
        }
    }
    let more = !request.page_token.is_empty();
    if caller.json {
        return Ok(Answer::json(&json!({ "orders": json::list("Order", &orders), "more": more })));
    }
    if orders.is_empty() {
        return Ok(Answer::text("No orders match."));
    }
    let mut text = table(&orders, caller.colour);
    if orders.iter().any(|order| order.visit.as_ref().is_some_and(|visit| visit.beyond_holidays)) {
        let _ = write!(text, "\n\n{}", words::BEYOND_LEGEND);
    }
    if more {
        let first = words::count(limit, "order");
        let _ = write!(text, "\n\nThe first {first}; there are more: --limit N shows them.");
    }
    Ok(Answer::text(text))
}

fn request(list: List) -> ListOrdersRequest {
    let state = match list.state {
        _ if list.overdue => OrderState::Open,
        State::Open => OrderState::Open,
        State::Closed => OrderState::Closed,
        State::Any => OrderState::Any,
    };
    let order_by = match list.order_by {
        By::Due => OrderBy::DueTime,
        By::Created => OrderBy::CreateTime,
        By::Newest => OrderBy::CreateTimeDesc,
        By::Number => OrderBy::Number,
        By::Health => OrderBy::Health,
    };
    let health = |stand: &Stand| match stand {
        Stand::Ahead => Health::Ahead.into(),
        Stand::OnTarget => Health::OnTarget.into(),
        Stand::Late => Health::Late.into(),
    };
    let filter = OrderFilter {
        state: state.into(),
        order_types: list.types,
        statuses: list.statuses,
        assigned_department: list.department,
        assigned_user: list.user,
        overdue: list.overdue,
        due_to_date: list.due_to,
        number_prefix: list.number_prefix,
        customer_reference: list.customer,
        open_questions: list.open_questions,
        health: list.health.iter().map(health).collect(),
        acknowledged: list.unacknowledged.then_some(false),
    };
    ListOrdersRequest { filter: Some(filter), order_by: order_by.into(), ..ListOrdersRequest::default() }
}

/// The table; columns in which no order has anything are left out.
fn table(orders: &[Order], colour: bool) -> String {
    let titles = orders.iter().any(|order| !order.title.is_empty());
    let customers = orders.iter().any(|order| !order.customer_reference.is_empty());
    let healths = orders.iter().any(|order| !health(order).0.is_empty());
    let questions = orders.iter().any(|order| order.open_questions > 0);
    let seen = orders.iter().any(|order| order.acknowledgement.is_some());
    let mut headings = vec!["NUMBER", "STATUS", "DUE", ""];
    headings.extend(healths.then_some("HEALTH"));
    headings.extend(questions.then_some("ASKS"));
    headings.extend(seen.then_some("SEEN BY"));
    headings.push("WITH");
    headings.extend(titles.then_some("TITLE"));
    headings.extend(customers.then_some("CUSTOMER"));
    headings.push("TYPE");
    let mut sheet = Sheet::new(&headings, colour);
    (0..3).for_each(|column| sheet.keep_whole(column));
    sheet.leave_out_first(&["TYPE", "CUSTOMER", "TITLE", "SEEN BY", "ASKS"]);
    for order in orders {
        let visit = order.visit.as_ref();
        let tone = match (order.closed, order.overdue) {
            (true, _) => Tone::Faint,
            (_, true) => Tone::Alarm,
            _ => Tone::Plain,
        };
        let mut cells = vec![
            (order.number.clone(), tone),
            (visit.map_or_else(String::new, |visit| visit.status_name.clone()), Tone::Plain),
            (visit.map_or_else(String::new, |it| words::marked_date(it.due_date, it.beyond_holidays)), Tone::Plain),
            (words::standing(order), tone),
        ];
        cells.extend(healths.then(|| health(order)));
        cells.extend(questions.then(|| asks(order)));
        cells.extend(seen.then(|| (seen_by(order), Tone::Plain)));
        cells.push((words::holder(&order.assigned_user, &order.assigned_department), Tone::Plain));
        cells.extend(titles.then(|| (order.title.clone(), Tone::Plain)));
        cells.extend(customers.then(|| (order.customer_reference.clone(), Tone::Plain)));
        cells.push((order.order_type.clone(), Tone::Faint));
        sheet.toned_row(cells);
    }
    sheet.fitted()
}

/// How it stands by computation; late stands out while it is open.
fn health(order: &Order) -> (String, Tone) {
    let Some(projection) = &order.projection else { return (String::new(), Tone::Plain) };
    let tone = match projection.health() {
        _ if order.closed => Tone::Faint,
        Health::Late => Tone::Alarm,
        _ => Tone::Plain,
    };
    (words::projection(projection), tone)
}

/// `anna`, `anna until 2026-03-12 Thu`.
fn seen_by(order: &Order) -> String {
    let Some(it) = &order.acknowledgement else { return String::new() };
    match &it.until_time {
        Some(until) => format!("{} until {}", it.by, dates::show_instant(Some(until))),
        None => it.by.clone(),
    }
}

/// `?` for an open question, `?3` for several.
fn asks(order: &Order) -> (String, Tone) {
    let mark = match order.open_questions {
        ..=0 => String::new(),
        1 => "?".to_owned(),
        several => format!("?{several}"),
    };
    (mark, Tone::Alarm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::{Projection, Visit};

    #[test]
    fn a_table_leaves_out_what_no_order_has() {
        let visit = Visit { status_name: "Milling".into(), ..Visit::default() };
        let order = Order { number: "W-1".into(), visit: Some(visit), ..Order::default() };
        let text = table(std::slice::from_ref(&order), false);
        assert!(text.contains("W-1") && text.contains("Milling") && text.contains("nobody"), "{text}");
        assert!(!text.contains("CUSTOMER") && !text.contains("TITLE"), "{text}");
        assert!(!text.contains("HEALTH") && !text.contains("ASKS"), "{text}");
        let named = Order { title: "Shaft".into(), ..order };
        assert!(table(&[named], false).contains("TITLE"));
    }

    #[test]
    fn health_and_open_questions_have_their_columns() {
        let late = Projection { health: Health::Late.into(), slack_business_days: -3, ..Projection::default() };
        let order = Order { number: "W-1".into(), projection: Some(late), open_questions: 2, ..Order::default() };
        let text = table(std::slice::from_ref(&order), false);
        assert!(text.contains("late by 3 days") && text.contains("?2"), "{text}");
        assert!(health(&order).1 == Tone::Alarm);
        assert!(health(&Order { closed: true, ..order }).1 == Tone::Faint);
    }
}
