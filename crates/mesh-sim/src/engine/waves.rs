//! Waves in a world around the engine: who is asked answers where `mesh pick` writes, and what must not happen is said.

use mesh_core::decision::Decision;
use mesh_core::event::{Event, Request};
use mesh_core::policy::Dispatch;
use mesh_core::process::{Role, Tree};
use mesh_core::state::State;

use super::world::{Due, World};
use crate::faults;
use crate::world::Person;

/// Hears what was decided.
pub(super) fn listen(world: &mut World, event: &Event, decisions: &[Decision], state: &State) {
    if world.policy.dispatch != Dispatch::Waves {
        return;
    }
    if let Err(problem) = judge(world, event, decisions, state) {
        world.breaks(format!("waves: {problem}"));
    }
    if matches!(
        event,
        Event::Requested {
            request: Request::Pick { .. }
        }
    ) {
        world.word_due = false;
    }
    if !world.word_due
        && let Some(request) = faults::word_on_wave(&mut world.asked, state)
    {
        world.word_due = true;
        let delay = world.asked.between(100, 1_800_000);
        world.after(delay, Due::Act(Person::Asks(request)));
    }
}

fn judge(
    world: &World,
    event: &Event,
    decisions: &[Decision],
    state: &State,
) -> Result<(), String> {
    let mut confirmed = None;
    for decision in decisions {
        match decision {
            Decision::AnnounceWave { wave, .. } => {
                // What is landed is of waves before.
                let of_a_wave = |role| role != Role::Proof(Tree::Integrated);
                if let Some(process) = world.living().find(|process| of_a_wave(process.role)) {
                    return Err(format!(
                        "barrier: wave {wave} is announced while the {process} lives"
                    ));
                }
            }
            Decision::ConfirmWave { tasks, .. } => {
                if let Event::Requested {
                    request: Request::Pick { tasks: picked, .. },
                } = event
                    && picked != tasks
                {
                    return Err(format!("{picked:?} were picked, and {tasks:?} run"));
                }
                confirmed = Some(tasks);
            }
            Decision::Start { attempt, .. } => {
                let wave = state.wave().filter(|wave| wave.is_confirmed);
                let id = |at: &mesh_core::graph::Ix| &state.plan().task(*at).id;
                let mut known = wave.into_iter().flat_map(|wave| wave.tasks.iter().map(id));
                let of_it = known.any(|task| *task == attempt.task);
                if !of_it || confirmed.is_some_and(|tasks| !tasks.contains(&attempt.task)) {
                    return Err(format!("{attempt} starts and is not of a confirmed wave"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Every end of a wave was written down.
pub(super) fn judge_end(world: &World) -> Result<(), String> {
    let ended = world.record.iter().flat_map(|(_, _, all)| all);
    for decision in ended {
        if let Decision::EndWave { wave, .. } = decision
            && !world.finalized_waves.contains(wave)
        {
            return Err(format!("waves: the end of wave {wave} was never written"));
        }
    }
    Ok(())
}
