//! Proofs that prove nothing.
//!
//! An agent that wants to be done writes `true`, `echo "tests pass"` or, more often, something that looks like a test and cannot fail:
//! `cargo test || true`, `npm test | tail -5`, `cd app && ls`. This module reads a command as far as its exit code goes: which
//! programs never fail ([`super::table`]) and how `&&`, `||`, `;`, `|`, `!` and `&` carry an exit code to the end.
//!
//! A command is refused only when it succeeds whatever the work is like. What is not understood (a loop, a condition, a quote that
//! never ends) passes here and is left to the shell: this stops the lazy and the careless, and whoever wants to deceive can always write a
//! test that tests nothing. That is why such a result is called self-checked.

use super::lexer::{Token, Word, tokens};
use super::programs;

/// How deep scripts in scripts are looked into.
const MAX_DEPTH: usize = 8;

/// Whether `command` succeeds whatever the work is like.
#[must_use]
pub fn proves_nothing(command: &str) -> bool {
    matches!(
        outcome_of(command, 0),
        Outcome::Passes | Outcome::ExitPasses | Outcome::Same
    )
}

/// What is known of an exit code before anything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Always 0.
    Passes,
    /// Never 0.
    Fails,
    /// It depends on the work.
    Depends,
    /// It depends on the work, and a failure ends the shell: `cargo test || exit 1`.
    Guards,
    /// Ends the shell with 0.
    ExitPasses,
    /// Ends the shell with another code.
    ExitFails,
    /// Hands on the code before it: `exit $?`.
    Same,
}

use Outcome::{Depends, ExitFails, ExitPasses, Fails, Guards, Passes, Same};

impl Outcome {
    fn and(self, next: Outcome) -> Outcome {
        match (self, next) {
            (ExitPasses | ExitFails | Fails, _) => self,
            (_, Same) => self,
            (_, Fails | ExitFails) => Fails,
            (Passes | Same, next) => next,
            (Depends | Guards, _) => Depends,
        }
    }

    fn or(self, next: Outcome) -> Outcome {
        match (self, next) {
            (ExitPasses | ExitFails | Passes, _) => self,
            (Fails | Same, next) => next,
            (Depends | Guards, ExitFails | Same) => Guards,
            (Depends | Guards, Passes | ExitPasses) => Passes,
            (Depends | Guards, Fails | Depends | Guards) => Depends,
        }
    }

    fn then(self, next: Outcome, stops_at_failure: bool) -> Outcome {
        match self {
            ExitPasses | ExitFails => self,
            Guards => self.and(next),
            Fails | Depends if stops_at_failure => self.and(next),
            _ if next == Same => self,
            _ => next,
        }
    }

    fn negated(self) -> Outcome {
        match self {
            Passes => Fails,
            Fails => Passes,
            other => other,
        }
    }

    /// Seen from outside a subshell, whose end ends nothing else.
    fn outside_subshell(self) -> Outcome {
        match self {
            ExitPasses | Same => Passes,
            ExitFails => Fails,
            Guards => Depends,
            other => other,
        }
    }
}

/// What the exit code of `script` depends on.
pub(super) fn outcome_of(script: &str, depth: usize) -> Outcome {
    let Some(tokens) = tokens(script).filter(|_| depth < MAX_DEPTH) else {
        return Depends;
    };
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        depth,
        stops_at_failure: false,
        has_pipefail: false,
    };
    let outcome = reader.list(depth);
    // Something is left that has no place here; the shell will say so.
    if reader.at < tokens.len() {
        Depends
    } else {
        outcome
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    stops_at_failure: bool,
    has_pipefail: bool,
}

