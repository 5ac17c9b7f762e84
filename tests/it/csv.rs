//! Wave CSVs.

use serde_json::{Value, json};

use crate::fixture::{Backends, Fixture, ST_GIT, Work, job, on_each_vcs, task};
use crate::script;

on_each_vcs!(
    a_csv_is_worked_and_its_output_written,
    a_csv_goes_on_after_a_kill,
);

const HEADER: &str = "id,objective,unit_scope,constraints,invariants,proof_command,delivery_mode,attempt,variant,budget_tier";

/// Three rows, of which the last needs the first, as the table beside them says.
fn csv(fixture: &Fixture) -> Work {
    let jobs = vec![job("a", &[]), job("b", &[]), job("c", &["a"])];
    let text = format!(
        "{HEADER},lane\r\n\
         a,\"Write a,\nwith care\",a.txt,,,test -f a.txt,commit_first,1,wave,aware,coder\r\n\
         b,Write b,b.txt,,,test -f b.txt,commit_first,1,wave,aware,coder\r\n\
         c,Write c,c.txt,,,test -f a.txt -a -f c.txt,commit_first,1,wave,aware,coder\r\n"
    );
    let dir = fixture.env.dir();
    fs_err::write(dir.join("wave.csv"), text).expect("the rows");
    fs_err::write(dir.join("deps.csv"), "id,depends_on\nc,a\n").expect("the table");
    Work {
        source: dir.join("wave.csv").display().to_string(),
        ids: jobs
            .iter()
            .map(|job| (job.key.clone(), job.key.clone()))
            .collect(),
        jobs,
    }
}

/// The flags that go with it.
fn flags(fixture: &Fixture) -> Vec<String> {
    let path = |name: &str| fixture.env.dir().join(name).display().to_string();
    let instruction = "As {lane} do {id}: {objective}. Say {{done}}.";
    let flags = [
        "--output-csv",
        &path("out.csv"),
        "--deps-csv",
        &path("deps.csv"),
        "--instruction",
        instruction,
    ];
    flags.map(str::to_owned).to_vec()
}

/// The rows of the output: id, then what stands behind the columns of the input.
fn output(fixture: &Fixture) -> Vec<(String, Vec<String>)> {
    let bytes = fs_err::read(fixture.env.dir().join("out.csv")).expect("the output");
    let (table, problems) = mesh_plan::csv::Table::read(&bytes);
    assert_eq!(problems, []);
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|cell| cell.text.as_str())
        .collect();
    assert_eq!(
        names.join(","),
        format!("{HEADER},lane,job_id,item_id,status,attempt_count,last_error,result_json")
    );
    let texts = |row: &Vec<mesh_plan::csv::Cell>| -> Vec<String> {
        row.iter().map(|cell| cell.text.clone()).collect()
    };
    let rows = table.rows.iter().map(texts);
    rows.map(|row| (row[0].clone(), row[11..].to_vec()))
        .collect()
}

fn a_csv_is_worked_and_its_output_written(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = csv(&fixture);
    fixture.script(&work, |job| match job.key.as_str() {
        "b" => json!([script::event(&fixture, "start"), {"exit": 3}]),
        _ => script::usual(&fixture, job, &[]),
    });
    let before = fs_err::read(&work.source).expect("the rows");
    let flags = flags(&fixture);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let report = fixture.run(&work, 2, &flags).exits(20).object();
    assert_eq!(report["source"]["kind"], "csv");
    assert_eq!(fs_err::read(&work.source).expect("the rows"), before);
    let prompt = fs_err::read_to_string(fixture.only_run().join("attempts/a/1/prompt.md"));
    let prompt = prompt.expect("the prompt");
    assert!(
        prompt.contains("As coder do a: Write a,\nwith care. Say {done}."),
        "{prompt}"
    );
    let rows = output(&fixture);
    for (id, cells) in &rows {
        assert_eq!(cells[0], report["run"].as_str().expect("its id"));
        assert_eq!(&cells[1], id);
        let result: Value = serde_json::from_str(&cells[5]).expect("a result");
        assert_eq!(result["id"], id.as_str());
        if id == "b" {
            assert_eq!(
                (cells[2].as_str(), cells[3].as_str()),
                ("failed", "2"),
                "one retry"
            );
            assert!(cells[4].contains("exit code 3"), "{cells:?}");
            assert_eq!(result["decision"], "reject");
            assert_eq!(result["failure_code"], "invalid_output_schema");
        } else {
            assert_eq!((cells[2].as_str(), cells[3].as_str()), ("completed", "1"));
            assert_eq!(cells[4], "");
            assert_eq!(
                (&result["decision"], &result["proof_status"]),
                (&json!("accept"), &json!("pass"))
            );
            assert_eq!(result["commit"], task(&report, id)["attempts"][0]["commit"]);
        }
    }
    assert_eq!(rows.len(), 3);
    fixture.assert_no_process();
}

