//! Seeded worlds: roles that answer late, twice, never or against themselves, patches that do not apply, proofs that fail, and a driver
//! that is killed at any point. Judges look at every step.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::split_mix::split_mix_64;

use super::*;
use crate::entry::{Applied, End};
use crate::script::ASKS;
use crate::step::{Act, Change, Outcome, Reason, Role, Stage, TurnId};
use crate::strategy::{Consensus, Delivery, Form};

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(split_mix_64(&mut self.0) % end as u64).unwrap()
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const DIFF: &str = "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-a\n+b\n";

fn task(dice: &mut Dice) -> Task {
    // Few, because reading YAML again at each step is most of the time.
    let has_gaps = dice.percent(6);
    let mut has = |percent| !has_gaps || dice.percent(percent);
    let texts = |present: bool, text: &str| {
        if present {
            vec![text.to_owned()]
        } else {
            Vec::new()
        }
    };
    Task {
        id: "T1".to_owned(),
        title: "a task".to_owned(),
        description: "do it".to_owned(),
        acceptance: texts(has(60), "it works").concat(),
        scope: texts(has(60), "src/**"),
        validation: texts(has(30), "make test"),
        allow_no_validation: dice.percent(30),
        ..Task::default()
    }
}

fn settings(dice: &mut Dice) -> Settings {
    let form = if dice.percent(70) {
        Form::Five
    } else {
        Form::Three
    };
    let most = if dice.percent(80) { form.roles() } else { 7 };
    Settings {
        race: dice.percent(80),
        delivery: if dice.percent(50) {
            Delivery::CommitFirst
        } else {
            Delivery::PatchFirst
        },
        consensus: Consensus {
            form,
            threshold: dice.below(most + 1),
            retries: u32::try_from(dice.below(4)).unwrap(),
        },
    }
}

/// What a role may say that anybody could use, or not.
fn answer(dice: &mut Dice, turn: TurnId, task: &Task, trust: usize) -> String {
    if !dice.percent(trust) {
        let wrong = [
            "",
            "I did it.",
            "vote: maybe\nreason: x",
            "{\"id\":\"T1\"}",
            "NO_DIFF:",
            "```diff\n@@ -1 +1 @@\n-a\n+b\n```",
            "```diff\n--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n```",
            "```mesh\nscope: {\n```",
            "{\"id\":\"T2\",\"decision\":\"accept\",\"proof_status\":\"pass\"}",
            "vote: agree\nvote: disagree\nreason: both",
        ];
        return wrong[dice.below(wrong.len())].to_owned();
    }
    let patch = if dice.percent(85) {
        DIFF.to_owned()
    } else {
        DIFF.replace("src/", "docs/")
    };
    match turn.stage {
        Stage::Patch if turn.role == Role::Worker => match dice.below(10) {
            0 => "NO_DIFF:it is there".to_owned(),
            1 => "HUMAN INPUT REQUIRED\nQuestion: which?\nRecommended default: this".to_owned(),
            _ => format!("Done.\n```diff\n{patch}```\n"),
        },
        Stage::Patch | Stage::Review => {
            let is_coder = turn.role == Role::Coder;
            let word = match dice.below(12) {
                0 => "NO_DIFF",
                1 => "requires_clarification",
                2 => "safety_regression_risk",
                _ => "",
            };
            let json = match word {
                "NO_DIFF" => {
                    serde_json::json!({"id": task.id, "decision": "no_diff", "proof_status": "skipped", "notes": "NO_DIFF:it is there"})
                }
                "" if is_coder => {
                    serde_json::json!({"id": task.id, "decision": "accept", "proof_status": "skipped", "patch": patch})
                }
                "" => {
                    serde_json::json!({"id": task.id, "decision": "accept", "proof_status": "pass"})
                }
                code => {
                    serde_json::json!({"id": task.id, "decision": "reject", "proof_status": "skipped", "failure_code": code, "notes": "because"})
                }
            };
            json.to_string()
        }
        Stage::HydrateMeta => {
            let validation = if dice.percent(80) {
                "validation: [make test]\n"
            } else {
                ""
            };
            format!("```mesh\nscope: [src]\nacceptance: [it works]\n{validation}```\n")
        }
        Stage::Proposal | Stage::Critique => "something".to_owned(),
        Stage::Synthesis => {
            let commands = if task.validation.is_empty() && task.allow_no_validation {
                ""
            } else {
                "3) Validation\n- make test\n"
            };
            let body = if dice.percent(90) {
                format!("```diff\n{patch}```")
            } else {
                "NO_DIFF:it is there".to_owned()
            };
            format!("1) Decision log\n- all accepted\n2) Patch\n{body}\n{commands}")
        }
        Stage::Vote => format!(
            "vote: {}\nreason: so\n",
            if dice.percent(75) {
                "agree"
            } else {
                "disagree"
            }
        ),
    }
}

