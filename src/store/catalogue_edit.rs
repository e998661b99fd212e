//! Edits of the catalogue, one at a time: each holds the row of the catalogue's version from its first statement to its commit.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::{Store, StoreError, StoreFault, catalogue::read, requests::StoredRequest};
use crate::domain::{
    catalogue::{Catalogue, Department, OrderType, Status, User},
    edit::{Change, WrittenCalendar},
};

/// An edit on its way. Dropped without `commit`, it changes nothing.
#[derive(Debug)]
pub struct CatalogueEdit {
    transaction: Transaction<'static, Postgres>,
    /// Version of the catalogue that the edit starts from.
    pub version: i64,
    /// The database's clock, once no other edit is under way.
    pub database_now: DateTime<Utc>,
}

impl Store {
    /// Begins an edit: waits for the one before it. Must not run in a future that may be dropped.
    ///
    /// # Errors
    /// When the database fails, or the edit before takes too long.
    pub async fn edit_catalogue(&self) -> Result<CatalogueEdit, StoreError> {
        let error = |error| StoreError::new("begin an edit of the catalogue", error);
        let mut transaction = self.begin("begin an edit of the catalogue").await?;
        let row = sqlx::query!(
            r#"UPDATE catalogue_version SET version = version + 1
            RETURNING version - 1 AS "version!", clock_timestamp() AS "database_now!""#
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(error)?;
        Ok(CatalogueEdit { transaction, version: row.version, database_now: row.database_now })
    }
}

impl CatalogueEdit {
    /// Reads the catalogue that the edit starts from.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn load(&mut self) -> Result<Catalogue, StoreError> {
        let catalogue = read(&mut *self.transaction).await?;
        Ok(Catalogue { version: self.version, ..catalogue })
    }

