//! The target of landings as it really is: candidates, their proofs, and people who move it meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::event::Event;
use mesh_core::evidence::{Ending, ProofEnd};
use mesh_core::id::AttemptId;
use mesh_core::landing::{Candidate, Integration, Publication};
use mesh_core::task::Commit;

use super::{Happening, Process, Role, Thread, World};

/// The target and what may become it.
#[derive(Debug)]
pub struct Target {
    /// Where it is.
    pub at: Commit,
    /// Commits that it has been at.
    pub history: BTreeSet<Commit>,
    /// Candidates, with the attempt and whether the proof passed on them.
    pub candidates: BTreeMap<Commit, (AttemptId, bool)>,
    /// The proof of a landing, by attempt, with the candidate it runs on.
    pub proofs: BTreeMap<AttemptId, LandingProof>,
    made: u64,
}

/// The proof of a landing.
#[derive(Debug)]
pub struct LandingProof {
    /// The landing's number.
    pub landing: u32,
    /// What it runs on.
    pub on: Commit,
    /// Its process.
    pub process: Process,
}

impl Target {
    pub(super) fn new() -> Target {
        let at = Commit("target-0".to_owned());
        Target {
            history: BTreeSet::from([at.clone()]),
            at,
            candidates: BTreeMap::new(),
            proofs: BTreeMap::new(),
            made: 0,
        }
    }

    fn next(&mut self, what: &str) -> Commit {
        self.made += 1;
        Commit(format!("{what}-{}", self.made))
    }

    fn move_to(&mut self, to: Commit) {
        self.history.insert(to.clone());
        self.at = to;
    }
}

impl World {
    /// Whether a landing of the attempt is at its proof.
    #[must_use]
    pub fn proves_landing(&self, attempt: &AttemptId) -> bool {
        let proof = self.target.proofs.get(attempt);
        proof.is_some_and(|proof| proof.process.ending.is_none())
    }

    pub(super) fn integrate(&mut self, attempt: &AttemptId) -> Integration {
        let landed = |commit: &&Commit| {
            let of = self.target.candidates.get(*commit);
            of.is_some_and(|(of, _)| of == attempt)
        };
        if self.target.history.iter().any(|commit| landed(&commit)) {
            return Integration::AlreadyThere {
                commit: self.target.at.clone(),
            };
        }
        if self.rng.percent(self.faults.landing) {
            return if self.rng.percent(60) {
                Integration::Conflict {
                    paths: vec!["file".to_owned()],
                }
            } else {
                Integration::Refused {
                    reason: "checked out".to_owned(),
                }
            };
        }
        let to = self.target.next("candidate");
        self.target
            .candidates
            .insert(to.clone(), (attempt.clone(), false));
        Integration::Candidate(Candidate {
            from: self.target.at.clone(),
            copies: vec![to.clone()],
            to,
        })
    }

    pub(super) fn prove_landing(
        &mut self,
        attempt: &AttemptId,
        landing: u32,
        candidate: &Candidate,
    ) {
        if self.proves_landing(attempt) {
            return self.breaks(format!("the landing of {attempt} is proved twice at once"));
        }
        if let Some((other, _)) = self
            .target
            .proofs
            .iter()
            .find(|(_, proof)| proof.process.ending.is_none())
        {
            return self.breaks(format!("{attempt} is landed while {other} is"));
        }
        let process = Process {
            ending: None,
            due: None,
        };
        let proof = LandingProof {
            landing,
            on: candidate.to.clone(),
            process,
        };
        self.target.proofs.insert(attempt.clone(), proof);
        if self.rng.percent(self.faults.landing / 4) {
            // It hangs; the core has to give it up.
            return;
        }
        let ending = match self.rng.percent(self.faults.landing) {
            true => self
                .rng
                .pick(&[Ending::Exited(1), Ending::NoReport, Ending::HardLimit])
                .clone(),
            false => Ending::Exited(0),
        };
        let takes = self.rng.between(500, 40_000);
        self.after(
            takes,
            Happening::Ends(attempt.clone(), Role::LandingProof, ending),
        );
    }

    /// Gives the number of the landing whose proof has ended by this.
    pub(super) fn landing_proof_ends(
        &mut self,
        attempt: &AttemptId,
        ending: &Ending,
    ) -> Option<u32> {
        let proof = self.target.proofs.get_mut(attempt)?;
        if proof.process.ending.is_some() {
            return None;
        }
        proof.process.ending = Some(ending.clone());
        if let Some((_, proved)) = self.target.candidates.get_mut(&proof.on) {
            *proved = *ending == Ending::Exited(0);
        }
        Some(proof.landing)
    }

    pub(super) fn publish(&mut self, attempt: &AttemptId, candidate: &Candidate) -> Publication {
        if self.target.history.contains(&candidate.to) {
            return Publication::Moved {
                commit: candidate.to.clone(),
            };
        }
        if self.rng.percent(self.faults.landing) {
            let theirs = self.target.next("theirs");
            self.target.move_to(theirs);
        }
        if self.target.at != candidate.from {
            return Publication::TargetMoved;
        }
        let proved = self.target.candidates.get(&candidate.to);
        let waived = self
            .attempts
            .get(attempt)
            .is_some_and(|real| real.proof.is_none());
        if !waived && proved.is_none_or(|(_, proved)| !proved) {
            self.breaks(format!(
                "a landing without its proof: {attempt} as {}",
                candidate.to
            ));
        }
        self.target.move_to(candidate.to.clone());
        Publication::Moved {
            commit: candidate.to.clone(),
        }
    }

    /// What a thread that steps a landing has found, as the fact it reports.
    pub(super) fn landing_step(&mut self, thread: &Thread) -> Option<Event> {
        Some(match thread {
            Thread::Integrate(attempt, landing) => Event::Integrated {
                attempt: attempt.clone(),
                landing: *landing,
                integration: self.integrate(attempt),
            },
            Thread::Publish(attempt, landing, candidate) => Event::Published {
                attempt: attempt.clone(),
                landing: *landing,
                publication: self.publish(attempt, candidate),
            },
            _ => return None,
        })
    }
}

/// The report of a landing's proof that has ended.
#[must_use]
pub fn landing_proved(attempt: &AttemptId, landing: u32, ending: Ending) -> Event {
    Event::LandingProved {
        attempt: attempt.clone(),
        landing,
        proof: ProofEnd {
            ending,
            tail: String::new(),
            passed_in_workspace: false,
        },
    }
}
