//! The helper commands: names, flags, defaults and fields of the program whose documents are parts 000 and 001. Their examples are
//! quoted with the part and the line they stand on.

use mesh_testkit::env::{Said, TestEnv};
use serde_json::{Value, json};

use crate::fixture::MESH;

/// A command line of a document: where it stands, what it says.
const EXAMPLES: [(&str, &str); 11] = [
    (
        "000:157 001:158",
        "mesh budget --remaining-five-hour <pct> --remaining-weekly <pct> --max-threads 12",
    ),
    ("000:158 001:159", "mesh plan_sync --input-json <plan.json>"),
    (
        "000:159 001:160",
        "mesh slice --input-json <plan.json> --output-json <units.json>",
    ),
    (
        "000:160 001:161",
        "mesh wave --units-json <units.json> --csv-path <run-wave.csv> --max-active <n>",
    ),
    (
        "000:162 001:164",
        "mesh run_csv --csv-path <run-wave.csv> --output-csv-path <run-output.csv>",
    ),
    ("000:163 001:165", "mesh ledger --input-json <ledger.json>"),
    (
        "000:170 001:169",
        "mesh replay --remaining-five-hour 62 --remaining-weekly 41 --max-threads 12 --ready-units 19",
    ),
    ("000:178 001:174", "mesh --help"),
    (
        "000:179 001:175",
        "mesh budget --remaining-five-hour 40 --remaining-weekly 28 --max-threads 12",
    ),
    (
        "000:180 001:176",
        "mesh replay --remaining-five-hour 72 --remaining-weekly 55 --max-threads 12 --ready-units 24",
    ),
    (
        "000:181 001:177",
        "mesh run_csv --csv-path /tmp/mesh_wave.csv --output-csv-path /tmp/mesh_wave.out.csv",
    ),
];

/// 000:23 and 001:24.
const BOOTSTRAP: &str =
    r#"command -v mesh >/dev/null 2>&1 && mesh --help 2>&1 | grep -q "mesh.zig""#;

/// 000:108 and 109, 001:125 and 126.
pub(crate) const WAVE: &str = r#"id,objective,unit_scope,constraints,invariants,proof_command,delivery_mode,attempt,variant,budget_tier
u-001,"Fix flaky parser: treat trailing commas as invalid","src/parser.py; tests/test_parser.py","Do not change public API; keep diff minimal; no git push","No new allocations in hot path; reject invalid input at boundary","uv run pytest tests/test_parser.py::test_reject_trailing_comma","commit_first",1,"wave","aware"
"#;

/// What the places that the documents leave open stand for.
const OPEN: [(&str, &str); 8] = [
    ("<pct>", "41"),
    ("<n>", "3"),
    ("<plan.json>", "plan.json"),
    ("<units.json>", "units.json"),
    ("<run-wave.csv>", "run-wave.csv"),
    ("<run-output.csv>", "run-output.csv"),
    ("<ledger.json>", "ledger.json"),
    ("/tmp/", ""),
];

/// Runs a command line in the environment's folder.
#[track_caller]
fn run(env: &TestEnv, line: &str) -> Said {
    let mut line = line.to_owned();
    for (word, value) in OPEN {
        line = line.replace(word, value);
    }
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    env.run(MESH, &words, &env.dir())
}

fn write(env: &TestEnv, name: &str, text: impl ToString) {
    fs_err::write(env.dir().join(name), text.to_string()).expect("a file");
}

fn read(env: &TestEnv, name: &str) -> String {
    fs_err::read_to_string(env.dir().join(name)).expect("a file")
}

