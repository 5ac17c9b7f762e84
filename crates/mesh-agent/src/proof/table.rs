//! The table of programs that prove nothing.
//!
//! Each row has examples that are refused and examples that pass; one test walks the table with the function that guards.

/// A kind of program that never fails, or only for reasons that have nothing to do with the work.
pub(super) struct Row {
    pub(super) programs: &'static [&'static str],
    pub(super) rule: Rule,
    /// Commands that this row refuses.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by the test that walks the table")
    )]
    pub(super) refused: &'static [&'static str],
    /// Commands of the same kind that do prove something.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by the test that walks the table")
    )]
    pub(super) passes: &'static [&'static str],
}

/// When a command of a row is refused.
pub(super) enum Rule {
    /// Whatever the arguments.
    Always,
    /// Unless one of these arguments is there.
    Unless(&'static [&'static str]),
    /// With one of these subcommands, unless one of these arguments is there.
    Subcommands(&'static [&'static str], &'static [&'static str]),
    /// Only with one of these arguments.
    With(&'static [&'static str]),
    /// Conditions without anything to look at.
    Test,
    /// An interpreter with a line of code that cannot fail.
    Code,
}

pub(super) const TABLE: &[Row] = &[
    Row {
        programs: &[
            "true", ":", "sleep", "wait", "clear", "yes", "history", "jobs", "trap", "alias",
            "umask", "ulimit", "shopt", "disown",
        ],
        rule: Rule::Always,
        refused: &["true", ":", "sleep 1", "/bin/true", "A=b true", "! ! true"],
        passes: &["false", "./true.sh"],
    },
    Row {
        programs: &["echo", "printf", "print", "say", "figlet"],
        rule: Rule::Always,
        refused: &[
            "echo ok",
            "printf 'all tests pass\\n'",
            "echo \"$(cargo test)\"",
            "echo ok > result.txt",
            "cargo test; echo done",
        ],
        passes: &[
            "echo ok && cargo test",
            "cargo test && echo ok",
            "cargo test || { echo bad; exit 1; }",
        ],
    },
    Row {
        programs: &[
            "cd",
            "pushd",
            "popd",
            "pwd",
            "set",
            "export",
            "unset",
            "source_env",
            "hash",
        ],
        rule: Rule::Always,
        refused: &[
            "cd app",
            "cd app && true",
            "set -e",
            "export A=b",
            "cd app; pwd",
        ],
        passes: &[
            "cd app && npm test",
            "cd app; make check",
            "set -e; cargo test; echo done",
        ],
    },
    Row {
        programs: &[
            "ls", "cat", "head", "tail", "less", "more", "bat", "wc", "tee", "tree", "find",
            "stat", "file", "du", "df", "nl", "tac", "sort", "uniq", "cut", "tr", "column", "fold",
            "od", "xxd", "hexdump", "strings", "sed", "basename", "dirname", "realpath",
            "readlink", "seq",
        ],
        rule: Rule::Always,
        refused: &[
            "ls -la",
            "cat README.md",
            "wc -l src/*.rs",
            "find . -name '*.rs'",
            "sed -n 1,20p a.txt",
            "cargo test | tail -5",
            "cargo test 2>&1 | tee log",
            "npm test |& cat",
        ],
        passes: &[
            "cat a.txt | grep -q word",
            "diff a b",
            "cmp a b",
            "set -o pipefail; cargo test | tail -5",
            "grep -c word a.txt",
        ],
    },
    Row {
        programs: &["touch", "mkdir", "cp", "mv", "ln", "rm", "chmod", "install"],
        rule: Rule::Always,
        refused: &[
            "touch done",
            "mkdir -p out",
            "rm -rf target",
            "cargo test; rm -f log",
        ],
        passes: &["rm -rf target && cargo test"],
    },
    Row {
        programs: &[
            "date", "whoami", "id", "uname", "hostname", "printenv", "which", "type", "uptime",
            "man", "whereis",
        ],
        rule: Rule::Always,
        refused: &["date", "which cargo", "uname -a"],
        passes: &["cargo test --workspace"],
    },
    Row {
        programs: &["sha256sum", "sha1sum", "md5sum", "cksum", "b2sum"],
        rule: Rule::Unless(&["-c", "--check"]),
        refused: &["sha256sum a.txt"],
        passes: &["sha256sum -c sums.txt"],
    },
    Row {
        programs: &["git"],
        rule: Rule::Subcommands(
            &[
                "status",
                "diff",
                "log",
                "show",
                "branch",
                "add",
                "commit",
                "stash",
                "rev-parse",
                "remote",
                "tag",
                "config",
                "fetch",
                "push",
                "pull",
                "blame",
                "shortlog",
                "describe",
                "ls-files",
                "reflog",
                "show-ref",
                "checkout",
                "switch",
                "restore",
                "worktree",
                "version",
            ],
            &[
                "--exit-code",
                "--quiet",
                "--check",
                "--error-unmatch",
                "--verify",
                "--no-index",
            ],
        ),
        refused: &[
            "git status",
            "git diff",
            "git -C app log -1",
            "git --no-pager diff --stat",
            "git status --porcelain",
            "git commit -am x",
        ],
        passes: &[
            "git diff --exit-code",
            "git diff --check",
            "git grep -q word",
            "git ls-files --error-unmatch a.txt",
            "git fsck",
        ],
    },
    Row {
        programs: &["jj"],
        rule: Rule::Subcommands(
            &[
                "status",
                "st",
                "diff",
                "log",
                "show",
                "describe",
                "desc",
                "commit",
                "new",
                "bookmark",
                "op",
                "operation",
                "workspace",
                "squash",
                "evolog",
                "interdiff",
                "git",
                "version",
            ],
            &[],
        ),
        refused: &["jj st", "jj diff --stat", "jj -R app log", "jj log -r @"],
        passes: &["jj fix"],
    },
    Row {
        programs: &["bd", "mesh-bd-ro", "mesh"],
        rule: Rule::Always,
        refused: &["bd show x-1", "mesh-bd-ro list", "mesh status"],
        passes: &[],
    },
    Row {
        programs: &["gh"],
        rule: Rule::Subcommands(
            &["pr", "issue", "repo", "auth", "browse", "status"],
            &["checks"],
        ),
        refused: &["gh pr view 12", "gh pr create --fill"],
        passes: &["gh pr checks 12", "gh run watch --exit-status 1"],
    },
    Row {
        programs: &["make", "gmake"],
        rule: Rule::With(&[
            "-n",
            "--dry-run",
            "--just-print",
            "--recon",
            "-p",
            "--print-data-base",
        ]),
        refused: &["make -n test", "make --dry-run"],
        passes: &["make", "make test", "make -C app check"],
    },
    Row {
        programs: &[
            "node", "npm", "npx", "pnpm", "yarn", "ruby", "php", "perl", "deno", "bun",
        ],
        rule: Rule::With(&["-v"]),
        refused: &["node -v", "npm -v"],
        passes: &["npm test", "node check.js", "pytest -v"],
    },
    Row {
        programs: &[
            "python", "python3", "node", "ruby", "perl", "php", "deno", "bun",
        ],
        rule: Rule::Code,
        refused: &[
            "python -c pass",
            "python3 -c ''",
            "python3 -c 'print(\"ok\")'",
            "node -e 'process.exit(0)'",
            "perl -e 1",
            "python3 -c 'import sys; sys.exit(0)'",
            "node -e 'console.log(1)'",
        ],
        passes: &[
            "python3 -c 'import app'",
            "python3 -c 'import a; assert a.f() == 1'",
            "python3 -m pytest",
            "node -e 'require(\"./a\")'",
        ],
    },
    Row {
        programs: &["test", "[", "[["],
        rule: Rule::Test,
        refused: &[
            "test 1",
            "[ 1 ]",
            "[ 1 -eq 1 ]",
            "[[ a == a ]]",
            "test -n x",
            "test -d .",
            "[ -e / ]",
        ],
        passes: &[
            "test -f out.txt",
            "[ -s out.txt ]",
            "[[ -d src/app ]]",
            "test \"$(wc -l < a.txt)\" -eq 3",
            "! test -e old.txt",
        ],
    },
];
