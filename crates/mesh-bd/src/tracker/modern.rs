//! bd 1.0.5 and later: embedded Dolt, edges in listings, metadata, claims by compare-and-swap.
//!
//! The answer itself is the reading: a claim has happened when bd shows the issue with our actor, a close when it shows `closed`.
//! Every call that answers in JSON asks for it, lists are never cut short, and every write names its actor. A text that comes from
//! outside is either the value of a flag, which bd takes whole even if it begins with a hyphen, or stands behind `--`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use mesh_core::id::TaskId;
use mesh_core::issue::{Issue, IssueStatus};
use mesh_proc::run::Runner;
use serde::Deserialize;

use super::joined::Joins;
use super::molecule::{self, FormulaUse, Molecule};
use super::swarm::{SwarmCreated, SwarmStatus, SwarmValidation, read_created};
use super::version::{Unsupported, UnsupportedReason};
use super::wire::{self, WireComment};
use super::{About, ClaimStep, Comment, Renewal, Tracker};
use crate::audit::{self, AuditEntry};
use crate::error::{BdError, Refusal, RefusalReason};
use crate::finalize::{Finalization, Finalized};
use crate::listing::Listing;
use crate::read_back::ReadBack;
use crate::transport::{Call, CallOutput, Transport};

/// What makes an issue open and nobody's.
const RELEASED: [&str; 4] = ["--status", "open", "--assignee", ""];

/// What this binary can do beyond its dialect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Features {
    /// A claim is a lease that `heartbeat` renews (measured: 1.3.0 has it, 1.0.5 has not).
    pub leases: bool,
    /// `update` takes conditions (`--if-assignee`), and `close` is for the assignee alone, so that neither hits somebody else's
    /// claim (1.3.0). Without it the tracker is asked first who has the issue.
    pub guarded: bool,
}

impl Features {
    /// A command that does not exist makes bd exit 1 with "unknown command"; one that does prints its usage line.
    pub fn ask(bd: &Transport, version: &str, allow_untested: bool) -> Result<Features, BdError> {
        let help = |command: &str| {
            bd.read(&Call::read(&[command]).words(&["--help"]), |output| {
                Ok(output.all_text())
            })
        };
        let update = help("update")?;
        let has_flag = |flag: &str| update.split_whitespace().any(|word| word == flag);
        if !(has_flag("--claim") && has_flag("--set-metadata") || allow_untested) {
            return Err(Unsupported {
                version: version.to_owned(),
                reason: UnsupportedReason::LacksCommands,
            }
            .into());
        }
        Ok(Features {
            leases: help("heartbeat")?.contains("bd heartbeat <id>"),
            guarded: has_flag("--if-assignee"),
        })
    }
}

/// An opened tracker of this dialect.
pub(super) struct Modern {
    pub bd: Transport,
    pub about: About,
    pub features: Features,
    /// Asked when several ends come at once for the first time.
    pub joins: OnceLock<Joins>,
    /// No `audit` call was refused so far for bd's being told to write nothing to its database.
    pub audits_beside_database: AtomicBool,
}

impl Modern {
    pub fn new(bd: Transport, about: About, features: Features) -> Modern {
        Modern {
            bd,
            about,
            features,
            joins: OnceLock::new(),
            audits_beside_database: AtomicBool::new(true),
        }
    }

    pub(super) fn listing_call(&self) -> Call {
        Call::read(&["list"]).json().words(&[
            "--all",
            "--limit",
            "0",
            "--include-gates",
            "--include-infra",
        ])
    }

    /// Makes a write to the trail, which is no part of the database: without the right to write to that, bd takes half the time
    /// (measured on 1.3.0: 0.14 s of processor time for 0.26 s; 1.0.5 writes too). A bd that is strict about it says so.
    fn beside_database(
        &self,
        call: &Call,
        read: impl Fn(&CallOutput) -> Result<String, BdError>,
        find: impl Fn() -> Result<Option<String>, BdError>,
    ) -> Result<String, BdError> {
        let look = || Ok(find()?.map_or(ReadBack::NotApplied, ReadBack::Applied));
        if self.audits_beside_database.load(Ordering::Relaxed) {
            let call = call.clone().words(&["--readonly"]);
            match self.bd.write(&call, &read, look) {
                Err(BdError::Failed { text, .. }) if is_about_readonly(&text) => {}
                recorded => return recorded,
            }
        }
        let recorded = self.bd.write(call, read, look)?;
        self.audits_beside_database.store(false, Ordering::Relaxed);
        Ok(recorded)
    }
}

