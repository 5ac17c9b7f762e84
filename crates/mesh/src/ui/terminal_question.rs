//! Asks on the terminal which tasks a wave has, or what the answer to an agent's question is. What is typed is read on a thread of its
//! own and goes where `mesh pick` and `mesh answer` write: the run never waits for a person.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use mesh_core::event::Request;
use mesh_core::id::TaskId;
use mesh_core::text::visible;
use mesh_journal::Timestamp;
use mesh_journal::control::write_request;

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// Which tasks the wave of this number has; these are recommended.
    Wave(u32, Vec<TaskId>),
    /// What this attempt of the task wants to know.
    Task(TaskId, u32),
}

/// Where questions are put.
pub(crate) struct TerminalQuestion {
    /// Where answers go.
    control: PathBuf,
    /// Somebody reads what is typed.
    is_heard: bool,
    asked: Arc<Mutex<Option<Asked>>>,
}

impl TerminalQuestion {
    /// Questions of the run whose requests are in `control`.
    pub fn new(control: PathBuf) -> TerminalQuestion {
        TerminalQuestion {
            control,
            is_heard: false,
            asked: Arc::default(),
        }
    }

    /// Asks about a wave, on a terminal if there `is_terminal`. Gives what people are to be told.
    pub fn ask_wave(&mut self, wave: u32, tasks: Vec<TaskId>, is_terminal: bool) -> String {
        self.put(Asked::Wave(wave, tasks), is_terminal);
        let elsewhere = format!(
            "wave {wave} waits to be confirmed: `mesh pick` accepts it, `mesh pick IDS` runs others"
        );
        if self.is_heard {
            format!("{elsewhere}; or type here: yes, or the ids to run instead")
        } else {
            elsewhere
        }
    }

    /// Asks for the answer to the question of an attempt, on a terminal if there `is_terminal`. Gives what people are to be told, unless
    /// that has been asked already or nobody could type it.
    pub fn ask_task(&mut self, task: &TaskId, attempt: u32, is_terminal: bool) -> Option<String> {
        let is_new = self.put(Asked::Task(task.clone(), attempt), is_terminal);
        (is_new && self.is_heard).then(|| {
            format!(
                "{task}#{attempt} waits for an answer: type it here, or `mesh answer {task} TEXT`"
            )
        })
    }

    /// Says whether it was not asked before.
    fn put(&mut self, asked: Asked, is_terminal: bool) -> bool {
        if is_terminal && !self.is_heard {
            self.is_heard = self.listen().is_ok();
        }
        let mut slot = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = slot.replace(asked);
        before != *slot
    }

    /// Nothing is asked any more.
    pub fn settle(&mut self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Reads lines until the terminal is closed; the thread ends with the process.
    fn listen(&self) -> std::io::Result<()> {
        let (control, asked) = (self.control.clone(), Arc::clone(&self.asked));
        let listen = move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                let open = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let said = match answer(&line, open) {
                    Ok(None) => continue,
                    Ok(Some(request)) => {
                        let now = Timestamp(mesh_engine::unix_ms());
                        let written = write_request(&control, now, &request);
                        let Err(error) = written else { continue };
                        error.to_string()
                    }
                    Err(problem) => problem,
                };
                let _ = writeln!(std::io::stderr(), "{}", visible(&said));
            }
        };
        let thread = std::thread::Builder::new().name("answers".to_owned());
        thread.spawn(listen).map(drop)
    }
}

/// What a line says of what is asked; nothing of an empty one.
fn answer(line: &str, asked: Option<Asked>) -> Result<Option<Request>, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let (wave, recommended) = match asked {
        Some(Asked::Wave(wave, recommended)) => (wave, recommended),
        Some(Asked::Task(task, _)) => {
            let text = line.to_owned();
            return Ok(Some(Request::Answer { task, text }));
        }
        None => return Err("nothing is asked, and no wave waits to be confirmed".to_owned()),
    };
    let tasks = match line.to_ascii_lowercase().as_str() {
        "y" | "yes" => recommended,
        "n" | "no" => {
            return Err("then type the ids to run instead, or end the run with Ctrl-C".to_owned());
        }
        _ => {
            let words = line.split([',', ' ', '\t']).filter(|word| !word.is_empty());
            let id = |word: &str| {
                TaskId::new(word).map_err(|problem| format!("{word:?} is no id: {problem}"))
            };
            words.map(id).collect::<Result<_, _>>()?
        }
    };
    Ok(Some(Request::Pick { wave, tasks }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_is_what_is_recommended_and_other_words_are_ids() {
        let id = |text: &str| TaskId::new(text).unwrap();
        let asked = || Some(Asked::Wave(3, vec![id("a"), id("b")]));
        let picked = |ids: &[&str]| {
            let tasks = ids.iter().map(|text| id(text)).collect();
            Ok(Some(Request::Pick { wave: 3, tasks }))
        };
        assert_eq!(answer("yes\n", asked()), picked(&["a", "b"]));
        assert_eq!(answer(" Y", asked()), picked(&["a", "b"]));
        assert_eq!(answer("c, d e", asked()), picked(&["c", "d", "e"]));
        assert_eq!(answer("  \n", asked()), Ok(None));
        assert!(answer("no", asked()).is_err());
        assert!(answer("yes", None).is_err());
        assert!(answer("a\u{7}b", asked()).is_err());
    }

    #[test]
    fn a_line_is_the_answer_to_the_task_that_asks() {
        let task = TaskId::new("a").unwrap();
        let asked = || Some(Asked::Task(task.clone(), 2));
        let text = "yes, the old format".to_owned();
        let task = task.clone();
        let wanted = Ok(Some(Request::Answer { task, text }));
        assert_eq!(answer(" yes, the old format\n", asked()), wanted);
        assert_eq!(answer("\n", asked()), Ok(None));
    }

    #[test]
    fn what_was_asked_is_not_asked_again() {
        let mut question = TerminalQuestion::new(PathBuf::new());
        question.is_heard = true;
        let task = TaskId::new("a").unwrap();
        assert!(question.ask_task(&task, 1, false).is_some());
        assert_eq!(question.ask_task(&task, 1, false), None);
        assert!(question.ask_task(&task, 2, false).is_some());
        question.settle();
        assert!(question.ask_task(&task, 2, false).is_some());
    }
}
