//! jj's configuration of the repository and of the user's workspace, watched as the git store is.
//!
//! Since 0.38 it lies under the user's home, and a file in the repository names the folder. Nothing is asked of jj here: its
//! `config path` makes the folder where there is none.

use super::{Jj, settings};
use crate::call::Guard;
use crate::error::VcsError;
use crate::git::guard::{StoreGuard, bytes_of};
use mesh_proc::env::Env;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Tables that no command of mesh reads, or that are about how things look and who somebody is.
const HARMLESS_TABLES: &[&str] = &[
    "aliases",
    "colors",
    "diff",
    "fix",
    "gerrit",
    "git",
    "hints",
    "remotes",
    "revsets",
    "run",
    "split",
    "templates",
    "ui",
    "user",
];

fn is_harmless(name: &str) -> bool {
    let table = name.split('.').next().unwrap_or_default();
    // Which git jj runs.
    let runs = name == "git.executable-path";
    (HARMLESS_TABLES.contains(&table) && !runs) || settings::is_fixed(name)
}

/// A layer of configuration that is stored with a repository or a workspace.
#[derive(Debug)]
struct Layer {
    /// The file with the id of the folder under the user's home.
    id: PathBuf,
    /// What those folders lie in, unless the environment names no home.
    folders: Option<PathBuf>,
    /// Where versions before 0.38 have it.
    legacy: PathBuf,
}

impl Layer {
    fn files(&self) -> Vec<PathBuf> {
        let named = fs_err::read_to_string(&self.id).ok();
        let file = self.folders.as_ref().zip(named);
        let mut files = vec![self.id.clone(), self.legacy.clone()];
        files.extend(file.map(|(folders, id)| folders.join(id.trim()).join("config.toml")));
        files
    }
}

pub(super) type Settings = BTreeMap<String, String>;

#[derive(Debug, Default)]
struct Seen {
    bytes: BTreeMap<PathBuf, Option<Vec<u8>>>,
    settings: Settings,
}

/// Compares a repository's configuration with what it was when this was armed.
pub(super) struct JjGuard {
    layers: [Layer; 2],
    /// The same for the git repository below, where git is there to read it.
    git: Option<StoreGuard>,
    seen: Mutex<Seen>,
}

impl JjGuard {
    /// Takes the configuration as it is now.
    pub fn new(jj: &Jj) -> Result<JjGuard, VcsError> {
        let git = match (&jj.git, super::git_store::git_folder(jj)) {
            (Some(git), Some(folder)) => Some(StoreGuard::new(git, &folder)?),
            _ => None,
        };
        JjGuard::of(&jj.store, &jj.main_root, &jj.program.env, git)
    }

    fn of(
        repo: &Path,
        workspace: &Path,
        env: &Env,
        git: Option<StoreGuard>,
    ) -> Result<JjGuard, VcsError> {
        let home = env
            .get("XDG_CONFIG_HOME")
            .filter(|folder| Path::new(folder).is_absolute())
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(env.get("HOME")?).join(".config")));
        let folders = |kind: &str| home.as_ref().map(|home| home.join("jj").join(kind));
        let guard = JjGuard {
            layers: [
                Layer {
                    id: repo.join("config-id"),
                    folders: folders("repos"),
                    legacy: repo.join("config.toml"),
                },
                Layer {
                    id: workspace.join(".jj/workspace-config-id"),
                    folders: folders("workspaces"),
                    legacy: workspace.join(".jj/workspace-config.toml"),
                },
            ],
            git,
            seen: Mutex::new(Seen::default()),
        };
        let seen = guard.look()?;
        *guard.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(guard)
    }

    fn look(&self) -> Result<Seen, VcsError> {
        let mut seen = Seen::default();
        for layer in &self.layers {
            for file in layer.files() {
                let bytes = bytes_of(&file)?;
                // What is no table is complained of by jj itself, unless it became so while the run was on.
                if let Some(table) = bytes
                    .as_deref()
                    .filter(|_| file != layer.id)
                    .and_then(table)
                {
                    flatten(&table, "", &mut seen.settings);
                }
                seen.bytes.insert(file, bytes);
            }
        }
        Ok(seen)
    }
}

fn table(bytes: &[u8]) -> Option<toml::Table> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn flatten(table: &toml::Table, above: &str, settings: &mut Settings) {
    for (key, value) in table {
        let name = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        match value {
            toml::Value::Table(inner) => flatten(inner, &name, settings),
            value => {
                settings.insert(name, value.to_string());
            }
        }
    }
}

