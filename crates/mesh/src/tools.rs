//! Where the programs are that a run uses. What is found is an absolute path, so that it can be shown and does not change later.
//!
//! The wrappers that agents find as `bd` and `jj` are never taken from `PATH`: they are what keeps agents from the tracker and from
//! the workspaces of others, and a wrapper of somebody else's keeps nothing. And neither program is ever its wrapper: inside a
//! workspace the first `bd` and `jj` on `PATH` are copies of them.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mesh_proc::find::find as find_program;

use crate::config::ToolPaths;

/// Names of the wrappers beside our own executable; those of the test build end like its program.
const BD_RO: &str = "mesh-bd-ro";
const JJ_RAIL: &str = "mesh-jj";
const TEST_PROGRAM: &str = "mesh-dup";
const TEST_ENDING: &str = "-dup";

/// Programs as they were found; absolute paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FoundPrograms {
    /// The tracker.
    pub bd: Option<PathBuf>,
    /// Version control.
    pub jj: Option<PathBuf>,
    /// Version control.
    pub git: Option<PathBuf>,
    /// What agents find as `bd`.
    pub bd_ro: Option<PathBuf>,
    /// What agents find as `jj`.
    pub jj_rail: Option<PathBuf>,
}

/// A program, or why it was not found, as a fragment for people.
pub(crate) type Search = Result<PathBuf, String>;

fn find(program: &OsStr, path: Option<&OsStr>) -> Search {
    find_program(program, path).map_err(|problem| problem.to_string())
}

/// All programs, each with the reason when there is none.
pub(crate) struct SearchedPrograms {
    pub bd: Search,
    pub jj: Search,
    pub git: Search,
    pub bd_ro: Search,
    pub jj_rail: Search,
}

