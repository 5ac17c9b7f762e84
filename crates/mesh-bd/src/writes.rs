//! Claims and what ends them. The answer itself is the reading: a claim has happened when bd shows the issue with our actor,
//! a close when it shows `closed`. Exit codes say neither.

use mesh_core::id::TaskId;
use mesh_core::issue::{Issue, IssueStatus};
use serde::Deserialize;

use crate::client::{Client, check_id};
use crate::commands;
use crate::error::{BdError, Refusal, RefusalReason};
use crate::exec::{Call, CallOutput};
use crate::read_back::ReadBack;
use crate::reads::parsed;
use crate::response::{
    check_metadata, has_metadata, held_by, one_issue, refused_by_text, unexpected,
};
use crate::wire;

/// A claim that the tracker has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Who has the issue now: the actor that asked.
    pub assignee: String,
    /// When the lease ends, in milliseconds since 1970; `None` where bd knows no leases.
    pub lease_expires_unix_ms: Option<u64>,
}

/// What came of renewing a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It runs for another while.
    Renewed,
    /// The claim is no longer the actor's.
    Refused(Refusal),
    /// This bd knows no leases; nothing was called.
    NoLeases,
}

impl Client {
    /// Claims an open, unassigned issue for `actor`, with `metadata` in the same call. Claiming again by the same actor is
    /// harmless. It does not look whether the issue is blocked: bd claims blocked issues too.
    ///
    /// # Errors
    /// [`BdError::Refused`] when somebody else has it or its status does not allow it; [`BdError::NotFound`].
    pub fn claim(
        &self,
        id: &TaskId,
        actor: &str,
        metadata: &[(String, String)],
    ) -> Result<Claimed, BdError> {
        check_id(id, "claim")?;
        check_metadata(metadata)?;
        let refused = |reason| Refusal {
            what: "claim",
            id: id.clone(),
            reason,
        };
        let read = |output: &CallOutput| {
            if output.code != 0 {
                return Err(refused_by_text(output, id, "claim"));
            }
            let (issue, lease) = one_issue(output, id)?;
            claim_of(&issue, actor, lease).map_err(|reason| match reason {
                RefusalReason::HeldBy(_) => refused(reason).into(),
                _ => unexpected(output, "our claim"),
            })
        };
        let look = || {
            let issue = self.show_one(id)?;
            let written = metadata
                .iter()
                .all(|(key, value)| has_metadata(&issue, key, value));
            Ok(match claim_of(&issue, actor, None) {
                Ok(claimed) if written => ReadBack::Applied(claimed),
                Err(reason @ (RefusalReason::HeldBy(_) | RefusalReason::Status(_))) => {
                    ReadBack::Refused(refused(reason))
                }
                Ok(_) | Err(_) => ReadBack::NotApplied,
            })
        };
        self.write_call(
            &Call::write(commands::claim(id, actor, metadata)),
            read,
            look,
        )
    }

    /// Gives an issue back: open and nobody's. Only what `actor` has in progress is touched; what is already open and
    /// nobody's is fine as it is.
    ///
    /// # Errors
    /// [`BdError::Refused`] when somebody else has it or it is closed or put aside; [`BdError::NotFound`].
    pub fn release(&self, id: &TaskId, actor: &str) -> Result<(), BdError> {
        check_id(id, "release")?;
        let guarded = self.features().conditional_update;
        let judge = |issue: &Issue| match (&issue.status, issue.assignee.as_deref()) {
            (IssueStatus::Open, None) => ReadBack::Applied(()),
            (IssueStatus::InProgress, Some(holder)) if holder == actor => ReadBack::NotApplied,
            (_, Some(holder)) if holder != actor => {
                ReadBack::Refused(held_by(holder, id, "release"))
            }
            (status, _) => ReadBack::Refused(Refusal {
                what: "release",
                id: id.clone(),
                reason: RefusalReason::Status(status.clone()),
            }),
        };
        if !guarded {
            match judge(&self.show_one(id)?) {
                ReadBack::Applied(()) => return Ok(()),
                ReadBack::Refused(refusal) => return Err(refusal.into()),
                ReadBack::NotApplied => {}
            }
        }
        let read = |output: &CallOutput| {
            if output.code != 0 {
                // The guard says only that it did not hold; the look says why.
                return Err(output.failed());
            }
            match one_issue(output, id)?.0 {
                Issue {
                    status: IssueStatus::Open,
                    assignee: None,
                    ..
                } => Ok(()),
                _ => Err(unexpected(output, "an open, unassigned issue")),
            }
        };
        let call = Call::write(commands::release(id, actor, guarded));
        self.write_call(&call, read, || Ok(judge(&self.show_one(id)?)))
    }

