//! The server: all services, health and reflection on one port, with limits.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tonic::transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming};
use tonic_health::server::HealthReporter;

use super::{
    calendars::Calendars,
    deliveries::Deliveries,
    order_types::OrderTypes,
    orders::Orders,
    page_token::PageTokens,
    people::People,
    proto::{
        DESCRIPTORS,
        v1::{
            calendar_service_server::{self, CalendarServiceServer},
            delivery_service_server::{self, DeliveryServiceServer},
            order_service_server::{self, OrderServiceServer},
            order_type_service_server::{self, OrderTypeServiceServer},
            people_service_server::{self, PeopleServiceServer},
            schedule_service_server::{self, ScheduleServiceServer},
            task_service_server::{self, TaskServiceServer},
            trigger_service_server::{self, TriggerServiceServer},
            webhook_service_server::{self, WebhookServiceServer},
        },
    },
    schedule::Schedule,
    tasks::Tasks,
    triggers::Triggers,
    webhooks::Webhooks,
};
use crate::ops::{Plant, gather::Gatherer, webhooks::Hooks};

/// The services as health checks name them; the empty name stands for all.
pub const SERVICES: [&str; 10] = [
    "",
    order_service_server::SERVICE_NAME,
    delivery_service_server::SERVICE_NAME,
    order_type_service_server::SERVICE_NAME,
    calendar_service_server::SERVICE_NAME,
    people_service_server::SERVICE_NAME,
    schedule_service_server::SERVICE_NAME,
    task_service_server::SERVICE_NAME,
    trigger_service_server::SERVICE_NAME,
    webhook_service_server::SERVICE_NAME,
];
/// Bytes of one request, at most: a bulk call of 1 000 orders with long notes fits.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Streams of one connection, at most.
const STREAMS_MAX: u32 = 1_024;

/// What the server is told.
#[derive(Clone)]
pub struct ServerSettings {
    /// Calls of one connection at the same time; more are refused at once.
    pub concurrent_calls: usize,
    /// The longest a call may take.
    pub request_timeout: Duration,
    /// Certificate chain and key, PEM; `None` = plain text, for loopback only.
    pub tls: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSettings").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

/// The parts that the services stand on.
#[derive(Debug, Clone)]
pub struct Doors {
    /// The plant.
    pub plant: Arc<Plant>,
    /// Where changes are handed in.
    pub gatherer: Gatherer,
    /// Seals page tokens.
    pub tokens: PageTokens,
    /// How webhooks leave.
    pub hooks: Arc<Hooks>,
}

/// Serves until `stop` ends, then finishes the calls that run.
///
/// # Errors
/// When the certificate cannot be used, or the server ends on its own.
pub async fn serve(
    listener: TcpListener,
    doors: Doors,
    settings: ServerSettings,
    health: (HealthReporter, impl FnOnce(&mut tonic::service::RoutesBuilder) + Send),
    stop: impl Future<Output = ()> + Send,
) -> Result<(), tonic::transport::Error> {
    let (reporter, add_health) = health;
    for service in SERVICES {
        reporter.set_service_status(service, tonic_health::ServingStatus::Serving).await;
    }
    let mut routes = tonic::service::RoutesBuilder::default();
    add_health(&mut routes);
    let Doors { plant, gatherer, tokens, hooks } = doors;
    let orders = Orders::new(Arc::clone(&plant), gatherer, tokens.clone());
    routes.add_service(OrderServiceServer::new(orders).max_decoding_message_size(REQUEST_BYTES_MAX));
    routes.add_service(DeliveryServiceServer::new(Deliveries::new(Arc::clone(&plant), tokens.clone())));
    routes.add_service(OrderTypeServiceServer::new(OrderTypes::new(Arc::clone(&plant))));
    routes.add_service(TaskServiceServer::new(Tasks::new(Arc::clone(&plant), tokens.clone())));
    routes.add_service(ScheduleServiceServer::new(Schedule::new(Arc::clone(&plant), tokens)));
    routes.add_service(CalendarServiceServer::new(Calendars::new(Arc::clone(&plant))));
    routes.add_service(TriggerServiceServer::new(Triggers::new(Arc::clone(&plant))));
    routes.add_service(WebhookServiceServer::new(Webhooks::new(Arc::clone(&plant), hooks)));
    routes.add_service(PeopleServiceServer::new(People::new(plant)));
    if let Ok(reflection) = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
    {
        routes.add_service(reflection);
    }
    let mut server = Server::builder()
        .load_shed(true)
        .concurrency_limit_per_connection(settings.concurrent_calls)
        .max_concurrent_streams(STREAMS_MAX)
        .timeout(settings.request_timeout)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)));
    if let Some((certificate, key)) = &settings.tls {
        server = server.tls_config(tls_config(certificate, key))?;
    }
    // The builder's own setting does not reach a listener that is handed in: without this, an answer that is written in two
    // parts waits 40 ms for the other side's delayed acknowledgement.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    server.add_routes(routes.routes()).serve_with_incoming_shutdown(incoming, stop).await
}

fn tls_config(certificate: &[u8], key: &[u8]) -> ServerTlsConfig {
    ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
}

/// Whether a certificate chain and a key can be served with.
///
/// # Errors
/// When they cannot be read, or do not belong together.
pub fn check_tls(certificate: &[u8], key: &[u8]) -> Result<(), tonic::transport::Error> {
    Server::builder().tls_config(tls_config(certificate, key)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_cannot_be_used_is_found_before_serving() {
        assert!(check_tls(b"not a certificate", b"not a key").is_err());
    }
}
