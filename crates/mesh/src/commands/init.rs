//! `mesh init`: a commented configuration for this repository.

use std::path::Path;

use mesh_journal::layout::MeshDir;

use crate::commands::run_lookup;
use crate::config;
use crate::error::CommandError;
use crate::exit_code;
use crate::ui::shell::Shell;

/// Write a commented configuration for this repository.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Replace a configuration that is there; the old one is kept beside it.
    #[arg(long)]
    pub force: bool,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let mesh_dir = run_lookup::find_mesh_dir(folder)?;
    let path = mesh_dir.config();
    let is_there = fs_err::symlink_metadata(&path).is_ok();
    if is_there && !args.force {
        return Err(
            CommandError::usage(format!("{} is there already", path.display()))
                .hint("edit it, or pass --force to write a new one"),
        );
    }
    let root = mesh_dir.path().parent().unwrap_or(folder);
    let proofs = proofs_of(root);
    let caches = caches_of(root);
    mesh_dir.create()?;
    if is_there {
        let kept = path.with_extension("toml.old");
        fs_err::rename(&path, &kept)?;
        shell.line(format!("kept the old one as {}", kept.display()));
    }
    write(&mesh_dir, &text(&proofs, &caches))?;
    shell.line(format!("wrote {}", path.display()));
    match proofs.first() {
        Some(proof) => shell.line(format!(
            "tasks that name no proof are proved by `{}`, because there is {}; change `verify` if that is wrong",
            proof.command, proof.because
        )),
        None => shell.line(
            "no test command was recognised: set `verify` there, or name a proof in each task",
        ),
    }
    if !caches.is_empty() {
        shell.line(format!(
            "in the sandbox agents, setup and proofs may write to {}; change `sandbox.write` if they need more or less",
            caches.join(", ")
        ));
    }
    shell.line("next: write [agents.NAME] there, look with `mesh doctor`, then `mesh plan SOURCE --concurrency N`");
    Ok(exit_code::OK)
}

/// Never seen half, never over another's.
fn write(mesh_dir: &MeshDir, text: &str) -> Result<(), CommandError> {
    let mut draft = tempfile::NamedTempFile::new_in(mesh_dir.path())?;
    std::io::Write::write_all(&mut draft, text.as_bytes())?;
    // A temporary file is for its owner alone; a configuration is for whoever may read the repository.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs_err::set_permissions(draft.path(), readable)?;
    draft
        .persist_noclobber(mesh_dir.config())
        .map_err(|error| error.error)?;
    Ok(())
}

/// A command that could prove tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Proof {
    command: &'static str,
    because: &'static str,
}

/// What the files at the root of a repository say about its tests, the most telling first.
fn proofs_of(root: &Path) -> Vec<Proof> {
    let has = |name: &str| root.join(name).is_file();
    let mut proofs = Vec::new();
    let mut add = |command, because| proofs.push(Proof { command, because });
    if has("Cargo.toml") {
        add("cargo test", "a Cargo.toml");
    }
    if has_npm_test(root) {
        let command = if has("pnpm-lock.yaml") {
            "pnpm test"
        } else if has("yarn.lock") {
            "yarn test"
        } else {
            "npm test"
        };
        add(command, "a package.json with a test script");
    }
    if has("go.mod") {
        add("go test ./...", "a go.mod");
    }
    if [
        "pytest.ini",
        "conftest.py",
        "pyproject.toml",
        "tox.ini",
        "setup.py",
    ]
    .iter()
    .any(|name| has(name))
    {
        add("python3 -m pytest", "a Python project");
    }
    for name in ["GNUmakefile", "Makefile", "makefile"] {
        if has_target(&root.join(name), "test") {
            add("make test", "a makefile with a target `test`");
            break;
        }
        if has_target(&root.join(name), "check") {
            add("make check", "a makefile with a target `check`");
            break;
        }
    }
    for name in ["justfile", "Justfile", ".justfile"] {
        if has_target(&root.join(name), "test") {
            add("just test", "a justfile with a recipe `test`");
            break;
        }
    }
    if has("gradlew") {
        add("./gradlew test", "a gradlew");
    }
    if has("pom.xml") {
        add("mvn -q test", "a pom.xml");
    }
    if has("mix.exs") {
        add("mix test", "a mix.exs");
    }
    proofs
}

