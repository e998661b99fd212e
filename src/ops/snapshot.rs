//! The catalogue as last seen: a value that every decision compares with the database's version.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{
    domain::catalogue::Catalogue,
    store::{Store, StoreError},
};

/// Holds the newest catalogue that was read. It is only used together with the version that the facts came with.
#[derive(Debug, Default)]
pub struct Snapshot {
    held: RwLock<Arc<Catalogue>>,
}

impl Snapshot {
    /// As last seen, whatever its version.
    #[must_use]
    pub fn held(&self) -> Arc<Catalogue> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The catalogue of at least this version: as held, or read now.
    ///
    /// # Errors
    /// When it has to be read and cannot.
    pub async fn at(&self, version: i64, store: &Store) -> Result<Arc<Catalogue>, StoreError> {
        let held = self.held();
        if held.version == version { Ok(held) } else { self.read(store).await }
    }

    /// The catalogue as the database has it now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(&self, store: &Store) -> Result<Arc<Catalogue>, StoreError> {
        let read = Arc::new(store.load_catalogue().await?);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if read.version > held.version {
            *held = Arc::clone(&read);
        }
        Ok(read)
    }
}
