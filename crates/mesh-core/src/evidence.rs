//! What was observed about an attempt, and what follows from it.
//!
//! Everything here was seen by mesh itself: exit, final block, change set, proof. [`judge`] turns it into a [`verdict`]; it is the
//! only place that says what counts as done.

use std::fmt;

use crate::id::LockGroup;
use crate::task::Commit;
use crate::text::shortened;

/// How a process tree ended, from its exit report. The whole tree is dead when this is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "how", rename_all = "snake_case"))]
pub enum Ending {
    /// The program ended by itself with this code.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::code"))]
    Exited(i32),
    /// A signal that mesh did not send ended it.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::signal"))]
    Signaled(i32),
    /// It could not be executed.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::cause"))]
    CouldNotStart(String),
    /// It ran into the hard limit and was killed.
    HardLimit,
    /// It wrote more than the output limit and was killed.
    Flood,
    /// mesh told it to stop.
    Stopped,
    /// Its shim ended without a report; what was left of the tree has been killed.
    NoReport,
}

impl fmt::Display for Ending {
    /// What happened, to be put behind the name of a program.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exited(code) => write!(f, "ended with exit code {code}"),
            Ending::Signaled(signal) => write!(f, "was ended by signal {signal}"),
            Ending::CouldNotStart(cause) => write!(f, "could not be started: {cause}"),
            Ending::HardLimit => write!(f, "ran into its time limit and was killed"),
            Ending::Flood => write!(f, "wrote more than the output limit and was killed"),
            Ending::Stopped => write!(f, "was stopped"),
            Ending::NoReport => {
                write!(f, "ended without a report; what was left of it was killed")
            }
        }
    }
}

/// The agent's final block, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum BlockReading {
    /// No block where it must stand, or one that cannot be read; the text says which.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::why"))]
    Missing(String),
    /// The block.
    Read(FinalBlock),
}

/// The four lines an agent ends with, and one that may stand beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FinalBlock {
    /// `PR:` — a link; `None` for `none`.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub pr: Option<String>,
    /// `Verify:` — a command without its comment; `None` when empty or `none`.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub verify: Option<String>,
    /// `Changed:` — what the agent says it changed.
    pub changed: ChangedClaim,
    /// `Blockers:` — what keeps the agent from going on; `None` for `none`.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub blockers: Option<String>,
    /// `Learning:` — what later work on the same files should know; most blocks have none.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub learning: Option<String>,
}

/// What the agent says it changed. The change set is what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum ChangedClaim {
    /// These paths.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::paths"))]
    Paths(Vec<String>),
    /// Nothing, for this reason: a result of its own.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::reason"))]
    NoDiff(String),
}

/// What the attempt left in version control.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChangeSet {
    /// The recorded result; for an attempt without changes its base.
    pub commit: Commit,
    /// Changed paths, relative to the repository, sorted.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub paths: Vec<String>,
    /// Paths that hold an unresolved conflict.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub conflicted: Vec<String>,
    /// Visible heads the attempt made beside its result.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub strays: Vec<Commit>,
    /// Commits of needs that are no longer under the result.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub missing_needs: Vec<Commit>,
    /// Changed paths that belong to a group the task did not hold.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub breaches: Vec<ScopeBreach>,
    /// What the workspace holds, or the agent says it changed, and the commit does not.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub unrecorded: Vec<Unrecorded>,
}

/// Work that is in the workspace and in no commit that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Unrecorded {
    /// The path, relative to the workspace.
    pub path: String,
    /// Why it is not recorded, as a fragment: `ignored`, `a repository of its own`.
    pub why: String,
}

/// A changed path in a lock group that the task did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ScopeBreach {
    /// The path.
    pub path: String,
    /// The group it belongs to.
    pub group: LockGroup,
}

/// The command that proves the task, and who named it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum ProofChoice {
    /// The task or the configuration names it.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::command"))]
    Named(String),
    /// Only the agent named it: the result says "self-checked".
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::command"))]
    SelfChecked(String),
    /// The agent named a command that proves nothing, such as `true`.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::command"))]
    Refused(String),
    /// Nobody named one.
    Nothing,
    /// Nobody named one, and the task itself says that it needs none.
    Waived,
}

impl ProofChoice {
    /// The command, if somebody named one.
    #[must_use]
    pub fn command(&self) -> Option<&str> {
        match self {
            ProofChoice::Named(command)
            | ProofChoice::SelfChecked(command)
            | ProofChoice::Refused(command) => Some(command),
            ProofChoice::Nothing | ProofChoice::Waived => None,
        }
    }
}

