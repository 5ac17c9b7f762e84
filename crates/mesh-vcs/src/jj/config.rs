//! jj's configuration: whose identity commits get, and what an agent's commands must not be able to do.
//!
//! An agent that runs `jj squash` in its workspace rewrites the commit below it; measured, a sibling on the same commit went stale
//! and lost its unsaved file. With base and needs in `immutable_heads()` the squash is refused. Settings go through `JJ_CONFIG`,
//! because configuration of a repository lies under the user's home since 0.38 and an agent may have another home.

use super::{Jj, argv};
use crate::agent_env::{self, EMAIL, NAME};
use crate::call::{Program, Span};
use crate::error::VcsError;
use crate::model::{CommitId, Workspace};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const IMMUTABLE: &str = "revset-aliases.\"immutable_heads()\"";

/// What every attempt gets, whatever the user has configured, as TOML, and why.
const FIXED: &[(&str, &str, &str)] = &[
    (
        "ui.editor",
        "\"false\"",
        "an editor that slips in fails instead of waiting for somebody",
    ),
    ("ui.paginate", "\"never\"", "nobody turns the page"),
    (
        "git.colocate",
        "false",
        "newer versions would make new workspaces colocated",
    ),
    (
        "snapshot.auto-update-stale",
        "false",
        "an update replaces files that are in no commit yet; mesh saves them first",
    ),
    (
        "snapshot.auto-track",
        "\"all()\"",
        "what the agent made is its work",
    ),
    (
        "snapshot.max-new-file-size",
        "0",
        "larger files would be left out without a word",
    ),
    (
        "signing.behavior",
        "\"drop\"",
        "nobody is there to unlock a key",
    ),
    ("git.sign-on-push", "false", "as signing.behavior"),
];

/// What the user has configured, as far as it matters to agents. Read once.
#[derive(Debug)]
pub(super) struct UserConfig {
    /// The value of `JJ_CONFIG` that gives an agent the user's own configuration.
    files: OsString,
    /// The user's definition of `immutable_heads()`.
    immutable: String,
    /// Names of settings in a repository's or workspace's file, which wins over everything in `JJ_CONFIG`.
    of_repository: BTreeSet<String>,
}

/// `--config` options for what the user has not configured of an identity.
pub(super) fn missing_identity(
    program: &Program,
    folder: &Path,
) -> Result<Vec<OsString>, VcsError> {
    let mut options = Vec::new();
    for (key, value) in [("user.name", NAME), ("user.email", EMAIL)] {
        let mut args = argv::at(folder, argv::Files::Ignored);
        args.extend(argv::config_get(key));
        let answer = program.ask(folder, &args, Span::Short, &[])?;
        // Exit code 1: no such key. Anything worse shows itself in the first real command.
        if String::from_utf8_lossy(answer.stdout()).trim().is_empty() {
            options.extend([
                OsString::from("--config"),
                format!("{key}={}", argv::quoted(value)).into(),
            ]);
        }
    }
    Ok(options)
}

fn read(jj: &Jj) -> Result<UserConfig, VcsError> {
    let at = jj.reader();
    let ask = |command: Vec<OsString>| {
        jj.program
            .ask(&at, &jj.store_args(&at, command), Span::Short, &[])
    };
    let files = match jj.program.env.get("JJ_CONFIG") {
        Some(files) => files.to_os_string(),
        None => {
            let answer = ask(argv::config_user_paths())?;
            let existing: Vec<PathBuf> = answer
                .stdout_text()
                .lines()
                .map(PathBuf::from)
                .filter(|path| path.exists())
                .collect();
            std::env::join_paths(existing).map_err(|error| answer.unreadable(error.to_string()))?
        }
    };
    let defined = ask(argv::config_get(IMMUTABLE))?
        .stdout_text()
        .trim()
        .to_owned();
    let sources = ask(argv::config_sources())?.stdout_text();
    Ok(UserConfig {
        files,
        immutable: if defined.is_empty() {
            "builtin_immutable_heads()".to_owned()
        } else {
            defined
        },
        of_repository: sources
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(source, _)| matches!(*source, "repo" | "workspace"))
            .map(|(_, name)| name.to_owned())
            .collect(),
    })
}

/// The `immutable_heads()` of an attempt. `present`: a commit that is collected later must not break every command of the agent.
fn immutable_revset(users: &str, commits: &[CommitId]) -> String {
    let mut revset = format!("({users})");
    for commit in commits {
        revset.push_str(&format!(" | present({commit})"));
    }
    revset
}

