//! Which command proves a task, and who named it.
//!
//! The task's own comes first, then the configuration's, then the agent's. What a person wrote is taken as it is. What only the
//! agent wrote is looked at ([`trivial`]): a command that succeeds whatever the work is like proves nothing and is refused.

mod trivial;

pub use trivial::proves_nothing;

use crate::block;
use mesh_core::findings::ProofChoice;

/// Who names what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProofSources {
    /// The task's own; see [`of_task`].
    pub task: Option<String>,
    /// `verify` of the configuration.
    pub config: Option<String>,
    /// `Verify:` of the agent's final block.
    pub agent: Option<String>,
}

/// Chooses among what was named. An empty command, a comment alone and `none` count as nothing named.
#[must_use]
pub fn choose(sources: &ProofSources) -> ProofChoice {
    let named = [&sources.task, &sources.config].into_iter().flatten();
    if let Some(command) = named
        .map(|text| text.trim())
        .find(|text| names_a_command(text))
    {
        return ProofChoice::Named(command.to_owned());
    }
    match sources.agent.as_deref().map(str::trim) {
        Some(command) if names_a_command(command) => {
            if proves_nothing(command) {
                ProofChoice::Refused(command.to_owned())
            } else {
                ProofChoice::SelfChecked(command.to_owned())
            }
        }
        _ => ProofChoice::Nothing,
    }
}

/// The task's own proof: its metadata's, else the `Verify:` lines of its acceptance criteria, else those of its description.
#[must_use]
pub fn of_task(
    metadata: Option<&str>,
    acceptance: Option<&str>,
    description: Option<&str>,
) -> Option<String> {
    let own = metadata
        .map(str::trim)
        .filter(|text| names_a_command(text))
        .map(str::to_owned);
    own.or_else(|| acceptance.and_then(verify_lines))
        .or_else(|| description.and_then(verify_lines))
}

/// The command of the `Verify:` lines of a text, without comments and marks. Of several lines all must pass, each in a shell of its
/// own so that one that changes folder does not move the next.
#[must_use]
pub fn verify_lines(text: &str) -> Option<String> {
    let found = text
        .lines()
        .filter_map(block::label_and_value)
        .filter(|(label, _)| *label == "Verify");
    let commands: Vec<String> = found
        .filter_map(|(_, value)| block::command_of(value))
        .collect();
    match commands.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(
            many.iter()
                .map(|one| format!("( {one} )"))
                .collect::<Vec<_>>()
                .join(" && "),
        ),
    }
}

fn names_a_command(text: &str) -> bool {
    let text = text.trim();
    let is_comment = text
        .lines()
        .all(|line| block::strip_comment(line).trim().is_empty());
    !is_comment && !block::is_none(text)
}

#[cfg(test)]
#[path = "proof_test.rs"]
mod tests;
