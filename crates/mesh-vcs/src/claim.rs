//! Words of an agent that may name paths in its workspace: what of them is there. Nothing here fails on text.

use crate::model::{ChangeKind, Changed, Unrecorded};
use crate::submodule::Kept;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// A word that names something in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The word as it was written.
    pub word: String,
    /// What it names, relative to the workspace. It exists, and is never the workspace itself.
    pub path: PathBuf,
}

/// What in `workspace` the `words` name.
///
/// A claim in several words is taken apart, and then only what looks like a path counts: the sentence "updated the build" does not
/// name the folder `build`.
pub(crate) fn named(workspace: &Path, words: &[String]) -> Vec<Claim> {
    let found = |text: &str| path_of(workspace, text);
    let is_prose = words
        .iter()
        .any(|word| found(word).is_none() && !looks_like_a_path(word));
    let mut claims = Vec::new();
    for word in words {
        let mut add = |path| {
            claims.push(Claim {
                word: word.clone(),
                path,
            })
        };
        match found(word) {
            Some(path) => {
                let bare_folder = !looks_like_a_path(word) && workspace.join(&path).is_dir();
                if !(is_prose && bare_folder) {
                    add(path);
                }
            }
            None => word
                .split_whitespace()
                .filter(|part| looks_like_a_path(part))
                .filter_map(found)
                .for_each(add),
        }
    }
    claims.sort_by(|a, b| a.path.cmp(&b.path));
    claims.dedup_by(|a, b| a.path == b.path);
    claims
}

/// What in `workspace` the words of a command name: a plain word may be a folder too.
pub(crate) fn named_by_command(workspace: &Path, words: &[String]) -> Vec<Claim> {
    let claim = |word: &String| {
        let path = path_of(workspace, word)?;
        let word = word.clone();
        Some(Claim { word, path })
    };
    let mut claims: Vec<Claim> = words.iter().filter_map(claim).collect();
    claims.sort_by(|a, b| a.path.cmp(&b.path));
    claims.dedup_by(|a, b| a.path == b.path);
    claims
}

/// Paths of the claims that neither a change nor something unrecorded covers.
pub(crate) fn unsettled(
    workspace: &Path,
    claimed: &[String],
    changed: &[Changed],
    unrecorded: &[Unrecorded],
) -> Vec<PathBuf> {
    let recorded: BTreeSet<&Path> = changed
        .iter()
        .filter(|changed| changed.kind != ChangeKind::Removed)
        .flat_map(|changed| changed.path.ancestors())
        .collect();
    named(workspace, claimed)
        .into_iter()
        .map(|claim| claim.path)
        .filter(|path| !recorded.contains(path.as_path()))
        .filter(|path| !unrecorded.iter().any(|left| path.starts_with(&left.path)))
        .collect()
}

/// Recorded links that name their own workspace by its absolute path: they lead nowhere once it is removed.
pub(crate) fn links_into_workspace(workspace: &Path, changed: &[Changed]) -> Vec<Unrecorded> {
    let leads_here = |changed: &&Changed| {
        fs_err::read_link(workspace.join(&changed.path))
            .is_ok_and(|target| target.is_absolute() && target.starts_with(workspace))
    };
    let unrecorded = |changed: &Changed| {
        Unrecorded {
        path: changed.path.clone(),
        why: "is a link to this workspace by its absolute path, which leads nowhere once the workspace is removed".to_owned(),
    }
    };
    changed.iter().filter(leads_here).map(unrecorded).collect()
}

/// Which of the paths lie in a submodule that is kept, by the submodule and relative to it; the others come first. A claim of a
/// whole submodule is settled.
pub(crate) fn by_submodule(
    kept: &BTreeMap<PathBuf, Kept>,
    paths: Vec<PathBuf>,
) -> (Vec<PathBuf>, BTreeMap<PathBuf, Vec<PathBuf>>) {
    let mut here = Vec::new();
    let mut inside: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        let around = kept.keys().find(|submodule| path.starts_with(submodule));
        match around.map(|submodule| (submodule, path.strip_prefix(submodule))) {
            Some((submodule, Ok(rest))) if !rest.as_os_str().is_empty() => {
                let rests = inside.entry(submodule.clone()).or_default();
                rests.push(rest.to_path_buf());
            }
            Some(_) => {}
            None => here.push(path),
        }
    }
    (here, inside)
}

