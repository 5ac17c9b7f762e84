//! The programs: arguments, configuration, output. One file per subcommand.
//!
//! What must never be here: a decision about a task, a parser of another program's answer, a write to the tracker or the
//! repository that does not go through the engine.

mod agents;
mod budget;
mod cli;
mod commands;
pub mod config;
mod csv_wave;
mod error;
pub mod exit_code;
mod helper;
mod inside;
mod log;
mod opening;
mod report;
mod run_setup;
mod sandbox;
mod scope;
mod strategy;
mod task_list;
mod tools;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::ui::shell::Shell;

/// What `main` does; a function, so that the test package can build a program of its own around it.
#[must_use]
pub fn main_impl() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments
        .get(1)
        .is_some_and(|word| word == mesh_proc::shim::ARGUMENT)
    {
        let code = arguments
            .get(2)
            .map_or(2, |spec| mesh_proc::shim::main(spec.as_ref()));
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    let args = match cli::Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // clap knows where its text belongs: help goes to stdout, errors go to stderr.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit_code::USAGE
            } else {
                exit_code::OK
            });
        }
    };
    let mut shell = Shell::new(args.command.json());
    let code = match log::begin().and_then(|()| commands::run(args, &mut shell)) {
        Ok(code) => code,
        Err(error) => {
            shell.error(&error);
            error.kind.exit_code()
        }
    };
    ExitCode::from(code)
}
