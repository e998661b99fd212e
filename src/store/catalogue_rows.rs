//! The rows of the catalogue, as edits write them: each only over the version that was decided on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{StoreError, StoreFault, catalogue_edit::CatalogueEdit};
use crate::domain::{
    alerts::trigger::Trigger,
    catalogue::{Department, OrderType, Stage, Status, User},
    edit::{Change, WrittenCalendar},
    plan::Method,
};

impl CatalogueEdit {
    /// Writes a row that the edit decided. The statuses that a type has no more stay, behind the others, until
    /// `remove_statuses`.
    ///
    /// # Errors
    /// `FactsChanged` when the row is not the version that was decided on, `Constraint` when the database refuses it.
    pub async fn write(&mut self, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::User(user) => self.write_user(user).await,
            Change::Department(department) => self.write_department(department).await,
            Change::Calendar(calendar) => self.write_calendar(calendar).await,
            Change::OrderType(order_type) => self.write_order_type(order_type).await,
            Change::Stages(stages, version) => self.write_stages(stages, *version).await,
            Change::ScheduleMethod(method, version) => self.write_schedule_method(*method, *version).await,
            Change::Trigger(trigger) => self.write_trigger(trigger).await,
            Change::TriggerRemoved(id) => self.remove_trigger(id).await,
            Change::Webhook(webhook) => self.write_webhook(webhook).await,
        }
    }

    async fn write_user(&mut self, user: &User) -> Result<(), StoreError> {
        let done = sqlx::query!(
            "INSERT INTO users (id, display_name, email, roles, inactive, version, created_at, updated_at, language, zone, alerts)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, email = excluded.email,
                roles = excluded.roles, inactive = excluded.inactive, language = excluded.language, zone = excluded.zone,
                alerts = excluded.alerts,
                version = excluded.version, updated_at = excluded.updated_at
            WHERE users.version = excluded.version - 1",
            user.id,
            user.display_name,
            user.email,
            &user.roles,
            user.inactive,
            user.version,
            user.created_at,
            user.updated_at,
            user.language,
            user.zone,
            sqlx::types::Json(&user.alerts) as _
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write a user", error))?;
        guard("write a user", done.rows_affected() == 1)
    }

    async fn write_department(&mut self, department: &Department) -> Result<(), StoreError> {
        let written = sqlx::query_scalar!(
            r#"WITH put AS (
                INSERT INTO departments (id, name, inactive, version, created_at, updated_at, calendar)
                VALUES ($1, $2, $3, $4, $5, $6, $9)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, inactive = excluded.inactive, calendar = excluded.calendar,
                    version = excluded.version, updated_at = excluded.updated_at
                WHERE departments.version = excluded.version - 1
                RETURNING id
            ), gone AS (
                DELETE FROM department_managers WHERE department = $1 AND manager <> ALL ($7::text[])
            ), kept AS (
                INSERT INTO department_managers (department, manager, position)
                SELECT $1, manager, place::integer FROM UNNEST($7::text[]) WITH ORDINALITY AS m (manager, place)
                ON CONFLICT (department, manager) DO UPDATE SET position = excluded.position
            ), left_it AS (
                DELETE FROM department_members WHERE department = $1 AND member <> ALL ($8::text[])
            ), stayed AS (
                INSERT INTO department_members (department, member, position)
                SELECT $1, member, place::integer FROM UNNEST($8::text[]) WITH ORDINALITY AS m (member, place)
                ON CONFLICT (department, member) DO UPDATE SET position = excluded.position
            )
            SELECT count(*) AS "written!" FROM put"#,
            department.id,
            department.name,
            department.inactive,
            department.version,
            department.created_at,
            department.updated_at,
            &department.managers,
            &department.members,
            department.calendar
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write a department", error))?;
        guard("write a department", written == 1)
    }

    async fn write_calendar(&mut self, calendar: &WrittenCalendar) -> Result<(), StoreError> {
        let done = sqlx::query!(
            "INSERT INTO calendars (id, spec, version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (id) DO UPDATE SET spec = excluded.spec, version = excluded.version,
                updated_at = excluded.updated_at
            WHERE calendars.version = excluded.version - 1",
            calendar.spec.id,
            sqlx::types::Json(&calendar.spec) as _,
            calendar.version,
            calendar.created_at,
            calendar.updated_at
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write a calendar", error))?;
        guard("write a calendar", done.rows_affected() == 1)
    }

    /// Two statuses may exchange what they are in the cycle, and one that goes may be the initial or the final one: for the
    /// length of the statement that writes the new list they are inactive, since at most one of each may be active.
    async fn set_aside_statuses(&mut self, order_type: &OrderType) -> Result<(), StoreError> {
        let ids: Vec<_> = order_type.statuses.iter().map(|status| status.id.clone()).collect();
        let kinds: Vec<_> = order_type.statuses.iter().map(|status| status.kind.as_str().to_owned()).collect();
        sqlx::query!(
            "UPDATE statuses SET inactive = true
            WHERE order_type = $1 AND NOT inactive AND kind IN ('INITIAL', 'FINAL') AND NOT EXISTS (
                SELECT FROM UNNEST($2::text[], $3::text[]) AS s (id, kind)
                WHERE s.id = statuses.id AND s.kind = statuses.kind)",
            order_type.id,
            &ids,
            &kinds
        )
        .execute(&mut *self.transaction)
        .await
        .map(drop)
        .map_err(|error| StoreError::new("set statuses aside", error))
    }

    async fn write_order_type(&mut self, order_type: &OrderType) -> Result<(), StoreError> {
        self.set_aside_statuses(order_type).await?;
        let statuses = &order_type.statuses;
        let texts = |field: fn(&Status) -> &str| -> Vec<String> {
            statuses.iter().map(|status| field(status).to_owned()).collect()
        };
        let departments: Vec<_> = statuses.iter().map(|status| status.default_department.clone()).collect();
        let users: Vec<_> = statuses.iter().map(|status| status.default_user.clone()).collect();
        let durations: Vec<_> =
            statuses.iter().map(|status| status.duration_days.and_then(|days| i32::try_from(days).ok())).collect();
        let minutes: Vec<_> =
            statuses.iter().map(|status| status.duration_minutes.and_then(|it| i32::try_from(it).ok())).collect();
        let inactive: Vec<_> = statuses.iter().map(|status| status.inactive).collect();
        // A status that goes stands behind those that stay until its orders are moved.
        let written = sqlx::query_scalar!(
            r#"WITH put AS (
                INSERT INTO order_types (id, name, description, calendar, schedule_method, default_status, inactive,
                    version, created_at, updated_at, moves, health_tolerance)
                VALUES ($1, $2, $3, $4, $24, $5, $6, $7, $8, $9, $22, $23)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description,
                    calendar = excluded.calendar, schedule_method = excluded.schedule_method,
                    default_status = excluded.default_status,
                    inactive = excluded.inactive, version = excluded.version, updated_at = excluded.updated_at,
                    moves = excluded.moves, health_tolerance = excluded.health_tolerance
                WHERE order_types.version = excluded.version - 1
                RETURNING id
            ), going AS (
                UPDATE statuses SET position = position + 1000 WHERE order_type = $1 AND id <> ALL ($10::text[])
            ), kept AS (
                INSERT INTO statuses AS kept (order_type, id, name, definition, colour, stage, default_department,
                    default_user, duration_days, kind, clock, inactive, position, icon, duration_minutes)
                SELECT $1, id, name, definition, colour, stage, default_department, default_user, duration_days, kind,
                    clock, inactive, place::integer - 1, icon, duration_minutes
                FROM UNNEST($10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
                    $17::integer[], $18::text[], $19::text[], $20::boolean[], $21::text[], $25::integer[]) WITH ORDINALITY
                    AS s (id, name, definition, colour, stage, default_department, default_user, duration_days, kind,
                    clock, inactive, icon, duration_minutes, place)
                ON CONFLICT (order_type, id) DO UPDATE SET name = excluded.name, definition = excluded.definition,
                    colour = excluded.colour, stage = excluded.stage, default_department = excluded.default_department,
                    default_user = excluded.default_user, duration_days = excluded.duration_days, kind = excluded.kind,
                    clock = excluded.clock, inactive = excluded.inactive, position = excluded.position,
                    icon = excluded.icon, duration_minutes = excluded.duration_minutes
                WHERE kept IS DISTINCT FROM excluded
            )
            SELECT count(*) AS "written!" FROM put"#,
            order_type.id,
            order_type.name,
            order_type.description,
            order_type.calendar,
            order_type.default_status,
            order_type.inactive,
            order_type.version,
            order_type.created_at,
            order_type.updated_at,
            &texts(|status| &status.id),
            &texts(|status| &status.name),
            &texts(|status| &status.definition),
            &texts(|status| &status.colour),
            &texts(|status| &status.stage),
            &departments as &[Option<String>],
            &users as &[Option<String>],
            &durations as &[Option<i32>],
            &texts(|status| status.kind.as_str()),
            &texts(|status| status.clock.as_str()),
            &inactive,
            &texts(|status| &status.icon),
            sqlx::types::Json(&order_type.moves) as _,
            i32::try_from(order_type.health_tolerance).unwrap_or(i32::MAX),
            order_type.schedule_method.map(Method::as_str),
            &minutes as &[Option<i32>]
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write an order type", error))?;
        guard("write an order type", written == 1)
    }

    /// Removes the statuses that a type has no more; the ids of those that an order ever was in, while it was of this type, are
    /// not used again. Their orders must have been moved; `replacements` says where to.
    ///
    /// # Errors
    /// `Constraint("orders_status_fkey")` when an order is in one of them.
    pub async fn remove_statuses(
        &mut self,
        order_type: &OrderType,
        replacements: &BTreeMap<String, String>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (from, to): (Vec<_>, Vec<_>) = replacements.clone().into_iter().unzip();
        let ids: Vec<_> = order_type.statuses.iter().map(|status| status.id.clone()).collect();
        sqlx::query!(
            "WITH gone AS (
                DELETE FROM statuses WHERE order_type = $1 AND id <> ALL ($2::text[]) RETURNING id, name
            )
            INSERT INTO retired_statuses (order_type, id, name, retired_at, replacement)
            SELECT $1, gone.id, gone.name, $3, r.taker
            FROM gone LEFT JOIN UNNEST($4::text[], $5::text[]) AS r (id, taker) ON r.id = gone.id
            WHERE EXISTS (
                SELECT FROM visits v JOIN orders o ON o.id = v.order_id
                WHERE v.status = gone.id AND o.order_type = $1 AND NOT EXISTS (
                    SELECT FROM past_types p WHERE p.order_id = v.order_id AND p.through_sequence >= v.sequence))
            OR EXISTS (
                SELECT FROM past_types p JOIN visits v ON v.order_id = p.order_id AND v.sequence <= p.through_sequence
                WHERE p.order_type = $1 AND v.status = gone.id AND NOT EXISTS (
                    SELECT FROM past_types e
                    WHERE e.order_id = p.order_id AND e.through_sequence < p.through_sequence
                        AND e.through_sequence >= v.sequence))",
            order_type.id,
            &ids,
            now,
            &from,
            &to
        )
        .execute(&mut *self.transaction)
        .await
        .map(drop)
        .map_err(|error| StoreError::new("remove statuses", error))
    }

    async fn write_schedule_method(&mut self, method: Method, version: i64) -> Result<(), StoreError> {
        let done = sqlx::query!(
            "UPDATE catalogue_version SET schedule_method = $1, schedule_version = $2::bigint WHERE schedule_version = $2::bigint - 1",
            method.as_str(),
            version
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write the schedule method", error))?;
        guard("write the schedule method", done.rows_affected() == 1)
    }

    async fn write_trigger(&mut self, trigger: &Trigger) -> Result<(), StoreError> {
        let done = sqlx::query!(
            "INSERT INTO triggers (id, spec, active_since, version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (id) DO UPDATE SET spec = excluded.spec, active_since = excluded.active_since,
                version = excluded.version, updated_at = excluded.updated_at
            WHERE triggers.version = excluded.version - 1",
            trigger.id,
            sqlx::types::Json(&trigger.spec) as _,
            trigger.active_since,
            trigger.version,
            trigger.created_at,
            trigger.updated_at
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write a trigger", error))?;
        guard("write a trigger", done.rows_affected() == 1)
    }

    async fn remove_trigger(&mut self, id: &str) -> Result<(), StoreError> {
        let done = sqlx::query!("DELETE FROM triggers WHERE id = $1", id)
            .execute(&mut *self.transaction)
            .await
            .map_err(|error| StoreError::new("remove a trigger", error))?;
        guard("remove a trigger", done.rows_affected() == 1)
    }

    async fn write_stages(&mut self, stages: &[Stage], version: i64) -> Result<(), StoreError> {
        let texts =
            |field: fn(&Stage) -> &str| -> Vec<String> { stages.iter().map(|stage| field(stage).to_owned()).collect() };
        let written = sqlx::query_scalar!(
            r#"WITH counted AS (
                UPDATE catalogue_version SET stages_version = $4::bigint
                WHERE stages_version = $4::bigint - 1 RETURNING stages_version
            ), gone AS (
                DELETE FROM stages WHERE id <> ALL ($1::text[])
            ), kept AS (
                INSERT INTO stages (id, name, colour, position)
                SELECT id, name, colour, place::integer - 1
                FROM UNNEST($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS s (id, name, colour, place)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, colour = excluded.colour, position = excluded.position
            )
            SELECT count(*) AS "written!" FROM counted"#,
            &texts(|stage| &stage.id),
            &texts(|stage| &stage.name),
            &texts(|stage| &stage.colour),
            version
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write the stages", error))?;
        guard("write the stages", written == 1)
    }
}

/// A row is written as long as it is the version that was decided on.
pub(super) fn guard(operation: &'static str, written: bool) -> Result<(), StoreError> {
    if written {
        return Ok(());
    }
    Err(StoreError { operation, fault: StoreFault::FactsChanged, detail: "the row has another version".into() })
}
