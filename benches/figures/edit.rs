//! An edit of a cycle under live orders: a status goes and hands its orders over; beside the same writes as raw set-based SQL.
//! While it runs another caller moves orders of another type: the longest it waits is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use andon::grpc::proto::v1::{
    self, StatusKind as Kind, order_ref::Ref, order_service_client::OrderServiceClient,
    order_type_service_client::OrderTypeServiceClient,
};
use tonic::transport::Channel;

use crate::{
    Fault, Options,
    stand::Stand,
    stats::{Rounds, head},
};

/// Orders that the edit moves.
const ORDERS: usize = 20_000;
const TYPE: &str = "edited";

fn status(id: String, kind: Kind) -> v1::Status {
    v1::Status { name: id.clone(), id, kind: kind.into(), duration_business_days: Some(1), ..v1::Status::default() }
}

/// A type with enough steps for all rounds, and its orders in the first one.
async fn prepare(stand: &Stand, channel: &Channel) -> Result<(), Fault> {
    let calendar: String =
        sqlx::query_scalar("SELECT id FROM calendars ORDER BY id LIMIT 1").fetch_one(&stand.pool).await?;
    let mut statuses = vec![status("new".into(), Kind::Initial)];
    statuses.extend((0..8).map(|step| status(format!("s{step}"), Kind::Standard)));
    statuses.push(status("done".into(), Kind::Final));
    let order_type =
        v1::OrderType { id: TYPE.into(), name: "Edited".into(), calendar, statuses, ..v1::OrderType::default() };
    let request = v1::CreateOrderTypeRequest { order_type: Some(order_type), ..v1::CreateOrderTypeRequest::default() };
    OrderTypeServiceClient::new(channel.clone()).create_order_type(request).await?;
    let mut orders = OrderServiceClient::new(channel.clone()).max_decoding_message_size(64 << 20);
    for batch in 0..ORDERS / 1_000 {
        let order = |n: usize| v1::NewOrder {
            number: format!("EDIT-{batch}-{n}"),
            order_type: TYPE.into(),
            status: "s0".into(),
            ..v1::NewOrder::default()
        };
        let request = v1::CreateOrdersRequest { orders: (0..1_000).map(order).collect(), ..Default::default() };
        orders.create_orders(request).await?;
    }
    sqlx::query("ANALYZE orders").execute(&stand.pool).await?;
    Ok(())
}

/// Notes one order after the other until told to stop; the longest call in ms.
async fn another_caller(channel: Channel, stop: Arc<AtomicBool>) -> f64 {
    let mut orders = OrderServiceClient::new(channel);
    let (mut longest, mut n) = (0.0_f64, 0);
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let order = Some(v1::OrderRef { r#ref: Some(Ref::Number(format!("A{n:08}"))) });
        let request = v1::AddNoteRequest { order, text: "x".into(), ..v1::AddNoteRequest::default() };
        let began = Instant::now();
        let _ = orders.add_note(request).await;
        longest = longest.max(began.elapsed().as_secs_f64() * 1e3);
    }
    longest
}

/// Measures and prints.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
pub async fn measure(options: &Options, stand: &Stand) -> Result<(), Fault> {
    let daemon = stand.daemon(&[]).await?;
    let channel = daemon.connect().await?;
    prepare(stand, &channel).await?;
    let mut types = OrderTypeServiceClient::new(channel.clone());
    let (mut shown, mut done, mut waited, mut raw) =
        (Rounds::default(), Rounds::default(), Rounds::default(), Rounds::default());
    for round in 0..options.rounds {
        let [from, to, on] = [2 * round, 2 * round + 1, 2 * round + 2].map(|step| format!("s{step}"));
        let removal = v1::DeleteStatusRequest {
            order_type: TYPE.into(),
            status: from,
            replacement: to.clone(),
            validate_only: true,
            ..v1::DeleteStatusRequest::default()
        };
        let began = Instant::now();
        let plan = types.delete_status(removal.clone()).await?.into_inner().plan.unwrap_or_default();
        shown.add(began.elapsed().as_secs_f64());
        let stop = Arc::new(AtomicBool::new(false));
        let other = tokio::spawn(another_caller(daemon.connect().await?, Arc::clone(&stop)));
        let removal = v1::DeleteStatusRequest { expected_plan: plan.fingerprint, validate_only: false, ..removal };
        let began = Instant::now();
        let moved = types.delete_status(removal).await?.into_inner().plan.unwrap_or_default().moved_orders;
        done.add(moved as f64 / began.elapsed().as_secs_f64());
        stop.store(true, Ordering::Relaxed);
        waited.add(other.await?);
        let detail: String = sqlx::query_scalar("SELECT detail::text FROM history WHERE kind = 'CYCLE_EDITED' LIMIT 1")
            .fetch_one(&stand.pool)
            .await?;
        let began = Instant::now();
        let moved: i64 = sqlx::query_scalar(include_str!("edit.sql"))
            .bind(&to)
            .bind(&on)
            .bind(&detail)
            .fetch_one(&stand.pool)
            .await?;
        raw.add(moved as f64 / began.elapsed().as_secs_f64());
    }
    head(&format!("An edit of a cycle: a status goes, {ORDERS} orders move, one transaction"));
    shown.line("preview: its plan, without locks", "s");
    done.line("done, as the plan said", "orders/s");
    raw.line("raw set-based SQL, the same rows", "orders/s");
    waited.line("meanwhile another caller's longest wait for a change", "ms");
    println!("  beside raw SQL: {:.2} x", done.median() / raw.median());
    daemon.stop()
}
