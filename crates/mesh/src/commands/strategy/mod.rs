//! `mesh __strategy`: the driver of a compound agent. It runs as an attempt's agent, under its shim, in its workspace and sandbox, and
//! starts the agents of the strategy's roles. What comes next is said by `mesh-strategy` from what has happened; here it is done, and
//! written down before it is asked again.
//!
//! It ends as any agent does, with a final block, and nobody but its coordinator records or proves anything. A role never writes to
//! the workspace: its sandbox has only its own folders, and where there is none, a workspace that changed while roles were at work
//! ends the attempt.

mod patch;
mod place;
mod roles;
mod transcript;

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use mesh_agent::protocol::strategy::{Line, Turn as TurnLine};
use mesh_core::metered::Usage;
use mesh_core::text::one_line;
use mesh_engine::METADATA_FILE;
use mesh_proc::signal::{Listener, OwnSignal};
use mesh_proc::watch::Watcher;
use mesh_strategy::entry::{Applied, End, Entry};
use mesh_strategy::step::{Act, Change, Next, Outcome, Stage, Turn, TurnId};
use mesh_strategy::task::Task;

use crate::error::{CommandError, Kind};
use crate::exit_code;
use patch::Patches;
use place::Place;
use roles::{Came, Roles};
use transcript::Transcript;

pub(crate) use place::{Choices, shown};

/// How often roles are looked at that say nothing.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// How long a signal to all processes of an attempt may take to reach us after it has ended one of them.
const SIGNAL_PATIENCE: Duration = Duration::from_secs(2);

/// The driver of a strategy.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its name.
    name: String,
}

/// What the driver waits for.
enum Input {
    /// A process has ended.
    Ended(Key),
    /// Somebody wants it to end.
    Signal(OwnSignal),
}

/// A process of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A role's turn.
    Turn(TurnId),
    /// The proof of a turn's patch.
    Proof(TurnId),
}

/// Why there is no final block.
enum GaveUp {
    /// Somebody ended it.
    Ended(OwnSignal),
    /// For this reason, which is told in the stream.
    Failed(Box<Line>),
}

impl GaveUp {
    fn because(reason: impl ToString) -> GaveUp {
        GaveUp::Failed(Box::new(Line::Failed {
            reason: reason.to_string(),
            refusal: None,
        }))
    }
}

impl From<std::io::Error> for GaveUp {
    fn from(error: std::io::Error) -> GaveUp {
        GaveUp::because(error)
    }
}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let place = Place::of_this_process()?;
    if place.strategy.as_str() != args.name {
        return Err(CommandError::usage(format!(
            "the run works with the strategy {}, not {}",
            place.strategy, args.name
        )));
    }
    let (sender, inputs) = channel();
    let ends = sender.clone();
    let system = |error: std::io::Error| CommandError::new(Kind::Environment, error.to_string());
    let watcher = Watcher::start(move |key| {
        let _ = ends.send(Input::Ended(key));
    })
    .map_err(system)?;
    let _listener = Listener::start(move |signal| {
        let _ = sender.send(Input::Signal(signal));
    })
    .map_err(system)?;
    let mut driver = match Driver::new(&place, watcher, inputs) {
        Ok(driver) => driver,
        Err(gave_up) => return Ok(end(&gave_up)),
    };
    let outcome = driver.work();
    driver.roles.end_all();
    Ok(match outcome {
        Ok(outcome) => {
            let message = final_message(&place, &outcome);
            say(&Line::End { message });
            // Only now: an attempt that dies before goes on from the transcript, and comes to the same.
            driver.transcript.finish(&outcome)?;
            exit_code::OK
        }
        Err(gave_up) => end(&gave_up),
    })
}

fn end(gave_up: &GaveUp) -> u8 {
    match gave_up {
        GaveUp::Ended(OwnSignal::Interrupt) => exit_code::INTERRUPTED,
        GaveUp::Ended(_) => exit_code::TERMINATED,
        GaveUp::Failed(line) => {
            say(line);
            exit_code::SOME_FAILED
        }
    }
}

