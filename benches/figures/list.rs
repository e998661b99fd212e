//! Pages of ListOrders, beside the raw statement through the same driver.

use std::{future::Future, time::Instant};

use andon::grpc::{
    page_token::PageTokens,
    proto::{
        Date,
        v1::{self, order_service_client::OrderServiceClient},
    },
};
use chrono::{DateTime, Datelike as _, Utc};
use prost::Message as _;
use sqlx::{AssertSqlSafe, Row as _};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::{
    Fault,
    stand::Stand,
    stats::{percentile, verdict},
};

const PAGE: i64 = 50;
const PAGES_MAX: i64 = 10_000;

/// A position, as a page token carries it.
#[derive(serde::Serialize)]
enum Token {
    Due(DateTime<Utc>, Uuid),
    Id(Uuid),
    Number(String),
}

fn filters(today: chrono::NaiveDate) -> Vec<(&'static str, v1::OrderFilter, String)> {
    let in_a_week = today + chrono::Days::new(7);
    let date = Date {
        year: in_a_week.year(),
        month: i32::try_from(in_a_week.month()).unwrap_or(1),
        day: i32::try_from(in_a_week.day()).unwrap_or(1),
    };
    let filter = v1::OrderFilter::default;
    let open = "o.closed_at IS NULL";
    vec![
        ("open", filter(), open.into()),
        (
            "closed",
            v1::OrderFilter { state: v1::OrderState::Closed.into(), ..filter() },
            "o.closed_at IS NOT NULL".into(),
        ),
        ("any state", v1::OrderFilter { state: v1::OrderState::Any.into(), ..filter() }, "true".into()),
        (
            "order_types",
            v1::OrderFilter { order_types: vec!["bench".into()], ..filter() },
            format!("{open} AND o.order_type = 'bench'"),
        ),
        (
            "statuses",
            v1::OrderFilter { statuses: vec!["s3".into()], ..filter() },
            format!("{open} AND o.status = 's3'"),
        ),
        (
            "order_types, statuses",
            v1::OrderFilter { order_types: vec!["bench".into()], statuses: vec!["s3".into()], ..filter() },
            format!("{open} AND o.order_type = 'bench' AND o.status = 's3'"),
        ),
        (
            "assigned_department",
            v1::OrderFilter { assigned_department: "d7".into(), ..filter() },
            format!("{open} AND o.assigned_department = 'd7'"),
        ),
        (
            "assigned_user",
            v1::OrderFilter { assigned_user: "u77".into(), ..filter() },
            format!("{open} AND o.assigned_user = 'u77'"),
        ),
        ("overdue", v1::OrderFilter { overdue: true, ..filter() }, format!("{open} AND o.due_sort <= now()")),
        (
            "due_to_date",
            v1::OrderFilter { due_to_date: Some(date), ..filter() },
            format!("{open} AND o.due_on <= '{in_a_week}'"),
        ),
        (
            "number_prefix",
            v1::OrderFilter { number_prefix: "A0001".into(), ..filter() },
            format!("{open} AND o.number >= 'A0001' AND o.number < 'A0002'"),
        ),
        (
            "customer_reference",
            v1::OrderFilter { customer_reference: "PO-77".into(), ..filter() },
            format!("{open} AND o.customer_reference = 'PO-77' AND o.customer_reference <> ''"),
        ),
    ]
}

const ORDERS: [(v1::OrderBy, &str, &str); 4] = [
    (v1::OrderBy::DueTime, "due time", "o.due_sort, o.id"),
    (v1::OrderBy::CreateTime, "created", "o.id"),
    (v1::OrderBy::CreateTimeDesc, "created desc", "o.id DESC"),
    (v1::OrderBy::Number, "number", "o.number"),
];

struct Lists<'a> {
    stand: &'a Stand,
    client: OrderServiceClient<Channel>,
    tokens: PageTokens,
}

