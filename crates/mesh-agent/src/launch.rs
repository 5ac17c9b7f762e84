//! Command line and environment of one attempt's processes: the agent, its setup command, its proof.
//!
//! The environment is built from nothing. What a child sees is the common keep list, what the profile names, what the adapters of
//! tracker and version control add, and mesh's own variables, each later layer over the earlier ones. A variable that looks like a
//! secret gets through only when the profile writes its name out; a setup or proof command gets none at all, since it runs what an
//! agent wrote.
//!
//! Everything here is a pure function of its arguments: our own environment comes in as one.

use crate::profile::{
    COMMAND_PROFILE, Limits, Profile, PromptInput, Protocol, UnsafeValue, Values,
};
use crate::protocol::SessionId;
use mesh_core::id::AttemptId;
use mesh_proc::env::{Env, MESH_ATTEMPT, MESH_RUN};
use mesh_proc::sandbox::Sandbox;
use mesh_proc::shim::ShimSpec;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The task's id, as its source gives it.
pub const MESH_TASK: &str = "MESH_TASK";
/// The absolute path of the attempt's working copy.
pub const MESH_WORKSPACE: &str = "MESH_WORKSPACE";
/// The absolute path of the attempt's prompt.
pub const MESH_PROMPT_FILE: &str = "MESH_PROMPT_FILE";

/// The absolute path of the person's own checkout, for setup commands that take from it what version control does not carry.
pub const MESH_ROOT: &str = "MESH_ROOT";

/// The number of the attempt's slot, from 1.
pub const MESH_SLOT: &str = "MESH_SLOT";

/// The first of 20 ports that the attempt may listen on: they were free when its slot got them, and no other slot of the run has one.
pub const MESH_PORT_BASE: &str = "MESH_PORT_BASE";

/// Variables that every child keeps: who and where the person is, how text is shown, where tools and certificates lie, who signs a
/// commit. No access to anything: `SSH_AUTH_SOCK` is a door to the person's keys, so a profile must name it.
pub const COMMON_KEEP: &[&str] = &[
    // The person and the place.
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TZ",
    "XDG_*",
    // Text.
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    // Where tool chains lie; without these a `cargo` or `java` outside its usual place does not run at all.
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "GOROOT",
    "GOMODCACHE",
    "JAVA_HOME",
    "ANDROID_HOME",
    "NVM_DIR",
    "VOLTA_HOME",
    "PNPM_HOME",
    "BUN_INSTALL",
    "DENO_DIR",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "GEM_HOME",
    "RBENV_ROOT",
    // Certificates of a network that has its own.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    // The way out, unless it holds a password.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    // Whose name a commit carries.
    "EMAIL",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "JJ_USER",
    "JJ_EMAIL",
];

/// The search path of a child when we have none ourselves.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Names that belong to mesh; a profile can neither keep nor set them.
const RESERVED: [&str; 15] = [
    MESH_RUN,
    MESH_TASK,
    MESH_ATTEMPT,
    MESH_WORKSPACE,
    MESH_PROMPT_FILE,
    MESH_ROOT,
    MESH_SLOT,
    MESH_PORT_BASE,
    "MESH_VIEW",
    "MESH_BD",
    "MESH_BD_RO",
    "MESH_BD_RO_LOG",
    "MESH_JJ",
    "MESH_JJ_RAIL",
    "BEADS_DIR",
];

/// What is known of one attempt when its processes are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFacts {
    /// The run's id.
    pub run: String,
    /// The attempt; `<task>#<number>` marks all its processes.
    pub attempt: AttemptId,
    /// Its working copy, absolute. The working directory of all its processes.
    pub workspace: PathBuf,
    /// The person's own checkout, absolute. Nothing but a setup command has any business there, and that only to read.
    pub root: PathBuf,
    /// Its prompt, absolute.
    pub prompt_file: PathBuf,
    /// The folder that goes in front of `PATH`, where `bd` is the wrapper.
    pub path_front: Option<PathBuf>,
    /// What `bash` reads before any script, so that a login shell has `path_front` too.
    pub bash_env: Option<PathBuf>,
    /// The session of the attempt before that its agent takes up.
    pub session: Option<SessionId>,
    /// Its slot and its ports.
    pub ports: Option<Ports>,
    /// The state folder of its own, for profiles that have one.
    pub state_folder: Option<PathBuf>,
    /// The folder of its own for temporary files, for profiles that want one.
    pub tmp_folder: Option<PathBuf>,
    /// What the adapters of version control and tracker add (`JJ_CONFIG`, `MESH_VIEW`, `BEADS_DIR`, …).
    pub extra_env: Env,
    /// Folders and files outside the workspace that its processes have to write, absolute; the profile's own are added to them.
    pub write: Vec<PathBuf>,
    /// Whether its processes run in a sandbox.
    pub sandboxed: bool,
}

