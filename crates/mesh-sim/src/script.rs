//! How one attempt behaves, drawn from the seed and the attempt's name alone, so that a restart under the same number is the
//! same attempt.

use mesh_core::evidence::{
    BlockReading, ChangedClaim, Ending, Evidence, Failure, FailureClass, ProofChoice, ScopeBreach,
    Unrecorded,
};
use mesh_core::id::{AttemptId, LockGroup};
use mesh_core::task::Commit;

use crate::faults::Faults;
use crate::rng::Rng;
use crate::schedule::good_findings;

/// What an agent does when it is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It ends.
    Prompt,
    /// It ends after this many milliseconds.
    Late(u64),
    /// Nothing; only a kill ends it.
    Ignores,
}

/// What an attempt leaves that ended with exit code 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// All it was asked to.
    Good,
    /// All it was asked to, and nobody named a proof.
    GoodWithoutProof,
    /// All it was asked to, and the task needs no proof.
    GoodWaived,
    /// No final block.
    NoBlock,
    /// A question.
    Question,
    /// No change and no reason.
    NoChange,
    /// A conflict.
    Conflict,
    /// Work beside its result.
    Stray,
    /// Something that is in no commit.
    Unrecorded,
    /// A change in a lock group that it did not hold.
    Breach,
    /// A secret in what it changed.
    Secret,
}

/// A worker that can hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worker {
    /// Claim, workspace, start.
    Start,
    /// The recording.
    Recording,
    /// The start of the proof.
    Proof,
}

/// One attempt's behaviour.
#[derive(Debug, Clone)]
pub struct Script {
    /// Why it cannot be started, if it cannot.
    pub start: Option<Failure>,
    /// How long the agent works.
    pub work_ms: u64,
    /// How it ends by itself; nothing when it hangs.
    pub ending: Option<Ending>,
    /// After how long it shows no more signs of life.
    pub quiet_after: Option<u64>,
    /// When told to end.
    pub on_stop: OnStop,
    /// What it leaves.
    pub leaves: Leaves,
    /// How often recording it fails before it succeeds.
    pub recording_failures: u64,
    /// A worker of the coordinator hangs in this attempt and never reports.
    pub worker_hangs: Option<Worker>,
    /// How long the proof takes.
    pub proof_ms: u64,
    /// How the proof ends.
    pub proof: Ending,
}

impl Script {
    /// The behaviour of `attempt` in the world of `seed`.
    #[must_use]
    pub fn of(seed: u64, faults: &Faults, attempt: &AttemptId, work_ms: u64) -> Script {
        let name = attempt.task.as_str().bytes().fold(7_u64, |sum, byte| {
            sum.wrapping_mul(131).wrapping_add(u64::from(byte))
        });
        let task = Rng::new(seed).fork(name);
        let stubborn = task.fork(1).percent(faults.stubborn);
        let mut rng = if stubborn {
            task.fork(2)
        } else {
            task.fork(1000 + u64::from(attempt.number))
        };
        let bad = rng.percent(faults.bad_attempt) || stubborn;
        let mut script = Script {
            start: None,
            work_ms,
            ending: Some(Ending::Exited(0)),
            quiet_after: None,
            on_stop: match rng.below(100) {
                roll if roll < faults.refuses_stop => OnStop::Ignores,
                roll if roll < 2 * faults.refuses_stop => OnStop::Late(rng.between(1_000, 90_000)),
                _ => OnStop::Prompt,
            },
            leaves: Leaves::Good,
            recording_failures: 0,
            worker_hangs: None,
            proof_ms: rng.between(100, 120_000),
            proof: Ending::Exited(0),
        };
        if bad {
            script.goes_wrong(&mut rng);
        } else {
            match rng.below(20) {
                0 => script.leaves = Leaves::GoodWaived,
                1 => script.leaves = Leaves::GoodWithoutProof,
                _ => {}
            }
        }
        script
    }

    fn goes_wrong(&mut self, rng: &mut Rng) {
        match rng.below(20) {
            0 | 1 => self.ending = Some(Ending::Exited(1)),
            2 => self.ending = Some(Ending::Signaled(9)),
            3 => self.ending = Some(Ending::NoReport),
            4 => self.ending = Some(Ending::Flood),
            5 => self.ending = Some(Ending::HardLimit),
            6 => {
                self.ending = None;
                self.quiet_after = Some(rng.between(0, 600_000));
            }
            7 => self.leaves = Leaves::NoBlock,
            8 => self.leaves = Leaves::Question,
            9 => self.leaves = Leaves::NoChange,
            10 => self.leaves = Leaves::Conflict,
            11 => self.leaves = Leaves::Stray,
            12 => self.leaves = *rng.pick(&[Leaves::Unrecorded, Leaves::Breach, Leaves::Secret]),
            13 => self.proof = Ending::HardLimit,
            14 => {
                let class = *rng.pick(&[FailureClass::CouldNotStart, FailureClass::Setup]);
                self.start = Some(Failure::new(class, format!("cause {}", rng.below(3))));
            }
            15 => self.proof = Ending::Exited(1),
            16 | 17 => self.recording_failures = rng.between(1, 4),
            _ => {
                self.worker_hangs =
                    Some(*rng.pick(&[Worker::Start, Worker::Recording, Worker::Proof]));
            }
        }
    }

    /// What is found when the attempt is inspected. Twice the same.
    #[must_use]
    pub fn evidence(&self, attempt: &AttemptId) -> Evidence {
        let mut found = good_findings(attempt);
        let block = |change: &mut dyn FnMut(&mut mesh_core::evidence::FinalBlock),
                     found: &mut Evidence| {
            if let BlockReading::Read(block) = &mut found.block {
                change(block);
            }
        };
        match self.leaves {
            // Where a secret was found nothing else is looked at.
            Leaves::Good | Leaves::Secret => {}
            Leaves::GoodWithoutProof => found.proof = ProofChoice::Nothing,
            Leaves::GoodWaived => {
                found.proof = ProofChoice::Waived;
                found.changes.paths.clear();
                block(
                    &mut |block| block.changed = ChangedClaim::NoDiff("nothing to do".to_owned()),
                    &mut found,
                );
            }
            Leaves::NoBlock => found.block = BlockReading::Missing("no block".to_owned()),
            Leaves::Question => block(
                &mut |block| block.blockers = Some("which one?".to_owned()),
                &mut found,
            ),
            Leaves::NoChange => found.changes.paths.clear(),
            Leaves::Conflict => found.changes.conflicted = vec!["file".to_owned()],
            Leaves::Stray => found.changes.strays = vec![Commit("stray".to_owned())],
            Leaves::Breach => {
                let breach = |group| ScopeBreach {
                    path: "file".to_owned(),
                    group,
                };
                found.changes.breaches = LockGroup::new("other").map(breach).into_iter().collect();
            }
            Leaves::Unrecorded => {
                found.changes.unrecorded = vec![Unrecorded {
                    path: "app".to_owned(),
                    why: "a repository of its own".to_owned(),
                }];
            }
        }
        found
    }

    /// Whether, in truth, this attempt's work is done and proved. `without_proof`: the run accepts results nobody proves.
    #[must_use]
    pub fn is_good(&self, without_proof: bool) -> bool {
        self.ending == Some(Ending::Exited(0))
            && match self.leaves {
                Leaves::Good => self.proof == Ending::Exited(0),
                Leaves::GoodWaived => true,
                Leaves::GoodWithoutProof => without_proof,
                _ => false,
            }
    }
}
