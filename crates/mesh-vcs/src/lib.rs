//! Version control: workspaces for attempts, what an attempt changed, and putting a result onto a target; with jj or with git.
//!
//! [`Backend`] is the only door, and [`Repository`] what can be asked of it. `jj` and `git` are each one file for the program's
//! manners (options, least version, how to ask) with a folder of what is done with it; their parsers are pure functions over bytes.
//!
//! What must never be here: a decision about a task; a rewrite of a commit that a living workspace stands on; `undo` or
//! `op restore` (they undo the work of others); a command in the user's own working copy that changes it.

pub mod error;
pub mod model;
pub mod name;

mod agent_env;
mod ancestry;
mod backend;
mod call;
mod claim;
mod content;
mod folder;
mod git;
mod jj;
mod kept;
mod shared;
mod submodule;

pub use backend::{Backend, Repository, RepositorySetup};
pub use call::CallLimits;
pub use error::VcsError;
pub use folder::{remove as remove_folder, without_dots};
pub use kept::{Fate, KeptResult};
pub use model::{
    AgentAccess, Candidate, ChangeKind, Changed, CommitId, FoundIn, Integration, Kind, Landing,
    Listed, NewWorkspace, Place, Publication, Snapshot, Tools, Unrecorded, Version, Workspace,
};
pub use shared::{SharedState, Traced};