fn end(dice: &mut Dice, turn: TurnId, task: &Task, trust: usize) -> End {
    match dice.below(20) {
        0 => End::TimedOut,
        1 => End::NoAnswer {
            why: "crashed".to_owned(),
        },
        2 => End::NotStarted {
            why: "no process".to_owned(),
        },
        _ => End::Answer {
            text: answer(dice, turn, task, trust),
        },
    }
}

/// What answers are made of, and what breaks readers.
const PIECES: [&str; 40] = [
    "```",
    "````",
    "~~~",
    "```diff",
    "```patch",
    "```json",
    "```mesh",
    "   ```",
    "diff --git a/x b/x",
    "diff --git ",
    "--- a/x",
    "--- ",
    "+++ b/x",
    "+++ /dev/null",
    "--- /dev/null",
    "--- \"a/x\"",
    "@@ -1 +1 @@",
    "@@ -0,0 +1,2 @@ f",
    "@@ -1,99999999999999999999 +1 @@",
    "@@",
    "-a",
    "+b",
    " c",
    "",
    "\\ No newline at end of file",
    "rename from x",
    "rename to ../y",
    "new file mode 100644",
    "NO_DIFF:x",
    "HUMAN INPUT REQUIRED",
    "Question: ä?",
    "vote: agree",
    "reason: ß",
    "{\"id\":\"T1\",\"decision\":\"accept\"",
    "}",
    "1) Decision log",
    "3) Validation",
    "- make",
    "VALIDATION_UPDATED: x",
    "日本\r",
];

#[test]
fn no_answer_makes_a_reader_fail_and_every_patch_reads_the_same_again() {
    let mut dice = Dice(1);
    let mut patches = 0;
    for _ in 0..20_000 {
        let count = dice.below(14);
        let end = ["\n", "\r\n", "\n   "][dice.below(3)];
        let pieces: Vec<&str> = (0..count)
            .map(|_| PIECES[dice.below(PIECES.len())])
            .collect();
        let text = pieces.join(end);
        let _ = (
            answer::vote(&text),
            contract::read(&text, "T1"),
            mesh_plan::st::mesh_block(&text),
        );
        let _ = answer::synthesis(&text, &[], &["make".to_owned()]);
        let Ok(answer::Reading::Patch(patch)) = answer::read(&text, &[]) else {
            continue;
        };
        patches += 1;
        assert_eq!(
            crate::patch::Patch::read(&patch.text, &[]),
            Ok(patch.clone()),
            "{text}"
        );
        assert!(
            patch
                .paths
                .iter()
                .all(|path| path == "x" || path == "b/x" || path == "a/x"),
            "{:?}",
            patch.paths
        );
    }
    assert!(patches > 20, "{patches}");
}

/// A world: what is written down, what is running, and what may not happen again.
struct World {
    strategy: Strategy,
    task: Task,
    settings: Settings,
    written: Vec<Entry>,
    running: BTreeSet<TurnId>,
    started: BTreeSet<TurnId>,
    /// What the workspace holds.
    holds: Option<TurnId>,
    proved: bool,
}

impl World {
    fn next(&self) -> Next {
        let mut script = Script::new(&self.written);
        script.is_mute = true;
        match *steps(self.strategy, &self.task, &self.settings, script) {
            Halt::Next(next) => next,
            Halt::Fault(fault) => panic!("{fault}"),
        }
    }

