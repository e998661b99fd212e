//! Edits of how the company plans due dates.

use super::{Change, Edited, check_etag};
use crate::domain::{
    catalogue::Catalogue,
    order::DueCause,
    plan::Method,
    refusal::{Kind, Refusal},
};

/// Another schedule method for all that have none of their own.
#[derive(Debug, Clone, Default)]
pub struct ScheduleEdit {
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// The method.
    pub method: Method,
}

impl ScheduleEdit {
    /// The change, and the open orders that are planned anew by it: those of types without a method of their own.
    ///
    /// # Errors
    /// `EtagMismatch`.
    pub fn update(&self, catalogue: &Catalogue) -> Result<Edited, Refusal> {
        check_etag(Kind::Schedule, self.etag.as_deref(), catalogue.schedule_version)?;
        let change = Change::ScheduleMethod(self.method, catalogue.schedule_version + 1);
        let without = catalogue.types.values().filter(|it| it.schedule_method.is_none());
        let same = catalogue.schedule_method == self.method;
        let types = without.filter(|_| !same).map(|it| it.id.clone()).collect();
        let reason = format!("the company plans {} now", self.method.as_str());
        Ok(Edited::row(change).planned_anew(DueCause::Method, "company", reason, types))
    }
}
