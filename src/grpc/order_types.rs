//! The service of order types and their statuses.

use std::{collections::BTreeMap, mem, sync::Arc};

use tonic::{Request, Response};

use super::{
    edits::{self, Mask, fail, required, settle},
    parse::{method, optional, render_instant, render_method, render_roles, role_name},
    proto::v1::{self, order_type_service_server::OrderTypeService},
};
use crate::{
    domain::{
        catalogue::{OrderType, Stage, Status, StatusClock, StatusKind},
        edit::{NewOrderType, NewStatus, OrderTypeEdit, StagesEdit, StatusEdit, StatusRemoval, colour},
        moves::AllowedMove,
        violation::Violations,
    },
    ops::{Failure, Plant, catalogue},
};

const TYPE_FIELDS: [&str; 8] = [
    "name",
    "description",
    "calendar",
    "schedule_method",
    "default_status",
    "inactive",
    "moves",
    "health_tolerance_business_days",
];
const STATUS_FIELDS: [&str; 11] = [
    "name",
    "definition",
    "colour",
    "icon",
    "stage",
    "default_department",
    "default_user",
    "duration_business_days",
    "duration_working_minutes",
    "clock",
    "inactive",
];

/// Order types of one plant.
#[derive(Debug, Clone)]
pub struct OrderTypes {
    plant: Arc<Plant>,
}

impl OrderTypes {
    /// The service over a plant.
    #[must_use]
    pub fn new(plant: Arc<Plant>) -> Self {
        Self { plant }
    }
}

#[tonic::async_trait]
impl OrderTypeService for OrderTypes {
    async fn list_order_types(
        &self,
        request: Request<v1::ListOrderTypesRequest>,
    ) -> Result<Response<v1::ListOrderTypesResponse>, tonic::Status> {
        let request = request.into_inner();
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        let types = catalogue.types.values().filter(|order_type| request.include_inactive || !order_type.inactive);
        let order_types = types.map(|order_type| render(order_type)).collect();
        Ok(Response::new(v1::ListOrderTypesResponse { order_types }))
    }

    async fn get_order_type(
        &self,
        request: Request<v1::GetOrderTypeRequest>,
    ) -> Result<Response<v1::GetOrderTypeResponse>, tonic::Status> {
        let id = request.into_inner().id;
        edits::slug("id", &id)?;
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        let order_type = catalogue.order_type(&id).map_err(|refusal| fail(Failure::Refused(refusal)))?;
        Ok(Response::new(v1::GetOrderTypeResponse { order_type: Some(render(order_type)) }))
    }

    async fn create_order_type(
        &self,
        request: Request<v1::CreateOrderTypeRequest>,
    ) -> Result<Response<v1::CreateOrderTypeResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("CreateOrderType", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(None, &TYPE_FIELDS, &[], &mut v);
        let given = required("order_type", request.order_type)?;
        let new = v.within("order_type.", |v| {
            let new = NewOrderType { statuses: statuses(&given.statuses, v), fields: type_edit(&given, &mask, v) };
            new.check(v);
            new
        });
        settle(v)?;
        let order_type = catalogue::create_order_type(&self.plant, new, write).await.map_err(fail)?;
        Ok(Response::new(v1::CreateOrderTypeResponse { order_type: Some(render(&order_type)) }))
    }

