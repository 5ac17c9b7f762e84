//! One seed, from the first event to the last: jumps the clock to the next thing that happens, tells the core, lets the judges
//! look, carries actions out. A coordinator that died is rebuilt from the record and asks the world what really happened.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::decision::{Action, Decision, StopCause};
use mesh_core::event::{Delivery, Event, Request};
use mesh_core::evidence::{Ending, FailureClass};
use mesh_core::id::AttemptId;
use mesh_core::pending_work::PendingWork;
use mesh_core::plan::Plan;
use mesh_core::policy::{Budget, Policy};
use mesh_core::state::{Admission, RunEnd, State};
use mesh_core::time::Millis;
use mesh_core::{apply, decide, handle};

use crate::faults::{self, Faults};
use crate::generate;
use crate::judge::{Judge, Step};
use crate::rng::Rng;
use crate::world::{Happening, Next, Person, Role, World, ended_event, landing_proved};

/// Most steps of one world; one that needs more runs in circles.
const STEP_LIMIT: u64 = 60_000;
const TRACE_LINES: usize = 30;

/// The words for where a task can be.
const PHASES: [&str; 12] = [
    "held",
    "waiting",
    "starting",
    "running",
    "verifying",
    "question",
    "landed",
    "verified",
    "failed",
    "skipped",
    "closed-elsewhere",
    "satisfied",
];

/// What happened in a world, for the sums at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Worlds.
    pub seeds: u64,
    /// Tasks at the beginning.
    pub tasks: u64,
    /// Facts told to the core.
    pub events: u64,
    /// Attempts.
    pub attempts: u64,
    /// Accepted attempts.
    pub accepted: u64,
    /// Coordinators that died.
    pub crashes: u64,
    /// Runs taken up again after they had ended.
    pub reopened: u64,
    /// Tasks ordered done again.
    pub redos: u64,
    /// Listings with a difference.
    pub listings: u64,
    /// Reservations.
    pub reserves: u64,
    /// Slots that waited for a better task.
    pub slot_waits: u64,
    /// Pauses because of the machine.
    pub pauses: u64,
    /// Attempts that were killed.
    pub kills: u64,
    /// Attempts whose failure was excused by a common cause.
    pub excused: u64,
    /// Recordings that failed.
    pub recordings_failed: u64,
    /// Attempts that were ended because a stage took too long.
    pub overdue: u64,
    /// Tasks that were closed by somebody else.
    pub closed_elsewhere: u64,
    /// Results that were landed.
    pub landed: u64,
    /// Results that were to be landed and were not.
    pub not_landed: u64,
    /// Results that could not be landed and whose tasks were done again.
    pub given_back: u64,
    /// Waves that ran.
    pub waves: u64,
    /// Waves that a person confirmed.
    pub confirmed: u64,
    /// Words on waves that were refused.
    pub refused_picks: u64,
    /// Waves that were gone on with after their coordinator had ended or died.
    pub waves_resumed: u64,
    /// Accounts that were shut.
    pub holds: u64,
    /// Budgets of runs that were used up.
    pub spends: u64,
    /// Tasks that were given to another agent.
    pub assigns: u64,
    /// How often each failure class was decided on.
    pub classes: BTreeMap<&'static str, u64>,
    /// Where tasks have been, by the word for it.
    pub phases: BTreeSet<&'static str>,
}

