//! Tasks: one, pages by filter, and the write of one. Triggers make theirs through the writer of orders.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{
    Store, StoreError,
    catalogue_edit::CatalogueEdit,
    write::{Writes, write},
};
use crate::domain::task::{Task, TaskState};

/// Which tasks. Every field that is set narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// In one of these states; none = in any.
    pub states: Vec<TaskState>,
    /// Of this user.
    pub user: Option<String>,
    /// With `user`: also those that one of these departments has and nobody in person.
    pub or_departments: Vec<String>,
    /// Of this department, whoever in it has them.
    pub department: Option<String>,
    /// About this order.
    pub order: Option<Uuid>,
    /// Open, with a due time at or before this instant: what is overdue then.
    pub due_by: Option<DateTime<Utc>>,
}

/// The last task of a page: its due time (`None` = among those without) and id.
pub type TaskPosition = (Option<DateTime<Utc>>, Uuid);

/// A task with what a decision about it needs.
#[derive(Debug, Clone)]
pub struct TaskFact {
    /// The task.
    pub task: Task,
    /// Version of the catalogue.
    pub catalogue_version: i64,
    /// The database's clock.
    pub database_now: DateTime<Utc>,
}

#[derive(Debug, FromRow)]
struct TaskRow {
    id: Uuid,
    title: String,
    description: String,
    order_id: Option<Uuid>,
    order_number: String,
    assigned_user: Option<String>,
    assigned_department: Option<String>,
    due_on: Option<NaiveDate>,
    due_at: Option<DateTime<Utc>>,
    state: String,
    made_by: String,
    rule: String,
    closed_by: String,
    closed_at: Option<DateTime<Utc>>,
    comment: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<TaskRow> for Task {
    type Error = StoreError;

    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        let state = TaskState::parse(&row.state);
        Ok(Self {
            id: row.id,
            title: row.title,
            description: row.description,
            order: row.order_id.map(|id| (id, row.order_number)),
            user: row.assigned_user,
            department: row.assigned_department,
            due: row.due_on.zip(row.due_at),
            state: state.ok_or_else(|| StoreError::impossible("tasks", "state", row.id.to_string()))?,
            made_by: row.made_by,
            rule: row.rule,
            closed_by: row.closed_by,
            closed_at: row.closed_at,
            comment: row.comment,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

const COLUMNS: &str =
    "SELECT id, title, description, order_id, order_number, assigned_user, assigned_department, due_on, due_at,
    state, made_by, rule, closed_by, closed_at, comment, version, created_at, updated_at FROM tasks WHERE true";

impl Store {
    /// One task; `None` when there is none of this id.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn find_task(&self, id: Uuid) -> Result<Option<TaskFact>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT t.id, title, description, order_id, order_number, assigned_user, assigned_department, due_on, due_at, state,
                   made_by, rule, closed_by, closed_at, comment, t.version, created_at, updated_at,
                   c.version AS catalogue_version, clock_timestamp() AS "database_now!"
               FROM tasks t CROSS JOIN catalogue_version c WHERE t.id = $1"#,
            id
        )
        .fetch_optional(&self.calls)
        .await
        .map_err(|error| StoreError::new("find a task", error))?;
        let Some(row) = row else { return Ok(None) };
        let (catalogue_version, database_now) = (row.catalogue_version, row.database_now);
        let row = TaskRow {
            id: row.id,
            title: row.title,
            description: row.description,
            order_id: row.order_id,
            order_number: row.order_number,
            assigned_user: row.assigned_user,
            assigned_department: row.assigned_department,
            due_on: row.due_on,
            due_at: row.due_at,
            state: row.state,
            made_by: row.made_by,
            rule: row.rule,
            closed_by: row.closed_by,
            closed_at: row.closed_at,
            comment: row.comment,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Ok(Some(TaskFact { task: row.try_into()?, catalogue_version, database_now }))
    }

    /// One page of tasks, by due time, those without one last, then by id: at most `limit`, after `after`. The statement is put
    /// together from fixed pieces, since which index serves depends on which filters are set; every value is bound.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn list_tasks(
        &self,
        filter: &TaskFilter,
        after: Option<&TaskPosition>,
        limit: i64,
    ) -> Result<Vec<Task>, StoreError> {
        let rows: Vec<TaskRow> = list_statement(filter, after, limit)
            .build_query_as()
            .fetch_all(&self.calls)
            .await
            .map_err(|error| StoreError::new("list tasks", error))?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// Writes a task that was changed, with what goes along: its messages, the stored answer. Nothing when the task is no longer
    /// of the version that it was read with, or the catalogue of that which it was decided with.
    ///
    /// # Errors
    /// `FactsChanged`; `Constraint` by name.
    pub async fn change_task(
        &self,
        task: &Task,
        read_version: i64,
        writes: &Writes<'_>,
        catalogue_version: i64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin("change a task").await?;
        if task.version != read_version {
            update(&mut transaction, task, read_version, catalogue_version).await?;
        }
        write(&mut transaction, writes, catalogue_version).await?;
        transaction.commit().await.map_err(|error| StoreError::new("commit a change of a task", error))
    }
}

/// One guarded update. It shares the lock of the catalogue before it locks the task, as every write does.
async fn update(
    connection: &mut PgConnection,
    task: &Task,
    read_version: i64,
    catalogue_version: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"WITH
        catalogue AS MATERIALIZED (SELECT share_catalogue() AS version),
        changed AS (
            UPDATE tasks SET
                title = $3, description = $4, assigned_user = $5, assigned_department = $6, due_on = $7, due_at = $8, state = $9,
                closed_by = $10, closed_at = $11, comment = $12, version = $13, updated_at = $14
            WHERE id = $1 AND version = $2 AND (SELECT version FROM catalogue) = $15
            RETURNING id)
        SELECT require_guard((SELECT count(*) FROM changed), 1) AS "changed!""#,
        task.id,
        read_version,
        task.title,
        task.description,
        task.user,
        task.department,
        task.due.map(|(on, _)| on),
        task.due.map(|(_, at)| at),
        task.state.as_str(),
        task.closed_by,
        task.closed_at,
        task.comment,
        task.version,
        task.updated_at,
        catalogue_version
    )
    .fetch_one(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("change a task", error))
}

impl CatalogueEdit {
    /// Counts the open tasks that a user has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_tasks_of(&mut self, user: &str) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM tasks WHERE assigned_user = $1 AND state = 'OPEN'"#,
            user
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("count the tasks of a user", error))
    }