    /// What is asked for is allowed: nothing runs twice, nothing is applied without what it needs.
    fn judge(&self, next: &Next) {
        assert!(
            !next.turns.is_empty() || next.act.is_some(),
            "nothing is to be done"
        );
        let wanted: BTreeSet<TurnId> = next.turns.iter().map(|turn| turn.id).collect();
        assert_eq!(wanted.len(), next.turns.len(), "a turn is named twice");
        assert!(
            wanted.len() <= self.strategy.agents_at_once(&self.settings),
            "too many at once: {wanted:?}"
        );
        for turn in &wanted {
            assert!((1..=2).contains(&turn.ask), "{turn} is asked too often");
            assert!(
                self.first_end(*turn).is_none(),
                "{turn} has ended and is wanted again"
            );
            assert!(
                !self.written.contains(&Entry::HardLimit),
                "{turn} is wanted after the hard limit"
            );
            assert!(
                self.strategy.roles().contains(&turn.role),
                "{turn} has a role of another strategy"
            );
            if turn.ask == 2 {
                let first = TurnId { ask: 1, ..*turn };
                assert!(
                    self.first_end(first).is_some(),
                    "{turn} is asked again before it was asked"
                );
            }
        }
        match &next.act {
            Some(Act::Apply { turn, .. }) => self.judge_apply(*turn),
            Some(Act::Prove { turn, .. }) => {
                assert_eq!(self.holds, Some(*turn), "what is proved is not there")
            }
            Some(Act::Persist { turn, .. }) => assert!(self.text(*turn).contains("```mesh")),
            Some(Act::Finish(outcome)) => {
                assert!(wanted.is_empty(), "it has ended and wants turns");
                self.judge_end(outcome);
            }
            None => {}
        }
    }

    fn first_end(&self, wanted: TurnId) -> Option<&End> {
        self.written.iter().find_map(|entry| match entry {
            Entry::Turn { turn, end } if *turn == wanted => Some(end),
            _ => None,
        })
    }

    fn text(&self, wanted: TurnId) -> &str {
        match self.first_end(wanted) {
            Some(End::Answer { text }) => text,
            _ => "",
        }
    }

    /// The roles whose first vote of a round that is one is for the synthesis, or against it. Read without the machine's own reader.
    fn votes(&self, round: u32, word: &str) -> BTreeSet<Role> {
        let mut votes = BTreeMap::new();
        for entry in &self.written {
            let Entry::Turn {
                turn,
                end: End::Answer { .. },
            } = entry
            else {
                continue;
            };
            let text = self.text(*turn);
            if turn.stage == Stage::Vote
                && turn.round == round
                && (text.starts_with("vote: agree\nreason")
                    || text.starts_with("vote: disagree\nreason"))
            {
                votes.entry(turn.role).or_insert(text);
            }
        }
        let wanted = votes
            .iter()
            .filter(|(_, text)| text.starts_with(&format!("vote: {word}\n")));
        wanted.map(|(role, _)| *role).collect()
    }

    fn judge_apply(&self, turn: TurnId) {
        assert!(
            self.text(turn).contains("a/src/a.rs") || self.text(turn).contains("a/docs/a.rs"),
            "{turn} made no patch"
        );
        if !self.task.scope.is_empty() {
            assert!(!self.text(turn).contains("docs/"), "{turn}: out of scope");
        }
        match self.strategy {
            Strategy::PatchFirst => {}
            Strategy::Pipeline => {
                // The last review that was read comes after the patch and accepts.
                let mut since = self.written.iter().skip_while(
                    |entry| !matches!(entry, Entry::Turn { turn: found, .. } if *found == turn),
                );
                let accepted = since.any(|entry| match entry {
                    Entry::Turn {
                        turn: review,
                        end: End::Answer { .. },
                    } => review.stage == Stage::Review && self.text(*review).contains("\"accept\""),
                    _ => false,
                });
                assert!(accepted, "{turn} is applied without the fixer");
            }
            Strategy::Consensus => self.judge_votes(turn.round),
        }
    }

