//! The environment of `bd`, built from nothing.
//!
//! Every configuration key of `bd` can be set as `BD_<KEY>`, other variables name another database, a server, a program to
//! start or a file to write, and newer versions add more: so a variable is passed on only if it is named here.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Absolute path of the real `bd`; without it, `PATH` is searched.
pub const MESH_BD: &str = "MESH_BD";
/// File that gets one line per call.
pub const MESH_BD_RO_LOG: &str = "MESH_BD_RO_LOG";
/// The tracker's folder, as `bd` understands it.
pub const BEADS_DIR: &str = "BEADS_DIR";

/// Variables that are passed on: who and where the user is, and how text is shown. None of them makes `bd` write or start
/// anything. `PATH` is needed because `bd` runs `git rev-parse` and `git config`.
pub const KEPT: [&str; 12] = [
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NO_COLOR",
    "PATH",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];

/// Variables that are set whatever the caller has. `.beads/.env` is read by `bd` 1.x and sets only what is not there, so
/// what matters is set rather than left out.
pub const SET: [(&str, &str); 12] = [
    // 1.3.0 sends usage figures by default.
    ("BD_DISABLE_METRICS", "1"),
    ("DO_NOT_TRACK", "1"),
    ("BD_NO_PAGER", "1"),
    ("BD_NON_INTERACTIVE", "1"),
    // 0.47 starts a daemon on any command without it.
    ("BEADS_NO_DAEMON", "1"),
    ("BEADS_AUTO_START_DAEMON", "false"),
    // 1.x in server mode starts a `dolt sql-server`.
    ("BEADS_DOLT_AUTO_START", "0"),
    // 1.x makes a backup after any command when the repository has a git remote.
    ("BD_BACKUP_ENABLED", "false"),
    ("BD_EXPORT_AUTO", "false"),
    ("BD_DOLT_AUTO_PUSH", "false"),
    ("BD_NO_HOOKS", "1"),
    // Spans on standard output would mix with the answer.
    ("BD_OTEL_STDOUT", "false"),
];

/// Whether the variable is passed on as it is (`BEADS_DIR` and the entries of `PATH` are judged apart).
pub fn is_kept(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| KEPT.contains(&name) || name.starts_with("LC_"))
}

/// The environment for `bd`, and whether the caller's `BEADS_DIR` was left out because it is not an absolute folder.
///
/// With a `view` that is the tracker, whatever the caller's `BEADS_DIR` says. `is_dir` tells whether a path is a folder.
pub fn rebuilt(
    caller: impl IntoIterator<Item = (OsString, OsString)>,
    view: Option<&Path>,
    is_dir: impl Fn(&Path) -> bool,
) -> (Vec<(OsString, OsString)>, bool) {
    let mut vars: Vec<(OsString, OsString)> = SET
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect();
    let mut ignored = false;
    for (name, value) in caller {
        if name == "PATH" {
            vars.push((name, absolute_entries(&value)));
        } else if name == BEADS_DIR && view.is_none() {
            let path = Path::new(&value);
            if path.is_absolute() && is_dir(path) {
                vars.push((name, value));
            } else {
                ignored = !value.is_empty();
            }
        } else if is_kept(&name) {
            vars.push((name, value));
        }
    }
    if let Some(view) = view {
        vars.push((OsString::from(BEADS_DIR), view.as_os_str().to_os_string()));
    }
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
