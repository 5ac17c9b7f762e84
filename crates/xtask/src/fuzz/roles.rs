//! Strange answers of the roles of strategies: their output contracts, patches and blocks of metadata.

use std::io;
use std::path::Path;

use mesh_strategy::entry::{Applied, End, Entry};
use mesh_strategy::next;
use mesh_strategy::step::{Act, Role, Stage};
use mesh_strategy::strategy::{Settings, Strategy};
use mesh_strategy::task::Task;

/// What roles answer when all goes well, by [`usual`].
pub(super) const ANSWERS: [&str; 6] = [
    "1) Summary\n- a\n3) Patch\n```diff\ndiff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n```\n4) Notes: none",
    r#"{"id":"a","decision":"accept","proof_status":"pass","patch":"diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+1\n"}"#,
    "1) Plan\n```mesh\nscope:\n  - \"a.txt\"\nacceptance:\n  - \"it is\"\nvalidation:\n  - \"true\"\n```\n",
    "1) Findings\n- none\n2) Must-fix: none\n4) low",
    "1) Decision log\n- none\n2) Patch\n```diff\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+1\n```\n3) Validation\n```sh\ntrue\n```\n4) Residual risk: low\n",
    "vote: agree\nreason: it does the task",
];

/// No strategy needs so many steps: ten cycles of nine answers, each asked for twice.
const MOST_STEPS: usize = 400;

fn usual(stage: Stage, role: Role) -> &'static str {
    match stage {
        Stage::Patch if role == Role::Worker => ANSWERS[0],
        Stage::Patch | Stage::Review => ANSWERS[1],
        Stage::HydrateMeta => ANSWERS[2],
        Stage::Proposal | Stage::Critique => ANSWERS[3],
        Stage::Synthesis => ANSWERS[4],
        Stage::Vote => ANSWERS[5],
    }
}

/// The stages that a strategy has.
const STAGES: [(Strategy, Stage); 6] = [
    (Strategy::PatchFirst, Stage::Patch),
    (Strategy::Pipeline, Stage::Patch),
    (Strategy::Pipeline, Stage::Review),
    (Strategy::Consensus, Stage::HydrateMeta),
    (Strategy::Consensus, Stage::Synthesis),
    (Strategy::Consensus, Stage::Vote),
];

/// A strategy to its end, where all answers of one stage are the bytes. Their number says which: a whole strategy takes long.
pub(super) fn read(_: &Path, bytes: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    let task = Task {
        id: "a".to_owned(),
        title: "Do a".to_owned(),
        ..Task::default()
    };
    let (strategy, strange) = STAGES[bytes.len() % STAGES.len()];
    run(strategy, &task, strange, &text);
    Ok(())
}

/// # Panics
/// When the strategy does not come to its end.
fn run(strategy: Strategy, task: &Task, strange: Stage, text: &str) {
    let settings = Settings::default();
    let mut transcript = Vec::new();
    for step in 0..MOST_STEPS {
        let Ok(next) = next(strategy, task, &settings, &transcript) else {
            return;
        };
        let entry = match next.act {
            Some(Act::Finish(_)) => return,
            Some(Act::Persist { turn, .. }) => Entry::Persisted { turn },
            Some(Act::Apply { turn, .. }) => Entry::Apply {
                turn,
                result: if step % 3 == 0 {
                    Applied::Refused {
                        why: text.to_owned(),
                    }
                } else {
                    Applied::Applied
                },
            },
            Some(Act::Prove { turn, .. }) => Entry::Proof {
                turn,
                exit_code: Some(0),
                excerpt: text.to_owned(),
            },
            None => {
                let Some(turn) = next.turns.first() else {
                    break;
                };
                let is_strange = turn.id.stage == strange;
                let usual = usual(turn.id.stage, turn.id.role);
                Entry::Turn {
                    turn: turn.id,
                    end: End::Answer {
                        text: if is_strange { text } else { usual }.to_owned(),
                    },
                }
            }
        };
        transcript.push(entry);
    }
    panic!("{strategy} does not end");
}
