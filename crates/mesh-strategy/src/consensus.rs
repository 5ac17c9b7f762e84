//! `consensus`: metadata where they are missing, a proposal, critiques in parallel, a synthesis, and one vote for each role on it.
//!
//! A cycle of critique, synthesis and vote that finds no consensus is repeated. Where a patch that was voted for does not apply, the
//! critiques stand and the next cycle begins with the synthesis. A critic who cannot be started at all leaves the three roles that
//! nothing can be done without (capacity mode): then all three must agree, and nobody who voted may disagree.

use std::convert::Infallible;

use mesh_plan::role_prompt::RolePrompt;
use mesh_plan::st::mesh_block;
use serde::Serialize;

use crate::answer::{self, Synthesis, Vote};
use crate::entry::Applied;
use crate::pipeline::proof_failed;
use crate::script::{ASKS, Asked, Failed, Halt, Run, Script};
use crate::step::{Act, Change, Outcome, Reason, Role, Stage, Turn, TurnId};
use crate::strategy::{Consensus, Form};
use crate::task::{Meta, Task};

const CRITICS: [Role; 3] = [Role::CriticA, Role::CriticB, Role::Skeptic];
const VOTERS: [Role; 5] = [
    Role::Proposer,
    Role::CriticA,
    Role::CriticB,
    Role::Skeptic,
    Role::Synthesizer,
];

/// Who takes no part in capacity mode.
const LEFT_OUT: [Role; 2] = [Role::CriticA, Role::CriticB];

#[derive(Serialize)]
struct ProposerFacts<'a> {
    task: &'a Task,
    step: &'static str,
    meta: &'a str,
    again: &'a str,
}

/// What all later roles are told; each template takes of it what it needs.
#[derive(Serialize, Clone, Copy)]
struct Facts<'a> {
    task: &'a Task,
    role: &'static str,
    meta: &'a str,
    proposal: &'a str,
    critiques: &'a [Critique<'a>],
    synthesis: &'a str,
    votes: &'a str,
    again: &'a str,
}

#[derive(Serialize, Clone, Copy)]
struct Critique<'a> {
    role: &'static str,
    text: &'a str,
}

struct Swarm<'a> {
    task: &'a Task,
    settings: Consensus,
    script: Script<'a>,
    /// Capacity mode, from the settings or since a critic could not be started.
    three: bool,
    notes: Vec<String>,
}

pub(crate) fn run(task: &Task, settings: &Consensus, script: Script<'_>) -> Run<Infallible> {
    let three = settings.form == Form::Three;
    let mut swarm = Swarm {
        task,
        settings: *settings,
        script,
        three,
        notes: Vec::new(),
    };
    let meta = swarm.meta()?;
    let proposal = swarm.proposal(&meta)?;
    let mut critiques: Vec<Critique<'_>> = Vec::new();
    let mut criticise = true;
    let (mut before, mut votes_before) = (String::new(), String::new());
    let mut why = (Reason::NoConsensus, String::new());
    for round in 1..=settings.retries.saturating_add(1) {
        let facts = Facts {
            task,
            role: "",
            meta: &meta.block,
            proposal,
            critiques: &[],
            synthesis: &before,
            votes: &votes_before,
            again: "",
        };
        if criticise {
            critiques = swarm.critiques(round, facts)?;
        }
        let facts = Facts {
            critiques: &critiques,
            ..facts
        };
        let (turn, text, synthesis) = swarm.synthesis(round, facts, &meta)?;
        let vote = swarm.vote(
            round,
            Facts {
                synthesis: text,
                ..facts
            },
        )?;
        why = match vote {
            Ok(()) => match swarm.integrate(turn, synthesis)? {
                Ok(outcome) => return Err(Halt::finish(outcome)),
                Err(refused) => {
                    criticise = false;
                    votes_before.clone_from(&refused);
                    (Reason::AmbiguousIntegration, refused)
                }
            },
            Err(tally) => {
                criticise = true;
                votes_before.clone_from(&tally);
                (Reason::NoConsensus, tally)
            }
        };
        text.clone_into(&mut before);
    }
    Err(swarm.blocked(why.0, why.1))
}

