//! The agents of the roles, and proofs: each runs under a shim of its own, in a folder of its own, and can write to nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mesh_agent::launch::{self, AttemptFacts, CommandKind, Launch};
use mesh_agent::profile::{Limits, Profile};
use mesh_agent::protocol::{Sources, plain};
use mesh_core::metered::{Metered, Refusal, Usage};
use mesh_core::time::{Millis, Span};
use mesh_engine::{Manifest, unix_ms};
use mesh_plan::details::join_commands;
use mesh_proc::env::Env;
use mesh_proc::sandbox::Sandbox;
use mesh_proc::shim::{self, Cause, ChildEnd, ExitReport, Launcher, ShimHandle, lock_attempt};
use mesh_proc::tree;
use mesh_proc::watch::Watcher;
use mesh_strategy::entry::End;
use mesh_strategy::step::{Turn, TurnId};

use super::place::Place;
use super::{GaveUp, Key};

/// In the folder of the turns, where the workspace changed while roles were at work: what was seen.
pub(super) const CHANGED_BY_ROLES: &str = "changed-by-roles";

/// The role and the turn that a process belongs to, for whoever looks at it.
const MESH_ROLE: &str = "MESH_ROLE";
const MESH_TURN: &str = "MESH_TURN";

/// Most bytes of an answer that are taken, from its end.
const MOST_ANSWER_BYTES: u64 = 1 << 20;
/// How much of a proof's output is told, from its end.
const EXCERPT_LINES: usize = 40;
const EXCERPT_BYTES: u64 = 8 * 1024;
/// How long a shim may take for its own work.
const SHIM_PATIENCE: Duration = Duration::from_secs(20);
/// A role whose processes use less than this share of the time waits.
const IDLE_SHARE: u64 = 100;

/// What came of a process.
pub(super) enum Came {
    Turn {
        turn: TurnId,
        end: End,
        usage: Option<Usage>,
        /// A limit of its provider ended it.
        refusal: Option<Refusal>,
        /// Somebody asked it to end, and not we.
        is_stopped: bool,
    },
    Proof {
        turn: TurnId,
        exit_code: Option<i32>,
        excerpt: String,
    },
}

struct Process {
    live: ShimHandle,
    folder: PathBuf,
    /// The agent of a role; nothing for a proof.
    profile: Option<Profile>,
    grace: Duration,
    /// Processor time at the last look, and when it last did something.
    cpu_ms: u64,
    active: Instant,
    /// It was ended for its silence.
    is_silent: bool,
}

pub(super) struct Roles<'a> {
    place: &'a Place,
    watcher: Watcher<Key>,
    running: BTreeMap<Key, Process>,
    /// What the workspace looked like when nobody but mesh had changed it; nothing in a sandbox, where no role can.
    expected: Option<Manifest>,
}