impl Counts {
    /// Adds another world's counts.
    pub fn add(&mut self, other: &Counts) {
        self.seeds += other.seeds;
        self.tasks += other.tasks;
        self.events += other.events;
        self.attempts += other.attempts;
        self.accepted += other.accepted;
        self.crashes += other.crashes;
        self.reopened += other.reopened;
        self.redos += other.redos;
        self.listings += other.listings;
        self.reserves += other.reserves;
        self.slot_waits += other.slot_waits;
        self.pauses += other.pauses;
        self.kills += other.kills;
        self.excused += other.excused;
        self.recordings_failed += other.recordings_failed;
        self.overdue += other.overdue;
        self.closed_elsewhere += other.closed_elsewhere;
        self.landed += other.landed;
        self.not_landed += other.not_landed;
        self.given_back += other.given_back;
        self.waves += other.waves;
        self.confirmed += other.confirmed;
        self.refused_picks += other.refused_picks;
        self.waves_resumed += other.waves_resumed;
        self.holds += other.holds;
        self.spends += other.spends;
        self.assigns += other.assigns;
        for (class, count) in &other.classes {
            *self.classes.entry(class).or_default() += count;
        }
        self.phases.extend(&other.phases);
    }

    /// Counts a decision.
    pub fn decided(&mut self, decision: &Decision) {
        if let Decision::Retry { failure, .. }
        | Decision::Fail { failure, .. }
        | Decision::RecordingFailed { failure, .. }
        | Decision::GiveBack { failure, .. } = decision
        {
            let class = failure.class.as_str();
            *self.classes.entry(class).or_default() += 1;
        }
        match decision {
            Decision::Start { .. } => self.attempts += 1,
            Decision::Accept { .. } => self.accepted += 1,
            Decision::Reset { .. } => self.redos += 1,
            Decision::Reserve { .. } => self.reserves += 1,
            Decision::KeepSlot { .. } => self.slot_waits += 1,
            Decision::Pause { excused, .. } => {
                self.pauses += 1;
                self.excused += excused.len() as u64;
            }
            Decision::RecordingFailed { .. } => self.recordings_failed += 1,
            Decision::Stop {
                cause: StopCause::Overdue,
                ..
            } => self.overdue += 1,
            Decision::Kill { .. } => self.kills += 1,
            Decision::Hold { .. } => self.holds += 1,
            Decision::Spend { .. } => self.spends += 1,
            Decision::Assign { .. } => self.assigns += 1,
            Decision::EndLanding {
                delivery: Delivery::Landed { .. },
                ..
            } => self.landed += 1,
            Decision::EndLanding { .. } => self.not_landed += 1,
            Decision::GiveBack { .. } => self.given_back += 1,
            _ => {}
        }
    }

    /// Counts what became of waves in a record.
    pub fn note_waves<'a>(&mut self, record: impl Iterator<Item = (&'a Event, &'a [Decision])>) {
        let mut runs = false;
        for (event, decisions) in record {
            let is_word = matches!(
                event,
                Event::Requested {
                    request: Request::Pick { .. }
                }
            );
            self.waves_resumed += u64::from(runs && *event == Event::Reopened);
            for decision in decisions {
                match decision {
                    Decision::ConfirmWave { .. } => {
                        runs = true;
                        self.waves += 1;
                        self.confirmed += u64::from(is_word);
                    }
                    Decision::EndWave { .. } => runs = false,
                    Decision::Refuse { .. } if is_word => self.refused_picks += 1,
                    _ => {}
                }
            }
        }
    }

    /// Failure classes and phases that never came about: what never happened was not tried.
    #[must_use]
    pub fn not_reached(&self) -> Vec<&'static str> {
        let classes = FailureClass::ALL.into_iter().map(FailureClass::as_str);
        let classes = classes.filter(|class| !self.classes.contains_key(class));
        let phases = PHASES.into_iter();
        let of_waves = [
            ("a wave", self.waves),
            ("a wave that a person confirms", self.confirmed),
            ("a refused pick", self.refused_picks),
            ("a limit of a provider", self.holds),
            ("a budget of the run", self.spends),
            ("another agent for a task", self.assigns),
            ("a wave that is taken up again", self.waves_resumed),
        ];
        let of_waves = of_waves.into_iter().filter(|(_, count)| *count == 0);
        classes
            .chain(phases.filter(|phase| !self.phases.contains(phase)))
            .chain(of_waves.map(|(what, _)| what))
            .collect()
    }
}