/// What an attempt listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The number of its slot, from 1.
    pub slot: u16,
    /// The first port of its block, when one was free.
    pub base: Option<u16>,
}

/// A complete command: nothing is added to it but the markers it already carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Absolute path of the program, or `sh`, which is looked up on the `PATH` of `env`.
    pub program: PathBuf,
    /// Arguments without the program.
    pub args: Vec<OsString>,
    /// The working directory.
    pub cwd: PathBuf,
    /// The complete environment.
    pub env: Env,
    /// What it reads; nothing when absent.
    pub stdin: Option<PathBuf>,
    /// The run's id.
    pub run: String,
    /// The attempt's marker: unique within the run.
    pub attempt: String,
    /// What it is put into.
    pub sandbox: Option<Sandbox>,
}

/// Why an attempt's command cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LaunchError {
    /// A value that must not become shell text.
    #[error(transparent)]
    UnsafeValue(#[from] UnsafeValue),
    /// A byte that no argument and no variable can have.
    #[error("{what} contains a NUL byte")]
    Nul {
        /// What it is.
        what: &'static str,
    },
    /// Nothing to run.
    #[error("the {what} command is empty")]
    EmptyCommand {
        /// Setup or proof.
        what: &'static str,
    },
}

/// What a command of the attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    /// Makes the workspace usable.
    Setup,
    /// Shows that the task is done.
    Proof,
}

impl CommandKind {
    fn as_str(self) -> &'static str {
        match self {
            CommandKind::Setup => "setup",
            CommandKind::Proof => "proof",
        }
    }
}

/// The agent's launch. `program` is what [`Profile::locate`] found; `ours` is our own environment.
///
/// # Errors
/// When a value cannot be put where the template wants it.
pub fn agent(
    profile: &Profile,
    program: &Path,
    facts: &AttemptFacts,
    ours: &Env,
) -> Result<Launch, LaunchError> {
    let values = Values {
        prompt_file: &facts.prompt_file,
        workspace: &facts.workspace,
        task: facts.attempt.task.as_str(),
        attempt: facts.attempt.number,
    };
    let mut args = profile.template.args(&values)?;
    let more = profile.sandbox_args(facts.sandboxed);
    args.extend(more.iter().map(OsString::from));
    if let Some(view) = facts.extra_env.get("MESH_VIEW") {
        args.extend(
            profile
                .view_args
                .iter()
                .map(|arg| put_in(arg, "{view}", view)),
        );
    }
    if let Some(session) = &facts.session {
        let resume = profile.resume_args.iter();
        args.extend(resume.map(|arg| put_in(arg, "{session}", OsStr::new(session.as_str()))));
    }
    let stdin = match profile.prompt {
        PromptInput::StdinFile => Some(facts.prompt_file.clone()),
        PromptInput::Argument(_) => None,
    };
    let mut env = kept(ours, &profile.env_keep);
    for (name, value) in &profile.env_set {
        env.insert(name, value);
    }
    if let (Some(folder), Some(path)) = (&profile.state_folder, &facts.state_folder) {
        env.insert(&folder.variable, path);
    }
    let mut launch = finished(program.to_path_buf(), args, stdin, env, facts)?;
    if let Some(sandbox) = &mut launch.sandbox {
        let own = profile.writable(ours).into_iter();
        sandbox.write.extend(own.chain(facts.state_folder.clone()));
    }
    Ok(launch)
}

/// A path that begins with `~` or `$NAME`; nothing when the variable is not set.
#[must_use]
pub fn expanded(path: &str, ours: &Env) -> Option<PathBuf> {
    let (start, rest) = path.split_once('/').unwrap_or((path, ""));
    let folder = match start.strip_prefix('$') {
        Some(name) => ours.get(name),
        None if start == "~" => ours.get("HOME"),
        None => return Some(path.into()),
    };
    let folder = folder.filter(|folder| !folder.is_empty())?;
    Some(Path::new(folder).join(rest))
}

/// `arg` with `value` where the first `name` stands.
fn put_in(arg: &str, name: &str, value: &OsStr) -> OsString {
    let Some((before, after)) = arg.split_once(name) else {
        return arg.into();
    };
    let mut text = OsString::from(before);
    text.push(value);
    text.push(after);
    text
}

