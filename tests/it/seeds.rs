//! The examples that the documents of the earlier forms of mesh print, run as they stand on a fresh git repository. Each is quoted with
//! the part and the lines it stands on. The commands of parts 000 and 001 are in `helpers`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mesh_core::id::TaskId;
use mesh_plan::st::{self, StDep, StItem};
use mesh_testkit::env::Said;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::fixture::{Fixture, ST_GIT, Work, job, task};
use crate::helpers::WAVE;
use crate::script;

/// A file of `fixtures/seeds`, which holds the lines of the document word for word.
fn seed(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/seeds");
    fs_err::read_to_string(folder.join(name)).expect("the example is there")
}

/// The program that an example's proof calls: it passes when it has these arguments and the file is there.
fn proof_program(fixture: &Fixture, name: &str, args: &str, file: &str) {
    let path = fixture.env.dir().join(format!("{name}-of-the-example"));
    let text = format!("#!/bin/sh\ntest \"$*\" = {args:?} && test -f {file:?}\n");
    fs_err::write(&path, text).expect("a program");
    let mode = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(&path, mode).expect("its mode");
    fixture.env.add_program(name, &path);
}

/// Each task's agent writes the file that its example is about.
fn script(fixture: &Fixture, files: &[(&str, &str)]) {
    let work = Work {
        source: String::new(),
        jobs: files.iter().map(|(id, _)| job(id, &[])).collect(),
        ids: files
            .iter()
            .map(|(id, _)| ((*id).to_owned(), (*id).to_owned()))
            .collect(),
    };
    let file = |id: &str| {
        files
            .iter()
            .find(|(one, _)| *one == id)
            .expect("it is there")
            .1
    };
    fixture.script(&work, |job| {
        let path = file(&job.key);
        json!([
            script::event(fixture, "start"),
            {"write": {"path": path, "text": "made\n"}},
            script::event(fixture, "end"),
            {"final": {"changed": path}},
        ])
    });
}

/// `mesh run` in the repository, with what an example leaves to the user.
#[track_caller]
fn run(fixture: &Fixture, args: &[&str]) -> Said {
    let agent = fixture.agent_command();
    let mut all = vec!["run"];
    all.extend(args);
    all.extend([
        "--concurrency",
        "2",
        "--yes",
        "--json",
        "--agent-command",
        &agent,
    ]);
    fixture.mesh(&all)
}

fn put(fixture: &Fixture, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = fixture.repo.join(name);
    fs_err::create_dir_all(path.parent().expect("it has one")).expect("a folder");
    fs_err::write(&path, text).expect("a file");
    path
}

#[track_caller]
fn assert_verified(report: &Value, id: &str, changed: &str) {
    let done = task(report, id);
    assert_eq!(done["state"], "verified", "{done:#}");
    assert_eq!(done["attempts"][0]["changed"], json!([changed]));
}

/// 003:341 to 373, the message with its two tasks: "Use $mesh to parallelize:" … "$mesh confirm", "$mesh confirm pick=2",
/// "$mesh confirm ids=T1,T2".
#[test]
fn the_message_of_part_003_is_worked_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    // 003:352 "make test".
    proof_program(&fixture, "make", "test", "src/config/load.txt");
    script(
        &fixture,
        &[("T1", "src/config/load.txt"), ("T2", "tests/old.txt")],
    );
    let message = seed("003-example.md");
    let path = put(&fixture, "tasks.md", &message);
    let report = run(&fixture, &["tasks.md", "--ids", "T1,T2", "--allow-serial"])
        .exits(0)
        .object();
    assert_verified(&report, "T1", "src/config/load.txt");
    assert_verified(&report, "T2", "tests/old.txt");
    // 003:356 "depends_on: [T1]".
    let log = fixture.log.events();
    let words: Vec<String> = log
        .iter()
        .map(|event| format!("{} {}", event.task, event.what))
        .collect();
    assert_eq!(words, ["T1 start", "T1 end", "T2 start", "T2 end"]);
    assert_eq!(fs_err::read_to_string(path).expect("it"), message);
    let said = run(&fixture, &["tasks.md", "--pick", "2"]).exits(10);
    assert!(said.stderr.contains("tasks.md"), "{}", said.stderr);
    fixture.assert_no_process();
}

/// 003:48, "`$mesh` + inline task list in the same message": the message itself comes in.
#[test]
fn the_message_of_part_003_is_worked_from_standard_input_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    proof_program(&fixture, "make", "test", "src/config/load.txt");
    script(
        &fixture,
        &[("T1", "src/config/load.txt"), ("T2", "tests/old.txt")],
    );
    let message = put(&fixture, "message.txt", seed("003-example.md"));
    let agent = fixture.agent_command();
    let args = [
        "run",
        "-",
        "--concurrency",
        "2",
        "--yes",
        "--allow-serial",
        "--agent-command",
        &agent,
    ];
    let args = args.map(str::to_owned);
    let said = Coordinator::start_reading(&fixture, &args, &message)
        .wait()
        .exits(0);
    // 003:279, the "Updated task list" block.
    let updated = said.stdout.split("Updated task list\n").nth(1);
    let updated = updated.expect("the block");
    assert_eq!(updated.matches("- status: done").count(), 2, "{updated}");
}

