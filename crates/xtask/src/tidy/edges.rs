//! Which crate may use which of ours.
//!
//! A direction that is kept is the only architecture there is. The table is complete: a crate that is not in it fails, so a new
//! one gets its place by decision. In tests a crate may use the test support too, the ones without any package excepted.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::Finding;
use super::tree::Tree;
use crate::{Outcome, process};

/// What a crate may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// These, and no other of ours.
    Use(&'static [&'static str]),
    /// All: it is not shipped.
    UseAny,
}

/// One row: the crate, what it may use, and what its job is in a few words.
#[derive(Debug)]
pub struct Row {
    /// The crate.
    pub name: &'static str,
    /// Its limits.
    pub may: May,
    /// Its job.
    pub job: &'static str,
}

const fn row(name: &'static str, may: May, job: &'static str) -> Row {
    Row { name, may, job }
}

/// The table, from the bottom up.
pub const EDGES: &[Row] = &[
    row("mesh-core", May::Use(&[]), "decides, never acts"),
    row(
        "mesh-proc",
        May::Use(&[]),
        "starts and ends processes; knows nothing of tasks",
    ),
    row(
        "mesh-real",
        May::Use(&[]),
        "finds the real program behind a wrapper; std only",
    ),
    row(
        "mesh-bd-ro",
        May::Use(&["mesh-real"]),
        "the agents' only door to the tracker; std only",
    ),
    row(
        "mesh-jj",
        May::Use(&["mesh-real"]),
        "what agents find as jj; std only",
    ),
    row(
        "mesh-plan",
        May::Use(&["mesh-core"]),
        "bytes in, plan and diagnostics out; opens no file",
    ),
    row(
        "mesh-journal",
        May::Use(&["mesh-core"]),
        "what happened: records, replay, run folder",
    ),
    row(
        "mesh-bd",
        May::Use(&["mesh-core", "mesh-proc", "mesh-bd-ro"]),
        "the tracker",
    ),
    row(
        "mesh-vcs",
        May::Use(&["mesh-core", "mesh-proc"]),
        "jj and git",
    ),
    row(
        "mesh-agent",
        May::Use(&["mesh-core", "mesh-proc"]),
        "agent programs",
    ),
    row(
        "mesh-strategy",
        May::Use(&["mesh-core", "mesh-plan"]),
        "compound agents: transcript in, next steps out",
    ),
    row(
        "mesh-engine",
        May::Use(&[
            "mesh-core",
            "mesh-plan",
            "mesh-strategy",
            "mesh-journal",
            "mesh-bd",
            "mesh-vcs",
            "mesh-agent",
            "mesh-proc",
        ]),
        "the loop that joins them",
    ),
    row(
        "mesh-sim",
        May::Use(&[
            "mesh-core",
            "mesh-plan",
            "mesh-journal",
            "mesh-vcs",
            "mesh-agent",
            "mesh-proc",
            "mesh-engine",
        ]),
        "seeds and faults against core and engine",
    ),
    row(
        "mesh",
        May::Use(&[
            "mesh-core",
            "mesh-plan",
            "mesh-strategy",
            "mesh-journal",
            "mesh-proc",
            "mesh-bd",
            "mesh-vcs",
            "mesh-agent",
            "mesh-engine",
            "mesh-bd-ro",
            "mesh-jj",
        ]),
        "the programs",
    ),
    row("mesh-testkit", May::UseAny, "test support"),
    row(
        "mesh-tests",
        May::UseAny,
        "adapter suites and end-to-end tests",
    ),
    row("xtask", May::UseAny, "automation of the repository"),
];

const TEST_SUPPORT: &str = "mesh-testkit";

/// A package of ours as its manifest declares it.
#[derive(Debug)]
pub struct Package {
    name: String,
    /// Manifest, from the repository's root.
    manifest: String,
    /// Packages of ours that it uses; true: in tests only.
    uses: Vec<(String, bool)>,
}

/// Asks cargo for the manifests; needs no network.
///
/// # Errors
/// When cargo does not answer or the answer is not what it should be.
pub fn declared(root: &Path) -> Outcome<Vec<Package>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]);
    let answer =
        process::capture(&mut command, Duration::from_secs(120))?.checked("cargo metadata")?;
    parse(&serde_json::from_str(&answer)?, root)
}

fn parse(metadata: &Value, root: &Path) -> Outcome<Vec<Package>> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let mut parsed = Vec::new();
    for package in packages {
        let name = package["name"].as_str().ok_or("a package without a name")?;
        let manifest = Path::new(
            package["manifest_path"]
                .as_str()
                .ok_or("a package without a manifest")?,
        );
        let mut uses = Vec::new();
        for dependency in package["dependencies"]
            .as_array()
            .ok_or("a package without dependencies")?
        {
            // Ours are the ones with a path, whatever they are called.
            if let (Some(used), Some(_)) =
                (dependency["name"].as_str(), dependency["path"].as_str())
            {
                uses.push((used.to_owned(), dependency["kind"] == "dev"));
            }
        }
        let manifest = manifest
            .strip_prefix(root.canonicalize()?)
            .unwrap_or(manifest);
        parsed.push(Package {
            name: name.to_owned(),
            manifest: manifest.to_string_lossy().into_owned(),
            uses,
        });
    }
    Ok(parsed)
}

