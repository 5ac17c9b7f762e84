//! Waves: when one is announced, who confirms it, when it is over.

use super::Decider;
use crate::decision::Decision;
use crate::graph::Ix;
use crate::id::TaskId;
use crate::state::{Admission, RunEnd};

impl Decider<'_> {
    /// Ends the wave that is over, announces the next one, starts those of the one that is confirmed.
    pub(super) fn go_on_with_waves(&mut self) {
        if self.state.run_end() != RunEnd::Open {
            return;
        }
        let may_start = *self.state.admission() == Admission::Open;
        if may_start {
            self.restore_width();
        }
        if let Some(wave) = self.state.wave().filter(|_| self.state.wave_is_over()) {
            let wave = wave.number;
            let next = self.state.names(&self.state.recommended_wave());
            self.take(Decision::EndWave { wave, next });
        }
        if may_start {
            self.announce_wave();
            self.start_the_wave();
        }
    }

    /// Announces what is recommended now, unless a wave runs or this very one is announced already.
    fn announce_wave(&mut self) {
        let announced = self.state.wave();
        if announced.is_some_and(|wave| wave.is_confirmed) {
            return;
        }
        let recommended = self.state.recommended_wave();
        let known = announced.map_or(&[] as &[Ix], |wave| &wave.tasks);
        if recommended == known {
            return;
        }
        let wave = self.state.waves_confirmed + 1;
        let tasks = self.state.names(&recommended);
        let nothing = tasks.is_empty();
        self.take(Decision::AnnounceWave {
            wave,
            tasks: tasks.clone(),
        });
        if nothing {
            return;
        }
        let policy = self.state.policy();
        let asks = policy.ask_waves;
        let picks = policy.picks.clone();
        if wave == 1 && !picks.is_empty() {
            self.on_pick(wave, &picks);
        }
        if !asks && self.state.unconfirmed_wave().is_some() {
            self.take(Decision::ConfirmWave { wave, tasks });
        }
    }

    /// A person says which tasks the wave has.
    pub(super) fn on_pick(&mut self, wave: u32, tasks: &[TaskId]) {
        let problems = self.state.pick_problems(wave, tasks);
        if problems.is_empty() {
            let tasks = tasks.to_vec();
            self.take(Decision::ConfirmWave { wave, tasks });
        } else {
            self.refuse(problems.join("; "));
        }
    }

    fn start_the_wave(&mut self) {
        let wave = self.state.wave().filter(|wave| wave.is_confirmed);
        let tasks = wave.map(|wave| wave.tasks.clone()).unwrap_or_default();
        for at in tasks {
            let state = &*self.state;
            let free = state.is_ready(at)
                && state.lock_block(at).is_none()
                && state.agent_for(at).is_some();
            if free && let Some(slot) = self.free_slot() {
                self.start(at, slot);
            }
        }
    }
}
