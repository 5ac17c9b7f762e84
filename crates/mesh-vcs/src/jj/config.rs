//! jj's configuration: whose identity commits get, and what an agent's commands must not be able to do.
//!
//! An agent that runs `jj squash` in its workspace rewrites the commit below it; measured, a sibling on the same commit went stale
//! and lost its unsaved file. With base and needs in `immutable_heads()` the squash is refused. Settings go through `JJ_CONFIG`,
//! because configuration of a repository lies under the user's home since 0.38 and an agent may have another home.

use super::{Jj, argv};
use crate::call::{Program, Span};
use crate::error::VcsError;
use crate::model::{CommitId, Workspace};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const IMMUTABLE: &str = "revset-aliases.\"immutable_heads()\"";
/// Name and address of commits when the user has none configured: jj would leave them empty, and refuse to push them.
const NAME: &str = "mesh";
const EMAIL: &str = "mesh@localhost";

/// What the user has configured, as far as it matters to agents. Read once.
#[derive(Debug)]
pub(super) struct UserConfig {
    /// The value of `JJ_CONFIG` that gives an agent the user's own configuration.
    files: OsString,
    /// The user's definition of `immutable_heads()`.
    immutable: String,
    /// Whether a repository's or workspace's file defines it, which wins over everything in `JJ_CONFIG`.
    overridden: bool,
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
    let sources = ask(argv::config_sources(IMMUTABLE))?.stdout_text();
    Ok(UserConfig {
        files,
        immutable: if defined.is_empty() {
            "builtin_immutable_heads()".to_owned()
        } else {
            defined
        },
        overridden: sources
            .lines()
            .any(|source| matches!(source.trim(), "repo" | "workspace")),
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

/// The config file of an attempt.
fn attempt_config(immutable: &str, identity_missing: bool) -> String {
    let mut text = String::from(
        "# Written by mesh for one attempt; it follows the user's own files in JJ_CONFIG.\n",
    );
    if identity_missing {
        text.push_str(&format!(
            "user.name = {}\nuser.email = {}\n",
            argv::quoted(NAME),
            argv::quoted(EMAIL)
        ));
    }
    text.push_str(concat!(
        "ui.editor = \"false\"\n",
        "ui.paginate = \"never\"\n",
        "git.colocate = false\n",
        "snapshot.auto-update-stale = true\n",
        "snapshot.auto-track = \"all()\"\n",
        "snapshot.max-new-file-size = 0\n",
    ));
    text.push_str(&format!("{IMMUTABLE} = {}\n", argv::quoted(immutable)));
    text
}

/// See [`crate::Repository::agent_environment`].
pub(super) fn agent_environment(
    jj: &Jj,
    workspace: &Workspace,
    immutable: &[CommitId],
    folder: &Path,
) -> Result<Vec<(String, String)>, VcsError> {
    let users = match jj.user_config.get() {
        Some(users) => users,
        None => {
            let users = read(jj)?;
            jj.user_config.get_or_init(|| users)
        }
    };
    // Bookmarked commits too: without a remote, nothing else keeps an agent from rewriting the trunk below everybody.
    let mut protected = immutable.to_vec();
    protected.extend(jj.commits("heads(bookmarks() ~ working_copies())")?);
    let revset = immutable_revset(&users.immutable, &crate::model::unique(&protected));
    fs_err::create_dir_all(folder)?;
    let file = folder.join("jj.toml");
    fs_err::write(&file, attempt_config(&revset, !jj.identity.is_empty()))?;
    if users.overridden {
        jj.on_files(
            &workspace.path,
            argv::config_set_for_workspace(IMMUTABLE, &revset),
        )?;
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
    let list = list
        .into_string()
        .map_err(|_| unusable("its path is not UTF-8".to_owned()))?;
    Ok(vec![
        ("JJ_CONFIG".to_owned(), list),
        ("JJ_EDITOR".to_owned(), "false".to_owned()),
        // What they find as `jj` asks for the real one here.
        (
            "MESH_JJ".to_owned(),
            jj.program.path.to_string_lossy().into_owned(),
        ),
        (
            "GIT_CEILING_DIRECTORIES".to_owned(),
            jj.workspaces_root.to_string_lossy().into_owned(),
        ),
        ("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned()),
    ])
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
        let text = attempt_config(&revset, true);
        assert!(
            text.contains("user.name = \"mesh\"")
                && !attempt_config(&revset, false).contains("user.name")
        );
        assert!(text.contains("revset-aliases.\"immutable_heads()\" = \"(builtin_immutable_heads() | \\\"x\\\") | present("));
    }
}