    /// Closes an issue that nobody else has. bd 1.3 itself lets only the assignee do that; 1.0.5 lets anybody, so it is asked before
    /// who has it.
    ///
    /// # Errors
    /// [`BdError::Refused`] when somebody else has it or its blockers are open; [`BdError::NotFound`].
    pub fn close(&self, id: &TaskId, actor: &str, reason: &str) -> Result<(), BdError> {
        check_id(id, "close")?;
        if !self.features().conditional_update {
            let issue = self.show_one(id)?;
            match issue.assignee.as_deref() {
                Some(holder) if holder != actor => return Err(held_by(holder, id, "close").into()),
                _ if issue.status == IssueStatus::Closed => return Ok(()),
                _ => {}
            }
        }
        let read = |output: &CallOutput| {
            if output.code != 0 {
                return Err(refused_by_text(output, id, "close"));
            }
            match one_issue(output, id)?.0.status {
                IssueStatus::Closed => Ok(()),
                _ => Err(unexpected(output, "a closed issue")),
            }
        };
        let look = || {
            Ok(match self.show_one(id)?.status {
                IssueStatus::Closed => ReadBack::Applied(()),
                _ => ReadBack::NotApplied,
            })
        };
        self.write_call(&Call::write(commands::close(id, actor, reason)), read, look)
    }

    /// Renews the lease of a claim.
    ///
    /// # Errors
    /// [`BdError::NotFound`]; that somebody else has it is an answer, not an error.
    pub fn renew(&self, id: &TaskId, actor: &str) -> Result<Renewal, BdError> {
        #[derive(Deserialize)]
        struct Answer {
            id: String,
            owner: String,
        }
        if !self.features().leases {
            return Ok(Renewal::NoLeases);
        }
        check_id(id, "renew")?;
        let output = self.call_once(&Call::write(commands::renew(id, actor)))?;
        if output.code != 0 {
            return match refused_by_text(&output, id, "renew") {
                BdError::Refused(refusal) => Ok(Renewal::Refused(refusal)),
                failure => Err(failure),
            };
        }
        let answer: Answer = parsed(&output, |bytes| wire::read(bytes, "the renewed lease"))?;
        match answer {
            Answer { id: named, owner } if named == id.as_str() && owner == actor => {
                Ok(Renewal::Renewed)
            }
            Answer { owner, .. } => Ok(Renewal::Refused(held_by(&owner, id, "renew"))),
        }
    }
}

/// The claim that `issue` shows for `actor`, or why it shows none.
fn claim_of(issue: &Issue, actor: &str, lease: Option<u64>) -> Result<Claimed, RefusalReason> {
    match (&issue.status, issue.assignee.as_deref()) {
        (IssueStatus::InProgress, Some(holder)) if holder == actor => Ok(Claimed {
            assignee: actor.to_owned(),
            lease_expires_unix_ms: lease,
        }),
        (_, Some(holder)) if holder != actor => Err(RefusalReason::HeldBy(holder.to_owned())),
        (IssueStatus::Open, _) => Err(RefusalReason::NotHeld),
        (status, _) => Err(RefusalReason::Status(status.clone())),
    }
}
