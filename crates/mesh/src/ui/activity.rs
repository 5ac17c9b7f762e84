//! What agents are doing, behind the count at the bottom of a terminal. Nothing is looked at where there is no terminal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use indicatif::ProgressBar;
use mesh_agent::profile::Protocol;
use mesh_core::id::AttemptId;
use mesh_core::process::Role;
use mesh_core::state::{Stage, State};
use mesh_journal::layout::RunDir;

/// How often the streams are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The message behind the count: what is known of the run, and what one of its agents did last.
pub(crate) struct Activities {
    run_dir: RunDir,
    /// Of each of the run's agents; read from the run's journal when the first one has started.
    protocols: Vec<Protocol>,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Default)]
struct Shown {
    about_run: String,
    at_work: BTreeMap<AttemptId, (PathBuf, Protocol)>,
}

impl Activities {
    /// Shows them in `bar` from now on.
    pub fn new(run_dir: RunDir, bar: ProgressBar) -> Activities {
        let shown = Arc::default();
        let weak = Arc::downgrade(&shown);
        // Without the thread the message is that of the last event.
        let _ = std::thread::Builder::new()
            .name("activity".to_owned())
            .spawn(move || follow(&weak, &bar));
        Activities {
            run_dir,
            protocols: Vec::new(),
            shown,
        }
    }

    /// The run has come to `state`, of which `about_run` is told.
    pub fn update(&mut self, state: &State, about_run: &str) {
        if self.protocols.is_empty() && state.active_count() > 0 {
            self.protocols = protocols(&self.run_dir);
        }
        let at_work = state.active().filter_map(|at| {
            let active = state.task(at).active()?;
            matches!(active.stage, Stage::Running(_)).then_some(())?;
            let attempt = AttemptId {
                task: state.plan().task(at).id.clone(),
                number: active.attempt,
            };
            let protocol = self.protocols.get(usize::from(state.agent_of(&attempt)))?;
            let files = self.run_dir.attempt(&attempt).process(Role::Agent);
            Some((attempt, (files.stdout(), *protocol)))
        });
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.at_work = at_work.collect();
        about_run.clone_into(&mut shown.about_run);
    }
}

/// How the streams of the run's agents are read.
pub(crate) fn protocols(run_dir: &RunDir) -> Vec<Protocol> {
    let header = mesh_journal::read_header(&run_dir.journal()).ok();
    let setup = header.and_then(|header| mesh_engine::read_setup(&header).ok());
    let Some(setup) = setup else {
        return Vec::new();
    };
    let agents = std::iter::once(&setup.agent).chain(&setup.more_agents);
    let profiles = agents.filter_map(|agent| agent.profile().ok());
    profiles.map(|profile| profile.protocol).collect()
}

/// Looks at the stream that was written to last, until nobody shows anything any more.
fn follow(shown: &Weak<Mutex<Shown>>, bar: &ProgressBar) {
    while let Some(shown) = shown.upgrade() {
        let (about_run, at_work) = {
            let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            (shown.about_run.clone(), shown.at_work.clone())
        };
        drop(shown);
        let written =
            |path: &PathBuf| -> Option<SystemTime> { fs_err::metadata(path).ok()?.modified().ok() };
        let newest = at_work
            .into_iter()
            .max_by_key(|(_, (path, _))| written(path));
        let doing = newest.and_then(|(attempt, (path, protocol))| {
            let now = protocol.activity(&path).ok()?.now?;
            Some(format!("{attempt} {now}"))
        });
        let parts: Vec<String> = std::iter::once(about_run).chain(doing).collect();
        bar.set_message(parts.join(" · "));
        std::thread::sleep(EVERY);
    }
}