/// A world in which something happened that must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The world.
    pub seed: u64,
    /// What a judge says.
    pub sentence: String,
    /// The last lines of the trace.
    pub trace: Vec<String>,
}

/// Runs the world of `seed` to its end.
///
/// # Errors
/// What a judge says, with the end of the trace.
pub fn run_seed(seed: u64) -> Result<Counts, Box<Broken>> {
    let mut drive = Drive::new(seed);
    let begun = drive.begin();
    match begun.and_then(|()| drive.run()) {
        Ok(()) => {
            let record = drive.record.iter();
            let record = record.map(|(_, event, decisions)| (event, decisions.as_slice()));
            drive.counts.note_waves(record);
            Ok(drive.counts)
        }
        Err(sentence) => Err(Box::new(Broken {
            seed,
            sentence,
            trace: drive.trace(),
        })),
    }
}

struct Drive {
    state: State,
    record: Vec<(Millis, Event, Vec<Decision>)>,
    world: World,
    judge: Judge,
    rng: Rng,
    counts: Counts,
    plan: Plan,
    policy: Policy,
    dying: bool,
    reopens_left: u32,
    /// Whoever is asked about waves.
    asked: Rng,
    /// Their word is on its way.
    word_due: bool,
}

impl Drive {
    fn new(seed: u64) -> Drive {
        let mut rng = Rng::new(seed);
        let mut made = generate::tasks(&mut rng, false);
        generate::unsettle(&mut rng, &mut made);
        let policy = generate::policy(&mut rng);
        let faults = Faults::draw(&mut rng);
        let work: Vec<u64> = made.truth.iter().map(|truth| truth.work_ms).collect();
        let mut world = World::new(seed, faults, &made.tasks, &work, &policy);
        let span = work.iter().sum::<u64>() * 3 / 2 / u64::from(policy.concurrency);
        for (at, person) in faults::people(&mut rng, &faults, work.len(), made.groups, span) {
            world.after(at, Happening::Person(person));
        }
        let (plan, _) = Plan::build_tolerant(made.tasks);
        let counts = Counts {
            seeds: 1,
            tasks: work.len() as u64,
            ..Counts::default()
        };
        Drive {
            asked: rng.fork(0xa5_4ed),
            word_due: false,
            state: State::new(),
            record: Vec::new(),
            world,
            judge: Judge::new(policy.clone()),
            rng,
            counts,
            plan,
            policy,
            dying: false,
            reopens_left: 3,
        }
    }

    fn begin(&mut self) -> Result<(), String> {
        let event = Event::RunStarted {
            plan: self.plan.clone(),
            policy: self.policy.clone(),
        };
        self.tell(event)
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..STEP_LIMIT {
            self.judge.between(&self.world)?;
            if self.state.run_end() == RunEnd::Concluded && self.world.up {
                self.judge.finish(&self.world, &self.state)?;
                if self.reopens_left == 0 || self.rng.percent(40) {
                    return Ok(());
                }
                self.reopens_left -= 1;
                if self.rng.percent(30) {
                    let request = Request::Land {
                        tasks: Vec::new(),
                        onto: "main".to_owned(),
                    };
                    self.tell(Event::Requested { request })?;
                    continue;
                }
                self.counts.reopened += 1;
                self.world.coordinator_dies();
                self.resume()?;
                continue;
            }
            let wake = self.state.next_wakeup().filter(|_| self.world.up);
            match (wake, self.world.next_at()) {
                (Some(Millis(wake)), next) if next.is_none_or(|next| wake <= next) => {
                    self.world.now = self.world.now.max(wake);
                    self.tell(Event::Tick)?;
                    let now = Millis(self.world.now);
                    if self.world.up && self.state.next_wakeup().is_some_and(|at| at <= now) {
                        return Err("a wake-up in the past: the loop would spin".to_owned());
                    }
                }
                (_, Some(_)) => match self.world.step() {
                    Next::Tell(event) => self.tell(*event)?,
                    Next::Die => self.dying = true,
                    Next::Resume => self.resume()?,
                    Next::Nothing => {}
                },
                (_, None) => {
                    return Err(
                        "nothing will ever happen again, and the run has not ended".to_owned()
                    );
                }
            }
        }
        Err(format!("no end after {STEP_LIMIT} steps"))
    }

