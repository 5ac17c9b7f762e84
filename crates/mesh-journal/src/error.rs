//! What can go wrong with a journal.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::locks::LockError;
use crate::reader::Damage;
use crate::wire::WireError;

/// A journal that cannot be written or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another coordinator has it, or it cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A record could not be made durable. Nothing that it would have allowed has been done, so the run stops cleanly here.
    #[error(
        "cannot write the journal {}: {source}; nothing was done that it does not hold, the run stopped cleanly; \
         make room or give access, then `mesh resume`", path.display()
    )]
    Disk {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody removed the run's folder while the run lived.
    #[error(
        "{} was removed while the run lived, by an agent or a person; its agents were ended, what was recorded is held by refs/mesh/{run}/, \
         and `mesh workspaces` lists what they left", folder.display()
    )]
    Removed {
        /// The run's folder.
        folder: PathBuf,
        /// The run.
        run: String,
    },
    /// An append failed before; there may be half a line at the end, which opening the journal again cuts.
    #[error("the journal {} takes no more records after a failed write; `mesh resume` goes on", path.display())]
    Broken {
        /// The journal.
        path: PathBuf,
    },
    /// There is a journal already; it is never overwritten.
    #[error("the journal {} exists already", path.display())]
    Exists {
        /// The journal.
        path: PathBuf,
    },
    /// The journal cannot be read.
    #[error(
        "cannot read the journal {}: {source}; put it back, or `mesh stop` ends what lives of the run, and a new one goes on from what is verified",
        path.display()
    )]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The first line is not there, or is cut: the run died before it began, and did nothing.
    #[error("the journal {} has no header: the run ended before it began, or somebody emptied it; `mesh stop` ends what lives of it, then start a new one", path.display())]
    NoHeader {
        /// The journal.
        path: PathBuf,
    },
    /// A later mesh wrote it.
    #[error(
        "the journal {} has format {found}, this mesh reads up to {known}; use the mesh that wrote it, or a newer one",
        path.display()
    )]
    TooNew {
        /// The journal.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is read here.
        known: u32,
    },
    /// The first line is no header.
    #[error("line 1 of {} is damaged: {problem}; `mesh stop` ends what lives of the run, then start a new one", path.display())]
    BadHeader {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        problem: WireError,
    },
    /// Records may be missing.
    #[error(
        "{damage}; going on could do again what is done: `mesh stop` ends what lives of the run and closes it with the records \
         before that, then a new `mesh run` goes on from what is verified"
    )]
    Lossy {
        /// Where.
        damage: Box<Damage>,
    },
    /// Somebody cut the journal while the run went on.
    #[error(
        "somebody cut the journal {} to {found} of {expected} bytes; the run stops here, its agents go on: \
         `mesh stop` ends them, then a new `mesh run` goes on from what is verified", path.display()
    )]
    Cut {
        /// The journal.
        path: PathBuf,
        /// How many bytes it has.
        found: u64,
        /// How many were written.
        expected: u64,
    },
}
