//! git's configuration, watched: what was configured when the run began is what mesh's own calls go by.
//!
//! An agent shares the store, and the user's home. A filter or a merge driver that it plants in `.git/config` or `~/.gitconfig`,
//! with an attribute that names it, would be run by `git add` and `git merge-tree` of mesh (measured). So the files are compared
//! before each call, by their bytes; when they differ, by their settings. A setting that cannot change what mesh does (because
//! [`super::settings`] fixes it, or because it is for other commands) is nobody's harm: people set up remotes and branches while a
//! run is on. Anything else is refused.
//!
//! Files that are included are followed here, whatever the condition and whether they are there yet or not: git tells only of
//! those that are in force. A place that git finds by `~NAME/` or `%(prefix)/` is not followed.
//!
//! Hooks are not compared here: calls of mesh run none.

use super::{parse, settings};
use crate::agent_env;
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
    "difftool",
    "fetch",
    "gc",
    "gui",
    "help",
    "init",
    "interactive",
    "maintenance",
    "mergetool",
    "pager",
    "pull",
    "push",
    "rebase",
    "rerere",
    "sendemail",
    "user",
];

/// Single settings of other sections; `*` stands for a subsection.
const HARMLESS: &[&str] = &[
    // Each call says that there is no editor and no pager.
    "core.editor",
    "core.pager",
    "diff.tool",
    "gpg.format",
    "merge.tool",
    "sequence.editor",
    // Lets git work in a folder of another owner; agents in containers add to it.
    "safe.directory",
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
    args![
        "config",
        "--file",
        file,
        "--no-includes",
        "--null",
        "--list"
    ]
}

pub(crate) type Settings = BTreeMap<String, Vec<String>>;

/// A file's content, if it is there.
type Bytes = Option<Vec<u8>>;

/// What was there, and is compared with.
#[derive(Debug, Default)]
struct Seen {
    config: BTreeMap<PathBuf, (Bytes, Settings)>,
    /// Files whose every change counts.
    lists: BTreeMap<PathBuf, Bytes>,
}

impl Seen {
    fn settings(&self) -> Settings {
        let mut all = Settings::new();
        for (name, values) in self.config.values().flat_map(|(_, settings)| settings) {
            all.entry(name.clone()).or_default().extend(values.clone());
        }
        all
    }

