//! Hostile calls put to what `mesh-bd-ro` makes of a call, judged by a checker that knows the contract and not the wrapper's table.
//!
//! Nothing is started: the two pure functions of the wrapper are asked. A call that gets through and should not is made smaller
//! before it is shown.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use mesh_bd_ro::canonical;
use mesh_bd_ro::parse::{MAX_ARGUMENTS, MAX_BYTES, Parsed, parse};

use super::CONTRACT;
use super::checker::Checker;

/// Calls that are shown when they should not have got through; then it ends.
const SHOWN: usize = 5;
/// It also ends after so many, however few different ones they come to when they are made smaller.
const MOST_FAULTS: usize = 50;

/// What the wrapper says to a call.
pub enum Answer {
    /// Refused, by the rule of this name.
    Refused(String),
    /// Answered with the wrapper's own help.
    OwnHelp,
    /// Answered with success, without doing anything: git called.
    GitHook,
    /// Passed on.
    Accepted {
        /// Which command.
        command: String,
        /// What `bd` would get, its name first.
        argv: Vec<String>,
        /// Whether the wrapper reads what it made as the same request, or cannot say: long names and `--` make a call that is
        /// just within the limits longer than them.
        reads_back: bool,
    },
}

/// Asks the real wrapper.
pub fn ask(call: &[OsString]) -> Answer {
    let request = match parse(call) {
        Err(refusal) => return Answer::Refused(refusal.rule.to_owned()),
        Ok(Parsed::OwnHelp) => return Answer::OwnHelp,
        Ok(Parsed::GitHook) => return Answer::GitHook,
        Ok(Parsed::Request(request)) => request,
    };
    let argv = canonical::argv(&request);
    let again: Vec<OsString> = argv.iter().skip(3).map(OsString::from).collect();
    let command = request.rule.name();
    let bytes: usize = again.iter().map(|word| word.len() + 1).sum();
    let beyond_limits = again.len() > MAX_ARGUMENTS || bytes > MAX_BYTES;
    let reads_back =
        beyond_limits || parse(&again).is_ok_and(|read| read == Parsed::Request(request));
    Answer::Accepted {
        command,
        argv,
        reads_back,
    }
}

/// What came of many calls.
#[derive(Debug, Default)]
pub struct Tally {
    /// Calls that were tried.
    pub calls: u64,
    /// Those that were passed on.
    pub accepted: u64,
    own_help: u64,
    git_hooks: u64,
    /// How often each command was passed on.
    pub commands: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.accepted as f64 / self.calls.max(1) as f64;
        writeln!(
            f,
            "  {} calls, {} accepted ({share:.1} %), {} answered with the wrapper's own help, {} of git's hooks",
            self.calls, self.accepted, self.own_help, self.git_hooks
        )?;
        let list = |counts: &BTreeMap<String, u64>| {
            let items: Vec<String> = counts
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            items.join(", ")
        };
        writeln!(
            f,
            "  {} of {} commands accepted: {}",
            self.commands.len(),
            CONTRACT.len(),
            list(&self.commands)
        )?;
        write!(
            f,
            "  refused {}: {}",
            self.refused.values().sum::<u64>(),
            list(&self.refused)
        )
    }
}

/// A call that got through and should not have.
#[derive(Debug)]
pub struct Offender {
    call: Vec<OsString>,
    complaint: String,
    /// How many words it had before it was made smaller.
    words: usize,
}

impl fmt::Display for Offender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Offender {
            call,
            complaint,
            words,
        } = self;
        write!(f, "{call:?} (of {words} words): {complaint}")
    }
}

/// Tries calls on a wrapper.
pub struct Fuzz<Wrapper> {
    checker: Checker,
    wrapper: Wrapper,
    faults: usize,
    /// Different calls that got through and should not have, as small as they could be made.
    pub offenders: Vec<Offender>,
}

impl<Wrapper: Fn(&[OsString]) -> Answer> Fuzz<Wrapper> {
    /// A wrapper is what it answers: [`ask`] is the real one.
    pub fn new(wrapper: Wrapper) -> Fuzz<Wrapper> {
        Fuzz {
            checker: Checker::default(),
            wrapper,
            faults: 0,
            offenders: Vec::new(),
        }
    }

    /// Tries all `calls`, or until there are enough offenders.
    pub fn try_all(&mut self, calls: impl Iterator<Item = Vec<OsString>>) -> Tally {
        let mut tally = Tally::default();
        for call in calls {
            if self.offenders.len() >= SHOWN || self.faults >= MOST_FAULTS {
                break;
            }
            tally.calls += 1;
            let answer = (self.wrapper)(&call);
            if self.complaint(&call, &answer).is_some() {
                self.faults += 1;
                let offender = self.shrunk(call);
                if !self
                    .offenders
                    .iter()
                    .any(|known| known.call == offender.call)
                {
                    self.offenders.push(offender);
                }
            }
            match answer {
                Answer::Refused(rule) => *tally.refused.entry(rule).or_default() += 1,
                Answer::OwnHelp => tally.own_help += 1,
                Answer::GitHook => tally.git_hooks += 1,
                Answer::Accepted { command, .. } => {
                    tally.accepted += 1;
                    *tally.commands.entry(command).or_default() += 1;
                }
            }
        }
        tally
    }

