//! `OrderService`: orders created, advanced, noted, listed and imported.

use std::{pin::Pin, sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Streaming};
use uuid::Uuid;

use super::{
    errors::{fail, invalid, not_taken, refuse},
    import::IMPORT_BATCH,
    orders_parse as parse, orders_render as render,
    page_token::{PageTokens, page_size},
    parse::request_key,
    proto::v1::{self, order_service_server::OrderService},
};
use crate::{
    domain::{
        alerts::webhook::CAUSE_HEADER,
        catalogue::Catalogue,
        note::{Note, NoteKind},
        order::{Effects, Order},
        refusal::Refusal,
        violation::Violations,
    },
    ops::{
        Plant, RequestKey,
        gather::Gatherer,
        orders,
        unit::{Change, Mode, Outcome, Unit},
    },
    store::orders::{OrderBy, OrderState, Position},
};

/// The principal of calls while there is no authentication: only loopback is served without TLS.
pub const PRINCIPAL: &str = "local";

type Answer<T> = Result<Response<T>, tonic::Status>;

/// Serves orders.
#[derive(Debug, Clone)]
pub struct Orders {
    plant: Arc<Plant>,
    gatherer: Gatherer,
    tokens: PageTokens,
}

impl Orders {
    /// Over these parts.
    #[must_use]
    pub fn new(plant: Arc<Plant>, gatherer: Gatherer, tokens: PageTokens) -> Self {
        Self { plant, gatherer, tokens }
    }

    /// Hands in a unit; its outcomes, with what they are rendered by.
    pub(super) async fn carry_out(
        &self,
        unit: Unit,
    ) -> Result<(Vec<Outcome>, Arc<Catalogue>, DateTime<Utc>), tonic::Status> {
        let answered = self.gatherer.carry_out(unit).await.map_err(not_taken)?.map_err(|failure| fail(&failure))?;
        // The request id stands for the whole call, so that it was used before is the answer to the call, not to its items.
        if let Some(Outcome::Refused(refusal @ Refusal::RequestIdReused(_))) = answered.outcomes.first() {
            return Err(refuse(refusal));
        }
        Ok((answered.outcomes, self.plant.snapshot.held(), answered.at))
    }

    /// One change: the order after it and what it did.
    async fn change(
        &self,
        change: Change,
        key: Option<RequestKey>,
        validate_only: bool,
        origin: Origin,
    ) -> Result<(v1::Order, v1::Effects, Effects), tonic::Status> {
        let unit = unit(vec![change], Mode::Each, key, validate_only, origin);
        let (outcomes, catalogue, now) = self.carry_out(unit).await?;
        match outcomes.into_iter().next() {
            Some(Outcome::Done { order, effects }) => {
                let did = render::effects(&effects, &order, &catalogue, now, validate_only);
                Ok((render::order(&order, &catalogue, now), did, *effects))
            }
            Some(Outcome::Refused(refusal)) => Err(refuse(&refusal)),
            _ => Err(tonic::Status::internal("a change without an outcome")),
        }
    }
}

pub(super) fn unit(
    changes: Vec<Change>,
    mode: Mode,
    key: Option<RequestKey>,
    validate_only: bool,
    Origin { arrived, cause }: Origin,
) -> Unit {
    Unit { changes, mode, one_type: false, key, validate_only, actor: PRINCIPAL.to_owned(), arrived, cause }
}

/// Where a change comes from: when its call arrived, and what led to it.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    arrived: Instant,
    cause: String,
}

impl Origin {
    /// Of a call that has just arrived, with the cause that its metadata name.
    fn of<T>(request: &Request<T>) -> Result<Self, tonic::Status> {
        let mut v = Violations::new();
        let cause = request.metadata().get(CAUSE_HEADER).map(|cause| cause.to_str().unwrap_or("\0"));
        if let Some(cause) = cause {
            v.line(CAUSE_HEADER, cause, 1, 64);
        }
        checked(v)?;
        Ok(Self { arrived: Instant::now(), cause: cause.unwrap_or_default().to_owned() })
    }