impl<'a> Swarm<'a> {
    /// The task's metadata, completed by the proposer where something is missing.
    fn meta(&mut self) -> Run<Meta> {
        let own = own_meta(self.task);
        if self.is_complete(&own) {
            return Ok(own);
        }
        let (task, script) = (self.task, self.script);
        let asked = self.script.ask(
            (Stage::HydrateMeta, 1, Role::Proposer),
            ASKS,
            |turn, text| {
                let meta = hydrated(&own, text)?;
                // What only lacks a proof, also when it was asked for again, is told apart below.
                let lacks_proof = !self.is_complete(&meta) && turn.ask < ASKS;
                if meta.scope.is_empty() || meta.acceptance.is_empty() || lacks_proof {
                    return Err(
                        "the `mesh` block needs `scope`, `acceptance` and `validation`".to_owned(),
                    );
                }
                Ok(meta)
            },
        );
        let (turn, meta) = self.done(Role::Proposer, asked, |again| {
            let facts = ProposerFacts {
                task,
                step: Stage::HydrateMeta.as_str(),
                meta: &own.block,
                again,
            };
            script.prompt(RolePrompt::Proposer, facts)
        })?;
        if !self.is_complete(&meta) {
            let detail =
                "no command is named that proves the work, and `allow_no_validation` is not set";
            return Err(self.blocked(Reason::MissingValidation, detail.to_owned()));
        }
        if self.script.is_persisted(turn) {
            Ok(meta)
        } else {
            Err(Halt::act(Act::Persist { turn, meta }))
        }
    }

    fn is_complete(&self, meta: &Meta) -> bool {
        let is_proved = !meta.validation.is_empty() || self.task.allow_no_validation;
        !meta.scope.is_empty() && !meta.acceptance.is_empty() && is_proved
    }

