//! Edits of cycles while orders are live: what becomes of each order, and what the plan tells of it.

use std::collections::BTreeMap;

use andon::grpc::proto::v1::{self, StatusClock as Clock, StatusKind as Kind};
use prost_types::FieldMask;
use tonic::Code;

use super::{
    Run, beside, status,
    world::{self, Reason, Touched, Type},
};
use crate::support::{Api, api::Refused};

/// An edit of a cycle, as it is asked for.
#[derive(Debug, Clone)]
enum Edit {
    Create(v1::CreateStatusRequest),
    Update(v1::UpdateStatusRequest),
    Delete(v1::DeleteStatusRequest),
    Type(v1::UpdateOrderTypeRequest),
}

impl Edit {
    fn check(&mut self, validate_only: bool) {
        match self {
            Self::Create(it) => it.validate_only = validate_only,
            Self::Update(it) => it.validate_only = validate_only,
            Self::Delete(it) => it.validate_only = validate_only,
            Self::Type(it) => it.validate_only = validate_only,
        }
    }

    fn expect(&mut self, plan: &str) {
        match self {
            Self::Create(it) => plan.clone_into(&mut it.expected_plan),
            Self::Update(it) => plan.clone_into(&mut it.expected_plan),
            Self::Delete(it) => plan.clone_into(&mut it.expected_plan),
            Self::Type(it) => plan.clone_into(&mut it.expected_plan),
        }
    }

    async fn send(&self, api: &Api) -> Result<(v1::OrderType, v1::EditPlan), Refused> {
        let mut types = api.types();
        let (order_type, plan) = match self.clone() {
            Self::Create(it) => {
                let answer = types.create_status(it).await?.into_inner();
                (answer.order_type, answer.plan)
            }
            Self::Update(it) => {
                let answer = types.update_status(it).await?.into_inner();
                (answer.order_type, answer.plan)
            }
            Self::Delete(it) => {
                let answer = types.delete_status(it).await?.into_inner();
                (answer.order_type, answer.plan)
            }
            Self::Type(it) => {
                let answer = types.update_order_type(it).await?.into_inner();
                (answer.order_type, answer.plan)
            }
        };
        Ok((order_type.expect("a type"), plan.expect("a plan")))
    }
}

/// An edit that was looked at and not made: what it would have done then.
#[derive(Debug, Clone)]
pub struct Looked {
    edit: Edit,
    fingerprint: String,
    version: i64,
    touched: Vec<Seen>,
}

/// What a plan tells of one order: place, status, due date and overdue before and after, where it waits.
type Seen = (usize, String, String, world::Due, world::Due, bool, bool, String, Option<String>);

/// A type after an edit, what replaces statuses that go, and what happens to orders.
type Expected = (Type, BTreeMap<String, String>, Vec<Touched>);

impl Run {
    fn any_type_etag(&mut self, kind: &str) -> String {
        match self.rng.u32(..20) {
            0 => "0".into(),
            1..8 => self.world.types[kind].version.to_string(),
            _ => String::new(),
        }
    }

    fn any_new_status(&mut self, kind: &str) -> v1::Status {
        let of = &self.world.types[kind];
        let gone: Vec<_> = of.retired.keys().chain(&of.used).cloned().collect();
        let taken: Vec<_> = of.statuses.iter().map(|status| status.id.clone()).collect();
        self.made += 1;
        let id = match self.rng.u32(..20) {
            0 => self.pick(&taken).clone(),
            1 if !gone.is_empty() => self.pick(&gone).clone(),
            2..5 => format!("again-{}", self.rng.u32(..5)),
            _ => format!("s{}", self.made),
        };
        let days = *self.pick(&[None, Some(0), Some(1), Some(2), Some(4)]);
        let mut new = match self.rng.u32(..10) {
            0 => status(&id, Kind::Final, days),
            1..4 => {
                let clock = *self.pick(&[Clock::Runs, Clock::Runs, Clock::Pauses, Clock::Stops]);
                beside(&id, clock, days)
            }
            _ => status(&id, Kind::Standard, days),
        };
        new.name = format!("Name {}", self.rng.u32(..100));
        if self.chance(20) {
            new.default_user = self.mostly_nobody();
        }
        new
    }

