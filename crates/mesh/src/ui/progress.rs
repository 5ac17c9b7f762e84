//! What happens, while it happens: one line a fact, and a count at the bottom on a terminal.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use mesh_core::decision::Decision;
use mesh_core::event::{Delivery, Event, Request};
use mesh_core::evidence::brief;
use mesh_core::graph::Ix;
use mesh_core::id::TaskId;
use mesh_core::limit::Gate;
use mesh_core::metered::dollars;
use mesh_core::state::{Phase, State};
use mesh_core::task::Eligibility;
use mesh_core::text::{counted, one_line, shortened, visible};
use mesh_core::time::Millis;
use mesh_engine::Observer;
use mesh_journal::layout::RunDir;

use crate::ui::activity::Activities;
use crate::ui::terminal_question::TerminalQuestion;

/// Shows a run on stderr or, when stdout is free, there.
pub(crate) struct Progress {
    to_stderr: bool,
    bar: Option<ProgressBar>,
    width: Width,
    /// Where questions are put, when there may be any.
    question: Option<TerminalQuestion>,
    activities: Option<Activities>,
}

/// What people have been told about how many agents may run.
#[derive(Default)]
struct Width(Option<u16>);

impl Width {
    /// What is to be said, once these decisions are made. Taking a run up again gives back what was taken away, and nothing is
    /// decided about that: without a word the last one would go on to stand there.
    fn said(&mut self, event: &Event, decisions: &[Decision], now: u16) -> Option<String> {
        let shown = counted(usize::from(now), "agent");
        if decisions
            .iter()
            .any(|one| matches!(one, Decision::SetConcurrency { .. }))
        {
            self.0 = Some(now);
            return Some(format!("at most {shown} at once from now on"));
        }
        let told = self.0.take_if(|_| *event == Event::Reopened)?;
        (told != now).then(|| format!("at most {shown} at once again"))
    }
}

impl Progress {
    /// Questions are put to `question`, when there may be any.
    pub fn new(
        to_stderr: bool,
        question: Option<TerminalQuestion>,
        run_dir: Option<&RunDir>,
    ) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // The template is ours; if it were wrong the bar would only look plain.
            if let Ok(style) =
                ProgressStyle::with_template("[{elapsed}] {bar:24} {pos}/{len} {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        // On a terminal that cannot redraw, or where NO_COLOR is set, it would swallow the lines too.
        let bar = bar.filter(|bar| !bar.is_hidden());
        let activities = run_dir.zip(bar.clone());
        Progress {
            activities: activities.map(|(run_dir, bar)| Activities::new(run_dir.clone(), bar)),
            to_stderr,
            bar,
            width: Width::default(),
            question,
        }
    }

    /// Asks about the wave that was announced, unless it runs already, and else, where the run waits for answers, about the first
    /// question that is open.
    fn ask(&mut self, event: &Event, decisions: &[Decision], state: &State) {
        let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let announced = |decision: &Decision| matches!(decision, Decision::AnnounceWave { .. });
        let is_answer = matches!(
            event,
            Event::Requested {
                request: Request::Pick { .. }
            }
        );
        let Some(wave) = state.unconfirmed_wave() else {
            let awaited = state.policy().answer_wait.is_some();
            let open = state.questions().find(|_| awaited);
            let open = open.and_then(|at| match &state.task(at).phase {
                Phase::Question { attempt, .. } => Some((&state.plan().task(at).id, *attempt)),
                _ => None,
            });
            let asked = match (&mut self.question, open) {
                (Some(question), Some((task, attempt))) => {
                    question.ask_task(task, attempt, is_terminal)
                }
                (Some(question), None) => {
                    question.settle();
                    None
                }
                (None, _) => None,
            };
            asked.iter().for_each(|asked| self.line(asked));
            return;
        };
        if !is_answer && !decisions.iter().any(announced) {
            return;
        }
        let id = |at: &Ix| state.plan().task(*at).id.clone();
        let tasks = wave.tasks.iter().map(id).collect();
        let question = self.question.as_mut();
        let asked = question.map(|question| question.ask_wave(wave.number, tasks, is_terminal));
        if let Some(asked) = asked {
            self.line(&asked);
        }
    }

    fn line(&self, text: &str) {
        let text = visible(text);
        match &self.bar {
            Some(bar) => bar.println(text.as_ref()),
            None if self.to_stderr => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            None => {
                let _ = writeln!(std::io::stdout(), "{text}");
            }
        }
    }
}

impl Observer for Progress {
    fn happened(&mut self, now: Millis, event: &Event, decisions: &[Decision], state: &State) {
        let time = format!("{:>6.1} s", now.0 as f64 / 1000.0);
        if let Event::Started { attempt } = event
            && let Some((_, active)) = state.current(attempt)
        {
            let title = state
                .find(&attempt.task)
                .map(|(task, _)| one_line(&task.title))
                .unwrap_or_default();
            self.line(&format!(
                "{time}  {attempt} runs on {}: {title}",
                active.slot
            ));
        }
        if let Event::Refreshed { change: Ok(change) } = event {
            for (task, sign) in &change.closed {
                self.line(&format!(
                    "{time}  {task} was closed by somebody else: {sign}"
                ));
            }
        }
        for decision in decisions {
            if let Decision::AnnounceWave { .. } = decision
                && let Some(status) = mesh_engine::wave_status(state, now, decisions)
            {
                status.lines().for_each(|line| self.line(line));
            }
            if let Decision::Hold { account, until } = decision {
                let rest = until.since(now);
                let account = match account.as_str() {
                    "" => String::new(),
                    account => format!(" of account {}", one_line(account)),
                };
                self.line(&format!(
                    "{time}  the provider's limit{account} is reached; nothing starts on it for {rest}"
                ));
            }
            if let Some(text) = said(decision) {
                self.line(&format!("{time}  {text}"));
            }
        }
        self.ask(event, decisions, state);
        if let Some(text) = self.width.said(event, decisions, state.width()) {
            self.line(&format!("{time}  {text}"));
        }
        if let Some(bar) = &self.bar {
            let tasks = || {
                state
                    .plan()
                    .all()
                    .filter(|at| state.plan().task(*at).eligibility != Eligibility::Container)
            };
            bar.set_length(tasks().count() as u64);
            bar.set_position(tasks().filter(|at| state.is_done(*at)).count() as u64);
            let about_run = about_run(now, state);
            if let Some(activities) = &mut self.activities {
                activities.update(state, &about_run);
            }
            bar.set_message(about_run);
        }
    }

