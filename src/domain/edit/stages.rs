//! Edits of the list of stages.

use super::{Change, Edited, check_etag, types::check_colour};
use crate::domain::{
    catalogue::{Catalogue, Stage},
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// Stages of one plant.
pub const STAGES_MAX: usize = 200;

/// The list of stages as it shall be.
#[derive(Debug, Clone, Default)]
pub struct StagesEdit {
    /// In the order of the board.
    pub stages: Vec<Stage>,
    /// Version of the list the caller decided on.
    pub etag: Option<String>,
}

impl StagesEdit {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        if self.stages.len() > STAGES_MAX {
            v.add("stages", format!("has {}; at most {STAGES_MAX} are allowed", self.stages.len()));
        }
        for (index, stage) in self.stages.iter().enumerate().take(STAGES_MAX) {
            v.within(&format!("stages[{index}]."), |v| {
                v.slug("id", &stage.id);
                v.line("name", &stage.name, 1, 100);
                check_colour(&stage.colour, v);
                if self.stages[..index].iter().any(|before| before.id == stage.id) {
                    v.add("id", "is there twice");
                }
            });
        }
    }

    /// The list after the change. Stages that statuses name and that are gone are warned of.
    ///
    /// # Errors
    /// `EtagMismatch`.
    pub fn update(&self, catalogue: &Catalogue) -> Result<Edited, Refusal> {
        check_etag(Kind::Stage, self.etag.as_deref(), catalogue.stages_version)?;
        let change = Change::Stages(self.stages.clone(), catalogue.stages_version + 1);
        let gone = catalogue.stages.iter().filter(|stage| !self.stages.iter().any(|it| it.id == stage.id));
        let statuses = || catalogue.types.values().flat_map(|order_type| &order_type.statuses);
        let warnings = gone
            .filter_map(|stage| {
                let count = statuses().filter(|status| status.stage == stage.id).count();
                let who = if count == 1 { "1 status names".to_owned() } else { format!("{count} statuses name") };
                (count > 0).then(|| format!("{who} the stage '{}', which is not listed any more", stage.id))
            })
            .collect();
        Ok(Edited { warnings, ..Edited::row(change) })
    }
}
