//! The API as tests call it: short ways to say what is meant, and to look into answers and refusals.

use std::{collections::HashMap, fmt::Debug};

use andon::grpc::proto::{
    Date,
    v1::{
        self, calendar_service_client::CalendarServiceClient, delivery_service_client::DeliveryServiceClient,
        order_service_client::OrderServiceClient, order_type_service_client::OrderTypeServiceClient,
        people_service_client::PeopleServiceClient, schedule_service_client::ScheduleServiceClient,
        task_service_client::TaskServiceClient, trigger_service_client::TriggerServiceClient,
        webhook_service_client::WebhookServiceClient,
    },
};
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use tonic::{Code, Response, transport::Channel};
use tonic_types::StatusExt as _;

/// Clients of all services, over one connection.
#[derive(Debug, Clone)]
pub struct Api {
    channel: Channel,
}

/// A refused call, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    /// `ErrorInfo.reason`.
    pub reason: String,
    /// `ErrorInfo.metadata`.
    pub metadata: HashMap<String, String>,
    /// Fields of `BadRequest`.
    pub fields: Vec<String>,
}

impl From<tonic::Status> for Refused {
    fn from(status: tonic::Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        if let Some(info) = info {
            assert_eq!(info.domain, "andon", "{status:?}");
        }
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
        Self {
            code: status.code(),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
            fields: violations.iter().map(|violation| violation.field.clone()).collect(),
        }
    }
}

impl Refused {
    /// Code and reason.
    pub fn why(&self) -> (Code, &str) {
        (self.code, &self.reason)
    }
}

/// What a test expects of an answer.
pub trait Expect<T> {
    /// The answer; the test fails with the status otherwise.
    fn done(self) -> T;
    /// The refusal; the test fails with the answer otherwise.
    fn refused(self) -> Refused;
}

impl<T: Debug> Expect<T> for Result<Response<T>, tonic::Status> {
    #[track_caller]
    fn done(self) -> T {
        match self {
            Ok(answer) => answer.into_inner(),
            Err(status) => panic!("refused: {}: {:?}", status.message().to_owned(), Refused::from(status)),
        }
    }

    #[track_caller]
    fn refused(self) -> Refused {
        match self {
            Ok(answer) => panic!("not refused: {:?}", answer.into_inner()),
            Err(status) => status.into(),
        }
    }
}