/// The script for `bash_env`: a login shell (`bash -lc`) makes a `PATH` of its own, and reads this after it.
#[must_use]
pub fn bash_env_script(path_front: &Path) -> String {
    let front = path_front.display().to_string();
    let front = shlex::try_quote(&front).map_or_else(|_| String::new(), |quoted| quoted.into());
    format!(
        "# Written by mesh: agents find the wrappers first, in login shells too.\ncase \"$PATH\" in\n  {front}:*) ;;\n  *) PATH={front}:\"$PATH\"; export PATH ;;\nesac\n"
    )
}

/// The launch of a setup or proof command: `sh -c COMMAND` in the workspace, with what the agent had but for secrets and the
/// state folder, and nothing to read.
///
/// # Errors
/// When the command is empty or cannot be an argument.
pub fn command(
    kind: CommandKind,
    command: &str,
    profile: &Profile,
    facts: &AttemptFacts,
    ours: &Env,
) -> Result<Launch, LaunchError> {
    let what = kind.as_str();
    if command.trim().is_empty() {
        return Err(LaunchError::EmptyCommand { what });
    }
    let plain_names: Vec<String> = profile
        .env_keep
        .iter()
        .filter(|name| !looks_secret(name))
        .cloned()
        .collect();
    let mut env = kept(ours, &plain_names);
    for (name, value) in profile
        .env_set
        .iter()
        .filter(|(name, _)| !looks_secret(name))
    {
        env.insert(name, value);
    }
    let args = vec![OsString::from("-c"), OsString::from(command)];
    finished(PathBuf::from("sh"), args, None, env, facts)
}

impl Launch {
    /// What the shim is told, with its files in `folder`.
    #[must_use]
    pub fn shim_spec(&self, folder: &Path, limits: &Limits) -> ShimSpec {
        let mut spec = ShimSpec::new(folder, &self.program, &self.cwd);
        spec.args.clone_from(&self.args);
        spec.env = self.env.clone();
        spec.stdin.clone_from(&self.stdin);
        spec.log_limit_bytes = limits.log_bytes;
        spec.hard_limit_ms = Some(limits.hard.0);
        spec.grace_ms = limits.grace.0;
        spec.run.clone_from(&self.run);
        spec.attempt.clone_from(&self.attempt);
        spec.sandbox.clone_from(&self.sandbox);
        spec
    }

    /// The command as a shell would take it, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        mesh_proc::show::command(&self.program, &self.args)
    }
}

/// Whether `name` looks like the name of a secret: the last word says token, key, password and the like, or any word says secret.
#[must_use]
pub fn looks_secret(name: &str) -> bool {
    const LAST: [&str; 12] = [
        "TOKEN",
        "TOKENS",
        "KEY",
        "KEYS",
        "APIKEY",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "PASS",
        "PAT",
        "AUTH",
        "COOKIE",
    ];
    const ANYWHERE: [&str; 5] = ["SECRET", "CREDENTIAL", "PASSWORD", "TOKEN", "PRIVATE_KEY"];
    let upper = name.to_ascii_uppercase();
    let plain = upper.trim_end_matches('*').trim_end_matches('_');
    let last = plain.rsplit('_').next().unwrap_or(plain);
    LAST.contains(&last)
        || ANYWHERE.iter().any(|word| plain.contains(word))
        || matches!(plain, "SSH_AUTH_SOCK" | "SSH_AGENT_PID")
}

/// Those of `ours`, by name and sorted, that look like an agent's credentials or configuration and that attempts of `profile` do not
/// get. A person who has them set probably means them for the agent.
#[must_use]
pub fn withheld(profile: &Profile, ours: &Env) -> Vec<String> {
    /// What variables of agent programs and their providers begin with.
    const AGENTS: [&str; 20] = [
        "ANTHROPIC_",
        "AWS_",
        "AZURE_",
        "CEREBRAS_",
        "CLAUDE_",
        "CODEX_",
        "COHERE_",
        "COPILOT_",
        "CURSOR_",
        "DEEPSEEK_",
        "GEMINI_",
        "GOOGLE_",
        "GROQ_",
        "HF_",
        "MISTRAL_",
        "OLLAMA_",
        "OPENAI_",
        "OPENROUTER_",
        "VERTEX_",
        "XAI_",
    ];
    let passed = kept(ours, &profile.env_keep);
    ours.iter()
        .filter_map(|(name, _)| name.to_str())
        .filter(|name| is_variable_name(name) && !is_reserved(name))
        // A key of the person's own, not of an agent.
        .filter(|name| !name.starts_with("SSH_"))
        .filter(|name| looks_secret(name) || AGENTS.iter().any(|start| name.starts_with(start)))
        .filter(|name| passed.get(name).is_none() && !profile.env_set.contains_key(*name))
        .map(str::to_owned)
        .collect()
}