    /// Finds a stored answer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_request(&mut self, id: &str) -> Result<Option<StoredRequest>, StoreError> {
        sqlx::query_as!(StoredRequest, "SELECT fingerprint, outcome FROM requests WHERE id = $1", id)
            .fetch_optional(&mut *self.transaction)
            .await
            .map_err(|error| StoreError::new("find a request", error))
    }

    /// Stores the answer of this edit.
    ///
    /// # Errors
    /// `Constraint("requests_pkey")` when the id was taken meanwhile.
    pub async fn keep_request(
        &mut self,
        id: &str,
        request: &StoredRequest,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO requests (id, fingerprint, outcome, created_at) VALUES ($1, $2, $3, $4)",
            id,
            request.fingerprint,
            request.outcome,
            now
        )
        .execute(&mut *self.transaction)
        .await
        .map(drop)
        .map_err(|error| StoreError::new("keep a request", error))
    }

    /// Counts the open orders that are in a status now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_open_orders(&mut self, order_type: &str, status: &str) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM orders WHERE order_type = $1 AND status = $2 AND closed_at IS NULL"#,
            order_type,
            status
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("count open orders", error))
    }

    /// Counts the orders that are or ever were in a status, or skipped it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_orders_ever(&mut self, order_type: &str, status: &str) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (
                SELECT id FROM orders WHERE order_type = $1 AND status = $2
                UNION
                SELECT orders.id FROM visits JOIN orders ON orders.id = visits.order_id
                WHERE visits.status = $2 AND orders.order_type = $1
            ) AS used"#,
            order_type,
            status
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("count the orders of a status", error))
    }

    /// Writes the row that the edit decided.
    ///
    /// # Errors
    /// `FactsChanged` when the row is not the version that was decided on, `Constraint` when the database refuses it.
    pub async fn write(&mut self, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::User(user) => self.write_user(user).await,
            Change::Department(department) => self.write_department(department).await,
            Change::Calendar(calendar) => self.write_calendar(calendar).await,
            Change::OrderType(order_type) => self.write_order_type(order_type).await,
        }
    }

    /// Makes the edit last.
    ///
    /// # Errors
    /// `Constraint` when what is checked last refuses it, `Unavailable` when it is not known whether it lasts.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(|error| StoreError::new("commit an edit of the catalogue", error))
    }

    /// Undoes the edit; lets the next one begin at once.
    ///
    /// # Errors
    /// When the connection fails, which undoes it as well.
    pub async fn undo(self) -> Result<(), StoreError> {
        self.transaction.rollback().await.map_err(|error| StoreError::new("undo an edit of the catalogue", error))
    }

    async fn write_user(&mut self, user: &User) -> Result<(), StoreError> {
        let done = sqlx::query!(
            "INSERT INTO users (id, display_name, email, roles, inactive, version, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, email = excluded.email,
                roles = excluded.roles, inactive = excluded.inactive, version = excluded.version,
                updated_at = excluded.updated_at
            WHERE users.version = excluded.version - 1",
            user.id,
            user.display_name,
            user.email,
            &user.roles,
            user.inactive,
            user.version,
            user.created_at,
            user.updated_at
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write a user", error))?;
        guard("write a user", done.rows_affected() == 1)
    }

    async fn write_department(&mut self, department: &Department) -> Result<(), StoreError> {
        let written = sqlx::query_scalar!(
            r#"WITH put AS (
                INSERT INTO departments (id, name, inactive, version, created_at, updated_at)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, inactive = excluded.inactive,
                    version = excluded.version, updated_at = excluded.updated_at
                WHERE departments.version = excluded.version - 1
                RETURNING id
            ), gone AS (
                DELETE FROM department_managers WHERE department = $1 AND manager <> ALL ($7::text[])
            ), kept AS (
                INSERT INTO department_managers (department, manager, position)
                SELECT $1, manager, place::integer FROM UNNEST($7::text[]) WITH ORDINALITY AS m (manager, place)
                ON CONFLICT (department, manager) DO UPDATE SET position = excluded.position
            )
            SELECT count(*) AS "written!" FROM put"#,
            department.id,
            department.name,
            department.inactive,
            department.version,
            department.created_at,
            department.updated_at,
            &department.managers
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

    async fn write_order_type(&mut self, order_type: &OrderType) -> Result<(), StoreError> {
        let statuses = &order_type.statuses;
        let texts = |field: fn(&Status) -> &str| -> Vec<String> {
            statuses.iter().map(|status| field(status).to_owned()).collect()
        };
        let departments: Vec<_> = statuses.iter().map(|status| status.default_department.clone()).collect();
        let users: Vec<_> = statuses.iter().map(|status| status.default_user.clone()).collect();
        let durations: Vec<_> =
            statuses.iter().map(|status| status.duration_days.and_then(|days| i32::try_from(days).ok())).collect();
        let inactive: Vec<_> = statuses.iter().map(|status| status.inactive).collect();
        let written = sqlx::query_scalar!(
            r#"WITH put AS (
                INSERT INTO order_types (id, name, description, calendar, schedule_method, default_status, inactive,
                    version, created_at, updated_at)
                VALUES ($1, $2, $3, $4, 'FROM_ORDER_DATE', $5, $6, $7, $8, $9)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description,
                    calendar = excluded.calendar, default_status = excluded.default_status,
                    inactive = excluded.inactive, version = excluded.version, updated_at = excluded.updated_at
                WHERE order_types.version = excluded.version - 1
                RETURNING id
            ), gone AS (
                DELETE FROM statuses WHERE order_type = $1 AND id <> ALL ($10::text[])
            ), kept AS (
                INSERT INTO statuses AS kept (order_type, id, name, definition, colour, stage, default_department,
                    default_user, duration_days, kind, clock, inactive, position)
                SELECT $1, id, name, definition, colour, stage, default_department, default_user, duration_days, kind,
                    clock, inactive, place::integer - 1
                FROM UNNEST($10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
                    $17::integer[], $18::text[], $19::text[], $20::boolean[]) WITH ORDINALITY
                    AS s (id, name, definition, colour, stage, default_department, default_user, duration_days, kind,
                    clock, inactive, place)
                ON CONFLICT (order_type, id) DO UPDATE SET name = excluded.name, definition = excluded.definition,
                    colour = excluded.colour, stage = excluded.stage, default_department = excluded.default_department,
                    default_user = excluded.default_user, duration_days = excluded.duration_days, kind = excluded.kind,
                    clock = excluded.clock, inactive = excluded.inactive, position = excluded.position
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
            &inactive
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write an order type", error))?;
        guard("write an order type", written == 1)
    }
}

/// A row is written as long as it is the version that was decided on.
fn guard(operation: &'static str, written: bool) -> Result<(), StoreError> {
    if written {
        return Ok(());
    }
    Err(StoreError { operation, fault: StoreFault::FactsChanged, detail: "the row has another version".into() })
}