    async fn update_order_type(
        &self,
        request: Request<v1::UpdateOrderTypeRequest>,
    ) -> Result<Response<v1::UpdateOrderTypeResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let mut write = edits::write("UpdateOrderType", &id, validate_only, &request, &mut v);
        write.expected_plan = optional(&request.expected_plan);
        let mask = Mask::parse(request.update_mask.as_ref(), &TYPE_FIELDS, &["statuses"], &mut v);
        let given = required("order_type", request.order_type)?;
        let edit = v.within("order_type.", |v| {
            let statuses = mask.pick("statuses", || statuses(&given.statuses, v));
            let edit = OrderTypeEdit { statuses, replan: request.apply_to_open, ..type_edit(&given, &mask, v) };
            edit.check(v);
            edit
        });
        check_replacements(&request.replacements, &mut v);
        settle(v)?;
        let edit = OrderTypeEdit { replacements: request.replacements, ..edit };
        let edited = catalogue::update_order_type(&self.plant, edit, write).await.map_err(fail)?;
        let plan = Some(edits::render_plan(&edited.plan));
        Ok(Response::new(v1::UpdateOrderTypeResponse {
            order_type: Some(render(&edited.order_type)),
            plan,
            replan: edited.plan.replan,
        }))
    }

    async fn create_status(
        &self,
        request: Request<v1::CreateStatusRequest>,
    ) -> Result<Response<v1::CreateStatusResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let mut write = edits::write("CreateStatus", &id, validate_only, &request, &mut v);
        write.expected_plan = optional(&request.expected_plan);
        let given = required("status", request.status)?;
        let new = NewStatus {
            order_type: request.order_type,
            etag: optional(&request.etag),
            status: v.within("status.", |v| status(&given, v)),
            position: request.position.map(place),
            replan: request.apply_to_open,
        };
        new.check(&mut v);
        settle(v)?;
        let edited = catalogue::create_status(&self.plant, new, write).await.map_err(fail)?;
        let plan = Some(edits::render_plan(&edited.plan));
        Ok(Response::new(v1::CreateStatusResponse {
            order_type: Some(render(&edited.order_type)),
            plan,
            replan: edited.plan.replan,
        }))
    }

    async fn update_status(
        &self,
        request: Request<v1::UpdateStatusRequest>,
    ) -> Result<Response<v1::UpdateStatusResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let mut write = edits::write("UpdateStatus", &id, validate_only, &request, &mut v);
        write.expected_plan = optional(&request.expected_plan);
        let mask = Mask::parse(request.update_mask.as_ref(), &STATUS_FIELDS, &["position"], &mut v);
        let given = required("status", request.status)?;
        let edit = StatusEdit {
            order_type: request.order_type,
            etag: optional(&request.etag),
            name: mask.pick("name", || given.name.clone()),
            definition: mask.pick("definition", || given.definition.clone()),
            colour: mask.pick("colour", || colour(&given.colour)),
            stage: mask.pick("stage", || given.stage.clone()),
            default_department: mask.pick("default_department", || optional(&given.default_department)),
            default_user: mask.pick("default_user", || optional(&given.default_user)),
            duration_days: mask.pick("duration_business_days", || given.duration_business_days.map(duration)),
            duration_minutes: mask.pick("duration_working_minutes", || given.duration_working_minutes.map(duration)),
            clock: mask.pick("clock", || v.within("status.", |v| clock(given.clock, v))),
            inactive: mask.pick("inactive", || given.inactive),
            position: mask.pick("position", || place(given.position)),
            icon: mask.pick("icon", || given.icon.clone()),
            replan: request.apply_to_open,
            id: given.id,
        };
        edit.check(&mut v);
        settle(v)?;
        let updated = catalogue::update_status(&self.plant, edit, write).await.map_err(fail)?;
        let order_type = Some(render(&updated.order_type));
        let plan = Some(edits::render_plan(&updated.plan));
        Ok(Response::new(v1::UpdateStatusResponse {
            order_type,
            open_orders: updated.open_orders,
            plan,
            replan: updated.plan.replan,
        }))
    }

    async fn delete_status(
        &self,
        request: Request<v1::DeleteStatusRequest>,
    ) -> Result<Response<v1::DeleteStatusResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let mut write = edits::write("DeleteStatus", &id, validate_only, &request, &mut v);
        write.expected_plan = optional(&request.expected_plan);
        let removal = StatusRemoval {
            etag: optional(&request.etag),
            replacement: optional(&request.replacement),
            successor: optional(&request.successor),
            replan: request.apply_to_open,
            order_type: request.order_type,
            status: request.status,
        };
        removal.check(&mut v);
        settle(v)?;
        let edited = catalogue::delete_status(&self.plant, removal, write).await.map_err(fail)?;
        let plan = Some(edits::render_plan(&edited.plan));
        Ok(Response::new(v1::DeleteStatusResponse {
            order_type: Some(render(&edited.order_type)),
            plan,
            replan: edited.plan.replan,
        }))
    }

    async fn list_stages(
        &self,
        _: Request<v1::ListStagesRequest>,
    ) -> Result<Response<v1::ListStagesResponse>, tonic::Status> {
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        let stages = catalogue.stages.iter().map(render_stage).collect();
        Ok(Response::new(v1::ListStagesResponse { stages, etag: catalogue.stages_version.to_string() }))
    }

    async fn update_stages(
        &self,
        request: Request<v1::UpdateStagesRequest>,
    ) -> Result<Response<v1::UpdateStagesResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("UpdateStages", &id, validate_only, &request, &mut v);
        let stage = |given: v1::Stage| Stage { colour: colour(&given.colour), id: given.id, name: given.name };
        let etag = optional(&request.etag);
        let edit = StagesEdit { stages: request.stages.into_iter().map(stage).collect(), etag };
        edit.check(&mut v);
        settle(v)?;
        let edited = catalogue::update_stages(&self.plant, edit, write).await.map_err(fail)?;
        let stages = edited.stages.iter().map(render_stage).collect();
        let (etag, warnings) = (edited.version.to_string(), edited.warnings);
        Ok(Response::new(v1::UpdateStagesResponse { stages, etag, warnings }))
    }
}