#[test]
fn every_example_of_the_documents_runs_as_it_stands() {
    let env = TestEnv::new();
    let steps = json!({"explanation": "why", "plan": [
        {"step": "Say \"hi\"\nto all", "status": "in_progress"},
        {"step": "Then this"},
        {"step": "Was done", "status": "completed"},
        {"step": "Not now", "status": "paused"},
    ]});
    write(&env, "plan.json", steps);
    write(
        &env,
        "ledger.json",
        json!({"spawned": 3, "timeouts": 0, "note": "none", "codes": []}),
    );
    write(&env, "mesh_wave.csv", WAVE);
    let answers: Vec<Value> = EXAMPLES
        .iter()
        .filter(|(_, line)| *line != "mesh --help")
        .map(|(place, line)| {
            let said = run(&env, line);
            assert_eq!(said.code, Some(0), "{place}: {line}\n{}", said.stderr);
            said.object()
        })
        .collect();
    let [
        budget,
        plan_sync,
        slice,
        wave,
        run_csv,
        ledger,
        replay,
        budget_2,
        replay_2,
        run_csv_2,
    ] = answers.as_slice()
    else {
        panic!("an example more or less");
    };
    assert_eq!(budget["max_active_units"], 12);
    assert_eq!(
        *plan_sync,
        json!({"command": "plan_sync", "total_steps": 4, "pending": 1, "in_progress": 1, "completed": 1, "other": 1})
    );
    assert_eq!(slice["unit_count"], 2);
    assert_eq!(slice["units"][0]["objective"], "Say \"hi\"\nto all");
    assert_eq!(slice["left_out"].as_array().map(Vec::len), Some(2));
    let written: Value = serde_json::from_str(&read(&env, "units.json")).expect("JSON");
    assert_eq!(&written, slice);
    assert_eq!(
        (&wave["units_in"], &wave["units_selected"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(wave["csv_path"], "run-wave.csv");
    assert_eq!(
        *run_csv,
        json!({"command": "run_csv", "row_count": 2, "csv_path": "run-wave.csv", "output_csv_path": "run-output.csv", "status": "prepared"})
    );
    assert_eq!(
        read(&env, "run-output.csv"),
        "id,decision,proof_status,failure_code,notes\nunit-001,queued,pending,,\nunit-002,queued,pending,,\n"
    );
    assert_eq!(
        *ledger,
        json!({"command": "ledger", "events": {"spawned": 3}})
    );
    assert_eq!(
        *replay,
        json!({"command": "replay", "mode": "full_fanout", "max_active_units": 12, "ready_units": 19, "wave_count": 2, "waves": [12, 7]})
    );
    assert_eq!(
        *budget_2,
        json!({
            "command": "budget", "remaining_five_hour": 40.0, "remaining_weekly": 28.0, "remaining_strict": 28.0,
            "single_agent_threshold": 10.0, "linear_start_threshold": 33.0, "scaleout_threshold": 25.0, "max_threads": 12,
            "max_active_units": 9, "mode": "linear_clamp", "cas_scaleout_allowed": true,
        })
    );
    assert_eq!(replay_2["waves"], json!([12, 12]));
    assert_eq!(run_csv_2["row_count"], 1);
}

#[test]
fn the_bootstrap_of_the_documents_takes_this_program() {
    let env = TestEnv::new();
    env.add_program("mesh", MESH.as_ref());
    let line = format!("PATH={}:$PATH; {BOOTSTRAP}", env.bin().display());
    env.run("/bin/sh", &["-c", &line], &env.dir()).ends(0);
    let help = env.run(MESH, &["--help"], &env.dir()).exits(0).stdout;
    let apart = help
        .split("Helper commands, compatible with mesh.zig")
        .nth(1);
    let apart = apart.expect("they stand apart");
    for name in [
        "budget",
        "plan-sync",
        "slice",
        "wave",
        "run-csv",
        "ledger",
        "replay",
    ] {
        assert!(apart.contains(&format!("\n  {name}  ")), "{name}: {apart}");
    }
}

#[test]
fn both_spellings_and_the_line_of_text_are_there() {
    let env = TestEnv::new();
    write(&env, "plan.json", json!({"steps": [{"title": "a"}]}));
    let json = run(&env, "mesh plan-sync --input-json plan.json")
        .exits(0)
        .object();
    assert_eq!(
        (&json["command"], &json["pending"]),
        (&json!("plan_sync"), &json!(1))
    );
    let line = |words: &str| run(&env, words).exits(0).stdout;
    assert_eq!(
        line("mesh plan_sync --input-json plan.json --format text"),
        "plan_sync: 1 steps, pending 1, in_progress 0, completed 0, other 0\n"
    );
    assert_eq!(
        line("mesh budget --remaining-five-hour 25.1 --remaining-weekly 130 --format line"),
        "budget: 25.1% left, mode linear_clamp, max_active_units 7 of 12, cas_scaleout_allowed true\n"
    );
    let text = line("mesh budget --remaining-five-hour -1 --remaining-weekly 25.1 --max-threads 0");
    for exact in [
        "\"remaining_five_hour\": 0.0000,",
        "\"remaining_weekly\": 25.1000,",
        "\"max_threads\": 1,",
        "\"mode\": \"single_agent\"",
    ] {
        assert!(text.contains(exact), "{exact} in {text}");
    }
    let other = "mesh budget --remaining-five-hour 50 --remaining-weekly 60 --max-threads 10 --single-agent-threshold 20 \
                 --linear-start-threshold 80 --scaleout-threshold 50";
    let json = run(&env, other).exits(0).object();
    assert_eq!(json["max_active_units"], 5);
    assert_eq!(json["cas_scaleout_allowed"], false);
}

#[test]
fn what_is_wrong_is_said_with_what_to_do_and_nothing_is_written() {
    let env = TestEnv::new();
    write(
        &env,
        "plan.json",
        "{\"plan\": [\n  {\"step\": \"a\", \"depends_on\": [\"x\"]},\n  7\n]}",
    );
    write(&env, "wave.csv", WAVE.replace("commit_first", "later"));
    write(&env, "list.json", "[]");
    write(&env, "out.json", "{\"mine\": 1}");
    for (code, line, wanted) in [
        (
            2,
            "mesh budget --remaining-weekly 3",
            "--remaining-five-hour <PCT>",
        ),
        (
            2,
            "mesh budget --remaining-five-hour much --remaining-weekly 3",
            "it must be a number from 0 to 100",
        ),
        (
            2,
            "mesh replay --remaining-five-hour 1 --remaining-weekly 3 --ready-units 9999999",
            "0..=1000000",
        ),
        (
            2,
            "mesh wave --units-json list.json --csv-path w.csv --max-active 0",
            "--max-active",
        ),
        (
            2,
            "mesh waves --units-json list.json",
            "unrecognized subcommand",
        ),
        (
            10,
            "mesh slice --input-json plan.json --output-json out.json",
            "plan.json:3:3: error: an entry of the list is an object",
        ),
        (
            10,
            "mesh wave --units-json list.json --csv-path out.json",
            "list.json:1:1: error: this is not an object with an array `units`",
        ),
        (
            10,
            "mesh run_csv --csv-path wave.csv --output-csv-path out.csv",
            "wave.csv:2:289: error: `delivery_mode` is `commit_first`",
        ),
        (10, "mesh ledger --input-json list.json", "is no ledger"),
        (14, "mesh ledger --input-json nowhere.json", "nowhere.json"),
    ] {
        let said = run(&env, line).exits(code);
        assert!(said.stderr.contains(wanted), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{line}");
    }
    assert_eq!(read(&env, "out.json"), "{\"mine\": 1}");
    assert!(!env.dir().join("out.csv").exists() && !env.dir().join("w.csv").exists());
}

#[test]
fn no_result_and_no_input_is_written_over() {
    let env = TestEnv::new();
    write(&env, "wave.csv", WAVE);
    write(&env, "plan.json", json!([{"step": "a"}]));
    let prepare = "mesh run_csv --csv-path wave.csv --output-csv-path out.csv";
    run(&env, prepare).ends(0);
    run(&env, prepare).ends(0);
    let results = read(&env, "out.csv").replace("queued,pending", "accept,pass");
    write(&env, "out.csv", &results);
    let said = run(&env, prepare).exits(2);
    assert!(
        said.stderr.contains("holds more than a prepared output"),
        "{}",
        said.stderr
    );
    assert_eq!(read(&env, "out.csv"), results);
    fs_err::os::unix::fs::symlink("wave.csv", env.dir().join("link.csv")).expect("a link");
    for (line, wanted) in [
        (
            "mesh run_csv --csv-path wave.csv --output-csv-path ./wave.csv",
            "are the same file",
        ),
        (
            "mesh run_csv --csv-path wave.csv --output-csv-path link.csv",
            "are the same file",
        ),
        (
            "mesh slice --input-json plan.json --output-json plan.json",
            "are the same file",
        ),
    ] {
        let said = run(&env, line).exits(2);
        assert!(said.stderr.contains(wanted), "{line}: {}", said.stderr);
    }
    assert_eq!(read(&env, "wave.csv"), WAVE);
}

#[test]
fn a_plan_without_scopes_makes_a_wave_as_wide_as_it_may_be_and_says_so() {
    let env = TestEnv::new();
    let plan = json!([
        {"step": "one"}, {"step": "two"}, {"step": "three"},
        {"step": "last", "depends_on": ["unit-001"], "unit_scope": "src"},
    ]);
    write(&env, "plan.json", plan);
    run(
        &env,
        "mesh slice --input-json plan.json --output-json units.json",
    )
    .ends(0);
    let said = run(
        &env,
        "mesh wave --units-json units.json --csv-path wave.csv --max-active 8",
    )
    .exits(0);
    assert!(
        said.stderr.contains("3 units without a scope"),
        "{}",
        said.stderr
    );
    let wave = said.object();
    assert_eq!(wave["units_selected"], 3);
    assert_eq!(
        wave["left_out"],
        json!([{"id": "unit-004", "reason": "it depends on unit-001, which is not done"}])
    );
    assert_eq!(
        wave["without_scope"],
        json!(["unit-001", "unit-002", "unit-003"])
    );
    run(
        &env,
        "mesh run-csv --csv-path wave.csv --output-csv-path out.csv",
    )
    .ends(0);
    let said = run(
        &env,
        "mesh wave --units-json units.json --csv-path wave.csv",
    )
    .exits(0);
    assert_eq!(said.object()["units_selected"], 1, "the default is one");
}
