//! Real codex and claude, by name and nothing else, against a model that answers what the story says.

use std::sync::{Arc, Condvar, Mutex};

use mesh_testkit::model::{Model, Reply, Turn};
use mesh_testkit::tools;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::fixture::{BD_1_3_0_GIT, BD_1_3_0_JJ, Backends, Fixture, Job, ST_GIT, Work, job, task};
use crate::log::wait_until;

macro_rules! with_each_agent {
    ($($story:ident on $backends:expr, as $name:ident);* $(;)?) => {
        mod real_claude { $(#[test] fn $name() { super::$story("claude", $backends); })* }
        mod real_codex { $(#[test] fn $name() { super::$story("codex", $backends); })* }
    };
}

with_each_agent!(
    six_tasks_are_verified on super::ST_GIT, as six_tasks_are_verified_st_git;
    six_tasks_are_verified on super::BD_1_3_0_GIT, as six_tasks_are_verified_real_bd_1_3_0_git;
    six_tasks_are_verified on super::BD_1_3_0_JJ, as six_tasks_are_verified_real_bd_1_3_0_jj_0_45_1;
    a_killed_agent_goes_on_in_its_session on super::ST_GIT, as a_killed_agent_goes_on_in_its_session_st_git;
    a_killed_shim_costs_an_attempt on super::ST_GIT, as a_killed_shim_costs_an_attempt_st_git;
    a_killed_coordinator_costs_nothing on super::ST_GIT, as a_killed_coordinator_costs_nothing_st_git;
    a_stop_leaves_nothing_running on super::ST_GIT, as a_stop_leaves_nothing_running_st_git;
    a_question_is_answered_in_the_same_session on super::ST_GIT, as a_question_is_answered_in_the_same_session_st_git;
);

/// Where agents wait for their model.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().expect("nobody panics with it") = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.0.lock().expect("nobody panics with it");
        let _open = self.0.1.wait_while(open, |open| !*open);
    }
}

/// A fixture whose agent is the real program and asks `answer`; `None` when something real is missing.
pub fn open(
    agent: &str,
    backends: Backends,
    answer: impl Fn(&Turn) -> Reply + Send + Sync + 'static,
) -> Option<(Fixture, Model)> {
    let program = tools::agent(agent)?;
    let mut fixture = backends.open()?;
    let model = Model::start(answer);
    fixture.env.add_program(agent, &program);
    let config = fixture.env.home().join(".codex");
    fs_err::create_dir_all(&config).expect("a folder");
    let base = format!("openai_base_url = \"{}/v1\"\n", model.url());
    fs_err::write(config.join("config.toml"), base).expect("a file");
    fixture.env.set("ANTHROPIC_BASE_URL", model.url());
    fixture.env.set("ANTHROPIC_API_KEY", "not-a-real-key");
    fixture.env.set("CODEX_API_KEY", "not-a-real-key");
    Some((fixture, model))
}

/// The last of what mesh told the agent, and the task that it is about.
fn told(turn: &Turn) -> (&str, &str) {
    let about = |prompt: &&String| {
        ["Work ", "Go on with "]
            .iter()
            .any(|start| prompt.starts_with(start))
    };
    let prompt = turn.prompts.iter().rfind(about).map_or("", String::as_str);
    let line = prompt.lines().next().unwrap_or_default();
    let after = line
        .split_once("bead ")
        .or_else(|| line.split_once("task "));
    let id = after.map_or("", |(_, rest)| {
        rest.split([' ', ',']).next().unwrap_or_default()
    });
    (prompt, id.trim_end_matches('.'))
}

fn last_words(changed: &str, blockers: &str) -> Reply {
    Reply::Text(format!(
        "Done.\n\nPR: none\nVerify: test -e README.md\nChanged: {changed}\nBlockers: {blockers}"
    ))
}

/// Runs `command`, then says that `changed` was changed.
fn work(turn: &Turn, command: &str, changed: &str) -> Reply {
    match turn.step {
        0 => Reply::Shell(command.to_owned()),
        _ => last_words(changed, "none"),
    }
}

fn run(fixture: &Fixture, work: &Work, agent: &str, more: &[&str]) -> Coordinator {
    let more = [&["--agent", agent], more].concat();
    fixture.start(work, 3, &more)
}

fn outcomes(task: &Value) -> Vec<&str> {
    let attempts = task["attempts"].as_array().expect("attempts").iter();
    attempts
        .map(|attempt| attempt["outcome"].as_str().unwrap_or("none"))
        .collect()
}

/// Two hold one lock group, one joins results that conflict, one stands on that.
fn six_tasks_are_verified(agent: &str, backends: Backends) {
    let jobs: Vec<Job> = vec![
        job("a", &[]).lock("shared"),
        job("b", &[]).lock("shared"),
        job("c", &[]),
        job("d", &["a", "c"]).proof("test -f d.txt && test \"$(cat both.txt)\" = 'a and c'"),
        job("e", &["d"]).proof("test -f a.txt -a -f c.txt -a -f d.txt -a -f e.txt"),
        job("f", &[]),
    ];
    let answer = |turn: &Turn| {
        // Its own name comes before those of what it needs.
        let said = turn.prompts.join("\n");
        let key = ["a", "b", "c", "d", "e", "f"]
            .into_iter()
            .filter_map(|key| Some((said.find(&format!("Write {key}.txt"))?, key)))
            .min()
            .map(|(_, key)| key)
            .unwrap_or("z");
        let file = format!("{key}.txt");
        match key {
            "a" | "c" => work(
                turn,
                &format!("echo {key} > {file}; echo {key} > both.txt"),
                &format!("{file}, both.txt"),
            ),
            "d" => work(
                turn,
                "echo d > d.txt; echo 'a and c' > both.txt",
                "d.txt, both.txt",
            ),
            _ => work(turn, &format!("echo {key} > {file}"), &file),
        }
    };
    let Some((fixture, _model)) = open(agent, backends, answer) else {
        return;
    };
    let work = fixture.plan("Six", &jobs);
    let report = run(&fixture, &work, agent, &[]).wait().exits(0).object();
    for key in ["a", "b", "c", "d", "e", "f"] {
        let task = task(&report, work.id(key));
        assert_eq!(outcomes(task), ["verified"], "{task:#}");
        assert_eq!(
            task["attempts"][0]["tokens"]["output"],
            json!(20),
            "{task:#}"
        );
    }
    let at = |key: &str, name: &str| {
        let attempt = &task(&report, work.id(key))["attempts"][0];
        attempt[name].as_str().expect("a time").to_owned()
    };
    let apart = at("a", "ended_at") <= at("b", "started_at")
        || at("b", "ended_at") <= at("a", "started_at");
    assert!(apart, "{report:#}");
    fixture.assert_nothing_left(&work);
}

/// Whether it is the second question to the model in the first attempt at `a`.
fn waits(turn: &Turn) -> bool {
    let (prompt, id) = told(turn);
    id == "a" && prompt.starts_with("Work ") && turn.step == 1
}

/// One task whose first attempt waits for its model, and another one.
fn at_the_gate(
    agent: &str,
    backends: Backends,
) -> Option<(Fixture, Model, Work, Coordinator, Gate)> {
    let gate = Gate::default();
    let closed = gate.clone();
    let answer = move |turn: &Turn| {
        let (_, id) = told(turn);
        // A session in which the model has answered can be taken up.
        if waits(turn) {
            closed.pass();
        }
        let file = format!("{id}.txt");
        work(turn, &format!("echo made > {file}"), &file)
    };
    let (fixture, model) = open(agent, backends, answer)?;
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    let coordinator = run(&fixture, &work, agent, &[]);
    let asks = || model.turns().iter().any(waits);
    wait_until("a to ask its model", asks, || coordinator.stderr());
    Some((fixture, model, work, coordinator, gate))
}

/// The agent of `a#1` and its shim.
fn agent_and_shim(fixture: &Fixture) -> (Pid, Pid) {
    let run = fixture.only_run();
    let name = run.file_name().expect("a name").to_string_lossy();
    let markers = ["MESH_ATTEMPT=a#1".to_owned(), format!("MESH_RUN={name}")];
    let is_ours = |pid: &i32| {
        let environment = fs_err::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let entries: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
        markers.iter().all(|one| entries.contains(&one.as_bytes()))
    };
    let all = fs_err::read_dir("/proc").expect("it is there").flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let ours: Vec<i32> = all.filter(is_ours).collect();
    let parent = |pid: i32| {
        let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        line.and_then(|text| text.trim().parse::<i32>().ok())
            .unwrap_or(0)
    };
    let mut tops = ours.iter().filter(|pid| !ours.contains(&parent(**pid)));
    let agent = *tops.next().expect("an agent at work");
    let pid = |raw: i32| Pid::from_raw(raw).expect("not 0");
    (pid(agent), pid(parent(agent)))
}

fn a_killed_agent_goes_on_in_its_session(agent: &str, backends: Backends) {
    let Some((fixture, model, work, coordinator, _gate)) = at_the_gate(agent, backends) else {
        return;
    };
    let (pid, _) = agent_and_shim(&fixture);
    kill_process(pid, Signal::KILL).expect("it lives");
    let report = coordinator.wait().exits(0).object();
    let a = task(&report, work.id("a"));
    assert_eq!(outcomes(a), ["crashed", "verified"], "{a:#}");
    let turns = model.turns();
    let again = turns
        .iter()
        .find(|turn| told(turn).0.starts_with("Go on with "));
    let again = again.expect("the session was taken up");
    assert!(
        again
            .prompts
            .iter()
            .any(|prompt| prompt.starts_with("Work ")),
        "{again:?}"
    );
    fixture.assert_nothing_left(&work);
}

fn a_killed_shim_costs_an_attempt(agent: &str, backends: Backends) {
    let Some((fixture, _model, work, coordinator, _gate)) = at_the_gate(agent, backends) else {
        return;
    };
    let (_, shim) = agent_and_shim(&fixture);
    kill_process(shim, Signal::KILL).expect("it lives");
    let report = coordinator.wait().exits(0).object();
    let a = task(&report, work.id("a"));
    assert_eq!(outcomes(a), ["crashed", "verified"], "{a:#}");
    fixture.assert_nothing_left(&work);
}

fn a_killed_coordinator_costs_nothing(agent: &str, backends: Backends) {
    let Some((fixture, _model, work, coordinator, gate)) = at_the_gate(agent, backends) else {
        return;
    };
    coordinator.kill();
    gate.open();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    let a = task(&report, work.id("a"));
    assert_eq!(outcomes(a), ["verified"], "{a:#}");
    fixture.assert_nothing_left(&work);
}

fn a_stop_leaves_nothing_running(agent: &str, backends: Backends) {
    let Some((fixture, _model, work, coordinator, gate)) = at_the_gate(agent, backends) else {
        return;
    };
    fixture.mesh(&["stop", "--now"]).ends(0);
    coordinator.wait().ends(21);
    fixture.assert_no_process();
    gate.open();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_eq!(report["state"], "done", "{report:#}");
    let a = task(&report, work.id("a"));
    assert_eq!(outcomes(a), ["interrupted", "verified"], "{a:#}");
}

fn a_question_is_answered_in_the_same_session(agent: &str, backends: Backends) {
    let answer = |turn: &Turn| {
        let (prompt, id) = told(turn);
        match (id, prompt.contains("blue")) {
            ("a", false) => last_words("NO_DIFF:I cannot know", "which colour?"),
            _ => work(turn, &format!("echo blue > {id}.txt"), &format!("{id}.txt")),
        }
    };
    let Some((fixture, model)) = open(agent, backends, answer) else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    run(&fixture, &work, agent, &[]).wait().ends(22);
    fixture.mesh(&["answer", "a", "blue"]).ends(0);
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    let a = task(&report, work.id("a"));
    assert_eq!(outcomes(a), ["question", "verified"], "{a:#}");
    let turns = model.turns();
    let answered = turns.iter().find(|turn| told(turn).0.contains("blue"));
    let answered = answered.expect("the answer arrived");
    assert!(
        answered
            .prompts
            .iter()
            .any(|prompt| prompt.starts_with("Work ")),
        "{answered:?}"
    );
    fixture.assert_nothing_left(&work);
}
