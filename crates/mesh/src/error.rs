//! What went wrong, for a person: what happened, why, what to do next. The kind alone decides the exit code.

use mesh_bd::BdError;
use mesh_engine::EngineError;
use mesh_journal::JournalError;
use mesh_journal::locks::LockError;
use mesh_vcs::VcsError;

use crate::exit_code;

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal,
    Usage,
    PlanInvalid,
    ConfigInvalid,
    ToolMissing,
    Held,
    Environment,
}

impl Kind {
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Internal => exit_code::INTERNAL,
            Kind::Usage => exit_code::USAGE,
            Kind::PlanInvalid => exit_code::PLAN_INVALID,
            Kind::ConfigInvalid => exit_code::CONFIG_INVALID,
            Kind::ToolMissing => exit_code::TOOL_MISSING,
            Kind::Held => exit_code::HELD,
            Kind::Environment => exit_code::ENVIRONMENT,
        }
    }
}

/// An error of a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub kind: Kind,
    pub message: String,
    pub hints: Vec<String>,
}

impl CommandError {
    pub fn new(kind: Kind, message: impl Into<String>) -> CommandError {
        CommandError {
            kind,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    pub fn usage(message: impl Into<String>) -> CommandError {
        CommandError::new(Kind::Usage, message)
    }

    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> CommandError {
        self.hints.push(text.into());
        self
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> CommandError {
        CommandError::new(Kind::Environment, error.to_string())
    }
}

impl From<JournalError> for CommandError {
    fn from(error: JournalError) -> CommandError {
        match error {
            JournalError::Lock(error) => error.into(),
            error => CommandError::new(Kind::Environment, error.to_string()),
        }
    }
}

impl From<LockError> for CommandError {
    fn from(error: LockError) -> CommandError {
        let kind = match &error {
            LockError::Held { .. } => Kind::Held,
            LockError::Unsupported { .. } | LockError::Unavailable { .. } => Kind::Environment,
        };
        CommandError::new(kind, error.to_string())
    }
}

impl From<VcsError> for CommandError {
    fn from(error: VcsError) -> CommandError {
        let kind = match &error {
            VcsError::TooOld { .. } | VcsError::ToolMissing { .. } => Kind::ToolMissing,
            VcsError::NoRepository { .. }
            | VcsError::Bare { .. }
            | VcsError::NoCommits { .. }
            | VcsError::HeadNotImported { .. }
            | VcsError::UnknownRevision { .. }
            | VcsError::Ambiguous { .. }
            | VcsError::BadTarget { .. } => Kind::Usage,
            _ => Kind::Environment,
        };
        CommandError::new(kind, error.to_string())
    }
}

impl From<BdError> for CommandError {
    fn from(error: BdError) -> CommandError {
        let kind = match &error {
            BdError::Unsupported(_) | BdError::CouldNotStart { .. } => Kind::ToolMissing,
            BdError::NotFound { .. } | BdError::NoDatabase { .. } => Kind::PlanInvalid,
            _ => Kind::Environment,
        };
        CommandError::new(kind, error.to_string())
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> CommandError {
        match error {
            EngineError::Journal(error) => error.into(),
            EngineError::Vcs(error) => error.into(),
            EngineError::Tracker(error) => error.into(),
            EngineError::Lock(error) => error.into(),
            EngineError::Unfinished { .. } => CommandError::new(Kind::Held, error.to_string()),
            EngineError::Profile(_) | EngineError::Groups { .. } => {
                CommandError::new(Kind::ConfigInvalid, error.to_string())
            }
            EngineError::Program(_)
            | EngineError::NoWrapper { .. }
            | EngineError::NoTracker { .. } => {
                CommandError::new(Kind::ToolMissing, error.to_string())
            }
            EngineError::Source { .. } => CommandError::new(Kind::PlanInvalid, error.to_string()),
            EngineError::Replay(_)
            | EngineError::Results(_)
            | EngineError::LostRecords { .. }
            | EngineError::Folder { .. }
            | EngineError::System { .. }
            | EngineError::Sandbox { .. }
            | EngineError::Header { .. } => CommandError::new(Kind::Environment, error.to_string()),
        }
    }
}