fn statuses(given: &[v1::Status], v: &mut Violations) -> Vec<Status> {
    let given = given.iter().enumerate();
    given.map(|(index, given)| v.within(&format!("statuses[{index}]."), |v| status(given, v))).collect()
}

fn check_replacements(replacements: &BTreeMap<String, String>, v: &mut Violations) {
    for (from, to) in replacements {
        v.slug("replacements", from);
        v.slug("replacements", to);
    }
}

fn allowed_move(given: &v1::AllowedMove) -> AllowedMove {
    let roles = given.roles.iter().map(|role| role_name(*role)).collect();
    AllowedMove { from: optional(&given.from), to: given.to.clone(), roles }
}

fn type_edit(given: &v1::OrderType, mask: &Mask, v: &mut Violations) -> OrderTypeEdit {
    OrderTypeEdit {
        id: given.id.clone(),
        etag: optional(&given.etag),
        name: mask.pick("name", || given.name.clone()),
        description: mask.pick("description", || given.description.clone()),
        calendar: mask.pick("calendar", || given.calendar.clone()),
        schedule_method: mask.pick("schedule_method", || method("schedule_method", given.schedule_method, v)),
        default_status: mask.pick("default_status", || optional(&given.default_status)),
        inactive: mask.pick("inactive", || given.inactive),
        moves: mask.pick("moves", || given.moves.iter().map(allowed_move).collect()),
        health_tolerance: mask
            .pick("health_tolerance_business_days", || duration(given.health_tolerance_business_days)),
        ..OrderTypeEdit::default()
    }
}

fn status(given: &v1::Status, v: &mut Violations) -> Status {
    let kind = match v1::StatusKind::try_from(given.kind) {
        Ok(v1::StatusKind::Initial) => StatusKind::Initial,
        Ok(v1::StatusKind::Standard) => StatusKind::Standard,
        Ok(v1::StatusKind::Final) => StatusKind::Final,
        Ok(v1::StatusKind::NonStandard) => StatusKind::NonStandard,
        Ok(v1::StatusKind::Unspecified) | Err(_) => {
            v.add("kind", "must be INITIAL, STANDARD, FINAL or NON_STANDARD");
            StatusKind::Standard
        }
    };
    let clock = clock(given.clock, v);
    Status {
        id: given.id.clone(),
        name: given.name.clone(),
        definition: given.definition.clone(),
        colour: colour(&given.colour),
        icon: given.icon.clone(),
        stage: given.stage.clone(),
        default_department: optional(&given.default_department),
        default_user: optional(&given.default_user),
        duration_days: given.duration_business_days.map(duration),
        duration_minutes: given.duration_working_minutes.map(duration),
        kind,
        // The clock of a status of the cycle runs, whatever is sent.
        clock: if kind == StatusKind::NonStandard { clock } else { StatusClock::Runs },
        inactive: given.inactive,
    }
}

