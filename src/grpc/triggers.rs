//! `TriggerService`: what is told to whom, and when.

use std::{mem, sync::Arc};

use tonic::{Request, Response};

use super::{
    edits::{self, Mask, fail, required, settle},
    orders_parse, orders_render,
    page_token::page_size,
    parse::{instant, optional, render_instant, render_roles, role_name},
    proto::v1::{self, trigger_service_server::TriggerService},
};
use crate::{
    domain::{
        alerts::{
            event::Occurrence,
            replay::Firing,
            trigger::{Action, Condition, EmailAction, Event, Recipients, TaskAction, Trigger, TriggerSpec},
        },
        edit::TriggerEdit,
        projection::Health,
        refusal::{Kind, Refusal},
        violation::Violations,
    },
    ops::{
        Plant, catalogue,
        test_trigger::{Tested, test_trigger},
    },
};

const FIELDS: [&str; 10] = [
    "name",
    "description",
    "event",
    "days",
    "repeat_days",
    "order_types",
    "statuses",
    "condition",
    "actions",
    "enabled",
];
/// The longest time that a test looks at.
const TESTED_DAYS_MAX: i64 = 366;

type Answer<T> = Result<Response<T>, tonic::Status>;

/// Triggers of one plant.
#[derive(Debug, Clone)]
pub struct Triggers {
    plant: Arc<Plant>,
}

impl Triggers {
    /// The service over a plant.
    #[must_use]
    pub fn new(plant: Arc<Plant>) -> Self {
        Self { plant }
    }
}

#[tonic::async_trait]
impl TriggerService for Triggers {
    async fn list_triggers(&self, _: Request<v1::ListTriggersRequest>) -> Answer<v1::ListTriggersResponse> {
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        let triggers = catalogue.triggers.values().map(|trigger| render(trigger)).collect();
        Ok(Response::new(v1::ListTriggersResponse { triggers }))
    }

    async fn get_trigger(&self, request: Request<v1::GetTriggerRequest>) -> Answer<v1::GetTriggerResponse> {
        let id = request.into_inner().id;
        edits::slug("id", &id)?;
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        match catalogue.triggers.get(&id) {
            Some(trigger) => Ok(Response::new(v1::GetTriggerResponse { trigger: Some(render(trigger)) })),
            None => Err(fail(Refusal::NotFound { kind: Kind::Trigger, id }.into())),
        }
    }

    async fn create_trigger(&self, request: Request<v1::CreateTriggerRequest>) -> Answer<v1::CreateTriggerResponse> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("CreateTrigger", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(None, &FIELDS, &[], &mut v);
        let edit = parse(&required("trigger", request.trigger)?, &mask, &mut v);
        settle(v)?;
        let edited = catalogue::create_trigger(&self.plant, edit, write).await.map_err(fail)?;
        Ok(Response::new(v1::CreateTriggerResponse {
            trigger: edited.trigger.as_ref().map(render),
            plan: Some(edits::render_plan(&edited.plan)),
            replan: edited.plan.replan,
        }))
    }

    async fn update_trigger(&self, request: Request<v1::UpdateTriggerRequest>) -> Answer<v1::UpdateTriggerResponse> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("UpdateTrigger", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(request.update_mask.as_ref(), &FIELDS, &[], &mut v);
        let edit = parse(&required("trigger", request.trigger)?, &mask, &mut v);
        settle(v)?;
        let edited = catalogue::update_trigger(&self.plant, edit, write).await.map_err(fail)?;
        Ok(Response::new(v1::UpdateTriggerResponse {
            trigger: edited.trigger.as_ref().map(render),
            plan: Some(edits::render_plan(&edited.plan)),
            replan: edited.plan.replan,
        }))
    }

    async fn delete_trigger(&self, request: Request<v1::DeleteTriggerRequest>) -> Answer<v1::DeleteTriggerResponse> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("DeleteTrigger", &id, validate_only, &request, &mut v);
        v.slug("id", &request.id);
        settle(v)?;
        let etag = optional(&request.etag);
        catalogue::delete_trigger(&self.plant, request.id, etag, write).await.map_err(fail)?;
        Ok(Response::new(v1::DeleteTriggerResponse {}))
    }

    async fn test_trigger(&self, request: Request<v1::TestTriggerRequest>) -> Answer<v1::TestTriggerResponse> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let from = instant("from_time", request.from_time.as_ref(), &mut v);
        let to = instant("to_time", request.to_time.as_ref(), &mut v);
        if let (Some(from), Some(to)) = (from, to)
            && (to < from || (to - from).num_days() > TESTED_DAYS_MAX)
        {
            v.add("to_time", format!("must lie 0 to {TESTED_DAYS_MAX} days after from_time"));
        }
        let order = request.order.as_ref().map(|order| orders_parse::order_ref("order", Some(order), &mut v));
        let size = match request.page_size {
            0 => 100,
            given => page_size(given, &mut v),
        };
        let tested = match (&request.trigger, request.id.is_empty()) {
            (Some(trigger), true) => {
                let mask = Mask::parse(None, &FIELDS, &[], &mut v);
                Some(Tested::Given(Box::new(self.as_it_could_be(parse(trigger, &mask, &mut v), &mut v).await?)))
            }
            (None, false) => {
                v.slug("id", &request.id);
                Some(Tested::Stored(request.id.clone()))
            }
            _ => {
                v.add("id", "either this or trigger must be set, not both");
                None
            }
        };
        settle(v)?;
        let Some(tested) = tested else { return Ok(Response::new(v1::TestTriggerResponse::default())) };
        let report = test_trigger(&self.plant, tested, (from, to), order.as_ref()).await.map_err(fail)?;
        let total = i32::try_from(report.firings.len()).unwrap_or(i32::MAX);
        let size = usize::try_from(size).unwrap_or(100);
        Ok(Response::new(v1::TestTriggerResponse {
            firings: report.firings.into_iter().take(size).map(firing).collect(),
            total,
            orders: i32::try_from(report.orders).unwrap_or(i32::MAX),
            warnings: report.warnings,
            mail: report.letter.map(|it| v1::MailPreview { subject: it.subject, text: it.plain, html: it.html }),
        }))
    }
}

