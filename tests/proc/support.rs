//! One attempt in a folder of its own, and waiting for events.

use mesh_proc::env::Env;
use mesh_proc::shim::{self, ExitReport, Launcher, ShimHandle, ShimRecord, ShimSpec};
use mesh_proc::tree;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const MESH: &str = env!("CARGO_BIN_EXE_mesh-dup");
pub const AGENT: &str = env!("CARGO_BIN_EXE_fake-agent");
pub const STARTER: &str = env!("CARGO_BIN_EXE_dying-starter");

/// Far beyond what anything here takes, even on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// Waits for `what`.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A run's name that no other test uses, so that nobody's strays are mixed up.
pub fn unique_run() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Whether the process runs; a zombie does not.
pub fn is_alive(pid: u32) -> bool {
    tree::stat(pid).is_some_and(|stat| !stat.is_zombie())
}

/// An attempt's folder with spec, lock and workspace. Whatever still runs is killed when it is dropped.
pub struct Attempt {
    pub folder: TempDir,
    pub spec: ShimSpec,
    pub live: Option<ShimHandle>,
}

impl Attempt {
    /// An agent that performs `steps`.
    pub fn of_steps(steps: Value) -> Self {
        let mut attempt = Self::of_program(AGENT);
        let steps = attempt.filled(steps);
        attempt.spec.args = vec!["--steps".into(), steps.to_string().into()];
        attempt
    }

    /// `sh -c text`, with `$DIR` as the attempt's folder.
    pub fn of_shell(text: &str) -> Self {
        let mut attempt = Self::of_program("sh");
        attempt.spec.args = vec!["-c".into(), text.into()];
        attempt.spec.env.insert("DIR", attempt.folder.path());
        attempt
    }

    pub fn of_program(program: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("workspace");
        fs_err::create_dir(&workspace).unwrap();
        let mut spec = ShimSpec::new(folder.path(), program, workspace);
        spec.env = Env::keep(&["PATH"]);
        spec.run = unique_run();
        spec.attempt = "demo/1".into();
        Self {
            folder,
            spec,
            live: None,
        }
    }

    /// `DIR` in texts becomes the attempt's folder.
    fn filled(&self, value: Value) -> Value {
        let folder = self.folder.path().to_str().unwrap();
        let text = value.to_string().replace("DIR", folder);
        serde_json::from_str(&text).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn lock_path(&self) -> PathBuf {
        self.path("lock")
    }

    pub fn start(&mut self) -> ShimHandle {
        let lock = shim::lock_attempt(&self.lock_path()).unwrap();
        let launcher = Launcher { exe: MESH.into() };
        let live = shim::start(&self.spec, &self.path("spec.json"), lock, &launcher).unwrap();
        self.live = Some(live.clone());
        live
    }

    /// Starts it from a process that is dead when this returns.
    pub fn start_from_dying_starter(&mut self, variables: &[(&str, &str)]) {
        let spec_in = self.path("spec-in.json");
        fs_err::write(&spec_in, serde_json::to_vec(&self.spec).unwrap()).unwrap();
        let status = Command::new(STARTER)
            .args([&spec_in, &self.path("spec.json"), &self.lock_path()])
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9),
            "{status}"
        );
    }

    pub fn adopt(&mut self) -> ShimHandle {
        let live = ShimHandle::adopt_or_wait(&self.spec.record, &self.lock_path(), LONG)
            .expect("nobody to adopt");
        self.live = Some(live.clone());
        live
    }

    /// Waits for the shim's end and reads what it says.
    #[track_caller]
    pub fn report(&self) -> ExitReport {
        let live = self.live.as_ref().expect("not started");
        assert!(live.wait(LONG), "the shim does not end");
        shim::read_report(&self.spec.report)
            .unwrap()
            .unwrap_or_else(|| panic!("no report; shim.log: {}", self.text("shim.log")))
    }

    #[track_caller]
    pub fn run(&mut self) -> ExitReport {
        self.start();
        self.report()
    }

    pub fn record(&self) -> ShimRecord {
        shim::read_record(&self.spec.record)
            .unwrap()
            .expect("no record")
    }

    /// What a file in the attempt's folder holds, empty when it is missing.
    pub fn text(&self, name: &str) -> String {
        fs_err::read(self.path(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits for a file that a process writes its number to.
    #[track_caller]
    pub fn pid(&self, name: &str) -> u32 {
        until(name, || self.text(name).trim().parse::<u32>().is_ok());
        self.text(name).trim().parse().unwrap()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let live = self
            .live
            .take()
            .or_else(|| ShimHandle::adopt(&self.spec.record));
        if let Some(live) = live {
            live.request_kill();
            live.wait(LONG);
        }
        let search =
            mesh_proc::orphans::Search::new(&self.spec.run, mesh_proc::orphans::Marked::Any);
        let _ = mesh_proc::orphans::end(&search, LONG);
    }
}

/// A process that says its number in the file `name` and then sleeps for a minute.
pub fn sleeper(name: &str) -> Value {
    json!([{"write_pid": format!("DIR/{name}")}, {"sleep_ms": 60_000}])
}

/// Ends a process of ours by its number, when a test is over.
pub struct KillOnDrop(pub u32);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(identity) = tree::Identity::of(self.0) {
            tree::signal_same(identity, rustix::process::Signal::KILL);
        }
    }
}
