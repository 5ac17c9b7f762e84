//! Runs in waves: announced, confirmed by `--yes`, `--pick` or `mesh pick`, awaited; taken up in the middle of one.

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::fixture::{
    Backends, FAKE_BD_GIT, Fixture, ST_GIT, Work, job, on_each_vcs, on_main_backends, task,
};
use crate::log::wait_until;
use crate::script;

on_main_backends!(yes_confirms_each_wave_and_none_begins_before_the_last_is_over);
on_each_vcs!(
    waves_are_picked_from_another_terminal,
    a_wave_goes_on_after_a_kill_and_one_that_was_not_confirmed_is_asked_about_again,
    a_run_that_is_stopped_while_it_asks_gives_everything_back,
    a_retry_belongs_to_its_wave,
);

/// Two roots, of which `a` unlocks more, and three tasks on them.
fn five(fixture: &Fixture, steps: &[Value]) -> Work {
    let jobs = [
        job("a", &[]),
        job("b", &[]),
        job("c", &["a"]),
        job("d", &["a"]),
        job("e", &["b"]),
    ];
    let work = fixture.plan("Five", &jobs);
    fixture.script(&work, |job| script::usual(fixture, job, steps));
    work
}

/// A run in waves of two; with `first`, nobody but that is confirmed.
fn start(fixture: &Fixture, work: &Work, first: Option<&[&str]>) -> Coordinator {
    let mut args = fixture.run_args(work, 2, &["--dispatch", "waves", "--rank", "seed"]);
    if let Some(first) = first {
        args.retain(|arg| arg != "--yes");
        let ids: Vec<&str> = first.iter().map(|key| work.id(key)).collect();
        args.extend(["--pick".to_owned(), ids.join(",")]);
    }
    Coordinator::start(fixture, &args)
}

#[track_caller]
fn heard(coordinator: &Coordinator, text: &str) {
    wait_until(
        text,
        || coordinator.stderr().contains(text),
        || coordinator.stderr(),
    );
}

fn asked(wave: u32) -> String {
    format!("wave {wave} waits to be confirmed")
}

/// Fails when an agent of one wave started before all of those before it had ended.
#[track_caller]
fn apart(fixture: &Fixture, work: &Work, waves: &[&[&str]]) {
    let spans = fixture.log.spans();
    let of = |wave: &[&str]| -> Vec<(u64, u64)> {
        let in_it = |task: &str| wave.iter().any(|key| work.id(key) == task);
        let spans = spans.values().filter(|(task, ..)| in_it(task));
        spans.map(|(_, start, end)| (*start, *end)).collect()
    };
    for pair in waves.windows(2) {
        let last = of(pair[0]).into_iter().map(|(_, end)| end).max();
        let first = of(pair[1]).into_iter().map(|(start, _)| start).min();
        assert!(last <= first, "{pair:?}: {spans:#?}");
    }
}

/// The blocks that were printed, from their first line to their last.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.find(|line| *line == "Wave status") {
        let rest = lines.by_ref().take(5);
        blocks.push(std::iter::once(line).chain(rest).collect());
    }
    blocks
}

fn yes_confirms_each_wave_and_none_begins_before_the_last_is_over(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = five(&fixture, &[]);
    let said = start(&fixture, &work, None).wait().exits(0);
    assert_done(&fixture, &work, &said.object());
    let blocks = blocks(&said.stderr);
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|key| work.id(key));
    let recommended = |block: &[&str]| {
        let line = block[5].strip_prefix("- Recommended wave: ").expect("it");
        let (ids, rest) = line.split_once(" (").expect("a cap");
        assert_eq!(
            rest,
            "cap: 2; heuristic: priority -> unlocks -> checkpoints -> manual)"
        );
        ids.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(recommended(&blocks[0]), [a, b]);
    let second = recommended(&blocks[1]);
    let third = recommended(&blocks[2]);
    assert_eq!((blocks.len(), second.len(), third.len()), (3, 2, 1));
    assert_eq!(blocks[0][1], format!("- Ready: {a}, {b}"));
    let mut blocked: Vec<&str> = blocks[0][2]
        .strip_prefix("- Blocked: ")
        .expect("it")
        .split(", ")
        .collect();
    blocked.sort_unstable();
    let mut wanted = [
        format!("{c} -> {a}"),
        format!("{d} -> {a}"),
        format!("{e} -> {b}"),
    ];
    wanted.sort();
    assert_eq!(blocked, wanted);
    for block in &blocks {
        assert_eq!(block[3], "- Active: (none)");
    }
    assert_eq!(blocks[0][4], "- Completed: (none)");
    assert!(
        blocks[1][4].contains(&format!("{a} -> commit ")),
        "{blocks:#?}"
    );
    let key = |id: &String| work.key(id);
    let second: Vec<&str> = second.iter().map(key).collect();
    let third: Vec<&str> = third.iter().map(key).collect();
    apart(&fixture, &work, &[&["a", "b"], &second, &third]);
    if fixture.tracker.is_some() {
        statuses(&fixture, &work, &["wave-1", "wave-2", "wave-3", "end"]);
    }
}