/// Whether bd refused to write because it was told to write nothing. Any other failure is no reason to write a second time.
fn is_about_readonly(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("read-only") || text.contains("readonly")
}

impl Tracker for Modern {
    fn about(&self) -> &About {
        &self.about
    }

    fn runner(&mut self) -> &mut Arc<dyn Runner> {
        &mut self.bd.runner
    }

    fn listing(&self) -> Result<Listing, BdError> {
        self.bd.read(&self.listing_call(), wire::listing)
    }

    fn show(&self, id: &TaskId) -> Result<Issue, BdError> {
        let call = Call::read(&["show"]).id(id).json();
        self.bd.read(&call, |output| {
            found(output, id)?;
            let mut issues = wire::listing(output)?.issues;
            issues.remove(id).ok_or_else(|| not_found(id))
        })
    }

    fn comments(&self, id: &TaskId) -> Result<Vec<Comment>, BdError> {
        let call = Call::read(&["comments"]).id(id).json();
        self.bd.read(&call, |output| {
            found(output, id)?;
            let comments = output.json::<Option<Vec<WireComment>>>("an array of comments")?;
            Ok(comments.into_iter().flatten().map(Comment::from).collect())
        })
    }

    fn claim_steps<'a>(
        &'a self,
        id: &'a TaskId,
        actor: &'a str,
        metadata: &'a [(String, String)],
    ) -> Vec<ClaimStep<'a>> {
        let mut call = Call::write(actor, &["update"]).id(id).words(&["--claim"]);
        for (key, value) in metadata {
            call = call
                .words(&["--set-metadata", &format!("{key}={value}")])
                .unless(key_problem(key));
        }
        let refused = |reason| Refusal {
            what: "claim",
            id: id.clone(),
            reason,
        };
        let read = move |output: &CallOutput| {
            let issue = match changed(output, id, "claim") {
                // Classic refuses what is the actor's already.
                Err(BdError::Refused(refusal))
                    if refusal.reason == RefusalReason::HeldBy(actor.to_owned()) =>
                {
                    return Err(output.unreadable("our claim"));
                }
                changed => changed?,
            };
            claimed(&issue, actor).map_err(|reason| match reason {
                RefusalReason::HeldBy(_) => refused(reason).into(),
                _ => output.unreadable("our claim"),
            })
        };
        let look = move || {
            let issue = self.show(id)?;
            let is_written = |(key, value): &(String, String)| {
                let mut pairs = issue.metadata.iter();
                pairs.any(|(k, found)| k == key && wire::same_metadata(value, found))
            };
            Ok(match claimed(&issue, actor) {
                Ok(()) if metadata.iter().all(is_written) => ReadBack::Applied(()),
                Err(reason @ (RefusalReason::HeldBy(_) | RefusalReason::Status(_))) => {
                    ReadBack::Refused(refused(reason))
                }
                Ok(()) | Err(_) => ReadBack::NotApplied,
            })
        };
        vec![ClaimStep::new(&self.bd, call.json(), read, look)]
    }

    fn release(&self, id: &TaskId, actor: &str) -> Result<(), BdError> {
        let look = || {
            let issue = self.show(id)?;
            let refused = |reason| {
                ReadBack::Refused(Refusal {
                    what: "release",
                    id: id.clone(),
                    reason,
                })
            };
            Ok(match (&issue.status, issue.assignee) {
                (IssueStatus::Open, None) => ReadBack::Applied(()),
                (IssueStatus::InProgress, Some(holder)) if holder == actor => ReadBack::NotApplied,
                (_, Some(holder)) if holder != actor => refused(RefusalReason::HeldBy(holder)),
                (status, _) => refused(RefusalReason::Status(status.clone())),
            })
        };
        let mut call = Call::write(actor, &["update"]).id(id).words(&RELEASED);
        if self.features.guarded {
            call = call.words(&["--if-assignee", actor, "--if-status", "in_progress"]);
        } else {
            match look()? {
                ReadBack::Applied(()) => return Ok(()),
                ReadBack::Refused(refusal) => return Err(refusal.into()),
                ReadBack::NotApplied => {}
            }
        }
        let read = |output: &CallOutput| match changed(output, id, "release")? {
            Issue {
                status: IssueStatus::Open,
                assignee: None,
                ..
            } => Ok(()),
            _ => Err(output.unreadable("an open, unassigned issue")),
        };
        self.bd.write(&call.json(), read, look)
    }

    fn release_by_hand(&self, ids: &[&TaskId]) -> String {
        let ids = ids.iter().map(|id| id.as_str());
        let args: Vec<&str> = ["update"].into_iter().chain(ids).chain(RELEASED).collect();
        mesh_proc::show::command("bd", &args)
    }

    fn close(&self, id: &TaskId, actor: &str, reason: &str) -> Result<(), BdError> {
        if !self.features.guarded {
            let issue = self.show(id)?;
            match issue.assignee {
                Some(holder) if holder != actor => {
                    return Err(held_by(holder, id, "close").into());
                }
                _ if issue.status == IssueStatus::Closed => return Ok(()),
                _ => {}
            }
        }
        let call = Call::write(actor, &["close"])
            .id(id)
            .words(&["--reason", reason])
            .json();
        let read = |output: &CallOutput| match changed(output, id, "close")?.status {
            IssueStatus::Closed => Ok(()),
            _ => Err(output.unreadable("a closed issue")),
        };
        let look = || {
            Ok(match self.show(id)?.status {
                IssueStatus::Closed => ReadBack::Applied(()),
                _ => ReadBack::NotApplied,
            })
        };
        self.bd.write(&call, read, look)
    }

    fn renew(&self, id: &TaskId, actor: &str) -> Result<Renewal, BdError> {
        #[derive(Deserialize)]
        struct Answer {
            id: String,
            owner: String,
        }
        if !self.features.leases {
            return Ok(Renewal::NoLeases);
        }
        let call = Call::write(actor, &["heartbeat"]).id(id).json();
        let output = self.bd.once(&call)?;
        if output.code != 0 {
            return match refused_by_text(&output, id, "renew") {
                BdError::Refused(refusal) => Ok(Renewal::Refused(refusal)),
                failure => Err(failure),
            };
        }
        let answer: Answer = output.json("the renewed lease")?;
        if answer.id == id.as_str() && answer.owner == actor {
            return Ok(Renewal::Renewed);
        }
        Ok(Renewal::Refused(held_by(answer.owner, id, "renew")))
    }

    fn comment(&self, id: &TaskId, actor: &str, text: &str) -> Result<Comment, BdError> {
        let is_empty = text.trim().is_empty();
        let call = Call::write(actor, &["comments", "add"])
            .id(id)
            .json()
            .words(&["--", text])
            .unless(is_empty.then(|| "the text is empty".to_owned()));
        let is_ours = |comment: &Comment| same_text(&comment.text, text);
        let read = |output: &CallOutput| {
            found(output, id)?;
            let comment = Comment::from(output.json::<WireComment>("a comment")?);
            match is_ours(&comment) {
                true => Ok(comment),
                false => Err(output.unreadable("our comment")),
            }
        };
        let look = || {
            let ours = self.comments(id)?.into_iter().rev().find(is_ours);
            Ok(ours.map_or(ReadBack::NotApplied, ReadBack::Applied))
        };
        self.bd.write(&call, read, look)
    }

    fn finalize(&self, ends: &[Finalization]) -> (Vec<Finalized>, Option<Listing>) {
        self.finalize_joined(ends)
    }

    fn audit(&self, entry: &AuditEntry, actor: &str) -> Result<String, BdError> {
        #[derive(Deserialize)]
        struct Answer {
            id: String,
            kind: String,
        }
        let mut call = Call::write(actor, &["audit", "record"]);
        for (field, value) in entry.fields() {
            call = call.words(&[&format!("--{}", field.replace('_', "-")), &value]);
        }
        let beads_dir = &self.about.beads_dir;
        // bd appends, so what this call wrote stands behind what is there now.
        let before = audit::trail_bytes(beads_dir);
        let read = |output: &CallOutput| {
            let answer: Answer = output.json("the audit entry's id")?;
            match answer.kind == entry.kind() {
                true => Ok(answer.id),
                false => Err(output.unreadable("our audit entry")),
            }
        };
        self.beside_database(&call.json(), read, || {
            audit::find(beads_dir, entry, before, &BTreeSet::new())
        })
    }

    fn audit_label(
        &self,
        entry_id: &str,
        label: &str,
        reason: &str,
        actor: &str,
    ) -> Result<String, BdError> {
        #[derive(Deserialize)]
        struct Answer {
            id: String,
            parent_id: String,
        }
        let is_flag = entry_id.starts_with('-');
        let call = Call::write(actor, &["audit", "label", entry_id])
            .words(&["--label", label, "--reason", reason])
            .unless(is_flag.then(|| format!("{entry_id} is no id of an entry")))
            .json();
        let beads_dir = &self.about.beads_dir;
        let before = audit::trail_bytes(beads_dir);
        let read = |output: &CallOutput| {
            let answer: Answer = output.json("the label's id")?;
            match answer.parent_id == entry_id {
                true => Ok(answer.id),
                false => Err(output.unreadable("our label")),
            }
        };
        self.beside_database(&call, read, || {
            audit::find_label(beads_dir, (entry_id, label), before)
        })
    }

    fn swarm_create(&self, id: &TaskId, actor: &str) -> Result<SwarmCreated, BdError> {
        let call = Call::write(actor, &["swarm", "create"])
            .id(id)
            .words(&["--coordinator", actor])
            .json();
        let look = || {
            let listing = self.listing()?;
            let epic = listing.wrapper_of(id).unwrap_or_else(|| id.clone());
            Ok(match listing.swarm_of(&epic) {
                Some(swarm) => ReadBack::Applied(SwarmCreated::Created { swarm, epic }),
                None => ReadBack::NotApplied,
            })
        };
        let read = |output: &CallOutput| {
            found(output, id)?;
            read_created(output, id)
        };
        self.bd.write(&call, read, look)
    }

    fn swarm_validate(&self, epic: &TaskId) -> Result<SwarmValidation, BdError> {
        let call = Call::read(&["swarm", "validate"]).id(epic).json();
        self.bd.read(&call, |output| {
            found(output, epic)?;
            // Exit 1 with the normal answer means "not swarmable".
            match output.error() {
                Some(_) => Err(output.failed()),
                None => output.json_of_any_end("an analysis"),
            }
        })
    }

    fn swarm_status(&self, epic: &TaskId) -> Result<SwarmStatus, BdError> {
        let call = Call::read(&["swarm", "status"]).id(epic).json();
        self.bd.read(&call, |output| {
            found(output, epic)?;
            output.json("a status")
        })
    }

    /// Each child is some opening of the database (validate and status of 24 and 200 children, measured with other work on the
    /// machine: 1.4 and 1.9 s, 11 and 18 s on 1.3.0; 3 and 4 s, 30 and 42 s on 1.0.5).
    fn most_children_to_check(&self) -> usize {
        30
    }

    fn cook(&self, file: &Path) -> Result<(), BdError> {
        molecule::cook(&self.bd, file)
    }

    fn pour(&self, what: &FormulaUse, actor: &str) -> Result<Molecule, BdError> {
        molecule::spawn(&self.bd, what, None, actor, || self.listing())
    }

    fn bond(&self, what: &FormulaUse, onto: &TaskId, actor: &str) -> Result<Molecule, BdError> {
        molecule::spawn(&self.bd, what, Some(onto), actor, || self.listing())
    }

    fn close_own(&self, ids: &[TaskId], actor: &str, reason: &str) -> Result<(), BdError> {
        molecule::close_in_batch(&self.bd, ids, actor, reason, || self.listing())
    }
}