/// All that is known when the process tree is dead and before the proof runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Evidence {
    /// The final block.
    pub block: BlockReading,
    /// The change set.
    pub changes: ChangeSet,
    /// The proof that will be run.
    pub proof: ProofChoice,
}

impl Evidence {
    /// Evidence with which nothing is wrong: `commit` changes `paths`, the block claims them (or, where there are none, a reason),
    /// and nothing lies beside.
    #[must_use]
    pub fn clean(commit: Commit, paths: Vec<String>, proof: ProofChoice) -> Evidence {
        let changed = if paths.is_empty() {
            ChangedClaim::NoDiff("already right".to_owned())
        } else {
            ChangedClaim::Paths(paths.clone())
        };
        Evidence {
            block: BlockReading::Read(FinalBlock {
                pr: None,
                verify: None,
                changed,
                blockers: None,
                learning: None,
            }),
            changes: ChangeSet {
                commit,
                paths,
                conflicted: Vec::new(),
                strays: Vec::new(),
                missing_needs: Vec::new(),
                breaches: Vec::new(),
                unrecorded: Vec::new(),
            },
            proof,
        }
    }
}

/// How the proof ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProofEnd {
    /// How its process tree ended.
    pub ending: Ending,
    /// The last lines of its output, for the prompt of a retry and for people.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "String::is_empty")
    )]
    pub tail: String,
    /// It ran in a fresh workspace of the recorded commit, after it had passed in the attempt's own: a failure then means that
    /// something the proof needs is not in the commit.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_false")
    )]
    pub passed_in_workspace: bool,
}

impl ProofEnd {
    /// An end of which there is nothing to quote.
    #[must_use]
    pub fn of(ending: Ending) -> ProofEnd {
        ProofEnd {
            ending,
            tail: String::new(),
            passed_in_workspace: false,
        }
    }

    /// Exit code 0 and nothing else.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.ending == Ending::Exited(0)
    }
}

/// Failure classes: few, and each has one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum FailureClass {
    /// The agent could not be started; the same cause twice in a row pauses the run.
    CouldNotStart,
    /// The workspace's setup command failed.
    Setup,
    /// Ended without a final block.
    NoResult,
    /// Silent too long, or at the hard limit.
    Hung,
    /// Wrote more than the output limit.
    Flood,
    /// Ended by a signal, with a non-zero code, or without an exit report.
    Crashed,
    /// The proof did not pass.
    VerifyFailed,
    /// Nobody named a proof.
    MissingProof,
    /// Changed paths of a group it did not hold.
    Scope,
    /// What the agent claims or the proof needs is not in the recorded commit.
    NotRecorded,
    /// mesh could not record the result. Not the agent's fault: only the recording is repeated.
    NotRecordable,
    /// Left work beside its result, or lost a need.
    StrayCommits,
    /// The result holds an unresolved conflict.
    Conflict,
    /// Changed nothing and gave no reason.
    NoChange,
    /// The tracker gave the task to somebody else.
    ClaimLost,
    /// The provider refused, because a limit of the account is reached. Not the task's fault: it is tried again when the account may
    /// be used.
    Limit,
    /// It would be tried again, and has used what one task may use.
    Budget,
    /// What it recorded holds a secret that it was given. Nothing of it is kept but its workspace.
    Secret,
}

impl FailureClass {
    /// All classes, in the order of the enum.
    pub const ALL: [FailureClass; 18] = [
        FailureClass::CouldNotStart,
        FailureClass::Setup,
        FailureClass::NoResult,
        FailureClass::Hung,
        FailureClass::Flood,
        FailureClass::Crashed,
        FailureClass::VerifyFailed,
        FailureClass::MissingProof,
        FailureClass::Scope,
        FailureClass::NotRecorded,
        FailureClass::NotRecordable,
        FailureClass::StrayCommits,
        FailureClass::Conflict,
        FailureClass::NoChange,
        FailureClass::ClaimLost,
        FailureClass::Limit,
        FailureClass::Budget,
        FailureClass::Secret,
    ];