    fn any_edit(&mut self) -> Edit {
        let kind = self.any_kind();
        let etag = self.any_type_etag(&kind);
        let apply_to_open = self.chance(40);
        let statuses = self.world.types[&kind].statuses.clone();
        let roomy = statuses.len() < 12;
        match self.rng.u32(..100) {
            0..25 if roomy => Edit::Create(v1::CreateStatusRequest {
                status: Some(self.any_new_status(&kind)),
                position: self.chance(40).then(|| i32::try_from(self.rng.usize(..=statuses.len())).expect("few")),
                order_type: kind,
                etag,
                apply_to_open,
                ..v1::CreateStatusRequest::default()
            }),
            0..60 if statuses.len() > 5 => {
                let gone = self.any_status(&kind);
                let ends = statuses.iter().any(|it| it.id == gone && matches!(it.kind(), Kind::Initial | Kind::Final));
                // Each alone: of two faults the one that is found first would be told.
                let steps: Vec<_> = statuses
                    .iter()
                    .filter(|it| it.kind() == Kind::Standard && !it.inactive && it.id != gone)
                    .map(|it| it.id.clone())
                    .collect();
                let successor = if ends && !steps.is_empty() && self.chance(80) {
                    self.pick(&steps).clone()
                } else {
                    String::new()
                };
                let replacement = if self.chance(60) { self.any_status(&kind) } else { String::new() };
                let replacement = if replacement == gone { String::new() } else { replacement };
                Edit::Delete(v1::DeleteStatusRequest {
                    order_type: kind,
                    status: gone,
                    etag,
                    replacement,
                    successor,
                    apply_to_open,
                    ..v1::DeleteStatusRequest::default()
                })
            }
            0..85 => {
                let id = self.any_status(&kind);
                let fields = ["name", "position", "inactive", "duration_business_days", "clock", "default_user"];
                let field = *self.pick(&fields);
                let given = v1::Status {
                    id,
                    name: format!("Name {}", self.rng.u32(..100)),
                    position: i32::try_from(self.rng.usize(..statuses.len())).expect("few"),
                    inactive: self.chance(30),
                    duration_business_days: *self.pick(&[None, Some(0), Some(1), Some(3)]),
                    clock: (*self.pick(&[Clock::Runs, Clock::Pauses, Clock::Stops])).into(),
                    default_user: self.mostly_nobody(),
                    ..v1::Status::default()
                };
                Edit::Update(v1::UpdateStatusRequest {
                    order_type: kind,
                    status: Some(given),
                    update_mask: Some(FieldMask { paths: vec![field.to_owned()] }),
                    etag,
                    apply_to_open,
                    ..v1::UpdateStatusRequest::default()
                })
            }
            85..93 => {
                let moves = if self.chance(60) { Vec::new() } else { self.any_moves(&kind) };
                let default_status = if self.chance(70) { String::new() } else { self.any_status(&kind) };
                let field = if self.chance(70) { "moves" } else { "default_status" };
                type_edit(
                    v1::OrderType { id: kind, moves, default_status, etag, ..v1::OrderType::default() },
                    field,
                    apply_to_open,
                )
            }
            _ => self.any_cycle(kind, statuses, etag, apply_to_open),
        }
    }

    /// Most moves are listed, some for certain roles only.
    fn any_moves(&mut self, kind: &str) -> Vec<v1::AllowedMove> {
        let ids: Vec<_> = self.world.types[kind].statuses.iter().map(|status| status.id.clone()).collect();
        let mut moves = Vec::new();
        for to in &ids {
            for from in ids.iter().filter(|from| *from != to) {
                if self.chance(60) {
                    let roles = if self.chance(30) { vec![v1::Role::Manager.into()] } else { Vec::new() };
                    moves.push(v1::AllowedMove { from: from.clone(), to: to.clone(), roles });
                }
            }
            if self.chance(20) {
                moves.push(v1::AllowedMove {
                    to: to.clone(),
                    roles: vec![v1::Role::Planner.into()],
                    ..Default::default()
                });
            }
        }
        moves
    }