/// Looks for all programs: where `MESH_BD`, `MESH_JJ`, `MESH_GIT`, `MESH_BD_RO` and `MESH_JJ_RAIL` say, else where the
/// configuration says, else on `PATH`, and the wrappers beside our own executable.
pub(crate) fn locate(
    config: &ToolPaths,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> FoundPrograms {
    let searched = search(config, variable);
    FoundPrograms {
        bd: searched.bd.ok(),
        jj: searched.jj.ok(),
        git: searched.git.ok(),
        bd_ro: searched.bd_ro.ok(),
        jj_rail: searched.jj_rail.ok(),
    }
}

/// Why programs that a variable or the configuration names are not there, a sentence each.
pub(crate) fn not_found_as_named(
    config: &ToolPaths,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<String> {
    let searched = search(config, variable);
    let all = [
        ("bd", "MESH_BD", &config.bd, searched.bd),
        ("jj", "MESH_JJ", &config.jj, searched.jj),
        ("git", "MESH_GIT", &config.git, searched.git),
    ];
    let sentence = |(key, name, configured, search): (&str, &str, &Option<PathBuf>, Search)| {
        let place = match variable(name).filter(|value| !value.is_empty()) {
            Some(_) => name.to_owned(),
            None if configured.is_some() => format!("tools.{key}"),
            None => return None,
        };
        search.err().map(|reason| format!("{place}: {reason}"))
    };
    all.into_iter().filter_map(sentence).collect()
}

/// As [`locate`], with the reasons.
pub(crate) fn search(
    config: &ToolPaths,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> SearchedPrograms {
    let path = variable("PATH");
    let named = |name: &str, configured: &Option<PathBuf>| {
        variable(name)
            .filter(|value| !value.is_empty())
            .or_else(|| Some(configured.as_ref()?.clone().into_os_string()))
    };
    let wrapper = |variable: &str, configured: &Option<PathBuf>, name: &str| match named(
        variable, configured,
    ) {
        // A bare name would be looked up on PATH.
        Some(named) if !Path::new(&named).is_absolute() => Err(format!(
            "`{}` is not an absolute path",
            named.to_string_lossy()
        )),
        Some(named) => find(&named, None),
        None => beside(std::env::current_exe().ok().as_deref(), name),
    };
    let bd_ro = wrapper("MESH_BD_RO", &config.bd_ro, BD_RO);
    let jj_rail = wrapper("MESH_JJ_RAIL", &config.jj_rail, JJ_RAIL);
    let wrapped = |name: &str, named: Option<OsString>, wrapper: &Search| {
        let wrapper = wrapper.as_deref().ok();
        match named {
            Some(named) => {
                find(&named, path.as_deref()).and_then(|found| refuse_wrapper(found, name, wrapper))
            }
            None => first_but(name, path.as_deref(), wrapper),
        }
    };
    let git = named("MESH_GIT", &config.git).unwrap_or_else(|| "git".into());
    SearchedPrograms {
        bd: wrapped("bd", named("MESH_BD", &config.bd), &bd_ro),
        jj: wrapped("jj", named("MESH_JJ", &config.jj), &jj_rail),
        git: find(&git, path.as_deref()),
        bd_ro,
        jj_rail,
    }
}

fn beside(exe: Option<&Path>, name: &str) -> Search {
    let ending = match exe.and_then(Path::file_name) {
        Some(program) if program == TEST_PROGRAM => TEST_ENDING,
        _ => "",
    };
    let folder = exe.and_then(Path::parent).unwrap_or(Path::new("/"));
    find(folder.join(format!("{name}{ending}")).as_os_str(), None)
}

/// The first `name` on `path` that is not the wrapper.
fn first_but(name: &str, path: Option<&OsStr>, wrapper: Option<&Path>) -> Search {
    let folders = path.into_iter().flat_map(std::env::split_paths);
    for folder in folders.filter(|folder| folder.is_absolute()) {
        let Ok(found) = find(OsStr::new(name), Some(folder.as_os_str())) else {
            continue;
        };
        if !wrapper.is_some_and(|wrapper| is_same_program(&found, wrapper)) {
            return Ok(found);
        }
    }
    find(OsStr::new(name), None)
}

fn refuse_wrapper(found: PathBuf, name: &str, wrapper: Option<&Path>) -> Search {
    if wrapper.is_some_and(|wrapper| is_same_program(&found, wrapper)) {
        return Err(format!(
            "{} is the wrapper for agents, not {name} itself",
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

    fn locate_with(config: &ToolPaths, variables: &[(&str, &OsStr)]) -> FoundPrograms {
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
    fn a_program_is_never_its_wrapper_or_a_copy_of_it() {
        for (name, variable, wrapper_variable) in [
            ("bd", "MESH_BD", "MESH_BD_RO"),
            ("jj", "MESH_JJ", "MESH_JJ_RAIL"),
        ] {
            let temp = tempfile::tempdir().unwrap();
            let wrapper = program(&temp.path().join("lib/wrapper"), "wrapper");
            program(&temp.path().join("copy").join(name), "wrapper");
            fs_err::create_dir_all(temp.path().join("link")).unwrap();
            let link = temp.path().join("link").join(name);
            fs_err::os::unix::fs::symlink(&wrapper, link).unwrap();
            let real = program(&temp.path().join("real").join(name), "itself");
            let folders = ["copy", "link", "real"].map(|name| temp.path().join(name));
            let found = |variables: &[(&str, &OsStr)]| {
                let found = locate_with(&ToolPaths::default(), variables);
                match name {
                    "bd" => (found.bd, found.bd_ro),
                    _ => (found.jj, found.jj_rail),
                }
            };
            let ro = (wrapper_variable, wrapper.as_os_str());
            let all = std::env::join_paths(&folders).unwrap();
            assert_eq!(
                found(&[ro, ("PATH", &all)]),
                (Some(real), Some(wrapper.clone()))
            );
            let wrappers = std::env::join_paths(&folders[..2]).unwrap();
            assert_eq!(found(&[ro, ("PATH", &wrappers)]).0, None);
            let copy = folders[0].join(name);
            assert_eq!(found(&[ro, (variable, copy.as_os_str())]).0, None);
        }
    }

    #[test]
    fn the_wrapper_is_beside_us_or_named_by_its_whole_path() {
        let temp = tempfile::tempdir().unwrap();
        let wrapper = program(&temp.path().join("mesh-bd-ro"), "1");
        let of_tests = program(&temp.path().join("mesh-bd-ro-dup"), "2");
        let beside = |name: &str| super::beside(Some(&temp.path().join(name)), BD_RO).ok();
        assert_eq!(beside("mesh"), Some(wrapper.clone()));
        assert_eq!(beside("mesh (deleted)"), Some(wrapper));
        assert_eq!(beside("mesh-dup"), Some(of_tests));
        let path = temp.path().as_os_str();
        let variables = [("PATH", path), ("MESH_BD_RO", "mesh-bd-ro".as_ref())];
        assert_eq!(locate_with(&ToolPaths::default(), &variables).bd_ro, None);
    }
}
