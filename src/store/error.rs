//! What can go wrong with the database, sorted by what a caller can do about it.

/// The kinds of fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreFault {
    /// It cannot be reached, is shutting down, or took too long: try again.
    Unavailable,
    /// The facts changed between reading and writing: decide again.
    FactsChanged,
    /// A named constraint refused the write.
    Constraint(String),
    /// A row holds what andon never writes.
    ImpossibleRow {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// Id of the row.
        id: String,
    },
    /// Anything else: a bug.
    Other,
}

/// A failed operation of the store.
#[derive(Debug, thiserror::Error)]
#[error("the database could not {operation}: {detail}")]
pub struct StoreError {
    /// What was tried.
    pub operation: &'static str,
    /// Sorted.
    pub fault: StoreFault,
    /// For the log.
    pub detail: String,
}

impl StoreError {
    /// Sorts an error of the driver.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
    pub fn new(operation: &'static str, error: sqlx::Error) -> Self {
        let fault = match &error {
            sqlx::Error::Database(database) => match (database.code().as_deref(), database.constraint()) {
                (Some("AN001" | "40001" | "40P01"), _) => StoreFault::FactsChanged,
                // Shutdown and start, too many connections, cancelled by timeout, lock not to be had, read-only server.
                (Some("57P01" | "57P02" | "57P03" | "53300" | "57014" | "55P03" | "25006" | "25P03"), _) => {
                    StoreFault::Unavailable
                }
                // Connection lost; disk, memory or connections used up.
                (Some(code), _) if code.starts_with("08") || code.starts_with("53") => StoreFault::Unavailable,
                (_, Some(constraint)) => StoreFault::Constraint(constraint.to_owned()),
                _ => StoreFault::Other,
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => StoreFault::Unavailable,
            _ => StoreFault::Other,
        };
        Self { operation, fault, detail: error.to_string() }
    }

    /// A row that andon never writes.
    #[must_use]
    pub fn impossible(table: &'static str, column: &'static str, id: impl Into<String>) -> Self {
        let id = id.into();
        let detail = format!("{table}.{column} of row {id} holds what is never written");
        Self { operation: "read a row", fault: StoreFault::ImpossibleRow { table, column, id }, detail }
    }
}