/// Whether `issue` is claimed by `actor`, or why it is not.
pub(super) fn claimed(issue: &Issue, actor: &str) -> Result<(), RefusalReason> {
    match (&issue.status, issue.assignee.as_deref()) {
        (IssueStatus::InProgress, Some(holder)) if holder == actor => Ok(()),
        (_, Some(holder)) if holder != actor => Err(RefusalReason::HeldBy(holder.to_owned())),
        (IssueStatus::Open, _) => Err(RefusalReason::NotHeld),
        (status, _) => Err(RefusalReason::Status(status.clone())),
    }
}

/// The issue `id` as a write has left it, or why bd refused the write.
fn changed(output: &CallOutput, id: &TaskId, what: &'static str) -> Result<Issue, BdError> {
    // Classic ends well and only says on stderr why nothing was changed.
    if output.code != 0 || output.has_only_stderr() {
        return Err(refused_by_text(output, id, what));
    }
    let issue = wire::listing(output)?.issues.remove(id);
    issue.ok_or_else(|| output.unreadable(id.as_str()))
}

/// Why bd said no, from its words; words nobody knows give [`BdError::Failed`], after which the tracker is looked at.
fn refused_by_text(output: &CallOutput, id: &TaskId, what: &'static str) -> BdError {
    let text = output.all_text();
    let holder = between(&text, "already claimed by ", &['\n', '"', ';', '\\'])
        .or_else(|| between(&text, "assignee is \"", &['"']))
        .or_else(|| between(&text, ": held by \"", &['"']));
    let reason = if let Some(holder) = holder {
        RefusalReason::HeldBy(holder)
    } else if let Some((_, rest)) = text.split_once("not claimable: ") {
        match between(rest, "status ", &['\n', '"', ' ']) {
            Some(word) => RefusalReason::Status(wire::status(&word)),
            None => RefusalReason::Other(output.error_text()),
        }
    } else if let Err(missing) = found(output, id) {
        return missing;
    } else if let Some(line) = output.line_with("cannot close") {
        if line.contains("blocked") {
            RefusalReason::BlockedBy(line)
        } else {
            RefusalReason::Other(line)
        }
    } else if output.code == 0 {
        return output.unreadable(id.as_str());
    } else {
        return output.failed();
    };
    Refusal {
        what,
        id: id.clone(),
        reason,
    }
    .into()
}

