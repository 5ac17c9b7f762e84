//! Profiles: an agent program as data.
//!
//! `command` is any program, given as a template on the command line. Known programs are built in under their names ([`builtin`]);
//! others are named in the configuration. All are the same kind of data. A profile is checked completely before anything starts, and all its problems are listed at once.

pub mod builtin;
mod config;
mod template;

pub use config::{ProfileConfig, PromptConfig, ProtocolConfig, SandboxMode};
pub use template::{Placeholder, Template, TemplateProblem, UnsafeValue, Values};

use crate::launch::expanded;
use crate::nearest::nearest;
use crate::protocol::LIMIT_PATTERNS;
use mesh_core::time::Span;
use mesh_proc::env::Env;
use mesh_proc::find::{FindError, find};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The name of the profile that `--agent-command` makes.
pub const COMMAND_PROFILE: &str = "command";

/// An agent program and all that is needed to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name a person chooses it by.
    pub name: String,
    /// Program and arguments, with placeholders.
    pub template: Template,
    /// How the prompt goes in.
    pub prompt: PromptInput,
    /// How its output is read.
    pub protocol: Protocol,
    /// Its limits.
    pub limits: Limits,
    /// Variables it keeps beyond the common list. A name may end in `*`; a name that looks like a secret must be written out.
    pub env_keep: Vec<String>,
    /// Variables it gets with fixed values.
    pub env_set: BTreeMap<String, String>,
    /// The state folder of its own that each attempt gets, if the program has such a thing.
    pub state_folder: Option<StateFolder>,
    /// More arguments where the attempt has a view of the tracker; `{view}` in them is its folder.
    pub view_args: Vec<String>,
    /// More arguments, after all others, that take up an earlier session; `{session}` in them is its id. Without any it cannot.
    pub resume_args: Vec<String>,
    /// Whether each attempt gets a folder for temporary files of its own.
    pub own_tmpdir: bool,
    /// Whether it runs in the sandbox, where this is not as for other agents.
    pub sandbox: Option<SandboxMode>,
    /// More arguments in the sandbox.
    pub sandboxed_args: Vec<String>,
    /// More arguments outside of it.
    pub unsandboxed_args: Vec<String>,
    /// What it writes to in the sandbox beside its own; `~` and `$NAME` at the start are not replaced yet.
    pub write: Vec<String>,
    /// The account of a provider that it uses: profiles that share one share its limits.
    pub account: String,
    /// How the last lines of a plain program show that a limit of the provider ended it, as regular expressions.
    pub limit_patterns: Vec<String>,
    /// What audit entries name as the model; `command:<name>` for a plain program.
    pub model: String,
    /// Whether a person wants pull requests from it. See [`Profile::may_open_pull_request`].
    pub pr: bool,
}

/// How the prompt reaches the program. `{prompt_file}` may be used in the arguments in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptInput {
    /// Standard input is the prompt file; every known agent program takes it that way.
    StdinFile,
    /// Only the arguments name it, by this placeholder; standard input is empty. (An open standard input makes some programs wait.)
    Argument(Placeholder),
}

/// How a program's output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Text for people; the final block is the end of standard output.
    Plain,
    /// The events of `codex exec --json`.
    Codex,
    /// The events of `claude --output-format stream-json`.
    Claude,
    /// The events of mesh's own driver of a strategy.
    Strategy,
}

/// A state folder of the attempt's own, told to the program by a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder {
    /// The variable that names the folder, such as `CODEX_HOME`.
    pub variable: String,
}

/// What an attempt of this profile may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start to the first sign of life.
    pub start: Option<Span>,
    /// Between two signs of life.
    pub silence: Span,
    /// After this the attempt is noted as long.
    pub soft: Option<Span>,
    /// After this it is killed, with or without a coordinator.
    pub hard: Span,
    /// Most bytes of output, both streams together.
    pub log_bytes: u64,
    /// Between the request to end and the kill.
    pub grace: Span,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            start: None,
            silence: Span::minutes(15),
            soft: None,
            hard: Span::minutes(120),
            log_bytes: 64 << 20,
            grace: Span::seconds(10),
        }
    }
}

/// One thing that is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileProblem {
    /// The command.
    #[error(transparent)]
    Template(#[from] TemplateProblem),
    /// The prompt would never reach the program.
    #[error("with prompt = \"argument\" the command must contain {{{}}}", .0.name())]
    PromptNotNamed(Placeholder),
    /// A limit that cannot be read.
    #[error("{key} = {value:?}: {problem}")]
    Limit {
        /// The key in the configuration.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is wrong, as a fragment.
        problem: String,
    },
    /// A regular expression that cannot be read.
    #[error("limit_patterns: {pattern:?} is no regular expression: {problem}")]
    LimitPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong, as a fragment.
        problem: String,
    },
    /// Not the name of an environment variable.
    #[error("{key}: {name:?} is no name of an environment variable")]
    VariableName {
        /// The key in the configuration.
        key: &'static str,
        /// The name.
        name: String,
    },
    /// A value that no process can have.
    #[error("env_set: the value of {name} contains a NUL byte")]
    VariableValue {
        /// The name.
        name: String,
    },
    /// A variable that mesh sets for every attempt.
    #[error("{key}: {name} is set by mesh itself for every attempt")]
    ReservedVariable {
        /// The key in the configuration.
        key: &'static str,
        /// The name.
        name: String,
    },
    /// Arguments that no command line can have.
    #[error("{key}: {problem}")]
    Arguments {
        /// The key in the configuration.
        key: &'static str,
        /// What is wrong, as a fragment.
        problem: String,
    },
    /// `command` means `--agent-command`.
    #[error("the name `command` belongs to --agent-command: choose another")]
    ReservedName,
}

