//! The user's git store, watched: what was configured when the run began is what mesh's own calls go by.
//!
//! An agent shares the store. A filter or a merge driver that it plants in `.git/config`, with an attribute that names it, would
//! be run by `git add` and `git merge-tree` of mesh (measured). So the files are compared before each call, by their bytes; when
//! they differ, by their settings. A setting that cannot change what mesh does (because [`super::settings`] fixes it, or because
//! it is for other commands) is nobody's harm: people set up remotes and branches while a run is on. Anything else is refused.
//!
//! Hooks are not compared here: calls of mesh run none.

use super::{parse, settings};
use crate::call::{Guard, Program, Span, args};
use crate::error::VcsError;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Sections that no command of mesh reads, or that say nothing but who somebody is and where a remote lies.
const HARMLESS_SECTIONS: &[&str] = &[
    "advice",
    "alias",
    "author",
    "beads",
    "branch",
    "color",
    "column",
    "committer",
    "gc",
    "gui",
    "help",
    "init",
    "maintenance",
    "pull",
    "push",
    "rebase",
    "user",
];

/// Single settings of other sections; `*` stands for a subsection.
const HARMLESS: &[&str] = &[
    // Set by `sparse-checkout` and by newer versions of `worktree add`. What a worktree's own file holds is looked at by itself.
    "core.repositoryformatversion",
    "extensions.relativeworktrees",
    "extensions.worktreeconfig",
    // Written by git-lfs in passing.
    "lfs.*.access",
    "lfs.*.locksverify",
    "lfs.repositoryformatversion",
    "remote.*.fetch",
    "remote.*.gh-resolved",
    "remote.*.prune",
    "remote.*.push",
    "remote.*.pushurl",
    "remote.*.tagopt",
    "remote.*.url",
    // Written by `submodule update --init`, in whichever worktree.
    "submodule.*.active",
    "submodule.*.branch",
    "submodule.*.ignore",
    "submodule.*.url",
    "submodule.active",
];

/// Whether a setting, named as git lists it, cannot change what mesh's calls do.
pub(crate) fn is_harmless(name: &str) -> bool {
    let section = name.split('.').next().unwrap_or_default();
    let last = name.rsplit('.').next().unwrap_or_default();
    let general = match name.split('.').count() {
        0..=2 => name.to_owned(),
        _ => format!("{section}.*.{last}"),
    };
    HARMLESS_SECTIONS.contains(&section)
        || HARMLESS.contains(&general.as_str())
        || settings::FIXED
            .iter()
            .any(|(fixed, _, _)| fixed.eq_ignore_ascii_case(name))
}

/// What `git init` and `git submodule` write into every new repository.
const FRESH: &[&str] = &[
    "core.bare",
    "core.filemode",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.symlinks",
    "core.worktree",
    "extensions.objectformat",
];

/// Whether a setting of a repository that an agent made is one that every new repository has, or harmless.
pub(crate) fn is_ordinary(name: &str) -> bool {
    FRESH.contains(&name) || is_harmless(name)
}

/// Lists the settings of one file, without those of files that it includes.
pub(crate) fn list_file(file: &Path) -> Vec<OsString> {
    args!["config", "--file", file, "--null", "--list"]
}

pub(crate) type Settings = BTreeMap<String, Vec<String>>;

/// What was there, and is compared with.
#[derive(Debug, Default)]
struct Seen {
    bytes: BTreeMap<PathBuf, Option<Vec<u8>>>,
    settings: Settings,
}

/// Compares a store with what it was when this was made.
pub(crate) struct StoreGuard {
    /// git, called without this guard.
    git: Program,
    /// Files of settings: the store's, and the main worktree's own.
    config: [PathBuf; 2],
    /// Files whose every change counts.
    info: [PathBuf; 3],
    seen: Mutex<Seen>,
}