fn a_csv_goes_on_after_a_kill(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = csv(&fixture);
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let flags = flags(&fixture);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let coordinator = fixture.start(&work, 2, &flags);
    fixture.log.wait_for("saw", 2);
    coordinator.kill();
    assert!(
        output(&fixture)
            .iter()
            .all(|(_, cells)| cells[2] == "pending")
    );
    // What stands beside the rows is as it was when the run began.
    fs_err::remove_file(fixture.env.dir().join("deps.csv")).expect("it is there");
    fixture.open_gate();
    fixture.mesh(&["resume"]).ends(0);
    assert!(
        output(&fixture)
            .iter()
            .all(|(_, cells)| cells[2] == "completed")
    );
    assert_eq!(fixture.log.attempts("end").len(), 3);
    fixture.assert_no_process();
}

#[test]
fn what_somebody_else_writes_into_the_output_stays_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = csv(&fixture);
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let flags = flags(&fixture);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let coordinator = fixture.start(&work, 2, &flags);
    fixture.log.wait_for("saw", 2);
    let theirs = "id,words\na,of a person\n";
    let out = fixture.env.dir().join("out.csv");
    fs_err::write(&out, theirs).expect("written");
    fixture.open_gate();
    let said = coordinator.wait().exits(0);
    assert!(
        said.stderr.contains("was changed by somebody else"),
        "{}",
        said.stderr
    );
    assert_eq!(fs_err::read_to_string(&out).expect("it is there"), theirs);
    let kept = fs_err::read_to_string(fixture.only_run().join("output.csv"));
    let kept = kept.expect("the results");
    assert_eq!(kept.matches(",completed,1,").count(), 3, "{kept}");

    // Nothing is left to do, and an output is asked for.
    fs_err::remove_file(&out).expect("it is there");
    fixture.run(&work, 2, &flags).ends(0);
    let rows = output(&fixture);
    assert!(rows.iter().all(|(_, cells)| cells[2] == "completed"));
    assert_eq!(rows.len(), 3);
}

#[test]
fn what_cannot_be_worked_is_refused_before_anything_is_written_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = csv(&fixture);
    let dir = fixture.env.dir();
    let path = |name: &str| dir.join(name).display().to_string();
    fs_err::write(dir.join("results.csv"), "id,score\na,9\n").expect("a file");
    fs_err::write(dir.join("ring.csv"), "id,depends_on\na,c\nc,a\nz,\n").expect("a file");
    for (code, flags, wanted) in [
        (2, ["--output-csv", &work.source], "are the same file"),
        (
            2,
            ["--output-csv", &path("results.csv")],
            "holds more than a prepared output",
        ),
        (
            10,
            ["--instruction", "do {objectve}"],
            "did you mean `objective`?",
        ),
        (
            10,
            ["--deps-csv", &path("ring.csv")],
            "ring.csv:4:1: `z` is no row of the CSV",
        ),
        (10, ["--deps-csv", &path("ring.csv")], "dependency cycle: "),
        (14, ["--instruction", "@nowhere.txt"], "nowhere.txt"),
    ] {
        let said = fixture.run(&work, 2, &flags).exits(code);
        assert!(said.stderr.contains(wanted), "{flags:?}: {}", said.stderr);
    }
    fs_err::write(
        dir.join("tasks.md"),
        "- id: a\n  status: todo\n  depends_on: []\n",
    )
    .expect("a file");
    let list = Work {
        source: path("tasks.md"),
        ..work
    };
    let said = fixture.run(&list, 2, &["--output-csv", "x.csv"]).exits(2);
    assert!(
        said.stderr.contains("--output-csv is for a wave CSV"),
        "{}",
        said.stderr
    );
    assert!(fixture.runs().is_empty());
}

#[test]
fn what_is_left_of_the_budget_clamps_the_width_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = csv(&fixture);
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let flags = flags(&fixture);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let coordinator = fixture.start(
        &work,
        4,
        &[
            &flags[..],
            &["--budget-five-hour", "80", "--budget-weekly", "20"],
        ]
        .concat(),
    );
    fixture.log.wait_for("saw", 1);
    let why = fixture.mesh(&["why", "b"]).exits(0).stdout;
    assert!(
        why.contains("20 percent are left of the weekly budget, so at most 1 of 4 agents at once"),
        "{why}"
    );
    let status = fixture.mesh(&["status", "--json"]).exits(0).object();
    assert_eq!(
        status["clamp"],
        json!({"window": "weekly", "left_percent": 20.0, "width": 1})
    );
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_eq!(report["overlap"]["peak"], 1);
}
