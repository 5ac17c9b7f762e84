//! Folders of workspaces: made and deleted only strictly inside the workspaces root.

use crate::error::VcsError;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// The folder of all workspaces of the repository at `main_root`: one of its name in the folder that was asked for, else in
/// `workspaces` beside it.
///
/// `outside` is the folder that workspaces must stay out of, with the repository in it: the superproject of a submodule, a bare
/// repository that holds its own worktrees, else the repository itself. Where `workspaces` is a repository of its own, or the one
/// that is worked on, its place is taken by `mesh-workspaces`: what is made there must not turn up in another working copy.
pub(crate) fn root_of(main_root: &Path, outside: &Path, asked: Option<&Path>) -> PathBuf {
    let beside = outside.parent().unwrap_or(outside);
    let below = main_root.strip_prefix(beside).unwrap_or(main_root);
    let parts: Vec<&OsStr> = below
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part),
            _ => None,
        })
        .collect();
    // No path of a single repository has the separator; two that meet all the same are told apart by what lies there.
    let name = match parts.as_slice() {
        [] => OsString::from("root"),
        parts => parts.join(OsStr::new("+")),
    };
    if let Some(asked) = asked {
        return without_dots(&main_root.join(asked)).join(name);
    }
    let container = beside.join("workspaces");
    let root = container.join(&name);
    let is_taken = |folder: &Path| {
        folder == outside || [".git", ".jj"].iter().any(|of| folder.join(of).exists())
    };
    if is_taken(&container) || is_taken(&root) {
        beside.join("mesh-workspaces").join(name)
    } else {
        root
    }
}

/// Makes the folder of all workspaces.
///
/// # Errors
/// It cannot be made.
pub(crate) fn make_root(root: &Path) -> Result<(), VcsError> {
    fs_err::create_dir_all(root).map_err(|source| VcsError::NoRoom {
        root: root.to_path_buf(),
        source,
    })
}

/// `..` and `.` taken out by the words alone, so it is right only where no part before a `..` is a link.
#[must_use]
pub fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Checks that `path` lies strictly inside `root` by its words alone, without `..`.
pub(crate) fn check_inside(root: &Path, path: &Path) -> Result<(), VcsError> {
    let outside = || VcsError::OutsideRoot {
        path: path.to_path_buf(),
        root: root.to_path_buf(),
    };
    let below = path.strip_prefix(root).map_err(|_| outside())?;
    let mut parts = below.components().peekable();
    if parts.peek().is_none() || !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err(outside());
    }
    Ok(())
}

/// As [`check_inside`], and no link on the way may lead out of the root.
fn check_real_parent(root: &Path, path: &Path) -> Result<(), VcsError> {
    check_inside(root, path)?;
    let parent = path.parent().unwrap_or(root);
    let real_root = fs_err::canonicalize(root)?;
    let real_parent = fs_err::canonicalize(parent)?;
    if real_parent.starts_with(&real_root) {
        Ok(())
    } else {
        Err(VcsError::OutsideRoot {
            path: path.to_path_buf(),
            root: root.to_path_buf(),
        })
    }
}

/// Makes the folders above `path`. `path` itself may be missing or an empty folder; anything else is in the way.
pub(crate) fn make_room(root: &Path, path: &Path) -> Result<(), VcsError> {
    check_inside(root, path)?;
    make_root(root)?;
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    check_real_parent(root, path)?;
    if is_free(path)? {
        Ok(())
    } else {
        Err(VcsError::InTheWay {
            path: path.to_path_buf(),
        })
    }
}

/// Whether `path` is missing or an empty folder.
pub(crate) fn is_free(path: &Path) -> Result<bool, VcsError> {
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
        Ok(meta) if meta.is_dir() => Ok(fs_err::read_dir(path)?.next().is_none()),
        Ok(_) => Ok(false),
    }
}

/// Deletes `path` with all that is in it, also where an agent took the right to write away, then the folders above it that are
/// empty, up to the root. Nothing happens when it is gone. A link is deleted, never followed.
///
/// # Errors
/// `path` is not inside `root`, or cannot be deleted.
pub fn remove(root: &Path, path: &Path) -> Result<(), VcsError> {
    check_inside(root, path)?;
    let meta = match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(meta) => meta,
    };
    check_real_parent(root, path)?;
    if meta.is_dir() {
        if let Err(error) = fs_err::remove_dir_all(path) {
            if error.kind() != ErrorKind::PermissionDenied {
                return Err(error.into());
            }
            make_writable(path)?;
            fs_err::remove_dir_all(path)?;
        }
    } else {
        fs_err::remove_file(path)?;
    }
    let mut above = path.parent();
    while let Some(folder) = above.filter(|folder| *folder != root && folder.starts_with(root)) {
        // Not empty, or somebody makes a workspace in it at this moment: both are reasons to leave it.
        if fs_err::remove_dir(folder).is_err() {
            break;
        }
        above = folder.parent();
    }
    Ok(())
}

