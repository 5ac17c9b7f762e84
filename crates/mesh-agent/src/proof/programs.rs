//! What the exit code of one command depends on, by its program and arguments.

use super::lexer::Word;
use super::table::{Rule, TABLE};
use super::trivial::{Outcome, outcome_of};
use crate::shell::is_shell;

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
