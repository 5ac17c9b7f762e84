//! What the machines share: the transcript read by turn, and a role that is asked, and asked once more.

use mesh_plan::prompt::RenderError;
use mesh_plan::role_prompt::RolePrompt;
use serde::Serialize;

use crate::entry::{Applied, End, Entry};
use crate::step::{Act, Next, Outcome, Reason, Role, Stage, Turn, TurnId};

/// A transcript, asked by turn: the order of its entries matters only where somebody was first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script<'a> {
    entries: &'a [Entry],
    /// Prompts are left out: the simulation looks at none, and they are most of the time.
    pub(crate) is_mute: bool,
}

/// What became of a role that was asked for something.
#[derive(Debug)]
pub(crate) enum Asked<T> {
    /// It is to be asked, or is being asked: this turn should be running. The text is what was wrong with the answer before.
    Open { turn: TurnId, again: String },
    /// It gave an answer that can be used.
    Done { turn: TurnId, answer: T },
    /// It gave none, also when it was asked once more.
    Failed(Failed),
}

/// Why a role gave no answer that can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failed {
    /// What was wrong each time, the last one last.
    pub(crate) whys: Vec<String>,
    /// It could not be started at all, each time.
    pub(crate) not_started: bool,
    /// The last time there was no answer at all.
    pub(crate) lost: bool,
    /// How often it was asked.
    pub(crate) asks: u32,
}

/// How often a role is asked for one thing: a missing or unusable answer is asked for once again.
pub(crate) const ASKS: u32 = 2;

impl<'a> Script<'a> {
    pub(crate) fn new(entries: &'a [Entry]) -> Script<'a> {
        Script {
            entries,
            is_mute: false,
        }
    }

    /// How a turn ended, and the place of that in the transcript.
    pub(crate) fn end(self, wanted: TurnId) -> Option<(usize, &'a End)> {
        self.entries
            .iter()
            .enumerate()
            .find_map(|(at, entry)| match entry {
                Entry::Turn { turn, end } if *turn == wanted => Some((at, end)),
                _ => None,
            })
    }

    /// The text of a turn that ended with an answer; empty for any other.
    pub(crate) fn answer(self, wanted: TurnId) -> &'a str {
        match self.end(wanted) {
            Some((_, End::Answer { text })) => text,
            _ => "",
        }
    }

    /// What became of a turn's patch.
    pub(crate) fn applied(self, wanted: TurnId) -> Option<&'a Applied> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Apply { turn, result } if *turn == wanted => Some(result),
            _ => None,
        })
    }

    /// Exit code and excerpt of the proof of a turn's patch.
    pub(crate) fn proof(self, wanted: TurnId) -> Option<(Option<i32>, &'a str)> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Proof {
                turn,
                exit_code,
                excerpt,
            } if *turn == wanted => Some((*exit_code, excerpt.as_str())),
            _ => None,
        })
    }

    pub(crate) fn is_persisted(self, wanted: TurnId) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry, Entry::Persisted { turn } if *turn == wanted))
    }

    pub(crate) fn has_soft_limit(self) -> bool {
        self.entries.contains(&Entry::SoftLimit)
    }

    pub(crate) fn has_hard_limit(self) -> bool {
        self.entries.contains(&Entry::HardLimit)
    }

    /// The prompt of a turn.
    pub(crate) fn prompt(
        self,
        template: RolePrompt,
        facts: impl Serialize,
    ) -> Result<String, RenderError> {
        if self.is_mute {
            Ok(String::new())
        } else {
            template.render(facts)
        }
    }

    /// All turns that have ended.
    pub(crate) fn ended(self) -> impl Iterator<Item = (TurnId, &'a End)> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Turn { turn, end } => Some((*turn, end)),
            _ => None,
        })
    }

    /// Asks a role at most `asks` times. `read` takes the place in the transcript and the text of an answer; its error is what was wrong
    /// with it.
    pub(crate) fn ask<T>(
        self,
        (stage, round, role): (Stage, u32, Role),
        asks: u32,
        mut read: impl FnMut(TurnId, &str) -> Result<T, String>,
    ) -> Asked<T> {
        let mut failed = Failed {
            not_started: true,
            ..Failed::default()
        };
        for ask in 1..=asks {
            let turn = TurnId {
                stage,
                round,
                role,
                ask,
            };
            let Some((_, end)) = self.end(turn) else {
                if !self.has_hard_limit() {
                    return Asked::Open {
                        turn,
                        again: failed.whys.last().cloned().unwrap_or_default(),
                    };
                }
                failed.push("the hard limit passed before it answered", false, true);
                break;
            };
            match end {
                End::Answer { text } => match read(turn, text) {
                    Ok(answer) => return Asked::Done { turn, answer },
                    Err(why) => failed.push(&why, false, false),
                },
                End::NoAnswer { why } => {
                    failed.push(&format!("it gave no answer: {why}"), false, true)
                }
                End::TimedOut => {
                    failed.push("its time limit passed before it answered", false, true)
                }
                End::NotStarted { why } => {
                    failed.push(&format!("it could not be started: {why}"), true, true)
                }
                End::Superseded => failed.push("it was ended before it answered", false, true),
            }
        }
        Asked::Failed(failed)
    }
}

impl Failed {
    fn push(&mut self, why: &str, not_started: bool, lost: bool) {
        self.whys.push(why.to_owned());
        self.not_started &= not_started;
        self.lost = lost;
        self.asks += 1;
    }

    /// In one line.
    pub(crate) fn describe(&self, role: Role) -> String {
        format!("{role}: {}", self.whys.join("; asked again: "))
    }
}

/// Why a machine cannot go on by itself just now.
pub(crate) enum Halt {
    /// This is to be done now.
    Next(Next),
    /// A template is at fault.
    Fault(RenderError),
}

impl From<RenderError> for Box<Halt> {
    fn from(fault: RenderError) -> Box<Halt> {
        Box::new(Halt::Fault(fault))
    }
}

/// What a machine comes to: it runs until something has to be done.
pub(crate) type Run<T> = Result<T, Box<Halt>>;

impl Halt {
    /// Turns that should be running.
    pub(crate) fn turns(turns: Vec<Turn>) -> Box<Halt> {
        Box::new(Halt::Next(Next { turns, act: None }))
    }

    /// One act, with nothing running.
    pub(crate) fn act(act: Act) -> Box<Halt> {
        Box::new(Halt::Next(Next {
            turns: Vec::new(),
            act: Some(act),
        }))
    }

    pub(crate) fn finish(outcome: Outcome) -> Box<Halt> {
        Halt::act(Act::Finish(outcome))
    }

    pub(crate) fn blocked(reason: Reason, detail: String, notes: Vec<String>) -> Box<Halt> {
        Halt::finish(Outcome::Blocked {
            reason,
            detail,
            notes,
        })
    }
}