/// Where the tools of the repository keep what they download and build, and fail when they cannot.
fn caches_of(root: &Path) -> Vec<&'static str> {
    const CACHES: [(&[&str], &[&str]); 8] = [
        (&["Cargo.toml"], &["~/.cargo/registry", "~/.cargo/git"]),
        (&["package.json"], &["~/.npm"]),
        (
            &["pnpm-lock.yaml"],
            &["~/.local/share/pnpm", "~/.cache/pnpm"],
        ),
        (&["yarn.lock"], &["~/.yarn", "~/.cache/yarn"]),
        (&["go.mod"], &["~/go/pkg", "~/.cache/go-build"]),
        (
            &["pyproject.toml", "requirements.txt", "setup.py"],
            &["~/.cache/pip", "~/.cache/uv"],
        ),
        (
            &["gradlew", "build.gradle", "build.gradle.kts"],
            &["~/.gradle"],
        ),
        (&["pom.xml"], &["~/.m2"]),
    ];
    let is_here =
        |(files, _): &&(&[&str], &[&str])| files.iter().any(|name| root.join(name).is_file());
    let here = CACHES.iter().filter(is_here);
    here.flat_map(|(_, folders)| folders.iter().copied())
        .collect()
}

fn has_npm_test(root: &Path) -> bool {
    let read = fs_err::read(root.join("package.json")).ok();
    let value = read.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let test = value.and_then(|value| {
        value
            .get("scripts")?
            .get("test")?
            .as_str()
            .map(str::to_owned)
    });
    // `npm init` writes a script that only fails.
    test.is_some_and(|test| !test.contains("no test specified"))
}

/// Whether a line of the file begins a rule for `target`.
fn has_target(file: &Path, target: &str) -> bool {
    let Ok(text) = fs_err::read_to_string(file) else {
        return false;
    };
    text.lines().any(|line| {
        line.strip_prefix(target)
            .map(str::trim_start)
            .is_some_and(|rest| rest.starts_with(':') && !rest.starts_with(":="))
    })
}