/// Tells whoever reads the stream. When nobody can any more, the exit code still tells.
fn say(line: &Line) {
    let mut out = std::io::stdout().lock();
    if let Ok(text) = serde_json::to_string(line) {
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

fn step(text: impl Into<String>) {
    say(&Line::Step { text: text.into() });
}

struct Driver<'a> {
    place: &'a Place,
    /// What the roles are told of the task.
    task: Task,
    roles: Roles<'a>,
    patches: Patches<'a>,
    transcript: Transcript,
    inputs: Receiver<Input>,
    /// Ends that came while something else was waited for.
    ended: VecDeque<Key>,
    /// When the first turn was started.
    begun: Option<Instant>,
}

impl<'a> Driver<'a> {
    fn new(
        place: &'a Place,
        watcher: Watcher<Key>,
        inputs: Receiver<Input>,
    ) -> Result<Driver<'a>, GaveUp> {
        let patches = Patches::new(place)?;
        patches.begin()?;
        let transcript = Transcript::begin(place)?;
        let mut task = place.task.clone();
        let count = transcript.entries().len();
        if count > 0 {
            step(format!("goes on with {count} entries of attempts before"));
            // How the last one ended is nothing for roles that go on with their work.
            task.previous = None;
        }
        Ok(Driver {
            task,
            place,
            roles: Roles::new(place, watcher),
            patches,
            transcript,
            inputs,
            ended: VecDeque::new(),
            begun: None,
        })
    }

    /// Until the strategy has an outcome.
    fn work(&mut self) -> Result<Outcome, GaveUp> {
        loop {
            let next = mesh_strategy::next(
                self.place.strategy,
                &self.task,
                &self.place.choices.settings,
                self.transcript.entries(),
            );
            let Next { turns, act } = next.map_err(GaveUp::because)?;
            if let Some(Act::Finish(outcome)) = act {
                // What still runs has lost, and is told of too.
                while self.supersede(&[])? {}
                return Ok(outcome);
            }
            if self.supersede(&turns)? || self.start(&turns)? {
                continue;
            }
            let is_over = match act {
                Some(act) => self.act(act)?,
                None => false,
            };
            if !is_over {
                self.wait()?;
            }
        }
    }

    /// Ends turns that should not run any more. Says whether there was one.
    fn supersede(&mut self, wanted: &[Turn]) -> Result<bool, GaveUp> {
        let is_wanted = |id: &TurnId| wanted.iter().any(|turn| turn.id == *id);
        let Some(id) = self.roles.running().find(|id| !is_wanted(id)) else {
            return Ok(false);
        };
        let usage = self.roles.end(Key::Turn(id));
        self.told(id, "superseded", false, usage);
        let end = End::Superseded;
        self.transcript.append(Entry::Turn { turn: id, end })?;
        Ok(true)
    }

    /// Starts turns that do not run yet. Says whether one could not be started, which is an entry.
    fn start(&mut self, wanted: &[Turn]) -> Result<bool, GaveUp> {
        let missing: Vec<&Turn> = wanted
            .iter()
            .filter(|turn| !self.roles.running().any(|id| id == turn.id))
            .collect();
        for turn in missing {
            step(format!("{} starts: {}", turn.id.role, turn.id));
            match self.roles.start(turn) {
                Ok(()) => {
                    self.begun.get_or_insert_with(Instant::now);
                }
                Err(why) => {
                    self.told(turn.id, &format!("not started: {why}"), false, None);
                    let end = End::NotStarted { why };
                    self.transcript.append(Entry::Turn { turn: turn.id, end })?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Carries out what is to be done beside the turns. Says whether it is over; a proof is waited for.
    fn act(&mut self, act: Act) -> Result<bool, GaveUp> {
        let entry = match act {
            Act::Finish(_) => return Ok(false),
            Act::Persist { turn, meta } => {
                fs_err::write(self.place.roles.join(METADATA_FILE), &meta.block)?;
                Entry::Persisted { turn }
            }
            Act::Apply { turn, patch, paths } => {
                step(format!("applies the patch of {turn}: {}", paths.join(", ")));
                let result = self.patches.apply(&patch)?;
                if let Applied::Refused { why } = &result {
                    step(format!("the patch of {turn} does not apply: {why}"));
                }
                self.roles.expect_changes();
                Entry::Apply { turn, result }
            }
            Act::Prove { turn, commands } => {
                if !self.roles.is_proving(turn) {
                    step(format!("proves the patch of {turn}"));
                    self.roles.prove(turn, &commands).map_err(GaveUp::because)?;
                }
                return Ok(false);
            }
        };
        self.transcript.append(entry)?;
        Ok(true)
    }

    /// Until something has happened, and writes it down.
    fn wait(&mut self) -> Result<(), GaveUp> {
        let now = Instant::now();
        let limits = [
            (self.place.choices.soft_limit(), Entry::SoftLimit),
            (self.place.choices.hard_limit(), Entry::HardLimit),
        ];
        let open = limits.into_iter().filter_map(|(limit, entry)| {
            let is_told = self.transcript.entries().contains(&entry);
            let at = self.begun?.checked_add(limit?)?;
            (!is_told).then_some((at, entry))
        });
        let next = open.min_by_key(|(at, _)| *at);
        let patience = next
            .as_ref()
            .map_or(LOOK_EVERY, |(at, _)| at.saturating_duration_since(now));
        let input = match self.ended.pop_front() {
            Some(key) => Ok(Input::Ended(key)),
            None => self.inputs.recv_timeout(patience.min(LOOK_EVERY)),
        };
        match input {
            Ok(Input::Ended(key)) => self.take_end(key),
            Ok(Input::Signal(OwnSignal::HangUp)) => Ok(()),
            Ok(Input::Signal(signal)) => Err(GaveUp::Ended(signal)),
            Err(RecvTimeoutError::Timeout) => {
                self.roles.end_silent();
                match next {
                    Some((at, entry)) if at <= Instant::now() => {
                        step(match entry {
                            Entry::SoftLimit => "the soft limit has passed",
                            _ => "the hard limit has passed",
                        });
                        Ok(self.transcript.append(entry)?)
                    }
                    _ => Ok(()),
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(GaveUp::because("nobody waits for its processes any more"))
            }
        }
    }

    fn take_end(&mut self, key: Key) -> Result<(), GaveUp> {
        let Some(came) = self.roles.take(key)? else {
            return Ok(());
        };
        match came {
            Came::Proof {
                turn,
                exit_code,
                excerpt,
            } => {
                let shown = exit_code.map_or("no exit code".to_owned(), |code| code.to_string());
                step(format!("the proof of {turn} ended with {shown}"));
                Ok(self.transcript.append(Entry::Proof {
                    turn,
                    exit_code,
                    excerpt,
                })?)
            }
            Came::Turn {
                turn,
                end,
                usage,
                refusal,
                is_stopped,
            } => {
                if is_stopped && let Some(signal) = self.signal_soon() {
                    return Err(GaveUp::Ended(signal));
                }
                if let Some(refusal) = refusal {
                    let outcome = format!("its provider refused: {refusal}");
                    self.told(turn, &outcome, false, usage);
                    return Err(GaveUp::Failed(Box::new(Line::Failed {
                        reason: format!("{}: {refusal}", turn.role),
                        refusal: Some(refusal),
                    })));
                }
                let is_answered = matches!(end, End::Answer { .. });
                self.told(turn, &came_of(&end, turn), is_answered, usage);
                Ok(self.transcript.append(Entry::Turn { turn, end })?)
            }
        }
    }

    /// Whoever ends the attempt signals all of its processes, and a role may be gone before our own signal is seen: then its turn has
    /// not ended without an answer, it has not ended.
    fn signal_soon(&mut self) -> Option<OwnSignal> {
        let until = Instant::now() + SIGNAL_PATIENCE;
        loop {
            match self
                .inputs
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(Input::Signal(OwnSignal::HangUp)) => {}
                Ok(Input::Signal(signal)) => return Some(signal),
                Ok(Input::Ended(key)) => self.ended.push_back(key),
                Err(_) => return None,
            }
        }
    }

    fn told(&self, turn: TurnId, outcome: &str, is_answered: bool, usage: Option<Usage>) {
        say(&Line::Turn(TurnLine {
            turn: turn.to_string(),
            role: turn.role.to_string(),
            agent: self.place.agent_of(turn.role),
            outcome: one_line(outcome),
            is_answered,
            usage,
        }));
    }
}

/// What came of a turn, in a few words.
fn came_of(end: &End, turn: TurnId) -> String {
    match end {
        End::Answer { text } if turn.stage == Stage::Vote => {
            let said = text.lines().map(|line| line.trim().to_lowercase());
            let mut votes = said.filter(|line| line.starts_with("vote:"));
            votes.next().unwrap_or_else(|| "answered".to_owned())
        }
        End::Answer { .. } => "answered".to_owned(),
        End::NoAnswer { why } => format!("no answer: {why}"),
        End::TimedOut => "no answer in time".to_owned(),
        End::NotStarted { why } => format!("not started: {why}"),
        End::Superseded => "superseded".to_owned(),
    }
}

/// The last message, with the block that every agent ends with.
fn final_message(place: &Place, outcome: &Outcome) -> String {
    let (head, notes, verify, changed, blockers) = match outcome {
        Outcome::Accepted {
            change,
            validation,
            notes,
        } => {
            let changed = match change {
                Change::Patch { paths, .. } => paths.join(", "),
                Change::NoDiff { reason } => format!("NO_DIFF:{reason}"),
            };
            let verify = match validation.join(" && ") {
                none if none.is_empty() => "none".to_owned(),
                commands => format!("{commands}  # pass"),
            };
            ("accepted", notes, verify, changed, "none".to_owned())
        }
        Outcome::Question {
            question,
            recommended_default,
            what_changes,
            notes,
        } => {
            let more = [
                ("recommended", recommended_default),
                ("what depends on it", what_changes),
            ];
            let more = more.iter().filter(|(_, text)| !text.is_empty());
            let more: String = more
                .map(|(what, text)| format!(" ({what}: {text})"))
                .collect();
            let changed = "NO_DIFF:a question is open".to_owned();
            let none = "none".to_owned();
            ("asks", notes, none, changed, format!("{question}{more}"))
        }
        Outcome::Blocked {
            reason,
            detail,
            notes,
        } => {
            let changed = format!("NO_DIFF:{reason}");
            let none = "none".to_owned();
            (
                "blocked",
                notes,
                none,
                changed,
                format!("{reason}: {detail}"),
            )
        }
    };
    let notes: String = notes
        .iter()
        .map(|note| format!("- {}\n", one_line(note)))
        .collect();
    let (verify, changed, blockers) = (one_line(&verify), one_line(&changed), one_line(&blockers));
    format!(
        "{}: {head}\n{notes}\nPR: none\n\nVerify: {verify}\nChanged: {changed}\nBlockers: {blockers}\n",
        place.strategy
    )
}
