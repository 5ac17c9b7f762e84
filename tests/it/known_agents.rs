//! Programs that are known by name: what they are started with, and what their streams of events come to. Stand-ins play streams that
//! the real programs wrote.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::fixture::{Backends, FAKE_BD_GIT, Fixture, ST_GIT, Work, job, task};

const STREAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/agents");

/// The file of a recorded stream.
pub fn stream(name: &str) -> PathBuf {
    Path::new(STREAMS).join(format!("{name}.jsonl"))
}

/// Puts a program on the agents' `PATH` that runs `script` and then plays a recorded stream.
pub fn install(fixture: &Fixture, name: &str, script: &str, stream: &str) {
    let program = fixture.env.bin().join(name);
    let stream = self::stream(stream);
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '9.9.9 ({name})'; exit; fi\ncat > /dev/null\n{script}\ncat '{}'\n{}\n",
        stream.display(),
        // As the real ones do.
        if stream.ends_with(format!("{name}-api-error.jsonl")) {
            "exit 1"
        } else {
            ""
        }
    );
    fs_err::write(&program, text).expect("a program");
    let mode = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(&program, mode).expect("it is ours");
}

fn begun(backends: Backends) -> (Fixture, Work) {
    let fixture = backends.open().expect("fakes are there");
    fixture.configure("retries = 0\n");
    let work = fixture.plan("Hello", &[job("hello", &[]).proof("test -f hello.txt")]);
    (fixture, work)
}

fn noted(fixture: &Fixture) -> String {
    fs_err::read_to_string(fixture.marks().join("noted")).expect("the program ran")
}

#[test]
fn claude_is_known_by_name_st_git() {
    let (fixture, work) = begun(ST_GIT);
    let note = fixture.marks().join("noted");
    let script = format!(
        "echo \"$@ in $TMPDIR\" > '{}'; echo hello > hello.txt",
        note.display()
    );
    install(&fixture, "claude", &script, "claude-ok");
    let said = fixture
        .run(&work, 1, &["--agent", "claude:opus", "--allow-serial"])
        .exits(0);
    let report = said.object();
    let tokens = &task(&report, "hello")["attempts"][0]["tokens"];
    let used = serde_json::json!({"input": 6600, "cached_input": 3000, "output": 120});
    assert_eq!(*tokens, used);
    let unusual = "claude 9.9.9 was not tried with mesh; tried were 2.1.197, 2.1.332";
    assert!(said.stderr.contains(unusual), "{}", said.stderr);
    assert!(
        said.stderr
            .contains("claude is probably not logged in: there is none of ANTHROPIC_API_KEY"),
        "{}",
        said.stderr
    );
    let noted = noted(&fixture);
    assert!(noted.starts_with("-p --allowedTools Bash "), "{noted}");
    assert!(noted.contains(" --model opus in "), "{noted}");
    assert!(
        noted.trim_end().ends_with("/attempts/hello/1/tmp"),
        "{noted}"
    );
}

#[test]
fn a_model_that_cannot_be_called_is_the_reason_st_git() {
    for program in ["claude", "codex"] {
        let (fixture, work) = begun(ST_GIT);
        install(
            &fixture,
            program,
            "echo hello > hello.txt",
            &format!("{program}-api-error"),
        );
        let report = fixture
            .run(&work, 1, &["--agent", program, "--allow-serial"])
            .exits(20)
            .object();
        let reason = task(&report, "hello")["reason"].as_str().expect("a text");
        assert!(
            reason.contains("it gave up: ") && reason.contains("bad request from the model server"),
            "{reason}"
        );
    }
}

/// A login shell makes a `PATH` of its own, on which the real bd is.
#[test]
fn codex_sees_the_wrapper_in_a_login_shell_and_may_read_the_view_fake_bd_1_3_0_git() {
    let (fixture, work) = begun(FAKE_BD_GIT);
    let real = fixture.env.bin();
    fs_err::write(
        fixture.env.home().join(".profile"),
        format!("PATH='{}':/usr/bin:/bin\n", real.display()),
    )
    .expect("a profile");
    let note = fixture.marks().join("noted");
    let script = format!(
        "{{ echo \"$@\"; echo \"view $MESH_VIEW\"; bash -lc 'command -v bd'; }} > '{}'; echo hello > hello.txt",
        note.display()
    );
    install(&fixture, "codex", &script, "codex-ok");
    fixture
        .run(&work, 1, &["--agent", "codex", "--allow-serial"])
        .ends(0);
    let noted = noted(&fixture);
    let lines: Vec<&str> = noted.lines().collect();
    let [args, view, bd] = lines.as_slice() else {
        panic!("{noted}");
    };
    let view = view.strip_prefix("view ").expect("ours");
    assert!(args.ends_with(&format!("--add-dir {view}")), "{noted}");
    assert!(
        bd.contains("/.mesh/runs/") && bd.ends_with("/bin/bd"),
        "{noted}"
    );
}

#[test]
fn own_tables_go_over_known_programs_st_git() {
    let (fixture, work) = begun(ST_GIT);
    fixture.configure(
        "retries = 0\n[agents.reviewer]\nextends = \"claude\"\nmodel = \"haiku\"\nargs = [\"--max-turns\", \"7\"]\n",
    );
    let note = fixture.marks().join("noted");
    let script = format!("echo \"$@\" > '{}'; echo hello > hello.txt", note.display());
    install(&fixture, "claude", &script, "claude-ok");
    fixture
        .run(&work, 1, &["--agent", "reviewer", "--allow-serial"])
        .ends(0);
    let noted = noted(&fixture);
    assert!(
        noted.trim_end().ends_with("--model haiku --max-turns 7"),
        "{noted}"
    );
    let listed = fixture.mesh(&["agents", "--json"]).exits(0).object();
    let agents = listed["agents"].as_array().expect("a list");
    let named = |name: &str| agents.iter().find(|agent| agent["name"] == name);
    let reviewer = named("reviewer").expect("it is configured");
    assert_eq!(reviewer["version"], "9.9.9");
    assert_eq!(reviewer["configured"], true);
    let opencode = named("opencode").expect("it is known by name");
    assert!(opencode["program"].is_null() && opencode["problems"] == serde_json::json!([]));
    let said = fixture.mesh(&["agents"]).exits(0).stdout;
    assert!(said.contains("opencode  not installed"), "{said}");
}

#[test]
fn an_agent_is_tried_in_a_repository_of_its_own_st_git() {
    let (fixture, _) = begun(ST_GIT);
    install(&fixture, "claude", "echo hello > greeting.txt", "claude-ok");
    let said = fixture.mesh(&["agents", "check", "claude"]).exits(0).stdout;
    assert!(said.trim_end().ends_with("claude works"), "{said}");
    install(&fixture, "claude", "", "claude-killed");
    let said = fixture
        .mesh(&["agents", "check", "claude"])
        .exits(20)
        .stdout;
    assert!(said.contains("claude did not get it done"), "{said}");
    assert!(said.contains("its stream of events has no end"), "{said}");
}
