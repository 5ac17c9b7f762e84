//! Names of workspaces and of their folders, made of ids that may be any text.
//!
//! What comes out of [`safe_name`] can be one component of a path, a jj workspace name that needs no quotes in a revset, and one
//! component of a git ref. The rule is the core's, because the run folder follows it too.

use mesh_core::id::TaskId;
use mesh_core::text::one_line;

pub use mesh_core::filename::{MAX_NAME_BYTES, safe_file_name as safe_name};

/// What the names of all workspaces of mesh begin with.
pub const OURS: &str = "mesh-";

/// The name of an attempt's workspace, unique over runs, tasks and attempts.
///
/// The parts are joined by `+`, which no safe name has: without that, run `r` task `a-1` would meet run `r-a` task `1`.
#[must_use]
pub fn workspace_name(run: &str, task: &str, attempt: u32) -> String {
    format!("{OURS}{}+{}+{attempt}", safe_name(run), safe_name(task))
}

/// The name of the folder of an attempt's workspace inside the workspaces root: the task's name, for the first attempt alone.
///
/// A suffix begins with `+`, which no safe name has, so an attempt's folder is never another task's.
#[must_use]
pub fn workspace_folder(task: &str, attempt: u32) -> String {
    let name = safe_name(task);
    if attempt <= 1 {
        name
    } else {
        format!("{name}+{attempt}")
    }
}

/// The first line of a task's commit. A title is any text; a line end in it would begin a message of its own.
#[must_use]
pub fn subject(task: &TaskId, title: &str) -> String {
    one_line(&format!("{task}: {title}"))
}

/// The ref that holds the result of an attempt.
#[must_use]
pub fn kept_ref(run: &str, task: &str, attempt: u32) -> String {
    format!("refs/mesh/{}/{}/{attempt}", safe_name(run), safe_name(task))
}

/// The name of the hub's workspace of a run.
#[must_use]
pub fn hub_name(run: &str) -> String {
    format!("{OURS}hub-{}", safe_name(run))
}

/// The name of the hub's folder inside the workspaces root. The leading dot keeps it apart from every task's.
#[must_use]
pub fn hub_folder(run: &str) -> String {
    format!(".hub-{}", safe_name(run))
}

/// Checks that `name` is one that [`workspace_name`] or [`hub_name`] could have made, so that it can stand anywhere in a command.
pub(crate) fn check_workspace_name(name: &str) -> Result<(), crate::error::VcsError> {
    let allowed = |b: u8| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'+')
    };
    if name.starts_with(OURS)
        && name.bytes().all(allowed)
        && !name.contains("..")
        && !name.ends_with('.')
    {
        Ok(())
    } else {
        Err(crate::error::VcsError::BadName {
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn a_title_cannot_add_lines_to_a_commit_message() {
        let task = TaskId::new("t-1").unwrap();
        assert_eq!(
            subject(&task, "Do it\r\n\nCo-authored-by: x\u{202e}\u{1b}[1m"),
            "t-1: Do it Co-authored-by: x\\u{202e}\\u{1b}[1m"
        );
    }

    /// The rules of `git check-ref-format` for one component, and those of file names.
    fn assert_harmless(name: &str) {
        assert!(
            !name.is_empty() && name.len() <= MAX_NAME_BYTES,
            "length of {name:?}"
        );
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b)),
            "{name:?}"
        );
        assert!(!name.starts_with(['.', '-']), "{name:?}");
        assert!(
            !name.ends_with('.') && !name.ends_with(".lock") && !name.contains(".."),
            "{name:?}"
        );
        let mut parts = Path::new(name).components();
        assert!(
            matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none(),
            "{name:?}"
        );
    }

    #[test]
    fn a_tracker_id_keeps_its_name() {
        for id in ["bd-a1b2", "bd-a1b2.3", "1", "st_7", "x", "deadbeef"] {
            assert_eq!(safe_name(id), id);
        }
    }

    #[test]
    fn hostile_ids_become_harmless_and_stay_apart() {
        let long = "a".repeat(300);
        let longer = "a".repeat(301);
        let hostile = [
            "../../x", "..", ".", "-rf", "--name", ".hidden", "a b", "a'b", "a\"b", "a/b", "a\\b",
            "a.lock", "x.LOCK", "a..b", "a.", "A", "a@{1}", "ä", "日本", "a\nb", "~", "^", ":",
            "?", "*", "[", "", " ", "nul\0", &long, &longer,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for id in hostile {
            let name = safe_name(id);
            assert_harmless(&name);
            assert!(
                seen.insert(name.clone()),
                "{id:?} gives {name:?} a second time"
            );
        }
    }

    #[test]
    fn ids_that_differ_in_case_differ_where_case_is_folded() {
        assert_ne!(
            safe_name("Task").to_lowercase(),
            safe_name("task").to_lowercase()
        );
        assert_ne!(
            safe_name("TASK").to_lowercase(),
            safe_name("Task").to_lowercase()
        );
    }

    #[test]
    fn an_id_that_looks_like_a_hashed_name_does_not_meet_it() {
        let hashed = safe_name("A B");
        assert_ne!(safe_name(&hashed), hashed);
    }

    #[test]
    fn a_later_attempt_has_a_folder_that_is_no_tasks() {
        assert_eq!(workspace_folder("bd-1", 1), "bd-1");
        assert_eq!(workspace_folder("bd-1", 2), "bd-1+2");
        assert_ne!(workspace_folder("bd-1", 2), workspace_folder("bd-1+2", 1));
    }

    proptest! {
        #[test]
        fn every_id_gives_a_harmless_name(id in any::<String>()) {
            assert_harmless(&safe_name(&id));
        }

        #[test]
        fn two_ids_never_give_one_name(one in "[-aA.b/ _0]{0,6}", two in "[-aA.b/ _0]{0,6}") {
            prop_assume!(one != two);
            prop_assert_ne!(safe_name(&one), safe_name(&two));
        }

        #[test]
        // Shorter than a hash, so that it cannot end like one.
        fn a_kept_name_is_the_id(id in "[a-z0-9][a-z0-9_-]{0,14}") {
            prop_assert_eq!(safe_name(&id), id);
        }
    }
}