    fn judge_votes(&self, round: u32) {
        let (agree, against) = (self.votes(round, "agree"), self.votes(round, "disagree"));
        let three = [Role::Proposer, Role::Skeptic, Role::Synthesizer];
        let is_capacity = [Role::CriticA, Role::CriticB].iter().any(|role| {
            let asks = |stage| {
                (1..=round).any(|round| {
                    (1..=ASKS).all(|ask| {
                        matches!(
                            self.first_end(TurnId {
                                stage,
                                round,
                                role: *role,
                                ask
                            }),
                            Some(End::NotStarted { .. })
                        )
                    })
                })
            };
            asks(Stage::Critique) || asks(Stage::Vote)
        });
        let consensus = self.settings.consensus;
        match (consensus.form, is_capacity) {
            (Form::Five, true) => assert!(
                three.iter().all(|role| agree.contains(role)) && against.is_empty(),
                "{agree:?} {against:?}"
            ),
            (Form::Five | Form::Three, _) => assert!(
                agree.len() >= consensus.threshold.max(1),
                "{agree:?} of {consensus:?}"
            ),
        }
    }

    fn judge_end(&self, outcome: &Outcome) {
        let Outcome::Accepted {
            change, validation, ..
        } = outcome
        else {
            return;
        };
        let must_prove = self.strategy != Strategy::PatchFirst && !validation.is_empty();
        match change {
            Change::Patch { turn, .. } => {
                assert_eq!(self.holds, Some(*turn), "the accepted patch is not there");
                assert!(self.proved || !must_prove, "accepted without the proof");
            }
            Change::NoDiff { .. } => assert!(self.written.iter().any(|entry| matches!(entry, Entry::Turn { end: End::Answer { text }, .. } if text.contains("NO_DIFF:")))),
        }
    }
}

/// Runs one seed to its end; says how it ended, and how often the driver was killed.
fn run(strategy: Strategy, seed: u64) -> (Outcome, usize) {
    let mut dice = Dice(seed.wrapping_mul(3) ^ strategy as u64);
    let task = task(&mut dice);
    let settings = settings(&mut dice);
    let trust = [40, 80, 95, 99][dice.below(4)];
    let mut world = World {
        strategy,
        task,
        settings,
        written: Vec::new(),
        running: BTreeSet::new(),
        started: BTreeSet::new(),
        holds: None,
        proved: false,
    };
    let mut kills = 0;
    for _ in 0..400 {
        let next = world.next();
        world.judge(&next);
        if dice.percent(3) && kills < 5 {
            // Killed: what ran and is not written down is gone, and so is the workspace, if the attempt gets another one.
            kills += 1;
            world.running.clear();
            world.started.clear();
            let is_new_attempt = dice.percent(50);
            if is_new_attempt {
                world.written.retain(Entry::is_carried_over);
            }
            let lines: Vec<String> = world
                .written
                .iter()
                .map(|entry| serde_json::to_string(entry).unwrap())
                .collect();
            let loaded = lines.iter().map(|line| serde_json::from_str(line).unwrap());
            world.written = loaded.collect();
            assert!(
                is_new_attempt || world.next() == next,
                "after a crash it says something else"
            );
            if is_new_attempt {
                world.holds = None;
                world.proved = false;
            }
            continue;
        }
        let wanted: BTreeSet<TurnId> = next.turns.iter().map(|turn| turn.id).collect();
        for loser in world
            .running
            .difference(&wanted)
            .copied()
            .collect::<Vec<_>>()
        {
            // It may have answered in the same moment.
            let end = if dice.percent(30) {
                end(&mut dice, loser, &world.task, trust)
            } else {
                End::Superseded
            };
            world.written.push(Entry::Turn { turn: loser, end });
            world.running.remove(&loser);
        }
        for turn in &wanted {
            if world.running.insert(*turn) {
                assert!(world.started.insert(*turn), "{turn} is started twice");
            }
        }
        match next.act {
            Some(Act::Finish(outcome)) => return (outcome, kills),
            Some(Act::Persist { turn, .. }) => world.written.push(Entry::Persisted { turn }),
            Some(Act::Apply { turn, .. }) => {
                world.proved = false;
                let result = if dice.percent(70) {
                    Applied::Applied
                } else {
                    Applied::Refused {
                        why: "does not match".to_owned(),
                    }
                };
                world.holds = (result == Applied::Applied).then_some(turn);
                world.written.push(Entry::Apply { turn, result });
            }
            Some(Act::Prove { turn, .. }) => {
                let exit_code = [Some(0), Some(0), Some(0), Some(1), None][dice.below(5)];
                world.proved = exit_code == Some(0);
                world.written.push(Entry::Proof {
                    turn,
                    exit_code,
                    excerpt: "output".to_owned(),
                });
            }
            None => {}
        }
        match dice.below(20) {
            0 => world.written.push(Entry::SoftLimit),
            1 if dice.percent(20) => world.written.push(Entry::HardLimit),
            // Something is written twice, or told once more otherwise.
            2 if !world.written.is_empty() => {
                let at = dice.below(world.written.len());
                let again = match &world.written[at] {
                    Entry::Turn { turn, .. } => Entry::Turn {
                        turn: *turn,
                        end: end(&mut dice, *turn, &world.task, 99),
                    },
                    Entry::Apply { turn, .. } => Entry::Apply {
                        turn: *turn,
                        result: Applied::Applied,
                    },
                    Entry::Proof { turn, .. } => Entry::Proof {
                        turn: *turn,
                        exit_code: Some(0),
                        excerpt: String::new(),
                    },
                    other => other.clone(),
                };
                world.written.push(again);
            }
            _ => {}
        }
        // One that runs comes to its end.
        let running: Vec<TurnId> = world.running.iter().copied().collect();
        if !running.is_empty() {
            let turn = running[dice.below(running.len())];
            world.running.remove(&turn);
            let end = end(&mut dice, turn, &world.task, trust);
            world.written.push(Entry::Turn { turn, end });
        }
    }
    panic!("no end after 400 steps: {:?}", world.next());
}