/// [`withheld`] as a sentence, with the way to pass them; `None` when there are none.
#[must_use]
pub fn withheld_note(profile: &Profile, ours: &Env) -> Option<String> {
    const SHOWN: usize = 8;
    let names = withheld(profile, ours);
    let (shown, more) = names.split_at(names.len().min(SHOWN));
    let first = shown.first()?;
    let list = match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    };
    let way = if profile.name == COMMAND_PROFILE {
        format!(
            "to pass one, write [agents.NAME] with command and env_keep = [\"{first}\"] in .mesh/config.toml, and --agent NAME"
        )
    } else if profile.protocol == Protocol::Strategy {
        format!(
            "to pass one, write env_keep = [\"{first}\"] for the agent of a role, in [agents.NAME]"
        )
    } else {
        format!(
            "to pass one, name it in env_keep of [agents.{}]",
            profile.name
        )
    };
    Some(format!(
        "withheld from agents, though it may be meant for them: {list}; {way}"
    ))
}

/// Whether a shell would take `name` as the name of a variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether mesh sets `name` itself.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Those of `ours` that the common list or `more` names.
#[must_use]
pub fn kept(ours: &Env, more: &[String]) -> Env {
    let common = COMMON_KEEP.iter().copied();
    let patterns: Vec<&str> = common.chain(more.iter().map(String::as_str)).collect();
    let mut env: Env = ours
        .iter()
        .filter(|(name, value)| {
            let Some(name) = name.to_str() else {
                return false;
            };
            let written_out = more.iter().any(|one| one == name);
            let matched = patterns.iter().any(|pattern| is_named(name, pattern));
            written_out || (matched && !looks_secret(name) && !holds_password(name, value))
        })
        .map(|(name, value)| (name.to_os_string(), value.to_os_string()))
        .collect();
    // A relative entry would let whatever lies in the workspace decide what a program's name means.
    let folders = ours
        .path_folders()
        .into_iter()
        .filter(|folder| folder.is_absolute());
    let path = std::env::join_paths(folders)
        .ok()
        .filter(|path| !path.is_empty());
    env.insert("PATH", path.unwrap_or_else(|| USUAL_PATH.into()));
    env
}

fn is_named(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// A proxy's address may carry the password to it.
fn holds_password(name: &str, value: &OsStr) -> bool {
    name.to_ascii_uppercase().ends_with("_PROXY") && value.as_encoded_bytes().contains(&b'@')
}

fn finished(
    program: PathBuf,
    args: Vec<OsString>,
    stdin: Option<PathBuf>,
    mut env: Env,
    facts: &AttemptFacts,
) -> Result<Launch, LaunchError> {
    let attempt = facts.attempt.to_string();
    for (name, value) in facts.extra_env.iter() {
        env.insert(name, value);
    }
    env.insert(MESH_RUN, &facts.run);
    env.insert(MESH_ATTEMPT, &attempt);
    env.insert(MESH_TASK, facts.attempt.task.as_str());
    env.insert(MESH_WORKSPACE, &facts.workspace);
    env.insert(MESH_PROMPT_FILE, &facts.prompt_file);
    env.insert(MESH_ROOT, &facts.root);
    if let Some(ports) = facts.ports {
        env.insert(MESH_SLOT, ports.slot.to_string());
        if let Some(base) = ports.base {
            env.insert(MESH_PORT_BASE, base.to_string());
        }
    }
    // Some programs read PWD instead of asking where they are.
    env.insert("PWD", &facts.workspace);
    if let Some(folder) = &facts.tmp_folder {
        env.insert("TMPDIR", folder);
    }
    if let Some(folder) = &facts.path_front {
        env = env.prepend_path(folder);
    }
    if let Some(script) = &facts.bash_env {
        env.insert("BASH_ENV", script);
    }
    let has_nul = |text: &OsStr| text.as_encoded_bytes().contains(&0);
    if has_nul(program.as_os_str()) || args.iter().any(|arg| has_nul(arg)) {
        return Err(LaunchError::Nul {
            what: "an argument",
        });
    }
    if env
        .iter()
        .any(|(name, value)| has_nul(name) || has_nul(value))
    {
        return Err(LaunchError::Nul { what: "a variable" });
    }
    Ok(Launch {
        program,
        args,
        cwd: facts.workspace.clone(),
        env,
        stdin,
        run: facts.run.clone(),
        attempt,
        sandbox: facts.sandboxed.then(|| sandbox(facts)),
    })
}

/// What all processes of the attempt may write.
fn sandbox(facts: &AttemptFacts) -> Sandbox {
    let mut write = vec![facts.workspace.clone()];
    write.extend(facts.tmp_folder.clone());
    write.extend(facts.write.iter().cloned());
    Sandbox { write }
}

#[cfg(test)]
#[path = "launch_test.rs"]
mod tests;