/// The statuses on the epic, each once.
#[track_caller]
fn statuses(fixture: &Fixture, work: &Work, wanted: &[&str]) {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let list = tracker.bd_json(&["comments", &work.source, "--json"]);
    let list = list.as_array().expect("a list");
    let text = |comment: &Value| comment["text"].as_str().expect("a text").to_owned();
    let texts: Vec<String> = list.iter().map(text).collect();
    for what in wanted {
        let marked = |text: &&String| text.contains(&format!(" {what})"));
        assert_eq!(texts.iter().filter(marked).count(), 1, "{what}: {texts:#?}");
    }
    assert_eq!(texts.len(), wanted.len(), "{texts:#?}");
    assert!(texts.iter().all(|text| text.starts_with("Swarm status\n")));
}

fn waves_are_picked_from_another_terminal(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = five(&fixture, &[]);
    let coordinator = start(&fixture, &work, Some(&["b"]));
    heard(&coordinator, &asked(2));
    assert_eq!(fixture.log.attempts("end"), [work.attempt("b", 1)]);
    let status = fixture.mesh(&["status", "--json"]).exits(0).object();
    assert_eq!(
        status["wave"],
        json!({"number": 2, "confirmed": false, "tasks": [work.id("a"), work.id("e")]})
    );
    let why = fixture.mesh(&["why", work.id("a")]).exits(0).stdout;
    assert!(why.contains("wave 2 waits to be confirmed"), "{why}");
    let bad = [work.id("a"), work.id("e"), work.id("c"), work.id("a")].join(",");
    let said = fixture.mesh(&["pick", &bad]).exits(2);
    for problem in [
        "4 tasks are named, and at most 2 may run at once".to_owned(),
        format!("{} is not ready: it waits for", work.id("c")),
        format!("{} is named twice", work.id("a")),
    ] {
        assert!(said.stderr.contains(&problem), "{}", said.stderr);
    }
    fixture.mesh(&["pick", work.id("e")]).ends(0);
    heard(&coordinator, &asked(3));
    fixture.mesh(&["pick"]).ends(0);
    heard(&coordinator, &asked(4));
    fixture.mesh(&["pick", "--yes"]).ends(0);
    let report = coordinator.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
    apart(&fixture, &work, &[&["b"], &["e"], &["a"], &["c", "d"]]);
    let late = fixture.mesh(&["pick"]).exits(2);
    assert!(
        late.stderr.contains("no wave waits to be confirmed"),
        "{}",
        late.stderr
    );
}

fn a_wave_goes_on_after_a_kill_and_one_that_was_not_confirmed_is_asked_about_again(
    backends: Backends,
) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = five(&fixture, &[script::gate(&fixture)]);
    let coordinator = start(&fixture, &work, Some(&["a", "b"]));
    fixture.log.wait_for("saw", 2);
    coordinator.kill();
    let resume = || Coordinator::start(&fixture, &["resume".to_owned(), "--json".to_owned()]);
    let coordinator = resume();
    heard(&coordinator, "2 agents adopted");
    fixture.open_gate();
    heard(&coordinator, &asked(2));
    assert!(
        !coordinator.stderr().contains(&asked(1)),
        "{}",
        coordinator.stderr()
    );
    coordinator.kill();
    // Nobody lives to hear it: it is applied when the run is taken up.
    let recommended = fixture.mesh(&["status", "--json"]).exits(0).object();
    let second = recommended["wave"]["tasks"][0].as_str().expect("a task");
    let coordinator = resume();
    heard(&coordinator, &asked(2));
    coordinator.kill();
    fixture.mesh(&["pick", second]).ends(0);
    let coordinator = resume();
    heard(&coordinator, &asked(3));
    let ended = fixture.log.attempts("end");
    assert_eq!(ended.len(), 3, "{ended:?}");
    assert_eq!(ended[2], format!("{second}#1"));
    fixture.mesh(&["pick"]).ends(0);
    let report = coordinator.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
    assert_eq!(fixture.log.attempts("start").len(), 5, "each once");
}

