//! The environment of every `bd` call: empty but for a keep list, plus what makes bd quiet and predictable.
//!
//! Any key of bd's configuration can be set as a variable (`BD_<KEY>`), and many more redirect its database, start programs
//! or add lines to its output, so only a list of what may pass is safe.

use std::path::Path;

use mesh_proc::env::{Env, MESH_RUN};

/// Variables of the user that pass. `PATH` because bd looks up git; `HOME` and the rest for its and git's configuration.
const KEEP: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
];

/// Set on every call. 1.3.0 sends usage metrics unless told not to and refuses `audit record` unless allowed; classic starts
/// a daemon; the rest stops questions, colours, pagers and side effects of commands that look like reads.
const ALWAYS: [(&str, &str); 11] = [
    ("BD_DISABLE_METRICS", "1"),
    ("DO_NOT_TRACK", "1"),
    ("BD_AUDIT_ENABLED", "1"),
    ("BEADS_NO_DAEMON", "1"),
    ("BD_NON_INTERACTIVE", "1"),
    ("NO_COLOR", "1"),
    ("BD_NO_PAGER", "1"),
    ("BD_BACKUP_ENABLED", "false"),
    ("BD_EXPORT_AUTO", "false"),
    ("BD_DOLT_AUTO_PUSH", "false"),
    ("GIT_TERMINAL_PROMPT", "0"),
];

/// The environment of a call: of `ours` what may pass, the fixed settings, the tracker's folder once it is known, and the
/// run's mark, by which a call in flight is found after the coordinator died.
#[must_use]
pub fn of_call(ours: &Env, beads_dir: Option<&Path>, run: Option<&str>) -> Env {
    let mut env = Env::keep_from(&KEEP, |name| ours.get(name).map(ToOwned::to_owned));
    for (name, value) in ALWAYS {
        env.insert(name, value);
    }
    if let Some(dir) = beads_dir {
        env.insert("BEADS_DIR", dir.as_os_str());
    }
    if let Some(run) = run {
        env.insert(MESH_RUN, run);
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_users_tracker_settings_passes() {
        let ours: Env = [
            ("PATH", "/bin"),
            ("HOME", "/home/x"),
            ("BD_ACTOR", "somebody"),
            ("BEADS_DIR", "/elsewhere/.beads"),
            ("BEADS_DB", "/elsewhere/db"),
            ("BD_JSON_ENVELOPE", "1"),
            ("BD_AUDIT_ENABLED", "0"),
            ("CLAUDECODE", "1"),
            ("GIT_DIR", "/elsewhere/.git"),
            ("SECRET_TOKEN", "x"),
        ]
        .into_iter()
        .collect();
        let env = of_call(&ours, Some(Path::new("/r/.beads")), Some("run-1"));
        let text = |name: &str| {
            env.get(name)
                .map(|value| value.to_string_lossy().into_owned())
        };
        assert_eq!(text("PATH").as_deref(), Some("/bin"));
        assert_eq!(text("BEADS_DIR").as_deref(), Some("/r/.beads"));
        assert_eq!(text("BD_AUDIT_ENABLED").as_deref(), Some("1"));
        assert_eq!(text("MESH_RUN").as_deref(), Some("run-1"));
        for gone in [
            "BD_ACTOR",
            "BEADS_DB",
            "BD_JSON_ENVELOPE",
            "CLAUDECODE",
            "GIT_DIR",
            "SECRET_TOKEN",
        ] {
            assert_eq!(text(gone), None, "{gone}");
        }
        assert_eq!(of_call(&ours, None, None).get("BEADS_DIR"), None);
    }
}
