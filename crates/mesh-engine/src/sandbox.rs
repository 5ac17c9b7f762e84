//! The sandbox of a run: whether there is one, and what everybody in it may write.
//!
//! It is looked for once, before anything starts: from then on a process that cannot be put into it is not started.

use std::fmt;
use std::path::PathBuf;

use mesh_agent::profile::SandboxMode;
use mesh_proc::sandbox::{self, Enforced, Unavailable};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;

/// `[sandbox]`, as a run was begun with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SandboxSetup {
    /// Whether there is one.
    pub mode: SandboxMode,
    /// What may be written beside what is an attempt's own; absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<PathBuf>,
}

/// What came of it.
#[derive(Debug)]
pub enum SandboxFound {
    /// Nobody wants one.
    Off,
    /// This machine can.
    Ready(Enforced),
    /// This machine cannot, and it need not.
    Unavailable(Unavailable),
}

impl SandboxSetup {
    /// Looks whether this machine can.
    ///
    /// # Errors
    /// It cannot, and it has to.
    pub fn find(&self) -> Result<SandboxFound, EngineError> {
        if self.mode == SandboxMode::Off {
            return Ok(SandboxFound::Off);
        }
        match (sandbox::probe(), self.mode) {
            (Ok(enforced), _) => Ok(SandboxFound::Ready(enforced)),
            (Err(why), SandboxMode::Require) => Err(EngineError::Sandbox { why }),
            (Err(why), _) => Ok(SandboxFound::Unavailable(why)),
        }
    }
}

impl fmt::Display for SandboxFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const OPEN: &str = "agents, setup and proofs can write wherever you can";
        match self {
            SandboxFound::Ready(enforced) => write!(f, "sandbox: {enforced}"),
            SandboxFound::Off => write!(f, "sandbox: off; {OPEN}"),
            SandboxFound::Unavailable(why) => write!(f, "no sandbox: {why}; {OPEN}"),
        }
    }
}

impl SandboxFound {
    /// Whether processes are put into one.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, SandboxFound::Ready(_))
    }

    /// What a person should know of it before agents start; nothing when all is as it should be.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            SandboxFound::Ready(_) | SandboxFound::Off => None,
            SandboxFound::Unavailable(_) => Some(self.to_string()),
        }
    }
}
