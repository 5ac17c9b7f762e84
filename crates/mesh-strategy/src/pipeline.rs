//! `pipeline`: a coder makes a patch, a fixer accepts or rejects it, mesh applies it and runs the proof.
//!
//! A unit has one retry (a missing or unusable answer is asked for again) and one replacement (a fresh coder or fixer, also when the
//! accepted patch could not be delivered). What is not accepted has exactly one failure code.

use std::convert::Infallible;

use mesh_plan::role_prompt::RolePrompt;
use serde::Serialize;

use crate::answer;
use crate::contract::{self, CODES, Decision, Verdict};
use crate::entry::Applied;
use crate::patch::{Patch, PatchProblem};
use crate::script::{ASKS, Asked, Failed, Halt, Run, Script};
use crate::step::{Act, Change, Outcome, Reason, Role, Stage, Turn, TurnId};
use crate::strategy::{Delivery, Settings};
use crate::task::Task;

#[derive(Serialize)]
struct CoderFacts<'a> {
    task: &'a Task,
    codes: Vec<&'static str>,
    rework: &'a str,
    again: &'a str,
}

#[derive(Serialize)]
struct FixerFacts<'a> {
    task: &'a Task,
    codes: Vec<&'static str>,
    patch: &'a str,
    no_diff: &'a str,
    coder_notes: &'a str,
    again: &'a str,
}

/// What the coder made.
struct Made {
    turn: TurnId,
    verdict: Verdict,
    patch: Option<Patch>,
}

/// What a unit may still use up.
struct Unit<'a> {
    task: &'a Task,
    script: Script<'a>,
    retry: bool,
    replacement: bool,
    notes: Vec<String>,
}

pub(crate) fn run(task: &Task, settings: &Settings, script: Script<'_>) -> Run<Infallible> {
    let notes = Vec::new();
    let mut unit = Unit {
        task,
        script,
        retry: true,
        replacement: true,
        notes,
    };
    if task.validation.is_empty() && !task.allow_no_validation {
        let detail = "the unit has no proof command".to_owned();
        return Err(Halt::blocked(Reason::ProofMissing, detail, Vec::new()));
    }
    let (mut coder_round, mut fixer_round) = (1, 1);
    let mut rework = String::new();
    loop {
        let made = unit.coder(&mut coder_round, &rework)?;
        unit.fixer(&mut fixer_round, &made)?;
        let Some(patch) = made.patch else {
            let change = Change::NoDiff {
                reason: made.verdict.no_diff,
            };
            return Err(unit.accepted(change));
        };
        match unit.deliver(made.turn, &patch)? {
            Ok(()) => {
                let change = Change::Patch {
                    turn: made.turn,
                    patch: patch.text,
                    paths: patch.paths,
                    keep_file: settings.delivery == Delivery::PatchFirst,
                };
                return Err(unit.accepted(change));
            }
            Err(why) => {
                if !unit.replacement {
                    return Err(unit.blocked(Reason::DeliveryBlocked, why));
                }
                unit.replacement = false;
                unit.notes.push(format!("{}: {why}", made.turn));
                rework = format!("{why}\n\nThe patch was:\n{}", patch.text);
                coder_round += 1;
                fixer_round += 1;
            }
        }
    }
}

