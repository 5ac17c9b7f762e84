//! Input that cannot be worked: one clear error, the exit code of the table, and nothing changed anywhere.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use mesh_testkit::env::Said;
use rustix::process::{Gid, Uid, getuid};
use serde_json::{Value, json};

use crate::picture;
use crate::script;
use crate::stage::{
    BD_1_3_0_JJ, FAKE_BD_GIT, Job, MESH, ST_GIT, ST_JJ, Scene, Stage, Vcs, Work, job,
    on_each_stage, on_each_vcs,
};

on_each_stage!(an_epic_that_cannot_run_in_parallel_is_refused);
on_each_vcs!(
    a_second_coordinator_is_refused,
    dirt_in_the_working_copy_is_no_reason_to_stop
);

/// Runs `args`, which must be refused with `code`, say `wanted` on stderr and nothing on stdout, and change nothing.
#[track_caller]
fn refused(scene: &Scene, args: &[String], code: i32, wanted: &[&str]) {
    let before = picture::everything(scene);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = scene.mesh(&args).exits(code);
    assert_eq!(before, picture::everything(scene), "something has changed");
    for text in wanted {
        assert!(
            said.stderr.contains(text),
            "no {text:?} in\n{}",
            said.stderr
        );
    }
    assert_eq!(said.stdout, "");
    assert_eq!(
        said.stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count(),
        1,
        "{}",
        said.stderr
    );
    scene.assert_no_process();
    assert!(!scene.log.0.exists(), "an agent has run");
}

/// Writes a plan of raw items and expects that it is refused with 10.
#[track_caller]
fn refused_plan(items: &Value, wanted: &[&str]) {
    let scene = ST_GIT.open().expect("git is enough");
    let path = scene.env.dir().join("plan.jsonl");
    let record = json!({"v": 3, "ts": "2026-01-01T00:00:00Z", "lane": "event", "seq": 1, "op": "replace", "items": items});
    fs_err::write(&path, format!("{record}\n")).expect("the plan");
    let work = Work {
        source: path.display().to_string(),
        jobs: Vec::new(),
        ids: Default::default(),
    };
    refused(&scene, &scene.run_args(&work, 2, &[]), 10, wanted);
}

fn item(id: &str, needs: &[&str]) -> Value {
    let deps: Vec<Value> = needs
        .iter()
        .map(|need| json!({"id": need, "type": "blocks"}))
        .collect();
    json!({"id": id, "step": "do it", "status": "pending", "deps": deps, "notes": "", "comments": []})
}

#[test]
fn a_cycle_is_shown_as_a_path_st_git() {
    refused_plan(
        &json!([
            item("a", &["c"]),
            item("b", &["a"]),
            item("c", &["b"]),
            item("d", &[])
        ]),
        &["in a circle", "a -> c -> b -> a"],
    );
}

#[test]
fn all_problems_are_listed_at_once_st_git() {
    refused_plan(
        &json!([item("a", &["nobody"]), item("b", &["b"]), item("c", &[]), item("c", &[]), {"id": "d", "step": " ", "status": "pending", "deps": [], "notes": "", "comments": []}]),
        &[
            "4 problems",
            "nobody",
            "needs itself",
            "c is there twice",
            "plan.jsonl:1:",
        ],
    );
}

#[test]
fn a_file_that_is_no_plan_is_refused_st_git() {
    let scene = ST_GIT.open().expect("git is enough");
    let run = |name: &str, text: &str| {
        fs_err::write(scene.env.dir().join(name), text).expect("a file");
        let path = scene.env.dir().join(name).display().to_string();
        scene.run_args(
            &Work {
                source: path,
                jobs: Vec::new(),
                ids: Default::default(),
            },
            2,
            &[],
        )
    };
    refused(&scene, &run("empty.jsonl", ""), 10, &["empty.jsonl"]);
    refused(
        &scene,
        &run("no.jsonl", "not JSON at all\n"),
        10,
        &["no.jsonl:1"],
    );
    refused(
        &scene,
        &run("plan.txt", "x\n"),
        2,
        &["whose kind its name does not tell"],
    );
}