impl Triggers {
    /// A trigger that is not stored, checked as if it were to be.
    async fn as_it_could_be(&self, edit: TriggerEdit, v: &mut Violations) -> Result<Trigger, tonic::Status> {
        settle(mem::take(v))?;
        let known = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        let mut without = known.as_ref().clone();
        without.triggers.clear();
        let now = chrono::DateTime::UNIX_EPOCH;
        let edited = edit.create(&without, now).map_err(|refusal| fail(refusal.into()))?;
        let trigger = edited.changes.into_iter().find_map(|change| match change {
            crate::domain::edit::Change::Trigger(trigger) => Some(trigger),
            _ => None,
        });
        trigger.ok_or_else(|| tonic::Status::internal("an edit without its trigger"))
    }
}

fn parse(given: &v1::Trigger, mask: &Mask, v: &mut Violations) -> TriggerEdit {
    let event = event(given.event());
    let count = |field: &str, count: i32, v: &mut Violations| {
        u32::try_from(count).unwrap_or_else(|_| {
            v.add(field, "must not be negative");
            0
        })
    };
    v.within("trigger.", |v| {
        if event.is_none() && mask.names("event") {
            v.add("event", "must be set");
        }
        let spec = TriggerSpec {
            name: given.name.clone(),
            description: given.description.clone(),
            event: event.unwrap_or(Event::StatusOverdue),
            days: count("days", given.days, v),
            repeat_days: count("repeat_days", given.repeat_days, v),
            order_types: given.order_types.clone(),
            statuses: given.statuses.clone(),
            condition: condition(given.condition.clone().unwrap_or_default(), v),
            actions: actions(&given.actions, v),
            enabled: given.enabled,
        };
        let fields = FIELDS.into_iter().filter(|field| mask.names(field)).collect();
        let edit = TriggerEdit { id: given.id.clone(), etag: optional(&given.etag), fields, spec };
        edit.check(v);
        edit
    })
}

fn condition(given: v1::TriggerCondition, v: &mut Violations) -> Condition {
    let mut health = Vec::new();
    for (index, it) in given.health.iter().enumerate() {
        match v1::Health::try_from(*it) {
            Ok(v1::Health::Ahead) => health.push(Health::Ahead),
            Ok(v1::Health::OnTarget) => health.push(Health::OnTarget),
            Ok(v1::Health::Late) => health.push(Health::Late),
            Ok(v1::Health::Unspecified) | Err(_) => {
                v.add(&format!("condition.health[{index}]"), "is not a known health");
            }
        }
    }
    health.dedup();
    Condition {
        labels: given.labels.into_iter().collect(),
        departments: given.departments,
        priority_min: given.priority_min,
        priority_max: given.priority_max,
        health,
    }
}

fn actions(given: &[v1::TriggerAction], v: &mut Violations) -> Vec<Action> {
    let mut actions = Vec::new();
    for (index, action) in given.iter().enumerate() {
        actions.push(match &action.action {
            Some(v1::trigger_action::Action::Email(email)) => {
                let to = email.to.clone().unwrap_or_default();
                Action::Email(EmailAction {
                    to: Recipients {
                        assignee: to.assignee,
                        department_managers: to.department_managers,
                        department_members: to.department_members,
                        followers: to.followers,
                        users: to.users,
                        roles: to.roles.iter().map(|role| role_name(*role)).collect(),
                        departments: to.departments,
                        addresses: to.addresses,
                    },
                    subject: email.subject.clone(),
                    body: email.body.clone(),
                })
            }
            Some(v1::trigger_action::Action::Task(task)) => Action::Task(TaskAction {
                title: task.title.clone(),
                user: task.user.clone(),
                department: task.department.clone(),
                due_in_days: u32::try_from(task.due_in_days).unwrap_or_else(|_| {
                    v.add(&format!("actions[{index}].task.due_in_days"), "must not be negative");
                    0
                }),
            }),
            Some(v1::trigger_action::Action::Webhook(id)) => Action::Webhook(id.clone()),
            None => {
                v.add(&format!("actions[{index}]"), "must be an email, a task or a webhook");
                continue;
            }
        });
    }
    actions
}

