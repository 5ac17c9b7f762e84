//! Opening a tracker: what binary is it, what can it do, where is its database. One client is one tracker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_core::id::TaskId;
use mesh_proc::env::Env;
use serde::Deserialize;

use crate::commands;
use crate::dialect::{self, Dialect, Features, Unsupported, UnsupportedReason, Version};
use crate::environment;
use crate::error::BdError;
use crate::exec::{Call, CallOutput};
use crate::record::{Observer, unobserved};
use crate::wire;

/// What a client is opened with.
#[derive(Clone)]
pub struct Setup {
    /// The `bd` program.
    pub program: PathBuf,
    /// Folder in which every call runs: the repository's root, because bd filters lists by folder if it is told so in its config.
    pub repo_root: PathBuf,
    /// The `.beads` folder, if it is known; else bd is asked from `repo_root`.
    pub beads_dir: Option<PathBuf>,
    /// Our own environment, of which a keep list passes.
    pub environment: Env,
    /// The run's id, put on every call as `MESH_RUN`.
    pub run: Option<String>,
    /// Go on with versions nobody has tried (`--allow-untested-bd`).
    pub allow_untested: bool,
    /// Limits of the calls.
    pub limits: Limits,
    /// Hears of every call, the opening ones included.
    pub observer: Observer,
}

impl Setup {
    /// A setup with the usual limits that asks bd where its database is.
    #[must_use]
    pub fn new(
        program: impl Into<PathBuf>,
        repo_root: impl Into<PathBuf>,
        environment: Env,
    ) -> Setup {
        Setup {
            program: program.into(),
            repo_root: repo_root.into(),
            beads_dir: None,
            environment,
            run: None,
            allow_untested: false,
            limits: Limits::default(),
            observer: unobserved(),
        }
    }
}

/// Limits of a single call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A read is killed after this long.
    pub read: Duration,
    /// A write is killed after this long; longer, because looking whether it happened costs more than waiting.
    pub write: Duration,
    /// A call that writes more is killed. 2,000 issues are about 2 MB.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// A call takes up to 1.2 s on a tracker of 2,000 issues and up to 30 s beside eight readers (measured on bd 1.3.0), and
    /// bd waits for the database without a limit of its own.
    fn default() -> Limits {
        Limits {
            read: Duration::from_secs(60),
            write: Duration::from_secs(90),
            output_bytes: 64 * 1024 * 1024,
        }
    }
}

/// An opened tracker. Each method is one call or a few, on the calling thread; [`crate::Queue`] keeps them one at a time.
pub struct Client {
    pub(crate) program: PathBuf,
    pub(crate) repo_root: PathBuf,
    pub(crate) env: Env,
    pub(crate) limits: Limits,
    pub(crate) observer: Observer,
    version: Version,
    dialect: Dialect,
    features: Features,
    beads_dir: PathBuf,
}

impl Client {
    /// Asks the binary what it is, what it can do and where the tracker lies: four short calls.
    ///
    /// # Errors
    /// When it cannot be started, is not supported, finds no tracker, or does not answer what it should.
    pub fn open(setup: &Setup) -> Result<Client, BdError> {
        let mut client = Client {
            program: setup.program.clone(),
            repo_root: setup.repo_root.clone(),
            env: environment::of_call(
                &setup.environment,
                setup.beads_dir.as_deref(),
                setup.run.as_deref(),
            ),
            limits: setup.limits,
            observer: setup.observer.clone(),
            version: Version {
                numbers: (0, 0, 0),
                suffix: String::new(),
            },
            dialect: Dialect::Modern,
            features: Features::default(),
            beads_dir: PathBuf::new(),
        };
        client.ask_version(setup.allow_untested)?;
        client.ask_features(setup.allow_untested)?;
        client.beads_dir = client.ask_where(&setup.repo_root)?;
        client.env = environment::of_call(
            &setup.environment,
            Some(&client.beads_dir),
            setup.run.as_deref(),
        );
        Ok(client)
    }