    fn note(&mut self, text: &str) {
        self.line(&format!("          {}", brief(text)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How many agents run, what all of them used, and what waits for a limit.
fn about_run(now: Millis, state: &State) -> String {
    let mut parts = vec![format!("{} running", state.active_count())];
    let spent = state.spent();
    if spent.tokens() > 0 {
        parts.push(format!("{} tokens", spent.tokens()));
    }
    parts.extend(spent.cost_micro_usd.map(dollars));
    for (name, account) in state.accounts() {
        if let Gate::Shut { until } = account.gate {
            let name = if name.is_empty() {
                "the provider"
            } else {
                name
            };
            let name = one_line(name);
            parts.push(format!("limit of {name} for {}", until.since(now)));
        }
    }
    parts.join(" · ")
}

/// The decisions that people want to hear of.
fn said(decision: &Decision) -> Option<String> {
    Some(match decision {
        Decision::Accept {
            attempt,
            self_checked: true,
            ..
        } => format!("{attempt} verified, self-checked"),
        Decision::Accept { attempt, .. } => format!("{attempt} verified"),
        Decision::Retry {
            attempt,
            failure,
            counts,
        } => format!(
            "{attempt} {}; it is tried again{}",
            brief(&failure.to_string()),
            if *counts {
                ""
            } else {
                ", which uses up no retry"
            }
        ),
        Decision::EndLanding {
            attempt,
            delivery: Delivery::Landed { commit },
        } => format!("{attempt} landed as {:.12}", commit.0),
        Decision::EndLanding {
            attempt,
            delivery: Delivery::NotLanded { reason },
        } => format!("{attempt} not landed: {}", brief(reason)),
        Decision::GiveBack { attempt, failure } => format!(
            "{attempt} not landed, its task is done again: {}",
            brief(&failure.to_string())
        ),
        Decision::Fail { attempt, failure } => {
            format!("{attempt} {}; given up", brief(&failure.to_string()))
        }
        Decision::Question { attempt, text } => {
            format!("{attempt} asks: {}", shortened(&one_line(text), 300))
        }
        Decision::Skip { task, reason } => format!("{task} left out: {reason}"),
        Decision::Stop { attempt, cause } => {
            format!("{attempt} is being ended: {}", cause.as_str())
        }
        Decision::Kill { attempt } => format!("{attempt} did not end; killed"),
        Decision::Interrupt { attempt } => format!("{attempt} ended with the run"),
        Decision::Reserve { task } => {
            format!("locks are kept for {task}, which was passed over too often")
        }
        Decision::Reset { task, .. } => format!("{task} is run again"),
        Decision::Answer { task, .. } => format!("{task} has its answer and goes on"),
        Decision::ConfirmWave { wave, tasks } => {
            let tasks: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
            format!("wave {wave} starts: {}", tasks.join(", "))
        }
        Decision::EndWave { wave, .. } => format!("wave {wave} is over"),
        Decision::Start { .. }
        | Decision::Assign { .. }
        | Decision::Hold { .. }
        | Decision::Spend { .. }
        | Decision::SetBudget { .. }
        | Decision::KeepSlot { .. }
        | Decision::AnnounceWave { .. }
        | Decision::Probe { .. }
        | Decision::SoftLimitExceeded { .. }
        | Decision::Inspect { .. }
        | Decision::Prove { .. }
        | Decision::Land { .. }
        | Decision::ProveLanding { .. }
        | Decision::Publish { .. }
        | Decision::StopLanding { .. }
        | Decision::EndLanding { .. }
        | Decision::QueueLandings { .. }
        | Decision::Refuse { .. }
        | Decision::AwaitAnswers { .. }
        | Decision::RecordingFailed { .. }
        | Decision::TrustOutside
        | Decision::Pause { .. }
        | Decision::SetConcurrency { .. }
        | Decision::Drain
        | Decision::Refresh
        | Decision::Conclude
        | Decision::Continue => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_that_was_told_is_taken_back_when_the_run_is_taken_up() {
        let mut width = Width::default();
        let narrowed = [Decision::SetConcurrency { to: 1 }];
        assert_eq!(width.said(&Event::Reopened, &[], 3), None);
        assert_eq!(
            width.said(&Event::Tick, &narrowed, 1).unwrap(),
            "at most 1 agent at once from now on"
        );
        assert_eq!(width.said(&Event::Tick, &[], 1), None);
        assert_eq!(
            width.said(&Event::Reopened, &[], 3).unwrap(),
            "at most 3 agents at once again"
        );
        assert_eq!(width.said(&Event::Reopened, &[], 3), None);
    }
}