fn an_epic_that_cannot_run_in_parallel_is_refused(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let chain = [job("a", &[]), job("b", &["a"]), job("c", &["b"])];
    let work = scene.plan("A chain", &chain);
    refused(
        &scene,
        &scene.run_args(&work, 2, &[]),
        10,
        &["can ever run at the same time", "--allow-serial"],
    );
    // The way out that it names is one.
    scene.script(&work, |job| script::usual(&scene, job, &[]));
    let report = scene.run(&work, 2, &["--allow-serial"]).exits(0).object();
    crate::epic::assert_done(&scene, &work, &report);
}

#[test]
fn an_epic_without_children_is_refused_fake_bd_1_3_0_git() {
    epic_without_children(FAKE_BD_GIT);
}

#[test]
fn an_epic_without_children_is_refused_real_bd_1_3_0_jj_0_45_1() {
    epic_without_children(BD_1_3_0_JJ);
}

fn epic_without_children(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let tracker = scene.tracker.as_ref().expect("a tracker");
    let epic = tracker.create("epic", "Nothing in it", &[]);
    let run = |source: &str| {
        scene.run_args(
            &Work {
                source: source.to_owned(),
                jobs: Vec::new(),
                ids: Default::default(),
            },
            2,
            &[],
        )
    };
    refused(&scene, &run(&epic), 10, &["has no children"]);
    refused(&scene, &run("t-nowhere"), 10, &["t-nowhere"]);
}

/// A scene with a small plan that is right.
fn right(stage: Stage) -> Option<(Scene, Work)> {
    let scene = stage.open()?;
    let work = scene.plan("Two", &[job("a", &[]), job("b", &[])]);
    scene.script(&work, |job| script::usual(&scene, job, &[]));
    Some((scene, work))
}

#[test]
fn missing_programs_are_named_fake_bd_1_3_0_git() {
    let (scene, work) = right(FAKE_BD_GIT).expect("fakes are there");
    let run = scene.run_args(&work, 2, &[]);
    scene.env.remove_program("bd");
    refused_without(&scene, &run, &["bd was not found"]);
}

#[test]
fn missing_git_is_named_st_git() {
    let (scene, work) = right(ST_GIT).expect("git is enough");
    let git = fs_err::read_link(scene.env.bin().join("git")).expect("a link");
    let run: Vec<String> = scene.run_args(&work, 2, &[]);
    let before = picture::everything(&scene);
    scene.env.remove_program("git");
    let said = mesh_directly(&scene, &run).exits(12);
    assert!(
        said.stderr.contains("`git` was not found"),
        "{}",
        said.stderr
    );
    scene.env.add_program("git", &git);
    assert_eq!(before, picture::everything(&scene));
}

#[test]
fn missing_jj_is_named_st_jj_0_45_1() {
    let Some((scene, work)) = right(ST_JJ) else {
        return;
    };
    let jj = fs_err::read_link(scene.env.bin().join("jj")).expect("a link");
    let before = picture::everything(&scene);
    scene.env.remove_program("jj");
    let said = mesh_directly(&scene, &scene.run_args(&work, 2, &[])).exits(12);
    assert!(
        said.stderr.contains("`jj` was not found"),
        "{}",
        said.stderr
    );
    scene.env.add_program("jj", &jj);
    assert_eq!(before, picture::everything(&scene));
}

fn mesh_directly(scene: &Scene, args: &[String]) -> Said {
    scene.env.run(MESH, args, &scene.repo)
}

#[track_caller]
fn refused_without(scene: &Scene, run: &[String], wanted: &[&str]) {
    refused(scene, run, 12, wanted);
}

