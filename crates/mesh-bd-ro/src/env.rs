//! The environment of `bd`, built from nothing.
//!
//! Every configuration key of `bd` can be set as `BD_<KEY>`, other variables name another database, a server, a program to
//! start or a file to write, and newer versions add more: so a variable is passed on only if the table names it.

use std::ffi::{OsStr, OsString};
use std::path::Path;

pub use crate::table::variables::{KEPT, SET};

/// Absolute path of the real `bd`; without it, `PATH` is searched.
pub const MESH_BD: &str = "MESH_BD";
/// File that gets one line per call.
pub const MESH_BD_RO_LOG: &str = "MESH_BD_RO_LOG";
/// The tracker's folder, as `bd` understands it.
pub const BEADS_DIR: &str = "BEADS_DIR";

/// The environment for `bd`, and whether the caller's `BEADS_DIR` was left out because it is not an absolute folder.
///
/// With a `view` that is the tracker, whatever the caller's `BEADS_DIR` says. `is_dir` tells whether a path is a folder.
pub fn rebuilt(
    caller: impl IntoIterator<Item = (OsString, OsString)>,
    view: Option<&Path>,
    is_dir: impl Fn(&Path) -> bool,
) -> (Vec<(OsString, OsString)>, bool) {
    let is_tracker = |path: &OsString| Path::new(path).is_absolute() && is_dir(Path::new(path));
    let mut vars = Vec::from(SET.map(|(name, value)| (name.into(), value.into())));
    let mut ignored = false;
    for (name, value) in caller {
        match name.to_str() {
            Some("PATH") => vars.push((name, absolute_entries(&value))),
            Some(BEADS_DIR) if view.is_some() => {}
            Some(BEADS_DIR) if is_tracker(&value) => vars.push((name, value)),
            Some(BEADS_DIR) => ignored = !value.is_empty(),
            Some(it) if KEPT.contains(&it) || it.starts_with("LC_") => vars.push((name, value)),
            _ => {}
        }
    }
    vars.extend(view.map(|view| (BEADS_DIR.into(), view.into())));
    (vars, ignored)
}

/// `PATH` without entries that depend on the current folder: `bd` starts `git` from there.
fn absolute_entries(path: &OsStr) -> OsString {
    let entries = std::env::split_paths(path).filter(|entry| entry.is_absolute());
    // Joining can fail only for an entry that holds a colon, and these come from a split at colons.
    std::env::join_paths(entries).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuild(caller: &[(&str, &str)], view: Option<&str>) -> (Vec<(String, String)>, bool) {
        let caller = caller
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let (vars, ignored) = rebuilt(caller, view.map(Path::new), |path| {
            path == Path::new("/there")
        });
        let text = |word: OsString| word.into_string().expect("the test's own words are text");
        let mut vars: Vec<_> = vars
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        vars.sort();
        (vars, ignored)
    }

    fn only_caller(vars: Vec<(String, String)>) -> Vec<(String, String)> {
        vars.into_iter()
            .filter(|(name, _)| !SET.iter().any(|(set, _)| set == name))
            .collect()
    }

    #[test]
    fn nothing_unnamed_gets_through() {
        let hostile = [
            "BD_DB",
            "BD_ACTOR",
            "BD_READONLY",
            "BD_JSON_ENVELOPE",
            "BD_PAGER",
            "BEADS_DB",
            "BEADS_DOLT_SERVER_HOST",
            "BEADS_DOLT_CREDENTIAL_COMMAND",
            "BEADS_MEM_PROFILE",
            "PAGER",
            "EDITOR",
            "VISUAL",
            "LESS",
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_CONFIG_GLOBAL",
            "DOLT_REMOTE_PASSWORD",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "DYLD_INSERT_LIBRARIES",
            "GT_ROOT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "CLAUDECODE",
            "GODEBUG",
            "MESH_VIEW",
            "MESH_BD",
            "SSH_AUTH_SOCK",
            "path",
            "Home",
            "CI",
            "HTTP_PROXY",
        ];
        let caller: Vec<_> = hostile.iter().map(|name| (*name, "/there")).collect();
        let (vars, ignored) = rebuild(&caller, None);
        assert_eq!(only_caller(vars), []);
        assert!(!ignored);
    }

    #[test]
    fn what_is_set_cannot_be_overridden() {
        let caller: Vec<_> = SET.iter().map(|(name, _)| (*name, "other")).collect();
        let (mut vars, _) = rebuild(&caller, None);
        let mut wanted: Vec<_> = SET
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect();
        wanted.sort();
        vars.dedup();
        assert_eq!(vars, wanted);
    }

    #[test]
    fn the_tracker_is_named_by_an_absolute_folder_or_not_at_all() {
        let of = |value: &str, view| {
            let (vars, ignored) = rebuild(&[("BEADS_DIR", value)], view);
            (only_caller(vars), ignored)
        };
        let there = vec![("BEADS_DIR".to_string(), "/there".to_string())];
        assert_eq!(of("/there", None), (there, false));
        assert_eq!(of("there", None), (vec![], true));
        assert_eq!(of("/missing", None), (vec![], true));
        assert_eq!(of("", None), (vec![], false));
        let view = vec![("BEADS_DIR".to_string(), "/view/3/.beads".to_string())];
        assert_eq!(of("/there", Some("/view/3/.beads")), (view, false));
    }

    #[test]
    fn path_keeps_only_absolute_entries() {
        let (vars, _) = rebuild(
            &[
                ("PATH", "bin:/usr/bin::.:/bin:../x"),
                ("LC_ALL", "C"),
                ("HOME", "/h"),
            ],
            None,
        );
        let wanted = [("HOME", "/h"), ("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")];
        assert_eq!(
            only_caller(vars),
            wanted.map(|(name, value)| (name.to_string(), value.to_string()))
        );
    }
}