/// The check.
pub fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(row) = EDGES.iter().find(|row| row.name == package.name) else {
            let what = format!(
                "`{}` is not in the table of edges: decide what it may use (xtask, tidy/edges.rs)",
                package.name
            );
            findings.push(Finding::failure(&package.manifest, 1, what));
            continue;
        };
        let May::Use(allowed) = row.may else { continue };
        for (used, in_tests) in &package.uses {
            let support = *in_tests && used == TEST_SUPPORT && !allowed.is_empty();
            if allowed.contains(&used.as_str()) || support {
                continue;
            }
            let line = tree.line_of(&package.manifest, used);
            let may = if allowed.is_empty() {
                "none of ours".to_owned()
            } else {
                allowed.join(", ")
            };
            let what = format!(
                "`{}` must not use `{used}`; it may use {may}: move the code, or the wall with a reason",
                package.name
            );
            findings.push(Finding::failure(&package.manifest, line, what));
        }
    }
    for row in EDGES {
        if !packages.iter().any(|package| package.name == row.name) {
            let what = format!(
                "`{}` is in the table of edges, but not in the workspace: take it out (xtask, tidy/edges.rs)",
                row.name
            );
            findings.push(Finding::failure("Cargo.toml", 1, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table as packages without any use, with `uses` given to `name`.
    fn with(name: &str, uses: &[(&str, bool)]) -> Vec<Package> {
        let package = |row: &Row| Package {
            name: row.name.to_owned(),
            manifest: format!("crates/{}/Cargo.toml", row.name),
            uses: if row.name == name {
                uses.iter()
                    .map(|(used, dev)| ((*used).to_owned(), *dev))
                    .collect()
            } else {
                Vec::new()
            },
        };
        EDGES.iter().map(package).collect()
    }

    fn found(packages: &[Package]) -> Vec<String> {
        let tree = Tree::of(&[(
            "crates/mesh-vcs/Cargo.toml",
            "[dependencies]\nmesh-core = 1\nmesh-bd.workspace = true\n",
        )]);
        check(&tree, packages)
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_found_at_its_line() {
        assert_eq!(
            found(&with(
                "mesh-vcs",
                &[("mesh-core", false), ("mesh-proc", false)]
            )),
            [""; 0]
        );
        let findings = found(&with("mesh-vcs", &[("mesh-bd", false)]));
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0]
                .starts_with("crates/mesh-vcs/Cargo.toml:3: `mesh-vcs` must not use `mesh-bd`"),
            "{}",
            findings[0]
        );
    }

    #[test]
    fn tests_may_use_the_test_support_unless_the_crate_has_no_package_at_all() {
        assert!(found(&with("mesh-vcs", &[("mesh-testkit", true)])).is_empty());
        assert_eq!(
            found(&with("mesh-vcs", &[("mesh-testkit", false)])).len(),
            1
        );
        assert_eq!(found(&with("mesh-vcs", &[("mesh-engine", true)])).len(), 1);
        assert_eq!(
            found(&with("mesh-core", &[("mesh-testkit", true)])).len(),
            1
        );
        assert!(found(&with("xtask", &[("mesh", false)])).is_empty());
    }

    #[test]
    fn the_table_and_the_workspace_name_the_same_crates() {
        let mut packages = with("", &[]);
        packages[0].name = "mesh-new".to_owned();
        let findings = found(&packages);
        assert!(
            findings[0].contains("`mesh-new` is not in the table"),
            "{findings:?}"
        );
        assert!(
            findings[1].contains("`mesh-core` is in the table"),
            "{findings:?}"
        );
    }

    #[test]
    fn the_table_has_no_cycle() {
        // Each row names only rows above it.
        for (at, row) in EDGES.iter().enumerate() {
            let May::Use(allowed) = row.may else { continue };
            for used in allowed {
                assert!(
                    EDGES[..at].iter().any(|above| above.name == *used),
                    "{} -> {used}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn cargos_answer_is_read_and_a_strange_one_is_an_error() {
        let metadata = serde_json::json!({"packages": [{
            "name": "mesh-vcs",
            "manifest_path": "/elsewhere/Cargo.toml",
            "dependencies": [
                {"name": "mesh-core", "path": "/elsewhere/mesh-core", "kind": null},
                {"name": "mesh-testkit", "path": "/elsewhere/mesh-testkit", "kind": "dev"},
                {"name": "serde", "kind": null},
            ],
        }]});
        let packages = parse(&metadata, Path::new("/")).unwrap();
        assert_eq!(
            packages[0].uses,
            [
                ("mesh-core".to_owned(), false),
                ("mesh-testkit".to_owned(), true)
            ]
        );
        assert!(parse(&serde_json::json!({}), Path::new("/")).is_err());
    }
}