/// What stands between `start` and the first of `ends`, if that is anything.
fn between(text: &str, start: &str, ends: &[char]) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    let end = rest.find(ends).unwrap_or(rest.len());
    let found = rest[..end].trim();
    (!found.is_empty()).then(|| found.to_owned())
}

fn held_by(holder: String, id: &TaskId, what: &'static str) -> Refusal {
    Refusal {
        what,
        id: id.clone(),
        reason: RefusalReason::HeldBy(holder),
    }
}

/// An error if bd failed and said that it does not know the issue.
fn found(output: &CallOutput, id: &TaskId) -> Result<(), BdError> {
    let text = output.all_text();
    let is_missing =
        text.contains("no issue found matching") || text.contains("no issues found matching");
    match (output.code != 0 || output.has_only_stderr()) && is_missing {
        true => Err(not_found(id)),
        false => Ok(()),
    }
}

fn not_found(id: &TaskId) -> BdError {
    BdError::NotFound { id: id.clone() }
}

/// Trackers and terminals differ in line ends and in white space at the end; that does not make a comment another one.
fn same_text(found: &str, wanted: &str) -> bool {
    found.replace("\r\n", "\n").trim_end() == wanted.replace("\r\n", "\n").trim_end()
}

/// bd's own rule for keys (measured on 1.0.5 and 1.3.0): `[a-zA-Z_][a-zA-Z0-9_.]*`, so no hyphens; 1.3.0 also takes `/`.
fn key_problem(key: &str) -> Option<String> {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let is_key =
        key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && key.chars().all(rest);
    (!is_key).then(|| format!("{key:?} is no metadata key for bd (letters, digits, `_`, `.`)"))
}

#[cfg(test)]
#[path = "modern_test.rs"]
mod tests;