/// 003:67 to 71 and 003:77 to 80, the accepted formats.
#[test]
fn both_formats_of_part_003_are_worked_st_git() {
    for (name, example) in [
        ("tasks.yaml", "003-maps.yaml"),
        ("tasks.md", "003-bullet.md"),
    ] {
        let fixture = ST_GIT.open().expect("git is enough");
        script(&fixture, &[("T1", "one.txt")]);
        put(&fixture, name, seed(example));
        // 003:259 "If no validation is provided, do not invent one."
        let args = [name, "--allow-serial", "--allow-no-validation"];
        let report = run(&fixture, &args).exits(0).object();
        assert_verified(&report, "T1", "one.txt");
    }
}

/// Two items, of which the first has the block of 004:132 to 141, and a third one that no command of the part names.
fn plan_of_part_004(fixture: &Fixture) -> String {
    let id = |text: &str| TaskId::new(text).expect("an id");
    let mut first = StItem::pending(id("st-003"), "Reject invalid input in foo()");
    first.notes = seed("004-notes.md");
    let mut second = StItem::pending(id("st-007"), "Test it");
    second.notes = seed("004-notes.md");
    second.deps = vec![StDep::blocks(id("st-003"))];
    let mut third = StItem::pending(id("st-009"), "Something else");
    third.notes = seed("004-notes.md");
    let bytes = st::new_plan("2026-01-01T00:00:00Z", &[first, second, third]);
    // 004:139 "uv run pytest -q".
    proof_program(fixture, "uv", "run pytest -q", "src/foo.py");
    script(
        fixture,
        &[
            ("st-003", "src/foo.py"),
            ("st-007", "tests/test_foo.py"),
            ("st-009", "src/foo.py"),
        ],
    );
    String::from_utf8(bytes).expect("text")
}

/// 004:51 "$mesh ids=st-003,st-007".
#[test]
fn the_ids_of_part_004_are_worked_and_their_block_is_the_proof_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let plan = plan_of_part_004(&fixture);
    let path = put(&fixture, ".step/st-plan.jsonl", plan);
    let args = ["--ids", "st-003,st-007", "--allow-serial"];
    let report = run(&fixture, &args).exits(0).object();
    assert_verified(&report, "st-003", "src/foo.py");
    assert_verified(&report, "st-007", "tests/test_foo.py");
    assert_eq!(
        task(&report, "st-003")["attempts"][0]["verify"]["command"],
        "uv run pytest -q",
        "{report:#}"
    );
    let prompt = fixture.only_run().join("attempts/st-003/1/prompt.md");
    let prompt = fs_err::read_to_string(prompt).expect("the prompt");
    // 004:137 "foo() rejects invalid input".
    assert!(prompt.contains("foo() rejects invalid input"), "{prompt}");
    let (plan, problems) = st::read(&fs_err::read(path).expect("the plan"));
    assert_eq!(problems, []);
    let item = |id: &str| {
        plan.item(&TaskId::new(id).expect("an id"))
            .expect("the item")
    };
    assert_eq!(item("st-003").status.as_str(), "completed");
    assert_eq!(item("st-007").status.as_str(), "completed");
    assert_eq!(item("st-009").status.as_str(), "pending");
    // 004:266 to 271, the `[mesh]` comment.
    let comment = &item("st-003").comments.first().expect("a comment").text;
    for wanted in ["[mesh] completed", "validation: `uv run pytest -q`"] {
        assert!(comment.contains(wanted), "{comment}");
    }
}

/// 004:50 "$mesh", 004:52 "$mesh plan_file=.step/st-plan.jsonl", 004:53 "$mesh max_tasks=2 parallel_tasks=1". The scopes are the same,
/// so that no two run at once.
#[test]
fn the_other_commands_of_part_004_work_the_plan_st_git() {
    for args in [&[][..], &[".step/st-plan.jsonl"]] {
        let fixture = ST_GIT.open().expect("git is enough");
        let plan = plan_of_part_004(&fixture);
        put(&fixture, ".step/st-plan.jsonl", plan);
        let report = run(&fixture, args).exits(0).object();
        for (id, file) in [
            ("st-003", "src/foo.py"),
            ("st-007", "tests/test_foo.py"),
            ("st-009", "src/foo.py"),
        ] {
            assert_verified(&report, id, file);
        }
        assert_eq!(report["overlap"]["peak"], 1);
    }
}

/// 000:108 and 109, 001:125 and 126, the filled row.
#[test]
fn the_row_of_part_001_is_worked_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    proof_program(
        &fixture,
        "uv",
        "run pytest tests/test_parser.py::test_reject_trailing_comma",
        "src/parser.py",
    );
    script(&fixture, &[("u-001", "src/parser.py")]);
    put(&fixture, "mesh_wave.csv", WAVE);
    let args = [
        "mesh_wave.csv",
        "--output-csv",
        "mesh_wave.out.csv",
        "--allow-serial",
    ];
    let report = run(&fixture, &args).exits(0).object();
    assert_verified(&report, "u-001", "src/parser.py");
    let prompt = fixture.only_run().join("attempts/u-001/1/prompt.md");
    let prompt = fs_err::read_to_string(prompt).expect("the prompt");
    for wanted in [
        "Fix flaky parser: treat trailing commas as invalid",
        "Do not change public API",
        "reject invalid input at boundary",
    ] {
        assert!(prompt.contains(wanted), "no {wanted:?} in {prompt}");
    }
    let output = fs_err::read_to_string(fixture.repo.join("mesh_wave.out.csv"));
    let output = output.expect("the output");
    // 001:152 to 154, the columns behind those of the input.
    assert!(
        output.contains("budget_tier,job_id,item_id,status,attempt_count,last_error,result_json"),
        "{output}"
    );
    assert!(output.contains(",u-001,completed,1,,"), "{output}");
}