/// Why a path that is there was left out.
pub(crate) fn left_out(workspace: &Path, path: PathBuf) -> Unrecorded {
    let whole = workspace.join(&path);
    let why = match whole.symlink_metadata().map(|meta| meta.file_type()) {
        Ok(kind) if kind.is_dir() && !holds_files(&whole) => {
            "is a folder without files, which is not recorded"
        }
        Ok(kind) if kind.is_dir() => "is a folder of which no file is recorded: they are ignored",
        Ok(kind) if kind.is_file() || kind.is_symlink() => "is ignored, so it is not recorded",
        _ => "is neither a file nor a folder, so it cannot be recorded",
    };
    Unrecorded {
        path,
        why: why.to_owned(),
    }
}

/// Whether there is anything but folders in `folder`.
pub(crate) fn holds_files(folder: &Path) -> bool {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        entry
            .file_type()
            .is_ok_and(|kind| !kind.is_dir() || holds_files(&entry.path()))
    })
}

fn looks_like_a_path(word: &str) -> bool {
    !word.contains(char::is_whitespace) && word.contains(['/', '.'])
}

/// The path that `text` names in the workspace, if it is there: as it stands, without what people write around a path, or the
/// folder that a pattern begins with.
fn path_of(workspace: &Path, text: &str) -> Option<PathBuf> {
    let bare = text
        .trim_matches(|c: char| c.is_whitespace() || "`'\"()[]<>,;".contains(c))
        .trim_end_matches([':', '.']);
    let without_line = bare
        .trim_end_matches(|c: char| c.is_ascii_digit() || c == ':' || c == '-')
        .trim_end_matches(':');
    let pattern_folder = bare
        .find(['*', '?', '{', '['])
        .and_then(|at| bare[..at].rfind('/'))
        .map(|slash| &bare[..slash]);
    [Some(text), Some(bare), Some(without_line), pattern_folder]
        .into_iter()
        .flatten()
        .find_map(|form| existing(workspace, form))
}

fn existing(workspace: &Path, text: &str) -> Option<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return None;
    }
    let mut plain = PathBuf::new();
    let path = Path::new(text);
    let relative = if path.is_absolute() {
        path.strip_prefix(workspace).ok()?
    } else {
        path
    };
    for part in relative.components() {
        match part {
            Component::Normal(part) => plain.push(part),
            Component::CurDir => {}
            // `link/..` is not always where it seems to be, but nobody claims such a path.
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let first = plain.components().next()?;
    if [".git", ".jj"].iter().any(|own| first.as_os_str() == *own) {
        return None;
    }
    let whole = workspace.join(&plain);
    whole.symlink_metadata().ok()?;
    // Below a link to a folder lies what is recorded under its own name, or what is not in the workspace at all.
    let parent = whole.parent()?.canonicalize().ok()?;
    let root = workspace.canonicalize().ok()?;
    let inside = parent.strip_prefix(&root).ok()?;
    Some(inside.join(whole.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(words: &[&str], expected: &[&str]) {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        for file in [
            "a.txt",
            "build/gen.js",
            "src/deep/b.rs",
            ".git/config",
            "odd name",
            "x (1)",
        ] {
            fs_err::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs_err::write(root.join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink("src", root.join("link")).unwrap();
        std::os::unix::fs::symlink("/", root.join("away")).unwrap();
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("$ROOT", &root.display().to_string()))
            .collect();
        let found: Vec<String> = named(root, &words)
            .into_iter()
            .map(|claim| claim.path.display().to_string())
            .collect();
        assert_eq!(found, expected, "{words:?}");
    }

    #[test]
    fn paths_in_the_forms_that_agents_write() {
        check(&["a.txt", "build/gen.js"], &["a.txt", "build/gen.js"]);
        check(
            &["./a.txt", "$ROOT/build/", "src/../a.txt"],
            &["a.txt", "build"],
        );
        check(
            &["`a.txt`", "'build/gen.js'", "src/deep/b.rs:12"],
            &["a.txt", "build/gen.js", "src/deep/b.rs"],
        );
        check(
            &["a.txt (new)", "modified build/gen.js."],
            &["a.txt", "build/gen.js"],
        );
        check(&["odd name", "x (1)"], &["odd name", "x (1)"]);
        check(&["build"], &["build"]);
        check(&["build/*.js", "src/**"], &["build", "src"]);
        check(&["link/deep/b.rs", "link"], &["link", "src/deep/b.rs"]);
    }

    #[test]
    fn what_names_nothing_in_the_workspace_is_passed_over() {
        check(
            &["", ".", "./", "/etc/passwd", "../x", "gone.txt", "away/etc"],
            &[],
        );
        check(&[".git/config", "*.rs", "\0", "-"], &[]);
        check(&["updated", "the", "build"], &[]);
        check(&["updated the build and src"], &[]);
        check(&["fixed", "src/deep/b.rs"], &["src/deep/b.rs"]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(words in proptest::collection::vec(".{0,40}", 0..5)) {
            let _ = named(Path::new("/nowhere"), &words);
        }
    }
}
