use crate::decide::tests::{Story, id, task};
use crate::event::{Event, PlanChange, Request};
use crate::evidence::Ending;
use crate::policy::{Dispatch, Policy, Rank};
use crate::state::RunEnd;
use crate::task::Task;
use crate::time::Millis;

fn begin(tasks: Vec<Task>, concurrency: u16, change: impl FnOnce(&mut Policy)) -> (Story, String) {
    Story::begin(tasks, concurrency, |policy| {
        policy.dispatch = Dispatch::Waves;
        policy.ask_waves = true;
        change(policy);
    })
}

fn pick(run: &mut Story, wave: u32, tasks: &[&str]) -> String {
    let tasks = tasks.iter().map(|task| id(task)).collect();
    let request = Request::Pick { wave, tasks };
    run.tell(Event::Requested { request })
}

fn why(run: &Story, task: &str) -> String {
    let at = run.state.plan().find(&id(task)).unwrap();
    run.state.why(run.now, at).to_string()
}

fn chain_and_two() -> Vec<Task> {
    vec![
        task("a", &[], &[]),
        task("b", &[], &[]),
        task("c", &[], &[]),
        task("d", &["b"], &[]),
    ]
}

#[test]
fn a_wave_is_announced_confirmed_and_awaited() {
    let (mut run, said) = begin(chain_and_two(), 2, |_| {});
    assert_eq!(said, "announce 1: b a");
    assert_eq!(run.tell(Event::Tick), "", "it is asked once");
    assert_eq!(
        why(&run, "b"),
        "is held: wave 1 waits to be confirmed; `mesh pick` confirms it"
    );
    assert_eq!(why(&run, "c"), "is held: it waits for wave 2");
    assert_eq!(
        pick(&mut run, 1, &["b", "a"]),
        "confirm 1: b a; start b#1 on mesh-1; start a#1 on mesh-2"
    );
    assert_eq!(
        run.verified("b#1"),
        "accept b#1",
        "a slot is free, and nobody may have it"
    );
    assert_eq!(why(&run, "d"), "is held: it waits for wave 2");
    assert_eq!(
        run.verified("a#1"),
        "accept a#1; end 1, next: c d; announce 2: c d"
    );
    run.settled("a#1");
    run.settled("b#1");
    assert_eq!(run.tell(Event::WaveFinalized { wave: 1 }), "");
    assert_eq!(run.state.run_end(), RunEnd::Open, "a question is open");
    assert_eq!(
        pick(&mut run, 2, &["c"]),
        "confirm 2: c; start c#1 on mesh-1"
    );
    assert_eq!(
        run.verified("c#1"),
        "accept c#1; end 2, next: d; announce 3: d"
    );
    pick(&mut run, 3, &["d"]);
    assert_eq!(run.verified("d#1"), "accept d#1; end 3, next: ");
    run.settled("c#1");
    run.settled("d#1");
    run.tell(Event::WaveFinalized { wave: 2 });
    assert_eq!(run.tell(Event::WaveFinalized { wave: 3 }), "conclude");
    assert_eq!(run.tell(Event::WaveFinalized { wave: 3 }), "");
}

#[test]
fn a_wave_that_nobody_is_asked_about_starts_at_once() {
    let (mut run, said) = begin(chain_and_two(), 3, |policy| policy.ask_waves = false);
    assert_eq!(
        said,
        "announce 1: b a c; confirm 1: b a c; start b#1 on mesh-1; start a#1 on mesh-2; start c#1 on mesh-3"
    );
    run.verified("b#1");
    run.verified("a#1");
    assert_eq!(
        run.verified("c#1"),
        "accept c#1; end 1, next: d; announce 2: d; confirm 2: d; start d#1 on mesh-1"
    );
}

#[test]
fn the_first_wave_is_the_one_that_was_picked_when_the_run_began() {
    let (_, said) = begin(chain_and_two(), 2, |policy| {
        policy.picks = vec![id("c")];
    });
    assert_eq!(said, "announce 1: c b; confirm 1: c; start c#1 on mesh-1");
    let (_, said) = begin(chain_and_two(), 2, |policy| {
        policy.picks = vec![id("d")];
    });
    assert_eq!(
        said,
        "announce 1: b a; refuse: d is not ready: it waits for b (held)"
    );
}

#[test]
fn a_bad_pick_is_refused_with_all_its_problems_and_the_question_stays_open() {
    let tasks = vec![
        task("a", &[], &["x"]),
        task("b", &[], &["x", "y"]),
        task("c", &["a"], &[]),
    ];
    let (mut run, said) = begin(tasks, 2, |policy| policy.rank = Rank::Seed);
    assert_eq!(said, "announce 1: a");
    assert_eq!(
        pick(&mut run, 1, &["a", "b", "c", "a", "z"]),
        "refuse: 5 tasks are named, and at most 2 may run at once; \
         b cannot run beside a: both take the lock group x; c is not ready: it waits for a (held); a is named twice; \
         there is no task z in this run"
    );
    assert_eq!(pick(&mut run, 1, &[]), "refuse: no task is named");
    assert_eq!(
        pick(&mut run, 2, &["a"]),
        "refuse: wave 2 does not wait to be confirmed, wave 1 does"
    );
    assert_eq!(
        pick(&mut run, 1, &["b"]),
        "confirm 1: b; start b#1 on mesh-1"
    );
    assert_eq!(
        pick(&mut run, 1, &["a"]),
        "refuse: no wave waits to be confirmed"
    );
    let (mut frontier, _) = Story::begin(vec![task("a", &[], &[])], 1, |_| {});
    assert_eq!(
        pick(&mut frontier, 1, &["a"]),
        "refuse: this run has no waves: its tasks start as soon as they may"
    );
}

