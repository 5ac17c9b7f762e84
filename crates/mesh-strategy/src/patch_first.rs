//! `patch-first`: one agent returns a unified diff; at the soft limit a second one joins the race, and the first patch that applies wins.
//!
//! A racer whose answer is missing or cannot be used, or whose patch does not apply, is asked once more. The proof is left to the
//! attempt's own: a patch that applies is the result.

use mesh_plan::role_prompt::RolePrompt;
use serde::Serialize;

use crate::answer::{self, Reading};
use crate::entry::{Applied, End};
use crate::script::{ASKS, Asked, Failed, Halt, Run, Script};
use crate::step::{Act, Change, Next, Outcome, Reason, Role, Stage, Turn, TurnId};
use crate::strategy::Settings;
use crate::task::Task;

#[derive(Serialize)]
struct Facts<'a> {
    task: &'a Task,
    racer: u32,
    again: &'a str,
}

/// Where a racer stands.
type Racer = Asked<Reading>;

pub(crate) fn run(
    task: &Task,
    settings: &Settings,
    script: Script<'_>,
) -> Run<std::convert::Infallible> {
    let second = script.has_soft_limit() || script.ended().any(|(turn, _)| turn.round > 1);
    let racers = if settings.race && second {
        1..=2
    } else {
        1..=1
    };
    let racers: Vec<Racer> = racers.map(|number| racer(task, number, script)).collect();

    let answered = racers.iter().filter_map(|racer| match racer {
        Asked::Done { turn, answer } => Some((*turn, answer)),
        Asked::Open { .. } | Asked::Failed(_) => None,
    });
    // Whose patch is applied has won; otherwise who answered first is looked at first.
    let is_applied = |turn| script.applied(turn) == Some(&Applied::Applied);
    let place = |turn| script.end(turn).map(|(place, _)| place);
    if let Some((turn, reading)) =
        answered.min_by_key(|(turn, _)| (!is_applied(*turn), place(*turn)))
    {
        match reading {
            Reading::Patch(patch) if is_applied(turn) => {
                let change = Change::Patch {
                    turn,
                    patch: patch.text.clone(),
                    paths: patch.paths.clone(),
                    keep_file: false,
                };
                return Err(accepted(task, change, notes(script, turn)));
            }
            Reading::Patch(patch) => {
                let act = Act::Apply {
                    turn,
                    patch: patch.text.clone(),
                    paths: patch.paths.clone(),
                };
                let turns = open(task, &racers, script)?;
                return Err(Box::new(Halt::Next(Next {
                    turns,
                    act: Some(act),
                })));
            }
            Reading::NoDiff(reason) => {
                let change = Change::NoDiff {
                    reason: reason.clone(),
                };
                return Err(accepted(task, change, notes(script, turn)));
            }
            Reading::Question(question) => {
                return Err(Halt::finish(question.clone().outcome(notes(script, turn))));
            }
        }
    }
    let turns = open(task, &racers, script)?;
    if !turns.is_empty() {
        return Err(Halt::turns(turns));
    }
    let failed = racers.iter().filter_map(|racer| match racer {
        Asked::Failed(failed) => Some(failed),
        Asked::Open { .. } | Asked::Done { .. } => None,
    });
    let detail: Vec<String> = failed
        .map(|failed| Failed::describe(failed, Role::Worker))
        .collect();
    Err(Halt::blocked(
        Reason::NoResponse,
        detail.join("\n"),
        Vec::new(),
    ))
}

fn racer(task: &Task, number: u32, script: Script<'_>) -> Racer {
    script.ask((Stage::Patch, number, Role::Worker), ASKS, |turn, text| {
        let reading = answer::read(text, &task.scope)?;
        match script.applied(turn) {
            Some(Applied::Refused { why }) => Err(format!("the patch does not apply: {why}")),
            Some(Applied::Applied) | None => Ok(reading),
        }
    })
}

/// The turns of all racers that still have one.
fn open(task: &Task, racers: &[Racer], script: Script<'_>) -> Run<Vec<Turn>> {
    let mut turns = Vec::new();
    for racer in racers {
        if let Asked::Open { turn, again } = racer {
            let prompt = script.prompt(
                RolePrompt::Worker,
                Facts {
                    task,
                    racer: turn.round,
                    again,
                },
            )?;
            turns.push(Turn { id: *turn, prompt });
        }
    }
    Ok(turns)
}

fn accepted(task: &Task, change: Change, notes: Vec<String>) -> Box<Halt> {
    Halt::finish(Outcome::Accepted {
        change,
        validation: task.validation.clone(),
        notes,
    })
}

/// What came beside the answer that was taken.
fn notes(script: Script<'_>, taken: TurnId) -> Vec<String> {
    let late = script
        .ended()
        .filter(|(turn, end)| turn.round != taken.round && matches!(end, End::Answer { .. }));
    late.map(|(turn, _)| format!("{turn}: its answer was not used; {taken} was first"))
        .collect()
}