    fn proposal(&mut self, meta: &Meta) -> Run<&'a str> {
        let (task, script) = (self.task, self.script);
        let asked = said(script, (Stage::Proposal, 1, Role::Proposer));
        let (_, text) = self.done(Role::Proposer, asked, |again| {
            let facts = ProposerFacts {
                task,
                step: Stage::Proposal.as_str(),
                meta: &meta.block,
                again,
            };
            script.prompt(RolePrompt::Proposer, facts)
        })?;
        Ok(text)
    }

    fn critiques(&mut self, round: u32, facts: Facts<'_>) -> Run<Vec<Critique<'a>>> {
        let script = self.script;
        let answers = self.all(
            &CRITICS,
            |role| said(script, (Stage::Critique, round, role)),
            |role, again| {
                script.prompt(
                    RolePrompt::Critic,
                    Facts {
                        role: role.as_str(),
                        again,
                        ..facts
                    },
                )
            },
        )?;
        let mut critiques = Vec::new();
        for (role, answer) in answers {
            match answer {
                Ok(text) => critiques.push(Critique {
                    role: role.as_str(),
                    text,
                }),
                Err(failed) => return Err(self.blocked(Reason::NoResponse, failed.describe(role))),
            }
        }
        Ok(critiques)
    }

    fn synthesis(
        &mut self,
        round: u32,
        facts: Facts<'_>,
        meta: &Meta,
    ) -> Run<(TurnId, &'a str, Synthesis)> {
        let script = self.script;
        let role = Role::Synthesizer;
        let asked = script.ask((Stage::Synthesis, round, role), ASKS, |turn, text| {
            let synthesis = answer::synthesis(text, &meta.scope, &meta.validation)?;
            Ok((turn, synthesis))
        });
        let (turn, (_, synthesis)) = self.done(role, asked, |again| {
            script.prompt(
                RolePrompt::Synthesizer,
                Facts {
                    role: role.as_str(),
                    again,
                    ..facts
                },
            )
        })?;
        Ok((turn, script.answer(turn), synthesis))
    }

    /// One vote for each role. The inner error is the tally of a vote that found no consensus.
    fn vote(&mut self, round: u32, facts: Facts<'_>) -> Run<Result<(), String>> {
        let script = self.script;
        let ask = |role| {
            script.ask((Stage::Vote, round, role), ASKS, |_, text| {
                answer::vote(text)
            })
        };
        let answers = self.all(&VOTERS, ask, |role, again| {
            script.prompt(
                RolePrompt::Voter,
                Facts {
                    role: role.as_str(),
                    again,
                    ..facts
                },
            )
        })?;
        let votes: Vec<(Role, Option<Vote>)> = answers
            .into_iter()
            .map(|(role, answer)| (role, answer.ok()))
            .collect();
        let count = |wanted: Option<bool>| {
            let counted = votes
                .iter()
                .filter(|(_, vote)| vote.as_ref().map(|vote| vote.agree) == wanted);
            counted.count()
        };
        let (agree, missing) = (count(Some(true)), count(None));
        let threshold = self.threshold();
        let against = self.left_out_against(round);
        let is_open = against.is_empty();
        let all: Vec<(Role, Option<Vote>)> = votes.iter().cloned().chain(against).collect();
        let tally = tally(round, threshold, &all);
        self.notes.push(tally.clone());
        if agree >= threshold && is_open {
            return Ok(Ok(()));
        }
        if agree + missing >= threshold && is_open {
            return Err(self.blocked(Reason::NoResponse, tally));
        }
        Ok(Err(tally))
    }

    fn threshold(&self) -> usize {
        match (self.settings.form, self.three) {
            (Form::Five, true) => Form::Three.roles(),
            (Form::Five, false) | (Form::Three, _) => self.settings.threshold.max(1),
        }
    }

    /// Critics who disagreed in this round before it went on without them.
    fn left_out_against(&self, round: u32) -> Vec<(Role, Option<Vote>)> {
        let left_out = LEFT_OUT.into_iter().filter(|_| self.three);
        let votes = left_out.filter_map(|role| {
            let asked = (Stage::Vote, round, role);
            match self.script.ask(asked, ASKS, |_, text| answer::vote(text)) {
                Asked::Done { answer, .. } if !answer.agree => Some((role, Some(answer))),
                Asked::Open { .. } | Asked::Done { .. } | Asked::Failed(_) => None,
            }
        });
        votes.collect()
    }

    /// Applies the patch that was voted for and proves it. The inner error says why it does not apply.
    fn integrate(&mut self, turn: TurnId, synthesis: Synthesis) -> Run<Result<Outcome, String>> {
        let validation = synthesis.validation;
        let notes = self.notes.clone();
        let Some(patch) = synthesis.patch else {
            let change = Change::NoDiff {
                reason: synthesis.no_diff,
            };
            return Ok(Ok(Outcome::Accepted {
                change,
                validation,
                notes,
            }));
        };
        let (patch, paths) = (patch.text, patch.paths);
        match self.script.applied(turn) {
            None => return Err(Halt::act(Act::Apply { turn, patch, paths })),
            Some(Applied::Refused { why }) => {
                return Ok(Err(format!("the patch does not apply: {why}")));
            }
            Some(Applied::Applied) => {}
        }
        if !validation.is_empty() {
            match self.script.proof(turn) {
                None => {
                    return Err(Halt::act(Act::Prove {
                        turn,
                        commands: validation,
                    }));
                }
                Some((Some(0), _)) => {}
                Some((exit, excerpt)) => {
                    return Err(self.blocked(Reason::ValidationFailed, proof_failed(exit, excerpt)));
                }
            }
        }
        let change = Change::Patch {
            turn,
            patch,
            paths,
            keep_file: false,
        };
        Ok(Ok(Outcome::Accepted {
            change,
            validation,
            notes,
        }))
    }

    /// The answer of one role that nothing goes on without.
    fn done<T>(
        &mut self,
        role: Role,
        asked: Asked<T>,
        prompt: impl Fn(&str) -> Result<String, mesh_plan::prompt::RenderError>,
    ) -> Run<(TurnId, T)> {
        match asked {
            Asked::Open { turn, again } => Err(Halt::turns(vec![Turn {
                id: turn,
                prompt: prompt(&again)?,
            }])),
            Asked::Done { turn, answer } => Ok((turn, answer)),
            Asked::Failed(failed) => Err(self.blocked(Reason::NoResponse, failed.describe(role))),
        }
    }

    /// The answers of several roles at once, of those that take part.
    fn all<T>(
        &mut self,
        roles: &[Role],
        ask: impl Fn(Role) -> Asked<T>,
        prompt: impl Fn(Role, &str) -> Result<String, mesh_plan::prompt::RenderError>,
    ) -> Run<Vec<(Role, Result<T, Failed>)>> {
        for role in LEFT_OUT {
            let Asked::Failed(failed) = ask(role) else {
                continue;
            };
            if failed.not_started && !self.three {
                self.three = true;
                self.notes.push(format!(
                    "capacity mode, three roles: {}",
                    failed.describe(role)
                ));
            }
        }
        let (mut turns, mut answers) = (Vec::new(), Vec::new());
        for role in roles
            .iter()
            .copied()
            .filter(|role| !self.three || !LEFT_OUT.contains(role))
        {
            match ask(role) {
                Asked::Open { turn, again } => turns.push(Turn {
                    id: turn,
                    prompt: prompt(role, &again)?,
                }),
                Asked::Done { answer, .. } => answers.push((role, Ok(answer))),
                Asked::Failed(failed) => answers.push((role, Err(failed))),
            }
        }
        if turns.is_empty() {
            Ok(answers)
        } else {
            Err(Halt::turns(turns))
        }
    }

    fn blocked(&mut self, reason: Reason, detail: String) -> Box<Halt> {
        Halt::blocked(reason, detail, std::mem::take(&mut self.notes))
    }
}

