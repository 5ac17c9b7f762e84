//! What agents miss is said: variables that mesh does not pass, submodules that nobody has checked out, and where the checkout is.

use serde_json::{Value, json};

use crate::fixture::{Backends, Fixture, ST_GIT, ST_JJ, Work, job};
use crate::script;

/// Two tasks; `steps` are those of `a`.
fn two(fixture: &Fixture, steps: &Value) -> Work {
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" if !steps.is_null() => steps.clone(),
        _ => script::usual(fixture, job, &[]),
    });
    work
}

#[test]
fn a_key_that_is_withheld_is_named_and_so_is_the_way_to_pass_it_st_git() {
    let mut fixture = ST_GIT.open().expect("git is enough");
    fixture.env.set("OPENAI_API_KEY", "not-a-real-key");
    let fails = json!([{"print_err": "no key"}, {"exit": 1}]);
    let work = two(&fixture, &fails);
    let agent = fixture.agent_command();
    let plan = fixture
        .mesh(&["plan", &work.source, "-n", "2", "--agent-command", &agent])
        .exits(0);
    let run = fixture.run(&work, 2, &[]).exits(20);
    let report = fixture.mesh(&["report"]).exits(0);
    for text in [&plan.stdout, &run.stderr, &report.stdout] {
        assert!(
            text.contains("OPENAI_API_KEY") && text.contains("env_keep"),
            "{text}"
        );
        assert!(!text.contains("not-a-real-key"), "{text}");
    }
    assert_eq!(
        report.stdout.matches("withheld from agents").count(),
        1,
        "{}",
        report.stdout
    );
}

#[test]
fn a_key_that_is_passed_is_not_named_st_git() {
    let mut fixture = ST_GIT.open().expect("git is enough");
    fixture.env.set("OPENAI_API_KEY", "not-a-real-key");
    let work = two(&fixture, &Value::Null);
    let command = json!(fixture.agent_command());
    fixture.configure(&format!(
        "[agents.fake]\ncommand = {command}\nenv_keep = [\"OPENAI_API_KEY\"]\n"
    ));
    let run = fixture.run(&work, 2, &["--agent", "fake"]).exits(0);
    assert!(!run.stderr.contains("OPENAI_API_KEY"), "{}", run.stderr);
}

fn setup_agent_and_proof_know_the_checkout(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let root = fixture.repo.display().to_string();
    let dump = fixture.marks().join("agent-env");
    let work = fixture.plan(
        "Two",
        &[
            job("a", &[]).proof(&format!("test \"$MESH_ROOT\" = '{root}' && test -s .env")),
            job("b", &[]),
        ],
    );
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[json!({"dump_env": dump})])
    });
    fs_err::write(fixture.repo.join(".env"), "A=1\n").expect("a file");
    fs_err::write(fixture.repo.join(".git/info/exclude"), ".env\n").expect("a file");
    fixture.configure("[workspace]\nsetup = \"cp \\\"$MESH_ROOT/.env\\\" .\"\n");
    let _ = fixture.run(&work, 2, &[]).exits(0);
    let env = fs_err::read_to_string(&dump).expect("the variables");
    assert!(env.contains(&format!("MESH_ROOT={root}\n")), "{env}");
}

#[test]
fn setup_agent_and_proof_know_the_checkout_st_git() {
    setup_agent_and_proof_know_the_checkout(ST_GIT);
}

#[test]
fn setup_agent_and_proof_know_the_checkout_st_jj_0_45_1() {
    setup_agent_and_proof_know_the_checkout(ST_JJ);
}

#[test]
fn submodules_that_are_empty_in_workspaces_are_named_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let git = |args: &[&str], folder: &std::path::Path| fixture.env.must("git", args, folder);
    let library = fixture.env.dir().join("library");
    fs_err::create_dir_all(&library).expect("a folder");
    fs_err::write(library.join("x.txt"), "x\n").expect("a file");
    git(&["init", "--quiet"], &library);
    git(&["add", "x.txt"], &library);
    git(&["commit", "--quiet", "--message", "x"], &library);
    let url = library.display().to_string();
    git(
        &[
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            &url,
            "lib/x",
        ],
        &fixture.repo,
    );
    git(
        &["commit", "--quiet", "--all", "--message", "sub"],
        &fixture.repo,
    );
    let work = two(&fixture, &Value::Null);
    let plan = fixture
        .mesh(&["plan", &work.source, "-n", "2"])
        .exits(0)
        .stdout;
    let _ = fixture.run(&work, 2, &[]).exits(0);
    let report = fixture.mesh(&["report"]).exits(0).stdout;
    for text in [&plan, &report] {
        assert!(
            text.contains("submodules are empty in workspaces: lib/x"),
            "{text}"
        );
    }
    // The command that it names fills them, and then nothing is said.
    fs_err::write(fixture.env.dir().join("plan.jsonl"), "").expect("the plan");
    let work = two(&fixture, &Value::Null);
    fixture.configure("[workspace]\nsetup = \"git -c protocol.file.allow=always submodule update --init --recursive\"\n");
    let run = fixture.run(&work, 2, &[]).exits(0);
    assert!(!run.stderr.contains("submodules"), "{}", run.stderr);
}