    /// A whole new cycle: some steps change places, some go, some are new.
    fn any_cycle(&mut self, kind: String, mut statuses: Vec<v1::Status>, etag: String, apply_to_open: bool) -> Edit {
        let standard = |statuses: &[v1::Status]| -> Vec<usize> {
            let places = statuses.iter().enumerate().filter(|(_, status)| status.kind() == Kind::Standard);
            places.map(|(place, _)| place).collect()
        };
        let places = standard(&statuses);
        if places.len() > 1 {
            let (one, other) = (*self.pick(&places), *self.pick(&places));
            statuses.swap(one, other);
        }
        if self.chance(60) {
            let mut new = self.any_new_status(&kind);
            if statuses.iter().any(|status| status.id == new.id) {
                new.id = format!("s{}", self.made);
            }
            let final_place =
                statuses.iter().position(|status| status.kind() == Kind::Final && !status.inactive).expect("one");
            let place = if world::in_cycle(&new) { final_place } else { statuses.len() };
            statuses.insert(place, new);
        }
        let mut replacements = BTreeMap::new();
        for _ in 0..self.rng.usize(..3) {
            if statuses.len() > 5 {
                let gone = statuses.remove(self.rng.usize(..statuses.len()));
                if self.chance(80) {
                    let fit: Vec<_> = statuses
                        .iter()
                        .filter(|it| !it.inactive && world::closes(it) == world::closes(&gone))
                        .map(|it| it.id.clone())
                        .collect();
                    if !fit.is_empty() {
                        let taker = self.pick(&fit).clone();
                        replacements.insert(gone.id, taker);
                    }
                }
            }
        }
        // What was to be replaced by a status that goes as well has no replacement.
        replacements.retain(|_, to| statuses.iter().any(|status| status.id == *to));
        let given = v1::OrderType { id: kind, statuses, etag, ..v1::OrderType::default() };
        let Edit::Type(request) = type_edit(given, "statuses", apply_to_open) else { unreachable!() };
        Edit::Type(v1::UpdateOrderTypeRequest { replacements, ..request })
    }

    /// The type after an edit, and what that does to orders.
    #[expect(clippy::too_many_lines, reason = "one arm per kind of edit")]
    fn expect(&self, edit: &Edit) -> Result<Expected, Reason> {
        let world = &self.world;
        let none = BTreeMap::new();
        let stale =
            |kind: &Type, etag: &str| (!etag.is_empty() && etag != kind.version.to_string()).then_some("ETAG_MISMATCH");
        let named = |id: &str| if id.is_empty() { None } else { world::user(id).err() };
        match edit {
            Edit::Create(it) => {
                let mut kind = world.types.get(&it.order_type).ok_or("NOT_FOUND")?.clone();
                let new = it.status.clone().expect("set");
                let mut faults: Vec<_> = stale(&kind, &it.etag).into_iter().chain(named(&new.default_user)).collect();
                if kind.status(&new.id).is_some() {
                    faults.push("ALREADY_EXISTS");
                }
                let last = kind.statuses.iter().position(|it| it.kind() == Kind::Final && !it.inactive).expect("one");
                let default = if world::in_cycle(&new) { last } else { kind.statuses.len() };
                let place = it.position.map_or(default, |place| usize::try_from(place).expect("positive"));
                kind.statuses.insert(place, new);
                let touched = world.edit(&kind, &none, it.apply_to_open, faults)?;
                Ok((kind, none, touched))
            }
            Edit::Update(it) => {
                let mut kind = world.types.get(&it.order_type).ok_or("NOT_FOUND")?.clone();
                let given = it.status.clone().expect("set");
                let place = kind.statuses.iter().position(|it| it.id == given.id).ok_or("NOT_FOUND")?;
                let mut status = kind.statuses.remove(place);
                let (mut place, mut faults) = (place, Vec::new());
                match it.update_mask.as_ref().expect("set").paths[0].as_str() {
                    "name" => status.name = given.name,
                    "position" => place = usize::try_from(given.position).expect("positive"),
                    "inactive" => status.inactive = given.inactive,
                    "duration_business_days" => status.duration_business_days = given.duration_business_days,
                    "clock" if world::in_cycle(&status) => {}
                    "clock" => status.clock = given.clock,
                    "default_user" => {
                        if status.default_user != given.default_user {
                            faults.extend(named(&given.default_user));
                        }
                        status.default_user = given.default_user;
                    }
                    other => panic!("not modelled: {other}"),
                }
                kind.statuses.insert(place, status);
                faults.extend(stale(&kind, &it.etag));
                let touched = world.edit(&kind, &none, it.apply_to_open, faults)?;
                Ok((kind, none, touched))
            }
            Edit::Delete(it) => {
                let mut kind = world.types.get(&it.order_type).ok_or("NOT_FOUND")?.clone();
                let place = kind.statuses.iter().position(|status| status.id == it.status).ok_or("NOT_FOUND")?;
                let mut faults: Vec<_> = stale(&kind, &it.etag).into_iter().collect();
                for named in [&it.replacement, &it.successor] {
                    if !named.is_empty() && kind.status(named).is_none() {
                        faults.push("NOT_FOUND");
                    }
                }
                let gone = kind.statuses.remove(place);
                if let Some(heir) = kind.status(&it.successor) {
                    let ends = matches!(gone.kind(), Kind::Initial | Kind::Final);
                    if ends && heir.kind() == Kind::Standard && !heir.inactive {
                        let from = kind.statuses.iter().position(|status| status.id == it.successor).expect("there");
                        let mut heir = kind.statuses.remove(from);
                        heir.kind = gone.kind;
                        kind.statuses.insert(if from < place { place - 1 } else { place }, heir);
                    } else {
                        faults.push("INVALID_REQUEST");
                    }
                    if kind.default_status == gone.id {
                        kind.default_status.clone_from(&it.successor);
                    }
                }
                faults.extend(kind.forget_moves().err());
                let taker = if it.replacement.is_empty() { &it.successor } else { &it.replacement };
                let replacements = (!taker.is_empty()).then(|| (gone.id, taker.clone())).into_iter().collect();
                let touched = world.edit(&kind, &replacements, it.apply_to_open, faults)?;
                Ok((kind, replacements, touched))
            }
            Edit::Type(it) => {
                let given = it.order_type.clone().expect("set");
                let mut kind = world.types.get(&given.id).ok_or("NOT_FOUND")?.clone();
                let mut faults: Vec<_> = stale(&kind, &given.etag).into_iter().collect();
                match it.update_mask.as_ref().expect("set").paths[0].as_str() {
                    "moves" => kind.moves = given.moves,
                    "default_status" => {
                        kind.default_status = given.default_status;
                        if !kind.default_status.is_empty() {
                            match kind.status(&kind.default_status) {
                                None => faults.push("NOT_FOUND"),
                                Some(status) if status.inactive => faults.push("INACTIVE"),
                                Some(_) => {}
                            }
                        }
                    }
                    "statuses" => {
                        for status in &given.statuses {
                            let before = kind.status(&status.id).map_or("", |it| it.default_user.as_str());
                            if status.default_user != before {
                                faults.extend(named(&status.default_user));
                            }
                        }
                        kind.statuses = given.statuses;
                        faults.extend(kind.forget_moves().err());
                    }
                    other => panic!("not modelled: {other}"),
                }
                let touched = world.edit(&kind, &it.replacements, it.apply_to_open, faults)?;
                Ok((kind, it.replacements.clone(), touched))
            }
        }
    }

