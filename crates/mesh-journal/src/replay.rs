//! Records back into a state. What was decided is applied, not decided again, so a newer mesh resumes an older run.

use mesh_core::apply;
use mesh_core::decision::Action;
use mesh_core::event::Event;
use mesh_core::state::State;
use thiserror::Error;

use crate::wire::Record;

/// Records that are no run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// There is no record: the run ended before it began.
    #[error("the journal has no record: the run ended before it began; start a new one")]
    Empty,
    /// The plan does not stand where it must: first, and only there.
    #[error("record {number} is {found} the beginning of the run; the journal is damaged")]
    Misplaced {
        /// Its number.
        number: u64,
        /// `not`, or `again`.
        found: &'static str,
    },
}

/// Folds records into the state that the run was in after the last one.
///
/// # Errors
/// When they do not begin with [`Event::RunStarted`], or are out of order.
pub fn replay(records: &[Record]) -> Result<State, ReplayError> {
    replay_with(records, |_, _, _| {})
}

/// As [`replay`], and shows each record with the state after it and the actions that it asked for. Which of them were carried
/// out only the outside knows.
///
/// # Errors
/// Those of [`replay`].
pub fn replay_with(
    records: &[Record],
    mut seen: impl FnMut(&Record, &State, Vec<Action>),
) -> Result<State, ReplayError> {
    check_order(records)?;
    let mut state = State::new();
    for record in records {
        let actions = apply(&mut state, record.at, &record.event, &record.decisions);
        seen(record, &state, actions);
    }
    Ok(state)
}

fn check_order(records: &[Record]) -> Result<(), ReplayError> {
    if records.is_empty() {
        return Err(ReplayError::Empty);
    }
    for (at, record) in records.iter().enumerate() {
        match (at, &record.event) {
            (0, Event::RunStarted { .. }) => {}
            (0, _) => {
                return Err(ReplayError::Misplaced {
                    number: record.number,
                    found: "not",
                });
            }
            (_, Event::RunStarted { .. }) => {
                return Err(ReplayError::Misplaced {
                    number: record.number,
                    found: "again",
                });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "replay_test.rs"]
mod tests;
