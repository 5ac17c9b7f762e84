//! What must hold of waves: no barrier crossed, nothing of a wave before it is confirmed, a pick obeyed, an end written once.

use std::collections::BTreeSet;

use mesh_core::decision::Decision;
use mesh_core::event::{Event, Request};
use mesh_core::graph::Ix;
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::policy::Dispatch;
use mesh_core::state::Phase;
use mesh_core::task::{Eligibility, Task};

use super::{Account, Judge, Step};

/// What is remembered of waves.
#[derive(Default)]
pub(super) struct Waves {
    wave: Option<Announced>,
    confirmed: u32,
    ended: BTreeSet<u32>,
    written: BTreeSet<u32>,
}

struct Announced {
    number: u32,
    tasks: Vec<TaskId>,
    is_confirmed: bool,
}

impl Judge {
    pub(super) fn has_waves(&self) -> bool {
        self.policy.dispatch == Dispatch::Waves
    }

    /// Whoever takes a run up has to be asked again.
    pub(super) fn forget_unconfirmed(&mut self) {
        let wave = self.waves.wave.take();
        self.waves.wave = wave.filter(|wave| wave.is_confirmed);
    }

    pub(super) fn note_wave(&mut self, step: &Step<'_>, decision: &Decision) -> Result<(), String> {
        match decision {
            Decision::AnnounceWave { wave, tasks } => {
                if !self.has_waves() {
                    return Err("waves: one is announced in a run without".to_owned());
                }
                self.nobody_runs(*wave)?;
                if let Some(other) = self.waves.wave.as_ref().filter(|other| other.is_confirmed) {
                    let other = other.number;
                    return Err(format!(
                        "waves: barrier: wave {wave} is announced before wave {other} is over"
                    ));
                }
                self.next_number(*wave)?;
                self.good_wave(step, tasks).map_err(|problem| {
                    format!("waves: wave {wave} is recommended, and {problem}")
                })?;
                self.waves.wave = (!tasks.is_empty()).then(|| Announced {
                    number: *wave,
                    tasks: tasks.clone(),
                    is_confirmed: false,
                });
                Ok(())
            }
            Decision::ConfirmWave { wave, tasks } => {
                self.next_number(*wave)?;
                self.nobody_runs(*wave)?;
                self.said_so(step, *wave, tasks)?;
                self.good_wave(step, tasks)
                    .map_err(|problem| format!("waves: wave {wave} is confirmed, and {problem}"))?;
                self.waves.confirmed = *wave;
                self.waves.wave = Some(Announced {
                    number: *wave,
                    tasks: tasks.clone(),
                    is_confirmed: true,
                });
                Ok(())
            }
            Decision::EndWave { wave, .. } => self.end_wave(step, *wave),
            Decision::Refuse { .. } => match step.event {
                Event::Requested {
                    request: Request::Pick { wave, tasks },
                } => self.badly_picked(step, *wave, tasks),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn nobody_runs(&self, wave: u32) -> Result<(), String> {
        let mut accounts = self.tasks.values();
        match accounts.find(|account| matches!(account, Account::Active(..))) {
            Some(active) => Err(format!(
                "waves: barrier: wave {wave} begins with {active:?}"
            )),
            None => Ok(()),
        }
    }

    fn next_number(&self, wave: u32) -> Result<(), String> {
        let confirmed = self.waves.confirmed;
        if wave == confirmed + 1 {
            Ok(())
        } else {
            Err(format!("waves: wave {wave} follows wave {confirmed}"))
        }
    }

    /// A person, or whoever began the run, wants just these tasks.
    fn said_so(&self, step: &Step<'_>, wave: u32, tasks: &[TaskId]) -> Result<(), String> {
        let announced = self.waves.wave.as_ref();
        let Some(announced) = announced.filter(|announced| !announced.is_confirmed) else {
            return Err(format!(
                "waves: wave {wave} is confirmed and was not announced"
            ));
        };
        let picked = matches!(step.event, Event::Requested { request: Request::Pick { wave: of, tasks: picked } } if *of == wave && picked == tasks);
        let first = wave == 1 && self.policy.picks == tasks;
        let unasked = !self.policy.ask_waves && announced.tasks == tasks;
        if picked || first || unasked {
            Ok(())
        } else {
            Err(format!(
                "waves: wave {wave} is confirmed with {tasks:?}, and nobody said so"
            ))
        }
    }

    /// Tasks that may run side by side, now.
    fn good_wave(&self, step: &Step<'_>, tasks: &[TaskId]) -> Result<(), String> {
        if tasks.len() > usize::from(step.state.width()) {
            return Err(format!("{} tasks are too many", tasks.len()));
        }
        // Each on top of those before it, in an account of what would run.
        let mut beside = Judge::new(self.policy.clone());
        for id in tasks {
            let attempt = AttemptId {
                task: id.clone(),
                number: 0,
            };
            let task = step.world.seen.get(id);
            let Some(task) = task.filter(|task| self.is_ready(step, task)) else {
                return Err(format!("{id} may not start"));
            };
            beside.locks_are_free(&attempt, &task.locks)?;
            let account = Account::Active(attempt, SlotId(0), task.locks.clone());
            if beside.tasks.insert(id.clone(), account).is_some() {
                return Err(format!("{id} is in it twice"));
            }
        }
        Ok(())
    }

    /// Nothing is refused that could be done.
    fn badly_picked(&self, step: &Step<'_>, wave: u32, tasks: &[TaskId]) -> Result<(), String> {
        let announced = self.waves.wave.as_ref();
        let open =
            announced.is_some_and(|announced| !announced.is_confirmed && announced.number == wave);
        let may_start = |id: &TaskId| {
            let task = step.world.seen.get(id);
            task.is_some_and(|task| self.may_start(step, task).is_some())
        };
        let good = !tasks.is_empty() && self.good_wave(step, tasks).is_ok();
        if open && good && tasks.iter().all(may_start) {
            return Err(format!("waves: {tasks:?} is a good pick and is refused"));
        }
        Ok(())
    }

    fn end_wave(&mut self, step: &Step<'_>, wave: u32) -> Result<(), String> {
        let over = self.waves.wave.take();
        let Some(over) = over.filter(|over| over.is_confirmed && over.number == wave) else {
            return Err(format!("waves: wave {wave} ends and did not run"));
        };
        for id in &over.tasks {
            let account = self.account(id);
            if matches!(account, Account::Active(..)) {
                return Err(format!("waves: barrier: wave {wave} ends with {account:?}"));
            }
            let waits = account == Account::Waiting;
            let task = step.world.seen.get(id).filter(|_| waits);
            let starts = task.is_some_and(|task| self.may_start(step, task).is_some());
            let pauses = matches!(step.state.find(id), Some((_, task)) if matches!(task.phase, Phase::Pausing { .. }));
            if starts || waits && pauses {
                return Err(format!(
                    "waves: barrier: wave {wave} ends, and {id} of it is to be tried again"
                ));
            }
        }
        self.waves.ended.insert(wave);
        Ok(())
    }

    /// What starts is of the wave that is confirmed.
    pub(super) fn is_of_the_wave(&self, id: &TaskId) -> Result<(), String> {
        let wave = self.waves.wave.as_ref();
        let of_it = wave.is_some_and(|wave| wave.is_confirmed && wave.tasks.contains(id));
        if of_it || !self.has_waves() {
            Ok(())
        } else {
            Err(format!("waves: {id} starts and is not of a confirmed wave"))
        }
    }

    /// Whether a task that may start has to be on its way: in a wave, or in one that waits to be confirmed.
    pub(super) fn has_its_turn(&self, id: &TaskId) -> bool {
        let wave = self.waves.wave.as_ref();
        wave.is_none_or(|wave| wave.is_confirmed && wave.tasks.contains(id))
    }

    /// Whether a task waits, and all that it needs is done.
    fn is_ready(&self, step: &Step<'_>, task: &Task) -> bool {
        let open = task.eligibility == Eligibility::Open || self.redone.contains(&task.id);
        open && task.outside.is_empty()
            && self.account(&task.id) == Account::Waiting
            && task
                .needs
                .iter()
                .all(|need| self.is_done(step.world, need, 0))
    }

    /// The place of a task that would have to start at once if locks and slots were free.
    pub(super) fn may_start(&self, step: &Step<'_>, task: &Task) -> Option<Ix> {
        let state = step.state;
        let runnable = task.eligibility == Eligibility::Open && self.is_ready(step, task);
        let (at, (known, core)) = state
            .plan()
            .find(&task.id)
            .zip(state.find(&task.id))
            .filter(|_| runnable)?;
        let pausing = matches!(core.phase, Phase::Pausing { until } if until.0 + 1 > step.world.now || *step.event != Event::Tick);
        // A container in a cycle is never done, whatever its children are.
        let is_faulty = |task: &Task| matches!(task.eligibility, Eligibility::Faulty { .. });
        let faulty = is_faulty(known)
            || state
                .plan()
                .graph()
                .all_needs(at)
                .into_iter()
                .any(|need| is_faulty(state.plan().task(need)));
        (!pausing && !faulty).then_some(at)
    }

    /// The end of a wave is to be written, once.
    pub(super) fn write_wave(&mut self, wave: u32) -> Result<(), String> {
        if self.waves.ended.contains(&wave) && self.waves.written.insert(wave) {
            Ok(())
        } else {
            Err(format!("waves: the end of wave {wave} is written twice"))
        }
    }

    /// All that ended was written down.
    pub(super) fn waves_are_written(&self, step: &crate::world::World) -> Result<(), String> {
        let mut ended = self.waves.ended.iter();
        match ended.find(|wave| !step.finalized_waves.contains_key(wave)) {
            Some(wave) => Err(format!("waves: the end of wave {wave} was never written")),
            None => Ok(()),
        }
    }
}