impl JjGuard {
    /// All settings of the repository as they are now, with what tells their values apart.
    pub fn settings_now(&self) -> Result<Settings, VcsError> {
        let mut settings = self.look()?.settings;
        if let Some(git) = &self.git {
            let of_git = git.settings_now()?.into_iter();
            settings
                .extend(of_git.map(|(name, values)| (format!("git {name}"), values.join("\0"))));
        }
        Ok(settings)
    }
}

impl Guard for JjGuard {
    fn check(&self) -> Result<(), VcsError> {
        if let Some(git) = &self.git {
            git.check()?;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut same = true;
        for (file, before) in &seen.bytes {
            same &= bytes_of(file)? == *before;
        }
        if same {
            return Ok(());
        }
        let now = self.look()?;
        // The file with the settings, rather than the one that says where it is.
        let is_settings = |file: &Path| file.extension().is_some_and(|kind| kind == "toml");
        let differing = |file: &&PathBuf| {
            seen.bytes.get(*file).cloned().flatten() != now.bytes.get(*file).cloned().flatten()
        };
        let files = || now.bytes.keys().chain(seen.bytes.keys()).filter(differing);
        let file = files()
            .find(|file| is_settings(file))
            .or_else(|| files().next())
            .cloned()
            .unwrap_or_default();
        let names: BTreeSet<&String> = seen.settings.keys().chain(now.settings.keys()).collect();
        let harmful: Vec<&str> = names
            .into_iter()
            .filter(|name| seen.settings.get(*name) != now.settings.get(*name))
            .map(String::as_str)
            .filter(|name| !is_harmless(name))
            .collect();
        let unreadable = now.bytes.iter().any(|(file, bytes)| {
            is_settings(file) && bytes.as_deref().is_some_and(|bytes| table(bytes).is_none())
        });
        let what = match (harmful.is_empty(), unreadable) {
            (true, false) => {
                *seen = now;
                return Ok(());
            }
            (true, true) => "jj cannot read it".to_owned(),
            (false, _) => format!("it sets {}", harmful.join(", ")),
        };
        Err(VcsError::StoreChanged { file, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// What is set in the repository's own configuration while a run is on, where this jj has it: refused or not.
    fn check(set: &str, refused: Option<&str>) {
        for (id, config) in [
            (None, "repo/config.toml"),
            (Some("0abc"), "home/.config/jj/repos/0abc/config.toml"),
        ] {
            let temp = tempfile::tempdir().unwrap();
            let root = temp.path();
            let config = root.join(config);
            write(&config, "ui.color = \"never\"\n");
            if let Some(id) = id {
                write(&root.join("repo/config-id"), id);
            }
            let env = Env::empty().set("HOME", root.join("home"));
            let guard = JjGuard::of(&root.join("repo"), &root.join("main"), &env, None).unwrap();
            guard.check().unwrap();
            write(&config, &format!("ui.color = \"never\"\n{set}\n"));
            for _ in 0..2 {
                match (guard.check(), refused) {
                    (Ok(()), None) => {}
                    (Err(VcsError::StoreChanged { file, what }), Some(named)) => {
                        assert!(file == config && what.contains(named), "{what}");
                    }
                    (found, _) => panic!("{set}: {found:?}"),
                }
            }
        }
    }

    #[test]
    fn what_could_change_a_call_is_refused_by_name() {
        check(
            "revset-aliases.\"bookmarks(x)\" = \"none()\"",
            Some("revset-aliases.bookmarks(x)"),
        );
        check(
            "git.executable-path = \"/tmp/x\"",
            Some("git.executable-path"),
        );
        check(
            "template-aliases.json = \"x\"",
            Some("template-aliases.json"),
        );
        check("[[--scope]]\n--when.commands = [\"log\"]", Some("--scope"));
        check("broken", Some("cannot read"));
    }

    #[test]
    fn what_people_set_is_not() {
        check("user.email = \"a@x\"", None);
        check("signing.behavior = \"own\"", None);
        check("snapshot.auto-track = \"none()\"", None);
        check("revset-aliases.\"immutable_heads()\" = \"all()\"", None);
        check("aliases.l = [\"log\"]", None);
    }

    #[test]
    fn a_configuration_that_appears_is_compared_with_none() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        let env = Env::empty().set("HOME", root.join("home"));
        let guard = JjGuard::of(&root.join("repo"), &root.join("main"), &env, None).unwrap();
        write(
            &root.join("home/.config/jj/repos/1/config.toml"),
            "fsmonitor.watchman.x = 1",
        );
        guard.check().unwrap();
        write(&root.join("repo/config-id"), "1");
        assert!(guard.check().is_err());
    }
}
