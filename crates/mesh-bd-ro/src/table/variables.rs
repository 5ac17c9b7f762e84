//! Variables that `bd` gets: the caller's that are passed on, and those that are set whatever the caller has.

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