/// The documented defaults, each key commented out, with the proof and the caches that were recognised. Tables stay, so that a key whose comment
/// sign is taken away lies in its own.
fn text(proofs: &[Proof], caches: &[&str]) -> String {
    let mut text = String::new();
    for line in config::DEFAULTS.lines() {
        let is_setting = !(line.is_empty() || line.starts_with('#') || line.starts_with('['));
        match (line.starts_with("#verify"), proofs.split_first()) {
            (true, Some((first, others))) => {
                text.push_str(&format!("verify = \"{}\"\n", first.command));
                for other in others {
                    text.push_str(&format!("#verify = \"{}\"\n", other.command));
                }
            }
            _ if line == "write = []" && !caches.is_empty() => {
                text.push_str(&format!("write = {caches:?}\n"));
            }
            _ if is_setting => text.push_str(&format!("#{line}\n")),
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    text.replacen(
        "# Configuration of mesh, with its defaults.",
        "# Configuration of mesh for this repository. What is commented out shows the default.",
        1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proofs(files: &[(&str, &str)]) -> Vec<&'static str> {
        let temp = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs_err::write(temp.path().join(name), text).unwrap();
        }
        let found = proofs_of(temp.path());
        found.into_iter().map(|proof| proof.command).collect()
    }

    #[test]
    fn a_proof_is_proposed_from_what_the_repository_is() {
        assert_eq!(proofs(&[("Cargo.toml", "")]), ["cargo test"]);
        assert_eq!(proofs(&[("go.mod", "")]), ["go test ./..."]);
        assert_eq!(proofs(&[("pyproject.toml", "")]), ["python3 -m pytest"]);
        let npm = r#"{"scripts":{"test":"jest"}}"#;
        assert_eq!(proofs(&[("package.json", npm)]), ["npm test"]);
        assert_eq!(
            proofs(&[("package.json", npm), ("yarn.lock", "")]),
            ["yarn test"]
        );
        let none = r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#;
        for text in [none, "{}", "not json", ""] {
            assert!(proofs(&[("package.json", text)]).is_empty(), "{text}");
        }
        assert_eq!(
            proofs(&[("Makefile", "all:\n\ntest: all\n\t./t\n")]),
            ["make test"]
        );
        assert_eq!(proofs(&[("Makefile", "check :\n")]), ["make check"]);
        assert!(proofs(&[("Makefile", "test := x\ntests:\n")]).is_empty());
        let both = proofs(&[("Cargo.toml", ""), ("Makefile", "test:\n")]);
        assert_eq!(both, ["cargo test", "make test"]);
        assert!(proofs(&[]).is_empty());
    }

    #[test]
    fn caches_are_those_of_the_tools_of_the_repository() {
        let temp = tempfile::tempdir().unwrap();
        assert!(caches_of(temp.path()).is_empty());
        for name in ["Cargo.toml", "package.json"] {
            fs_err::write(temp.path().join(name), "").unwrap();
        }
        let wanted = ["~/.cargo/registry", "~/.cargo/git", "~/.npm"];
        assert_eq!(caches_of(temp.path()), wanted);
    }

    fn loaded(text: &str) -> config::SourceSnapshot {
        let temp = tempfile::tempdir().unwrap();
        let mesh_dir = MeshDir::of(temp.path());
        mesh_dir.create().unwrap();
        write(&mesh_dir, text).unwrap();
        config::load(Some(temp.path()), &|_| None).unwrap()
    }

    #[test]
    fn what_is_written_sets_nothing_but_proof_and_caches() {
        let defaults = config::load(None, &|_| None).unwrap().config;
        assert_eq!(loaded(&text(&[], &[])).config, defaults);
        let proof = |command| Proof {
            command,
            because: "",
        };
        let with_proof = loaded(&text(
            &[proof("cargo test"), proof("make test")],
            &["~/.npm"],
        ));
        assert_eq!(with_proof.config.verify.as_deref(), Some("cargo test"));
        assert_eq!(with_proof.config.sandbox.write, ["~/.npm"]);
        assert_eq!(
            config::Config {
                verify: None,
                sandbox: defaults.sandbox.clone(),
                ..with_proof.config
            },
            defaults
        );
    }

    #[test]
    fn every_key_can_be_uncommented_where_it_stands() {
        let is_setting = |line: &str| {
            line.strip_prefix('#')
                .is_some_and(|rest| !rest.starts_with(' ') && !rest.is_empty())
        };
        let all: Vec<String> = text(&[], &[])
            .lines()
            .map(|line| {
                if is_setting(line) {
                    line[1..].to_owned()
                } else {
                    line.to_owned()
                }
            })
            .collect();
        let config = loaded(&all.join("\n")).config;
        assert_eq!(config.concurrency, Some(4));
        assert_eq!(config.locks.groups.len(), 6);
        assert_eq!(config.agent.as_deref(), Some("mine"));
        assert!(config.agents.contains_key("mine"));
    }

    #[test]
    fn a_configuration_that_is_there_stays() {
        let temp = tempfile::tempdir().unwrap();
        fs_err::create_dir(temp.path().join(".git")).unwrap();
        let mut shell = Shell::new(true);
        let plain = Args { force: false };
        run(&plain, temp.path(), &mut shell).unwrap();
        let path = MeshDir::of(temp.path()).config();
        fs_err::write(&path, "retries = 2\n").unwrap();
        let error = run(&plain, temp.path(), &mut shell).unwrap_err();
        assert!(error.message.contains("there already"), "{error:?}");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "retries = 2\n");
        run(&Args { force: true }, temp.path(), &mut shell).unwrap();
        assert_ne!(fs_err::read_to_string(&path).unwrap(), "retries = 2\n");
        let kept = fs_err::read_to_string(path.with_extension("toml.old")).unwrap();
        assert_eq!(kept, "retries = 2\n");
    }
}
