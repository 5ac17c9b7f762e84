//! `mesh-bd-ro`: the one way in which an agent reads the tracker.
//!
//! The caller's words are parsed into a [`parse::Request`] by an exact table, a new argument list is built from that request,
//! and the real `bd` takes this program's place with `--readonly --sandbox` in front. What the table does not name is refused
//! with exit code 77 and one line on stderr, and nothing is started.
//!
//! It must never pass a word of the caller on as it came, start a child, touch `bd`'s output or exit code, wait without a
//! bound, or fail a read because its own log cannot be written. It uses the standard library alone, so that what stands
//! between an agent and the tracker can be read in one sitting.
//!
//! It is a rail for honest agents and a filter for confused ones. An agent that can start the real `bd`, or write to the
//! tracker's files, walks around it: the wall is the sandbox that the agent runs in.

pub mod canonical;
#[cfg(test)]
mod docs;
pub mod env;
pub mod help;
pub mod log;
pub mod parse;
pub mod refusal;
pub mod table;
pub mod view;
#[cfg(test)]
mod walk_test;

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use mesh_real::Wanted;
use parse::Parsed;

pub use mesh_real::{EXIT_CANNOT_RUN, EXIT_NOT_FOUND, EXIT_REFUSED};

const BD: Wanted = Wanted {
    name: "bd",
    variable: env::MESH_BD,
    alone_writable: true,
};

/// The whole program: `args` are the process's arguments without its name. Returns the exit code; on success it does not
/// return, since `bd` has taken this process's place.
pub fn main_impl(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let log = std::env::var_os(env::MESH_BD_RO_LOG).unwrap_or_default();
    let log = log::Log::open(Path::new(&log));
    match parse::parse(&args) {
        Err(refusal) => {
            let verdict = format!("refused:{}", refusal.rule);
            log.line(&verdict, &log::as_written(&args));
            complain(&refusal.line);
            EXIT_REFUSED
        }
        Ok(Parsed::OwnHelp) => {
            log.line("allowed", "--help");
            // A closed pipe is the reader's choice, not an error of ours.
            let _ = io::stdout().lock().write_all(help::text().as_bytes());
            0
        }
        Ok(Parsed::GitHook) => {
            log.line("skipped", &log::as_written(&args));
            0
        }
        Ok(Parsed::Request(request)) => {
            let argv = canonical::argv(&request);
            log.line("allowed", &log::quoted(&argv));
            let Err((exit_code, trouble)) = become_bd(&argv);
            log.line("failed", &trouble);
            complain(&trouble);
            exit_code
        }
    }
}

/// Replaces this process by the real `bd`; comes back only with an exit code, and one line that says why it could not.
fn become_bd(argv: &[String]) -> Result<Infallible, (u8, String)> {
    let (named, path) = (std::env::var_os(env::MESH_BD), std::env::var_os("PATH"));
    let program = mesh_real::real(&BD, named, path).map_err(|why| (EXIT_NOT_FOUND, why))?;
    // No read takes input. A view's lock travels as standard input: it is the one descriptor that an exec hands on without
    // unsafe code, and the lock then lasts exactly as long as `bd` does.
    let (mut view, mut stdin) = (None, Stdio::null());
    if let Some(root) = std::env::var_os(view::MESH_VIEW).filter(|root| !root.is_empty()) {
        let held = view::hold_newest(Path::new(&root)).map_err(|why| (EXIT_CANNOT_RUN, why))?;
        (view, stdin) = (Some(held.beads_dir), Stdio::from(held.lock));
    }
    let (vars, ignored) = env::rebuilt(std::env::vars_os(), view.as_deref(), Path::is_dir);
    if ignored {
        complain("note: BEADS_DIR is not an absolute, existing folder and is left out");
    }
    let mut bd = Command::new(&program);
    bd.args(&argv[1..]).env_clear().envs(vars).stdin(stdin);
    let error = bd.exec();
    let exit_code = match error.kind() {
        io::ErrorKind::NotFound => EXIT_NOT_FOUND,
        _ => EXIT_CANNOT_RUN,
    };
    Err((exit_code, format!("cannot run {program:?}: {error}")))
}

/// One line on stderr; whether anybody reads it changes nothing.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "mesh-bd-ro: {line}");
}