impl StoreGuard {
    /// Takes the store as it is now.
    pub fn new(git: &Program, store: &Path) -> Result<StoreGuard, VcsError> {
        let guard = StoreGuard {
            git: git.unguarded(),
            config: ["config", "config.worktree"].map(|name| store.join(name)),
            info: ["attributes", "exclude", "grafts"].map(|name| store.join("info").join(name)),
            seen: Mutex::new(Seen::default()),
        };
        let seen = guard.look()?;
        *guard.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(guard)
    }

    fn look(&self) -> Result<Seen, VcsError> {
        let mut seen = Seen::default();
        let mut files: BTreeSet<PathBuf> = self.config.iter().cloned().collect();
        for file in self.config.iter().filter(|file| file.is_file()) {
            let command = args![
                "config",
                "--file",
                file,
                "--includes",
                "--show-origin",
                "--null",
                "--list"
            ];
            let at = file.parent().unwrap_or(file);
            let answer = settings::ask(&self.git, at, command, Span::Short, &[], &[])?;
            if !answer.output.status.is_success() {
                return Err(changed(file, "git cannot read it".to_owned()));
            }
            for (origin, name, value) in answer.parse(parse::config_with_origin)? {
                files.insert(at.join(origin));
                seen.settings.entry(name).or_default().push(value);
            }
        }
        for file in files.iter().chain(&self.info) {
            seen.bytes.insert(file.clone(), bytes_of(file)?);
        }
        Ok(seen)
    }
}

impl StoreGuard {
    /// All settings of the repository as they are now, whether calls are made with them or not.
    pub fn settings_now(&self) -> Result<Settings, VcsError> {
        {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let mut same = true;
            for (file, before) in &seen.bytes {
                same &= self.info.contains(file) || bytes_of(file)? == *before;
            }
            if same {
                return Ok(seen.settings.clone());
            }
        }
        Ok(self.look()?.settings)
    }
}

impl Guard for StoreGuard {
    fn check(&self) -> Result<(), VcsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut differs = None;
        for (file, before) in &seen.bytes {
            if bytes_of(file)? != *before {
                if self.info.contains(file) {
                    return Err(changed(file, "it is not what it was".to_owned()));
                }
                differs = Some(file.clone());
            }
        }
        let Some(file) = differs else {
            return Ok(());
        };
        let now = self.look()?;
        let names: BTreeSet<&String> = seen.settings.keys().chain(now.settings.keys()).collect();
        let harmful: Vec<&str> = names
            .into_iter()
            .filter(|name| seen.settings.get(*name) != now.settings.get(*name))
            .map(String::as_str)
            .filter(|name| !is_harmless(name))
            .collect();
        if !harmful.is_empty() {
            return Err(changed(&file, format!("it sets {}", harmful.join(", "))));
        }
        *seen = now;
        Ok(())
    }
}

fn changed(file: &Path, what: String) -> VcsError {
    VcsError::StoreChanged {
        file: file.to_path_buf(),
        what,
    }
}

/// The content of a file; `None` when there is none.
pub(crate) fn bytes_of(file: &Path) -> Result<Option<Vec<u8>>, VcsError> {
    match fs_err::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_or_change_a_call_is_not_harmless() {
        for name in [
            "filter.x.clean",
            "merge.x.driver",
            "diff.x.textconv",
            "include.path",
            "includeif.gitdir:/.path",
            "core.worktree",
            "core.attributesfile",
            "core.excludesfile",
            "core.filemode",
            "core.sshcommand",
            "remote.origin.uploadpack",
            "remote.origin.promisor",
            "url.x.insteadof",
            "extensions.objectformat",
            "submodule.x.update",
            "gpg.program",
            "",
        ] {
            assert!(!is_harmless(name), "{name}");
        }
    }

    #[test]
    fn what_people_set_while_a_run_is_on_is_harmless() {
        for name in [
            "user.email",
            "branch.x.y.merge",
            "remote.a.b.url",
            "alias.st",
            "core.sparsecheckout",
            "core.hookspath",
            "submodule.lib.url",
            "lfs.https://x.example/y.access",
            "extensions.worktreeconfig",
        ] {
            assert!(is_harmless(name), "{name}");
        }
    }
}
