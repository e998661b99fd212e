//! What is wrong with an edit: of all that is found, the first in the documented order is told.

use std::cmp::Reverse;

use super::Named;
use crate::domain::{catalogue::Catalogue, refusal::Refusal};

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Refusal>);

impl Faults {
    /// Takes up what a check found.
    pub fn add(&mut self, found: Result<(), Refusal>) {
        self.0.extend(found.err());
    }

    /// Takes up what is missing, or cannot be chosen, of what an edit newly names.
    pub fn add_named(&mut self, named: &[Named<'_>], catalogue: &Catalogue) {
        for named in named {
            self.add(named.check(catalogue));
        }
    }

    /// The first in the documented order, and of equals the first that was found; of wrong fields all.
    ///
    /// # Errors
    /// What was found.
    pub fn told(self) -> Result<(), Refusal> {
        let first = self.0.iter().max_by_key(|refusal| Reverse(rank(refusal))).map(rank);
        let mut told = self.0.into_iter().filter(|refusal| Some(rank(refusal)) == first);
        match told.next() {
            None => Ok(()),
            Some(Refusal::Invalid(mut violations)) => {
                for other in told {
                    if let Refusal::Invalid(more) = other {
                        violations.extend(more);
                    }
                }
                Err(Refusal::Invalid(violations))
            }
            Some(refusal) => Err(refusal),
        }
    }
}

/// Place in the order that the services document.
fn rank(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Invalid(_) => 0,
        Refusal::NotFound { .. } => 1,
        Refusal::AlreadyExists { .. } => 2,
        Refusal::EtagMismatch { .. } => 3,
        Refusal::Inactive { .. } => 4,
        Refusal::CycleBroken(_) => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{refusal::Kind, violation::Violation};

    #[test]
    fn the_first_of_the_documented_order_is_told_and_all_wrong_fields_together() {
        let missing = |id: &str| Refusal::NotFound { kind: Kind::Status, id: id.into() };
        let wrong = |field: &str| Refusal::Invalid(vec![Violation { field: field.into(), description: "-".into() }]);
        let told = |found: Vec<Refusal>| {
            let mut faults = Faults::default();
            for refusal in found {
                faults.add(Err(refusal));
            }
            faults.told()
        };
        assert_eq!(told(vec![]), Ok(()));
        let broken = Refusal::CycleBroken("-".into());
        assert_eq!(told(vec![broken.clone(), missing("a"), missing("b")]), Err(missing("a")));
        let both = told(vec![broken, wrong("a"), missing("b"), wrong("c")]);
        assert!(matches!(both, Err(Refusal::Invalid(found)) if found.iter().map(|it| &it.field).eq(["a", "c"])));
    }
}
