//! The catalogue, read whole at one version.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{PgExecutor, types::Json};

use super::{Store, StoreError};
use crate::domain::{
    alerts::{
        trigger::{Trigger, TriggerSpec},
        webhook::{Webhook, WebhookSpec},
    },
    catalogue::{CalendarEntry, Catalogue, Department, OrderType, Stage, Status, StatusClock, StatusKind, User},
    moves::AllowedMove,
    plan::Method,
    schedule::{Calendar, CalendarSpec},
};

#[derive(Debug, Deserialize)]
struct CalendarRow {
    id: String,
    spec: serde_json::Value,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct TriggerRow {
    id: String,
    spec: TriggerSpec,
    active_since: DateTime<Utc>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct WebhookRow {
    id: String,
    spec: WebhookSpec,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct TypeRow {
    id: String,
    name: String,
    description: String,
    calendar: String,
    schedule_method: Option<Method>,
    default_status: Option<String>,
    inactive: bool,
    moves: Vec<AllowedMove>,
    health_tolerance: u32,
    retired: Vec<String>,
    replaced: BTreeMap<String, String>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct StatusRow {
    order_type: String,
    id: String,
    name: String,
    definition: String,
    colour: String,
    icon: String,
    stage: String,
    default_department: Option<String>,
    default_user: Option<String>,
    duration_days: Option<u32>,
    duration_minutes: Option<u32>,
    kind: String,
    clock: String,
    inactive: bool,
}

impl Store {
    /// The version of the catalogue now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn catalogue_version(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar!("SELECT version FROM catalogue_version")
            .fetch_one(&self.calls)
            .await
            .map_err(|error| StoreError::new("read the version of the catalogue", error))
    }

    /// Reads the whole catalogue at one version.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn load_catalogue(&self) -> Result<Catalogue, StoreError> {
        read(&self.calls).await
    }
}

/// One statement, so that all tables are seen at one snapshot without a transaction that a dropped call could leave open.
pub(super) async fn read(executor: impl PgExecutor<'_>) -> Result<Catalogue, StoreError> {
    let row = sqlx::query!(
        r#"SELECT version, stages_version, schedule_method, schedule_version,
            (SELECT COALESCE(json_agg(c), '[]') FROM (
                SELECT id, spec, version, created_at, updated_at FROM calendars ORDER BY id LIMIT 1000
            ) AS c) AS "calendars!: Json<Vec<CalendarRow>>",
            (SELECT COALESCE(json_agg(u), '[]') FROM (
                SELECT id, display_name, email, roles, inactive, language, zone, alerts, version, created_at, updated_at
                FROM users ORDER BY id LIMIT 10000
            ) AS u) AS "users!: Json<Vec<User>>",
            (SELECT COALESCE(json_agg(d), '[]') FROM (
                SELECT id, name, inactive, calendar, version, created_at, updated_at,
                    ARRAY(SELECT manager FROM department_managers WHERE department = id ORDER BY position, manager) AS managers,
                    ARRAY(SELECT member FROM department_members WHERE department = id ORDER BY position, member) AS members
                FROM departments ORDER BY id LIMIT 10000
            ) AS d) AS "departments!: Json<Vec<Department>>",
            (SELECT COALESCE(json_agg(t), '[]') FROM (
                SELECT id, name, description, calendar, schedule_method, default_status, inactive, moves, health_tolerance,
                    ARRAY(SELECT r.id FROM retired_statuses r WHERE r.order_type = order_types.id ORDER BY r.id) AS retired,
                    (SELECT COALESCE(json_object_agg(r.id, r.replacement), '{}') FROM retired_statuses r
                        WHERE r.order_type = order_types.id AND r.replacement IS NOT NULL) AS replaced,
                    version, created_at, updated_at
                FROM order_types ORDER BY id LIMIT 1000
            ) AS t) AS "types!: Json<Vec<TypeRow>>",
            (SELECT COALESCE(json_agg(s), '[]') FROM (
                SELECT order_type, id, name, definition, colour, icon, stage, default_department, default_user,
                    duration_days, duration_minutes, kind, clock, inactive
                FROM statuses ORDER BY order_type, position LIMIT 200000
            ) AS s) AS "statuses!: Json<Vec<StatusRow>>",
            (SELECT COALESCE(json_agg(g), '[]') FROM (
                SELECT id, name, colour FROM stages ORDER BY position LIMIT 200
            ) AS g) AS "stages!: Json<Vec<Stage>>",
            (SELECT COALESCE(json_agg(t), '[]') FROM (
                SELECT id, spec, active_since, version, created_at, updated_at FROM triggers ORDER BY id LIMIT 1000
            ) AS t) AS "triggers!: Json<Vec<TriggerRow>>",
            (SELECT COALESCE(json_agg(w), '[]') FROM (
                SELECT id, spec, version, created_at, updated_at FROM webhooks ORDER BY id LIMIT 1000
            ) AS w) AS "webhooks!: Json<Vec<WebhookRow>>"
        FROM catalogue_version"#
    )
    .fetch_one(executor)
    .await
    .map_err(|error| StoreError::new("read the catalogue", error))?;

    let mut types: BTreeMap<String, OrderType> =
        row.types.0.into_iter().map(|row| (row.id.clone(), order_type(row))).collect();
    for row in row.statuses.0 {
        let owner = row.order_type.clone();
        let status = status(row)?;
        match types.get_mut(&owner) {
            Some(order_type) => order_type.statuses.push(status),
            None => return Err(StoreError::impossible("statuses", "order_type", format!("{owner}/{}", status.id))),
        }
    }
    Ok(Catalogue {
        version: row.version,
        triggers: row.triggers.0.into_iter().map(trigger).collect(),
        webhooks: row.webhooks.0.into_iter().map(webhook).collect(),
        stages: Arc::new(row.stages.0),
        stages_version: row.stages_version,
        schedule_version: row.schedule_version,
        schedule_method: Method::parse(&row.schedule_method)
            .ok_or_else(|| StoreError::impossible("catalogue_version", "schedule_method", "1"))?,
        types: types.into_iter().map(|(id, order_type)| (id, Arc::new(order_type))).collect(),
        calendars: row.calendars.0.into_iter().map(calendar).collect::<Result<_, _>>()?,
        users: row.users.0.into_iter().map(|user| (user.id.clone(), Arc::new(user))).collect(),
        departments: row
            .departments
            .0
            .into_iter()
            .map(|department| (department.id.clone(), Arc::new(department)))
            .collect(),
    })
}

fn trigger(row: TriggerRow) -> (String, Arc<Trigger>) {
    let trigger = Trigger {
        id: row.id,
        spec: row.spec,
        active_since: row.active_since,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    (trigger.id.clone(), Arc::new(trigger))
}

fn webhook(row: WebhookRow) -> (String, Arc<Webhook>) {
    let webhook = Webhook {
        id: row.id,
        spec: row.spec,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    (webhook.id.clone(), Arc::new(webhook))
}

fn calendar(row: CalendarRow) -> Result<(String, Arc<CalendarEntry>), StoreError> {
    let spec: CalendarSpec = serde_json::from_value(row.spec)
        .ok()
        .filter(|spec: &CalendarSpec| spec.id == row.id)
        .ok_or_else(|| StoreError::impossible("calendars", "spec", &row.id))?;
    let calendar = Calendar::compile(&spec);
    let entry =
        CalendarEntry { spec, calendar, version: row.version, created_at: row.created_at, updated_at: row.updated_at };
    Ok((row.id, Arc::new(entry)))
}

fn order_type(row: TypeRow) -> OrderType {
    OrderType {
        id: row.id,
        name: row.name,
        description: row.description,
        calendar: row.calendar,
        schedule_method: row.schedule_method,
        default_status: row.default_status,
        inactive: row.inactive,
        statuses: Vec::new(),
        moves: row.moves,
        health_tolerance: row.health_tolerance,
        retired: row.retired,
        replaced: row.replaced,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn status(row: StatusRow) -> Result<Status, StoreError> {
    let impossible = |column| StoreError::impossible("statuses", column, format!("{}/{}", row.order_type, row.id));
    let kind = StatusKind::parse(&row.kind).ok_or_else(|| impossible("kind"))?;
    let clock = StatusClock::parse(&row.clock).ok_or_else(|| impossible("clock"))?;
    Ok(Status {
        id: row.id,
        name: row.name,
        definition: row.definition,
        colour: row.colour,
        icon: row.icon,
        stage: row.stage,
        default_department: row.default_department,
        default_user: row.default_user,
        duration_days: row.duration_days,
        duration_minutes: row.duration_minutes,
        kind,
        clock,
        inactive: row.inactive,
    })
}