    /// The open tasks of a user, by id, after one, at most `limit`; locked. The edit holds the lock of the catalogue, so that
    /// nobody else changes them meanwhile.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn lock_tasks_of(&mut self, user: &str, after: Uuid, limit: i64) -> Result<Vec<Task>, StoreError> {
        let rows = sqlx::query_as!(
            TaskRow,
            "SELECT id, title, description, order_id, order_number, assigned_user, assigned_department, due_on, due_at, state,
                 made_by, rule, closed_by, closed_at, comment, version, created_at, updated_at
             FROM tasks WHERE assigned_user = $1 AND state = 'OPEN' AND id > $2 ORDER BY id LIMIT $3 FOR UPDATE",
            user,
            after,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("read the tasks of a user", error))?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// Gives tasks that this edit has locked to a user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_tasks(&mut self, tasks: &[Uuid], user: &str, now: DateTime<Utc>) -> Result<u64, StoreError> {
        sqlx::query!(
            "UPDATE tasks SET assigned_user = $2, version = version + 1, updated_at = $3 WHERE id = ANY ($1)",
            tasks,
            user,
            now
        )
        .execute(&mut *self.transaction)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| StoreError::new("give tasks to a user", error))
    }
}

fn list_statement(filter: &TaskFilter, after: Option<&TaskPosition>, limit: i64) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(COLUMNS);
    let only_open = filter.states == [TaskState::Open] || filter.due_by.is_some();
    if only_open {
        // Written out: the planner has to see that an index of open tasks serves.
        query.push(" AND state = 'OPEN'");
    } else if !filter.states.is_empty() {
        let states: Vec<_> = filter.states.iter().map(|state| state.as_str().to_owned()).collect();
        query.push(" AND state = ANY(").push_bind(states).push(")");
    }
    if let Some(now) = filter.due_by {
        query.push(" AND due_sort <= ").push_bind(now);
    }
    if let Some(user) = &filter.user {
        query.push(" AND (assigned_user = ").push_bind(user.clone());
        if !filter.or_departments.is_empty() {
            query
                .push(" OR (assigned_user IS NULL AND assigned_department = ANY(")
                .push_bind(filter.or_departments.clone())
                .push("))");
        }
        query.push(")");
    }
    if let Some(department) = &filter.department {
        query.push(" AND assigned_department = ").push_bind(department.clone());
    }
    if let Some(order) = filter.order {
        query.push(" AND order_id = ").push_bind(order);
    }
    if let Some((at, id)) = after {
        query
            .push(" AND (due_sort, id) > (COALESCE(")
            .push_bind(*at)
            .push("::timestamptz, 'infinity'), ")
            .push_bind(*id)
            .push(")");
    }
    query.push(" ORDER BY due_sort, id LIMIT ").push_bind(limit);
    query
}