    /// Of what arrives now, and is led to by nothing.
    pub(super) fn now() -> Self {
        Self { arrived: Instant::now(), cause: String::new() }
    }
}

fn checked(v: Violations) -> Result<(), tonic::Status> {
    if v.is_empty() { Ok(()) } else { Err(invalid(v.into_found())) }
}

/// A question that was just asked is open.
fn open_questions(note: &Note) -> Vec<Uuid> {
    (note.kind == NoteKind::Question).then_some(note.id).into_iter().collect()
}

/// Where the page after this order begins.
fn position(by: OrderBy, last: &Order) -> Token {
    match by {
        OrderBy::Due => Token::Due(last.visit.due.map(|due| due.at), last.id),
        OrderBy::Created | OrderBy::CreatedDesc => Token::Id(last.id),
        OrderBy::Number => Token::Number(last.number.clone()),
        OrderBy::Health => Token::Late(last.health_turns.late_from, last.id),
    }
}

/// A position as a page token carries it.
#[derive(serde::Serialize, serde::Deserialize)]
enum Token {
    Due(Option<DateTime<Utc>>, Uuid),
    Id(Uuid),
    Number(String),
    Late(Option<DateTime<Utc>>, Uuid),
}

impl From<Token> for Position {
    fn from(token: Token) -> Self {
        match token {
            Token::Due(at, id) => Self::Due(at, id),
            Token::Id(id) => Self::Id(id),
            Token::Number(number) => Self::Number(number),
            Token::Late(at, id) => Self::Late(at, id),
        }
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    type ImportOrdersStream = Pin<Box<dyn Stream<Item = Result<v1::ImportOrdersResponse, tonic::Status>> + Send>>;

    async fn create_order(&self, request: Request<v1::CreateOrderRequest>) -> Answer<v1::CreateOrderResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let order = Box::new(parse::new_order(request.order.as_ref(), &mut v));
        v.id("on_behalf_of", &request.on_behalf_of);
        let key = request_key("CreateOrder", &id, &request, &mut v);
        checked(v)?;
        let change = Change::Create { order, on_behalf_of: request.on_behalf_of };
        let (order, effects, _) = self.change(change, key, request.validate_only, origin).await?;
        Ok(Response::new(v1::CreateOrderResponse { order: Some(order), effects: Some(effects) }))
    }

