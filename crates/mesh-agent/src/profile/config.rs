//! Profiles as the configuration writes them: `[agents.NAME] command = "…"`.

use super::{
    COMMAND_PROFILE, Limits, Placeholder, Profile, ProfileError, ProfileProblem, PromptInput,
    Protocol, StateFolder, Template, model_of, usual_limit_patterns,
};
use crate::launch::{is_reserved, is_variable_name};
use crate::protocol::check_limit_pattern;
use mesh_core::duration::{parse_bytes, parse_span};
use mesh_core::time::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One `[agents.NAME]` table, with what it extends put in. Only `command` is required.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// Program and arguments with `{prompt_file} {workspace} {task} {attempt}`.
    pub command: String,
    /// Arguments behind those of `command`, each a word, with the same placeholders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Arguments behind those of `command` where a `model` is given, which `{model}` stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_args: Vec<String>,
    /// Arguments behind all others where the attempt has a view of the tracker, whose folder `{view}` stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub view_args: Vec<String>,
    /// Arguments behind all others that take up an earlier session, which `{session}` stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resume_args: Vec<String>,
    /// How its output is read.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub protocol: ProtocolConfig,
    /// Whether each attempt gets a folder for temporary files of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_tmpdir: bool,
    /// Versions of the program that were tried; others are warned of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried_versions: Vec<String>,
    /// Variables of which one is enough for it to be logged in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub login_variables: Vec<String>,
    /// Files of which one is enough for it to be logged in; `~` and `$NAME` at the start are what a shell makes of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub login_files: Vec<String>,
    /// How the prompt goes in.
    #[serde(default)]
    pub prompt: PromptConfig,
    /// From the start to the first sign of life, such as `"2m"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_limit: Option<String>,
    /// Between two signs of life; 15 minutes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_limit: Option<String>,
    /// After this an attempt is noted as long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit: Option<String>,
    /// After this it is killed; two hours when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<String>,
    /// Most output, such as `"64MiB"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_limit: Option<String>,
    /// Between the request to end and the kill; ten seconds when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    /// Names of variables it keeps; `FOO_*` keeps all that start so and do not look like secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_keep: Vec<String>,
    /// Variables with fixed values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_set: BTreeMap<String, String>,
    /// The variable by which the program is told its state folder, such as `CODEX_HOME`; each attempt gets a folder of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_variable: Option<String>,
    /// Whether it runs in the sandbox, where this is not as for other agents. (In runs from before there was one: `off`.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxMode>,
    /// Arguments behind those of `command` when it runs in the sandbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sandboxed_args: Vec<String>,
    /// Arguments behind those of `command` when it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsandboxed_args: Vec<String>,
    /// Files and folders beside its own that the agent writes to in the sandbox; `~` and `$NAME` at the start are what a shell
    /// makes of them. A folder with a slash at its end is made when it is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// The account of a provider that it uses; its own name when absent. Profiles that share one share its limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How the last lines of a plain program show that a limit of the provider ended it: regular expressions without regard to
    /// case; those of [`LIMIT_PATTERNS`](crate::protocol::LIMIT_PATTERNS) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_patterns: Option<Vec<String>>,
    /// What audit entries name as the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether its prompt may ask for a pull request; also needs a token in `env_keep` or `env_set`.
    #[serde(default)]
    pub pr: bool,
}

/// `prompt = "stdin"` or `"argument"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptConfig {
    /// Standard input is the prompt.
    #[default]
    Stdin,
    /// `{prompt_file}` in the command names it, and standard input is empty.
    Argument,
}

/// `protocol = "plain"`, `"codex"` or `"claude"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProtocolConfig {
    /// Text for people.
    #[default]
    Plain,
    /// The events of `codex exec --json`.
    Codex,
    /// The events of `claude --output-format stream-json`.
    Claude,
    /// The events of mesh's own driver of a strategy; no configuration names it.
    Strategy,
}

fn is_plain(protocol: &ProtocolConfig) -> bool {
    *protocol == ProtocolConfig::Plain
}

/// Whether agents, their setup and their proofs run in a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Where the kernel can.
    On,
    /// Nothing runs without it.
    Require,
    /// None, as in runs from before there was one.
    #[default]
    Off,
}

impl SandboxMode {
    /// The words for them.
    pub const WORDS: [&'static str; 3] = ["on", "require", "off"];

    /// What `word` means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<SandboxMode> {
        match word {
            "on" => Some(SandboxMode::On),
            "require" => Some(SandboxMode::Require),
            "off" => Some(SandboxMode::Off),
            _ => None,
        }
    }
}

