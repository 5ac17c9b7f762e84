//! `mesh workspaces`: which workspaces there are, whose they are, and why they are still there.

pub(crate) mod inventory;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mesh_journal::RunId;
use serde::Serialize;

pub(crate) use inventory::{Found, Held, Owner, Removability, inventory};

use crate::error::CommandError;
use crate::exit_code;
use crate::scope;
use crate::ui::shell::Shell;

/// List the workspaces that were kept.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Count what each takes on disk.
    #[arg(long)]
    pub size: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    root: &'a Path,
    workspaces: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    kind: &'static str,
    path: Option<&'a Path>,
    run: Option<&'a str>,
    task: Option<&'a str>,
    attempt: Option<u32>,
    state: &'static str,
    reason: &'a str,
    commit: Option<&'a str>,
    bytes: Option<u64>,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (vcs, ..) = scope::open_repository(folder)?;
    let found = inventory(&vcs, &Held::default())?;
    let bytes = |found: &Found| {
        let path = found.listed.path.as_ref().filter(|_| args.size)?;
        Some(bytes_in(path))
    };
    if args.json {
        shell.object(&Answer {
            schema: 1,
            root: vcs.workspaces_root(),
            workspaces: found
                .iter()
                .map(|found| found.entry(bytes(found)))
                .collect(),
        })?;
        return Ok(exit_code::OK);
    }
    if found.is_empty() {
        shell.line(format!(
            "no workspace of mesh is left in {}",
            vcs.workspaces_root().display()
        ));
    }
    for found in &found {
        let size = bytes(found).map_or_else(String::new, |bytes| format!(", {}", shown(bytes)));
        shell.line(format!("{found}{size}"));
    }
    Ok(exit_code::OK)
}

impl Found {
    fn entry(&self, bytes: Option<u64>) -> Entry<'_> {
        let attempt = self.owner.attempt();
        Entry {
            name: &self.listed.name,
            kind: self.owner.kind(),
            path: self.listed.path.as_deref(),
            run: self.owner.run().map(RunId::as_str),
            task: attempt.map(|attempt| attempt.task.as_str()),
            attempt: attempt.map(|attempt| attempt.number),
            state: match self.removability {
                Removability::InUse => "live",
                Removability::PendingWork => "pending",
                Removability::Kept => "kept",
                Removability::Unused => "unused",
                Removability::Unknown => "unknown",
            },
            reason: &self.reason,
            commit: self.listed.commit.as_ref().map(mesh_vcs::CommitId::as_str),
            bytes,
        }
    }
}

/// What a folder takes on disk. What cannot be looked at counts as nothing; links are not followed.
fn bytes_in(top: &Path) -> u64 {
    let mut sum = 0_u64;
    let mut todo: Vec<PathBuf> = vec![top.to_path_buf()];
    while let Some(folder) = todo.pop() {
        let entries = fs_err::read_dir(folder).into_iter().flatten();
        for entry in entries.flatten() {
            // Of the entry itself, not of what a link leads to.
            let Ok(meta) = entry.metadata() else { continue };
            sum = sum.saturating_add(meta.blocks().saturating_mul(512));
            if meta.is_dir() {
                todo.push(entry.path());
            }
        }
    }
    sum
}

fn shown(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{} KiB", bytes / KIB),
        _ => format!("{} MiB", bytes / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_what_is_below_and_follow_no_links() {
        let temp = tempfile::tempdir().unwrap();
        fs_err::create_dir(temp.path().join("a")).unwrap();
        fs_err::write(temp.path().join("a/f"), vec![1_u8; 100_000]).unwrap();
        fs_err::os::unix::fs::symlink("/", temp.path().join("a/root")).unwrap();
        let bytes = bytes_in(temp.path());
        assert!((1..10_000_000).contains(&bytes), "{bytes}");
        assert_eq!(bytes_in(&temp.path().join("absent")), 0);
    }
}