    /// What the contract says against `answer`.
    fn complaint(&self, call: &[OsString], answer: &Answer) -> Option<String> {
        match answer {
            Answer::Refused(_) => None,
            Answer::OwnHelp => self.checker.check_own_help(call).err(),
            Answer::GitHook => self.checker.check_git_hook(call).err(),
            Answer::Accepted {
                argv, reads_back, ..
            } => match self.checker.check_call(call, argv) {
                Err(complaint) => Some(format!("became {argv:?}: {complaint}")),
                Ok(()) if !reads_back => Some(format!(
                    "became {argv:?}, which the wrapper does not read as the same request"
                )),
                Ok(()) => None,
            },
        }
    }

    /// The call without the words, or pairs of a flag and its value, that it fails without as well.
    fn shrunk(&self, mut call: Vec<OsString>) -> Offender {
        let complaint_of = |call: &[OsString]| self.complaint(call, &(self.wrapper)(call));
        let words = call.len();
        let smaller = |call: &[OsString]| {
            let places = (0..call.len()).flat_map(|at| [(at, at + 1), (at, at + 2)]);
            let without = places
                .filter(|(_, end)| *end <= call.len())
                .map(|(start, end)| [&call[..start], &call[end..]].concat());
            without
                .into_iter()
                .find(|less| complaint_of(less).is_some())
        };
        while let Some(less) = smaller(&call) {
            call = less;
        }
        let complaint = complaint_of(&call).unwrap_or_default();
        Offender {
            call,
            complaint,
            words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hostile::Hostile;
    use super::*;

    /// The real wrapper, with `leak` put before it.
    fn found(leak: fn(&[OsString]) -> Option<Answer>) -> Vec<Vec<String>> {
        let mut fuzz = Fuzz::new(move |call: &[OsString]| leak(call).unwrap_or_else(|| ask(call)));
        let mut hostile = Hostile::new(3);
        fuzz.try_all((0..20_000).map(|_| hostile.next_call()));
        let text = |word: &OsString| word.to_string_lossy().into_owned();
        fuzz.offenders
            .iter()
            .map(|offender| offender.call.iter().map(text).collect())
            .collect()
    }

    fn passed_through(call: &[OsString]) -> Option<Answer> {
        let text = call.iter().map(|word| word.to_str().map(String::from));
        let words: Vec<String> = text.collect::<Option<_>>()?;
        let front = ["bd", "--readonly", "--sandbox"].map(String::from);
        Some(Answer::Accepted {
            command: String::new(),
            argv: [&front[..], &words].concat(),
            reads_back: true,
        })
    }

    #[test]
    fn a_wrapper_that_lets_claims_through_is_found_and_the_call_made_small() {
        let leak = |call: &[OsString]| {
            let claims = call.first()? == "ready" && call.iter().any(|word| word == "--claim");
            claims.then(|| passed_through(call)).flatten()
        };
        assert_eq!(found(leak), [["ready", "--claim"]]);
    }

    #[test]
    fn a_wrapper_that_drops_or_reorders_what_was_asked_is_found() {
        let forgets = |call: &[OsString]| match ask(call) {
            Answer::Accepted {
                command,
                mut argv,
                reads_back,
            } => {
                argv.retain(|word| word != "--json");
                Some(Answer::Accepted {
                    command,
                    argv,
                    reads_back,
                })
            }
            _ => None,
        };
        let found_calls = found(forgets);
        assert_eq!(found_calls.len(), SHOWN);
        for call in found_calls {
            assert!(call.contains(&"--json".to_string()), "{call:?}");
        }
        let swaps = |call: &[OsString]| match ask(call) {
            Answer::Accepted {
                command,
                mut argv,
                reads_back,
            } => {
                let start = argv.iter().position(|word| word == "--")? + 1;
                argv[start..].reverse();
                Some(Answer::Accepted {
                    command,
                    argv,
                    reads_back,
                })
            }
            _ => None,
        };
        let two_words = ["bd-1", "patrol"].map(String::from);
        assert!(found(swaps).iter().any(|call| call.ends_with(&two_words)));
    }

    #[test]
    fn a_wrapper_that_does_not_read_its_own_words_or_helps_everybody_is_found() {
        let deaf = |call: &[OsString]| match ask(call) {
            Answer::Accepted { command, argv, .. } => Some(Answer::Accepted {
                command,
                argv,
                reads_back: false,
            }),
            _ => None,
        };
        assert_eq!(found(deaf).len(), SHOWN);
        assert_eq!(found(|_| Some(Answer::OwnHelp)), [Vec::<String>::new()]);
        assert_eq!(found(|_| Some(Answer::GitHook)), [Vec::<String>::new()]);
    }
}