/// An order by its number.
#[expect(clippy::unnecessary_wraps, reason = "the fields of messages are optional")]
pub fn number(number: &str) -> Option<v1::OrderRef> {
    Some(v1::OrderRef { r#ref: Some(v1::order_ref::Ref::Number(number.to_owned())) })
}

/// An order by its id.
#[expect(clippy::unnecessary_wraps, reason = "the fields of messages are optional")]
pub fn id(id: &str) -> Option<v1::OrderRef> {
    Some(v1::OrderRef { r#ref: Some(v1::order_ref::Ref::Id(id.to_owned())) })
}

/// A date, `2026-03-27`.
#[expect(clippy::unnecessary_wraps, reason = "the fields of messages are optional")]
pub fn date(text: &str) -> Option<Date> {
    let day: NaiveDate = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let part = |part: u32| i32::try_from(part).expect("small");
    Some(Date { year: day.year(), month: part(day.month()), day: part(day.day()) })
}

/// A date as text; empty when there is none.
pub fn day(date: Option<Date>) -> String {
    date.map(|date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)).unwrap_or_default()
}

/// An instant as a message carries it.
#[expect(clippy::unnecessary_wraps, reason = "the fields of messages are optional")]
pub fn timestamp(at: DateTime<Utc>) -> Option<prost_types::Timestamp> {
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).expect("small");
    Some(prost_types::Timestamp { seconds: at.timestamp(), nanos })
}

/// An instant that a message carried.
pub fn instant(timestamp: Option<prost_types::Timestamp>) -> DateTime<Utc> {
    let given = timestamp.expect("there is an instant");
    DateTime::from_timestamp(given.seconds, u32::try_from(given.nanos).expect("not negative")).expect("in range")
}

/// A move of this order to the next status.
pub fn advance(order: &str) -> v1::AdvanceOrderRequest {
    v1::AdvanceOrderRequest { order: number(order), ..v1::AdvanceOrderRequest::default() }
}

/// A move of this order to this status.
pub fn advance_to(order: &str, status: &str) -> v1::AdvanceOrderRequest {
    advance_with(order, v1::Advance { target_status: status.to_owned(), ..v1::Advance::default() })
}

/// A move of this order.
pub fn advance_with(order: &str, advance: v1::Advance) -> v1::AdvanceOrderRequest {
    v1::AdvanceOrderRequest { order: number(order), advance: Some(advance), ..v1::AdvanceOrderRequest::default() }
}

impl Api {
    /// Over this channel.
    pub fn new(channel: Channel) -> Self {
        Self { channel }
    }

    pub fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    pub fn deliveries(&self) -> DeliveryServiceClient<Channel> {
        DeliveryServiceClient::new(self.channel.clone())
    }

    pub fn types(&self) -> OrderTypeServiceClient<Channel> {
        OrderTypeServiceClient::new(self.channel.clone())
    }

    pub fn calendars(&self) -> CalendarServiceClient<Channel> {
        CalendarServiceClient::new(self.channel.clone())
    }

    pub fn tasks(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel.clone())
    }

    pub fn people(&self) -> PeopleServiceClient<Channel> {
        PeopleServiceClient::new(self.channel.clone())
    }

    pub fn schedule(&self) -> ScheduleServiceClient<Channel> {
        ScheduleServiceClient::new(self.channel.clone())
    }

    /// Triggers.
    pub fn triggers(&self) -> TriggerServiceClient<Channel> {
        TriggerServiceClient::new(self.channel.clone())
    }

    /// Webhooks.
    pub fn webhooks(&self) -> WebhookServiceClient<Channel> {
        WebhookServiceClient::new(self.channel.clone())
    }

    /// Creates an order.
    pub async fn create(&self, order: v1::NewOrder) -> v1::Order {
        let request = v1::CreateOrderRequest { order: Some(order), ..v1::CreateOrderRequest::default() };
        self.orders().create_order(request).await.done().order.expect("an answer has the order")
    }

    /// Creates many orders in one call.
    pub async fn create_many(&self, orders: Vec<v1::NewOrder>) -> Vec<v1::Order> {
        let request =
            v1::CreateOrdersRequest { orders, mode: v1::BulkMode::Atomic.into(), ..v1::CreateOrdersRequest::default() };
        let results = self.orders().create_orders(request).await.done().results;
        results.into_iter().map(|result| result.order.unwrap_or_else(|| panic!("{:?}", result.refusal))).collect()
    }

    /// The order with this number.
    pub async fn get(&self, order: &str) -> v1::Order {
        let request = v1::GetOrderRequest { order: number(order) };
        self.orders().get_order(request).await.done().order.expect("an answer has the order")
    }

    /// The status that this order is in.
    pub async fn status(&self, order: &str) -> String {
        self.get(order).await.visit.expect("an order has a visit").status
    }

    /// Moves an order.
    pub async fn advance(&self, request: v1::AdvanceOrderRequest) -> (v1::Order, v1::Effects) {
        let answer = self.orders().advance_order(request).await.done();
        (answer.order.expect("an answer has the order"), answer.effects.expect("an answer has the effects"))
    }

    /// Numbers of the orders that pass the filter, over all pages.
    pub async fn list(&self, filter: v1::OrderFilter) -> Vec<String> {
        let request =
            v1::ListOrdersRequest { filter: Some(filter), page_size: 500, ..v1::ListOrdersRequest::default() };
        self.list_all(request).await
    }

    /// Numbers of the orders of this list, over all pages.
    pub async fn list_all(&self, mut request: v1::ListOrdersRequest) -> Vec<String> {
        let mut numbers = Vec::new();
        loop {
            let page = self.orders().list_orders(request.clone()).await.done();
            numbers.extend(page.orders.into_iter().map(|order| order.number));
            if page.next_page_token.is_empty() {
                return numbers;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Numbers of the orders that are overdue, by number.
    pub async fn overdue(&self) -> Vec<String> {
        let request = v1::ListOrdersRequest {
            filter: Some(v1::OrderFilter { overdue: true, ..v1::OrderFilter::default() }),
            order_by: v1::OrderBy::Number.into(),
            ..v1::ListOrdersRequest::default()
        };
        self.list_all(request).await
    }

    /// The whole history of an order.
    pub async fn history(&self, order: &str) -> Vec<v1::HistoryEntry> {
        let mut request =
            v1::ListHistoryRequest { order: number(order), page_size: 500, ..v1::ListHistoryRequest::default() };
        let mut entries = Vec::new();
        loop {
            let page = self.orders().list_history(request.clone()).await.done();
            entries.extend(page.entries);
            if page.next_page_token.is_empty() {
                return entries;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// All visits of an order.
    pub async fn visits(&self, order: &str) -> Vec<v1::Visit> {
        let request =
            v1::ListVisitsRequest { order: number(order), page_size: 500, ..v1::ListVisitsRequest::default() };
        self.orders().list_visits(request).await.done().visits
    }

    /// All messages, oldest first.
    pub async fn messages(&self) -> Vec<v1::Delivery> {
        let mut request = v1::ListDeliveriesRequest { page_size: 500, ..v1::ListDeliveriesRequest::default() };
        let mut messages = Vec::new();
        loop {
            let page = self.deliveries().list_deliveries(request.clone()).await.done();
            messages.extend(page.deliveries);
            if page.next_page_token.is_empty() {
                messages.reverse();
                return messages;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// One message with its attempts and bytes.
    pub async fn message(&self, id: &str) -> v1::Delivery {
        let request = v1::GetDeliveryRequest { id: id.to_owned() };
        self.deliveries().get_delivery(request).await.done().delivery.expect("an answer has the message")
    }
}
