//! Processes in memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mesh_agent::launch::Launch;
use mesh_agent::profile::{Limits, Protocol};
use mesh_core::evidence::Ending;
use mesh_core::id::AttemptId;
use mesh_core::process::{ProcessId, Role};
use mesh_engine::{Executor, Found, Input, Report};
use mesh_journal::layout::RunDir;
use std::sync::mpsc::Sender;

use super::world::{Hand, STARTED, is_living};
use crate::script::{Leaves, Worker};

const DEAD: &str = "the coordinator is dead";

/// The processes of a run, for one coordinator.
pub(super) struct MemoryExecutor {
    pub hand: Hand,
    pub run_dir: RunDir,
    pub inbox: Sender<Input>,
    /// A coordinator's own memory, as it is in the executor of this machine.
    pub cancelled: Mutex<BTreeSet<AttemptId>>,
}

impl MemoryExecutor {
    fn is_cancelled(&self, attempt: &AttemptId) -> bool {
        let cancelled = self.cancelled.lock();
        cancelled
            .unwrap_or_else(PoisonError::into_inner)
            .contains(attempt)
    }

    /// What the agent says last.
    fn write_block(&self, process: &ProcessId, leaves: Leaves) {
        let changed = match leaves {
            Leaves::GoodWaived => "NO_DIFF:nothing to do",
            _ => "src/a.rs",
        };
        let verify = match leaves {
            Leaves::GoodWithoutProof => "none",
            _ => "make check",
        };
        let blockers = match leaves {
            Leaves::Question => "which one?",
            _ => "none",
        };
        let text = match leaves {
            Leaves::NoBlock => "done, I think\n".to_owned(),
            _ => format!("PR: none\nVerify: {verify}\nChanged: {changed}\nBlockers: {blockers}\n"),
        };
        let dir = self.run_dir.attempt(&process.attempt).process(process.role);
        // A coordinator that finds no output says so, and the judges of it.
        let _ = fs_err::create_dir_all(dir.path());
        let _ = fs_err::write(dir.stdout(), text);
    }
}

impl Executor for MemoryExecutor {
    fn await_answer(&self, _: &AttemptId, _: Protocol) {}

    fn start(&self, process: &ProcessId, launch: &Launch, _: &Limits) -> Result<(), String> {
        if self.is_cancelled(&process.attempt) {
            return Err("the attempt has been ended".to_owned());
        }
        let mut world = self.hand.call().ok_or(DEAD)?;
        let script = world.script(&process.attempt);
        if process.role == Role::Agent {
            if let Some(failure) = &script.start {
                return Err(failure.detail.clone());
            }
            world.store.occupied(&launch.cwd, &process.attempt);
        } else if script.worker_hangs == Some(Worker::Proof)
            && world.store.once(&process.attempt, "proof")
        {
            drop(world);
            panic!("{}", super::ON_PURPOSE);
        }
        world.launch(process, launch.cwd.clone())?;
        if process.role == Role::Agent {
            self.write_block(process, script.leaves);
        }
        Ok(())
    }

    fn watch(&self, process: &ProcessId) {
        let Some(mut world) = self.hand.call() else {
            return;
        };
        if let Some(one) = world.processes.get_mut(process) {
            if is_living(one) {
                one.watched = true;
            } else {
                let _ = self.inbox.send(Input::ProcessEnded(process.clone()));
            }
        }
    }

    fn run(&self, process: &ProcessId, launch: &Launch, _: &Limits) -> Result<Ending, String> {
        if self.is_cancelled(&process.attempt) {
            return Err("the attempt has been ended".to_owned());
        }
        let mut world = self.hand.call().ok_or(DEAD)?;
        world.launch(process, launch.cwd.clone())?;
        let at = world.at();
        if let Some(one) = world.processes.get_mut(process) {
            one.ended = Some((Ending::Exited(0), at));
        }
        Ok(Ending::Exited(0))
    }

    fn find(&self, process: &ProcessId) -> Found {
        let Some(world) = self.hand.call() else {
            return Found::Living;
        };
        match world.processes.get(process).map(|one| &one.ended) {
            None => Found::Never,
            Some(None) => Found::Living,
            Some(Some((Ending::NoReport, _))) => Found::Died,
            Some(Some(_)) => Found::Ended,
        }
    }

    fn forget(&self, process: &ProcessId) -> std::io::Result<()> {
        let mut world = self.hand.call().ok_or(std::io::Error::other(DEAD))?;
        world.processes.remove(process);
        Ok(())
    }

    fn ending(&self, process: &ProcessId) -> Ending {
        let Some(mut world) = self.hand.call() else {
            return Ending::NoReport;
        };
        let at = world.at();
        match world.processes.get_mut(process) {
            Some(one) => one.ended.get_or_insert((Ending::NoReport, at)).0.clone(),
            None => Ending::NoReport,
        }
    }

    fn launched_unix_ms(&self, process: &ProcessId) -> Option<u64> {
        let world = self.hand.look();
        Some(STARTED + world.processes.get(process)?.launched_at)
    }

    fn report(&self, process: &ProcessId) -> Option<Report> {
        let world = self.hand.look();
        let one = world.processes.get(process)?;
        let (ending, at) = one.ended.clone()?;
        (ending != Ending::NoReport).then_some(Report {
            ending,
            started_unix_ms: Some(STARTED + one.launched_at),
            ended_unix_ms: STARTED + at,
        })
    }

    fn last_sign_unix_ms(&self, attempt: &AttemptId, _: &Path) -> Option<u64> {
        let world = self.hand.look();
        let agent = world.processes.get(&attempt.process(Role::Agent))?;
        let quiet = world.script(attempt).quiet_after;
        let sign = quiet.map_or(world.at(), |quiet| {
            world.at().min(agent.launched_at + quiet)
        });
        Some(STARTED + sign)
    }

    fn request_stop(&self, attempt: &AttemptId) {
        let Some(mut world) = self.hand.call() else {
            return;
        };
        for role in Role::ALL {
            world.stop(&attempt.process(role));
        }
    }

    fn end(&self, attempt: &AttemptId, roles: &[Role]) {
        let Some(mut world) = self.hand.call() else {
            return;
        };
        for role in roles {
            let id = attempt.process(*role);
            let launch = world.processes.get(&id).map(|one| one.launch);
            if let Some(launch) = launch
                && world.ends(&id, launch, Ending::Stopped)
            {
                let _ = self.inbox.send(Input::ProcessEnded(id));
            }
        }
    }

    fn end_attempt(&self, attempt: &AttemptId) {
        let cancelled = self.cancelled.lock();
        cancelled
            .unwrap_or_else(PoisonError::into_inner)
            .insert(attempt.clone());
        self.end(attempt, &Role::ALL);
    }
}