/// Any answer that says something.
fn said<'a>(script: Script<'a>, asked: (Stage, u32, Role)) -> Asked<&'a str> {
    match script.ask(asked, ASKS, |turn, text| {
        if text.trim().is_empty() {
            Err("the answer is empty".to_owned())
        } else {
            Ok(turn)
        }
    }) {
        Asked::Open { turn, again } => Asked::Open { turn, again },
        Asked::Done { turn, .. } => Asked::Done {
            turn,
            answer: script.answer(turn),
        },
        Asked::Failed(failed) => Asked::Failed(failed),
    }
}

/// What the task says itself.
fn own_meta(task: &Task) -> Meta {
    let acceptance = task
        .acceptance
        .lines()
        .map(|line| line.trim().trim_start_matches(['-', '*', ' ']));
    let mut meta = Meta {
        scope: task.scope.clone(),
        acceptance: acceptance
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
        validation: task.validation.clone(),
        block: String::new(),
    };
    meta.block = block(&meta);
    meta
}

/// What the task says, and of the proposer's block what the task does not say.
fn hydrated(own: &Meta, text: &str) -> Result<Meta, String> {
    let made = mesh_block(text).map_err(|problems| problems.join("; "))?;
    let or = |own: &[String], made: Vec<String>| if own.is_empty() { made } else { own.to_vec() };
    let mut meta = Meta {
        scope: or(&own.scope, made.scope),
        acceptance: or(&own.acceptance, made.acceptance),
        validation: or(&own.validation, made.validation),
        block: String::new(),
    };
    meta.block = block(&meta);
    Ok(meta)
}

/// Metadata as a `mesh` block, without the fences. A JSON text is a YAML text.
fn block(meta: &Meta) -> String {
    let mut text = String::new();
    for (key, values) in [
        ("scope", &meta.scope),
        ("acceptance", &meta.acceptance),
        ("validation", &meta.validation),
    ] {
        if values.is_empty() {
            continue;
        }
        text.push_str(&format!("{key}:\n"));
        for value in values {
            text.push_str(&format!(
                "  - {}\n",
                serde_json::Value::from(value.as_str())
            ));
        }
    }
    text
}

/// A vote in one text: what was needed, what came, and why.
fn tally(round: u32, threshold: usize, votes: &[(Role, Option<Vote>)]) -> String {
    let of = |(role, vote): &(Role, Option<Vote>)| match vote {
        Some(Vote {
            agree: true,
            reason,
        }) => format!("{role} agrees ({reason})"),
        Some(Vote {
            agree: false,
            reason,
        }) => format!("{role} disagrees ({reason})"),
        None => format!("{role} gave no vote"),
    };
    let agree = votes
        .iter()
        .filter(|(_, vote)| vote.as_ref().is_some_and(|vote| vote.agree))
        .count();
    let each: Vec<String> = votes.iter().map(of).collect();
    format!(
        "cycle {round}: {agree} of {} agree, {threshold} needed: {}",
        votes.len(),
        each.join(", ")
    )
}
