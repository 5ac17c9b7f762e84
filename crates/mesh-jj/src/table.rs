//! What is refused, and why. Commands and options are those of jj 0.41 to 0.46.

/// One kind of call that is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Short stable name, for scripts.
    pub name: &'static str,
    /// The words of the command; each may be written in several ways. Empty: the rule is about [`Rule::flag`].
    pub path: &'static [&'static [&'static str]],
    /// An option that is refused with every command.
    pub flag: Option<&'static str>,
    /// What it would do.
    pub why: &'static str,
    /// What to do instead.
    pub instead: &'static str,
    /// Calls of this kind.
    pub examples: &'static [&'static str],
}

impl Rule {
    /// The refusal as one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Rule {
            name, why, instead, ..
        } = self;
        format!("refused ({name}): {why}; {instead}")
    }
}

const TAKE_BACK: &str = "to take back changes of your own use `jj restore PATH`, `jj restore --from COMMIT` or `jj abandon COMMIT`";
const OPERATIONS: &str =
    "the operation log is shared, and it would change what every workspace of the repository sees";
const WORKSPACES: &str = "mesh makes, names and removes the workspaces of a run";
const OUTSIDE: &str = "a push reaches people outside the run";
const COMMIT_ONLY: &str = "commit, and name the commit in your answer: who runs mesh publishes it";

/// All that is refused.
pub const RULES: &[Rule] = &[
    Rule {
        name: "undo",
        path: &[&["undo", "redo"]],
        flag: None,
        why: "the operation log is shared, and its newest operation may be another agent's",
        instead: TAKE_BACK,
        examples: &["undo", "redo", "--quiet undo"],
    },
    Rule {
        name: "operation",
        path: &[
            &["operation", "op"],
            &["restore", "revert", "abandon", "undo"],
        ],
        flag: None,
        why: OPERATIONS,
        instead: TAKE_BACK,
        examples: &[
            "op restore 0123456789ab",
            "operation revert",
            "op abandon ..@-",
            "--at-op @ op undo",
        ],
    },
    Rule {
        name: "workspace",
        path: &[&["workspace"], &["add", "forget", "rename", "remove"]],
        flag: None,
        why: WORKSPACES,
        instead: "work in the one that you are in; `jj new COMMIT` starts another change there",
        examples: &[
            "workspace add ../other",
            "workspace forget",
            "workspace rename mine",
        ],
    },
    Rule {
        name: "update-stale",
        path: &[&["workspace"], &["update-stale"]],
        flag: None,
        why: "it may replace files that are in no commit yet",
        instead: "go on without jj: mesh records what is on disk when you end",
        examples: &["workspace update-stale"],
    },
    Rule {
        name: "push",
        path: &[&["git"], &["push"]],
        flag: None,
        why: OUTSIDE,
        instead: COMMIT_ONLY,
        examples: &[
            "git push",
            "git push --bookmark main",
            "git --color never push",
        ],
    },
    Rule {
        name: "push",
        path: &[&["gerrit"], &["upload"]],
        flag: None,
        why: OUTSIDE,
        instead: COMMIT_ONLY,
        examples: &["gerrit upload -r @-"],
    },
    Rule {
        name: "gc",
        path: &[&["util"], &["gc"]],
        flag: None,
        why: "it may delete what other workspaces still need",
        instead: "leave it to who runs mesh",
        examples: &["util gc --expire=now"],
    },
    Rule {
        name: "immutable",
        path: &[],
        flag: Some("--ignore-immutable"),
        why: "other agents stand on the commits that it would rewrite",
        instead: "put your change into a commit of your own on top of them: `jj new`, then `jj commit`",
        examples: &[
            "squash --ignore-immutable",
            "--ignore-immutable describe main -m x",
        ],
    },
];

/// What is refused in each workspace of the attempt's repository but its own, by the current folder or by `-R`: all but
/// [`ANYWHERE`], and [`READS`] with `--ignore-working-copy`.
pub const OTHER_WORKSPACE: Rule = Rule {
    name: "other-workspace",
    path: &[],
    flag: None,
    why: "it would work in a workspace of this repository that is not yours, and may replace files there that are in no commit yet",
    instead: "work in your own ($MESH_WORKSPACE); to read there, name the command and add `--ignore-working-copy`",
    examples: &[],
};

/// Commands that have nothing to do with the files of the workspace in which they are typed.
pub const ANYWHERE: &[&[&[&str]]] = &[
    &[&["config"], &["get", "list", "path"]],
    &[&["git"], &["clone", "init"]],
    &[&["help", "root", "version"]],
    &[
        &["util"],
        &[
            "completion",
            "config-schema",
            "exec",
            "install-man-pages",
            "markdown-help",
        ],
    ],
    &[&["workspace"], &["root"]],
];

/// Commands that change nothing, but that they record the files of their workspace first.
pub const READS: &[&[&[&str]]] = &[
    &[&[
        "diff",
        "evolog",
        "evolution-log",
        "interdiff",
        "log",
        "obslog",
        "show",
        "status",
    ]],
    &[&["bookmark", "sparse", "tag", "workspace"], &["list"]],
    &[&["file"], &["annotate", "list", "search", "show"]],
    &[&["git"], &["remote"], &["list"]],
    &[&["git"], &["root"]],
    &[&["operation", "op"], &["diff", "log", "show"]],
];

/// Options that every command takes, before it and after it, and that take a value.
pub const GLOBALS_WITH_VALUE: &[&str] = &[
    "--repository",
    "-R",
    "--at-operation",
    "--at-op",
    "--color",
    "--config",
    "--config-file",
];

/// Options that every command takes without a value.
pub const GLOBALS: &[&str] = &[
    "--ignore-working-copy",
    "--no-integrate-operation",
    "--ignore-immutable",
    "--debug",
    "--quiet",
    "--no-pager",
    "--help",
    "-h",
    "--version",
    "-V",
];

/// The commands of jj that no alias can replace, so that nobody needs to be asked about them. Of those with subcommands only the
/// first word.
pub const COMMANDS: &[&str] = &[
    "abandon",
    "absorb",
    "arrange",
    "bench",
    "bisect",
    "bookmark",
    "commit",
    "config",
    "converge",
    "debug",
    "describe",
    "diff",
    "diffedit",
    "duplicate",
    "edit",
    "evolog",
    "evolution-log",
    "file",
    "fix",
    "gerrit",
    "git",
    "help",
    "interdiff",
    "log",
    "metaedit",
    "new",
    "next",
    "obslog",
    "op",
    "operation",
    "parallelize",
    "prev",
    "rebase",
    "redo",
    "resolve",
    "restore",
    "revert",
    "root",
    "run",
    "show",
    "sign",
    "simplify-parents",
    "sparse",
    "split",
    "squash",
    "status",
    "tag",
    "undo",
    "unsign",
    "util",
    "version",
    "workspace",
];
