//! Steps of a plan to units, and units to a wave: what `slice` and `wave` do, for those who start their agents themselves.
//!
//! A plan is what the agents' plan tool has, or a file with the same entries; a unit is a row of a wave CSV. Nothing is left out
//! without a reason.

mod document;
mod slice;
mod wave;

pub use slice::{PlanSummary, Slice, slice, summary};
pub use wave::{Wave, wave};

use serde::Serialize;

/// One row of a wave CSV to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// Its name.
    pub id: String,
    /// What is to be done.
    pub objective: String,
    /// The paths that it changes, or `unknown`.
    pub unit_scope: String,
    /// What must be kept to.
    pub constraints: String,
    /// What must hold all the time.
    pub invariants: String,
    /// The command whose exit code 0 proves it.
    pub proof_command: String,
    /// `commit_first` or `patch_first`.
    pub delivery_mode: String,
    /// The number of the try.
    pub attempt: String,
    /// A word of the caller's.
    pub variant: String,
    /// A word of the caller's.
    pub budget_tier: String,
    /// Units that have to be done before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

impl Unit {
    /// The cells of its row, in the order of [`crate::csv::REQUIRED`].
    fn row(&self) -> Vec<String> {
        let cells = [
            &self.id,
            &self.objective,
            &self.unit_scope,
            &self.constraints,
            &self.invariants,
            &self.proof_command,
            &self.delivery_mode,
            &self.attempt,
            &self.variant,
            &self.budget_tier,
        ];
        cells.into_iter().cloned().collect()
    }
}

/// What is in no unit or in no wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The unit's id, or the step's words where it has none.
    pub id: String,
    /// Why, as a fragment.
    pub reason: String,
}

/// Units that lack something that their author can give.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lacking {
    /// Those that name no path: nothing is known that would keep them apart.
    pub without_scope: Vec<String>,
    /// Those that nothing proves.
    pub without_proof: Vec<String>,
}

impl Lacking {
    fn of<'a>(units: impl Iterator<Item = &'a Unit> + Clone) -> Lacking {
        let ids = |lacks: fn(&Unit) -> bool| {
            let lacking = units.clone().filter(|unit| lacks(unit));
            lacking.map(|unit| unit.id.clone()).collect()
        };
        Lacking {
            without_scope: ids(|unit| crate::csv::scope(&unit.unit_scope).is_empty()),
            without_proof: ids(|unit| unit.proof_command.trim().is_empty()),
        }
    }
}

#[cfg(test)]
#[path = "units_test.rs"]
mod tests;
