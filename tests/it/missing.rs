//! What agents miss is said: variables that mesh does not pass, submodules that nobody has checked out, and where the checkout is.

use serde_json::{Value, json};

use crate::script;
use crate::stage::{ST_GIT, ST_JJ, Scene, Stage, Work, job};

/// Two tasks; `steps` are those of `a`.
fn two(scene: &Scene, steps: &Value) -> Work {
    let work = scene.plan("Two", &[job("a", &[]), job("b", &[])]);
    scene.script(&work, |job| match job.key.as_str() {
        "a" if !steps.is_null() => steps.clone(),
        _ => script::usual(scene, job, &[]),
    });
    work
}

#[test]
fn a_key_that_is_withheld_is_named_and_so_is_the_way_to_pass_it_st_git() {
    let mut scene = ST_GIT.open().expect("git is enough");
    scene.env.set("OPENAI_API_KEY", "not-a-real-key");
    let fails = json!([{"print_err": "no key"}, {"exit": 1}]);
    let work = two(&scene, &fails);
    let agent = scene.agent_command();
    let plan = scene
        .mesh(&["plan", &work.source, "-n", "2", "--agent-command", &agent])
        .exits(0);
    let run = scene.run(&work, 2, &[]).exits(20);
    let report = scene.mesh(&["report"]).exits(0);
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
    let mut scene = ST_GIT.open().expect("git is enough");
    scene.env.set("OPENAI_API_KEY", "not-a-real-key");
    let work = two(&scene, &Value::Null);
    let command = json!(scene.agent_command());
    scene.configure(&format!(
        "[agents.fake]\ncommand = {command}\nenv_keep = [\"OPENAI_API_KEY\"]\n"
    ));
    let run = scene.run(&work, 2, &["--agent", "fake"]).exits(0);
    assert!(!run.stderr.contains("OPENAI_API_KEY"), "{}", run.stderr);
}

fn setup_agent_and_proof_know_the_checkout(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let root = scene.repo.display().to_string();
    let dump = scene.env.dir().join("agent-env");
    let work = scene.plan(
        "Two",
        &[
            job("a", &[]).proof(&format!("test \"$MESH_ROOT\" = '{root}' && test -s .env")),
            job("b", &[]),
        ],
    );
    scene.script(&work, |job| {
        script::usual(&scene, job, &[json!({"dump_env": dump})])
    });
    fs_err::write(scene.repo.join(".env"), "A=1\n").expect("a file");
    fs_err::write(scene.repo.join(".git/info/exclude"), ".env\n").expect("a file");
    scene.configure("[workspace]\nsetup = \"cp \\\"$MESH_ROOT/.env\\\" .\"\n");
    let _ = scene.run(&work, 2, &[]).exits(0);
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
    let scene = ST_GIT.open().expect("git is enough");
    let git = |args: &[&str], folder: &std::path::Path| scene.env.must("git", args, folder);
    let library = scene.env.dir().join("library");
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
        &scene.repo,
    );
    git(
        &["commit", "--quiet", "--all", "--message", "sub"],
        &scene.repo,
    );
    let work = two(&scene, &Value::Null);
    let plan = scene
        .mesh(&["plan", &work.source, "-n", "2"])
        .exits(0)
        .stdout;
    let _ = scene.run(&work, 2, &[]).exits(0);
    let report = scene.mesh(&["report"]).exits(0).stdout;
    for text in [&plan, &report] {
        assert!(
            text.contains("submodules are empty in workspaces: lib/x"),
            "{text}"
        );
    }
    // The command that it names fills them, and then nothing is said.
    fs_err::write(scene.env.dir().join("plan.jsonl"), "").expect("the plan");
    let work = two(&scene, &Value::Null);
    scene.configure("[workspace]\nsetup = \"git -c protocol.file.allow=always submodule update --init --recursive\"\n");
    let run = scene.run(&work, 2, &[]).exits(0);
    assert!(!run.stderr.contains("submodules"), "{}", run.stderr);
}