    fn is_config_same(&self) -> Result<bool, VcsError> {
        for (file, (before, _)) in &self.config {
            if bytes_of(file)? != *before {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where git looks for what is configured for all repositories of a user and of a machine.
#[derive(Debug)]
struct General {
    home: Option<PathBuf>,
    config: Vec<PathBuf>,
    /// The folder of the lists that are in force when no setting names another file.
    lists: Option<PathBuf>,
}

impl General {
    fn of(git: &Program, at: &Path) -> Result<General, VcsError> {
        let named = |name: &str| git.env.get(name).map(PathBuf::from);
        let home = named("HOME");
        let lists = named("XDG_CONFIG_HOME")
            .filter(|folder| !folder.as_os_str().is_empty())
            .or_else(|| Some(home.as_ref()?.join(".config")))
            .map(|folder| folder.join("git"));
        let mut config = Vec::new();
        let without_system = git.env.get("GIT_CONFIG_NOSYSTEM").is_some_and(|value| {
            ["1", "true", "yes", "on"]
                .iter()
                .any(|yes| value.eq_ignore_ascii_case(yes))
        });
        if !without_system {
            let asked = match named("GIT_CONFIG_SYSTEM") {
                None => agent_env::system_file(git, at)?,
                named => named,
            };
            config.push(asked.unwrap_or_else(|| PathBuf::from("/etc/gitconfig")));
        }
        match named("GIT_CONFIG_GLOBAL") {
            Some(file) => config.push(file),
            None => {
                config.extend(lists.as_ref().map(|folder| folder.join("config")));
                config.extend(home.as_ref().map(|home| home.join(".gitconfig")));
            }
        }
        Ok(General {
            home,
            config,
            lists,
        })
    }

    /// A place as a setting of a file in `folder` names it.
    fn place(&self, named: &str, folder: &Path) -> Option<PathBuf> {
        match named.strip_prefix("~/") {
            Some(rest) => Some(self.home.as_ref()?.join(rest)),
            None => Some(folder.join(named)),
        }
    }

    /// The files with attributes and patterns for all repositories that are in force.
    fn lists(&self, settings: &Settings, at: &Path) -> Vec<PathBuf> {
        let mut files = vec![PathBuf::from("/etc/gitattributes")];
        for (setting, default) in [
            ("core.attributesfile", "attributes"),
            ("core.excludesfile", "ignore"),
        ] {
            match settings.get(setting) {
                Some(named) => {
                    files.extend(named.iter().filter_map(|named| self.place(named, at)));
                }
                None => files.extend(self.lists.as_ref().map(|folder| folder.join(default))),
            }
        }
        files
    }
}

/// Compares what is configured for a store, by itself and in general, with what it was when this was made.
pub(crate) struct StoreGuard {
    /// git, called without this guard.
    git: Program,
    store: PathBuf,
    general: General,
    seen: Mutex<Seen>,
}

impl StoreGuard {
    /// Takes all as it is now.
    pub fn new(git: &Program, store: &Path) -> Result<StoreGuard, VcsError> {
        let git = git.unguarded();
        let mut guard = StoreGuard {
            general: General::of(&git, store)?,
            git,
            store: store.to_path_buf(),
            seen: Mutex::default(),
        };
        let mut seen = guard.look()?;
        let info = ["attributes", "exclude", "grafts"].map(|name| store.join("info").join(name));
        let general = guard.general.lists(&seen.settings(), store);
        for file in info.into_iter().chain(general) {
            let bytes = bytes_of(&file)?;
            seen.lists.insert(file, bytes);
        }
        guard.seen = Mutex::new(seen);
        Ok(guard)
    }

    /// The files of settings, and all that they include.
    fn look(&self) -> Result<Seen, VcsError> {
        let mut seen = Seen::default();
        let mut files: Vec<PathBuf> = ["config", "config.worktree"]
            .map(|name| self.store.join(name))
            .into();
        files.extend(self.general.config.iter().cloned());
        while let Some(file) = files.pop() {
            if seen.config.contains_key(&file) {
                continue;
            }
            let bytes = bytes_of(&file)?;
            let settings = self.settings_in(&file, bytes.as_deref().unwrap_or_default())?;
            let folder = file.parent().unwrap_or(&self.store);
            for (name, values) in &settings {
                if name == "include.path" || is_condition(name) {
                    let named = values.iter();
                    files.extend(named.filter_map(|named| self.general.place(named, folder)));
                }
            }
            seen.config.insert(file, (bytes, settings));
        }
        Ok(seen)
    }

    /// git gets the bytes that are compared, not the file, which may be another one by then.
    fn settings_in(&self, file: &Path, bytes: &[u8]) -> Result<Settings, VcsError> {
        let mut settings = Settings::new();
        if bytes.is_empty() {
            return Ok(settings);
        }
        let command = list_file(Path::new("-"));
        let answer = settings::ask(&self.git, &self.store, command, Span::Short, &[], bytes)?;
        if !answer.output.status.is_success() {
            return Err(changed(file, "git cannot read it".to_owned()));
        }
        for (name, value) in answer.parse(parse::config)? {
            settings.entry(name).or_default().push(value);
        }
        Ok(settings)
    }

    /// All settings as they are now, whether calls are made with them or not.
    pub fn settings_now(&self) -> Result<Settings, VcsError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match seen.is_config_same()? {
            true => seen.settings(),
            false => self.look()?.settings(),
        })
    }
}

fn is_condition(name: &str) -> bool {
    name.starts_with("includeif.") && name.ends_with(".path")
}

impl Guard for StoreGuard {
    fn check(&self) -> Result<(), VcsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (file, before) in &seen.lists {
            if bytes_of(file)? != *before {
                return Err(changed(file, "it is not what it was".to_owned()));
            }
        }
        if seen.is_config_same()? {
            return Ok(());
        }
        let now = self.look()?;
        let files: BTreeSet<&PathBuf> = seen.config.keys().chain(now.config.keys()).collect();
        let none = (None, Settings::new());
        for file in files {
            let was = &seen.config.get(file).unwrap_or(&none).1;
            let is = &now.config.get(file).unwrap_or(&none).1;
            let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            let harmful: Vec<&str> = names
                .into_iter()
                .filter(|name| was.get(*name) != is.get(*name) && !is_harmless(name))
                .map(String::as_str)
                .collect();
            if !harmful.is_empty() {
                return Err(changed(file, format!("it sets {}", harmful.join(", "))));
            }
        }
        seen.config = now.config;
        Ok(())
    }
}

fn changed(file: &Path, what: String) -> VcsError {
    VcsError::StoreChanged {
        file: file.to_path_buf(),
        what,
    }
}

/// The content of a file; `None` when there is none that can be read. What is no file (a device, a pipe) is not waited for.
pub(crate) fn bytes_of(file: &Path) -> Result<Option<Vec<u8>>, VcsError> {
    use ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    let bytes = match fs_err::metadata(file) {
        Ok(meta) if !meta.is_file() => return Ok(None),
        Ok(_) => fs_err::read(file),
        Err(error) => Err(error),
    };
    match bytes {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => {
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
