//! Why a run cannot begin or go on. Every message says what happened and, where a person can do something, what.

use mesh_agent::profile::ProfileError;
use mesh_bd::BdError;
use mesh_journal::locks::LockError;
use mesh_journal::results::ResultsError;
use mesh_journal::{JournalError, ReplayError};
use mesh_proc::find::FindError;
use mesh_vcs::VcsError;
use thiserror::Error;

/// Why a run cannot begin or go on.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its records contradict one another.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Version control.
    #[error(transparent)]
    Vcs(#[from] VcsError),
    /// The tracker.
    #[error(transparent)]
    Tracker(#[from] BdError),
    /// Another coordinator, or something that cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The record of results.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The agent's profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The agent's program.
    #[error(transparent)]
    Program(#[from] FindError),
    /// A run of this repository has not ended.
    #[error(
        "run {run} of this repository has not ended; `mesh resume` goes on with it, `mesh stop` ends it"
    )]
    Unfinished {
        /// The run.
        run: String,
    },
    /// The journal does not know of what was begun.
    #[error(
        "the journal of run {run} knows nothing of {attempts}, so records are missing from it; going on could do again what is done: \
         `mesh stop` ends what lives of it, then a new `mesh run` goes on from what is verified"
    )]
    LostRecords {
        /// The run.
        run: String,
        /// Attempts that have a folder.
        attempts: String,
    },
    /// A file or folder.
    #[error("{source}")]
    Folder {
        /// What the system said, with the file named.
        source: std::io::Error,
    },
    /// Threads, pipes, watches.
    #[error("the system refused what a coordinator needs: {source}")]
    System {
        /// What the system said.
        source: std::io::Error,
    },
    /// The lock groups of the configuration.
    #[error("the lock groups cannot be used: {problems}")]
    Groups {
        /// All of them.
        problems: String,
    },
    /// A header that this version does not understand.
    #[error(
        "run {run} was begun by a mesh whose journal this one does not understand ({problem}); use that one"
    )]
    Header {
        /// The run.
        run: String,
        /// What is wrong.
        problem: String,
    },
    /// The source cannot be read.
    #[error("the source cannot be read: {problem}")]
    Source {
        /// What is wrong.
        problem: String,
    },
    /// No tracker was opened.
    #[error("the tracker of {epic} is not open; is bd installed?")]
    NoTracker {
        /// The epic.
        epic: String,
    },
    /// There is no sandbox, and the run must have one.
    #[error(
        "there is no sandbox, and the run is not to go on without one (sandbox.mode = \"require\"): {why}"
    )]
    Sandbox {
        /// Why there is none.
        why: mesh_proc::sandbox::Unavailable,
    },
    /// What agents would find as `bd` or `jj` is missing.
    #[error(
        "{name} is not beside mesh; install all programs of mesh into one folder, or name it in {variable}"
    )]
    NoWrapper {
        /// The wrapper's name.
        name: &'static str,
        /// The variable that may name it.
        variable: &'static str,
    },
}

impl EngineError {
    /// What agents would find as `bd` is missing.
    pub const NO_BD_RO: EngineError = EngineError::NoWrapper {
        name: "mesh-bd-ro",
        variable: "MESH_BD_RO",
    };
    /// What agents would find as `jj` is missing.
    pub const NO_JJ_RAIL: EngineError = EngineError::NoWrapper {
        name: "mesh-jj",
        variable: "MESH_JJ_RAIL",
    };

    pub(crate) fn folder(source: std::io::Error) -> EngineError {
        EngineError::Folder { source }
    }

    pub(crate) fn system(source: std::io::Error) -> EngineError {
        EngineError::System { source }
    }
}
