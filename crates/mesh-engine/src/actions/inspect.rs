//! What an attempt left: final block, change set, scope, and the proof that will be run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_agent::proof::{self, ProofSources};
use mesh_agent::secrets::Secrets;
use mesh_core::decision::HeldLocks;
use mesh_core::event::Event;
use mesh_core::evidence::{
    BlockReading, ChangeSet, ChangedClaim, Evidence, Failure, FailureClass, FinalBlock, Unrecorded,
    quoting,
};
use mesh_core::id::{AttemptId, LockGroup};
use mesh_core::task::Commit;
use mesh_vcs::{ChangeKind, FoundIn, Place, Snapshot};

use crate::actions::leftout::{self, Ran};
use crate::actions::manifest::Manifest;
use crate::actions::{folder, output, shared};
use crate::context::{Recording, RunContext, lock};

/// What was seen of an attempt's files when they were recorded.
pub(crate) struct RecordedFiles {
    /// All that lies in the workspace, unless it was too much to look at.
    pub manifest: Option<Manifest>,
    /// Whether the agent left files that no commit holds.
    pub leftovers: bool,
    /// Changed files that the commit holds.
    pub held: BTreeSet<PathBuf>,
}

/// Records what the attempt left. Its process tree is dead.
pub(crate) fn inspect(
    context: &RunContext,
    attempt: &AttemptId,
    locks: &HeldLocks,
    recording: &Arc<Recording>,
) {
    let found = context
        .recordings
        .work(attempt, recording, || find(context, attempt, locks));
    let Some(evidence) = found else {
        tracing::warn!(%attempt, "a recording came to its end after it had been given up");
        return;
    };
    if evidence.is_err() {
        // The run may pause before the attempt is finalized, and what changed may be why.
        shared::end(context, attempt);
    }
    context.report(Event::Inspected {
        attempt: attempt.clone(),
        evidence,
    });
}

fn find(context: &RunContext, attempt: &AttemptId, locks: &HeldLocks) -> Result<Evidence, Failure> {
    // What mesh cannot read or write is not the agent's fault.
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(FailureClass::NotRecordable, format!("{what}: {error}"))
    };
    let folder = folder::of(context, attempt).map_err(|error| failed("its folder", &error))?;
    let workspace =
        folder::load(&folder).map_err(|error| failed("its workspace's record", &error))?;
    let workspace = workspace.ok_or_else(|| failed("its workspace", &"it has none"))?;
    let (profile, _) = context.agent_of(attempt);
    let block = profile
        .protocol
        .read_block(&folder.join("stdout"))
        .map_err(|error| failed("its output", &error))?;
    let block = match block {
        BlockReading::Missing(why) => {
            context.note_withheld();
            let why = context.secrets.mask(&why);
            BlockReading::Missing(quoting(why, &output::of_agent(context, attempt)))
        }
        BlockReading::Read(block) => BlockReading::Read(masked(&context.secrets, block)),
    };
    let claimed = match &block {
        BlockReading::Read(FinalBlock {
            changed: ChangedClaim::Paths(paths),
            ..
        }) => paths.as_slice(),
        BlockReading::Read(_) | BlockReading::Missing(_) => &[],
    };
    let task = attempt.task.as_str();
    let manifest = Manifest::of(&workspace.path);
    let mut found = Vec::new();
    let snapshot = context.vcs_gate.pass(|| {
        let vcs = &context.vcs;
        if context.secrets.is_empty() {
            return vcs.record(&workspace, claimed, &context.run, task, attempt.number);
        }
        let snapshot = vcs.snapshot(&workspace, claimed)?;
        let find = |bytes: &[u8]| context.secrets.find(bytes).map(str::to_owned);
        found = vcs.search_added(&workspace, &snapshot.commit, &find)?;
        match found.is_empty() {
            true => vcs.keep(&snapshot.commit, &context.run, task, attempt.number)?,
            false => vcs.let_go(&workspace, &snapshot.commit)?,
        }
        Ok(snapshot)
    });
    let snapshot = snapshot.map_err(|error| match error {
        // It was there when the agent started.
        mesh_vcs::VcsError::WorkspaceGone { .. } => Failure::new(
            FailureClass::Crashed,
            format!("{error} (by the agent itself, or by another one)"),
        ),
        mesh_vcs::VcsError::NotTakenOver { .. } => {
            Failure::new(FailureClass::NotRecorded, error.to_string())
        }
        error => failed("its changes", &error),
    })?;
    if !found.is_empty() {
        return Err(Failure::new(FailureClass::Secret, secrets_in(&found)));
    }
    if !snapshot.remains.is_empty() {
        context.report(Event::Noticed {
            attempts: vec![attempt.clone()],
            changes: snapshot.remains.clone(),
        });
    }
    if let (false, BlockReading::Read(_)) = (context.sandboxed, &block) {
        let changed = snapshot
            .changed
            .iter()
            .map(|changed| changed.path.as_path());
        note_unclaimed(context, attempt, changed, claimed);
    }
    let mut leftovers = false;
    if let Some(ran) = Ran::of(context, attempt) {
        let changed = snapshot.changed.iter().map(|changed| &changed.path);
        let unrecorded = snapshot.unrecorded.iter().map(|missing| &missing.path);
        let known = changed.chain(unrecorded).map(PathBuf::as_path).collect();
        let files = leftout::files(context, &workspace, &snapshot.commit, &known, ran);
        leftovers = !files.is_empty();
        if let Some(change) = leftout::sentence(&files) {
            context.report(Event::Noticed {
                attempts: vec![attempt.clone()],
                changes: vec![change],
            });
        }
    }
    let held = snapshot.changed.iter();
    let held = held.filter(|changed| changed.kind != ChangeKind::Removed);
    let recorded = RecordedFiles {
        manifest,
        leftovers,
        held: held.map(|changed| changed.path.clone()).collect(),
    };
    lock(&context.recorded_files).insert(attempt.clone(), recorded);
    let paths: Vec<String> = snapshot
        .changed
        .iter()
        .map(|changed| changed.path.display().to_string())
        .collect();
    let held: BTreeSet<LockGroup> = match locks {
        HeldLocks::Groups(groups) => groups.clone(),
        HeldLocks::All => context
            .setup
            .groups
            .keys()
            .filter_map(|name| LockGroup::new(name.as_str()).ok())
            .collect(),
    };
    let scope = context.groups.check(&paths, &held);
    let changes = change_set(&snapshot, paths, scope.breaches().to_vec());
    let details = context.details(&attempt.task);
    let proof = proof::choose(&ProofSources {
        task: details
            .as_ref()
            .and_then(mesh_plan::details::TaskDetails::proof_command),
        config: context.setup.verify.clone(),
        agent: match &block {
            BlockReading::Read(block) => block.verify.clone(),
            BlockReading::Missing(_) => None,
        },
        waived: details.is_some_and(|details| details.allow_no_validation),
    });
    Ok(Evidence {
        block,
        changes,
        proof,
    })
}

