//! The tracker: whether there is one, and whether its program will do. A repository without one can still run a plan file.

use std::path::{Path, PathBuf};

use mesh_bd::BdError;
use mesh_proc::env::Env;

use super::{Findings, TrackerFacts};
use crate::error::{CommandError, Kind};
use crate::tools::SearchedPrograms;

/// Looks for the tracker of the repository at `root`; the opened one.
pub(super) fn look(
    root: &Path,
    searched: &SearchedPrograms,
    ours: &Env,
    allow_untested: bool,
    findings: &mut Findings,
) -> Option<Box<dyn mesh_bd::Tracker>> {
    let named = std::env::var_os("BEADS_DIR").map(PathBuf::from);
    let named = named.filter(|dir| dir.is_absolute());
    // Without its own folder a missing or refused bd stops nobody.
    let is_expected = named.is_some() || root.join(".beads").exists();
    let Ok(program) = &searched.bd else {
        missing(is_expected, findings);
        return None;
    };
    let mut setup = mesh_bd::Setup::new(program, root, ours.clone());
    setup.allow_untested = allow_untested;
    setup.beads_dir = named;
    match mesh_bd::open(&setup) {
        Ok(tracker) => {
            let about = tracker.about();
            findings.tracker = Some(TrackerFacts {
                found: true,
                path: Some(about.beads_dir.clone()),
                dialect: Some(about.dialect.to_string()),
                version: Some(about.version.clone()),
                supported: Some(true),
                reason: None,
            });
            if searched.bd_ro.is_err() {
                findings.error(
                    CommandError::new(
                        Kind::ToolMissing,
                        "mesh-bd-ro was not found beside mesh, and agents get no other way to the tracker",
                    )
                    .hint("install all programs of mesh into one folder, or name it in MESH_BD_RO"),
                );
            }
            Some(tracker)
        }
        Err(error) => {
            refused(error, is_expected, findings);
            None
        }
    }
}

fn missing(is_expected: bool, findings: &mut Findings) {
    findings.tracker = Some(TrackerFacts {
        found: false,
        path: None,
        dialect: None,
        version: None,
        supported: None,
        reason: Some("bd was not found".to_owned()),
    });
    let hint = "install beads 0.47, or 1.0.5 or newer, or name it in MESH_BD";
    if is_expected {
        findings.error(
            CommandError::new(
                Kind::ToolMissing,
                "there is a tracker here, and bd was not found",
            )
            .hint(hint),
        );
    } else {
        findings.note("bd was not found: only plan files (.jsonl) can be run");
    }
}

fn refused(error: BdError, is_expected: bool, findings: &mut Findings) {
    let (supported, version) = match &error {
        BdError::Unsupported(refusal) => (Some(false), Some(refusal.version.clone())),
        BdError::NoDatabase { .. } => (Some(true), None),
        _ => (None, None),
    };
    let no_tracker = matches!(error, BdError::NoDatabase { .. });
    findings.tracker = Some(TrackerFacts {
        found: false,
        path: None,
        dialect: None,
        version,
        supported,
        reason: Some(error.to_string()),
    });
    if is_expected {
        findings.error(error.into());
    } else if no_tracker {
        findings.note("there is no tracker here: only plan files (.jsonl) can be run");
    } else {
        findings.note(format!("{error}; only plan files (.jsonl) can be run"));
    }
}
