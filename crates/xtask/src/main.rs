//! Automation of the repository: `cargo xtask <command>`.
//!
//! One module a command. Each takes its arguments and gives back an exit code; what it prints on stdout is its answer, progress
//! and complaints go to stderr. Nothing here is linked into a shipped program, and nothing here writes to the repository except
//! `docs` (generated pages) and `tools --record` (recordings).

mod args;
mod bench;
mod docs;
mod fuzz;
mod process;
mod release;
mod tidy;
mod tools;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use args::{Args, UsageError};

/// What every command gives back; the error is a sentence for a person.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// One command: its name, one line of help, and what runs it.
struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(Args) -> Outcome<ExitCode>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "tools",
        help: tools::HELP,
        run: tools::run,
    },
    Command {
        name: "agents",
        help: tools::AGENTS_HELP,
        run: tools::agents,
    },
    Command {
        name: "tidy",
        help: tidy::HELP,
        run: tidy::run,
    },
    Command {
        name: "bench",
        help: bench::HELP,
        run: bench::run,
    },
    Command {
        name: "fuzz",
        help: fuzz::HELP,
        run: fuzz::run,
    },
    Command {
        name: "docs",
        help: docs::HELP,
        run: docs::run,
    },
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(name) = words
        .next()
        .filter(|name| name != "--help" && name != "-h" && name != "help")
    else {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprint!("error: there is no command `{name}`\n\n{}", usage());
        return ExitCode::from(2);
    };
    match (command.run)(Args::new(words)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

fn usage() -> String {
    let mut text = String::from("Usage: cargo xtask <command>\n\n");
    for command in COMMANDS {
        text.push_str(&format!("{}\n\n", command.help));
    }
    text
}

/// Root folder of the repository.
fn repository() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .ancestors()
        .nth(2)
        .map_or_else(|| PathBuf::from("."), PathBuf::from)
}
