//! Calls about orders: chosen at random, sent as a preview and in earnest, and held against the model.

use std::collections::BTreeMap;

use andon::grpc::proto::v1::{self, NoteKind};
use chrono::Days;
use prost_types::FieldMask;

use super::{
    ORDERS, Run, same, same_visit,
    world::{self, Order, Reason, date},
};
use crate::support::{Expect as _, api::number};

/// What becomes of an order of a bulk call: its place in the call, its place in the model and how it is then.
type Decided = (usize, Result<(usize, Order), Reason>);

/// A preview as the call itself would answer: without ids that the server makes.
fn bare_effects(effects: Option<v1::Effects>) -> Option<v1::Effects> {
    effects.map(|mut effects| {
        effects.messages.iter_mut().for_each(|message| message.delivery.clear());
        effects
    })
}

fn bare_order(order: Option<v1::Order>) -> Option<v1::Order> {
    order.map(|mut order| {
        for id in order.last_note.iter_mut().map(|note| &mut note.id).chain([&mut order.id]) {
            id.clear();
        }
        order
    })
}

impl Run {
    pub(super) async fn create(&mut self) {
        let kind = self.any_kind();
        let new = self.world.orders.len() < ORDERS && !self.chance(10);
        let taken = self.world.orders.first().map_or("A-0".into(), |order| order.number.clone());
        if !new && self.world.orders.is_empty() {
            return;
        }
        let order = v1::NewOrder {
            number: if new { format!("A-{}", self.made) } else { taken },
            order_type: kind.clone(),
            status: if self.chance(25) { self.any_status(&kind) } else { String::new() },
            assigned_user: if self.chance(20) { self.mostly_nobody() } else { String::new() },
            order_date: self.chance(40).then(|| date(self.world.today() - Days::new(self.rng.u64(..10)))),
            ..v1::NewOrder::default()
        };
        let request = v1::CreateOrderRequest { order: Some(order), validate_only: true, ..Default::default() };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.create(&request);
        let preview = self.api.orders().create_order(request.clone()).await;
        let real = self.api.orders().create_order(v1::CreateOrderRequest { validate_only: false, ..request }).await;
        match expected {
            Ok(mut order) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!(bare_order(preview.order), bare_order(real.order.clone()));
                assert_eq!(bare_effects(preview.effects), bare_effects(real.effects));
                same(&mut order, real.order.as_ref().expect("an order"), &self.world);
                self.world.orders.push(order);
                self.made += 1;
                self.count("create", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("create", reason, &real.refused());
            }
        }
    }

    fn any_advance(&mut self, place: Option<usize>) -> v1::Advance {
        let (kind, closed, entered) = place.map_or((self.any_kind(), false, self.world.today()), |place| {
            let order = &self.world.orders[place];
            (order.kind.clone(), order.closed, order.visit().entered)
        });
        let completed = match self.rng.u32(..20) {
            0 => Some(self.world.today() + Days::new(1)),
            1 => Some(entered - Days::new(1)),
            2..5 => Some(entered),
            5..7 => Some(self.world.today()),
            _ => None,
        };
        let users =
            if self.chance(15) { vec![(*self.pick(&["mara", "vera", "ina", "nobody"])).to_owned()] } else { vec![] };
        v1::Advance {
            target_status: if self.chance(45) { String::new() } else { self.any_status(&kind) },
            completed_date: completed.map(date),
            not_complete: self.chance(35),
            due_date: self.chance(10).then(|| date(self.world.today() + Days::new(self.rng.u64(..9)))),
            on_behalf_of: self.mostly_nobody(),
            assign_department: if self.chance(10) {
                (*self.pick(&["quality", "attic", "nowhere"])).into()
            } else {
                String::new()
            },
            assign_user: if self.chance(10) { self.mostly_nobody() } else { String::new() },
            note: if self.chance(10) { "as agreed".into() } else { String::new() },
            notify: (!users.is_empty()).then(|| v1::Notify { users, ..v1::Notify::default() }),
            reopen: if self.chance(95) { closed } else { !closed },
            ..v1::Advance::default()
        }
    }