/// All seeds end, and between them in all the ways there are.
fn simulate(strategy: Strategy, wanted: &[&str]) {
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..10_000 {
        let ended = std::panic::catch_unwind(|| run(strategy, seed));
        let (outcome, kills) =
            ended.unwrap_or_else(|_| panic!("{strategy}, seed {seed}: see above"));
        let word = match outcome {
            Outcome::Accepted {
                change: Change::Patch { .. },
                ..
            } => "patch",
            Outcome::Accepted {
                change: Change::NoDiff { .. },
                ..
            } => "no diff",
            Outcome::Question { .. } => "question",
            Outcome::Blocked { reason, .. } => reason.as_str(),
        };
        *ends.entry(word.to_owned()).or_default() += 1;
        *ends.entry("killed".to_owned()).or_default() += u32::from(kills > 0);
    }
    for word in wanted {
        assert!(
            ends.get(*word).is_some_and(|count| *count >= 10),
            "{strategy}: {word} was hardly tried: {ends:?}"
        );
    }
}

#[test]
fn patch_first_over_ten_thousand_seeds() {
    simulate(
        Strategy::PatchFirst,
        &["patch", "no diff", "question", "no_response", "killed"],
    );
}

#[test]
fn pipeline_over_ten_thousand_seeds() {
    let reasons = [
        Reason::ProofMissing,
        Reason::InvalidOutputSchema,
        Reason::ScopeOverlapConflict,
        Reason::TimeoutRetryExhausted,
        Reason::DeliveryBlocked,
        Reason::SafetyRegressionRisk,
    ];
    let words: Vec<&str> = reasons
        .iter()
        .map(|reason| reason.as_str())
        .chain(["patch", "no diff", "question", "killed"])
        .collect();
    simulate(Strategy::Pipeline, &words);
}

#[test]
fn consensus_over_ten_thousand_seeds() {
    let reasons = [
        Reason::NoConsensus,
        Reason::NoResponse,
        Reason::MissingValidation,
        Reason::ValidationFailed,
        Reason::AmbiguousIntegration,
    ];
    let words: Vec<&str> = reasons
        .iter()
        .map(|reason| reason.as_str())
        .chain(["patch", "no diff", "killed"])
        .collect();
    simulate(Strategy::Consensus, &words);
}
