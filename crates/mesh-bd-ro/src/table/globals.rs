//! Flags of every command, and calls that belong to no row.

use super::columns::{Absent, Flag, short, switch};

/// Flags that are allowed before and after every command.
pub static GLOBALS: [Flag; 4] = [
    short('h', switch("help")),
    switch("json"),
    short('q', switch("quiet")),
    short('v', switch("verbose")),
];

/// Global flags of `bd` that are not allowed.
pub static GLOBALS_ABSENT: [Absent; 13] = [
    Absent {
        names: &["--readonly", "--sandbox"],
        why: "both are always put in front; there is no need to ask",
    },
    Absent {
        names: &["--db", "--database", "--global"],
        why: "it names another database",
    },
    Absent {
        names: &["-C", "--directory"],
        why: "it names another project",
    },
    Absent {
        names: &["--actor"],
        why: "reads need no name, and nobody speaks in another's",
    },
    Absent {
        names: &["--profile", "--cpu-profile", "--mem-profile"],
        why: "it writes files, --readonly or not",
    },
    Absent {
        names: &["--format"],
        why: "as a global flag it is an alias of --json, elsewhere it runs a template: use --json",
    },
    Absent {
        names: &["--no-db"],
        why: "bd 0.47 then rewrites issues.jsonl even for a read",
    },
    Absent {
        names: &["--no-daemon", "--no-auto-flush", "--no-auto-import"],
        why: "--sandbox already says so",
    },
    Absent {
        names: &["--allow-stale", "--ignore-schema-skew"],
        why: "it turns a check off",
    },
    Absent {
        names: &["--lock-timeout"],
        why: "a long wait holds up the coordinator",
    },
    Absent {
        names: &["--dolt-auto-commit"],
        why: "it is about writing",
    },
    Absent {
        names: &["--no-color"],
        why: "set NO_COLOR=1, which every version understands",
    },
    Absent {
        names: &["-V", "--version"],
        why: "it is no question about the tracker",
    },
];

/// Calls that no row covers, and that agents try.
pub static REFUSED_OUTRIGHT: &[&str] = &[
    "",
    "--json",
    "update bd-123 --status in_progress",
    "update bd-123 --status closed",
    "update --help",
    "close bd-123",
    "create 'New task'",
    "comments add bd-123 nope",
    "comments bd-123",
    "comment bd-123 nope",
    "label add bd-123 be",
    "dep bd-123 --blocks bd-456",
    "dep add bd-456 bd-123",
    "dep rm bd-456 bd-123",
    "export -o issues.jsonl",
    "import",
    "init",
    "sql 'select 1'",
    "query status=open",
    "history bd-123",
    "config set x y",
    "audit record --kind label",
    "serve",
    "hooks",
    "hooks run",
    "hooks run update",
    "hooks run pre-commit.old",
    "hooks install",
    "hooks uninstall",
    "--json hooks run pre-commit",
    "hook pre-commit",
    "version",
    "help",
    "completion bash",
    "heartbeat bd-123",
    "--db /tmp/x.db show bd-123",
    "--actor me show bd-123",
    "-C /tmp show bd-123",
    "--profile list",
    "--cpu-profile list",
    "--no-daemon list",
    "--global list",
    "-V",
    "--version",
    "--readonly show bd-123",
    "--sandbox --readonly update bd-123",
    "-qv show bd-123",
    "-- show bd-123",
    "--json=true show bd-123",
    "show;close bd-123",
    "SHOW bd-123",
    "sho bd-123",
];
