//! Places in which mesh cannot work, or where somebody else does: said once, nothing changed.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use mesh_testkit::env::Said;
use rustix::process::{Gid, Uid, getuid};

use crate::bad_input::{mesh_directly, refused, right};
use crate::fixture::{Backends, Fixture, MESH, ST_GIT, Vcs, job, on_each_vcs};
use crate::script;
use crate::snapshot;

on_each_vcs!(
    a_second_coordinator_is_refused,
    dirt_in_the_working_copy_is_no_reason_to_stop
);

#[test]
fn outside_a_repository_there_is_nothing_to_work_in_st_git() {
    let (fixture, work) = right(ST_GIT).expect("git is enough");
    let mut run = vec!["-C".to_owned(), fixture.env.home().display().to_string()];
    run.extend(fixture.run_args(&work, 2, &[]));
    refused(&fixture, &run, 2, &["no repository in"]);
}

/// A folder in which the user may write nothing. Root may write everywhere, so then somebody else runs mesh.
#[test]
fn a_read_only_folder_is_said_so_st_git() {
    let (fixture, work) = right(ST_GIT).expect("git is enough");
    let program = fixture.env.dir().join("mesh-dup");
    fs_err::copy(MESH, &program).expect("a copy");
    let open = |path: &std::path::Path, mode: u32| {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    let state = fixture.env.home().join(".local/state");
    fs_err::create_dir_all(&state).expect("a folder");
    for folder in [
        fixture.env.dir(),
        fixture.env.home(),
        fixture.env.home().join(".local"),
    ] {
        open(&folder, 0o755);
    }
    open(&state, 0o777);
    open(&fixture.env.temporary(), 0o777);
    fs_err::write(
        fixture.env.home().join(".gitconfig"),
        "[safe]\ndirectory = *\n",
    )
    .expect("git's configuration");
    open(&fixture.repo, 0o555);
    let before = snapshot::everything(&fixture);
    let mut command = fixture.env.command(&program, &fixture.repo);
    // The agent is in a folder that somebody else may not enter; any program will do, for none is started.
    let agent = fixture.env.bin().join("true").display().to_string();
    command.args([
        "run",
        &work.source,
        "--concurrency",
        "2",
        "--yes",
        "--agent-command",
        &agent,
    ]);
    if getuid() == Uid::ROOT {
        command
            .gid(Gid::from_raw(65534).as_raw())
            .uid(Uid::from_raw(65534).as_raw());
    }
    let output = command.output().expect("mesh starts");
    let said = Said::new(output.status, &output.stdout, &output.stderr).exits(14);
    assert!(
        said.stderr.contains(".mesh") && said.stderr.to_lowercase().contains("permission denied"),
        "{}",
        said.stderr
    );
    assert_eq!(before, snapshot::everything(&fixture));
    open(&fixture.repo, 0o755);
}

#[test]
fn a_file_where_the_folder_of_mesh_should_be_is_said_so_st_git() {
    let (fixture, work) = right(ST_GIT).expect("git is enough");
    fs_err::write(fixture.repo.join(".mesh"), "mine").expect("a file");
    refused(&fixture, &fixture.run_args(&work, 2, &[]), 14, &[".mesh"]);
}

fn a_second_coordinator_is_refused(backends: Backends) {
    let Some((fixture, work)) = right(backends) else {
        return;
    };
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let other = fixture.plan_file("other.jsonl", &[job("x", &[]), job("y", &[])]);
    let second = fixture.repo.parent().expect("it has one").join("second");
    match backends.vcs {
        Vcs::Git => fixture.env.must(
            "git",
            &["worktree", "add", "--detach", &second.display().to_string()],
            &fixture.repo,
        ),
        Vcs::Jj => fixture.env.must(
            "jj",
            &["workspace", "add", &second.display().to_string()],
            &fixture.repo,
        ),
    };
    let first = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    for source in [&work, &other] {
        let mut args = fixture.run_args(source, 2, &[]);
        assert_refused_as_held(&fixture, &args);
        args.splice(0..0, ["-C".to_owned(), second.display().to_string()]);
        assert_refused_as_held(&fixture, &args);
    }
    assert_refused_as_held(&fixture, &["resume".to_owned(), "--json".to_owned()]);
    fixture.open_gate();
    let report = first.wait().exits(0).object();
    assert_eq!(report["state"], "done");
    assert_eq!(
        fixture.log.attempts("start").len(),
        2,
        "{:?}",
        fixture.log.events()
    );
    assert_eq!(fixture.known_workspaces(), 2);
}

#[track_caller]
fn assert_refused_as_held(fixture: &Fixture, args: &[String]) {
    let said = mesh_directly(fixture, args).exits(13);
    assert_eq!(said.stdout, "");
    assert!(said.stderr.contains("error: "), "{}", said.stderr);
}

fn dirt_in_the_working_copy_is_no_reason_to_stop(backends: Backends) {
    let Some((fixture, work)) = right(backends) else {
        return;
    };
    fixture.make_dirty();
    if backends.vcs == Vcs::Jj {
        // jj knows of the files since its last command; this is one.
        fixture.env.must("jj", &["status"], &fixture.repo);
    }
    let before = snapshot::of(&fixture);
    let said = fixture.run(&work, 2, &[]).exits(0);
    assert!(
        said.stderr.contains("the working copy has"),
        "{}",
        said.stderr
    );
    assert_eq!(before, snapshot::of(&fixture));
    // And the agents started from what is committed.
    for (id, _) in fixture.tasks(&work) {
        let report = fixture.mesh(&["report", "--json"]).exits(0).object();
        let commit = crate::fixture::task(&report, &id)["attempts"][0]["commit"]
            .as_str()
            .expect("a commit")
            .to_owned();
        let shown = fixture.env.must(
            "git",
            &["show", &format!("{commit}:README.md")],
            &fixture.repo,
        );
        assert_eq!(shown, "A repository for tests.\n");
    }
}