/// Everything that is wrong with one profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("agent profile `{name}`: {}", listed(.problems))]
pub struct ProfileError {
    /// The profile.
    pub name: String,
    /// At least one.
    pub problems: Vec<ProfileProblem>,
}

fn listed(problems: &[ProfileProblem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// No profile has the name that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no agent profile `{name}`{}{}", did_you_mean(.nearest), known_names(.known))]
pub struct UnknownProfile {
    /// The name.
    pub name: String,
    /// The one that was probably meant.
    pub nearest: Option<String>,
    /// All there are.
    pub known: Vec<String>,
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() {
        "; none is configured: write [agents.NAME] with a command, or use --agent-command"
            .to_owned()
    } else {
        format!("; configured are {}", known.join(", "))
    }
}

impl Profile {
    /// The profile of `--agent-command`: any program, with all defaults.
    ///
    /// # Errors
    /// All problems of the template.
    pub fn command(template: &str) -> Result<Profile, ProfileError> {
        let template = Template::parse(template).map_err(|problems| ProfileError {
            name: COMMAND_PROFILE.to_owned(),
            problems: problems.into_iter().map(ProfileProblem::from).collect(),
        })?;
        Ok(Profile {
            model: model_of(&template),
            name: COMMAND_PROFILE.to_owned(),
            template,
            prompt: PromptInput::StdinFile,
            protocol: Protocol::Plain,
            limits: Limits::default(),
            env_keep: Vec::new(),
            env_set: BTreeMap::new(),
            state_folder: None,
            view_args: Vec::new(),
            resume_args: Vec::new(),
            own_tmpdir: false,
            sandbox: None,
            sandboxed_args: Vec::new(),
            unsandboxed_args: Vec::new(),
            write: Vec::new(),
            pr: false,
            account: COMMAND_PROFILE.to_owned(),
            limit_patterns: usual_limit_patterns(),
        })
    }

    /// Finds the program: a bare name on `path` (the value of our own `PATH`), an absolute path as it is, and a relative path with
    /// a slash from `base` (the folder a person stands in, or the one of the configuration), never from a workspace.
    ///
    /// # Errors
    /// When there is no such program, or it cannot be executed.
    pub fn locate(&self, base: &Path, path: Option<&OsStr>) -> Result<PathBuf, FindError> {
        let program = self.template.program();
        if program.contains('/') {
            find(base.join(program).as_os_str(), path)
        } else {
            find(program.as_ref(), path)
        }
    }

    /// The arguments that depend on whether it runs in the sandbox.
    #[must_use]
    pub fn sandbox_args(&self, is_sandboxed: bool) -> &[String] {
        match is_sandboxed {
            true => &self.sandboxed_args,
            false => &self.unsandboxed_args,
        }
    }

    /// The folder in which an attempt's program keeps its sessions, for programs whose sessions say more than their streams; `folder`
    /// is the attempt's own, `ours` our environment.
    #[must_use]
    pub fn session_home(&self, folder: &Path, ours: &Env) -> Option<PathBuf> {
        if self.protocol != Protocol::Codex {
            return None;
        }
        if self.state_folder.is_some() {
            return Some(folder.join("state"));
        }
        let own = self.env_set.get("CODEX_HOME").map(PathBuf::from);
        let kept = || {
            let is_kept = self.env_keep.iter().any(|name| name == "CODEX_HOME");
            ours.get("CODEX_HOME")
                .filter(|_| is_kept)
                .map(PathBuf::from)
        };
        let usual = || Some(PathBuf::from(ours.get("HOME")?).join(".codex"));
        own.or_else(kept).or_else(usual)
    }

    /// What it writes to in the sandbox beside its own.
    #[must_use]
    pub fn writable(&self, ours: &Env) -> Vec<PathBuf> {
        let paths = self.write.iter();
        paths.filter_map(|path| expanded(path, ours)).collect()
    }

    /// Makes the folders among these that are not there: in the sandbox nobody can.
    ///
    /// # Errors
    /// Whatever the file system says, with the folder named.
    pub fn make_folders(&self, ours: &Env) -> std::io::Result<()> {
        let folders = self.write.iter().filter(|path| path.ends_with('/'));
        folders
            .filter_map(|path| expanded(path, ours))
            .try_for_each(fs_err::create_dir_all)
    }

    /// Whether the prompt may ask for a pull request: a person wants it, and the profile names a token to open one with.
    #[must_use]
    pub fn may_open_pull_request(&self) -> bool {
        let set = self.env_set.keys().map(String::as_str);
        let kept = self.env_keep.iter().map(String::as_str);
        self.pr && kept.chain(set).any(crate::launch::looks_secret)
    }
}

/// The profile called `name` among `profiles`.
///
/// # Errors
/// With the nearest name when there is none.
pub fn choose<'a>(
    profiles: &'a BTreeMap<String, Profile>,
    name: &str,
) -> Result<&'a Profile, UnknownProfile> {
    profiles.get(name).ok_or_else(|| UnknownProfile {
        name: name.to_owned(),
        nearest: nearest(name, profiles.keys().map(String::as_str)).map(str::to_owned),
        known: profiles.keys().cloned().collect(),
    })
}

fn usual_limit_patterns() -> Vec<String> {
    LIMIT_PATTERNS.map(str::to_owned).to_vec()
}

/// `command:<name>` with the file name of the program.
fn model_of(template: &Template) -> String {
    let program = template.program();
    let name = program.rsplit('/').find(|part| !part.is_empty());
    format!("command:{}", name.unwrap_or(program))
}

#[cfg(test)]
#[path = "profile_test.rs"]
mod tests;
