//! Ids made safe for file names, workspace names and refs. Std only, but for the error type.
//!
//! A task's id is any text. What comes out of [`safe_name`] can be one component of a path, a jj workspace name that needs no
//! quotes in a revset, and one component of a git ref, on file systems that fold case too; and two different ids never give the
//! same name. It must never let a separator, a leading dot or hyphen, or an ending that git refuses through.

/// Longest name that [`safe_name`] gives, in bytes; room is left for what is put around it.
pub const MAX_NAME_BYTES: usize = 80;

/// What the names of all workspaces of mesh begin with.
pub const OURS: &str = "mesh-";

/// Digits of the hash that is added where a name had to be changed.
const HASH_DIGITS: usize = 16;

/// A name for `id`: the id itself where it is already safe, else its safe characters and a hash of the whole id.
///
/// The id itself is kept when it has only `[a-z0-9._-]`, is not longer than [`MAX_NAME_BYTES`], begins with a letter or digit,
/// has no `..`, does not end in `.` or `.lock`, and does not look like a name with a hash: everything else, upper-case letters
/// among it, gets the hash, so that no two ids meet on one name even where case is folded.
#[must_use]
pub fn safe_name(id: &str) -> String {
    if is_safe(id) && !ends_like_a_hash(id) {
        return id.to_owned();
    }
    let mut stem = String::new();
    for c in id.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            c.to_ascii_lowercase()
        } else {
            '-'
        };
        let doubled = (c == '.' || c == '-') && stem.ends_with(['.', '-']);
        if stem.len() < MAX_NAME_BYTES - HASH_DIGITS - 1 && !doubled {
            stem.push(c);
        }
    }
    let stem = stem.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let hash = hash_of(id.as_bytes());
    if stem.is_empty() {
        format!("x-{hash}")
    } else {
        format!("{stem}-{hash}")
    }
}

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

fn is_safe(id: &str) -> bool {
    let bytes = id.as_bytes();
    let allowed =
        |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    let first_is_plain = bytes
        .first()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first_is_plain
        && bytes.len() <= MAX_NAME_BYTES
        && bytes.iter().all(allowed)
        && !id.contains("..")
        && !id.ends_with('.')
        && !id.ends_with(".lock")
}

/// Whether `id` could be taken for a name that got a hash; such an id gets one too, or it would meet that name.
fn ends_like_a_hash(id: &str) -> bool {
    id.rsplit_once('-').is_some_and(|(_, tail)| {
        tail.len() == HASH_DIGITS
            && tail
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// FNV-1a over 64 bits and a final mix: the same for ever and on every machine. A hostile id can be made to collide with effort;
/// the caller then finds the folder taken, and nothing is overwritten.
fn hash_of(bytes: &[u8]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash ^= u64::from(*byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 29;
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

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
        fn a_kept_name_is_the_id(id in "[a-z0-9][a-z0-9_-]{0,20}") {
            prop_assume!(!ends_like_a_hash(&id));
            prop_assert_eq!(safe_name(&id), id);
        }
    }
}