/// The block as it may be shown.
fn masked(secrets: &Secrets, block: FinalBlock) -> FinalBlock {
    let mask = |text: String| secrets.mask(&text);
    FinalBlock {
        pr: block.pr.map(mask),
        verify: block.verify.map(mask),
        changed: match block.changed {
            ChangedClaim::Paths(paths) => {
                ChangedClaim::Paths(paths.into_iter().map(mask).collect())
            }
            ChangedClaim::NoDiff(reason) => ChangedClaim::NoDiff(mask(reason)),
        },
        blockers: block.blockers.map(mask),
        learning: block.learning.map(mask),
    }
}

/// Which secrets stand where, by the names of their variables.
fn secrets_in(found: &[FoundIn]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = found
        .iter()
        .take(SHOWN)
        .map(|found| match &found.place {
            Place::File(path) => format!("{} in {}", found.what, path.display()),
            Place::Message(commit) => {
                format!("{} in what {:.12} says", found.what, commit.as_str())
            }
            Place::Path => format!("{} in the name of a file", found.what),
        })
        .collect();
    if found.len() > SHOWN {
        shown.push(format!("and {} more", found.len() - SHOWN));
    }
    format!(
        "the value of a variable that the agent was given would be recorded: {}; nothing of it is kept but the workspace",
        shown.join(", ")
    )
}

fn change_set(
    snapshot: &Snapshot,
    paths: Vec<String>,
    breaches: Vec<mesh_core::evidence::ScopeBreach>,
) -> ChangeSet {
    let commits = |list: &[mesh_vcs::CommitId]| {
        list.iter()
            .map(|commit| Commit(commit.as_str().to_owned()))
            .collect()
    };
    ChangeSet {
        commit: Commit(snapshot.commit.as_str().to_owned()),
        paths,
        conflicted: snapshot
            .conflicted
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        strays: commits(&snapshot.strays),
        missing_needs: commits(&snapshot.missing_needs),
        breaches,
        unrecorded: snapshot
            .unrecorded
            .iter()
            .map(|missing| Unrecorded {
                path: missing.path.display().to_string(),
                why: missing.why.clone(),
            })
            .collect(),
    }
}

/// Says which files of the result its agent does not name: without a sandbox another attempt can have put them there.
fn note_unclaimed<'a>(
    context: &RunContext,
    attempt: &AttemptId,
    changed: impl Iterator<Item = &'a Path>,
    claimed: &[String],
) {
    const SHOWN: usize = 5;
    let claims = |path: &Path| {
        let text = path.to_string_lossy();
        claimed.iter().any(|claim| {
            let claim = claim.trim_start_matches("./");
            claim.contains(&*text) || path.starts_with(claim)
        })
    };
    let unclaimed: Vec<&Path> = changed.filter(|path| !claims(path)).collect();
    if unclaimed.is_empty() || claimed.is_empty() {
        return;
    }
    let shown = unclaimed.iter().take(SHOWN);
    let shown: Vec<String> = shown.map(|path| path.display().to_string()).collect();
    let more = match unclaimed.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    context.report(Event::Noticed {
        attempts: vec![attempt.clone()],
        changes: vec![format!(
            "its result holds what its agent does not name, and in no sandbox another attempt can have written it: {}{more}",
            shown.join(", ")
        )],
    });
}