fn event(given: v1::TriggerEvent) -> Option<Event> {
    let name = given.as_str_name().trim_start_matches("TRIGGER_EVENT_");
    Event::ALL.into_iter().find(|event| event.as_str() == name)
}

fn render(trigger: &Trigger) -> v1::Trigger {
    let spec = &trigger.spec;
    let event = v1::TriggerEvent::from_str_name(&format!("TRIGGER_EVENT_{}", spec.event.as_str()));
    let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let health = |health: &Health| {
        i32::from(match health {
            Health::Ahead => v1::Health::Ahead,
            Health::OnTarget => v1::Health::OnTarget,
            Health::Late => v1::Health::Late,
        })
    };
    v1::Trigger {
        id: trigger.id.clone(),
        name: spec.name.clone(),
        description: spec.description.clone(),
        event: event.unwrap_or_default().into(),
        days: count(spec.days),
        repeat_days: count(spec.repeat_days),
        order_types: spec.order_types.clone(),
        statuses: spec.statuses.clone(),
        condition: (spec.condition != Condition::default()).then(|| v1::TriggerCondition {
            labels: spec.condition.labels.clone(),
            departments: spec.condition.departments.clone(),
            priority_min: spec.condition.priority_min,
            priority_max: spec.condition.priority_max,
            health: spec.condition.health.iter().map(health).collect(),
        }),
        actions: spec.actions.iter().map(render_action).collect(),
        enabled: spec.enabled,
        etag: trigger.version.to_string(),
        active_since: Some(render_instant(trigger.active_since)),
        create_time: Some(render_instant(trigger.created_at)),
        update_time: Some(render_instant(trigger.updated_at)),
    }
}

fn render_action(action: &Action) -> v1::TriggerAction {
    let action = match action {
        Action::Email(email) => v1::trigger_action::Action::Email(v1::EmailAction {
            to: Some(v1::TriggerRecipients {
                assignee: email.to.assignee,
                department_managers: email.to.department_managers,
                department_members: email.to.department_members,
                followers: email.to.followers,
                users: email.to.users.clone(),
                roles: render_roles(&email.to.roles),
                departments: email.to.departments.clone(),
                addresses: email.to.addresses.clone(),
            }),
            subject: email.subject.clone(),
            body: email.body.clone(),
        }),
        Action::Task(task) => v1::trigger_action::Action::Task(v1::TaskAction {
            title: task.title.clone(),
            user: task.user.clone(),
            department: task.department.clone(),
            due_in_days: i32::try_from(task.due_in_days).unwrap_or(i32::MAX),
        }),
        Action::Webhook(id) => v1::trigger_action::Action::Webhook(id.clone()),
    };
    v1::TriggerAction { action: Some(action) }
}

fn firing(firing: Firing) -> v1::TestedFiring {
    v1::TestedFiring {
        time: Some(render_instant(firing.at)),
        order: firing.order.id.to_string(),
        order_number: firing.order.number,
        status: firing.order.visit.status,
        what: what(&firing.occurrence),
        messages: firing.told.messages.iter().map(|it| orders_render::queued_message(it, true)).collect(),
        tasks: firing.told.tasks.iter().map(|it| orders_render::made_task(it, true)).collect(),
    }
}

/// What happened, in words.
fn what(occurrence: &Occurrence) -> String {
    let on = |day: &Option<chrono::NaiveDate>| day.map_or_else(|| "no date".to_owned(), |day| day.to_string());
    match occurrence {
        Occurrence::OrderCreated { by } => format!("created by {by}"),
        Occurrence::StatusEntered { from, by } if from.is_empty() => format!("entered by {by}"),
        Occurrence::StatusEntered { from, by } => format!("entered from {from} by {by}"),
        Occurrence::StatusLeft { from, by } => format!("{from} left by {by}"),
        Occurrence::DueSoon { days } => format!("due in {days} business days"),
        Occurrence::StatusOverdue => "overdue".to_owned(),
        Occurrence::Escalation { days, step } => format!("{days} business days overdue (step {step})"),
        Occurrence::Stale { days, .. } => format!("nothing happened for {days} business days"),
        Occurrence::NoteAdded { note } => format!("note by {}", note.author),
        Occurrence::HealthChanged { before, after } => {
            let name = |health: &Option<Health>| health.map_or("unknown", Health::as_str).to_lowercase();
            format!("health {} -> {}", name(before), name(after))
        }
        Occurrence::DueDateChanged { before, after, by, .. } => {
            format!("due date {} -> {} by {by}", on(before), on(after))
        }
        Occurrence::OrderClosed { by } => format!("closed by {by}"),
    }
}