    /// Tells the core a fact, checks that a replay would give the same, and carries out what follows.
    fn tell(&mut self, event: Event) -> Result<(), String> {
        let now = Millis(self.world.now);
        let is_word = |event: &Event| {
            matches!(
                event,
                Event::Requested {
                    request: Request::Pick { .. }
                }
            )
        };
        self.word_due &= !is_word(&event);
        let mut replayed = self.state.clone();
        let tried = decide(&self.state, now, &event);
        let (decisions, actions) = handle(&mut self.state, now, &event);
        if tried != decisions {
            return Err("replay equals live: a decision on a copy is another".to_owned());
        }
        let again = apply(&mut replayed, now, &event, &decisions);
        if again != actions || replayed != self.state {
            return Err(
                "replay equals live: applying the record gives another state or other actions"
                    .to_owned(),
            );
        }
        self.count(&event, &decisions);
        self.record.push((now, event, decisions));
        let Some((_, event, decisions)) = self.record.last() else {
            return Ok(());
        };
        let step = Step {
            world: &self.world,
            state: &self.state,
            event,
            decisions,
            actions: &actions,
        };
        self.judge.after(&step)?;
        if std::mem::take(&mut self.dying) {
            return self.die();
        }
        actions.iter().for_each(|action| self.world.perform(action));
        self.ask();
        Ok(())
    }

    /// A person hears of the wave that waits to be confirmed.
    fn ask(&mut self) {
        if !self.word_due
            && let Some(request) = faults::word_on_wave(&mut self.asked, &self.state)
        {
            self.word_due = true;
            let delay = self.asked.between(100, 1_800_000);
            let word = Happening::Person(Person::Asks(request));
            self.world.after(delay, word);
        }
    }

    fn count(&mut self, event: &Event, decisions: &[Decision]) {
        self.counts.events += 1;
        if let Event::Refreshed { change: Ok(change) } = event {
            self.counts.closed_elsewhere += change.closed.len() as u64;
        }
        self.counts.listings += u64::from(
            matches!(event, Event::Refreshed { change: Ok(change) } if !change.is_empty()),
        );
        let state = &self.state;
        let words = state.plan().all().map(|at| state.state_word(at));
        self.counts.phases.extend(words);
        for decision in decisions {
            self.counts.decided(decision);
        }
    }

    /// Between append and act: the record has the event, and nothing was done about it.
    fn die(&mut self) -> Result<(), String> {
        self.counts.crashes += 1;
        self.judge.coordinator_died();
        self.world.coordinator_dies();
        let down = self.rng.between(1, 600_000);
        self.world.after(down, Happening::Resumes);
        Ok(())
    }

    fn resume(&mut self) -> Result<(), String> {
        self.world.coordinator_comes();
        let mut rebuilt = State::new();
        for (at, event, decisions) in &self.record {
            let _ = apply(&mut rebuilt, *at, event, decisions);
        }
        if rebuilt != self.state {
            return Err(
                "replay equals live: the state rebuilt from the record is another".to_owned(),
            );
        }
        self.state = rebuilt;
        for pending_work in self.state.pending_work() {
            self.recover(&pending_work)?;
        }
        let change = self.world.listing();
        self.tell(Event::Refreshed { change: Ok(change) })?;
        if let Admission::Spent { .. } = self.state.admission()
            && self.asked.percent(70)
        {
            let budget = Budget::default();
            let request = Request::Budget { budget };
            self.tell(Event::Requested { request })?;
        }
        for request in std::mem::take(&mut self.world.requests) {
            self.tell(Event::Requested { request })?;
        }
        self.tell(Event::Reopened)
    }

