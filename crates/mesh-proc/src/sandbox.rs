//! The sandbox around a child: what it, and all that comes from it, may write and signal, enforced by the kernel (Landlock).
//!
//! Reading, executing and the network stay open. Landlock restricts a thread and what it starts from then on, so the child is
//! started from a thread of its own that ends at once: whoever supervises the child stays outside, may signal into the sandbox and
//! can look at what is inside, which the inside cannot do the other way round.
//!
//! What Landlock does not cover (its ABI 7): permissions, owners, times and extended attributes of files that are not writable,
//! Unix sockets that have a path, locks. What must never be here: a child that runs outside of the sandbox that was asked for.

use crate::os_string_serde;
use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What every child may write to beside its own: they hold nothing of anybody. Devices for which programs need rights of their own
/// (graphics cards, virtual machines) are for the configuration to name.
const DEVICES: [&str; 9] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
];

/// The first version of the kernel's interface with which no file outside can be changed: before it, one could be cut to nothing.
const ENOUGH: ABI = ABI::V3;

/// Where a child may write. Whatever is below a folder belongs to it; a link means what it leads to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sandbox {
    /// Files and folders, absolute. One that is not there is passed over, and named in [`Enforced::missing`].
    #[serde(with = "os_string_serde::paths")]
    pub write: Vec<PathBuf>,
}

/// A kind of thing that is kept from what is in a sandbox.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// Files and folders outside are not written, made, removed or renamed.
    Writes,
    /// Processes outside get no signals.
    Signals,
    /// No connection to an abstract Unix socket that was made outside.
    AbstractSockets,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protection::Writes => "writes",
            Protection::Signals => "signals",
            Protection::AbstractSockets => "abstract sockets",
        })
    }
}

/// What the kernel enforces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Enforced {
    /// The version of Landlock's interface.
    pub abi: u32,
    /// What is kept from the inside.
    pub protections: Vec<Protection>,
    /// Paths that were to be writable and are not there.
    #[serde(
        with = "os_string_serde::paths",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub missing: Vec<PathBuf>,
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.protections.iter().map(ToString::to_string).collect();
        write!(f, "{} (Landlock ABI {})", words.join(", "), self.abi)
    }
}

/// Why there can be no sandbox.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// The kernel has no Landlock, or a container's filter refuses its calls.
    #[error("this kernel has no Landlock (Linux 6.2 or newer, built and started with it)")]
    Missing,
    /// It is there and switched off.
    #[error(
        "Landlock is switched off in this kernel (it is not in the `lsm=` list that it was started with)"
    )]
    SwitchedOff,
    /// It is too old: a file outside could be cut to nothing.
    #[error("this kernel's Landlock is too old (ABI {found}; Linux 6.2 has ABI {})", ENOUGH as u32)]
    TooOld {
        /// The version of its interface.
        found: u32,
    },
    /// It is there and cannot be used, for instance in too many sandboxes within one another.
    #[error("the kernel refuses a sandbox: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
}

impl From<RulesetError> for Unavailable {
    fn from(error: RulesetError) -> Self {
        let reason = error.to_string();
        Unavailable::Refused { reason }
    }
}

/// Whether children can be put into a sandbox here, found out by putting a thread that does nothing into one.
///
/// # Errors
/// [`Unavailable`].
pub fn probe() -> Result<Enforced, Unavailable> {
    within(&Sandbox::default(), || ()).map(|(enforced, ())| enforced)
}

/// Does `work` on a thread inside `sandbox`: what it starts is inside as well, and everybody else is not.
///
/// # Errors
/// [`Unavailable`]; then nothing was done.
pub(crate) fn within<T: Send>(
    sandbox: &Sandbox,
    work: impl FnOnce() -> T + Send,
) -> Result<(Enforced, T), Unavailable> {
    let refused = |error: io::Error| Unavailable::Refused {
        reason: error.to_string(),
    };
    std::thread::scope(|scope| {
        let inside = || restrict(sandbox).map(|enforced| (enforced, work()));
        let thread = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn_scoped(scope, inside)
            .map_err(refused)?;
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(refused(io::Error::other("its thread panicked"))))
    })
}

/// Restricts the calling thread for good.
fn restrict(sandbox: &Sandbox) -> Result<Enforced, Unavailable> {
    // Not `IoctlDev`: it is a matter of devices, whose files are not writable.
    let handled = AccessFs::from_write(ABI::V3);
    // A device that is made in a writable folder would be a way around: root may make one.
    let allowed = handled & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?
        .scope(Scope::Signal | Scope::AbstractUnixSocket)?
        .create()?;
    let mut missing = Vec::new();
    for path in &sandbox.write {
        match rule(path, allowed) {
            Some(rule) => rules = rules.add_rule(rule)?,
            None => missing.push(path.clone()),
        }
    }
    for device in DEVICES {
        if let Some(rule) = rule(Path::new(device), allowed) {
            rules = rules.add_rule(rule)?;
        }
    }
    let status = rules.restrict_self()?;
    let abi = abi_of(&status)?;
    let mut protections = vec![Protection::Writes];
    if abi >= ABI::V6 {
        protections.extend([Protection::Signals, Protection::AbstractSockets]);
    }
    Ok(Enforced {
        abi: abi as u32,
        protections,
        missing,
    })
}

/// That `path` and what is below it may be written; nothing when it is not there.
fn rule(path: &Path, allowed: BitFlags<AccessFs>) -> Option<PathBeneath<PathFd>> {
    let is_folder = fs_err::metadata(path).ok()?.is_dir();
    let of_files = AccessFs::WriteFile | AccessFs::Truncate;
    let allowed = if is_folder { allowed } else { of_files };
    Some(PathBeneath::new(PathFd::new(path).ok()?, allowed))
}

fn abi_of(status: &RestrictionStatus) -> Result<ABI, Unavailable> {
    let abi = match status.landlock {
        LandlockStatus::NotEnabled => return Err(Unavailable::SwitchedOff),
        LandlockStatus::NotImplemented => return Err(Unavailable::Missing),
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
    };
    if abi < ENOUGH {
        return Err(Unavailable::TooOld { found: abi as u32 });
    }
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(abi),
        RulesetStatus::NotEnforced => Err(Unavailable::Missing),
    }
}