    fn seen(&self, touched: &[Touched]) -> Vec<Seen> {
        let now = self.world.now;
        let of = |it: &Touched| {
            let (before, after) = (&self.world.orders[it.place], &it.after);
            (
                it.place,
                before.visit().status.clone(),
                after.visit().status.clone(),
                before.visit().due,
                after.visit().due,
                !before.overdue(now) && after.overdue(now),
                it.closes,
                format!("{} {} {}", before.user, after.user, after.cycle),
                after.interrupted.as_ref().map(|it| it.status.clone()),
            )
        };
        touched.iter().map(of).collect()
    }

    pub(super) async fn edit(&mut self) {
        let edit = self.any_edit();
        self.carry_out(edit, None).await;
    }

    /// An edit whose plan was shown a while ago, with that plan: done when nothing has changed, else refused.
    pub(super) async fn edit_as_looked_at(&mut self) {
        let Some(looked) = self.looked.take() else { return };
        self.carry_out(looked.edit.clone(), Some(looked)).await;
    }

    async fn carry_out(&mut self, mut edit: Edit, looked: Option<Looked>) {
        let expected = self.expect(&edit);
        edit.check(true);
        self.trace.add(format!("{edit:?} {}", looked.is_some()));
        let preview = edit.send(&self.api).await;
        let (kind, replacements, touched) = match expected {
            Ok(expected) => expected,
            Err(reason) => {
                let refused = preview.expect_err("the model refuses");
                self.refused("edit", reason, &refused);
                edit.check(false);
                let refused = edit.send(&self.api).await.expect_err("the model refuses");
                assert_eq!(refused.reason, reason);
                return;
            }
        };
        let (shown, plan) = preview.unwrap_or_else(|refused| panic!("{refused:?}"));
        let seen = self.seen(&touched);
        plan_is(&plan, &touched);
        let version = self.world.types[&kind.id].version;
        if let Some(looked) = looked {
            edit.check(false);
            edit.expect(&looked.fingerprint);
            let same = (looked.version, &looked.touched) == (version, &seen);
            assert_eq!(looked.fingerprint == plan.fingerprint, same, "{looked:?}\n{seen:?}");
            if !same {
                let refused = edit.send(&self.api).await.expect_err("the plan is another one");
                assert_eq!(refused.why(), (Code::Aborted, "PLAN_CHANGED"));
                assert_eq!(refused.metadata["fingerprint"], plan.fingerprint);
                self.count("edit", Err("PLAN_CHANGED"));
                return;
            }
        } else if self.chance(25) {
            let fingerprint = plan.fingerprint.clone();
            self.looked = Some(Looked { edit, fingerprint, version, touched: seen });
            self.count("edit", Err("looked at"));
            return;
        }
        edit.check(false);
        if self.chance(50) {
            edit.expect(&plan.fingerprint);
        }
        let before = self.all().await;
        let (order_type, made) = edit.send(&self.api).await.unwrap_or_else(|refused| panic!("{refused:?}"));
        assert_eq!((&made, &order_type), (&plan, &shown));
        let ids: Vec<_> = order_type.statuses.iter().map(|status| &status.id).collect();
        assert_eq!(ids, kind.statuses.iter().map(|status| &status.id).collect::<Vec<_>>());
        self.world.put(kind, &replacements, touched);
        assert_eq!(order_type.etag, self.world.types[&order_type.id].version.to_string());
        assert_eq!(order_type.moves.len(), self.world.types[&order_type.id].moves.len());
        let after = self.all().await;
        counts_are(&made, &before, &after);
        self.compare(&after);
        self.count("edit", Ok(()));
    }
}