#[test]
fn units_of_a_lock_group_are_counted() {
    let mut tasks = vec![
        task("a", &[], &[]),
        task("b", &[], &[]),
        task("c", &[], &[]),
    ];
    for one in &mut tasks {
        one.locks
            .insert_units(crate::id::LockGroup::new("gpu").unwrap(), 2);
    }
    let capacity = [(crate::id::LockGroup::new("gpu").unwrap(), 4)];
    let (mut run, said) = begin(tasks, 3, |policy| policy.capacity = capacity.into());
    assert_eq!(said, "announce 1: a b");
    assert_eq!(
        pick(&mut run, 1, &["a", "b", "c"]),
        "refuse: c cannot run beside a: both take the lock group gpu"
    );
}

#[test]
fn a_retry_belongs_to_its_wave_and_a_question_ends_it() {
    let (mut run, _) = begin(chain_and_two(), 2, |_| {});
    pick(&mut run, 1, &["a", "b"]);
    run.started("a#1");
    run.started("b#1");
    assert_eq!(
        run.ended("a#1", Ending::Exited(3)),
        "retry after a#1 crashed; start a#2 on mesh-1"
    );
    let mut asks = crate::decide::tests::evidence("b#1");
    if let crate::evidence::BlockReading::Read(block) = &mut asks.block {
        block.blockers = Some("which colour?".to_owned());
    }
    run.ended("b#1", Ending::Exited(0));
    let asked = run.tell(Event::Inspected {
        attempt: crate::decide::tests::attempt("b#1"),
        evidence: Ok(asks),
    });
    assert_eq!(asked, "question b#1 which colour?");
    assert_eq!(
        run.verified("a#2"),
        "accept a#2; end 1, next: c; announce 2: c"
    );
}

#[test]
fn what_joins_while_a_wave_runs_waits_for_the_next_one() {
    let (mut run, _) = begin(vec![task("a", &[], &[])], 3, |policy| policy.refresh = true);
    pick(&mut run, 1, &["a"]);
    let change = PlanChange {
        tasks: vec![task("new", &[], &[])],
        ..PlanChange::default()
    };
    assert_eq!(run.tell(Event::Refreshed { change: Ok(change) }), "");
    assert_eq!(why(&run, "new"), "is held: it waits for wave 2");
    assert_eq!(
        run.verified("a#1"),
        "accept a#1; end 1, next: new; announce 2: new; refresh"
    );
}

#[test]
fn what_changes_while_a_wave_waits_to_be_confirmed_is_announced_anew() {
    let (mut run, _) = begin(chain_and_two(), 2, |_| {});
    let skip = |task: &str| Event::Requested {
        request: Request::Skip { task: id(task) },
    };
    assert_eq!(
        run.tell(skip("a")),
        "skip a: a person skipped it; announce 1: b c"
    );
    run.tell(skip("b"));
    assert_eq!(
        run.tell(skip("c")),
        "skip c: a person skipped it; announce 1: ; conclude",
        "nothing is left to be asked about"
    );
}

#[test]
fn a_wave_goes_on_after_a_crash_without_a_question_and_one_that_was_not_confirmed_is_asked_again() {
    let (mut run, _) = begin(chain_and_two(), 2, |_| {});
    assert_eq!(run.tell(Event::Reopened), "announce 1: b a");
    pick(&mut run, 1, &["a", "b"]);
    run.started("a#1");
    assert_eq!(run.tell(Event::Reopened), "");
    assert_eq!(run.state.wave().unwrap().number, 1);
    let stop = Event::Requested {
        request: Request::Stop { now: true },
    };
    assert_eq!(
        run.tell(stop),
        "drain; stop a#1 RunStopped; stop b#1 RunStopped"
    );
    run.ended("a#1", Ending::Stopped);
    run.ended("b#1", Ending::Stopped);
    run.settled("a#1");
    assert_eq!(run.settled("b#1"), "conclude");
    run.tell(Event::Concluded);
    run.now = Millis(1);
    assert_eq!(
        run.tell(Event::Reopened),
        "start a#2 on mesh-1; start b#2 on mesh-2",
        "it was confirmed"
    );
}

#[test]
fn a_run_that_is_stopped_while_it_asks_ends_and_asks_again() {
    let (mut run, _) = begin(chain_and_two(), 2, |_| {});
    let stop = Event::Requested {
        request: Request::Stop { now: false },
    };
    assert_eq!(run.tell(stop), "drain; conclude");
    run.tell(Event::Concluded);
    assert_eq!(run.tell(Event::Reopened), "announce 1: b a");
}

#[test]
fn fewer_run_in_a_wave_after_failures() {
    let tasks = ["a", "b", "c", "d", "e"].map(|name| task(name, &[], &[]));
    let (mut run, said) = begin(tasks.to_vec(), 4, |policy| {
        policy.retries = 0;
        policy.ask_waves = false;
    });
    assert!(said.starts_with("announce 1: a b c d;"), "{said}");
    for task in ["a#1", "b#1", "c#1", "d#1"] {
        run.started(task);
    }
    run.ended("a#1", Ending::HardLimit);
    assert_eq!(
        run.ended("b#1", Ending::HardLimit),
        "fail b#1 hung; width 2"
    );
    run.ended("c#1", Ending::HardLimit);
    assert_eq!(
        run.ended("d#1", Ending::HardLimit),
        "fail d#1 hung; width 1; end 1, next: e; announce 2: e; confirm 2: e; start e#1 on mesh-1"
    );
}
