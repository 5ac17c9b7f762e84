//! Input that cannot be worked: one clear error, the exit code of the table, and nothing changed anywhere.

use mesh_testkit::env::Said;
use serde_json::{Value, json};

use crate::fixture::{
    BD_1_3_0_JJ, Backends, FAKE_BD_GIT, Fixture, MESH, ST_GIT, ST_JJ, Work, job, on_main_backends,
};
use crate::script;
use crate::snapshot;

on_main_backends!(an_epic_that_cannot_run_in_parallel_is_refused);

/// Runs `args`, which must be refused with `code`, say `wanted` on stderr and nothing on stdout, and change nothing.
#[track_caller]
pub fn refused(fixture: &Fixture, args: &[String], code: i32, wanted: &[&str]) {
    let before = snapshot::everything(fixture);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = fixture.mesh(&args).exits(code);
    assert_eq!(
        before,
        snapshot::everything(fixture),
        "something has changed"
    );
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
    fixture.assert_no_process();
    assert!(!fixture.log.0.exists(), "an agent has run");
}

/// Writes a plan of raw items and expects that it is refused with 10.
#[track_caller]
fn refused_plan(items: &Value, wanted: &[&str]) {
    let fixture = ST_GIT.open().expect("git is enough");
    let path = fixture.env.dir().join("plan.jsonl");
    let record = json!({"v": 3, "ts": "2026-01-01T00:00:00Z", "lane": "event", "seq": 1, "op": "replace", "items": items});
    fs_err::write(&path, format!("{record}\n")).expect("the plan");
    let work = Work {
        source: path.display().to_string(),
        jobs: Vec::new(),
        ids: Default::default(),
    };
    refused(&fixture, &fixture.run_args(&work, 2, &[]), 10, wanted);
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
        &["dependency cycle", "a -> c -> b -> a"],
    );
}

#[test]
fn sources_that_do_not_go_together_are_refused_st_git() {
    let (fixture, work) = right(ST_GIT).expect("git is enough");
    let mut run = fixture.run_args(&work, 2, &[]);
    run.insert(2, work.source.clone());
    refused(&fixture, &run, 2, &["one plan file and nothing else"]);
    let mut run = fixture.run_args(&work, 2, &[]);
    run[1] = fixture.repo.display().to_string();
    refused(&fixture, &run, 2, &["is a folder"]);
    fixture.configure("[tools]\ngit = \"relative/git\"\n");
    let run = fixture.run_args(&work, 2, &[]);
    refused(&fixture, &run, 12, &["tools.git: ", "relative/git"]);
}

#[test]
fn all_problems_are_listed_at_once_st_git() {
    refused_plan(
        &json!([item("a", &["nobody"]), item("b", &["b"]), item("c", &[]), item("c", &[]), {"id": "d", "step": " ", "status": "pending", "deps": [], "notes": "", "comments": []}]),
        &[
            "4 problems",
            "nobody",
            "needs itself",
            "duplicate task c",
            "plan.jsonl:1:",
        ],
    );
}

#[test]
fn a_file_that_is_no_plan_is_refused_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let run = |name: &str, text: &str| {
        fs_err::write(fixture.env.dir().join(name), text).expect("a file");
        let path = fixture.env.dir().join(name).display().to_string();
        fixture.run_args(
            &Work {
                source: path,
                jobs: Vec::new(),
                ids: Default::default(),
            },
            2,
            &[],
        )
    };
    refused(&fixture, &run("empty.jsonl", ""), 10, &["empty.jsonl"]);
    refused(
        &fixture,
        &run("no.jsonl", "not JSON at all\n"),
        10,
        &["no.jsonl:1"],
    );
    refused(
        &fixture,
        &run("plan.txt", "x\n"),
        2,
        &["whose kind its name does not tell"],
    );
}

fn an_epic_that_cannot_run_in_parallel_is_refused(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let chain = [job("a", &[]), job("b", &["a"]), job("c", &["b"])];
    let work = fixture.plan("A chain", &chain);
    refused(
        &fixture,
        &fixture.run_args(&work, 2, &[]),
        10,
        &["can ever run at the same time", "--allow-serial"],
    );
    // The way out that it names is one.
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let report = fixture.run(&work, 2, &["--allow-serial"]).exits(0).object();
    crate::epic::assert_done(&fixture, &work, &report);
}

#[test]
fn an_epic_without_children_is_refused_fake_bd_1_3_0_git() {
    epic_without_children(FAKE_BD_GIT);
}

#[test]
fn an_epic_without_children_is_refused_real_bd_1_3_0_jj_0_45_1() {
    epic_without_children(BD_1_3_0_JJ);
}

fn epic_without_children(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let epic = tracker.create("epic", "Nothing in it", &[]);
    let run = |source: &str| {
        fixture.run_args(
            &Work {
                source: source.to_owned(),
                jobs: Vec::new(),
                ids: Default::default(),
            },
            2,
            &[],
        )
    };
    refused(&fixture, &run(&epic), 10, &["has no children"]);
    refused(&fixture, &run("t-nowhere"), 10, &["t-nowhere"]);
}

/// A fixture with a small plan that is right.
pub fn right(backends: Backends) -> Option<(Fixture, Work)> {
    let fixture = backends.open()?;
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    Some((fixture, work))
}