    /// Asks the world whether something has happened before it is done again.
    fn recover(&mut self, pending_work: &PendingWork) -> Result<(), String> {
        let ending = |world: &World, attempt: &_, role: Role| {
            let real = world.attempts.get(attempt)?;
            match role {
                Role::Agent => Some(real.agent.ending.clone()),
                Role::Proof | Role::LandingProof => {
                    real.proof.as_ref().map(|proof| proof.ending.clone())
                }
            }
        };
        match pending_work {
            PendingWork::Start(order) => match ending(&self.world, &order.attempt, Role::Agent) {
                None => self.perform_owed(pending_work),
                Some(ended) => {
                    self.tell(Event::Started {
                        attempt: order.attempt.clone(),
                    })?;
                    match ended {
                        Some(ended) => self.tell_end(&order.attempt, ended),
                        None => Ok(()),
                    }
                }
            },
            PendingWork::Running {
                attempt,
                stopping,
                looking,
            } => match ending(&self.world, attempt, Role::Agent) {
                Some(Some(ended)) => self.tell_end(attempt, ended),
                Some(None) => {
                    if *stopping {
                        self.world.perform(&Action::Stop {
                            attempt: attempt.clone(),
                        });
                    }
                    if *looking {
                        self.world.perform(&Action::Probe {
                            attempt: attempt.clone(),
                        });
                    }
                    Ok(())
                }
                None => Err(format!("{attempt} is said to run and was never executed")),
            },
            PendingWork::Prove { attempt, .. } => match ending(&self.world, attempt, Role::Proof) {
                None => self.perform_owed(pending_work),
                Some(Some(ended)) => self.tell(ended_event(attempt, Role::Proof, ended)),
                Some(None) => Ok(()),
            },
            PendingWork::Landing(Action::ProveLanding {
                attempt, landing, ..
            }) => {
                let known = self.world.target.proofs.get(attempt);
                let of_it = known.filter(|proof| proof.landing == *landing);
                match of_it.map(|proof| proof.process.ending.clone()) {
                    None => self.perform_owed(pending_work),
                    Some(Some(ended)) => self.tell(landing_proved(attempt, *landing, ended)),
                    Some(None) => Ok(()),
                }
            }
            PendingWork::Inspect { .. }
            | PendingWork::Landing(_)
            | PendingWork::Finalize { .. }
            | PendingWork::FinalizeWave(_)
            | PendingWork::Refresh
            | PendingWork::Conclude => self.perform_owed(pending_work),
        }
    }

    /// An agent has ended that nobody told of.
    fn tell_end(&mut self, attempt: &AttemptId, ending: Ending) -> Result<(), String> {
        if let Some(metered) = self.world.metered(attempt) {
            self.tell(metered)?;
        }
        self.tell(ended_event(attempt, Role::Agent, ending))
    }

    fn perform_owed(&mut self, pending_work: &PendingWork) -> Result<(), String> {
        if let Some(action) = pending_work.action() {
            self.world.perform(&action);
        }
        Ok(())
    }

    fn trace(&self) -> Vec<String> {
        let first = self.record.len().saturating_sub(TRACE_LINES);
        self.record[first..]
            .iter()
            .map(|(at, event, decisions)| {
                format!("{:>10} {} -> {}", at.0, short(event), short(decisions))
            })
            .collect()
    }
}

/// A fact or a decision on one line, not too long.
fn short(what: &impl std::fmt::Debug) -> String {
    let mut text = format!("{what:?}")
        .replace("TaskId(\"", "")
        .replace("\")", "");
    if text.chars().count() > 300 {
        text = text.chars().take(300).chain("…".chars()).collect();
    }
    text
}
