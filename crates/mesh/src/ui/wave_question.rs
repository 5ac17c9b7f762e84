//! Asks on the terminal which tasks a wave has. The answer is read on a thread of its own and goes where `mesh pick` writes: the
//! run never waits for a person.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use mesh_core::event::Request;
use mesh_core::id::TaskId;
use mesh_core::text::visible;
use mesh_journal::Timestamp;
use mesh_journal::control::write_request;

/// The wave that a person is asked about: its number, and what is recommended.
type Asked = Arc<Mutex<Option<(u32, Vec<TaskId>)>>>;

/// Where a question about a wave is put.
pub(crate) struct WaveQuestion {
    /// Where answers go.
    control: PathBuf,
    /// Somebody reads what is typed.
    is_heard: bool,
    asked: Asked,
}

impl WaveQuestion {
    /// Questions of the run whose requests are in `control`.
    pub fn new(control: PathBuf) -> WaveQuestion {
        WaveQuestion {
            control,
            is_heard: false,
            asked: Arc::default(),
        }
    }

    /// Asks about a wave, on a terminal if there `is_terminal`. Gives what people are to be told.
    pub fn ask(&mut self, wave: u32, tasks: Vec<TaskId>, is_terminal: bool) -> String {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some((wave, tasks));
        if is_terminal && !self.is_heard {
            self.is_heard = self.listen().is_ok();
        }
        let elsewhere = format!(
            "wave {wave} waits to be confirmed: `mesh pick` accepts it, `mesh pick IDS` runs others"
        );
        if self.is_heard {
            format!("{elsewhere}; or type here: yes, or the ids to run instead")
        } else {
            elsewhere
        }
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

/// What a line says of the wave that is asked about; nothing of an empty one.
fn answer(line: &str, asked: Option<(u32, Vec<TaskId>)>) -> Result<Option<Request>, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let Some((wave, recommended)) = asked else {
        return Err("no wave waits to be confirmed".to_owned());
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
        let asked = || Some((3, vec![id("a"), id("b")]));
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
}