/// Deletes a file, a link or a folder with all that is in it; nothing happens when it is not there. For places that nobody else chose.
pub(crate) fn delete(path: &Path) -> Result<(), VcsError> {
    let gone = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs_err::remove_dir_all(path),
        Ok(_) => fs_err::remove_file(path),
        Err(error) => Err(error),
    };
    match gone {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn make_writable(top: &Path) -> Result<(), VcsError> {
    let mut todo: Vec<PathBuf> = vec![top.to_path_buf()];
    while let Some(folder) = todo.pop() {
        let meta = fs_err::symlink_metadata(&folder)?;
        fs_err::set_permissions(
            &folder,
            PermissionsExt::from_mode(meta.permissions().mode() | 0o700),
        )?;
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                todo.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_lie_beside_the_repository_and_in_no_other() {
        let temp = tempfile::tempdir().unwrap();
        let root = |main: &str, outside: &str, asked: Option<&str>| {
            let (main, outside) = (temp.path().join(main), temp.path().join(outside));
            let root = root_of(&main, &outside, asked.map(Path::new));
            let below = root.strip_prefix(temp.path()).unwrap();
            below.to_str().unwrap().to_owned()
        };
        assert_eq!(root("r", "r", None), "workspaces/r");
        assert_eq!(root("r", "r", Some("../w")), "w/r");
        assert_eq!(
            root("super/deep/lib", "super", None),
            "workspaces/super+deep+lib"
        );
        assert_eq!(
            root("workspaces", "workspaces", None),
            "mesh-workspaces/workspaces"
        );
        fs_err::create_dir_all(temp.path().join("workspaces/clone/.git")).unwrap();
        assert_eq!(root("clone", "clone", None), "mesh-workspaces/clone");
        assert_eq!(
            root("workspaces/clone", "workspaces/clone", None),
            "workspaces/workspaces/clone"
        );
        fs_err::create_dir_all(temp.path().join("workspaces/.jj")).unwrap();
        assert_eq!(root("r", "r", None), "mesh-workspaces/r");
        assert_eq!(
            root_of(Path::new("/r"), Path::new("/r"), None),
            Path::new("/workspaces/r")
        );
    }

    #[test]
    fn nothing_outside_the_root_is_touched() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        let other = temp.path().join("other");
        fs_err::create_dir_all(root.join("in")).unwrap();
        fs_err::create_dir_all(other.join("precious")).unwrap();
        std::os::unix::fs::symlink(&other, root.join("link")).unwrap();
        for path in [
            root.clone(),
            root.join("."),
            root.join("../other"),
            other.clone(),
            root.join("link/precious"),
        ] {
            assert!(
                matches!(remove(&root, &path), Err(VcsError::OutsideRoot { .. })),
                "{}",
                path.display()
            );
        }
        remove(&root, &root.join("link")).unwrap();
        assert!(other.join("precious").is_dir() && !root.join("link").exists());
    }

    #[test]
    fn a_read_only_folder_goes_and_empty_folders_above_too() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        let path = root.join("a/b");
        fs_err::create_dir_all(path.join("c/d")).unwrap();
        fs_err::write(path.join("c/d/f"), "x").unwrap();
        fs_err::set_permissions(path.join("c/d"), PermissionsExt::from_mode(0o500)).unwrap();
        fs_err::set_permissions(path.join("c"), PermissionsExt::from_mode(0o500)).unwrap();
        remove(&root, &path).unwrap();
        remove(&root, &path).unwrap();
        assert!(root.is_dir() && !root.join("a").exists());
    }

    #[test]
    fn room_is_missing_or_empty() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("deep/root");
        make_room(&root, &root.join("w/1")).unwrap();
        fs_err::create_dir(root.join("w/1")).unwrap();
        make_room(&root, &root.join("w/1")).unwrap();
        fs_err::write(root.join("w/1/f"), "x").unwrap();
        assert!(matches!(
            make_room(&root, &root.join("w/1")),
            Err(VcsError::InTheWay { .. })
        ));
        assert!(matches!(
            make_room(&root, &temp.path().join("x")),
            Err(VcsError::OutsideRoot { .. })
        ));
    }
}
