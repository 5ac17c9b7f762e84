//! Where the real `bd`, `jj` and agent programs lie, and what their absence means.
//!
//! `cargo xtask tools` builds `bd` and `jj` into the cache, `cargo xtask agents` installs the agents; a test asks for one by name and
//! version. Without it the test says so and ends, unless `MESH_REQUIRE_REAL=1` (`MESH_REQUIRE_AGENTS=1` for agents) makes the absence
//! a failure.

use std::path::{Path, PathBuf};

/// The `bd` versions that the suites run on.
pub const BD_VERSIONS: &[&str] = &["1.3.0", "1.0.5", "0.47.1"];
/// The `jj` version that the suites run on.
pub const JJ_VERSION: &str = "0.45.1";

/// The agent programs that the suites run, by name and version.
pub const AGENTS: &[(&str, &str)] = &[("claude", "2.1.332"), ("codex", "0.171.0")];

/// Folder of the tool cache: `MESH_TOOLS_DIR`, else `$XDG_CACHE_HOME/mesh/tools`, else `~/.cache/mesh/tools`.
pub fn cache_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("MESH_TOOLS_DIR") {
        return PathBuf::from(dir);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    cache.join("mesh").join("tools")
}

/// Path that the tool `name` at `version` has in the cache, whether it is there or not.
pub fn path_in_cache(name: &str, version: &str) -> PathBuf {
    cache_dir()
        .join(format!("{name}-{version}"))
        .join("bin")
        .join(name)
}

/// The real program, or `None` after saying on stderr that the test ran without it.
///
/// # Panics
/// When it is missing and `MESH_REQUIRE_REAL=1`.
pub fn real(name: &str, version: &str) -> Option<PathBuf> {
    found(name, version, "MESH_REQUIRE_REAL", "cargo xtask tools")
}

/// The real agent program of [`AGENTS`], or `None` after saying on stderr that the test ran without it.
///
/// # Panics
/// When it is missing and `MESH_REQUIRE_AGENTS=1`, and when there is none of that name.
pub fn agent(name: &str) -> Option<PathBuf> {
    let known = AGENTS.iter().find(|(known, _)| *known == name);
    let (_, version) = known.expect("an agent of the suites");
    found(name, version, "MESH_REQUIRE_AGENTS", "cargo xtask agents")
}

fn found(name: &str, version: &str, required: &str, command: &str) -> Option<PathBuf> {
    let path = path_in_cache(name, version);
    if path.is_file() {
        return Some(path);
    }
    assert!(
        std::env::var_os(required).is_none_or(|value| value != "1"),
        "{name} {version} is not at {}: run `{command}`",
        path.display()
    );
    eprintln!(
        "skipped on real {name} {version}: not at {} ({command} puts it there)",
        path.display()
    );
    None
}

/// Whether this kernel can put a process into a sandbox; without one it is said on stderr that the test ran without it.
///
/// # Panics
/// When it cannot and `MESH_REQUIRE_REAL=1`.
pub fn sandbox() -> bool {
    let Err(why) = mesh_proc::sandbox::probe() else {
        return true;
    };
    assert!(
        std::env::var_os("MESH_REQUIRE_REAL").is_none_or(|value| value != "1"),
        "there is no sandbox: {why}"
    );
    eprintln!("skipped without a sandbox: {why}");
    false
}
