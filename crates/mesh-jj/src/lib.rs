//! `mesh-jj`: what an agent finds as `jj`.
//!
//! The operation log of jj is shared by all workspaces of a repository, so a few commands reach beyond the workspace that they
//! are typed in: `jj undo` takes back the newest operation, whoever made it. Those commands are refused with exit code 77 and one
//! line that says what to do instead; with everything else the real `jj` takes this program's place, and gets the arguments,
//! the environment and the standard streams as they came.
//!
//! It must never change an argument, stand between `jj` and its terminal, signals or exit code, or refuse what it does not
//! know. It uses the standard library alone.
//!
//! It is a rail for honest agents. An agent that starts the real `jj` by its path walks around it; mesh then loses no work either,
//! because it records what is on disk and holds verified commits by refs of their own.

pub mod alias;
pub mod command;
#[cfg(test)]
mod docs;
pub mod table;

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use mesh_real::Wanted;

pub use mesh_real::{EXIT_CANNOT_RUN, EXIT_NOT_FOUND, EXIT_REFUSED};

/// Absolute path of the real `jj`; without it the first one on `PATH` that is not this program.
pub const MESH_JJ: &str = "MESH_JJ";
/// The attempt's workspace. Only what is done to its repository is judged.
pub const MESH_WORKSPACE: &str = "MESH_WORKSPACE";
/// How many of these programs have started one another.
pub const MESH_JJ_DEPTH: &str = "MESH_JJ_DEPTH";

/// A script in the place of the real `jj` that itself calls `jj` would go round for ever. `jj util exec` and `jj run` may well
/// call `jj` again, but not this often.
const DEEPEST: u32 = 16;

/// A group-writable `jj` is nothing special: with the usual umask of some systems all that a person installs is.
const JJ: Wanted = Wanted {
    name: "jj",
    variable: MESH_JJ,
    alone_writable: false,
};

/// The whole program: `args` are the process's arguments without its name. Returns the exit code; on success it does not
/// return, since `jj` has taken this process's place.
pub fn main_impl(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let var = |name: &str| std::env::var_os(name);
    let program = match mesh_real::real(&JJ, var(MESH_JJ), var("PATH")) {
        Ok(program) => program,
        Err(trouble) => {
            complain(&trouble);
            return EXIT_NOT_FOUND;
        }
    };
    if let Some(refused) = command::judge(&args, &mut |name| alias::definition(&program, name))
        && !is_elsewhere(&refused.repositories, var(MESH_WORKSPACE))
    {
        complain(&refused.rule.line());
        return EXIT_REFUSED;
    }
    let Err((exit_code, trouble)) = become_jj(&program, &args);
    complain(&trouble);
    exit_code
}

/// Replaces this process by the real `jj`; comes back only with an exit code, and one line that says why it could not.
fn become_jj(program: &Path, args: &[OsString]) -> Result<Infallible, (u8, String)> {
    let depth = std::env::var(MESH_JJ_DEPTH).ok();
    let depth = depth
        .and_then(|depth| depth.parse::<u32>().ok())
        .unwrap_or(0);
    if depth >= DEEPEST {
        let why = format!("{program:?} leads back to this program; set {MESH_JJ} to the real jj");
        return Err((EXIT_CANNOT_RUN, why));
    }
    let mut jj = Command::new(program);
    jj.args(args).env(MESH_JJ_DEPTH, (depth + 1).to_string());
    let error = jj.exec();
    let exit_code = match error.kind() {
        io::ErrorKind::NotFound => EXIT_NOT_FOUND,
        _ => EXIT_CANNOT_RUN,
    };
    Err((exit_code, format!("cannot run {program:?}: {error}")))
}

/// Whether the call is about another repository than that of the attempt, as in the tests of a program that works with jj.
/// `named` are the folders that it names; without any it is about the one that it stands in.
fn is_elsewhere(named: &[PathBuf], workspace: Option<OsString>) -> bool {
    let own = workspace.and_then(|folder| store(Path::new(&folder)));
    let named = match named {
        [] => &[PathBuf::from(".")],
        named => named,
    };
    own.is_some()
        && named.iter().all(|folder| {
            let other = store(folder);
            other.is_some() && other != own
        })
}

/// The store of the workspace that `folder` lies in: `.jj/repo` is it, or a file that names it.
fn store(folder: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).ok()?;
    let dot_jj = folder.ancestors().map(|above| above.join(".jj"));
    let dot_jj = dot_jj.into_iter().find(|dot_jj| dot_jj.is_dir())?;
    let repo = dot_jj.join("repo");
    if repo.is_dir() {
        return fs::canonicalize(repo).ok();
    }
    let link = fs::read(repo).ok()?;
    let link = <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(link.trim_ascii_end());
    fs::canonicalize(dot_jj.join(link)).ok()
}

/// One line on stderr; whether anybody reads it changes nothing.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "mesh-jj: {line}");
}