impl<'a> Roles<'a> {
    pub fn new(place: &'a Place, watcher: Watcher<Key>) -> Roles<'a> {
        let mut roles = Roles {
            place,
            watcher,
            running: BTreeMap::new(),
            expected: None,
        };
        roles.expect_changes();
        roles
    }

    /// The turns that run.
    pub fn running(&self) -> impl Iterator<Item = TurnId> {
        self.running.keys().filter_map(|key| match key {
            Key::Turn(turn) => Some(*turn),
            Key::Proof(_) => None,
        })
    }

    pub fn is_proving(&self, turn: TurnId) -> bool {
        self.running.contains_key(&Key::Proof(turn))
    }

    /// The workspace is as mesh made it now.
    pub fn expect_changes(&mut self) {
        if !self.place.told.sandboxed {
            self.expected = Manifest::of(&self.place.workspace);
        }
    }

    /// Starts a turn's agent; why not, as a fragment.
    pub fn start(&mut self, turn: &Turn) -> Result<(), String> {
        let (profile, program) = self.place.program_of(turn.id.role)?;
        let folder = self
            .folder(&turn.id.to_string())
            .map_err(|error| error.to_string())?;
        let prompt = folder.join("prompt.md");
        fs_err::write(&prompt, &turn.prompt).map_err(|error| error.to_string())?;
        let mut facts = self
            .facts(&folder, prompt)
            .map_err(|error| error.to_string())?;
        facts.state_folder = profile.state_folder.as_ref().map(|_| folder.join("state"));
        if let Some(state) = &facts.state_folder {
            fs_err::create_dir_all(state).map_err(|error| error.to_string())?;
        }
        facts.extra_env.insert(MESH_ROLE, turn.id.role.as_str());
        facts.extra_env.insert(MESH_TURN, turn.id.to_string());
        let launched = launch::agent(&profile, &program, &facts, &self.place.ours);
        let mut launch = launched.map_err(|error| error.to_string())?;
        if let Some(sandbox) = &mut launch.sandbox {
            sandbox.write.retain(|path| *path != self.place.workspace);
        }
        let limits = profile.limits;
        self.spawn(Key::Turn(turn.id), &launch, &limits, folder, Some(profile))
    }

    /// Starts the proof of a turn's patch; why not, as a fragment.
    pub fn prove(&mut self, turn: TurnId, commands: &[String]) -> Result<(), String> {
        let command = join_commands(commands).ok_or("there is no command to prove it with")?;
        let folder = self
            .folder(&format!("proof.{turn}"))
            .map_err(|error| error.to_string())?;
        let facts = self
            .facts(&folder, self.place.roles.join("none"))
            .map_err(|error| error.to_string())?;
        let profile = self.place.setup.agent.profile();
        let profile = profile.map_err(|error| error.to_string())?;
        let ours = &self.place.ours;
        let launched = launch::command(CommandKind::Proof, &command, &profile, &facts, ours);
        let mut launch = launched.map_err(|error| error.to_string())?;
        if let Some(Sandbox { write }) = &mut launch.sandbox {
            write.extend(self.place.setup.sandbox.write.iter().cloned());
        }
        let limits = Limits {
            hard: Span(self.place.setup.proof_limit_ms),
            ..Limits::default()
        };
        self.spawn(Key::Proof(turn), &launch, &limits, folder, None)
    }

    /// A fresh folder for a process. What an earlier driver of this attempt left in it is from a turn that never ended.
    fn folder(&self, name: &str) -> std::io::Result<PathBuf> {
        let folder = self.place.roles.join(name);
        match fs_err::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs_err::create_dir_all(folder.join("tmp"))?;
        Ok(folder)
    }

    fn facts(&self, folder: &Path, prompt_file: PathBuf) -> std::io::Result<AttemptFacts> {
        let place = self.place;
        let path = |name: &str| place.ours.get(name).map(PathBuf::from);
        // The view of the tracker is read with locks, and reading is logged.
        let tracker = path("MESH_VIEW").or_else(|| path("BEADS_DIR"));
        let write = tracker.into_iter().chain(path("MESH_BD_RO_LOG"));
        Ok(AttemptFacts {
            run: place.run.to_string(),
            attempt: place.attempt.clone(),
            workspace: place.workspace.clone(),
            root: place.setup.repository.clone(),
            prompt_file,
            // Both stand in our own environment already.
            path_front: None,
            bash_env: path("BASH_ENV"),
            session: None,
            ports: None,
            state_folder: None,
            tmp_folder: Some(folder.join("tmp")),
            extra_env: self.shared_env()?,
            write: write.collect(),
            sandboxed: place.told.sandboxed,
        })
    }

    /// Our own environment without what agents of roles get by their profiles.
    fn shared_env(&self) -> std::io::Result<Env> {
        let profile = self.place.setup.agent.profile();
        let profile = profile.map_err(std::io::Error::other)?;
        let usual = launch::kept(&self.place.ours, &[]);
        let by_profiles = launch::kept(&self.place.ours, &profile.env_keep);
        let is_shared = |name: &std::ffi::OsStr| {
            let is_set = name
                .to_str()
                .is_some_and(|name| profile.env_set.contains_key(name));
            (usual.get(name).is_some() || by_profiles.get(name).is_none()) && !is_set
        };
        let shared = self.place.ours.iter();
        let shared = shared.filter(|(name, _)| is_shared(name));
        Ok(shared
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    fn spawn(
        &mut self,
        key: Key,
        launch: &Launch,
        limits: &Limits,
        folder: PathBuf,
        profile: Option<Profile>,
    ) -> Result<(), String> {
        let lock = lock_attempt(&folder.join("lock")).map_err(|error| error.to_string())?;
        let spec = launch.shim_spec(&folder, limits);
        let live = shim::start(&spec, &folder.join("spec.json"), lock, &Launcher::default());
        let live = live.map_err(|error| error.to_string())?;
        self.watcher.add(key, live.clone());
        let process = Process {
            live,
            folder,
            profile,
            grace: Duration::from_millis(limits.grace.0),
            cpu_ms: 0,
            active: Instant::now(),
            is_silent: false,
        };
        self.running.insert(key, process);
        Ok(())
    }

    /// Ends a process and waits until it and all that came from it are gone. Gives what its agent says that it used.
    pub fn end(&mut self, key: Key) -> Option<Usage> {
        let process = self.running.remove(&key)?;
        process.live.request_stop();
        process.wait_for_end();
        let profile = process.profile.as_ref()?;
        process.metered(profile, self.place).usage
    }

    /// Ends all of them, at the same time.
    pub fn end_all(&mut self) {
        for process in self.running.values() {
            process.live.request_stop();
        }
        for (_, process) in std::mem::take(&mut self.running) {
            process.wait_for_end();
        }
    }

    /// Ends turns that have been silent for longer than their profiles allow: they have no answer in time.
    pub fn end_silent(&mut self) {
        for process in self.running.values_mut() {
            let Some(limit) = process
                .profile
                .as_ref()
                .map(|profile| profile.limits.silence)
            else {
                continue;
            };
            process.look();
            if process.active.elapsed() >= Duration::from_millis(limit.0) {
                process.is_silent = true;
                process.live.request_stop();
            }
        }
    }

    /// What came of a process that has ended; nothing when nobody waits for it any more.
    pub fn take(&mut self, key: Key) -> Result<Option<Came>, GaveUp> {
        let Some(process) = self.running.remove(&key) else {
            return Ok(None);
        };
        let report = shim::read_report(&process.folder.join("exit.json"));
        let report = report.map_err(GaveUp::because)?.ok_or_else(|| {
            // Its tree may live on, and ends with us.
            GaveUp::because(format!(
                "the process that supervised {} was killed",
                key.shown()
            ))
        })?;
        let _ = fs_err::remove_dir_all(process.folder.join("tmp"));
        Ok(Some(match key {
            Key::Proof(turn) => {
                self.expect_changes();
                process.proved(turn, &report)
            }
            Key::Turn(turn) => {
                self.refuse_changes(turn)?;
                process.answered(turn, &report, self.place)
            }
        }))
    }

    /// Refuses what roles said that changed the workspace. Which of them did it cannot be known when several run.
    fn refuse_changes(&self, turn: TurnId) -> Result<(), GaveUp> {
        let Some(expected) = self.expected else {
            return Ok(());
        };
        if Manifest::of(&self.place.workspace) == Some(expected) {
            return Ok(());
        }
        let others: Vec<String> = self.running().map(|id| id.role.to_string()).collect();
        let others = match others.as_slice() {
            [] => String::new(),
            others => format!(" or {}", others.join(" or ")),
        };
        let why = format!(
            "{}{others} changed the workspace, which no role of {} may; its answer is refused",
            turn.role, self.place.strategy
        );
        fs_err::write(self.place.roles.join(CHANGED_BY_ROLES), format!("{why}\n"))?;
        Err(GaveUp::because(why))
    }
}

impl Key {
    fn shown(self) -> String {
        match self {
            Key::Turn(turn) => turn.to_string(),
            Key::Proof(turn) => format!("the proof of {turn}"),
        }
    }
}

impl Process {
    fn wait_for_end(&self) {
        if !self.live.wait(self.grace.saturating_add(SHIM_PATIENCE)) {
            self.live.request_kill();
            self.live.wait(SHIM_PATIENCE);
        }
    }

    /// Whether it has done something since the last look: written, or used processor time.
    fn look(&mut self) {
        let written = ["stdout", "stderr"].iter().filter_map(|name| {
            let at = fs_err::metadata(self.folder.join(name))
                .ok()?
                .modified()
                .ok()?;
            SystemTime::now().duration_since(at).ok()
        });
        let usage = tree::usage(self.live.identity());
        let cpu_ms = usage.map_or(self.cpu_ms, |usage| usage.cpu_ms);
        let used = cpu_ms.saturating_sub(self.cpu_ms);
        let quiet = self.active.elapsed();
        let quiet_ms = u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX);
        if used > quiet_ms / IDLE_SHARE || written.min().is_some_and(|since| since < quiet) {
            self.active = Instant::now();
            self.cpu_ms = cpu_ms;
        }
    }

    fn proved(&self, turn: TurnId, report: &ExitReport) -> Came {
        let exit_code = match (report.cause, &report.ending) {
            (Cause::Ended, ChildEnd::Exited { code }) => Some(*code),
            _ => None,
        };
        let tail = |name: &str| {
            let path = self.folder.join(name);
            plain::tail(&path, EXCERPT_LINES, EXCERPT_BYTES).unwrap_or_default()
        };
        let excerpt = [tail("stdout"), tail("stderr")];
        let excerpt = excerpt.iter().filter(|text| !text.trim().is_empty());
        let excerpt: Vec<&str> = excerpt.map(String::as_str).collect();
        Came::Proof {
            turn,
            exit_code,
            excerpt: excerpt.join("\n"),
        }
    }

    fn answered(&self, turn: TurnId, report: &ExitReport, place: &Place) -> Came {
        let Some(profile) = &self.profile else {
            let end = End::NoAnswer {
                why: "nobody knows its program".to_owned(),
            };
            return Came::Turn {
                turn,
                end,
                usage: None,
                refusal: None,
                is_stopped: false,
            };
        };
        let (stdout, stderr) = (self.folder.join("stdout"), self.folder.join("stderr"));
        let metered = self.metered(profile, place);
        let end = self.end(report, profile, &stdout, &stderr);
        let is_answer = matches!(end, End::Answer { .. });
        const TERM: i32 = 15;
        let is_term = matches!(report.ending, ChildEnd::Signaled { signal: TERM });
        Came::Turn {
            turn,
            is_stopped: !self.is_silent && (is_term || report.cause == Cause::Stopped),
            refusal: metered.limit().cloned().filter(|_| !is_answer),
            usage: metered.usage,
            end,
        }
    }

    /// What its agent says that it used, and whether its provider refused it.
    fn metered(&self, profile: &Profile, place: &Place) -> Metered {
        let home = profile.session_home(&self.folder, &place.ours);
        let started = place.run_started_unix_ms;
        let metered = profile.protocol.metered(&Sources {
            stdout: &self.folder.join("stdout"),
            stderr: &self.folder.join("stderr"),
            home: home.as_deref(),
            limit_patterns: &profile.limit_patterns,
            now_unix_ms: unix_ms(),
            moment: &|at| Millis(at.saturating_sub(started)),
        });
        metered.unwrap_or_default()
    }

    fn end(&self, report: &ExitReport, profile: &Profile, stdout: &Path, stderr: &Path) -> End {
        if self.is_silent {
            return End::TimedOut;
        }
        let why = match (report.cause, &report.ending) {
            (_, ChildEnd::CouldNotStart { reason }) => {
                let why = reason.clone();
                return End::NotStarted { why };
            }
            (Cause::HardLimit, _) => return End::TimedOut,
            (Cause::Flood, _) => "it wrote more than its limit".to_owned(),
            (Cause::Stopped, _) => "it was stopped".to_owned(),
            (Cause::Ended, ChildEnd::Signaled { signal }) => format!("signal {signal} ended it"),
            (Cause::Ended, ChildEnd::Exited { code: 0 }) => {
                match profile.protocol.answer(stdout, MOST_ANSWER_BYTES) {
                    Ok(Ok(text)) if !text.trim().is_empty() => return End::Answer { text },
                    Ok(Ok(_)) => "it ended without a word".to_owned(),
                    Ok(Err(why)) => why,
                    Err(error) => error.to_string(),
                }
            }
            (Cause::Ended, ChildEnd::Exited { code }) => format!("it exited with {code}"),
        };
        let said = profile.protocol.explanation(stdout).ok().flatten();
        let said = said.or_else(|| plain::tail(stderr, 3, 1024).ok());
        let said = said.filter(|said| !said.trim().is_empty() && *said != why);
        let why = match said {
            Some(said) => format!("{why}: {}", said.trim()),
            None => why,
        };
        End::NoAnswer { why }
    }
}
