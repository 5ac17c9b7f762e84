//! Runs that the core itself decided.

use mesh_core::event::{Delivery, Event, PlanChange, Request, StartFailure};
use mesh_core::evidence::{BlockReading, Ending, Failure, FailureClass, ProofChoice, ProofEnd};
use mesh_core::handle;
use mesh_core::plan::Plan;
use mesh_core::policy::Policy;
use mesh_core::state::State;
use mesh_core::task::{Eligibility, Task};
use mesh_core::time::Millis;

use super::{START, attempt, commit, evidence, id, task};
use crate::Record;

/// A run in the making: facts are told, the core decides.
pub(crate) struct Script {
    pub(crate) state: State,
    pub(crate) records: Vec<Record>,
}

impl Script {
    pub(crate) fn begin(tasks: Vec<Task>, policy: Policy) -> Script {
        let mut script = Script {
            state: State::new(),
            records: Vec::new(),
        };
        let plan = Plan::build(tasks).unwrap();
        script.tell(0, Event::RunStarted { plan, policy });
        script
    }

    pub(crate) fn tell(&mut self, at: u64, event: Event) {
        let (decisions, _) = handle(&mut self.state, Millis(at), &event);
        let number = self.records.len() as u64 + 1;
        self.records.push(Record {
            number,
            at: Millis(at),
            wall: START.after(at),
            event,
            decisions,
        });
    }

    pub(crate) fn started(&mut self, at: u64, task: &str, number: u32) {
        let attempt = attempt(task, number);
        if number == 1 {
            self.tell(
                at,
                Event::Claimed {
                    attempt: attempt.clone(),
                },
            );
        }
        self.tell(at + 20, Event::Started { attempt });
    }

    pub(crate) fn ended(&mut self, at: u64, task: &str, number: u32, ending: Ending) {
        let attempt = attempt(task, number);
        self.tell(
            at,
            Event::Ended {
                attempt,
                ending,
                tail: String::new(),
            },
        );
    }

    /// Examined at once, proved half a second later.
    pub(crate) fn proved(&mut self, at: u64, task: &str, number: u32, paths: &[&str], code: i32) {
        let attempt = attempt(task, number);
        self.ended(at, task, number, Ending::Exited(0));
        let proof = ProofChoice::Named("make test".to_owned());
        let found = evidence(&format!("commit-{task}-{number}"), paths, proof);
        self.tell(
            at + 100,
            Event::Inspected {
                attempt: attempt.clone(),
                evidence: Ok(found),
            },
        );
        let proof = ProofEnd {
            ending: Ending::Exited(code),
            tail: if code == 0 { "" } else { "1 test failed" }.to_owned(),
            passed_in_workspace: false,
        };
        self.tell(at + 500, Event::Proved { attempt, proof });
    }

    pub(crate) fn settled(&mut self, at: u64, task: &str, number: u32) {
        let attempt = attempt(task, number);
        let delivery = Delivery::Kept;
        self.tell(at, Event::Finalized { attempt, delivery });
    }
}

/// Three agents: `api` fails its proof once, `docs` needs no change, `ui` waits for a lock, `late` joins, crashes and is skipped,
/// `ship` cannot be set up at first and then asks; in between the coordinator dies once.
pub(crate) fn small_run() -> Vec<Record> {
    let tasks = vec![
        task("api", &[], &["core"]),
        task("docs", &[], &[]),
        task("ui", &[], &["core"]),
        task("ship", &["api", "ui"], &[]),
        Task {
            eligibility: Eligibility::Satisfied {
                commit: Some(commit("commit-before")),
            },
            ..task("before", &[], &[])
        },
    ];
    let policy = Policy {
        refresh: true,
        ..Policy::with_concurrency(3)
    };
    let mut run = Script::begin(tasks, policy);
    run.started(200, "api", 1);
    run.started(250, "docs", 1);
    run.proved(10_300, "docs", 1, &[], 0);
    run.settled(11_000, "docs", 1);
    let change = PlanChange {
        tasks: vec![task("late", &[], &[])],
        ..PlanChange::default()
    };
    run.tell(11_200, Event::Refreshed { change: Ok(change) });
    run.started(11_400, "late", 1);
    run.proved(20_300, "api", 1, &["src/api.rs"], 1);
    run.settled(21_000, "api", 1);
    run.tell(
        21_100,
        Event::Refreshed {
            change: Err("bd did not answer within 30 s".to_owned()),
        },
    );
    run.started(21_200, "api", 2);
    run.ended(25_000, "late", 1, Ending::Signaled(9));
    run.settled(25_500, "late", 1);
    run.tell(
        26_000,
        Event::Refreshed {
            change: Ok(PlanChange::default()),
        },
    );
    run.proved(31_300, "api", 2, &["src/api.rs", "src/lib.rs"], 0);
    run.settled(32_000, "api", 2);
    run.started(32_100, "ui", 1);
    run.started(32_200, "late", 2);
    run.tell(32_500, Event::Reopened);
    run.tell(
        33_000,
        Event::Requested {
            request: Request::Skip { task: id("late") },
        },
    );
    run.ended(34_000, "late", 2, Ending::Stopped);
    run.settled(34_100, "late", 2);
    run.proved(42_200, "ui", 1, &["src/ui.rs"], 0);
    run.settled(43_000, "ui", 1);
    run.tell(
        43_100,
        Event::StartFailed {
            attempt: attempt("ship", 1),
            cause: StartFailure::Failed(Failure::new(
                FailureClass::Setup,
                "`make deps` ended with exit code 2",
            )),
        },
    );
    run.settled(43_200, "ship", 1);
    run.tell(48_100, Event::Tick);
    run.started(48_300, "ship", 2);
    run.ended(55_200, "ship", 2, Ending::Exited(0));
    let mut asks = evidence("commit-ship-2", &["CHANGES"], ProofChoice::Nothing);
    if let BlockReading::Read(block) = &mut asks.block {
        block.blockers = Some("Which version number?".to_owned());
    }
    run.tell(
        55_300,
        Event::Inspected {
            attempt: attempt("ship", 2),
            evidence: Ok(asks),
        },
    );
    run.settled(55_900, "ship", 2);
    for at in [56_000, 56_500] {
        let change = Ok(PlanChange::default());
        run.tell(at, Event::Refreshed { change });
    }
    run.tell(57_000, Event::Concluded);
    run.records
}