    pub(super) async fn advance(&mut self) {
        let order = self.any_order();
        let place = self.world.place(order.as_ref()).ok();
        let etag = self.any_etag(order.as_ref());
        let advance = self.any_advance(place);
        let request = v1::AdvanceOrderRequest {
            order,
            etag,
            advance: Some(advance),
            validate_only: true,
            ..v1::AdvanceOrderRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.advance(&request);
        let preview = self.api.orders().advance_order(request.clone()).await;
        let real = self.api.orders().advance_order(v1::AdvanceOrderRequest { validate_only: false, ..request }).await;
        match expected {
            Ok((place, mut order)) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!(bare_order(preview.order), bare_order(real.order.clone()));
                assert_eq!(bare_effects(preview.effects), bare_effects(real.effects.clone()));
                let effects = real.effects.expect("effects");
                let before = &self.world.orders[place];
                let skipped: Vec<_> = effects.skipped_visits.iter().map(|visit| visit.status.clone()).collect();
                let wanted = &order.visits[before.visits.len()..order.visits.len() - 1];
                assert_eq!(skipped, wanted.iter().map(|visit| visit.status.clone()).collect::<Vec<_>>());
                let closed = effects.closed_visit.expect("a visit was closed");
                same_visit(&order.visits[before.visits.len() - 1], &closed, before.visits.len(), "closed");
                assert_eq!(u32::try_from(effects.days_given_back), Ok(order.lost - before.lost));
                same(&mut order, real.order.as_ref().expect("an order"), &self.world);
                self.world.orders[place] = order;
                self.count("advance", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("advance", reason, &real.refused());
            }
        }
    }

    /// Mostly of one type.
    fn any_orders(&mut self, most: usize) -> Vec<v1::OrderRef> {
        let kind = self.any_kind();
        let mut orders: Vec<_> = (0..self.rng.usize(1..=most)).filter_map(|_| self.any_order()).collect();
        if self.chance(80) {
            let other = |order: &v1::OrderRef| {
                self.world.place(Some(order)).is_ok_and(|place| self.world.orders[place].kind != kind)
            };
            let one: Vec<_> = orders.iter().filter(|order| !other(order)).cloned().collect();
            if !one.is_empty() {
                orders = one;
            }
        }
        orders
    }

    pub(super) async fn advance_many(&mut self) {
        let orders = self.any_orders(7);
        let first = self.world.place(orders.first()).ok();
        let with = v1::Advance { note: String::new(), ..self.any_advance(first) };
        let mode = *self.pick(&[v1::BulkMode::Each, v1::BulkMode::Atomic]);
        let request = v1::AdvanceOrdersRequest {
            orders: orders.clone(),
            advance: Some(with.clone()),
            mode: mode.into(),
            validate_only: true,
            ..v1::AdvanceOrdersRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let decide = |order: &v1::OrderRef| {
            let order = Some(order.clone());
            self.world.advance(&v1::AdvanceOrderRequest { order, advance: Some(with.clone()), ..Default::default() })
        };
        let expected = self.bulk(&orders, mode, decide);
        let preview = self.api.orders().advance_orders(request.clone()).await.done().results;
        let real = self.api.orders().advance_orders(v1::AdvanceOrdersRequest { validate_only: false, ..request }).await;
        self.bulk_answered("bulk", expected, preview, real.done().results);
    }

    /// What becomes of each order of a bulk call.
    fn bulk(
        &self,
        orders: &[v1::OrderRef],
        mode: v1::BulkMode,
        decide: impl Fn(&v1::OrderRef) -> Result<(usize, Order), Reason>,
    ) -> Vec<Decided> {
        let mut kind = None;
        let mut seen = Vec::new();
        let mut expected = Vec::new();
        for (index, order) in orders.iter().enumerate() {
            let place = self.world.place(Some(order));
            if place.is_ok() && seen.contains(&place) {
                continue;
            }
            seen.push(place);
            let decided = place.and_then(|place| {
                let of = &self.world.orders[place].kind;
                if kind.get_or_insert(of) == &of { decide(order) } else { Err("MIXED_TYPES") }
            });
            expected.push((index, decided));
        }
        if mode == v1::BulkMode::Atomic && expected.iter().any(|(_, decided)| decided.is_err()) {
            for (_, decided) in expected.iter_mut().filter(|(_, decided)| decided.is_ok()) {
                *decided = Err("BATCH_REFUSED");
            }
        }
        expected
    }

    fn bulk_answered(
        &mut self,
        what: &str,
        expected: Vec<Decided>,
        preview: Vec<v1::BulkResult>,
        real: Vec<v1::BulkResult>,
    ) {
        assert_eq!((preview.len(), real.len()), (expected.len(), expected.len()));
        for (((index, expected), preview), real) in expected.into_iter().zip(preview).zip(real) {
            assert_eq!((usize::try_from(preview.index), usize::try_from(real.index)), (Ok(index), Ok(index)));
            assert_eq!(preview.refusal, real.refusal);
            assert_eq!(bare_order(preview.order), bare_order(real.order.clone()));
            assert_eq!(bare_effects(preview.effects), bare_effects(real.effects));
            match expected {
                Ok((place, mut order)) => {
                    let real = real.order.unwrap_or_else(|| panic!("refused: {:?}", real.refusal));
                    same(&mut order, &real, &self.world);
                    self.world.orders[place] = order;
                    self.count(what, Ok(()));
                }
                Err(reason) => {
                    let refusal = real.refusal.unwrap_or_else(|| panic!("not refused: {reason}"));
                    assert_eq!(refusal.reason, reason, "{refusal:?}");
                    self.count(what, Err(reason));
                }
            }
        }
    }

    pub(super) async fn note(&mut self) {
        let order = self.any_order();
        let kinds = [
            NoteKind::Note,
            NoteKind::Question,
            NoteKind::Question,
            NoteKind::Answer,
            NoteKind::Answer,
            NoteKind::Decision,
        ];
        let kind = *self.pick(&kinds);
        let asked =
            self.world.place(order.as_ref()).map_or(Vec::new(), |place| self.world.orders[place].questions.clone());
        let elsewhere: Vec<_> = self.world.orders.iter().flat_map(|order| order.questions.clone()).collect();
        let among = if self.chance(85) { asked } else { elsewhere };
        let answers = if (kind == NoteKind::Answer) != self.chance(3) && !among.is_empty() {
            self.pick(&among).clone()
        } else {
            String::new()
        };
        let request = v1::AddNoteRequest {
            etag: self.any_etag(order.as_ref()),
            order,
            text: "when does it go on?".into(),
            kind: kind.into(),
            answers,
            on_behalf_of: self.mostly_nobody(),
            validate_only: true,
            ..v1::AddNoteRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.note(&request);
        let preview = self.api.orders().add_note(request.clone()).await;
        let real = self.api.orders().add_note(v1::AddNoteRequest { validate_only: false, ..request }).await;
        match expected {
            Ok((place, mut order)) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!(bare_order(preview.order), bare_order(real.order.clone()));
                assert_eq!(bare_effects(preview.effects), bare_effects(real.effects));
                let note = real.note.expect("a note");
                assert_eq!(note.open, kind == NoteKind::Question);
                if note.open {
                    order.questions.push(note.id.clone());
                    order.open_questions.insert(note.id);
                }
                same(&mut order, real.order.as_ref().expect("an order"), &self.world);
                self.world.orders[place] = order;
                self.count("note", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("note", reason, &real.refused());
            }
        }
    }

    pub(super) async fn set_due(&mut self) {
        let order = self.any_order();
        let request = v1::SetDueDateRequest {
            etag: self.any_etag(order.as_ref()),
            order,
            due_date: self.chance(60).then(|| date(self.world.today() + Days::new(self.rng.u64(..9)) - Days::new(3))),
            on_behalf_of: self.mostly_nobody(),
            validate_only: true,
            ..v1::SetDueDateRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.set_due(&request);
        let preview = self.api.orders().set_due_date(request.clone()).await;
        let real = self.api.orders().set_due_date(v1::SetDueDateRequest { validate_only: false, ..request }).await;
        match expected {
            Ok((place, mut order)) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!((preview.order, preview.effects), (real.order.clone(), real.effects));
                same(&mut order, real.order.as_ref().expect("an order"), &self.world);
                self.world.orders[place] = order;
                self.count("due", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("due", reason, &real.refused());
            }
        }
    }

    pub(super) async fn update(&mut self) {
        let place = self.rng.usize(..self.world.orders.len());
        let of = number(&self.world.orders[place].number);
        let (current, fields) = (self.world.orders[place].clone(), ["title", "assigned_user", "order_date"]);
        let mask: Vec<_> = fields.iter().filter(|_| self.rng.bool()).map(|field| (*field).to_owned()).collect();
        let mask = if mask.is_empty() { vec!["title".to_owned()] } else { mask };
        let order = v1::Order {
            number: current.number.clone(),
            title: format!("Lot {}", self.rng.u32(..3)),
            assigned_user: self.mostly_nobody(),
            order_date: Some(date(if self.rng.bool() { current.ordered } else { current.ordered + Days::new(1) })),
            etag: self.any_etag(of.as_ref()),
            ..v1::Order::default()
        };
        let request = v1::UpdateOrderRequest {
            order: Some(order),
            update_mask: Some(FieldMask { paths: mask }),
            validate_only: true,
            ..v1::UpdateOrderRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.update(&request);
        let preview = self.api.orders().update_order(request.clone()).await;
        let real = self.api.orders().update_order(v1::UpdateOrderRequest { validate_only: false, ..request }).await;
        match expected {
            Ok((place, mut order)) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!((preview.order, preview.effects), (real.order.clone(), real.effects.clone()));
                assert_eq!(real.effects.expect("effects").changes.is_empty(), !order.changed);
                let told = real.order.expect("an order");
                same(&mut order, &told, &self.world);
                self.world.orders[place] = order;
                self.count("update", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("update", reason, &real.refused());
            }
        }
    }

    pub(super) async fn change_type(&mut self) {
        let orders = self.any_orders(4);
        let from =
            self.world.place(orders.first()).map_or("part".into(), |place| self.world.orders[place].kind.clone());
        let other = if from == "part" { "repair" } else { "part" };
        let to = if self.chance(5) { from.clone() } else { other.to_owned() };
        let mut statuses = BTreeMap::new();
        for status in self.world.types[&from].statuses.clone() {
            if self.chance(70) {
                // Mostly to one of its kind.
                let takers = self.world.types[&to].statuses.clone();
                let fit: Vec<_> = takers.iter().filter(|it| world::closes(it) == world::closes(&status)).collect();
                let taker = if self.chance(90) { self.pick(&fit).id.clone() } else { self.any_status(&to) };
                statuses.insert(status.id, taker);
            }
        }
        let mode = *self.pick(&[v1::BulkMode::Each, v1::BulkMode::Atomic]);
        let request = v1::ChangeOrderTypeRequest {
            orders: orders.clone(),
            order_type: to,
            statuses,
            mode: mode.into(),
            validate_only: true,
            ..v1::ChangeOrderTypeRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let decide = |order: &v1::OrderRef| {
            let place = self.world.place(Some(order))?;
            Ok((place, self.world.change_type(place, &request)?))
        };
        let expected = self.bulk(&orders, mode, decide);
        let preview = self.api.orders().change_order_type(request.clone()).await.done().results;
        let real = v1::ChangeOrderTypeRequest { validate_only: false, ..request };
        let real = self.api.orders().change_order_type(real).await.done().results;
        self.bulk_answered("type", expected, preview, real);
    }
}
