//! Licences of the packages in the lock file: each must be usable under one that is in the list.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Finding;
use crate::{Outcome, process};

/// Permissive licences; one that asks for more is a decision, made by adding it here.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "BSL-1.0",
    "Unicode-3.0",
    "Unlicense",
];

/// Name with version, and the licence expression if there is one.
pub type Package = (String, Option<String>);

/// Asks cargo for all packages of the lock file.
///
/// # Errors
/// When cargo does not answer, or the lock file does not fit the manifests.
pub fn packages(root: &Path) -> Outcome<Vec<Package>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(root)
        .args(["metadata", "--locked", "--format-version", "1"]);
    let answer =
        process::capture(&mut command, Duration::from_secs(600))?.checked("cargo metadata")?;
    let metadata: serde_json::Value = serde_json::from_str(&answer)?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let named = packages.iter().map(|package| {
        let name = text(&package["name"]).unwrap_or_default();
        let version = text(&package["version"]).unwrap_or_default();
        (format!("{name} {version}"), text(&package["license"]))
    });
    Ok(named.collect())
}

/// The check.
pub fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (package, licence) in packages {
        let what = match licence {
            None => format!("{package} names no licence: do without it"),
            Some(licence) if is_allowed(licence) => continue,
            Some(licence) => format!(
                "{package} is under `{licence}`: do without it, or decide to allow that (xtask, tidy/licences.rs)"
            ),
        };
        findings.push(Finding::failure("Cargo.lock", 1, what));
    }
    findings
}

/// Whether some choice that the expression offers is in the list.
fn is_allowed(expression: &str) -> bool {
    // With the old form of `OR`, a slash.
    spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX)
        .is_ok_and(|choices| choices.evaluate(|one| ALLOWED.contains(&one.to_string().as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_passes_when_one_of_its_choices_does() {
        for good in [
            "MIT",
            "Apache-2.0/MIT",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "MIT AND (ISC OR GPL-3.0)",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "(MIT",
            "MIT MIT",
            "",
            "MIT OR",
            "Custom-1",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn a_package_without_a_usable_licence_is_named() {
        let packages = [
            ("a 1.0".to_owned(), Some("MIT".to_owned())),
            ("b 1.0".to_owned(), None),
            ("c 1.0".to_owned(), Some("GPL-3.0".to_owned())),
        ];
        let findings = check(&packages);
        assert_eq!(findings.len(), 2);
        assert!(
            findings[0].message.contains("b 1.0") && findings[1].message.contains("GPL-3.0"),
            "{findings:?}"
        );
    }
}
