//! Where the programs are that a run uses. What is found is an absolute path, so that it can be shown and does not change later.
//!
//! The read-only wrapper is never taken from `PATH`: it is what keeps agents from the tracker, and a wrapper of somebody else's
//! keeps nothing. And the tracker is never the wrapper: inside a workspace the first `bd` on `PATH` is a copy of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mesh_proc::find::find as find_program;

use crate::config::ToolPaths;

/// Names of the wrapper beside our own executable; the second is that of the test build.
const WRAPPER: &str = "mesh-bd-ro";
const TEST_PROGRAM: &str = "mesh-dup";
const TEST_WRAPPER: &str = "mesh-bd-ro-dup";

/// Programs as they were found; absolute paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The tracker.
    pub bd: Option<PathBuf>,
    /// Version control.
    pub jj: Option<PathBuf>,
    /// Version control.
    pub git: Option<PathBuf>,
    /// The read-only wrapper.
    pub bd_ro: Option<PathBuf>,
}

/// A program, or why it was not found, as a fragment for people.
pub(crate) type Search = Result<PathBuf, String>;

fn find(program: &OsStr, path: Option<&OsStr>) -> Search {
    find_program(program, path).map_err(|problem| problem.to_string())
}

/// All programs, each with the reason when there is none.
pub(crate) struct Searched {
    pub bd: Search,
    pub jj: Search,
    pub git: Search,
    pub bd_ro: Search,
}

/// Looks for all programs: where `MESH_BD`, `MESH_JJ`, `MESH_GIT` and `MESH_BD_RO` say, else where the configuration says, else
/// on `PATH`, and the wrapper beside our own executable.
pub(crate) fn locate(config: &ToolPaths, variable: &dyn Fn(&str) -> Option<OsString>) -> Found {
    let searched = search(config, variable);
    Found {
        bd: searched.bd.ok(),
        jj: searched.jj.ok(),
        git: searched.git.ok(),
        bd_ro: searched.bd_ro.ok(),
    }
}

/// As [`locate`], with the reasons.
pub(crate) fn search(config: &ToolPaths, variable: &dyn Fn(&str) -> Option<OsString>) -> Searched {
    let path = variable("PATH");
    let named = |name: &str, configured: &Option<PathBuf>| {
        variable(name)
            .filter(|value| !value.is_empty())
            .or_else(|| Some(configured.as_ref()?.clone().into_os_string()))
    };
    let program = |name: &str, named: Option<OsString>| {
        find(
            named.as_deref().unwrap_or(OsStr::new(name)),
            path.as_deref(),
        )
    };
    let bd_ro = match named("MESH_BD_RO", &config.bd_ro) {
        // A bare name would be looked up on PATH.
        Some(named) if !Path::new(&named).is_absolute() => Err(format!(
            "`{}` is not an absolute path",
            named.to_string_lossy()
        )),
        Some(named) => find(&named, None),
        None => beside(std::env::current_exe().ok().as_deref()),
    };
    let bd = match named("MESH_BD", &config.bd) {
        Some(named) => find(&named, path.as_deref())
            .and_then(|found| refuse_wrapper(found, bd_ro.as_deref().ok())),
        None => first_bd(path.as_deref(), bd_ro.as_deref().ok()),
    };
    Searched {
        bd,
        jj: program("jj", named("MESH_JJ", &config.jj)),
        git: program("git", named("MESH_GIT", &config.git)),
        bd_ro,
    }
}

fn beside(exe: Option<&Path>) -> Search {
    let name = match exe.and_then(Path::file_name) {
        Some(name) if name == TEST_PROGRAM => TEST_WRAPPER,
        _ => WRAPPER,
    };
    let folder = exe.and_then(Path::parent).unwrap_or(Path::new("/"));
    find(folder.join(name).as_os_str(), None)
}

/// The first `bd` on `path` that is not the wrapper.
fn first_bd(path: Option<&OsStr>, wrapper: Option<&Path>) -> Search {
    let folders = path.into_iter().flat_map(std::env::split_paths);
    for folder in folders.filter(|folder| folder.is_absolute()) {
        let Ok(found) = find(OsStr::new("bd"), Some(folder.as_os_str())) else {
            continue;
        };
        if !wrapper.is_some_and(|wrapper| is_same_program(&found, wrapper)) {
            return Ok(found);
        }
    }
    find(OsStr::new("bd"), None)
}

