//! The table of programs that prove nothing.
//!
//! Each row has examples that are refused and examples that pass; one test walks the table with the function that guards.

use super::lexer::Word;
use super::trivial::{Outcome, outcome_of};
use crate::shell::is_shell;

/// A kind of program that never fails, or only for reasons that have nothing to do with the work.
pub(super) struct Row {
    programs: &'static [&'static str],
    rule: Rule,
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

enum Rule {
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

/// Arguments that make any program only speak of itself.
const ABOUT_ITSELF: [&str; 7] = [
    "--version",
    "-V",
    "--help",
    "-h",
    "help",
    "version",
    "-version",
];

/// Programs that run the rest of their arguments.
const WRAPPERS: [&str; 14] = [
    "env", "command", "builtin", "exec", "nohup", "time", "nice", "ionice", "timeout", "sudo",
    "doas", "stdbuf", "setsid", "chronic",
];

/// What the exit code of one command depends on.
pub(super) fn outcome(words: &[Word], depth: usize) -> Outcome {
    let assignments = words.iter().take_while(|word| is_assignment(word)).count();
    let (assigned, rest) = words.split_at(assignments);
    let Some((first, args)) = rest.split_first() else {
        // Without a command the code is that of the last substitution.
        let runs = assigned.iter().any(|word| word.runs_command);
        return if runs {
            Outcome::Depends
        } else {
            Outcome::Passes
        };
    };
    if first.expands {
        return Outcome::Depends;
    }
    // A path with a folder in it is a program of the repository, unless it lies where the system's lie.
    let name = match first.text.rsplit_once('/') {
        Some(("/bin" | "/usr/bin" | "/usr/local/bin" | "/sbin" | "/usr/sbin", name)) => name,
        Some(_) => return Outcome::Depends,
        None => first.text.as_str(),
    };
    match name {
        "false" => return Outcome::Fails,
        "exit" | "return" => return exit(args),
        "eval" => return outcome_of(&joined(args), depth + 1),
        "." | "source" => return Outcome::Depends,
        _ => {}
    }
    if is_shell(name) {
        return shell(args, depth);
    }
    if WRAPPERS.contains(&name) {
        return wrapped(name, args, depth);
    }
    if !args.is_empty()
        && args
            .iter()
            .all(|arg| ABOUT_ITSELF.contains(&arg.text.as_str()))
    {
        return Outcome::Passes;
    }
    let is_refused = TABLE
        .iter()
        .filter(|row| row.programs.contains(&name))
        .any(|row| row.rule.applies(args));
    if is_refused {
        Outcome::Passes
    } else {
        Outcome::Depends
    }
}

impl Rule {
    fn applies(&self, args: &[Word]) -> bool {
        let has = |wanted: &[&str]| args.iter().any(|arg| wanted.contains(&arg.text.as_str()));
        match self {
            Rule::Always => true,
            Rule::Unless(saving) => !has(saving),
            Rule::With(damning) => has(damning),
            Rule::Subcommands(names, saving) => {
                subcommand(args).is_none_or(|name| names.contains(&name)) && !has(saving)
            }
            Rule::Test => !looks_at_something(args),
            Rule::Code => cannot_fail(args),
        }
    }
}

/// The first word that is neither an option nor the value of one that takes a folder or a setting.
fn subcommand(args: &[Word]) -> Option<&str> {
    let mut args = args.iter().map(|arg| arg.text.as_str());
    while let Some(arg) = args.next() {
        match arg {
            "-C" | "-c" | "-R" | "--git-dir" | "--work-tree" | "--repository" | "--config" => {
                args.next();
            }
            option if option.starts_with('-') => {}
            name => return Some(name),
        }
    }
    None
}

/// Whether a condition looks at a file that may be missing, or at a value that the shell finds out.
fn looks_at_something(args: &[Word]) -> bool {
    const FILE_TESTS: [&str; 16] = [
        "-e", "-f", "-d", "-s", "-r", "-w", "-x", "-L", "-h", "-S", "-p", "-b", "-c", "-nt", "-ot",
        "-ef",
    ];
    const ALWAYS_THERE: [&str; 6] = [".", "./", "..", "/", "$PWD", "$HOME"];
    let tests_file = args.windows(2).any(|pair| {
        FILE_TESTS.contains(&pair[0].text.as_str())
            && !ALWAYS_THERE.contains(&pair[1].text.as_str())
    });
    let is_found_out = |arg: &Word| arg.expands && !ALWAYS_THERE.contains(&arg.text.as_str());
    tests_file || args.iter().any(is_found_out)
}

/// Whether `-c CODE` or `-e CODE` does nothing but speak or end.
fn cannot_fail(args: &[Word]) -> bool {
    let is_option = |arg: &Word| matches!(arg.text.as_str(), "-c" | "-e" | "--eval");
    let Some(at) = args.iter().position(is_option) else {
        return false;
    };
    let code = args.get(at + 1).map_or("", |word| word.text.trim());
    let code = code.trim_end_matches(';').trim();
    const EMPTY: [&str; 12] = [
        "",
        "pass",
        "0",
        "1",
        "true",
        "exit",
        "exit 0",
        "exit(0)",
        "exit()",
        "sys.exit(0)",
        "import sys; sys.exit(0)",
        "process.exit(0)",
    ];
    let speaks = ["print(", "console.log(", "puts ", "print ", "echo "];
    let is_one_statement = !code.contains([';', '\n']);
    EMPTY.contains(&code) || is_one_statement && speaks.iter().any(|start| code.starts_with(start))
}

fn exit(args: &[Word]) -> Outcome {
    match args.first().map(|arg| arg.text.as_str()) {
        None | Some("$?") => Outcome::Same,
        Some(code) => match code.parse::<i64>() {
            Ok(code) if code % 256 == 0 => Outcome::ExitPasses,
            Ok(_) => Outcome::ExitFails,
            Err(_) => Outcome::Depends,
        },
    }
}

/// `sh -c SCRIPT` is its script; `sh FILE` depends on the file, and a shell with nothing reads nothing.
fn shell(args: &[Word], depth: usize) -> Outcome {
    let is_script_option = |arg: &Word| {
        let letters = arg.text.strip_prefix('-');
        letters.is_some_and(|letters| !letters.starts_with('-') && letters.contains('c'))
    };
    if let Some(at) = args.iter().position(is_script_option) {
        let script = args.get(at + 1).map_or("", |word| word.text.as_str());
        let stops = args[..=at]
            .iter()
            .any(|arg| arg.text.contains('e') && arg.text.starts_with('-'));
        let script = if stops {
            format!("set -e\n{script}")
        } else {
            script.to_owned()
        };
        return match outcome_of(&script, depth + 1) {
            Outcome::ExitPasses | Outcome::Same => Outcome::Passes,
            Outcome::ExitFails => Outcome::Fails,
            Outcome::Guards => Outcome::Depends,
            other => other,
        };
    }
    let about_itself = args
        .iter()
        .any(|arg| ABOUT_ITSELF.contains(&arg.text.as_str()));
    if about_itself {
        Outcome::Passes
    } else {
        Outcome::Depends
    }
}

/// A program that runs the rest of its arguments: options, settings and the one value that some take are skipped.
fn wrapped(name: &str, args: &[Word], depth: usize) -> Outcome {
    if name == "command"
        && args
            .first()
            .is_some_and(|arg| matches!(arg.text.as_str(), "-v" | "-V"))
    {
        return Outcome::Passes;
    }
    let mut rest = args;
    while let Some((first, after)) = rest.split_first() {
        let takes_value = matches!(
            first.text.as_str(),
            "-n" | "-u" | "-k" | "-s" | "-C" | "-c" | "-g"
        );
        if first.text.starts_with('-') {
            rest = if takes_value {
                after.get(1..).unwrap_or(&[])
            } else {
                after
            };
        } else if name == "env" && is_assignment(first) {
            rest = after;
        } else {
            break;
        }
    }
    if name == "timeout" {
        rest = rest.get(1..).unwrap_or(&[]);
    }
    if depth > 8 {
        return Outcome::Depends;
    }
    outcome(rest, depth + 1)
}

fn is_assignment(word: &Word) -> bool {
    word.text
        .split_once('=')
        .is_some_and(|(name, _)| crate::launch::is_variable_name(name))
}

fn joined(args: &[Word]) -> String {
    args.iter()
        .map(|arg| arg.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}