fn clock(given: i32, v: &mut Violations) -> StatusClock {
    match v1::StatusClock::try_from(given) {
        Ok(v1::StatusClock::Unspecified | v1::StatusClock::Runs) => StatusClock::Runs,
        Ok(v1::StatusClock::Pauses) => StatusClock::Pauses,
        Ok(v1::StatusClock::Stops) => StatusClock::Stops,
        Err(_) => {
            v.add("clock", "must be RUNS, PAUSES or STOPS, or not set");
            StatusClock::Runs
        }
    }
}

/// Business days; a negative number becomes one that is too large, and is refused as such.
fn duration(days: i32) -> u32 {
    u32::try_from(days).unwrap_or(u32::MAX)
}

/// A place; a negative number becomes one that is too large, and is refused as such.
fn place(position: i32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn render(order_type: &OrderType) -> v1::OrderType {
    v1::OrderType {
        id: order_type.id.clone(),
        name: order_type.name.clone(),
        description: order_type.description.clone(),
        calendar: order_type.calendar.clone(),
        schedule_method: render_method(order_type.schedule_method).into(),
        default_status: order_type.default_status.clone().unwrap_or_default(),
        inactive: order_type.inactive,
        statuses: (0..).zip(&order_type.statuses).map(|(position, status)| render_status(position, status)).collect(),
        etag: order_type.version.to_string(),
        create_time: Some(render_instant(order_type.created_at)),
        update_time: Some(render_instant(order_type.updated_at)),
        moves: order_type.moves.iter().map(render_move).collect(),
        health_tolerance_business_days: i32::try_from(order_type.health_tolerance).unwrap_or(i32::MAX),
    }
}

fn render_move(it: &AllowedMove) -> v1::AllowedMove {
    v1::AllowedMove { from: it.from.clone().unwrap_or_default(), to: it.to.clone(), roles: render_roles(&it.roles) }
}

fn render_stage(stage: &Stage) -> v1::Stage {
    v1::Stage { id: stage.id.clone(), name: stage.name.clone(), colour: stage.colour.clone() }
}

fn render_status(position: i32, status: &Status) -> v1::Status {
    let kind = match status.kind {
        StatusKind::Initial => v1::StatusKind::Initial,
        StatusKind::Standard => v1::StatusKind::Standard,
        StatusKind::Final => v1::StatusKind::Final,
        StatusKind::NonStandard => v1::StatusKind::NonStandard,
    };
    let clock = match status.clock {
        StatusClock::Runs => v1::StatusClock::Runs,
        StatusClock::Pauses => v1::StatusClock::Pauses,
        StatusClock::Stops => v1::StatusClock::Stops,
    };
    v1::Status {
        id: status.id.clone(),
        name: status.name.clone(),
        definition: status.definition.clone(),
        colour: status.colour.clone(),
        stage: status.stage.clone(),
        default_department: status.default_department.clone().unwrap_or_default(),
        default_user: status.default_user.clone().unwrap_or_default(),
        duration_business_days: status.duration_days.and_then(|days| i32::try_from(days).ok()),
        duration_working_minutes: status.duration_minutes.and_then(|minutes| i32::try_from(minutes).ok()),
        kind: kind.into(),
        clock: clock.into(),
        inactive: status.inactive,
        position,
        icon: status.icon.clone(),
    }
}