#[test]
fn a_refused_version_of_bd_is_named_fake_bd_1_0_4_git() {
    let (scene, work) = right(FAKE_BD_GIT).expect("fakes are there");
    let version = scene.repo.join(".beads/fake-bd/version");
    let usual = fs_err::read_to_string(&version).expect("the version");
    let before = picture::everything(&scene);
    fs_err::write(&version, "1.0.4").expect("the version");
    let said = mesh_directly(&scene, &scene.run_args(&work, 2, &[])).exits(12);
    assert!(
        said.stderr.contains("bd 1.0.4 is not supported")
            && said.stderr.contains("use bd 1.0.5 or later"),
        "{}",
        said.stderr
    );
    fs_err::write(&version, usual).expect("the version");
    assert_eq!(before, picture::everything(&scene));
}

#[test]
fn a_missing_agent_is_named_before_anything_happens_st_git() {
    let (scene, work) = right(ST_GIT).expect("git is enough");
    let mut run = scene.run_args(&work, 2, &["--agent", "x"]);
    refused(&scene, &run, 2, &["no agent x"]);
    run.truncate(run.len() - 2);
    refused(&scene, &run, 2, &["no agent is named", "--agent-command"]);
    run.extend([
        "--agent-command".to_owned(),
        "no-such-agent {prompt_file}".to_owned(),
    ]);
    refused(&scene, &run, 12, &["no-such-agent"]);
}

#[test]
fn what_is_not_said_is_asked_for_by_its_flag_st_git() {
    let (scene, work) = right(ST_GIT).expect("git is enough");
    let run = |without: &[&str]| {
        let mut args = scene.run_args(&work, 2, &[]);
        for flag in without {
            let at = args.iter().position(|arg| arg == flag).expect("the flag");
            args.drain(at..at + if *flag == "--yes" { 1 } else { 2 });
        }
        args
    };
    refused(&scene, &run(&["--concurrency"]), 2, &["--concurrency N"]);
    let said = scene
        .mesh(
            &run(&["--yes"])
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        )
        .exits(2);
    assert!(
        said.stderr.contains("--yes") && said.stdout.is_empty(),
        "{said:?}"
    );
    let usage = |more: &[&str]| {
        let before = picture::everything(&scene);
        let args = [
            &run(&[])[..],
            &more
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        ]
        .concat();
        let said = mesh_directly(&scene, &args).exits(2);
        assert_eq!(
            (said.stdout.as_str(), before),
            ("", picture::everything(&scene))
        );
    };
    usage(&["--concurency", "3"]);
    usage(&["--rank", "best"]);
    usage(&["--pick", "nobody"]);
    let mut zero = run(&["--concurrency"]);
    zero.extend(["--concurrency".to_owned(), "0".to_owned()]);
    assert_eq!(mesh_directly(&scene, &zero).code, Some(2));
}

#[test]
fn typos_in_the_configuration_are_named_st_git() {
    let (scene, work) = right(ST_GIT).expect("git is enough");
    let run = scene.run_args(&work, 2, &[]);
    for (text, wanted) in [
        ("concurency = 3\n", &["concurency", "concurrency"][..]),
        ("concurrency = \"many\"\n", &["concurrency"]),
        ("[agents.x]\ncomand = \"y\"\n", &["comand", "command"]),
        ("not toml", &["config.toml"]),
    ] {
        scene.configure(text);
        refused(&scene, &run, 11, wanted);
    }
}

#[test]
fn outside_a_repository_there_is_nothing_to_work_in_st_git() {
    let (scene, work) = right(ST_GIT).expect("git is enough");
    let mut run = vec!["-C".to_owned(), scene.env.home().display().to_string()];
    run.extend(scene.run_args(&work, 2, &[]));
    refused(&scene, &run, 2, &["no repository in"]);
}

