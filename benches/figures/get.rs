//! `GetOrder` beside an empty method.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use andon::grpc::proto::v1::{self, order_ref::Ref, order_service_client::OrderServiceClient};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    Fault, Options, load,
    stand::Stand,
    stats::{Rounds, head, verdict},
};

const CALLERS: usize = 16;

/// Measures and prints.
pub async fn measure(options: &Options, stand: &Stand) -> Result<(), Fault> {
    let daemon = stand.daemon(&[]).await?;
    let next = Arc::new(AtomicI64::new(0));
    let orders = options.orders;
    let get = |channel: Channel| {
        let next = Arc::clone(&next);
        let client = OrderServiceClient::new(channel);
        move || {
            let mut client = client.clone();
            let n = next.fetch_add(1, Ordering::Relaxed) * 611_953 % orders;
            let order = Some(v1::OrderRef { r#ref: Some(Ref::Number(format!("A{n:08}"))) });
            async move { client.get_order(v1::GetOrderRequest { order }).await.is_ok() }
        }
    };
    let empty = |channel: Channel| {
        let client = HealthClient::new(channel);
        move || {
            let mut client = client.clone();
            async move { client.check(HealthCheckRequest { service: String::new() }).await.is_ok() }
        }
    };
    let (mut got, mut got_p99, mut nothing, mut alone) =
        (Rounds::default(), Rounds::default(), Rounds::default(), Rounds::default());
    load::run(&daemon, CALLERS, options.connections, 1, get).await?;
    for _ in 0..options.rounds {
        let seen = load::run(&daemon, CALLERS, options.connections, options.seconds, get).await?;
        got.add(seen.per_second);
        got_p99.add(seen.p99);
        nothing.add(load::run(&daemon, CALLERS, options.connections, options.seconds, empty).await?.per_second);
        alone.add(load::run(&daemon, 1, 1, options.seconds.min(2), get).await?.p50);
    }
    head(&format!("GetOrder, {CALLERS} callers over {} connections", options.connections));
    got.line("GetOrder by number, any of all", "calls/s");
    got_p99.line("    p99", "ms");
    nothing.line("an empty method (health check)", "calls/s");
    alone.line("GetOrder, one lone caller, p50", "ms");
    verdict("GetOrder beside the empty method", got.median() / nothing.median(), ">=", 0.5, " x");
    daemon.stop()
}
