//! What git is told in every process of an attempt, whichever program works the repository: that nobody is there.
//!
//! Without this an agent's `git commit` waits for, or fails without, the passphrase of a key, an editor, or a password. Settings go
//! in by the environment, which has the rank of `-c` and beats every file of the user.

use crate::call::{Program, Span, args};
use crate::error::VcsError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Name and address of commits when the user has none configured.
pub(crate) const NAME: &str = "mesh";
/// See [`NAME`].
pub(crate) const EMAIL: &str = "mesh@localhost";

/// Settings that beat the user's: a key may need a person to unlock it.
const FIXED: &[(&str, &str)] = &[
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("tag.forceSignAnnotated", "false"),
    ("push.gpgSign", "false"),
];

/// Variables for git. `ceiling` is the folder above which no repository is looked for.
pub(crate) fn of_git(ceiling: &Path) -> Vec<(&'static str, OsString)> {
    /// `GIT_CONFIG_KEY_0`, … for [`FIXED`].
    const NAMES: [(&str, &str); 4] = [
        ("GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"),
        ("GIT_CONFIG_KEY_1", "GIT_CONFIG_VALUE_1"),
        ("GIT_CONFIG_KEY_2", "GIT_CONFIG_VALUE_2"),
        ("GIT_CONFIG_KEY_3", "GIT_CONFIG_VALUE_3"),
    ];
    const { assert!(FIXED.len() == NAMES.len()) };
    let mut variables: Vec<(&'static str, OsString)> = vec![
        ("GIT_CEILING_DIRECTORIES", ceiling.into()),
        ("GIT_EDITOR", "false".into()),
        ("GIT_SEQUENCE_EDITOR", "false".into()),
        ("GIT_TERMINAL_PROMPT", "0".into()),
        // Programs that would open a window on the person's screen.
        ("GIT_ASKPASS", "false".into()),
        ("SSH_ASKPASS", "false".into()),
        ("SSH_ASKPASS_REQUIRE", "never".into()),
        ("GCM_INTERACTIVE", "never".into()),
        ("GIT_CONFIG_COUNT", FIXED.len().to_string().into()),
    ];
    for ((key, value), (key_name, value_name)) in FIXED.iter().zip(NAMES) {
        variables.push((key_name, (*key).into()));
        variables.push((value_name, (*value).into()));
    }
    variables
}

/// Variables for git when the user has no identity: a file in the place of the system's, which it includes. It has the lowest rank,
/// so that an identity that the user, the agent or a test configures anywhere wins.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn identity_of_git(
    program: &Program,
    at: &Path,
    folder: &Path,
) -> Result<Vec<(&'static str, OsString)>, VcsError> {
    fs_err::create_dir_all(folder)?;
    let file = folder.join("gitconfig");
    let mut text =
        format!("# Written by mesh for one attempt.\n[user]\n\tname = {NAME}\n\temail = {EMAIL}\n");
    if let Some(system) = system_file(program, at)? {
        text.push_str(&format!(
            "[include]\n\tpath = {}\n",
            quoted(&system.to_string_lossy())
        ));
    }
    fs_err::write(&file, text)?;
    Ok(vec![
        ("GIT_CONFIG_SYSTEM", file.into()),
        // What the user's own setting would leave out was left out above.
        ("GIT_CONFIG_NOSYSTEM", "0".into()),
    ])
}

/// The system's configuration file, if there is anything in it. Its place is compiled into git.
pub(crate) fn system_file(program: &Program, at: &Path) -> Result<Option<PathBuf>, VcsError> {
    let command = args!["config", "--system", "--list", "--show-origin", "-z"];
    let answer = program.ask(at, &command, Span::Short, &[])?;
    let said = answer.stdout_text();
    let file = said
        .split('\0')
        .next()
        .and_then(|origin| origin.strip_prefix("file:"));
    Ok(file
        .filter(|_| answer.output.status.is_success())
        .map(PathBuf::from))
}

/// A value of git's configuration files.
pub(crate) fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}
