//! The moves that a type allows: which statuses an order may go to, and who may move it there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    catalogue::{OrderType, Status},
    edit::ROLES,
    refusal::Refusal,
    violation::Violations,
};

/// Moves that one type lists.
pub const MOVES_MAX: usize = 2_000;

/// A move that a type allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AllowedMove {
    /// Id of the status it leaves; `None` = any.
    pub from: Option<String>,
    /// Id of the status it goes to.
    pub to: String,
    /// Roles by name, one of which the user needs; none = anybody.
    pub roles: Vec<String>,
}

impl OrderType {
    /// The active statuses that an order may go to from a status, in their order. `roles` are those of the user on whose behalf
    /// the move is made; `None` = nobody's.
    #[must_use]
    pub fn targets(&self, from: &str, roles: Option<&[String]>) -> Vec<&Status> {
        let allowed = |status: &&Status| !status.inactive && status.id != from && self.allows(from, &status.id, roles);
        self.statuses.iter().filter(allowed).collect()
    }

    /// Whether the list of moves lets an order go from one status to another.
    #[must_use]
    pub fn allows(&self, from: &str, to: &str, roles: Option<&[String]>) -> bool {
        let by = |allowed: &AllowedMove| {
            allowed.roles.is_empty() || roles.is_none_or(|roles| roles.iter().any(|role| allowed.roles.contains(role)))
        };
        self.moves.is_empty() || self.listed(from, to).any(by)
    }

    /// The roles of which a user needs one for a move; none when nobody may make it.
    #[must_use]
    pub fn roles_for(&self, from: &str, to: &str) -> Vec<String> {
        let mut roles: Vec<String> = self.listed(from, to).flat_map(|allowed| allowed.roles.clone()).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    fn listed(&self, from: &str, to: &str) -> impl Iterator<Item = &AllowedMove> {
        let fits =
            move |allowed: &&AllowedMove| allowed.to == to && allowed.from.as_deref().is_none_or(|it| it == from);
        self.moves.iter().filter(fits)
    }
}

/// Takes out the moves from and to statuses that are gone.
///
/// # Errors
/// `CycleBroken` when none would be left, which would mean that all are allowed.
pub fn forget_moves(order_type: &mut OrderType) -> Result<(), Refusal> {
    let had = !order_type.moves.is_empty();
    let statuses = &order_type.statuses;
    let known = |id: &str| statuses.iter().any(|status| status.id == id);
    order_type.moves.retain(|it| known(&it.to) && it.from.as_deref().is_none_or(known));
    if had && order_type.moves.is_empty() {
        return Err(Refusal::CycleBroken(
            "no allowed move would be left, which would allow all of them; change the list of moves first".into(),
        ));
    }
    Ok(())
}

/// Finds what is wrong with a list of moves.
pub fn check_moves(moves: &[AllowedMove], v: &mut Violations) {
    if moves.len() > MOVES_MAX {
        v.add("moves", format!("has {}; at most {MOVES_MAX} are allowed", moves.len()));
    }
    let mut seen = BTreeSet::new();
    for (index, it) in moves.iter().enumerate().take(MOVES_MAX) {
        v.within(&format!("moves[{index}]."), |v| {
            if let Some(from) = &it.from {
                v.slug("from", from);
            }
            v.slug("to", &it.to);
            if it.from.as_ref() == Some(&it.to) {
                v.add("to", "is the status that the move leaves");
            }
            if !seen.insert((&it.from, &it.to)) {
                v.add("to", "the move is there twice");
            }
            for (place, role) in it.roles.iter().enumerate() {
                let field = format!("roles[{place}]");
                if !ROLES.contains(&role.as_str()) {
                    v.add(&field, "is not a known role");
                } else if it.roles[..place].contains(role) {
                    v.add(&field, "is there twice");
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_once_in_a_move() {
        let roles = ["MANAGER", "MANAGER", "KING"].map(String::from).to_vec();
        let mut v = Violations::new();
        check_moves(&[AllowedMove { from: None, to: "milling".into(), roles }], &mut v);
        let fields: Vec<_> = v.into_found().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["moves[0].roles[1]", "moves[0].roles[2]"]);
    }
}