    /// The word for records and people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FailureClass::CouldNotStart => "could-not-start",
            FailureClass::Setup => "setup",
            FailureClass::NoResult => "no-result",
            FailureClass::Hung => "hung",
            FailureClass::Flood => "flood",
            FailureClass::Crashed => "crashed",
            FailureClass::VerifyFailed => "verify-failed",
            FailureClass::MissingProof => "missing-proof",
            FailureClass::Scope => "scope",
            FailureClass::NotRecorded => "not-recorded",
            FailureClass::NotRecordable => "not-recordable",
            FailureClass::StrayCommits => "stray-commits",
            FailureClass::Conflict => "conflict",
            FailureClass::NoChange => "no-change",
            FailureClass::ClaimLost => "claim-lost",
            FailureClass::Limit => "limit",
            FailureClass::Budget => "budget",
            FailureClass::Secret => "secret",
        }
    }

    /// Whether another attempt can help. A flood, a missing proof, a wrong scope, unrecorded work, a lost claim and a secret come back the
    /// same, and what could not be recorded is recorded again without another attempt.
    #[must_use]
    pub fn is_worth_a_retry(self) -> bool {
        match self {
            FailureClass::CouldNotStart
            | FailureClass::Setup
            | FailureClass::NoResult
            | FailureClass::Hung
            | FailureClass::Crashed
            | FailureClass::VerifyFailed
            | FailureClass::Limit
            | FailureClass::StrayCommits
            | FailureClass::Conflict
            | FailureClass::NoChange => true,
            FailureClass::Flood
            | FailureClass::MissingProof
            | FailureClass::Scope
            | FailureClass::NotRecorded
            | FailureClass::NotRecordable
            | FailureClass::ClaimLost
            | FailureClass::Budget
            | FailureClass::Secret => false,
        }
    }

    /// Whether what the attempt left in its workspace is worth going on from. After the others it is the workspace itself that
    /// cannot be used, or there is none.
    #[must_use]
    pub fn leaves_good_work(self) -> bool {
        matches!(
            self,
            FailureClass::NoResult
                | FailureClass::Hung
                | FailureClass::Crashed
                | FailureClass::VerifyFailed
                | FailureClass::Limit
        )
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure with what a person needs to understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Failure {
    /// What kind.
    pub class: FailureClass,
    /// What was seen, in one or a few lines.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "String::is_empty")
    )]
    pub detail: String,
}

impl Failure {
    /// A failure of `class` with `detail`.
    #[must_use]
    pub fn new(class: FailureClass, detail: impl Into<String>) -> Failure {
        Failure {
            class,
            detail: detail.into(),
        }
    }

    /// Class, what was seen, and the last line of what is quoted.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let mut lines = self.detail.lines();
        let first = lines.next().unwrap_or_default();
        match lines.rfind(|line| !line.trim().is_empty()) {
            Some(last) => format!("{}: {first}: {}", self.class, last.trim()),
            None => format!("{}: {first}", self.class),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.detail)
    }
}

/// What follows from the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All is as it must be: run this command.
    Prove {
        /// The command.
        command: String,
        /// Only the agent named it.
        self_checked: bool,
    },
    /// All is as it must be, and the run accepts results without a proof.
    Accept,
    /// The agent needs an answer.
    Ask(String),
    /// It is not done.
    Fail(Failure),
}

/// Judges how the agent's process ended; `tail` is what it wrote last. `None` means that the evidence decide.
#[must_use]
pub fn judge_ending(ending: &Ending, tail: &str) -> Option<Failure> {
    let class = match ending {
        Ending::Exited(0) => return None,
        Ending::CouldNotStart(_) => FailureClass::CouldNotStart,
        Ending::HardLimit => FailureClass::Hung,
        Ending::Flood => FailureClass::Flood,
        Ending::Exited(_) | Ending::Signaled(_) | Ending::Stopped | Ending::NoReport => {
            FailureClass::Crashed
        }
    };
    let detail = match ending {
        Ending::CouldNotStart(cause) => cause.clone(),
        _ => format!("the agent {ending}"),
    };
    Some(Failure::new(class, quoting(detail, tail)))
}

/// `what` happened, and below it what the process wrote last, if anything.
#[must_use]
pub fn quoting(what: impl Into<String>, tail: &str) -> String {
    let mut text = what.into();
    let tail = tail.trim_end();
    if !tail.is_empty() {
        text.push('\n');
        text.push_str(tail);
    }
    text
}

/// A text made by [`quoting`] in one line that is not too long: what happened and, after a colon, the last line that is quoted.
#[must_use]
pub fn brief(detail: &str) -> String {
    const SHOWN_CHARS: usize = 300;
    let mut lines = detail.lines();
    let what = shortened(lines.next().unwrap_or_default(), SHOWN_CHARS);
    match lines.rfind(|line| !line.trim().is_empty()) {
        None => what.into_owned(),
        Some(last) => format!("{what}: {}", shortened(last.trim(), SHOWN_CHARS)),
    }
}