/// An edit of one field of a type.
fn type_edit(given: v1::OrderType, field: &str, apply_to_open: bool) -> Edit {
    Edit::Type(v1::UpdateOrderTypeRequest {
        order_type: Some(given),
        update_mask: Some(FieldMask { paths: vec![field.to_owned()] }),
        apply_to_open,
        ..v1::UpdateOrderTypeRequest::default()
    })
}

/// The counts and examples of a plan are those of the model.
fn plan_is(plan: &v1::EditPlan, touched: &[Touched]) {
    let count = |of: fn(&Touched) -> bool| i64::try_from(touched.iter().filter(|it| of(it)).count()).expect("few");
    let told =
        (plan.moved_orders, plan.closed_orders, plan.redirected_orders, plan.due_dates_changed, plan.newly_overdue);
    let expected = (
        count(|it| it.moved),
        count(|it| it.closes),
        count(|it| it.redirected),
        count(|it| it.due_changed),
        count(|it| it.newly_overdue),
    );
    assert_eq!(told, expected, "moved, closed, redirected, due, overdue: {plan:?}\n{touched:?}");
    let named: Vec<_> = plan.examples.iter().map(|it| (&it.number, &it.to_status)).collect();
    let expected: Vec<_> = touched.iter().map(|it| (&it.after.number, &it.after.visit().status)).collect();
    assert_eq!(named, expected);
}

/// The counts of a plan are what the orders show before and after.
fn counts_are(plan: &v1::EditPlan, before: &[v1::Order], after: &[v1::Order]) {
    let count = |of: fn(&v1::Order, &v1::Order) -> bool| {
        i64::try_from(before.iter().zip(after).filter(|(before, after)| of(before, after)).count()).expect("few")
    };
    assert_eq!(plan.moved_orders, count(|a, b| sequence(a) != sequence(b)), "{plan:?}");
    assert_eq!(plan.closed_orders, count(|a, b| !a.closed && b.closed), "{plan:?}");
    assert_eq!(plan.newly_overdue, count(|a, b| !a.overdue && b.overdue), "{plan:?}");
    assert_eq!(plan.due_dates_changed, count(|a, b| !a.closed && !b.closed && due(a) != due(b)), "{plan:?}");
    assert_eq!(plan.reassigned_orders, count(|a, b| !a.closed && a.assigned_user != b.assigned_user), "{plan:?}");
    let waits = count(|a, b| sequence(a) == sequence(b) && a.interrupted_status != b.interrupted_status);
    assert!(plan.redirected_orders >= waits, "{plan:?}");
    let changed = count(|a, b| a.etag != b.etag);
    assert_eq!(i64::try_from(plan.examples.len()).expect("few"), changed, "{plan:?}");
}

fn sequence(order: &v1::Order) -> i32 {
    order.visit.as_ref().map_or(0, |visit| visit.sequence)
}

fn due(order: &v1::Order) -> Option<andon::grpc::proto::Date> {
    order.visit.as_ref().and_then(|visit| visit.due_date)
}