/// Measures and prints.
pub async fn measure(stand: &Stand) -> Result<(), Fault> {
    let daemon = stand.daemon(&[]).await?;
    let key: Vec<u8> = sqlx::query_scalar("SELECT page_token_key FROM installation").fetch_one(&stand.pool).await?;
    let client = OrderServiceClient::new(daemon.connect().await?).max_decoding_message_size(16 << 20);
    let lists = Lists { stand, client, tokens: PageTokens::new(key) };
    println!(
        "\nListOrders, pages of {PAGE}, median ms of one caller; raw = the statement alone through sqlx; deep = page 10 000 or the last"
    );
    println!(
        "  {:<38} {:>8} {:>8} {:>6}   {:>6} {:>8} {:>8} {:>6} {:>9}",
        "filter, order", "raw", "andon", "ratio", "page", "raw", "andon", "ratio", "deep/1st"
    );
    let (mut first_ratios, mut deep_ratios, mut depths) = (Vec::new(), Vec::new(), Vec::new());
    for (name, filter, condition) in filters(sqlx::query_scalar("SELECT current_date").fetch_one(&stand.pool).await?) {
        let matching: i64 =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM orders o WHERE {condition}")))
                .fetch_one(&stand.pool)
                .await?;
        let page = (matching / PAGE).min(PAGES_MAX);
        for order in ORDERS {
            let first = lists.compare(&filter, &condition, order, None).await?;
            first_ratios.push(first.1 / first.0);
            print!(
                "  {:<38} {:>8.2} {:>8.2} {:>6.2}",
                format!("{name}, {}", order.1),
                first.0,
                first.1,
                first.1 / first.0
            );
            if page >= 3 {
                let deep = lists.compare(&filter, &condition, order, Some((page - 1) * PAGE - 1)).await?;
                deep_ratios.push(deep.1 / deep.0);
                depths.push(deep.1 / first.1);
                print!(
                    "   {page:>6} {:>8.2} {:>8.2} {:>6.2} {:>9.2}",
                    deep.0,
                    deep.1,
                    deep.1 / deep.0,
                    deep.1 / first.1
                );
            }
            println!();
        }
    }
    verdict("first page, median of all", percentile(&mut first_ratios, 50.0), "<=", 1.5, " x raw");
    verdict("first page, worst", percentile(&mut first_ratios, 100.0), "<=", 1.5, " x raw");
    verdict("deep page, worst", percentile(&mut deep_ratios, 100.0), "<=", 1.5, " x raw");
    verdict("deep page beside the first, worst", percentile(&mut depths, 100.0), "<=", 1.2, " x");
    daemon.stop()
}

impl Lists<'_> {
    /// Median ms of the raw statement and of the call, alternating.
    async fn compare(
        &self,
        filter: &v1::OrderFilter,
        condition: &str,
        (by, _, order): (v1::OrderBy, &str, &str),
        after: Option<i64>,
    ) -> Result<(f64, f64), Fault> {
        let mut request = v1::ListOrdersRequest {
            filter: Some(filter.clone()),
            order_by: by.into(),
            ..v1::ListOrdersRequest::default()
        };
        let mut go_on = String::new();
        if let Some(offset) = after {
            let last = sqlx::query(AssertSqlSafe(format!("SELECT o.due_sort, o.id, o.number FROM orders o WHERE {condition} ORDER BY {order} OFFSET {offset} LIMIT 1")))
                .fetch_one(&self.stand.pool)
                .await?;
            let (due, id, number): (DateTime<Utc>, Uuid, String) = (last.get(0), last.get(1), last.get(2));
            go_on = match by {
                v1::OrderBy::CreateTime => format!(" AND o.id > '{id}'"),
                v1::OrderBy::CreateTimeDesc => format!(" AND o.id < '{id}'"),
                v1::OrderBy::Number => format!(" AND o.number > '{number}'"),
                _ => format!(" AND (o.due_sort, o.id) > ('{due}', '{id}')"),
            };
            let token = match by {
                v1::OrderBy::CreateTime | v1::OrderBy::CreateTimeDesc => Token::Id(id),
                v1::OrderBy::Number => Token::Number(number),
                _ => Token::Due(due, id),
            };
            let mut binding = b"ListOrders".to_vec();
            binding.extend(request.order_by.to_be_bytes());
            binding.extend(filter.encode_to_vec());
            request.page_token = self.tokens.seal(&binding, &token);
        }
        let statement = format!(
            "SELECT o.*, now(), c.version AS catalogue_version FROM orders o CROSS JOIN catalogue_version c WHERE {condition}{go_on} ORDER BY {order} LIMIT {}",
            PAGE + 1
        );
        let (mut raw, mut called) = (Vec::new(), Vec::new());
        let began = Instant::now();
        while raw.len() < 21 && (raw.len() < 5 || began.elapsed().as_secs_f64() < 0.3) {
            raw.push(
                timed(async {
                    sqlx::query(AssertSqlSafe(statement.clone()))
                        .fetch_all(&self.stand.pool)
                        .await
                        .map(|rows| rows.len())
                })
                .await?,
            );
            let mut client = self.client.clone();
            called.push(
                timed(async {
                    client.list_orders(request.clone()).await.map(|answer| answer.into_inner().orders.len())
                })
                .await?,
            );
        }
        Ok((percentile(&mut raw, 50.0), percentile(&mut called, 50.0)))
    }
}

async fn timed<E: Into<Fault>>(work: impl Future<Output = Result<usize, E>>) -> Result<f64, Fault> {
    let began = Instant::now();
    work.await.map_err(Into::into)?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