#[test]
fn missing_programs_are_named_fake_bd_1_3_0_git() {
    let (fixture, work) = right(FAKE_BD_GIT).expect("fakes are there");
    let run = fixture.run_args(&work, 2, &[]);
    fixture.env.remove_program("bd");
    refused_without(&fixture, &run, &["bd was not found"]);
}

#[test]
fn missing_git_is_named_st_git() {
    let (fixture, work) = right(ST_GIT).expect("git is enough");
    let git = fs_err::read_link(fixture.env.bin().join("git")).expect("a link");
    let run: Vec<String> = fixture.run_args(&work, 2, &[]);
    let before = snapshot::everything(&fixture);
    fixture.env.remove_program("git");
    let said = mesh_directly(&fixture, &run).exits(12);
    assert!(
        said.stderr.contains("`git` was not found"),
        "{}",
        said.stderr
    );
    fixture.env.add_program("git", &git);
    assert_eq!(before, snapshot::everything(&fixture));
}

#[test]
fn missing_jj_is_named_st_jj_0_45_1() {
    let Some((fixture, work)) = right(ST_JJ) else {
        return;
    };
    let jj = fs_err::read_link(fixture.env.bin().join("jj")).expect("a link");
    let before = snapshot::everything(&fixture);
    fixture.env.remove_program("jj");
    let said = mesh_directly(&fixture, &fixture.run_args(&work, 2, &[])).exits(12);
    assert!(
        said.stderr.contains("`jj` was not found"),
        "{}",
        said.stderr
    );
    fixture.env.add_program("jj", &jj);
    assert_eq!(before, snapshot::everything(&fixture));
}

pub fn mesh_directly(fixture: &Fixture, args: &[String]) -> Said {
    fixture.env.run(MESH, args, &fixture.repo)
}

#[track_caller]
fn refused_without(fixture: &Fixture, run: &[String], wanted: &[&str]) {
    refused(fixture, run, 12, wanted);
}

#[test]
fn a_refused_version_of_bd_is_named_fake_bd_1_0_4_git() {
    let (fixture, work) = right(FAKE_BD_GIT).expect("fakes are there");
    let version = fixture.repo.join(".beads/fake-bd/version");
    let usual = fs_err::read_to_string(&version).expect("the version");
    let before = snapshot::everything(&fixture);
    fs_err::write(&version, "1.0.4").expect("the version");
    let said = mesh_directly(&fixture, &fixture.run_args(&work, 2, &[])).exits(12);
    assert!(
        said.stderr.contains("bd 1.0.4 is not supported")
            && said.stderr.contains("use bd 1.0.5 or later"),
        "{}",
        said.stderr
    );
    fs_err::write(&version, usual).expect("the version");
    assert_eq!(before, snapshot::everything(&fixture));
}

#[test]
fn a_missing_agent_is_named_before_anything_happens_st_git() {
    let (fixture, work) = right(ST_GIT).expect("git is enough");
    let mut run = fixture.run_args(&work, 2, &["--agent", "x"]);
    refused(&fixture, &run, 2, &["no agent x"]);
    run.truncate(run.len() - 2);
    refused(&fixture, &run, 2, &["no agent is named", "--agent-command"]);
    run.extend([
        "--agent-command".to_owned(),
        "no-such-agent {prompt_file}".to_owned(),
    ]);
    refused(&fixture, &run, 12, &["no-such-agent"]);
}

#[test]
fn what_is_not_said_is_asked_for_by_its_flag_st_git() {
    let (fixture, work) = right(ST_GIT).expect("git is enough");
    let run = |without: &[&str]| {
        let mut args = fixture.run_args(&work, 2, &[]);
        for flag in without {
            let at = args.iter().position(|arg| arg == flag).expect("the flag");
            args.drain(at..at + if *flag == "--yes" { 1 } else { 2 });
        }
        args
    };
    refused(&fixture, &run(&["--concurrency"]), 2, &["--concurrency N"]);
    let said = fixture
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
        let before = snapshot::everything(&fixture);
        let args = [
            &run(&[])[..],
            &more
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        ]
        .concat();
        let said = mesh_directly(&fixture, &args).exits(2);
        assert_eq!(
            (said.stdout.as_str(), before),
            ("", snapshot::everything(&fixture))
        );
    };
    usage(&["--concurency", "3"]);
    usage(&["--rank", "best"]);
    usage(&["--pick", "nobody"]);
    let mut zero = run(&["--concurrency"]);
    zero.extend(["--concurrency".to_owned(), "0".to_owned()]);
    assert_eq!(mesh_directly(&fixture, &zero).code, Some(2));
}

#[test]
fn typos_in_the_configuration_are_named_st_git() {
    let (fixture, work) = right(ST_GIT).expect("git is enough");
    let run = fixture.run_args(&work, 2, &[]);
    for (text, wanted) in [
        ("concurency = 3\n", &["concurency", "concurrency"][..]),
        ("concurrency = \"many\"\n", &["concurrency"]),
        ("[agents.x]\ncomand = \"y\"\n", &["comand", "command"]),
        ("not toml", &["config.toml"]),
    ] {
        fixture.configure(text);
        refused(&fixture, &run, 11, wanted);
    }
}