impl Reader<'_> {
    fn operator(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Operator(operator)) => Some(operator),
            _ => None,
        }
    }

    fn take(&mut self, operator: &str) -> bool {
        let is_there = self.operator() == Some(operator);
        self.at += usize::from(is_there);
        is_there
    }

    /// The plain word at the current place.
    fn word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) if !word.is_quoted => Some(&word.text),
            _ => None,
        }
    }

    /// Commands separated by `;`, `&` and line ends, up to a `)` or `}`.
    fn list(&mut self, depth: usize) -> Outcome {
        let mut outcome = Passes;
        loop {
            while self.take(";") || self.take("\n") {}
            let is_end = self.at >= self.tokens.len();
            if is_end || self.operator() == Some(")") || self.word() == Some("}") {
                return outcome;
            }
            let before = self.at;
            let mut next = self.and_or(depth);
            if self.take("&") {
                next = Passes;
            }
            outcome = outcome.then(next, self.stops_at_failure);
            if self.at == before {
                return outcome;
            }
        }
    }

    fn and_or(&mut self, depth: usize) -> Outcome {
        let mut outcome = self.pipeline(depth);
        loop {
            let is_and = self.take("&&");
            if !is_and && !self.take("||") {
                return outcome;
            }
            while self.take("\n") {}
            let next = self.pipeline(depth);
            outcome = if is_and {
                outcome.and(next)
            } else {
                outcome.or(next)
            };
        }
    }

    fn pipeline(&mut self, depth: usize) -> Outcome {
        let mut is_negated = false;
        while self.word() == Some("!") {
            is_negated = !is_negated;
            self.at += 1;
        }
        let mut outcome = self.command(depth);
        while self.take("|") || self.take("|&") {
            let last = self.command(depth).outside_subshell();
            outcome = if self.has_pipefail {
                outcome.outside_subshell().and(last)
            } else {
                last
            };
        }
        if is_negated {
            outcome.negated()
        } else {
            outcome
        }
    }

    fn command(&mut self, depth: usize) -> Outcome {
        // Nesting that no person writes; what is left over makes the whole undecided.
        if depth >= MAX_DEPTH {
            return Depends;
        }
        if self.take("(") {
            let outcome = self.list(depth + 1).outside_subshell();
            self.take(")");
            return outcome;
        }
        match self.word() {
            Some("{") => {
                self.at += 1;
                let outcome = self.list(depth + 1);
                self.at += usize::from(self.word() == Some("}"));
                outcome
            }
            Some("if" | "for" | "while" | "until" | "case" | "select" | "function") => {
                self.compound()
            }
            _ => self.simple(),
        }
    }

    /// A loop or condition with all that follows it: undecided if anything in it depends on the work.
    fn compound(&mut self) -> Outcome {
        const KEYWORDS: [&str; 15] = [
            "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "case", "esac",
            "{", "}", "!", "function",
        ];
        let mut outcome = Passes;
        while self.at < self.tokens.len() {
            match self.word() {
                Some(keyword) if KEYWORDS.contains(&keyword) => self.at += 1,
                Some("for" | "select") => {
                    while self.at < self.tokens.len() && self.operator().is_none() {
                        self.at += 1;
                    }
                }
                _ if self.operator().is_some() => self.at += 1,
                _ => {
                    if !matches!(self.simple(), Passes | ExitPasses | Same) {
                        outcome = Depends;
                    }
                }
            }
        }
        outcome
    }

    /// One command with its arguments; redirections are dropped.
    fn simple(&mut self) -> Outcome {
        let mut words: Vec<Word> = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Word(word) => words.push(word.clone()),
                Token::Redirection => self.at += 1,
                Token::Operator(_) => break,
            }
            self.at += 1;
        }
        if words.first().is_some_and(|word| word.text == "set") {
            let options = || words.iter().map(|word| word.text.as_str());
            self.has_pipefail |= options().any(|option| option == "pipefail");
            self.stops_at_failure |= options().any(|option| {
                option == "errexit"
                    || option
                        .strip_prefix('-')
                        .is_some_and(|letters| !letters.starts_with('-') && letters.contains('e'))
            });
        }
        programs::outcome(&words, self.depth)
    }
}
