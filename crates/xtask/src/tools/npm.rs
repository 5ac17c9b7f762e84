//! Agent programs, from the packages that their makers publish for npm. Each package brings the program itself as a package of its own
//! for the platform; that is what is linked, so that neither Node nor the package's start script stands between.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Tool;
use crate::{Outcome, process};

/// Longest an installation may take: 400 MB each.
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Installs the package of `tool` into `folder`, with `bin/NAME` in it.
///
/// # Errors
/// When npm is missing (the message says what to install), the installation fails, or there is no program for this platform.
pub fn install(tool: &Tool, package: &str, folder: &Path) -> Outcome<()> {
    let mut command = Command::new("npm");
    command
        .current_dir(folder)
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--save-exact", "--prefix", "."])
        .arg(format!("{package}@{}", tool.version));
    process::stream(&mut command, INSTALL_LIMIT).map_err(|error| {
        format!("{error}; npm comes with Node (Debian, Ubuntu: `apt-get install nodejs npm`)")
    })?;
    let program = program(tool.name, package, folder)?;
    let link = folder.join("bin").join(tool.name);
    fs_err::os::unix::fs::symlink(Path::new("..").join(program), link)?;
    Ok(())
}

/// The program, relative to `folder`.
fn program(name: &str, package: &str, folder: &Path) -> Outcome<PathBuf> {
    let maker = package.split('/').next().unwrap_or(package);
    let packages = Path::new("node_modules").join(maker);
    for entry in fs_err::read_dir(folder.join(&packages))? {
        let entry = entry?.file_name();
        if !entry.to_string_lossy().contains("-linux-") {
            continue;
        }
        let package = packages.join(entry);
        let mut candidates = vec![package.join(name)];
        if let Ok(targets) = fs_err::read_dir(folder.join(&package).join("vendor")) {
            let bin = |target: PathBuf| package.join("vendor").join(target).join("bin").join(name);
            candidates.extend(
                targets
                    .flatten()
                    .map(|target| bin(target.file_name().into())),
            );
        }
        if let Some(found) = candidates
            .into_iter()
            .find(|path| folder.join(path).is_file())
        {
            return Ok(found);
        }
    }
    Err(format!("{package} has no program for this platform").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_the_platform_is_found_in_either_layout() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "node_modules/@one/agent/agent",
            "node_modules/@one/agent-linux-x64/agent",
            "node_modules/@two/agent-linux-x64/vendor/x86_64/bin/agent",
        ] {
            let path = folder.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        let found = |package| program("agent", package, folder.path()).unwrap();
        assert_eq!(
            found("@one/agent"),
            Path::new("node_modules/@one/agent-linux-x64/agent")
        );
        assert_eq!(
            found("@two/agent"),
            Path::new("node_modules/@two/agent-linux-x64/vendor/x86_64/bin/agent")
        );
        assert!(program("other", "@one/agent", folder.path()).is_err());
    }
}
