//! `ImportOrders`: takes orders with their past from a stream, in batches, and answers each.

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tonic::Streaming;

use super::{
    orders::{Orders, Origin, unit},
    orders_parse as parse, orders_render as render,
    proto::v1,
};
use crate::{
    domain::{refusal::Refusal, violation::Violations},
    ops::unit::{Change, Mode, Outcome},
};

/// Orders of an import stream that one transaction takes.
pub const IMPORT_BATCH: usize = 50;

impl Orders {
    /// Takes the stream in batches; what is there when a batch begins belongs to it, so a slow sender is answered at once.
    pub(super) async fn import(
        &self,
        mut requests: Streaming<v1::ImportOrdersRequest>,
        answers: mpsc::Sender<Result<v1::ImportOrdersResponse, tonic::Status>>,
    ) {
        let (queue, mut queued) = mpsc::channel(IMPORT_BATCH);
        let reader = tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                if queue.send(request).await.is_err() {
                    break;
                }
            }
        });
        let mut index = 0;
        let mut validate_only = None;
        let mut batch = Vec::with_capacity(IMPORT_BATCH);
        'stream: while queued.recv_many(&mut batch, IMPORT_BATCH).await > 0 {
            let mut requests = Vec::with_capacity(batch.len());
            let mut broken = None;
            for request in batch.drain(..) {
                match request {
                    Ok(request) => requests.push(request),
                    Err(status) => broken = Some(status),
                }
            }
            let validate_only =
                *validate_only.get_or_insert_with(|| requests.first().is_some_and(|first| first.validate_only));
            for answer in self.import_batch(&requests, index, validate_only).await {
                let failed = answer.is_err();
                if answers.send(answer).await.is_err() || failed {
                    break 'stream;
                }
            }
            index += i64::try_from(requests.len()).unwrap_or(0);
            if let Some(status) = broken {
                let _ = answers.send(Err(status)).await;
                break;
            }
        }
        reader.abort();
    }

    /// One batch: a unit of its own per order, so that one refusal spoils no other, in one transaction.
    async fn import_batch(
        &self,
        requests: &[v1::ImportOrdersRequest],
        first: i64,
        validate_only: bool,
    ) -> Vec<Result<v1::ImportOrdersResponse, tonic::Status>> {
        let origin = Origin::now();
        let mut answers: Vec<v1::ImportOrdersResponse> = Vec::with_capacity(requests.len());
        let mut changes = Vec::new();
        let mut places = Vec::new();
        for (place, (request, index)) in requests.iter().zip(first..).enumerate() {
            let mut v = Violations::new();
            let imported = parse::imported_order(request.order.as_ref(), &mut v);
            let found = v.into_found();
            let mut answer = v1::ImportOrdersResponse {
                index,
                number: imported.order.number.clone(),
                ..v1::ImportOrdersResponse::default()
            };
            if found.is_empty() {
                changes.push(Change::Import(Box::new(imported)));
                places.push(place);
            } else {
                refused(&mut answer, &Refusal::Invalid(found));
            }
            answers.push(answer);
        }
        if !changes.is_empty() {
            match self.carry_out(unit(changes, Mode::Each, None, validate_only, origin)).await {
                Ok((outcomes, _, _)) => {
                    for (place, outcome) in places.into_iter().zip(&outcomes) {
                        match outcome {
                            Outcome::Done { .. } => answers[place].set_outcome(v1::ImportOutcome::Created),
                            Outcome::Unchanged | Outcome::Repeated => {
                                answers[place].set_outcome(v1::ImportOutcome::Unchanged);
                            }
                            Outcome::Refused(refusal) => refused(&mut answers[place], refusal),
                        }
                    }
                }
                Err(status) => return vec![Err(status)],
            }
        }
        answers.into_iter().map(Ok).collect()
    }
}

fn refused(answer: &mut v1::ImportOrdersResponse, refusal: &Refusal) {
    answer.set_outcome(v1::ImportOutcome::Refused);
    answer.refusal = Some(render::refusal(refusal));
    if let Refusal::Invalid(violations) = refusal {
        answer.violations = violations
            .iter()
            .map(|violation| v1::FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            })
            .collect();
    }
}