    async fn create_orders(&self, request: Request<v1::CreateOrdersRequest>) -> Answer<v1::CreateOrdersResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let orders = parse::new_orders(&request.orders, &mut v);
        let mode = parse::mode(request.mode, &mut v);
        v.id("on_behalf_of", &request.on_behalf_of);
        let key = request_key("CreateOrders", &id, &request, &mut v);
        checked(v)?;
        let changes = orders
            .into_iter()
            .map(|order| Change::Create { order: Box::new(order), on_behalf_of: request.on_behalf_of.clone() })
            .collect();
        let (outcomes, catalogue, now) =
            self.carry_out(unit(changes, mode, key, request.validate_only, origin)).await?;
        let results = render::results(&outcomes, &catalogue, now, request.validate_only);
        Ok(Response::new(v1::CreateOrdersResponse { results }))
    }

    async fn get_order(&self, request: Request<v1::GetOrderRequest>) -> Answer<v1::GetOrderResponse> {
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.get_ref().order.as_ref(), &mut v);
        checked(v)?;
        let seen = orders::get_order(&self.plant, &order).await.map_err(|failure| fail(&failure))?;
        let order = render::order(&seen.orders, &seen.catalogue, seen.now);
        Ok(Response::new(v1::GetOrderResponse { order: Some(order) }))
    }

    async fn list_orders(&self, request: Request<v1::ListOrdersRequest>) -> Answer<v1::ListOrdersResponse> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let (filter, overdue) = parse::filter(request.filter.as_ref(), &mut v);
        let by = parse::order_by(request.order_by, &mut v);
        let size = page_size(request.page_size, &mut v);
        let mut binding = b"ListOrders".to_vec();
        binding.extend(request.order_by.to_be_bytes());
        binding.extend(request.filter.as_ref().map(v1::OrderFilter::encode_to_vec).unwrap_or_default());
        if by == OrderBy::Health && filter.state != OrderState::Open {
            v.add("order_by", "only open orders are listed by health");
        }
        let after: Option<Token> = self.tokens.open(&binding, &request.page_token, &mut v);
        checked(v)?;
        let after = after.map(Position::from);
        let seen = orders::list_orders(&self.plant, filter, overdue, by, after.as_ref(), size + 1)
            .await
            .map_err(|failure| fail(&failure))?;
        let size = usize::try_from(size).unwrap_or(50);
        let next_page_token = match seen.orders.get(size - 1) {
            Some(last) if seen.orders.len() > size => self.tokens.seal(&binding, &position(by, last)),
            _ => String::new(),
        };
        let orders =
            seen.orders.iter().take(size).map(|order| render::order(order, &seen.catalogue, seen.now)).collect();
        Ok(Response::new(v1::ListOrdersResponse { orders, next_page_token }))
    }

    async fn count_orders(&self, request: Request<v1::CountOrdersRequest>) -> Answer<v1::CountOrdersResponse> {
        let request = request.into_inner();
        let mut v = Violations::new();
        if request.order_types.len() > 50 {
            v.add("order_types", "at most 50 are allowed");
        }
        for (index, id) in request.order_types.iter().enumerate().take(50) {
            v.slug(&format!("order_types[{index}]"), id);
        }
        checked(v)?;
        let seen = orders::count_orders(&self.plant).await.map_err(|failure| fail(&failure))?;
        let wanted = |id: &String| request.order_types.is_empty() || request.order_types.contains(id);
        let mut counts = Vec::new();
        for order_type in seen.catalogue.types.values().filter(|order_type| wanted(&order_type.id)) {
            for status in &order_type.statuses {
                let found =
                    seen.orders.iter().find(|count| count.order_type == order_type.id && count.status == status.id);
                if found.is_none() && (status.inactive || status.closes()) {
                    continue;
                }
                let (stage, stage_position) = seen.catalogue.column_of(status);
                counts.push(v1::StatusCount {
                    order_type: order_type.id.clone(),
                    status: status.id.clone(),
                    status_name: status.name.clone(),
                    stage: stage.to_owned(),
                    open: found.map_or(0, |count| count.open),
                    overdue: found.map_or(0, |count| count.overdue),
                    stage_position: i32::try_from(stage_position).unwrap_or(0),
                    colour: status.colour.clone(),
                    icon: status.icon.clone(),
                });
            }
        }
        Ok(Response::new(v1::CountOrdersResponse { counts }))
    }

    async fn advance_order(&self, request: Request<v1::AdvanceOrderRequest>) -> Answer<v1::AdvanceOrderResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.order.as_ref(), &mut v);
        let advance = parse::advance(request.advance.as_ref(), &mut v);
        let key = request_key("AdvanceOrder", &id, &request, &mut v);
        checked(v)?;
        let change = Change::Advance { order, advance, etag: super::parse::optional(&request.etag) };
        let (order, effects, _) = self.change(change, key, request.validate_only, origin).await?;
        Ok(Response::new(v1::AdvanceOrderResponse { order: Some(order), effects: Some(effects) }))
    }

    async fn advance_orders(&self, request: Request<v1::AdvanceOrdersRequest>) -> Answer<v1::AdvanceOrdersResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let refs = parse::order_refs(&request.orders, &mut v);
        let advance = parse::advance(request.advance.as_ref(), &mut v);
        let mode = parse::mode(request.mode, &mut v);
        let key = request_key("AdvanceOrders", &id, &request, &mut v);
        checked(v)?;
        let changes = refs
            .into_iter()
            .map(|order| Change::Advance { order, advance: Arc::clone(&advance), etag: None })
            .collect();
        let unit = Unit { one_type: true, ..unit(changes, mode, key, request.validate_only, origin) };
        let (outcomes, catalogue, now) = self.carry_out(unit).await?;
        let results = render::results(&outcomes, &catalogue, now, request.validate_only);
        Ok(Response::new(v1::AdvanceOrdersResponse { results }))
    }

    async fn add_note(&self, request: Request<v1::AddNoteRequest>) -> Answer<v1::AddNoteResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.order.as_ref(), &mut v);
        let mut note = Box::new(parse::add_note(&request, &mut v));
        let key = request_key("AddNote", &id, &request, &mut v);
        checked(v)?;
        if let Some(question) = note.answers {
            note.answers_known =
                orders::is_question(&self.plant, &order, question).await.map_err(|failure| fail(&failure))?;
        }
        let change = Change::Note { order, note };
        let (order, effects, did) = self.change(change, key, request.validate_only, origin).await?;
        let note = did.note.as_ref().map(|note| render::note(note, &open_questions(note)));
        Ok(Response::new(v1::AddNoteResponse { note, order: Some(order), effects: Some(effects) }))
    }

    async fn acknowledge_order(
        &self,
        request: Request<v1::AcknowledgeOrderRequest>,
    ) -> Answer<v1::AcknowledgeOrderResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.order.as_ref(), &mut v);
        let acknowledge = Box::new(parse::acknowledge(&request, &mut v));
        let key = request_key("AcknowledgeOrder", &id, &request, &mut v);
        checked(v)?;
        let change = Change::Acknowledge { order, acknowledge };
        let (order, effects, _) = self.change(change, key, request.validate_only, origin).await?;
        Ok(Response::new(v1::AcknowledgeOrderResponse { order: Some(order), effects: Some(effects) }))
    }

    async fn follow_order(&self, request: Request<v1::FollowOrderRequest>) -> Answer<v1::FollowOrderResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.order.as_ref(), &mut v);
        let follow = Box::new(parse::follow(&request, &mut v));
        let key = request_key("FollowOrder", &id, &request, &mut v);
        checked(v)?;
        let change = Change::Follow { order, follow };
        let (order, effects, _) = self.change(change, key, request.validate_only, origin).await?;
        Ok(Response::new(v1::FollowOrderResponse { order: Some(order), effects: Some(effects) }))
    }

    async fn set_due_date(&self, request: Request<v1::SetDueDateRequest>) -> Answer<v1::SetDueDateResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.order.as_ref(), &mut v);
        let due = Box::new(parse::set_due_date(&request, &mut v));
        let key = request_key("SetDueDate", &id, &request, &mut v);
        checked(v)?;
        let change = Change::SetDueDate { order, due };
        let (order, effects, _) = self.change(change, key, request.validate_only, origin).await?;
        Ok(Response::new(v1::SetDueDateResponse { order: Some(order), effects: Some(effects) }))
    }

    async fn update_order(&self, request: Request<v1::UpdateOrderRequest>) -> Answer<v1::UpdateOrderResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let (order, update) = parse::update(&request, &mut v);
        let key = request_key("UpdateOrder", &id, &request, &mut v);
        checked(v)?;
        let change = Change::Update { order, update: Box::new(update) };
        let (order, effects, _) = self.change(change, key, request.validate_only, origin).await?;
        Ok(Response::new(v1::UpdateOrderResponse { order: Some(order), effects: Some(effects) }))
    }

    async fn change_order_type(
        &self,
        request: Request<v1::ChangeOrderTypeRequest>,
    ) -> Answer<v1::ChangeOrderTypeResponse> {
        let origin = Origin::of(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let mut v = Violations::new();
        let refs = parse::order_refs(&request.orders, &mut v);
        let change = parse::change_type(&request, &mut v);
        let mode = parse::mode(request.mode, &mut v);
        let key = request_key("ChangeOrderType", &id, &request, &mut v);
        checked(v)?;
        let changes = refs.into_iter().map(|order| Change::ChangeType { order, change: Arc::clone(&change) }).collect();
        let unit = Unit { one_type: true, ..unit(changes, mode, key, request.validate_only, origin) };
        let (outcomes, catalogue, now) = self.carry_out(unit).await?;
        let results = render::results(&outcomes, &catalogue, now, request.validate_only);
        Ok(Response::new(v1::ChangeOrderTypeResponse { results }))
    }

    async fn list_notes(&self, request: Request<v1::ListNotesRequest>) -> Answer<v1::ListNotesResponse> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.order.as_ref(), &mut v);
        let size = page_size(request.page_size, &mut v);
        let binding = format!("ListNotes {} {order}", request.open_questions).into_bytes();
        let after: Option<Uuid> = self.tokens.open(&binding, &request.page_token, &mut v);
        checked(v)?;
        let listed =
            orders::list_notes(&self.plant, &order, request.open_questions, after.unwrap_or_default(), size + 1);
        let (order, notes) = listed.await.map_err(|failure| fail(&failure))?;
        let (page, next_page_token) = self.page(notes, size, &binding, |note| note.id);
        let notes = page.iter().map(|note| render::note(note, &order.open_questions)).collect();
        Ok(Response::new(v1::ListNotesResponse { notes, next_page_token }))
    }

    async fn list_status_times(
        &self,
        request: Request<v1::ListStatusTimesRequest>,
    ) -> Answer<v1::ListStatusTimesResponse> {
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.get_ref().order.as_ref(), &mut v);
        checked(v)?;
        let (times, total) = orders::status_times(&self.plant, &order).await.map_err(|failure| fail(&failure))?;
        let times = times.iter().map(render::status_time).collect();
        Ok(Response::new(v1::ListStatusTimesResponse { times, total: Some(render::duration(total)) }))
    }

    async fn list_history(&self, request: Request<v1::ListHistoryRequest>) -> Answer<v1::ListHistoryResponse> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.order.as_ref(), &mut v);
        let size = page_size(request.page_size, &mut v);
        let binding = format!("ListHistory {order}").into_bytes();
        let after: Option<i32> = self.tokens.open(&binding, &request.page_token, &mut v);
        checked(v)?;
        let seen = orders::list_history(&self.plant, &order, after.unwrap_or(0), size + 1)
            .await
            .map_err(|failure| fail(&failure))?;
        let (page, next_page_token) = self.page(seen.orders, size, &binding, |entry| entry.sequence);
        Ok(Response::new(v1::ListHistoryResponse {
            entries: page.iter().map(render::entry).collect(),
            next_page_token,
        }))
    }

    async fn list_visits(&self, request: Request<v1::ListVisitsRequest>) -> Answer<v1::ListVisitsResponse> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let order = parse::order_ref("order", request.order.as_ref(), &mut v);
        let size = page_size(request.page_size, &mut v);
        let binding = format!("ListVisits {order}").into_bytes();
        let after: Option<i32> = self.tokens.open(&binding, &request.page_token, &mut v);
        checked(v)?;
        let (seen, visits) = orders::list_visits(&self.plant, &order, after.unwrap_or(0), size + 1)
            .await
            .map_err(|failure| fail(&failure))?;
        let (page, next_page_token) = self.page(visits, size, &binding, |visit| visit.sequence);
        let visit = |visit| render::visit_of(visit, &seen.orders, &seen.catalogue, seen.now);
        let visits = page.iter().map(visit).collect();
        Ok(Response::new(v1::ListVisitsResponse { visits, next_page_token }))
    }

    async fn import_orders(
        &self,
        request: Request<Streaming<v1::ImportOrdersRequest>>,
    ) -> Answer<Self::ImportOrdersStream> {
        let (answers, stream) = mpsc::channel(IMPORT_BATCH);
        let orders = self.clone();
        tokio::spawn(async move { orders.import(request.into_inner(), answers).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl Orders {
    /// A page of at most `size` rows out of `size + 1`, and the token for the next.
    fn page<T, K: serde::Serialize>(
        &self,
        mut rows: Vec<T>,
        size: i64,
        binding: &[u8],
        key: impl Fn(&T) -> K,
    ) -> (Vec<T>, String) {
        let size = usize::try_from(size).unwrap_or(50);
        let more = rows.len() > size;
        rows.truncate(size);
        let token = match rows.last() {
            Some(last) if more => self.tokens.seal(binding, &key(last)),
            _ => String::new(),
        };
        (rows, token)
    }
}
