//! Locating a program, so that what runs is a path that can be shown and not whatever a later lookup finds.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a program was not found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FindError {
    /// No folder of `PATH` holds an executable file of that name.
    #[error("`{program}` is not on PATH: install it, or name it by its full path")]
    NotOnPath {
        /// The name as it was asked for.
        program: String,
    },
    /// A path was given and there is nothing.
    #[error("there is no file {}", .path.display())]
    NoFile {
        /// The path as it was asked for.
        path: PathBuf,
    },
    /// A path was given, and what is there cannot be executed.
    #[error("{} is not an executable file", .path.display())]
    NotExecutable {
        /// The path as it was asked for.
        path: PathBuf,
    },
    /// A relative path with a slash depends on the current folder, which is nothing to build on.
    #[error("`{program}` is a relative path: name the program alone, or by its full path")]
    Relative {
        /// The text as it was asked for.
        program: String,
    },
}

/// The absolute path of `program`: itself when it is an absolute path of an executable file, else the first match among the
/// absolute folders of `path` (the value of a `PATH` variable).
///
/// # Errors
/// [`FindError`], worded for the user.
pub fn find(program: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, FindError> {
    let as_path = Path::new(program);
    if as_path.is_absolute() {
        return check_file(as_path);
    }
    let shown = || program.to_string_lossy().into_owned();
    if as_path.components().count() > 1 || program.as_encoded_bytes().contains(&b'/') {
        return Err(FindError::Relative { program: shown() });
    }
    // Relative entries of PATH mean the current folder: an attempt's workspace could then decide what runs.
    let folders: Vec<PathBuf> = path
        .map(|path| {
            std::env::split_paths(path)
                .filter(|folder| folder.is_absolute())
                .collect()
        })
        .unwrap_or_default();
    let not_found = || FindError::NotOnPath { program: shown() };
    if folders.is_empty() || program.is_empty() {
        return Err(not_found());
    }
    let joined = std::env::join_paths(folders).map_err(|_| not_found())?;
    which::which_in(program, Some(joined), "/").map_err(|_| not_found())
}

fn check_file(path: &Path) -> Result<PathBuf, FindError> {
    if !path.exists() {
        return Err(FindError::NoFile {
            path: path.to_path_buf(),
        });
    }
    which::which_in(path, None::<&OsStr>, "/").map_err(|_| FindError::NotExecutable {
        path: path.to_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn program(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs_err::write(&path, "#!/bin/sh\n").unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_first_executable_of_that_name_wins() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(one.path(), "tool", 0o644);
        let wanted = program(two.path(), "tool", 0o755);
        let path = std::env::join_paths([one.path(), two.path()]).unwrap();
        assert_eq!(find("tool".as_ref(), Some(&path)), Ok(wanted.clone()));
        assert_eq!(find(wanted.as_os_str(), None), Ok(wanted));
    }

    #[test]
    fn each_way_to_be_missing_has_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let plain = program(folder.path(), "plain", 0o644);
        let path = folder.path().as_os_str();
        assert_eq!(
            find("tool".as_ref(), Some(path)),
            Err(FindError::NotOnPath {
                program: "tool".into()
            })
        );
        assert_eq!(
            find("tool".as_ref(), None),
            Err(FindError::NotOnPath {
                program: "tool".into()
            })
        );
        assert_eq!(
            find("".as_ref(), Some(path)),
            Err(FindError::NotOnPath {
                program: String::new()
            })
        );
        assert_eq!(
            find("./tool".as_ref(), Some(path)),
            Err(FindError::Relative {
                program: "./tool".into()
            })
        );
        assert_eq!(
            find(plain.as_os_str(), None),
            Err(FindError::NotExecutable { path: plain })
        );
        let absent = folder.path().join("absent");
        assert_eq!(
            find(absent.as_os_str(), None),
            Err(FindError::NoFile { path: absent })
        );
        assert_eq!(
            find(path, None),
            Err(FindError::NotExecutable { path: path.into() })
        );
    }

    #[test]
    fn the_current_folder_is_never_searched() {
        let path = OsStr::new(":.:src");
        assert_eq!(
            find("lib.rs".as_ref(), Some(path)),
            Err(FindError::NotOnPath {
                program: "lib.rs".into()
            })
        );
    }
}