/// A folder in which the user may write nothing. Root may write everywhere, so then somebody else runs mesh.
#[test]
fn a_read_only_folder_is_said_so_st_git() {
    let (scene, work) = right(ST_GIT).expect("git is enough");
    let program = scene.env.dir().join("mesh-dup");
    fs_err::copy(MESH, &program).expect("a copy");
    let open = |path: &std::path::Path, mode: u32| {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    let state = scene.env.home().join(".local/state");
    fs_err::create_dir_all(&state).expect("a folder");
    for folder in [
        scene.env.dir(),
        scene.env.home(),
        scene.env.home().join(".local"),
    ] {
        open(&folder, 0o755);
    }
    open(&state, 0o777);
    open(&scene.env.temporary(), 0o777);
    fs_err::write(
        scene.env.home().join(".gitconfig"),
        "[safe]\ndirectory = *\n",
    )
    .expect("git's configuration");
    open(&scene.repo, 0o555);
    let before = picture::everything(&scene);
    let mut command = scene.env.command(&program, &scene.repo);
    // The agent is in a folder that somebody else may not enter; any program will do, for none is started.
    let agent = scene.env.bin().join("true").display().to_string();
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
    assert_eq!(before, picture::everything(&scene));
    open(&scene.repo, 0o755);
}

#[test]
fn a_file_where_the_folder_of_mesh_should_be_is_said_so_st_git() {
    let (scene, work) = right(ST_GIT).expect("git is enough");
    fs_err::write(scene.repo.join(".mesh"), "mine").expect("a file");
    refused(&scene, &scene.run_args(&work, 2, &[]), 14, &[".mesh"]);
}

fn a_second_coordinator_is_refused(stage: Stage) {
    let Some((scene, work)) = right(stage) else {
        return;
    };
    scene.script(&work, |job| {
        script::usual(&scene, job, &[script::gate(&scene)])
    });
    let other = scene.plan_file(
        "other.jsonl",
        &[
            Job {
                key: "x".into(),
                ..job("x", &[])
            },
            job("y", &[]),
        ],
    );
    let second = scene.repo.parent().expect("it has one").join("second");
    match stage.vcs {
        Vcs::Git => scene.env.must(
            "git",
            &["worktree", "add", "--detach", &second.display().to_string()],
            &scene.repo,
        ),
        Vcs::Jj => scene.env.must(
            "jj",
            &["workspace", "add", &second.display().to_string()],
            &scene.repo,
        ),
    };
    let first = scene.start(&work, 2, &[]);
    scene.log.wait_for("saw", 2);
    for source in [&work, &other] {
        let mut args = scene.run_args(source, 2, &[]);
        assert_refused_as_held(&scene, &args);
        args.splice(0..0, ["-C".to_owned(), second.display().to_string()]);
        assert_refused_as_held(&scene, &args);
    }
    assert_refused_as_held(&scene, &["resume".to_owned(), "--json".to_owned()]);
    scene.open_gate();
    let report = first.wait().exits(0).object();
    assert_eq!(report["state"], "done");
    assert_eq!(
        scene.log.attempts("start").len(),
        2,
        "{:?}",
        scene.log.events()
    );
    assert_eq!(scene.known_workspaces(), 2);
}

#[track_caller]
fn assert_refused_as_held(scene: &Scene, args: &[String]) {
    let said = mesh_directly(scene, args).exits(13);
    assert_eq!(said.stdout, "");
    assert!(said.stderr.contains("error: "), "{}", said.stderr);
}

fn dirt_in_the_working_copy_is_no_reason_to_stop(stage: Stage) {
    let Some((scene, work)) = right(stage) else {
        return;
    };
    scene.make_dirty();
    if stage.vcs == Vcs::Jj {
        // jj knows of the files since its last command; this is one.
        scene.env.must("jj", &["status"], &scene.repo);
    }
    let before = picture::of(&scene);
    let said = scene.run(&work, 2, &[]).exits(0);
    assert!(
        said.stderr.contains("the working copy has"),
        "{}",
        said.stderr
    );
    assert_eq!(before, picture::of(&scene));
    // And the agents started from what is committed.
    for (id, _) in scene.tasks(&work) {
        let report = scene.mesh(&["report", "--json"]).exits(0).object();
        let commit = crate::stage::task(&report, &id)["attempts"][0]["commit"]
            .as_str()
            .expect("a commit")
            .to_owned();
        let shown = scene.env.must(
            "git",
            &["show", &format!("{commit}:README.md")],
            &scene.repo,
        );
        assert_eq!(shown, "A repository for tests.\n");
    }
}
