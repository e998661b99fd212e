//! `andon orders create`: one new order.

use std::collections::BTreeMap;

use clap::Args;

use super::preview_mark;
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        dates,
        duration::Method,
        failure::Failure,
        json, words,
    },
    grpc::proto::{
        Date,
        v1::{CreateOrderRequest, NewOrder, ScheduleMethod},
    },
};

/// The fields of the order. What is not given gets the default of its type.
#[derive(Args)]
pub struct Create {
    /// The plant's own number, unique
    number: String,
    /// Id of the order type
    #[arg(long = "type", value_name = "TYPE")]
    order_type: String,
    /// What it is, in a few words
    #[arg(long, default_value = "", hide_default_value = true)]
    title: String,
    /// Reference of the customer
    #[arg(long, default_value = "", hide_default_value = true)]
    customer: String,
    /// Reference of the vendor
    #[arg(long, default_value = "", hide_default_value = true)]
    vendor: String,
    /// Line of the sales order
    #[arg(long, default_value = "", hide_default_value = true)]
    sales_order_line: String,
    /// Product
    #[arg(long, default_value = "", hide_default_value = true)]
    product: String,
    /// Quantity, for example 12.5
    #[arg(long, default_value = "", hide_default_value = true)]
    quantity: String,
    /// Day from which its due dates are planned [default: today]
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    order_date: Option<Date>,
    /// Promised delivery
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    delivery_date: Option<Date>,
    /// How its due dates are planned [default: as its type]
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// -1000 to 1000; higher is more urgent
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// A label; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Department that gets it
    #[arg(long, default_value = "", hide_default_value = true)]
    department: String,
    /// User who gets it
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
    /// Status to begin in (id)
    #[arg(long, default_value = "", hide_default_value = true)]
    status: String,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// Creates one order.
///
/// # Errors
/// The refusals of `CreateOrder`.
pub async fn run(caller: &Caller, create: Create) -> Result<Answer, Failure> {
    let request_id = create.write.request_id();
    let preview = create.write.preview;
    let request = CreateOrderRequest {
        request_id: request_id.clone(),
        validate_only: preview,
        on_behalf_of: create.on_behalf_of.clone(),
        order: Some(new_order(create)),
    };
    let mut client = caller.orders().await?;
    let answer = client.create_order(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("CreateOrderResponse", &answer)));
    }
    let order = answer.order.unwrap_or_default();
    let effects = words::effects(&answer.effects.unwrap_or_default());
    Ok(Answer::text(format!("{}created {}\n{effects}", preview_mark(preview), words::clean(&order.number))))
}

fn new_order(create: Create) -> NewOrder {
    NewOrder {
        number: create.number,
        order_type: create.order_type,
        title: create.title,
        customer_reference: create.customer,
        vendor_reference: create.vendor,
        sales_order_line: create.sales_order_line,
        product: create.product,
        quantity: create.quantity,
        order_date: create.order_date,
        delivery_date: create.delivery_date,
        schedule_method: create.method.map_or(ScheduleMethod::Unspecified, Method::to_message).into(),
        priority: create.priority,
        labels: BTreeMap::from_iter(create.labels),
        assigned_department: create.department,
        assigned_user: create.user,
        status: create.status,
    }
}

/// Reads `KEY=VALUE`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_split_at_the_first_sign() {
        assert_eq!(label("drawing=A=3"), Ok(("drawing".into(), "A=3".into())));
        assert!(label("drawing").is_err());
    }
}
