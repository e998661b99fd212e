//! `ScheduleService`: how the company plans, recomputations, and the explanation of a due date.

use std::{mem, sync::Arc};

use chrono::TimeDelta;
use tonic::{Request, Response};

use super::{
    edits::{self, fail, settle},
    orders_parse, orders_render as render,
    page_token::{PageTokens, page_size},
    parse::{method, optional, render_date, render_instant, render_method, render_source},
    proto::v1::{self, schedule_service_server::ScheduleService},
};
use crate::{
    domain::{
        edit::ScheduleEdit,
        explain::{Explanation, Step},
        refusal::{Kind, Refusal},
        schedule::{DayTrace, HeldDay},
        violation::Violations,
    },
    ops::{Plant, catalogue, explain, replan},
    store::replans::ReplanRow,
};

/// Schedule of one plant.
#[derive(Debug, Clone)]
pub struct Schedule {
    plant: Arc<Plant>,
    tokens: PageTokens,
}

impl Schedule {
    /// The service over a plant.
    #[must_use]
    pub fn new(plant: Arc<Plant>, tokens: PageTokens) -> Self {
        Self { plant, tokens }
    }
}

#[tonic::async_trait]
impl ScheduleService for Schedule {
    async fn get_schedule_defaults(
        &self,
        _: Request<v1::GetScheduleDefaultsRequest>,
    ) -> Result<Response<v1::GetScheduleDefaultsResponse>, tonic::Status> {
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        Ok(Response::new(v1::GetScheduleDefaultsResponse {
            schedule_method: render_method(Some(catalogue.schedule_method)).into(),
            etag: catalogue.schedule_version.to_string(),
        }))
    }

    async fn update_schedule_defaults(
        &self,
        request: Request<v1::UpdateScheduleDefaultsRequest>,
    ) -> Result<Response<v1::UpdateScheduleDefaultsResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let mut write = edits::write("UpdateScheduleDefaults", &id, validate_only, &request, &mut v);
        write.expected_plan = optional(&request.expected_plan);
        let given = method("schedule_method", request.schedule_method, &mut v);
        if given.is_none() && v.is_empty() {
            v.add("schedule_method", "must be set");
        }
        settle(v)?;
        let edit = ScheduleEdit { etag: optional(&request.etag), method: given.unwrap_or_default() };
        let edited = catalogue::update_schedule(&self.plant, edit, write).await.map_err(fail)?;
        Ok(Response::new(v1::UpdateScheduleDefaultsResponse {
            schedule_method: render_method(Some(edited.method)).into(),
            etag: edited.version.to_string(),
            plan: Some(edits::render_plan(&edited.plan)),
            replan: edited.plan.replan,
        }))
    }

    async fn list_replans(
        &self,
        request: Request<v1::ListReplansRequest>,
    ) -> Result<Response<v1::ListReplansResponse>, tonic::Status> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let size = page_size(request.page_size, &mut v);
        let before: Option<i64> = self.tokens.open(b"ListReplans", &request.page_token, &mut v);
        settle(v)?;
        let mut rows = replan::list(&self.plant, before.unwrap_or(i64::MAX), size + 1).await.map_err(fail)?;
        let size = usize::try_from(size).unwrap_or(50);
        let more = rows.len() > size;
        rows.truncate(size);
        let next_page_token = match rows.last() {
            Some(last) if more => self.tokens.seal(b"ListReplans", &last.id),
            _ => String::new(),
        };
        Ok(Response::new(v1::ListReplansResponse {
            replans: rows.iter().map(render_replan).collect(),
            next_page_token,
        }))
    }

    async fn get_replan(
        &self,
        request: Request<v1::GetReplanRequest>,
    ) -> Result<Response<v1::GetReplanResponse>, tonic::Status> {
        let id = request.into_inner().id;
        match replan::get(&self.plant, id).await.map_err(fail)? {
            Some(row) => Ok(Response::new(v1::GetReplanResponse { replan: Some(render_replan(&row)) })),
            None => Err(fail(Refusal::NotFound { kind: Kind::Replan, id: id.to_string() }.into())),
        }
    }

    async fn explain_order(
        &self,
        request: Request<v1::ExplainOrderRequest>,
    ) -> Result<Response<v1::ExplainOrderResponse>, tonic::Status> {
        let mut v = Violations::new();
        let order = orders_parse::order_ref("order", request.get_ref().order.as_ref(), &mut v);
        settle(v)?;
        let explained = explain::order(&self.plant, &order).await.map_err(fail)?;
        Ok(Response::new(render_explanation(&explained)))
    }
}