/// The settings of an attempt: names and values, as TOML.
fn settings(immutable: &str) -> Vec<(&'static str, String)> {
    let fixed = FIXED
        .iter()
        .map(|(name, value, _)| (*name, (*value).to_owned()));
    fixed
        .chain([(IMMUTABLE, argv::quoted(immutable))])
        .collect()
}

/// The config file of an attempt. `identity` are the options that stand for what the user has not configured of one.
fn attempt_config(settings: &[(&'static str, String)], identity: &[OsString]) -> String {
    let mut text = String::from(
        "# Written by mesh for one attempt; it follows the user's own files in JJ_CONFIG.\n",
    );
    // Each value of `--config` is a line of TOML.
    for option in identity.iter().skip(1).step_by(2) {
        text.push_str(&format!("{}\n", option.to_string_lossy()));
    }
    for (name, value) in settings {
        text.push_str(&format!("{name} = {value}\n"));
    }
    text
}

/// See [`crate::Repository::agent_environment`].
pub(super) fn agent_environment(
    jj: &Jj,
    workspace: &Workspace,
    immutable: &[CommitId],
    folder: &Path,
) -> Result<Vec<(&'static str, OsString)>, VcsError> {
    let users = match jj.user_config.get() {
        Some(users) => users,
        None => {
            let users = read(jj)?;
            jj.user_config.get_or_init(|| users)
        }
    };
    let file = folder.join("jj.toml");
    let known = jj.known().configs.get(&file).cloned();
    match known {
        // For the proof: whatever the agent did to the file.
        Some((same, text)) if same == immutable && users.of_repository.is_empty() => {
            fs_err::write(&file, text)?;
        }
        _ => write_config(jj, users, workspace, immutable, &file)?,
    }
    let mut files: Vec<PathBuf> = std::env::split_paths(&users.files)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    files.push(file.clone());
    let unusable = |reason: String| VcsError::Unreadable {
        command: file.display().to_string(),
        reason,
    };
    let list = std::env::join_paths(files).map_err(|error| unusable(error.to_string()))?;
    let mut variables = agent_env::of_git(&jj.workspaces_root);
    variables.extend([
        ("JJ_CONFIG", list),
        ("JJ_EDITOR", "false".into()),
        // What they find as `jj` asks for the real one here.
        ("MESH_JJ", jj.program.path.clone().into()),
    ]);
    Ok(variables)
}

/// Writes the attempt's configuration, for its agent and whatever runs for it afterwards.
fn write_config(
    jj: &Jj,
    users: &UserConfig,
    workspace: &Workspace,
    immutable: &[CommitId],
    file: &Path,
) -> Result<(), VcsError> {
    // Bookmarked commits too: without a remote, nothing else keeps an agent from rewriting the trunk below everybody.
    let mut protected = immutable.to_vec();
    protected.extend(jj.bookmarked()?);
    let revset = immutable_revset(&users.immutable, &crate::model::unique(&protected));
    if let Some(folder) = file.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let settings = settings(&revset);
    let text = attempt_config(&settings, &jj.identity);
    fs_err::write(file, &text)?;
    let config = (immutable.to_vec(), text);
    jj.known().configs.insert(file.to_path_buf(), config);
    for (name, value) in &settings {
        if users.of_repository.contains(*name) {
            jj.program.run(
                &workspace.path,
                &jj.store_args(&workspace.path, argv::config_set_for_workspace(name, value)),
                Span::Short,
                &[],
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_rule_stays_and_ours_is_added() {
        let commit = CommitId::new("a".repeat(40)).unwrap();
        let revset = immutable_revset(
            "builtin_immutable_heads() | \"x\"",
            std::slice::from_ref(&commit),
        );
        assert_eq!(
            revset,
            format!("(builtin_immutable_heads() | \"x\") | present({commit})")
        );
        let settings = settings(&revset);
        let email: [OsString; 2] = ["--config".into(), "user.email=\"mesh@localhost\"".into()];
        let text = attempt_config(&settings, &email);
        assert!(text.contains("\nuser.email=\"mesh@localhost\"\n") && !text.contains("user.name"));
        assert!(!attempt_config(&settings, &[]).contains("user."));
        for (name, value, _) in FIXED {
            assert!(text.contains(&format!("\n{name} = {value}\n")), "{name}");
        }
        assert!(text.contains("revset-aliases.\"immutable_heads()\" = \"(builtin_immutable_heads() | \\\"x\\\") | present("));
    }
}
