//! Which command proves a task, and who named it.
//!
//! The task's own comes first, then the configuration's, then the agent's. What a person wrote is taken as it is. What only the
//! agent wrote is looked at ([`proves_nothing`]): a command that succeeds whatever the work is like proves nothing and is refused.

mod trivial;

pub use trivial::proves_nothing;

use crate::block;
use mesh_core::evidence::ProofChoice;

/// Who names what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProofSources {
    /// The task's own, from its source.
    pub task: Option<String>,
    /// `verify` of the configuration.
    pub config: Option<String>,
    /// `Verify:` of the agent's final block.
    pub agent: Option<String>,
    /// The task itself says that it needs none.
    pub waived: bool,
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
    let agent = sources.agent.as_deref().map(str::trim);
    match agent.filter(|text| names_a_command(text)) {
        Some(command) if !proves_nothing(command) => ProofChoice::SelfChecked(command.to_owned()),
        _ if sources.waived => ProofChoice::Waived,
        Some(command) => ProofChoice::Refused(command.to_owned()),
        None => ProofChoice::Nothing,
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
