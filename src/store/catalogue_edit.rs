//! Edits of the catalogue, one at a time: each holds the row of the catalogue's version from its first statement to its commit.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::{
    Store, StoreError,
    catalogue::read,
    facts::{order, order_rows},
    requests::StoredRequest,
    write::{Writes, write},
};
use crate::domain::{catalogue::Catalogue, order::Order};

/// An edit on its way. Dropped without `commit`, it changes nothing.
#[derive(Debug)]
pub struct CatalogueEdit {
    pub(super) transaction: Transaction<'static, Postgres>,
    preview: bool,
    /// Version of the catalogue that the edit starts from.
    pub version: i64,
    /// The database's clock, once no other edit is under way.
    pub database_now: DateTime<Utc>,
}

impl Store {
    /// Begins an edit: waits for the one before it, and for the changes of orders that are under way. A preview waits for
    /// nobody and holds up nobody: it sees the database as it stands, and can write nothing. Must not run in a future that may be
    /// dropped.
    ///
    /// # Errors
    /// When the database fails, or what is waited for takes too long.
    pub async fn edit_catalogue(&self, preview: bool) -> Result<CatalogueEdit, StoreError> {
        let error = |error| StoreError::new("begin an edit of the catalogue", error);
        let mut transaction = self.begin("begin an edit of the catalogue").await?;
        if preview {
            sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .execute(&mut *transaction)
                .await
                .map_err(error)?;
            let row = sqlx::query!(r#"SELECT version, clock_timestamp() AS "database_now!" FROM catalogue_version"#)
                .fetch_one(&mut *transaction)
                .await
                .map_err(error)?;
            return Ok(CatalogueEdit { transaction, preview, version: row.version, database_now: row.database_now });
        }
        sqlx::query!("SELECT own_catalogue()").fetch_one(&mut *transaction).await.map_err(error)?;
        let row = sqlx::query!(
            r#"UPDATE catalogue_version SET version = version + 1
            RETURNING version - 1 AS "version!", clock_timestamp() AS "database_now!""#
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(error)?;
        Ok(CatalogueEdit { transaction, preview, version: row.version, database_now: row.database_now })
    }
}

/// Which orders of a type an edit touches.
#[derive(Debug)]
pub struct Among {
    /// Only orders in one of these statuses are looked at.
    pub looked_at: Vec<String>,
    /// Those in one of these statuses, and open ones that will come back to one of them.
    pub touched: Vec<String>,
    /// All that are open.
    pub all_open: bool,
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

    /// Counts the open orders that a user has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_orders_of(&mut self, user: &str) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM orders WHERE assigned_user = $1 AND closed_at IS NULL"#,
            user
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("count the orders of a user", error))
    }

    /// The orders of a type that an edit of its cycle touches, by id, at most `limit`; locked unless it is a preview.
    ///
    /// # Errors
    /// When the database fails, or an order is locked for too long.
    pub async fn orders_of_type(
        &mut self,
        order_type: &str,
        among: &Among,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError> {
        macro_rules! rows {
            ($lock:literal) => {
                order_rows!(
                    "1::bigint",
                    "false",
                    "FROM orders o CROSS JOIN catalogue_version c
                     WHERE o.order_type = $1 AND o.status = ANY ($2) AND (o.status = ANY ($3) OR (o.closed_at IS NULL
                        AND ($4 OR o.cycle_status = ANY ($3) OR o.interrupted_status = ANY ($3))))
                     ORDER BY o.id
                     LIMIT $5 " + $lock,
                    order_type,
                    &among.looked_at,
                    &among.touched,
                    among.all_open,
                    limit
                )
                .fetch_all(&mut *self.transaction)
                .await
            };
        }
        let rows = if self.preview { rows!("") } else { rows!("FOR UPDATE OF o") };
        let rows = rows.map_err(|error| StoreError::new("read the orders of a type", error))?;
        rows.into_iter().map(order).collect()
    }

    /// The open orders of a user, by id, at most `limit`; locked unless it is a preview.
    ///
    /// # Errors
    /// When the database fails, or an order is locked for too long.
    pub async fn orders_of_user(&mut self, user: &str, limit: i64) -> Result<Vec<Order>, StoreError> {
        macro_rules! rows {
            ($lock:literal) => {
                order_rows!(
                    "1::bigint",
                    "false",
                    "FROM orders o CROSS JOIN catalogue_version c
                     WHERE o.assigned_user = $1 AND o.closed_at IS NULL
                     ORDER BY o.id
                     LIMIT $2 "
                        + $lock,
                    user,
                    limit
                )
                .fetch_all(&mut *self.transaction)
                .await
            };
        }
        let rows = if self.preview { rows!("") } else { rows!("FOR UPDATE OF o") };
        let rows = rows.map_err(|error| StoreError::new("read the orders of a user", error))?;
        rows.into_iter().map(order).collect()
    }

    /// Writes what an edit decided for orders that it has locked.
    ///
    /// # Errors
    /// `Constraint` when the database refuses it.
    pub async fn write_orders(&mut self, writes: &Writes<'_>) -> Result<(), StoreError> {
        let version = self.version + 1;
        write(&mut self.transaction, writes, version).await
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
}