impl Profile {
    /// Checks the table `[agents.name]` and makes a profile of it.
    ///
    /// # Errors
    /// All its problems at once.
    pub fn from_config(name: &str, config: &ProfileConfig) -> Result<Profile, ProfileError> {
        let mut problems = Vec::new();
        if name == COMMAND_PROFILE {
            problems.push(ProfileProblem::ReservedName);
        }
        let template = match Template::parse(&command_line(config, &mut problems)) {
            Ok(template) => Some(template),
            Err(found) => {
                problems.extend(found.into_iter().map(ProfileProblem::from));
                None
            }
        };
        let prompt = match config.prompt {
            PromptConfig::Stdin => PromptInput::StdinFile,
            PromptConfig::Argument => PromptInput::Argument(Placeholder::PromptFile),
        };
        if let (PromptInput::Argument(placeholder), Some(template)) = (prompt, &template)
            && !template.names(placeholder)
        {
            problems.push(ProfileProblem::PromptNotNamed(placeholder));
        }
        let limits = limits(config, &mut problems);
        check_variables(config, &mut problems);
        for pattern in config.limit_patterns.iter().flatten() {
            if let Err(problem) = check_limit_pattern(pattern) {
                let pattern = pattern.clone();
                problems.push(ProfileProblem::LimitPattern { pattern, problem });
            }
        }
        match template {
            Some(template) if problems.is_empty() => Ok(Profile {
                name: name.to_owned(),
                model: match (&config.model, config.protocol) {
                    (Some(model), _) => model.clone(),
                    (None, ProtocolConfig::Plain) => model_of(&template),
                    (None, _) => name.to_owned(),
                },
                template,
                prompt,
                protocol: match config.protocol {
                    ProtocolConfig::Plain => Protocol::Plain,
                    ProtocolConfig::Codex => Protocol::Codex,
                    ProtocolConfig::Claude => Protocol::Claude,
                    ProtocolConfig::Strategy => Protocol::Strategy,
                },
                limits,
                env_keep: config.env_keep.clone(),
                env_set: config.env_set.clone(),
                state_folder: config
                    .state_variable
                    .clone()
                    .map(|variable| StateFolder { variable }),
                view_args: config.view_args.clone(),
                resume_args: config.resume_args.clone(),
                own_tmpdir: config.own_tmpdir,
                sandbox: config.sandbox,
                sandboxed_args: config.sandboxed_args.clone(),
                unsandboxed_args: config.unsandboxed_args.clone(),
                write: config.write.clone(),
                pr: config.pr,
                account: config.account.clone().unwrap_or_else(|| name.to_owned()),
                limit_patterns: config
                    .limit_patterns
                    .clone()
                    .unwrap_or_else(usual_limit_patterns),
            }),
            _ => Err(ProfileError {
                name: name.to_owned(),
                problems,
            }),
        }
    }
}

/// `command` with the arguments that follow it, as one command line.
fn command_line(config: &ProfileConfig, problems: &mut Vec<ProfileProblem>) -> String {
    let mut line = config.command.clone();
    let model = config.model.as_deref();
    if let Some(model) = model.filter(|model| model.contains(['{', '}', '\0'])) {
        let problem = format!("{model:?} is no name of a model");
        let key = "model";
        problems.push(ProfileProblem::Arguments { key, problem });
        return line;
    }
    let model_args = model.map(|model| {
        let words = config.model_args.iter();
        words.map(|word| word.replace("{model}", model)).collect()
    });
    for (key, words) in [
        ("model_args", model_args.unwrap_or_default()),
        ("args", config.args.clone()),
    ] {
        match shlex::try_join(words.iter().map(String::as_str)) {
            Ok(words) if words.is_empty() => {}
            Ok(words) => line = format!("{line} {words}"),
            Err(error) => problems.push(ProfileProblem::Arguments {
                key,
                problem: error.to_string(),
            }),
        }
    }
    line
}

fn limits(config: &ProfileConfig, problems: &mut Vec<ProfileProblem>) -> Limits {
    let usual = Limits::default();
    let mut span = |key, value: &Option<String>| -> Option<Span> {
        let text = value.as_ref()?;
        let read = parse_span(text).and_then(|span| {
            // A grace of nothing is a plain kill; any other limit of nothing would end every attempt at once.
            let too_short = span == Span(0) && key != "grace";
            if too_short {
                Err("it must be longer than nothing".to_owned())
            } else {
                Ok(span)
            }
        });
        read.map_err(|problem| problems.push(limit_problem(key, text, problem)))
            .ok()
    };
    let mut limits = Limits {
        start: span("start_limit", &config.start_limit),
        silence: span("silence_limit", &config.silence_limit).unwrap_or(usual.silence),
        soft: span("soft_limit", &config.soft_limit),
        hard: span("hard_limit", &config.hard_limit).unwrap_or(usual.hard),
        grace: span("grace", &config.grace).unwrap_or(usual.grace),
        log_bytes: usual.log_bytes,
    };
    if let Some(text) = &config.log_limit {
        match parse_bytes(text) {
            Ok(0) => problems.push(limit_problem(
                "log_limit",
                text,
                "it must not be 0".to_owned(),
            )),
            Ok(bytes) => limits.log_bytes = bytes,
            Err(problem) => problems.push(limit_problem("log_limit", text, problem)),
        }
    }
    limits
}

fn limit_problem(key: &'static str, value: &str, problem: String) -> ProfileProblem {
    ProfileProblem::Limit {
        key,
        value: value.to_owned(),
        problem,
    }
}

fn check_variables(config: &ProfileConfig, problems: &mut Vec<ProfileProblem>) {
    let kept = config.env_keep.iter().map(|name| {
        let plain = name.strip_suffix('*').filter(|start| !start.is_empty());
        ("env_keep", plain.unwrap_or(name), name)
    });
    let set = config
        .env_set
        .keys()
        .map(|name| ("env_set", name.as_str(), name));
    let state = config
        .state_variable
        .iter()
        .map(|name| ("state_variable", name.as_str(), name));
    for (key, plain, name) in kept.chain(set).chain(state) {
        if !is_variable_name(plain) {
            let name = name.clone();
            problems.push(ProfileProblem::VariableName { key, name });
        } else if is_reserved(plain) {
            let name = name.clone();
            problems.push(ProfileProblem::ReservedVariable { key, name });
        }
    }
    for (name, value) in &config.env_set {
        if value.contains('\0') {
            let name = name.clone();
            problems.push(ProfileProblem::VariableValue { name });
        }
    }
}
