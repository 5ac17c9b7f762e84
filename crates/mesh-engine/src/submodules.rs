//! Submodules: neither git worktrees nor jj workspaces check them out, so their folders are empty in a workspace.

use std::path::{Path, PathBuf};

/// The submodules of the checkout in `folder`, relative to it, as its `.gitmodules` says.
#[must_use]
pub fn submodules(folder: &Path) -> Vec<PathBuf> {
    let text = fs_err::read_to_string(folder.join(".gitmodules")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("path")?
                .trim_start()
                .strip_prefix('=')
        })
        .map(|path| PathBuf::from(path.trim().trim_matches('"')))
        .filter(|path| !path.as_os_str().is_empty() && path.is_relative())
        .collect()
}

/// The sentence about submodules that are empty in workspaces, with the way to fill them; `None` when there are none.
#[must_use]
pub fn empty_submodules_note(paths: &[PathBuf], is_git: bool) -> Option<String> {
    const SHOWN: usize = 4;
    let first = paths.first()?;
    let mut list: Vec<String> = paths
        .iter()
        .take(SHOWN)
        .map(|path| path.display().to_string())
        .collect();
    if paths.len() > SHOWN {
        list.push(format!("{} more", paths.len() - SHOWN));
    }
    let command = if is_git {
        "git submodule update --init --recursive".to_owned()
    } else {
        let path = first.display();
        format!("cp -R \\\"$MESH_ROOT/{path}/.\\\" {path}")
    };
    Some(format!(
        "submodules are empty in workspaces: {}; fill them with [workspace] setup = \"{command}\"",
        list.join(", ")
    ))
}

/// Those submodules of a workspace that nothing is in.
pub(crate) fn empty_in(workspace: &Path) -> Vec<PathBuf> {
    let is_empty = |path: &PathBuf| {
        fs_err::read_dir(workspace.join(path)).map_or(true, |mut entries| entries.next().is_none())
    };
    submodules(workspace).into_iter().filter(is_empty).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_ones_are_named_with_the_way_to_fill_them() {
        let folder = tempfile::tempdir().unwrap();
        assert!(submodules(folder.path()).is_empty());
        let text = "[submodule \"lib/x\"]\n\tpath = lib/x\n\turl = ../x\n[submodule \"y\"]\n\turl=../y\n\tpath=\"my y\"\n";
        fs_err::write(folder.path().join(".gitmodules"), text).unwrap();
        fs_err::create_dir_all(folder.path().join("my y/z")).unwrap();
        assert_eq!(
            submodules(folder.path()),
            ["lib/x", "my y"].map(PathBuf::from)
        );
        let empty = empty_in(folder.path());
        assert_eq!(empty, [PathBuf::from("lib/x")]);
        let note = empty_submodules_note(&empty, true).unwrap();
        assert!(
            note.contains("lib/x; fill them") && note.contains("git submodule update"),
            "{note}"
        );
        let note = empty_submodules_note(&empty, false).unwrap();
        assert!(note.contains("$MESH_ROOT/lib/x/."), "{note}");
        assert_eq!(empty_submodules_note(&[], true), None);
    }
}