impl Unit<'_> {
    /// An accepted patch, or a reason for none.
    fn coder(&mut self, round: &mut u32, rework: &str) -> Run<Made> {
        let (task, script) = (self.task, self.script);
        let prompt = |again: &str| {
            script.prompt(
                RolePrompt::Coder,
                CoderFacts {
                    task,
                    codes: codes(),
                    rework,
                    again,
                },
            )
        };
        let (turn, (verdict, patch)) =
            self.role((Stage::Patch, Role::Coder), round, prompt, |text| {
                let verdict = contract::read(text, &task.id)?;
                let patch = match verdict.decision {
                    Decision::Accept => Some(read_patch(&verdict, task)?),
                    Decision::Reject(_) | Decision::NoDiff => None,
                };
                if verdict.decision == Decision::NoDiff && verdict.no_diff.is_empty() {
                    return Err(Unusable::Schema(
                        "`no_diff` needs `NO_DIFF:<reason>` in `notes`".to_owned(),
                    ));
                }
                Ok((verdict, patch))
            })?;
        self.reject(turn, &verdict)?;
        Ok(Made {
            turn,
            verdict,
            patch,
        })
    }

    /// Comes back when the fixer accepts.
    fn fixer(&mut self, round: &mut u32, made: &Made) -> Run<()> {
        let (task, script) = (self.task, self.script);
        let patch = made.patch.as_ref().map_or("", |patch| patch.text.as_str());
        let prompt = |again: &str| {
            script.prompt(
                RolePrompt::Fixer,
                FixerFacts {
                    task,
                    codes: codes(),
                    patch,
                    no_diff: &made.verdict.no_diff,
                    coder_notes: &made.verdict.notes,
                    again,
                },
            )
        };
        let (turn, verdict) = self.role((Stage::Review, Role::Fixer), round, prompt, |text| {
            let verdict = contract::read(text, &task.id)?;
            if verdict.decision == Decision::NoDiff && made.patch.is_some() {
                return Err(Unusable::Schema(
                    "there is a patch: the decision is `accept` or `reject`".to_owned(),
                ));
            }
            let own = verdict.patch.as_deref().map(str::trim).unwrap_or_default();
            let coders = made
                .verdict
                .patch
                .as_deref()
                .map(str::trim)
                .unwrap_or_default();
            if !own.is_empty() && own != coders {
                return Err(Unusable::Schema(
                    "the fixer makes no patch: it accepts or rejects the coder's as it is"
                        .to_owned(),
                ));
            }
            Ok(verdict)
        })?;
        self.reject(turn, &verdict)
    }

    /// Asks a role, with what there is of retry and replacement.
    fn role<T>(
        &mut self,
        (stage, role): (Stage, Role),
        round: &mut u32,
        prompt: impl Fn(&str) -> Result<String, mesh_plan::prompt::RenderError>,
        read: impl Fn(&str) -> Result<T, Unusable>,
    ) -> Run<(TurnId, T)> {
        loop {
            let asks = if self.retry { ASKS } else { 1 };
            let mut out_of_scope = false;
            let asked = self.script.ask((stage, *round, role), asks, |_, text| {
                read(text).map_err(|unusable| {
                    out_of_scope = matches!(unusable, Unusable::Scope(_));
                    match unusable {
                        Unusable::Schema(why) | Unusable::Scope(why) => why,
                    }
                })
            });
            match asked {
                Asked::Open { turn, again } => {
                    return Err(Halt::turns(vec![Turn {
                        id: turn,
                        prompt: prompt(&again)?,
                    }]));
                }
                Asked::Done { turn, answer } => {
                    self.retry &= turn.ask == 1;
                    return Ok((turn, answer));
                }
                Asked::Failed(failed) => {
                    self.retry &= failed.asks == 1;
                    self.failed(role, &failed, out_of_scope)?;
                    *round += 1;
                }
            }
        }
    }

    /// Comes back when a replacement may take over.
    fn failed(&mut self, role: Role, failed: &Failed, out_of_scope: bool) -> Run<()> {
        let what = failed.describe(role);
        if !failed.lost {
            let reason = if out_of_scope {
                Reason::ScopeOverlapConflict
            } else {
                Reason::InvalidOutputSchema
            };
            return Err(self.blocked(reason, what));
        }
        if !self.replacement || self.script.has_hard_limit() {
            return Err(self.blocked(Reason::TimeoutRetryExhausted, what));
        }
        self.replacement = false;
        self.notes.push(format!("{what}; a replacement took over"));
        Ok(())
    }

    /// Comes back unless the decision is `reject`.
    fn reject(&mut self, turn: TurnId, verdict: &Verdict) -> Run<()> {
        let Decision::Reject(reason) = verdict.decision else {
            return Ok(());
        };
        let notes = std::mem::take(&mut self.notes);
        if reason == Reason::RequiresClarification {
            let lines: Vec<&str> = verdict.notes.lines().collect();
            let question =
                answer::question(&verdict.notes).unwrap_or_else(|| answer::labelled("", &lines));
            return Err(Halt::finish(question.outcome(notes)));
        }
        let evidence = if verdict.notes.is_empty() {
            "it gave no evidence"
        } else {
            &verdict.notes
        };
        Err(Halt::blocked(reason, format!("{turn}: {evidence}"), notes))
    }

    /// Puts the patch into the workspace and proves it. The inner error is what the next coder is told.
    fn deliver(&self, turn: TurnId, patch: &Patch) -> Run<Result<(), String>> {
        match self.script.applied(turn) {
            None => {
                let (patch, paths) = (patch.text.clone(), patch.paths.clone());
                return Err(Halt::act(Act::Apply { turn, patch, paths }));
            }
            Some(Applied::Refused { why }) => {
                return Ok(Err(format!("the patch does not apply: {why}")));
            }
            Some(Applied::Applied) => {}
        }
        if self.task.validation.is_empty() {
            return Ok(Ok(()));
        }
        match self.script.proof(turn) {
            None => Err(Halt::act(Act::Prove {
                turn,
                commands: self.task.validation.clone(),
            })),
            Some((Some(0), _)) => Ok(Ok(())),
            Some((exit, excerpt)) => Ok(Err(proof_failed(exit, excerpt))),
        }
    }

    fn accepted(self, change: Change) -> Box<Halt> {
        Halt::finish(Outcome::Accepted {
            change,
            validation: self.task.validation.clone(),
            notes: self.notes,
        })
    }

    fn blocked(&mut self, reason: Reason, detail: String) -> Box<Halt> {
        Halt::blocked(reason, detail, std::mem::take(&mut self.notes))
    }
}

/// Why an answer cannot be used.
enum Unusable {
    Schema(String),
    Scope(String),
}

impl From<String> for Unusable {
    fn from(why: String) -> Unusable {
        Unusable::Schema(why)
    }
}

fn read_patch(verdict: &Verdict, task: &Task) -> Result<Patch, Unusable> {
    let Some(text) = verdict.patch.as_deref() else {
        return Err(Unusable::Schema("`accept` needs a `patch`".to_owned()));
    };
    Patch::read(text, &task.scope).map_err(|problem| match problem {
        PatchProblem::Malformed(_) => Unusable::Schema(problem.describe()),
        PatchProblem::OutOfScope(_) => Unusable::Scope(problem.describe()),
    })
}

/// What is said of a proof that failed.
pub(crate) fn proof_failed(exit: Option<i32>, excerpt: &str) -> String {
    let how = exit.map_or("was ended by a signal or a limit".to_owned(), |code| {
        format!("ended with exit code {code}")
    });
    format!("the proof {how}: {}", excerpt.trim())
}

fn codes() -> Vec<&'static str> {
    CODES.iter().map(|code| code.as_str()).collect()
}
