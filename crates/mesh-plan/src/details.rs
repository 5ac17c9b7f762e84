//! The details of a task: everything about it that is not scheduling. Plain data and small pure readings of it.

use std::collections::BTreeSet;

use mesh_core::id::TaskId;
use serde::{Deserialize, Serialize};

/// The agents that a task names, with commas between them; each once.
pub(crate) fn agent_names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Where a task's own proof was found. The agent's own proposal and the configuration come after all of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProofFrom {
    /// The tracker's metadata key `mesh.verify`.
    Metadata,
    /// A `Verify:` line of the acceptance criteria.
    Acceptance,
    /// A `Verify:` line of the description.
    Description,
    /// `validation` of a plan file's `mesh` block.
    PlanValidation,
    /// `proof_command` of a row of a wave CSV.
    ProofCommand,
    /// The task names none.
    None,
}

impl ProofFrom {
    /// Where, for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ProofFrom::Metadata => "the task's metadata `mesh.verify`",
            ProofFrom::Acceptance => "a `Verify:` line of the acceptance criteria",
            ProofFrom::Description => "a `Verify:` line of the description",
            ProofFrom::PlanValidation => "`validation` in the plan",
            ProofFrom::ProofCommand => "`proof_command` of the row",
            ProofFrom::None => "nothing",
        }
    }
}

/// What one layer (a task, the configuration) says about the strategy `consensus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsensusLayer {
    /// 5 or 3 roles.
    pub roles: Option<u32>,
    /// Votes needed.
    pub consensus_threshold: Option<u32>,
    /// Cycles after the first.
    pub consensus_retries: Option<u32>,
}

/// Everything about a task that is not scheduling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDetails {
    /// The task.
    pub id: TaskId,
    /// One line.
    pub title: String,
    /// What is to be done.
    pub description: String,
    /// How one sees that it is done.
    pub acceptance: String,
    /// How it is to be built, if the source has it.
    pub design: String,
    /// Free notes.
    pub notes: String,
    /// 0 is the most urgent.
    pub priority: i32,
    /// Labels, in the source's order.
    pub labels: Vec<String>,
    /// The task's own proof commands, to be run in order; see [`TaskDetails::proof_command`].
    pub proof: Vec<String>,
    /// Where `proof` was found.
    pub proof_from: ProofFrom,
    /// Paths or globs the task is meant to change; information for the agent.
    pub scope: Vec<String>,
    /// A result without any proof is accepted.
    pub allow_no_validation: bool,
    /// What it says about the strategy `consensus`.
    pub consensus: ConsensusLayer,
    /// [`fingerprint`] of title, description, acceptance, design and proof, so that a later run can see whether they changed.
    pub text_fingerprint: String,
    /// The source's word for where the task stands.
    pub status: String,
    /// Who has it, if somebody has.
    pub assignee: Option<String>,
    /// What it is a child of; empty for sources without epics.
    pub parents: BTreeSet<TaskId>,
    /// False for a closed blocker from outside the plan: nothing to be done, but dependents must stand on its work.
    pub member: bool,
}

impl TaskDetails {
    /// The proof as one shell command that succeeds only if every command does, in order; `None` when there is none.
    #[must_use]
    pub fn proof_command(&self) -> Option<String> {
        join_commands(&self.proof)
    }

    /// Computes [`TaskDetails::text_fingerprint`] from the texts.
    #[must_use]
    pub fn compute_fingerprint(&self) -> String {
        let proof = self.proof_command();
        let texts = [
            &self.title,
            &self.description,
            &self.acceptance,
            &self.design,
        ];
        // A task without a proof keeps the name that earlier versions gave it.
        let texts: Vec<&str> = texts
            .into_iter()
            .chain(&proof)
            .map(String::as_str)
            .collect();
        fingerprint(&texts)
    }
}

/// Joins commands with `&&`. One that could change the meaning of its neighbours (a comment, `;`, `|`, `&`, several lines) is
/// put in braces on lines of its own.
#[must_use]
pub fn join_commands(commands: &[String]) -> Option<String> {
    let commands: Vec<&str> = commands
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .collect();
    match commands.as_slice() {
        [] => None,
        [only] => Some((*only).to_owned()),
        several => {
            let guarded = several.iter().map(|command| {
                if command.contains(['#', ';', '|', '&', '\n', '\\', '<']) {
                    format!("{{\n{command}\n}}")
                } else {
                    (*command).to_owned()
                }
            });
            Some(guarded.collect::<Vec<_>>().join(" && "))
        }
    }
}

/// The commands of all `Verify:` lines of a text, in order. List marks, bold marks and back quotes around them are taken off;
/// an empty one and `none` name nothing.
#[must_use]
pub fn verify_lines(text: &str) -> Vec<String> {
    text.lines().filter_map(verify_line).collect()
}

fn verify_line(line: &str) -> Option<String> {
    let line = line
        .trim()
        .trim_start_matches(['-', '*', '+', '>', ' ', '_']);
    let line = line
        .strip_prefix("[ ]")
        .or_else(|| line.strip_prefix("[x]"))
        .unwrap_or(line)
        .trim_start();
    let line = line.trim_start_matches(['*', '_']);
    let (word, rest) = line.split_once(':')?;
    if !word
        .trim_end_matches(['*', '_', ' '])
        .eq_ignore_ascii_case("verify")
    {
        return None;
    }
    let command = rest.trim_start_matches(['*', '_']).trim();
    let command = quoted(command).unwrap_or(command).trim();
    (!command.is_empty() && !command.eq_ignore_ascii_case("none")).then(|| command.to_owned())
}

/// The inside of back quotes that open the text; what follows the closing ones is a remark.
pub(crate) fn quoted(text: &str) -> Option<&str> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    if ticks == 0 {
        return None;
    }
    let inside = &text[ticks..];
    inside.find(&text[..ticks]).map(|end| &inside[..end])
}

/// What follows the back quotes that open the text.
pub(crate) fn behind_quoted(text: &str) -> Option<&str> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let behind = quoted(text)?.len() + 2 * ticks;
    text.get(behind..)
}

/// A stable name for some texts: FNV-1a over 128 bits, as 32 hexadecimal digits. It tells a changed text from the same one; it is
/// not cryptographic, and nobody may take two equal ones for a proof against somebody who wants them equal.
#[must_use]
pub fn fingerprint(texts: &[&str]) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = BASIS;
    let mut eat = |byte: u8| hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    for text in texts {
        // The length in front keeps a word that moves from one text to the next from going unseen.
        (text.len() as u64)
            .to_le_bytes()
            .into_iter()
            .for_each(&mut eat);
        text.bytes().for_each(&mut eat);
    }
    format!("{hash:032x}")
}

#[cfg(test)]
#[path = "details_test.rs"]
mod tests;
