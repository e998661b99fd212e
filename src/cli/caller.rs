//! The connection to one daemon, made at the first call.

use std::time::Duration;

use clap::Args;
use tokio::sync::OnceCell;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use super::failure::Failure;
use crate::grpc::proto::v1::{
    calendar_service_client::CalendarServiceClient, delivery_service_client::DeliveryServiceClient,
    order_service_client::OrderServiceClient, order_type_service_client::OrderTypeServiceClient,
    people_service_client::PeopleServiceClient, schedule_service_client::ScheduleServiceClient,
    task_service_client::TaskServiceClient, trigger_service_client::TriggerServiceClient,
    webhook_service_client::WebhookServiceClient,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A page of 500 orders, each with a last note of 20 000 characters, has to fit.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Flags of every verb that changes something.
#[derive(Args)]
pub struct Write {
    /// Repeat a call whose answer was lost under its id: it is carried out once [default: a new UUID]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Show what would happen; change nothing
    #[arg(long)]
    pub preview: bool,
}

impl Write {
    /// The id that was given, or a new one.
    pub fn request_id(&self) -> String {
        self.request_id.clone().unwrap_or_else(new_request_id)
    }
}

/// An id for a call that nobody else uses.
pub fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

/// One daemon, and how its answers are shown.
pub struct Caller {
    server: String,
    channel: OnceCell<Channel>,
    /// JSON for programs instead of text for people.
    pub json: bool,
    /// Standard output is a terminal that may be coloured.
    pub colour: bool,
}

macro_rules! client {
    ($name:ident, $client:ident, $what:literal) => {
        #[doc = concat!("A client for ", $what, ".\n\n# Errors\n`Unreachable`, `Usage` (address).")]
        pub async fn $name(&self) -> Result<$client<Channel>, Failure> {
            Ok($client::new(self.channel().await?).max_decoding_message_size(ANSWER_BYTES_MAX))
        }
    };
}

impl Caller {
    /// Nothing is connected yet.
    pub fn new(server: String, json: bool, colour: bool) -> Self {
        Self { server, channel: OnceCell::new(), json, colour }
    }

    client!(orders, OrderServiceClient, "orders");
    client!(types, OrderTypeServiceClient, "order types");
    client!(calendars, CalendarServiceClient, "calendars");
    client!(people, PeopleServiceClient, "people");
    client!(schedule, ScheduleServiceClient, "the schedule");
    client!(tasks, TaskServiceClient, "tasks");
    client!(triggers, TriggerServiceClient, "triggers");
    client!(webhooks, WebhookServiceClient, "webhooks");
    client!(deliveries, DeliveryServiceClient, "deliveries");

    async fn channel(&self) -> Result<Channel, Failure> {
        self.channel.get_or_try_init(|| self.connect()).await.cloned()
    }

    async fn connect(&self) -> Result<Channel, Failure> {
        if !self.server.starts_with("http://") {
            return Err(Failure::Usage(format!("--server {}: the address must begin with http://", self.server)));
        }
        let endpoint = Endpoint::from_shared(self.server.clone())
            .map_err(|error| Failure::Usage(format!("--server {}: {error}", self.server)))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        endpoint.connect().await.map_err(|error| Failure::unreachable(&self.server, &error))
    }
}
