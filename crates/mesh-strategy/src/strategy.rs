//! The strategies, their roles and settings.

use std::fmt;
use std::str::FromStr;

use mesh_plan::details::ConsensusLayer;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::step::Role;

/// How several agents work one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// One agent returns a patch; at the soft limit a second one joins the race.
    PatchFirst,
    /// A coder makes a patch, a fixer reviews it, mesh integrates it.
    Pipeline,
    /// A proposal, critiques, a synthesis, and a vote on it.
    Consensus,
}

/// Not the name of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no strategy; there are patch-first, pipeline and consensus")]
pub struct UnknownStrategy(pub String);

impl Strategy {
    /// All of them.
    pub const ALL: [Strategy; 3] = [
        Strategy::PatchFirst,
        Strategy::Pipeline,
        Strategy::Consensus,
    ];

    /// Its name in the configuration and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::PatchFirst => "patch-first",
            Strategy::Pipeline => "pipeline",
            Strategy::Consensus => "consensus",
        }
    }

    /// Its roles, each of which may have an agent of its own.
    #[must_use]
    pub fn roles(self) -> &'static [Role] {
        match self {
            Strategy::PatchFirst => &[Role::Worker],
            Strategy::Pipeline => &[Role::Coder, Role::Fixer],
            Strategy::Consensus => &[
                Role::Proposer,
                Role::CriticA,
                Role::CriticB,
                Role::Skeptic,
                Role::Synthesizer,
            ],
        }
    }

    /// How many agents it runs at once at most: a run works as many tasks as its concurrency has room for, at least one.
    #[must_use]
    pub fn agents_at_once(self, settings: &Settings) -> usize {
        match self {
            Strategy::PatchFirst if settings.race => 2,
            Strategy::PatchFirst | Strategy::Pipeline => 1,
            Strategy::Consensus => settings.consensus.form.roles(),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Strategy, UnknownStrategy> {
        Strategy::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == name)
            .ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}

/// The settings of all strategies; each reads its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `patch-first`: a second agent is started at the soft limit.
    pub race: bool,
    /// `pipeline`: what the accepted patch becomes.
    pub delivery: Delivery,
    /// `consensus`.
    pub consensus: Consensus,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            race: true,
            delivery: Delivery::default(),
            consensus: Consensus::default(),
        }
    }
}

/// What the accepted patch of `pipeline` becomes. It is applied and committed either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The commit is the product.
    #[default]
    CommitFirst,
    /// The patch is the product, and kept as a file of its own.
    PatchFirst,
}

/// How consensus is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Consensus {
    /// Who takes part.
    pub form: Form,
    /// Votes needed.
    pub threshold: usize,
    /// Cycles of critique, synthesis and vote after the first.
    pub retries: u32,
}

impl Default for Consensus {
    fn default() -> Consensus {
        Consensus {
            form: Form::Five,
            threshold: 4,
            retries: 2,
        }
    }
}

/// Who takes part in `consensus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// All five roles.
    #[default]
    Five,
    /// Proposer, skeptic and synthesizer, where there is no room for five.
    Three,
}

impl Form {
    /// How many roles take part; all of them vote at once.
    #[must_use]
    pub fn roles(self) -> usize {
        match self {
            Form::Five => 5,
            Form::Three => 3,
        }
    }
}

impl Consensus {
    /// These settings with what a task says of its own. It cannot have more roles than the run has room for, nor need more votes than
    /// it has roles.
    #[must_use]
    pub fn of_task(self, own: &ConsensusLayer) -> Consensus {
        let form = match own.roles {
            Some(3) => Form::Three,
            _ => self.form,
        };
        let threshold = match own.consensus_threshold {
            Some(votes) => usize::try_from(votes).unwrap_or(usize::MAX),
            None => self.threshold,
        };
        Consensus {
            form,
            threshold: threshold.clamp(1, form.roles()),
            retries: own
                .consensus_retries
                .unwrap_or(self.retries)
                .min(MAX_RETRIES),
        }
    }

    /// Puts layers together, the first of which that says something counts. Where none names the roles, there are five if
    /// `concurrency` has room for them. The threshold is that of the form (4 of 5, 3 of 3) unless a layer names one.
    ///
    /// # Errors
    /// All that is wrong, each in one line.
    pub fn from_layers(
        layers: &[ConsensusLayer],
        concurrency: usize,
    ) -> Result<Consensus, Vec<String>> {
        let first = |of: fn(&ConsensusLayer) -> Option<u32>| layers.iter().find_map(of);
        let mut problems = Vec::new();
        let form = match first(|layer| layer.roles) {
            Some(5) => Form::Five,
            Some(3) => Form::Three,
            None if concurrency < Form::Five.roles() => Form::Three,
            None => Form::Five,
            Some(other) => {
                problems.push(format!(
                    "`roles` is 5 (all) or 3 (proposer, skeptic and synthesizer), not {other}"
                ));
                Form::Five
            }
        };
        let threshold = match first(|layer| layer.consensus_threshold) {
            None => match form {
                Form::Five => 4,
                Form::Three => 3,
            },
            Some(votes) => {
                let votes = usize::try_from(votes).unwrap_or(usize::MAX);
                if !(1..=form.roles()).contains(&votes) {
                    problems.push(format!(
                        "`consensus_threshold` is a number of votes from 1 to {}, not {votes}",
                        form.roles()
                    ));
                }
                votes
            }
        };
        let retries = first(|layer| layer.consensus_retries).unwrap_or(2);
        if retries > MAX_RETRIES {
            problems.push(format!(
                "`consensus_retries` is at most {MAX_RETRIES}, not {retries}: each costs up to nine answers"
            ));
        }
        if problems.is_empty() {
            Ok(Consensus {
                form,
                threshold,
                retries,
            })
        } else {
            Err(problems)
        }
    }
}

/// The most cycles after the first that may be configured.
const MAX_RETRIES: u32 = 9;
