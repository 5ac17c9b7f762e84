//! What a shim is told: one file, written before it starts.

use crate::env::Env;
use crate::os_string_serde;
use crate::sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The version of [`ShimSpec`], [`super::ShimRecord`] and [`super::ExitReport`] that this program writes.
pub(super) const SCHEMA: u32 = 1;

/// Everything a shim needs. All paths are absolute: the shim runs in the root folder, so that it keeps no workspace busy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShimSpec {
    /// Version of this format; [`ShimSpec::new`] sets it.
    pub schema: u32,
    /// An absolute path, or a name that is looked up on the `PATH` of `env`.
    #[serde(with = "os_string_serde::path")]
    pub program: PathBuf,
    /// Arguments without the program.
    #[serde(with = "os_string_serde::list")]
    pub args: Vec<OsString>,
    /// The child's working directory.
    #[serde(with = "os_string_serde::path")]
    pub cwd: PathBuf,
    /// The child's complete environment; the shim adds the two markers and nothing else.
    pub env: Env,
    /// What the child reads; nothing when absent.
    #[serde(with = "os_string_serde::optional_path", default)]
    pub stdin: Option<PathBuf>,
    /// Appended to; created when absent.
    #[serde(with = "os_string_serde::path")]
    pub stdout: PathBuf,
    /// Appended to; created when absent. May be the same file as `stdout`.
    #[serde(with = "os_string_serde::path")]
    pub stderr: PathBuf,
    /// Most bytes that both streams together may grow by.
    pub log_limit_bytes: u64,
    /// Most milliseconds from the child's start to its end; no limit when absent.
    pub hard_limit_ms: Option<u64>,
    /// Milliseconds between SIGTERM and SIGKILL when the child is stopped or reaches its hard limit.
    pub grace_ms: u64,
    /// Where the shim says who it is ([`super::ShimRecord`]).
    #[serde(with = "os_string_serde::path")]
    pub record: PathBuf,
    /// Where it says how everything ended ([`super::ExitReport`]).
    #[serde(with = "os_string_serde::path")]
    pub report: PathBuf,
    /// The shim's own messages; nowhere when absent.
    #[serde(with = "os_string_serde::optional_path", default)]
    pub shim_log: Option<PathBuf>,
    /// The child's `MESH_RUN`.
    pub run: String,
    /// The child's `MESH_ATTEMPT`.
    pub attempt: String,
    /// What the child is put into; with it the child may also write to `stdout` and `stderr` by their names. A child that cannot
    /// be put into it is not started.
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}

impl ShimSpec {
    /// A spec whose files lie in `folder` under their usual names (`stdout`, `stderr`, `shim.json`, `exit.json`, `shim.log`), with
    /// 64 MiB of output, no hard limit and ten seconds of grace. `folder` must be absolute.
    pub fn new(folder: &Path, program: impl Into<PathBuf>, cwd: impl Into<PathBuf>) -> Self {
        Self {
            schema: SCHEMA,
            program: program.into(),
            args: Vec::new(),
            cwd: cwd.into(),
            env: Env::empty(),
            stdin: None,
            stdout: folder.join("stdout"),
            stderr: folder.join("stderr"),
            log_limit_bytes: 64 << 20,
            hard_limit_ms: None,
            grace_ms: 10_000,
            record: folder.join("shim.json"),
            report: folder.join("exit.json"),
            shim_log: Some(folder.join("shim.log")),
            run: String::new(),
            attempt: String::new(),
            sandbox: None,
        }
    }

    /// The first path that is not absolute. The program may also be a bare name.
    pub(super) fn relative_path(&self) -> Option<&Path> {
        let always = [
            &self.cwd,
            &self.stdout,
            &self.stderr,
            &self.record,
            &self.report,
        ];
        let sometimes = [self.stdin.as_ref(), self.shim_log.as_ref()];
        let paths = always
            .into_iter()
            .chain(sometimes.into_iter().flatten())
            .map(PathBuf::as_path);
        paths.into_iter().find(|path| !path.is_absolute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_comes_back_from_json_with_odd_bytes_and_all() {
        use std::os::unix::ffi::OsStringExt;
        let mut spec = ShimSpec::new(
            Path::new("/run/1"),
            "/bin/sh",
            OsString::from_vec(b"/w/\xff".to_vec()),
        );
        spec.args = vec!["-c".into(), OsString::from_vec(vec![0xfe])];
        spec.env = Env::empty().set("A", "b");
        spec.stdin = Some("/run/1/prompt.md".into());
        spec.hard_limit_ms = Some(5);
        let json = serde_json::to_vec(&spec).unwrap();
        assert_eq!(serde_json::from_slice::<ShimSpec>(&json).unwrap(), spec);
    }

    #[test]
    fn a_relative_path_is_noticed() {
        let mut spec = ShimSpec::new(Path::new("/run/1"), "sh", "/w");
        assert_eq!(spec.relative_path(), None);
        spec.stdin = Some("prompt.md".into());
        assert_eq!(spec.relative_path(), Some(Path::new("prompt.md")));
    }
}