fn render_replan(row: &ReplanRow) -> v1::Replan {
    v1::Replan {
        id: row.id,
        cause: render::due_cause(row.replan.cause).into(),
        subject: row.replan.subject.clone(),
        reason: row.replan.reason.clone(),
        order_types: row.replan.order_types.clone(),
        dates: row.replan.dates,
        actor: row.actor.clone(),
        request_time: Some(render_instant(row.requested_at)),
        start_time: row.started_at.map(render_instant),
        finish_time: row.finished_at.map(render_instant),
        orders: row.orders.unwrap_or(0),
        examined: row.progress.examined,
        changed: row.progress.changed,
        newly_overdue: row.progress.newly_overdue,
        in_time_again: row.progress.in_time_again,
        failed: row.progress.failed,
    }
}

fn render_explanation(explained: &Explanation) -> v1::ExplainOrderResponse {
    v1::ExplainOrderResponse {
        status: explained.status.0.clone(),
        status_name: explained.status.1.clone(),
        due_date: explained.due.map(|due| render_date(due.on)),
        due_time: explained.due.map(|due| render_instant(due.at)),
        due_source: explained.due.map_or(v1::DueSource::Unspecified, |due| render_source(due.source)).into(),
        rule_date: explained.rule.map(|due| render_date(due.on)),
        rule_time: explained.rule.map(|due| render_instant(due.at)),
        schedule_method: render_method(Some(explained.method)).into(),
        sentences: explained.sentences.clone(),
        steps: explained.steps.iter().map(render_step).collect(),
        holds: explained
            .holds
            .iter()
            .map(|hold| v1::ExplainedHold {
                begin_time: Some(render_instant(hold.from)),
                end_time: Some(render_instant(hold.to)),
                status: hold.status.0.clone(),
                status_name: hold.status.1.clone(),
            })
            .collect(),
        lost_business_days: i32::try_from(explained.lost_days).unwrap_or(i32::MAX),
        beyond_holidays: explained.beyond_holidays,
        held_days: explained.held_days.iter().map(render_held).collect(),
        held_days_left_out: i32::try_from(explained.held_days_left_out).unwrap_or(i32::MAX),
    }
}

fn render_held(held: &HeldDay) -> v1::HeldDay {
    let minutes = |span: TimeDelta| i32::try_from(span.num_minutes()).unwrap_or(i32::MAX);
    v1::HeldDay {
        date: Some(render_date(held.day)),
        working_minutes: minutes(held.working),
        held_minutes: minutes(held.held),
        lost: held.lost,
        holds: held.holds.iter().map(|place| i32::try_from(*place).unwrap_or(i32::MAX)).collect(),
    }
}

fn render_step(step: &Step) -> v1::ExplainedStep {
    let (status, status_name) = step.status.clone().unwrap_or_default();
    v1::ExplainedStep {
        status,
        status_name,
        text: step.text(),
        calendar: step.calendar.clone(),
        from_date: Some(render_date(step.from.0)),
        from_time: step.from.1.map(render_instant),
        to_date: Some(render_date(step.to.0)),
        to_time: step.to.1.map(render_instant),
        business_days: i32::try_from(step.days).unwrap_or(i32::MAX),
        working_minutes: i32::try_from(step.minutes).unwrap_or(i32::MAX),
        days: step.trace.iter().map(render_day).collect(),
        days_left_out: i32::try_from(step.left_out).unwrap_or(i32::MAX),
        closed_days: i32::try_from(step.closed).unwrap_or(i32::MAX),
    }
}

/// A day that was looked at.
#[must_use]
pub fn render_day(day: &DayTrace) -> v1::ExplainedDay {
    v1::ExplainedDay {
        date: Some(render_date(day.day)),
        count: i32::try_from(day.count).unwrap_or(i32::MAX),
        closed_because: day.closed_because.clone().unwrap_or_default(),
    }
}
