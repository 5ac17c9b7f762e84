//! What the roles of compound agents are told: one template of `formulas/` each.

use serde::Serialize;

use crate::prompt::RenderError;
use crate::template;

/// A role's template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolePrompt {
    /// Strategy `patch-first`.
    Worker,
    /// Strategy `pipeline`: makes the patch.
    Coder,
    /// Strategy `pipeline`: reviews it.
    Fixer,
    /// Strategy `consensus`: metadata and the proposal.
    Proposer,
    /// Strategy `consensus`: a critique.
    Critic,
    /// Strategy `consensus`: the patch.
    Synthesizer,
    /// Strategy `consensus`: a vote.
    Voter,
}

macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../formulas/", $name)))
    };
}

impl RolePrompt {
    /// Renders the template with `facts`.
    ///
    /// # Errors
    /// When the template is at fault, for example names what is not among the facts.
    pub fn render(self, facts: impl Serialize) -> Result<String, RenderError> {
        let (name, source) = match self {
            RolePrompt::Worker => template!("patch-first-worker.md.j2"),
            RolePrompt::Coder => template!("pipeline-coder.md.j2"),
            RolePrompt::Fixer => template!("pipeline-fixer.md.j2"),
            RolePrompt::Proposer => template!("consensus-proposer.md.j2"),
            RolePrompt::Critic => template!("consensus-critic.md.j2"),
            RolePrompt::Synthesizer => template!("consensus-synthesizer.md.j2"),
            RolePrompt::Voter => template!("consensus-voter.md.j2"),
        };
        template::render(name, source, facts).map_err(|cause| RenderError { name, cause })
    }
}
