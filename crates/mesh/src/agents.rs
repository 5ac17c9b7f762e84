//! What is known of an agent program on this machine before it is run: whether it is there, which version, and whether it is logged
//! in. The values of credentials are never read, shown or passed on from here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_agent::launch;
use mesh_agent::profile::{Profile, ProfileConfig};
use mesh_proc::env::Env;
use mesh_proc::run::{Command, Limits, run};

/// How long a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    /// Its program, or why it was not found.
    pub program: Result<PathBuf, String>,
    /// Its version, or why nobody knows it.
    pub version: Option<Result<String, String>>,
    /// By which variable or file it is logged in; nothing when none of those that are known is there.
    pub login: Option<String>,
}

/// Looks for the agent of `profile`, whose table is `config`.
pub(crate) fn look(
    profile: &Profile,
    config: &ProfileConfig,
    program: Result<PathBuf, String>,
    ours: &Env,
) -> Installed {
    let version = match &program {
        Ok(program) if !config.tried_versions.is_empty() => Some(version(program, profile, ours)),
        _ => None,
    };
    Installed {
        program,
        version,
        login: login(config, ours),
    }
}

/// What `--version` says, without the program's name.
fn version(program: &Path, profile: &Profile, ours: &Env) -> Result<String, String> {
    let command = Command::new(program)
        .args(["--version"])
        .env(launch::kept(ours, &profile.env_keep))
        .limits(Limits {
            timeout: VERSION_LIMIT,
            stdout_bytes: 64 * 1024,
            ..Limits::default()
        });
    let output = run(&command).map_err(|error| error.to_string())?;
    if !output.status.is_success() {
        return Err(format!("`{}`: {}", command.shown(), output.status));
    }
    let said = output.stdout_text();
    let starts_with_digit = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let number = said.split_whitespace().find(starts_with_digit);
    let number = number.ok_or_else(|| format!("`{}` names no version", command.shown()));
    number.map(str::to_owned)
}

/// The first of the variables and files that is there.
fn login(config: &ProfileConfig, ours: &Env) -> Option<String> {
    let is_set = |name: &&String| ours.get(name).is_some_and(|value| !value.is_empty());
    if let Some(name) = config.login_variables.iter().find(is_set) {
        return Some(name.clone());
    }
    let files = config.login_files.iter();
    let mut files = files.filter_map(|file| launch::expanded(file, ours));
    files
        .find(|file| file.is_file())
        .map(|file| file.display().to_string())
}

impl Installed {
    /// What a person should know before it is run, a sentence each.
    pub fn warnings(&self, name: &str, config: &ProfileConfig) -> Vec<String> {
        let mut warnings = Vec::new();
        match &self.version {
            Some(Ok(version)) if !config.tried_versions.contains(version) => {
                let tried = config.tried_versions.join(", ");
                warnings.push(format!(
                    "{name} {version} was not tried with mesh; tried were {tried}"
                ));
            }
            Some(Err(problem)) => warnings.push(format!("the version of {name}: {problem}")),
            _ => {}
        }
        let ways = config.login_variables.iter().chain(&config.login_files);
        let ways: Vec<&str> = ways.map(String::as_str).collect();
        if self.login.is_none() && !ways.is_empty() {
            let ways = ways.join(", ");
            warnings.push(format!(
                "{name} is probably not logged in: there is none of {ways}"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ProfileConfig {
        ProfileConfig {
            tried_versions: vec!["1.2.3".to_owned()],
            login_variables: vec!["A_KEY".to_owned()],
            login_files: vec!["$A_HOME/auth".to_owned(), "~/.a/auth".to_owned()],
            ..ProfileConfig::default()
        }
    }

    #[test]
    fn a_login_is_a_variable_or_a_file() {
        let home = tempfile::tempdir().unwrap();
        let env = Env::empty().set("HOME", home.path());
        assert_eq!(login(&config(), &env), None);
        assert_eq!(login(&config(), &env.clone().set("A_KEY", "")), None);
        let key = env.clone().set("A_KEY", "secret");
        assert_eq!(login(&config(), &key).as_deref(), Some("A_KEY"));
        fs_err::create_dir(home.path().join(".a")).unwrap();
        let file = home.path().join(".a/auth");
        fs_err::write(&file, "").unwrap();
        assert_eq!(login(&config(), &env), Some(file.display().to_string()));
    }

    #[test]
    fn what_was_not_tried_or_is_not_logged_in_is_said() {
        let installed = |version: &str, login: Option<&str>| Installed {
            program: Ok(PathBuf::from("/bin/a")),
            version: Some(Ok(version.to_owned())),
            login: login.map(str::to_owned),
        };
        assert!(
            installed("1.2.3", Some("A_KEY"))
                .warnings("a", &config())
                .is_empty()
        );
        let warnings = installed("2.0.0", None).warnings("a", &config());
        assert_eq!(
            warnings,
            [
                "a 2.0.0 was not tried with mesh; tried were 1.2.3",
                "a is probably not logged in: there is none of A_KEY, $A_HOME/auth, ~/.a/auth",
            ]
        );
    }
}
