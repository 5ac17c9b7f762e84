//! The loop that joins the core with the outside: facts in, decisions recorded, actions carried out by the adapters.
//!
//! What must never be here: a decision about a task (that is the core's), a parser of an outside program's output (that is its
//! adapter's), output for people (that is the program's).

mod actions;
mod clock;
mod context;
mod control;
mod engine;
mod error;
mod executor;
mod inbox;
mod notes;
mod open;
mod parts;
mod prior_results;
mod recover;
mod run_summary;
mod sandbox;
mod setup;
mod source;
mod submodules;
mod workers;

pub use actions::compound::{CompoundTask, METADATA_FILE, ROLES_FOLDER, Retried};
pub use actions::folder::{remove_tmp, saved, saved_of};
pub use actions::learnings::{file as learnings_file, read as read_learnings};
pub use actions::leftovers::save_changes;
pub use actions::manifest::Manifest;
pub use clock::{Clock, unix_ms};
pub use context::Details;
pub use engine::Engine;
pub use error::EngineError;
pub use executor::{Executor, Found, Report};
pub use inbox::{Input, Inputs};
pub use notes::Notes;
pub use open::{
    Locks, NewRun, OpenTracker, Resumed, World, begin, check_attempts, end, land, locked_things,
    read_setup, refuse_beside_unfinished, resume, unfinished,
};
pub use parts::{Finished, Log, Observer, Parts, ResumeMode};
pub use prior_results::{apply_results, source_key};
pub use recover::Recovered;
pub use run_summary::{all_done, task_buckets, wave_status};
pub use sandbox::{SandboxFound, SandboxSetup};
pub use setup::{
    AgentSetup, AuditLevel, BaseConflict, BdSetup, ClosePolicy, FileSetup, KeepWorkspaces,
    LearningsSetup, Programs, ProofWhere, RunSetup, SourceSetup, StrategySetup, TrackerLimits,
    TrackerView,
};
pub use source::bd::ACTOR;
pub use source::bd::audit as audit_keys;
pub use source::bd::bookkeeping::swarm_differences;
pub use source::bd::claimant::{
    actor_of, claim_metadata, claimant_of, is_claimed_by_mesh, is_ours, run_of_claim,
};
pub use source::file::record_known_results;
pub use source::{AttemptReport, ClaimRefusal, FinalReport, Source, VerifiedTask, WaveReport};
pub use submodules::{empty_submodules_note, submodules};
pub use workers::Workers;
