//! `mesh-jj`: what an agent finds as `jj`.
//!
//! The operation log of jj is shared by all workspaces of a repository, so a few commands reach beyond the workspace that they
//! are typed in: `jj undo` takes back the newest operation, whoever made it. And any command reaches beyond it that is led to another
//! workspace, by `-R` or by the folder that it is typed in. Those are refused with exit code 77 and one line that says what to do
//! instead; with everything else the real `jj` takes this program's place, and gets the arguments, the environment and the
//! standard streams as they came.
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

use command::Call;
use mesh_real::Wanted;
use table::Rule;

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
    if let Some(call) = command::judge(&args, &mut |name| alias::definition(&program, name))
        && let Some(rule) = refused_by(call, var(MESH_WORKSPACE))
    {
        complain(&rule.line());
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

/// What refuses the call where it is made, if anything does. The folders that it names say where that is; without any it is the one
/// that it stands in. A call about another repository than that of the attempt passes, as in the tests of a program that works with
/// jj.
fn refused_by(call: Call, workspace: Option<OsString>) -> Option<&'static Rule> {
    let own = workspace.and_then(|folder| Place::of(Path::new(&folder)));
    let mut named = call.repositories;
    if named.is_empty() {
        named.push(PathBuf::from("."));
    }
    let places: Vec<Option<Place>> = named.iter().map(|folder| Place::of(folder)).collect();
    let is_elsewhere = own.as_ref().is_some_and(|own| {
        let other = |place: &Place| place.store != own.store;
        places.iter().all(|place| place.as_ref().is_some_and(other))
    });
    let is_others = own.as_ref().is_some_and(|own| {
        let mut known = places.iter().flatten();
        known.any(|place| place.store == own.store && place.dot_jj != own.dot_jj)
    });
    match call.rule {
        Some(rule) if !is_elsewhere => Some(rule),
        _ => (call.works && is_others).then_some(&table::OTHER_WORKSPACE),
    }
}

/// A workspace, and the store that it shares with the others of its repository.
struct Place {
    dot_jj: PathBuf,
    /// `.jj/repo`, or what it names when it is a file.
    store: PathBuf,
}

impl Place {
    /// The workspace that `folder` lies in.
    fn of(folder: &Path) -> Option<Place> {
        let folder = fs::canonicalize(folder).ok()?;
        let dot_jj = folder.ancestors().map(|above| above.join(".jj"));
        let dot_jj = dot_jj.into_iter().find(|dot_jj| dot_jj.is_dir())?;
        let dot_jj = fs::canonicalize(dot_jj).ok()?;
        let repo = dot_jj.join("repo");
        let store = if repo.is_dir() {
            fs::canonicalize(repo).ok()?
        } else {
            let link = fs::read(repo).ok()?;
            let link = <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(link.trim_ascii_end());
            fs::canonicalize(dot_jj.join(link)).ok()?
        };
        Some(Place { dot_jj, store })
    }
}

/// One line on stderr; whether anybody reads it changes nothing.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "mesh-jj: {line}");
}