fn a_run_that_is_stopped_while_it_asks_gives_everything_back(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = five(&fixture, &[]);
    let coordinator = start(&fixture, &work, Some(&["a"]));
    heard(&coordinator, &asked(2));
    fixture.mesh(&["stop"]).ends(0);
    let report = coordinator.wait().exits(21).object();
    assert_eq!(report["state"], "incomplete");
    fixture.assert_nothing_left(&work);
    let coordinator = Coordinator::start(&fixture, &["resume".to_owned(), "--json".to_owned()]);
    for wave in [2, 3] {
        heard(&coordinator, &asked(wave));
        fixture.mesh(&["pick"]).ends(0);
    }
    let report = coordinator.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
}

fn a_retry_belongs_to_its_wave(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = five(&fixture, &[]);
    // The first attempt of `b` fails.
    fixture.script(&work, |job| {
        let usual = script::usual(&fixture, job, &[]);
        if job.key == "b" {
            let fails = json!([script::event(&fixture, "start"), script::event(&fixture, "end"), {"exit": 3}]);
            json!({"1": fails, "*": usual})
        } else {
            usual
        }
    });
    let report = start(&fixture, &work, None).wait().exits(0).object();
    let attempts = &task(&report, work.id("b"))["attempts"];
    assert_eq!(attempts.as_array().map(Vec::len), Some(2), "{report:#}");
    apart(&fixture, &work, &[&["a", "b"], &["c", "d", "e"]]);
}

#[track_caller]
fn nothing_began(fixture: &Fixture) {
    assert_eq!(fixture.runs(), Vec::<std::path::PathBuf>::new());
    assert_eq!(fixture.log.events(), []);
}

#[test]
fn without_a_terminal_somebody_has_to_confirm_st_git() {
    let fixture = ST_GIT.open().expect("it needs no program");
    let work = five(&fixture, &[]);
    let mut args = fixture.run_args(&work, 2, &["--dispatch", "waves"]);
    args.retain(|arg| arg != "--yes");
    let said = Coordinator::start(&fixture, &args).wait().exits(2);
    for flag in ["--yes", "--pick", "`mesh pick`"] {
        assert!(said.stderr.contains(flag), "{}", said.stderr);
    }
    nothing_began(&fixture);
}

#[test]
fn a_first_wave_that_cannot_run_is_refused_before_anything_begins_st_git() {
    let fixture = ST_GIT.open().expect("it needs no program");
    let work = five(&fixture, &[]);
    let said = start(&fixture, &work, Some(&["a", "c", "b"]))
        .wait()
        .exits(2);
    for problem in [
        "3 tasks are named, and at most 2 may run at once",
        "c is not ready: it waits for a",
    ] {
        assert!(said.stderr.contains(problem), "{}", said.stderr);
    }
    nothing_began(&fixture);
}

#[test]
fn a_plan_shows_the_waves_and_the_first_one_that_was_picked_st_git() {
    let fixture = ST_GIT.open().expect("it needs no program");
    let work = five(&fixture, &[]);
    let waves = |more: &[&str]| {
        let args = [
            &["plan", &work.source, "-n", "2", "--rank", "seed", "--json"],
            more,
        ]
        .concat();
        fixture.mesh(&args).exits(0).object()["waves"].clone()
    };
    assert_eq!(waves(&[]), json!([["a", "b"], ["c", "d"], ["e"]]));
    let in_waves = ["--dispatch", "waves"];
    assert_eq!(waves(&in_waves), json!([["a", "b"], ["c", "d"], ["e"]]));
    let picked = [&in_waves[..], &["--pick", "b"]].concat();
    assert_eq!(waves(&picked), json!([["b"], ["a", "e"], ["c", "d"]]));
}

/// The comment of a wave is written by whoever takes the run up, if its coordinator dies first, and by nobody twice.
#[test]
fn the_status_of_a_wave_is_on_the_epic_once_after_a_kill_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("it needs no program");
    let work = five(&fixture, &[]);
    let coordinator = start(&fixture, &work, Some(&["a", "b"]));
    heard(&coordinator, &asked(2));
    coordinator.kill();
    let coordinator = Coordinator::start(&fixture, &["resume".to_owned(), "--json".to_owned()]);
    for wave in [2, 3] {
        heard(&coordinator, &asked(wave));
        fixture.mesh(&["pick"]).ends(0);
    }
    let report = coordinator.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
    statuses(&fixture, &work, &["wave-1", "wave-2", "wave-3", "end"]);
}
