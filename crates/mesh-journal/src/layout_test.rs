use super::*;
use crate::sample::{START, attempt};
use mesh_core::process::Role;

fn mesh_dir() -> (tempfile::TempDir, MeshDir) {
    let folder = tempfile::tempdir().unwrap();
    let mesh = MeshDir::of(folder.path());
    (folder, mesh)
}

#[test]
fn the_folder_ignores_itself_and_keeps_what_is_there() {
    let (_folder, mesh) = mesh_dir();
    mesh.create().unwrap();
    let gitignore = mesh.path().join(".gitignore");
    let text = fs_err::read_to_string(&gitignore).unwrap();
    assert_eq!(
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .collect::<Vec<_>>(),
        ["*"]
    );
    fs_err::write(&gitignore, "*\n!config.toml\n").unwrap();
    mesh.create().unwrap();
    assert_eq!(
        fs_err::read_to_string(&gitignore).unwrap(),
        "*\n!config.toml\n"
    );
    let names: Vec<_> = fs_err::read_dir(mesh.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "something is left over: {names:?}");
}

#[test]
fn runs_are_listed_oldest_first_and_only_those_with_a_journal() {
    let (_folder, mesh) = mesh_dir();
    assert_eq!(mesh.list().unwrap(), []);
    assert_eq!(mesh.latest().unwrap(), None);
    let (late, late_dir) = mesh.create_run(START.after(5000)).unwrap();
    let (early, early_dir) = mesh.create_run(START).unwrap();
    let (_, empty) = mesh.create_run(START.after(9000)).unwrap();
    assert!(empty.control().is_dir() && empty.bin().is_dir() && empty.attempts().is_dir());
    for dir in [late_dir, early_dir] {
        fs_err::write(dir.journal(), "").unwrap();
    }
    fs_err::create_dir(mesh.runs().join("not-a-run")).unwrap();
    fs_err::write(mesh.runs().join("not-a-run").join("journal.jsonl"), "").unwrap();
    assert_eq!(mesh.list().unwrap(), [early, late.clone()]);
    assert_eq!(mesh.latest().unwrap(), Some(late));
}

#[test]
fn two_runs_of_one_second_get_two_folders() {
    let (_folder, mesh) = mesh_dir();
    let runs: std::collections::BTreeSet<_> =
        (0..20).map(|_| mesh.create_run(START).unwrap().0).collect();
    assert_eq!(runs.len(), 20);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let (folder, mesh) = mesh_dir();
    fs_err::write(folder.path().join(".mesh"), "a file").unwrap();
    let error = mesh.create().unwrap_err();
    assert!(error.to_string().contains(".mesh"), "{error}");
}

#[test]
fn no_id_leads_out_of_the_attempts() {
    let dir = RunDir::at("/m/runs/r");
    let long = "x".repeat(300);
    for task in [
        "../../x",
        "..",
        "/etc/passwd",
        "a b'c\"",
        ".hidden",
        long.as_str(),
        "plain-1",
    ] {
        let path = dir.attempt(&attempt(task, 2)).path().to_owned();
        let inside = path.strip_prefix(dir.attempts()).unwrap();
        let parts: Vec<_> = inside.components().collect();
        assert_eq!(parts.len(), 2, "{task:?} gives {inside:?}");
        assert!(
            parts
                .iter()
                .all(|part| matches!(part, std::path::Component::Normal(_))),
            "{inside:?}"
        );
    }
    assert_eq!(
        dir.attempt(&attempt("plain-1", 2)).path(),
        Path::new("/m/runs/r/attempts/plain-1/2")
    );
}

#[test]
fn each_process_of_an_attempt_has_its_own_files() {
    let (_folder, mesh) = mesh_dir();
    let (_, run) = mesh.create_run(START).unwrap();
    let dir = run.attempt(&attempt("t", 1));
    let files = |process: ProcessDir| {
        [
            process.stdout(),
            process.stderr(),
            process.lock(),
            process.shim_json(),
            process.exit_json(),
        ]
    };
    let all: Vec<_> = dir.processes().into_iter().map(files).collect();
    let different: std::collections::BTreeSet<_> = all.iter().flatten().collect();
    assert_eq!(different.len(), 5 * Role::ALL.len());
}
