//! Which Go compiles `bd`, given the one on PATH.
//!
//! The newest `bd` needs Go 1.26.5. A newer Go is used as it is. From 1.21 on, Go fetches another version of itself when told
//! which. An older one (Debian 12 ships 1.19) cannot, but it can download the same package as the module it is; measured with
//! 1.19.8. So any `go` is enough, and nothing is installed outside its module cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Outcome, process};

/// The least version that every supported `bd` compiles with (bd 1.3.0 asks for it).
const NEEDED: Version = (1, 26, 5);
/// What is fetched when the one on PATH is older: the version bd 1.3.0 was released with.
const FETCHED: &str = "1.26.7";
/// From this version on Go can fetch another version of itself.
const FETCHES_ITSELF: Version = (1, 21, 0);

type Version = (u32, u32, u32);

/// A way to call Go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Go {
    program: PathBuf,
    /// Value of `GOTOOLCHAIN`; set always, because a distribution's default may forbid fetching.
    toolchain: String,
}

impl Go {
    /// A `go` command in `folder`.
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(folder)
            .env("GOTOOLCHAIN", &self.toolchain)
            .env("GOWORK", "off")
            .env_remove("GOROOT");
        command
    }
}

/// Finds or fetches a Go that is new enough.
///
/// # Errors
/// When there is no Go at all, or the right one cannot be fetched.
pub fn find(scratch: &Path) -> Outcome<Go> {
    let mut ask = Command::new("go");
    // Without `GOTOOLCHAIN=local` the answer could be that of another version, named in the user's settings.
    ask.current_dir(scratch)
        .arg("version")
        .env("GOTOOLCHAIN", "local");
    let Ok(answer) = process::capture(&mut ask, Duration::from_secs(60)) else {
        return Err("building bd needs Go, and there is no `go` on PATH: install it (Debian, Ubuntu: `apt-get install golang-go`; any \
                    version, a newer one is fetched when needed)"
            .into());
    };
    let answer = answer.checked("go version")?;
    let Some(version) = parse_version(&answer) else {
        return Err(format!("cannot read the version of `go` from `{}`", answer.trim()).into());
    };
    if version >= NEEDED {
        return Ok(Go {
            program: "go".into(),
            toolchain: "local".to_owned(),
        });
    }
    if version >= FETCHES_ITSELF {
        return Ok(Go {
            program: "go".into(),
            toolchain: format!("go{FETCHED}"),
        });
    }
    fetch_as_module(scratch)
}

/// The version in an answer of `go version`; development versions have none.
fn parse_version(answer: &str) -> Option<Version> {
    let number = answer
        .split_whitespace()
        .find_map(|word| word.strip_prefix("go1."))?;
    // Distributions and release candidates add text: 1.19.8-deb, 1.26rc1, 1.26.1-X:name.
    let number = number
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()?;
    let mut parts = number.split('.').map(|part| part.parse().ok());
    let minor = parts.next()??;
    let patch = parts.next().flatten().unwrap_or(0);
    Some((1, minor, patch))
}

/// Downloads the Go distribution as the module it is published as, with an old `go`.
fn fetch_as_module(scratch: &Path) -> Outcome<Go> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => {
            return Err(
                format!("no Go can be fetched for {other}: install Go 1.26.5 or later").into(),
            );
        }
    };
    let module = format!("golang.org/toolchain@v0.0.1-go{FETCHED}.linux-{machine}");
    eprintln!("the `go` on PATH is too old: fetching {module}");
    let mut download = Command::new("go");
    download
        .current_dir(scratch)
        .args(["mod", "download", "-json", &module])
        .env_remove("GOROOT");
    let answer =
        process::capture(&mut download, Duration::from_secs(900))?.checked("go mod download")?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    let Some(root) = answer["Dir"].as_str().map(PathBuf::from) else {
        return Err(format!("go mod download did not say where {module} lies: {answer}").into());
    };
    // A module's files are never executable; Go itself does the same when it fetches another version.
    make_executable(&root.join("bin"))?;
    make_executable(&root.join("pkg").join("tool"))?;
    Ok(Go {
        program: root.join("bin").join("go"),
        toolchain: "local".to_owned(),
    })
}

fn make_executable(folder: &Path) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_executable(&entry.path())?;
        } else {
            fs_err::set_permissions(entry.path(), std::fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_whatever_a_distribution_adds() {
        for (answer, version) in [
            ("go version go1.26.8 linux/amd64", Some((1, 26, 8))),
            ("go version go1.19.8-deb linux/amd64", Some((1, 19, 8))),
            ("go version go1.26 linux/amd64", Some((1, 26, 0))),
            ("go version go1.27rc1 linux/amd64", Some((1, 27, 0))),
            ("go version go1.25.1-X:jsonv2 linux/arm64", Some((1, 25, 1))),
            ("go version devel +abc linux/amd64", None),
            ("", None),
        ] {
            assert_eq!(parse_version(answer), version, "{answer}");
        }
    }

    #[test]
    fn what_is_fetched_is_new_enough() {
        assert!(parse_version(&format!("go version go{FETCHED} linux/amd64")).unwrap() >= NEEDED);
    }

    #[test]
    fn programs_of_a_fetched_distribution_become_executable() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let tool = root.path().join("linux_amd64").join("compile");
        fs_err::create_dir_all(tool.parent().unwrap()).unwrap();
        fs_err::write(&tool, "").unwrap();
        fs_err::set_permissions(&tool, std::fs::Permissions::from_mode(0o444)).unwrap();
        make_executable(root.path()).unwrap();
        assert_eq!(
            fs_err::metadata(&tool).unwrap().permissions().mode() & 0o777,
            0o755
        );
    }
}
