//! Each rule of the three machines, one story each. What a story is, and what holds for all of them, is here.

use super::*;
use crate::entry::{Applied, End};
use crate::step::{Act, Change, Outcome, Reason, Role, Stage, TurnId};
use mesh_plan::details::ConsensusLayer;

use crate::strategy::{Consensus, Delivery, Form};
use crate::task::{Asked, Meta};

const DIFF: &str = "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-a\n+b\n";

fn task() -> Task {
    Task {
        id: "T1".to_owned(),
        title: "Update config loader".to_owned(),
        status: "todo".to_owned(),
        description: "Make config load order deterministic.".to_owned(),
        acceptance: "- Deterministic precedence documented.".to_owned(),
        scope: vec!["src/**".to_owned()],
        validation: vec!["make test".to_owned()],
        ..Task::default()
    }
}

/// A strategy at work: what has happened so far.
struct Story {
    strategy: Strategy,
    task: Task,
    settings: Settings,
    entries: Vec<Entry>,
}

impl Story {
    fn of(strategy: Strategy) -> Story {
        Story {
            strategy,
            task: task(),
            settings: Settings::default(),
            entries: Vec::new(),
        }
    }

    fn next(&self) -> Next {
        next(self.strategy, &self.task, &self.settings, &self.entries)
            .expect("the templates render")
    }

    /// The names of the turns that should run.
    fn turns(&self) -> Vec<String> {
        self.next()
            .turns
            .iter()
            .map(|turn| turn.id.to_string())
            .collect()
    }

    fn prompt(&self, id: &str) -> String {
        let turns = self.next().turns;
        turns
            .into_iter()
            .find(|turn| turn.id.to_string() == id)
            .expect(id)
            .prompt
    }

    fn id(&self, id: &str) -> TurnId {
        let turns = self.next().turns;
        turns
            .iter()
            .map(|turn| turn.id)
            .find(|turn| turn.to_string() == id)
            .unwrap_or_else(|| {
                panic!(
                    "{id} should run, but there are {:?} and {:?}",
                    self.turns(),
                    self.next().act
                )
            })
    }

    fn end(&mut self, id: &str, end: End) -> &mut Story {
        let turn = self.id(id);
        self.entries.push(Entry::Turn { turn, end });
        self
    }

    fn says(&mut self, id: &str, text: &str) -> &mut Story {
        self.end(
            id,
            End::Answer {
                text: text.to_owned(),
            },
        )
    }

    fn applies(&mut self, refused: Option<&str>) -> &mut Story {
        let Some(Act::Apply { turn, .. }) = self.next().act else {
            panic!("{:?}", self.next())
        };
        let result = refused.map_or(Applied::Applied, |why| Applied::Refused {
            why: why.to_owned(),
        });
        self.entries.push(Entry::Apply { turn, result });
        self
    }

    fn proves(&mut self, exit_code: i32) -> &mut Story {
        let Some(Act::Prove { turn, commands }) = self.next().act else {
            panic!("{:?}", self.next())
        };
        assert!(!commands.is_empty());
        self.entries.push(Entry::Proof {
            turn,
            exit_code: Some(exit_code),
            excerpt: "1 failed\n".to_owned(),
        });
        self
    }

    fn outcome(&self) -> Outcome {
        match self.next() {
            Next {
                act: Some(Act::Finish(outcome)),
                turns,
            } if turns.is_empty() => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn blocked(&self, wanted: Reason, words: &str) {
        match self.outcome() {
            Outcome::Blocked { reason, detail, .. } => {
                assert_eq!(reason, wanted, "{detail}");
                assert!(detail.contains(words), "{detail}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn accepted(&self, from: &str) -> Vec<String> {
        match self.outcome() {
            Outcome::Accepted {
                change: Change::Patch {
                    turn, patch, paths, ..
                },
                notes,
                ..
            } => {
                assert_eq!((turn.to_string().as_str(), patch.as_str()), (from, DIFF));
                assert_eq!(paths, ["src/a.rs"]);
                notes
            }
            other => panic!("{other:?}"),
        }
    }
}

fn fenced(diff: &str) -> String {
    format!("- changed it\n\n```diff\n{diff}```\n")
}

#[path = "patch_first_test.rs"]
mod patch_first;

#[path = "pipeline_test.rs"]
mod pipeline;

#[path = "consensus_test.rs"]
mod consensus;

#[test]
fn a_transcript_is_lines_of_json_that_load_again() {
    let turn = TurnId {
        stage: Stage::Critique,
        round: 2,
        role: Role::CriticA,
        ask: 1,
    };
    for (entry, line) in [
        (
            Entry::Turn {
                turn,
                end: End::Answer {
                    text: "a\nb".to_owned(),
                },
            },
            r#"{"entry":"turn","turn":{"stage":"critique","round":2,"role":"critic_a","ask":1},"end":{"end":"answer","text":"a\nb"}}"#,
        ),
        (Entry::SoftLimit, r#"{"entry":"soft_limit"}"#),
        (
            Entry::Apply {
                turn,
                result: Applied::Refused {
                    why: "x".to_owned(),
                },
            },
            r#"{"entry":"apply","turn":{"stage":"critique","round":2,"role":"critic_a","ask":1},"result":{"result":"refused","why":"x"}}"#,
        ),
        (
            Entry::Proof {
                turn,
                exit_code: None,
                excerpt: String::new(),
            },
            r#"{"entry":"proof","turn":{"stage":"critique","round":2,"role":"critic_a","ask":1},"exit_code":null,"excerpt":""}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&entry).unwrap(), line);
        assert_eq!(serde_json::from_str::<Entry>(line).unwrap(), entry);
    }
}

#[test]
fn a_strategy_says_how_many_agents_it_runs_at_once() {
    let mut settings = Settings::default();
    let all = |settings: &Settings| Strategy::ALL.map(|strategy| strategy.agents_at_once(settings));
    assert_eq!(all(&settings), [2, 1, 5]);
    settings.race = false;
    settings.consensus.form = Form::Three;
    assert_eq!(all(&settings), [1, 1, 3]);
}