/// Judges what an attempt with exit code 0 left behind.
#[must_use]
pub fn judge(evidence: &Evidence, allow_no_validation: bool) -> Verdict {
    let block = match &evidence.block {
        BlockReading::Missing(why) => {
            return Verdict::Fail(Failure::new(FailureClass::NoResult, why.clone()));
        }
        BlockReading::Read(block) => block,
    };
    if let Some(question) = &block.blockers {
        return Verdict::Ask(question.clone());
    }
    if let Some(failure) = judge_changes(&evidence.changes, &block.changed) {
        return Verdict::Fail(failure);
    }
    let missing = |detail: String| Verdict::Fail(Failure::new(FailureClass::MissingProof, detail));
    match &evidence.proof {
        ProofChoice::Named(command) => Verdict::Prove {
            command: command.clone(),
            self_checked: false,
        },
        ProofChoice::SelfChecked(command) => Verdict::Prove {
            command: command.clone(),
            self_checked: true,
        },
        ProofChoice::Waived => Verdict::Accept,
        ProofChoice::Refused(_) | ProofChoice::Nothing if allow_no_validation => Verdict::Accept,
        ProofChoice::Refused(command) => missing(format!(
            "the agent's proof `{command}` proves nothing, and the task names none"
        )),
        ProofChoice::Nothing => missing(
            "neither the task nor the configuration nor the agent names a proof command".to_owned(),
        ),
    }
}

fn judge_changes(changes: &ChangeSet, claim: &ChangedClaim) -> Option<Failure> {
    if !changes.strays.is_empty() {
        let heads = list(changes.strays.iter().map(|commit| commit.0.as_str()));
        return Some(Failure::new(
            FailureClass::StrayCommits,
            format!("work was left beside the result, on {heads}"),
        ));
    }
    if !changes.missing_needs.is_empty() {
        let needs = list(changes.missing_needs.iter().map(|commit| commit.0.as_str()));
        return Some(Failure::new(
            FailureClass::StrayCommits,
            format!("the result no longer stands on its needs {needs}"),
        ));
    }
    if !changes.conflicted.is_empty() {
        let paths = list(changes.conflicted.iter().map(String::as_str));
        return Some(Failure::new(
            FailureClass::Conflict,
            format!("unresolved conflicts in {paths}"),
        ));
    }
    if !changes.breaches.is_empty() {
        let paths = changes
            .breaches
            .iter()
            .map(|breach| format!("{} (group {})", breach.path, breach.group));
        let detail = format!("changed outside the lock groups it held: {}", list(paths));
        return Some(Failure::new(FailureClass::Scope, detail));
    }
    if !changes.unrecorded.is_empty() {
        let paths = changes
            .unrecorded
            .iter()
            .map(|missing| format!("{} ({})", missing.path, missing.why));
        let detail = format!(
            "not in the recorded commit: {}; the workspace is kept",
            list(paths)
        );
        return Some(Failure::new(FailureClass::NotRecorded, detail));
    }
    match claim {
        ChangedClaim::Paths(_) if changes.paths.is_empty() => Some(Failure::new(
            FailureClass::NoChange,
            "nothing was changed and no NO_DIFF reason was given",
        )),
        ChangedClaim::NoDiff(reason) if !changes.paths.is_empty() => {
            let paths = list(changes.paths.iter().map(String::as_str));
            Some(Failure::new(
                FailureClass::NoResult,
                format!("the block says NO_DIFF:{reason}, but these paths changed: {paths}"),
            ))
        }
        ChangedClaim::Paths(_) | ChangedClaim::NoDiff(_) => None,
    }
}

/// Joins at most eight items; the rest is counted.
fn list<S: AsRef<str>>(items: impl Iterator<Item = S>) -> String {
    const SHOWN: usize = 8;
    let mut text = String::new();
    let mut count = 0;
    for item in items {
        if count < SHOWN {
            if count > 0 {
                text.push_str(", ");
            }
            text.push_str(item.as_ref());
        }
        count += 1;
    }
    if count > SHOWN {
        text.push_str(&format!(" and {} more", count - SHOWN));
    }
    text
}

#[cfg(test)]
#[path = "evidence_test.rs"]
mod tests;