fn refuse_wrapper(found: PathBuf, wrapper: Option<&Path>) -> Search {
    if wrapper.is_some_and(|wrapper| is_same_program(&found, wrapper)) {
        return Err(format!(
            "{} is the read-only wrapper, not bd itself",
            found.display()
        ));
    }
    Ok(found)
}

/// Whether both are one file, or one is a copy of the other.
fn is_same_program(one: &Path, other: &Path) -> bool {
    let (Ok(a), Ok(b)) = (fs_err::metadata(one), fs_err::metadata(other)) else {
        return false;
    };
    if (a.dev(), a.ino()) == (b.dev(), b.ino()) {
        return true;
    }
    // Read only when the sizes agree, which two different programs' hardly ever do.
    a.len() == b.len()
        && matches!((fs_err::read(one), fs_err::read(other)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn program(path: &Path, text: &str) -> PathBuf {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        fs_err::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        path.to_path_buf()
    }

    fn locate_with(config: &ToolPaths, variables: &[(&str, &OsStr)]) -> Found {
        let owned: Vec<(String, OsString)> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        locate(config, &|name| {
            let found = owned.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn variables_win_over_the_configuration_and_that_over_path() {
        let temp = tempfile::tempdir().unwrap();
        let on_path = program(&temp.path().join("path/jj"), "1");
        let configured = program(&temp.path().join("configured"), "2");
        let named = program(&temp.path().join("named"), "3");
        let path = temp.path().join("path").into_os_string();
        let config = ToolPaths {
            jj: Some(configured.clone()),
            ..ToolPaths::default()
        };
        let plain = ToolPaths::default();
        let jj = |config, variables: &[(&str, &OsStr)]| locate_with(config, variables).jj;
        assert_eq!(jj(&plain, &[("PATH", &path)]), Some(on_path.clone()));
        assert_eq!(
            jj(&plain, &[("PATH", &path), ("MESH_JJ", "".as_ref())]),
            Some(on_path)
        );
        assert_eq!(jj(&config, &[("PATH", &path)]), Some(configured));
        let variables = [("PATH", path.as_os_str()), ("MESH_JJ", named.as_os_str())];
        assert_eq!(jj(&config, &variables), Some(named));
        assert_eq!(jj(&plain, &[]), None);
    }

    #[test]
    fn the_tracker_is_never_the_wrapper_or_a_copy_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let wrapper = program(&temp.path().join("lib/mesh-bd-ro"), "wrapper");
        program(&temp.path().join("copy/bd"), "wrapper");
        fs_err::create_dir_all(temp.path().join("link")).unwrap();
        fs_err::os::unix::fs::symlink(&wrapper, temp.path().join("link/bd")).unwrap();
        let real = program(&temp.path().join("real/bd"), "tracker");
        let folders = ["copy", "link", "real"].map(|name| temp.path().join(name));
        let ro = [("MESH_BD_RO", wrapper.as_os_str())];
        let all = std::env::join_paths(&folders).unwrap();
        let found = locate_with(&ToolPaths::default(), &[ro[0], ("PATH", &all)]);
        assert_eq!(found.bd, Some(real));
        assert_eq!(found.bd_ro, Some(wrapper.clone()));
        let wrappers = std::env::join_paths(&folders[..2]).unwrap();
        let found = locate_with(&ToolPaths::default(), &[ro[0], ("PATH", &wrappers)]);
        assert_eq!(found.bd, None);
        let copy = folders[0].join("bd");
        let found = locate_with(
            &ToolPaths::default(),
            &[ro[0], ("MESH_BD", copy.as_os_str())],
        );
        assert_eq!(found.bd, None);
    }

    #[test]
    fn the_wrapper_is_beside_us_or_named_by_its_whole_path() {
        let temp = tempfile::tempdir().unwrap();
        let wrapper = program(&temp.path().join("mesh-bd-ro"), "1");
        let of_tests = program(&temp.path().join("mesh-bd-ro-dup"), "2");
        let beside = |name: &str| super::beside(Some(&temp.path().join(name))).ok();
        assert_eq!(beside("mesh"), Some(wrapper.clone()));
        assert_eq!(beside("mesh (deleted)"), Some(wrapper));
        assert_eq!(beside("mesh-dup"), Some(of_tests));
        let path = temp.path().as_os_str();
        let variables = [("PATH", path), ("MESH_BD_RO", "mesh-bd-ro".as_ref())];
        assert_eq!(locate_with(&ToolPaths::default(), &variables).bd_ro, None);
    }
}
