//! `andon orders update`: changes fields of an order that are not its status.

use clap::Args;
use prost_types::FieldMask;

use super::preview_mark;
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        dates,
        duration::clearable_method,
        failure::Failure,
        json,
        types::some_change,
        words,
    },
    grpc::proto::{
        Date,
        v1::{Effects, Order, ScheduleMethod, UpdateOrderRequest},
    },
};

/// The fields as they shall be. What is not given stays; an empty value clears a field.
#[derive(Args)]
pub struct Update {
    /// Number of the order
    number: String,
    /// What it is, in a few words
    #[arg(long)]
    title: Option<String>,
    /// Reference of the customer
    #[arg(long)]
    customer: Option<String>,
    /// Reference of the vendor
    #[arg(long)]
    vendor: Option<String>,
    /// Line of the sales order
    #[arg(long)]
    sales_order_line: Option<String>,
    /// Product
    #[arg(long)]
    product: Option<String>,
    /// Quantity, for example 12.5
    #[arg(long)]
    quantity: Option<String>,
    /// Day from which its due dates are planned; the current one is planned anew, unless it was set by hand
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    order_date: Option<Date>,
    /// Promised delivery; empty = none
    #[arg(long, value_name = "DATE", value_parser = clearable)]
    delivery_date: Option<Clearable>,
    /// How its due dates are planned; empty = as its type
    #[arg(long, value_parser = clearable_method)]
    method: Option<ScheduleMethod>,
    /// -1000 to 1000; higher is more urgent
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// A label; may be repeated; those given replace all; empty = none
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Option<Vec<Label>>,
    /// Department that gets it; empty = none
    #[arg(long)]
    department: Option<String>,
    /// User who gets it; empty = nobody
    #[arg(long)]
    user: Option<String>,
    /// Why; kept in history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Only if this is still the version of the order
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// A date, or none to clear it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Clearable(Option<Date>);

fn clearable(text: &str) -> Result<Clearable, String> {
    if text.is_empty() { Ok(Clearable(None)) } else { dates::parse(text).map(|date| Clearable(Some(date))) }
}

/// A label, or none to clear them.
#[derive(Clone, Debug, PartialEq)]
struct Label(Option<(String, String)>);

fn label(text: &str) -> Result<Label, String> {
    if text.is_empty() { Ok(Label(None)) } else { super::create::label(text).map(|pair| Label(Some(pair))) }
}

/// Changes the fields.
///
/// # Errors
/// The refusals of `UpdateOrder`; `Usage` when nothing is to be changed.
pub async fn run(caller: &Caller, update: Update) -> Result<Answer, Failure> {
    let request_id = update.write.request_id();
    let preview = update.write.preview;
    let (reason, on_behalf_of) = (update.reason.clone(), update.on_behalf_of.clone());
    let (order, mask) = into_order(update);
    some_change(&mask.paths)?;
    let request = UpdateOrderRequest {
        order: Some(order),
        update_mask: Some(mask),
        reason,
        on_behalf_of,
        request_id: request_id.clone(),
        validate_only: preview,
    };
    let mut client = caller.orders().await?;
    let answer = client.update_order(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("UpdateOrderResponse", &answer)));
    }
    let number = answer.order.unwrap_or_default().number;
    Ok(Answer::text(changed(&number, &answer.effects.unwrap_or_default(), preview)))
}

fn changed(number: &str, effects: &Effects, preview: bool) -> String {
    let done = if effects.changes.is_empty() { "is so already, nothing was written" } else { "changed" };
    format!("{}{} {done}\n{}", preview_mark(preview), words::clean(number), words::effects(effects))
}

/// The fields and the names of those that were given.
fn into_order(update: Update) -> (Order, FieldMask) {
    let mut paths = Vec::new();
    let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
    given("title", update.title.is_some());
    given("customer_reference", update.customer.is_some());
    given("vendor_reference", update.vendor.is_some());
    given("sales_order_line", update.sales_order_line.is_some());
    given("product", update.product.is_some());
    given("quantity", update.quantity.is_some());
    given("order_date", update.order_date.is_some());
    given("delivery_date", update.delivery_date.is_some());
    given("schedule_method", update.method.is_some());
    given("priority", update.priority.is_some());
    given("labels", update.labels.is_some());
    given("assigned_department", update.department.is_some());
    given("assigned_user", update.user.is_some());
    let labels = update.labels.unwrap_or_default().into_iter().filter_map(|label| label.0);
    let order = Order {
        number: update.number,
        title: update.title.unwrap_or_default(),
        customer_reference: update.customer.unwrap_or_default(),
        vendor_reference: update.vendor.unwrap_or_default(),
        sales_order_line: update.sales_order_line.unwrap_or_default(),
        product: update.product.unwrap_or_default(),
        quantity: update.quantity.unwrap_or_default(),
        order_date: update.order_date,
        schedule_method: update.method.unwrap_or_default().into(),
        delivery_date: update.delivery_date.and_then(|date| date.0),
        priority: update.priority.unwrap_or(0),
        labels: labels.collect(),
        assigned_department: update.department.unwrap_or_default(),
        assigned_user: update.user.unwrap_or_default(),
        etag: update.etag,
        ..Order::default()
    };
    (order, FieldMask { paths })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::grpc::proto::v1::FieldChange;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    fn read(line: &[&str]) -> (Order, FieldMask) {
        let words = ["update", "W-1"].iter().chain(line);
        into_order(Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).update)
    }

    #[test]
    fn only_given_fields_are_in_the_mask() {
        let (order, mask) = read(&["--title", "Shaft", "--priority", "-5", "--label", "a=1", "--label", "b=2"]);
        assert_eq!(mask.paths, ["title", "priority", "labels"]);
        assert_eq!((order.number.as_str(), order.title.as_str(), order.priority), ("W-1", "Shaft", -5));
        assert_eq!(order.labels.len(), 2);
    }

    #[test]
    fn an_empty_value_clears() {
        let (order, mask) = read(&["--user", "", "--delivery-date", "", "--label", ""]);
        assert_eq!(mask.paths, ["delivery_date", "labels", "assigned_user"]);
        assert_eq!((order.delivery_date, order.labels.len(), order.assigned_user.as_str()), (None, 0, ""));
    }

    #[test]
    fn a_change_that_changes_nothing_says_so() {
        assert_eq!(changed("W-1", &Effects::default(), false), "W-1 is so already, nothing was written\n");
        let change = FieldChange { field: "title".into(), before: "A".into(), after: "B".into() };
        let effects = Effects { changes: vec![change], ..Effects::default() };
        assert_eq!(changed("W-1", &effects, true), "preview, nothing changed: W-1 changed\n  title A -> B\n");
    }
}