    /// The kind of bd.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The version, as the binary gave it.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// What the binary can do beyond its dialect.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// The tracker's folder, absolute and without symbolic links: the key of the one-coordinator lock.
    #[must_use]
    pub fn beads_dir(&self) -> &Path {
        &self.beads_dir
    }

    /// Lets `observer` hear of every call from now on.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = observer;
    }

    fn ask_version(&mut self, allow_untested: bool) -> Result<(), BdError> {
        #[derive(Deserialize)]
        struct Answer {
            version: String,
        }
        let call = Call::read(commands::version());
        let output = self.read_call(&call)?;
        let answer: Answer = wire::read(&output.stdout, "a version")
            .map_err(|parse_error| output.unreadable(parse_error))?;
        self.dialect = dialect::judge(&answer.version, allow_untested)?;
        if let Some(version) = Version::parse(&answer.version) {
            self.version = version;
        }
        Ok(())
    }

    /// A command that does not exist makes bd exit 1 with "unknown command"; one that does prints its usage line.
    fn ask_features(&mut self, allow_untested: bool) -> Result<(), BdError> {
        let help = |client: &Client, command: &str| -> Result<String, BdError> {
            let output = client.read_call(&Call::read(commands::help_of(command)))?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let update = help(self, "update")?;
        let has_flag = |flag: &str| {
            update
                .lines()
                .any(|line| line.split_whitespace().any(|word| word == flag))
        };
        let complete = has_flag("--claim") && has_flag("--set-metadata");
        if !complete && !allow_untested {
            let reason = UnsupportedReason::LacksCommands;
            return Err(Unsupported {
                version: self.version.to_string(),
                reason,
            }
            .into());
        }
        self.features = Features {
            leases: help(self, "heartbeat")?.contains("bd heartbeat <id>"),
            conditional_update: has_flag("--if-assignee"),
        };
        Ok(())
    }

    fn ask_where(&self, looked_from: &Path) -> Result<PathBuf, BdError> {
        #[derive(Deserialize)]
        struct Answer {
            path: PathBuf,
        }
        let call = Call::read(commands::where_is());
        let output = self.read_call(&call)?;
        if output.code != 0 {
            return Err(BdError::NoDatabase {
                looked_from: looked_from.to_owned(),
                text: output.error_text(),
            });
        }
        let answer: Answer = wire::read(&output.stdout, "the tracker's path")
            .map_err(|parse_error| output.unreadable(parse_error))?;
        // Relative only if BEADS_DIR was; then it is relative to the folder that the call ran in.
        let path = looked_from.join(answer.path);
        fs_err::canonicalize(path).map_err(|cause| BdError::File {
            text: cause.to_string(),
        })
    }

    /// A read, tried once more if the first try ended in a way that passes.
    pub(crate) fn read_call(&self, call: &Call) -> Result<CallOutput, BdError> {
        match self.call_once(call) {
            Err(failure) if failure.is_transient() => self.call_once(call),
            other => other,
        }
    }

    /// As [`Client::read_call`], for an answer that has to be read to be believed.
    pub(crate) fn read_with<T>(
        &self,
        call: &Call,
        read: impl Fn(&CallOutput) -> Result<T, BdError>,
    ) -> Result<T, BdError> {
        let once = || self.call_once(call).and_then(|output| read(&output));
        match once() {
            Err(failure) if failure.is_transient() => once(),
            other => other,
        }
    }
}

/// Ids go on the command line as they are, so one that looks like a flag is refused.
pub(crate) fn check_id(id: &TaskId, command: &str) -> Result<(), BdError> {
    if id.as_str().starts_with('-') {
        return Err(BdError::BadArgument {
            command: command.to_owned(),
            what: format!("{id} is no issue id"),
        });
    }
    Ok(())
}
