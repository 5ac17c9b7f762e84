//! What must hold of landings: one at a time, after what it stands on, proved, and given back only while nothing was built on it.

use mesh_core::decision::Decision;
use mesh_core::event::Delivery;
use mesh_core::id::AttemptId;

use super::{Account, Judge, Step};

impl Judge {
    pub(super) fn note_landing(
        &mut self,
        step: &Step<'_>,
        decision: &Decision,
    ) -> Result<(), String> {
        match decision {
            Decision::Land { attempt } => self.begin_landing(attempt),
            Decision::ProveLanding { attempt }
            | Decision::Publish { attempt }
            | Decision::StopLanding { attempt }
                if self.landing.as_ref() != Some(attempt) =>
            {
                Err(format!("{attempt} is not the one that is being landed"))
            }
            Decision::EndLanding { attempt, delivery } => {
                if self.landing.as_ref() == Some(attempt) {
                    self.landing = None;
                } else if !matches!(delivery, Delivery::NotLanded { .. }) {
                    return Err(format!("{attempt} was never landed: {delivery:?}"));
                }
                if let Delivery::Landed { commit } = delivery {
                    if !step.world.target.history.contains(commit) {
                        return Err(format!("{attempt} is said to be on the target and is not"));
                    }
                    self.landed.insert(attempt.clone());
                }
                Ok(())
            }
            Decision::GiveBack { attempt, .. } => {
                self.landing = None;
                let account = self.account(&attempt.task);
                if !matches!(&account, Account::Done(done, _) if done == attempt) {
                    return Err(format!(
                        "{attempt} is given back, and its task is {account:?}"
                    ));
                }
                self.tasks.insert(attempt.task.clone(), Account::Waiting);
                self.passes.clear();
                let stands_on = |account: &&Account| match account {
                    Account::Active(other, ..) | Account::Done(other, _) => {
                        let order = self.orders.get(other);
                        let mut needs = order.into_iter().flat_map(|order| &order.needs);
                        needs.any(|need| need.task == attempt.task)
                    }
                    _ => false,
                };
                match self.tasks.values().find(stands_on) {
                    Some(other) => Err(format!("{attempt} is given back under {other:?}")),
                    None => Ok(()),
                }
            }
            Decision::QueueLandings { attempts, .. } => {
                for attempt in attempts {
                    // Its end is written down once more, with where it lies now.
                    self.finalize_asked.remove(attempt);
                }
                // A run that had ended goes on for this alone.
                self.closed |= step.state.admission() == &mesh_core::state::Admission::Stopped;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin_landing(&mut self, attempt: &AttemptId) -> Result<(), String> {
        match self.landing.replace(attempt.clone()) {
            Some(other) if other != *attempt => {
                return Err(format!("{attempt} is landed while {other} is"));
            }
            _ => {}
        }
        if !matches!(self.account(&attempt.task), Account::Done(done, _) if done == *attempt) {
            return Err(format!("{attempt} is landed and is not verified"));
        }
        let needs = self.orders.get(attempt).into_iter();
        for need in needs.flat_map(|order| &order.needs) {
            if let Account::Done(done, commit) = self.account(&need.task)
                && commit == need.commit
                && !self.landed.contains(&done)
            {
                return Err(format!(
                    "{attempt} is landed before {done}, on which it stands"
                ));
            }
        }
        Ok(())
    }
}
