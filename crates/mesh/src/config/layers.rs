//! Layers of configuration: each is read into single values that know where they stand, then laid over one another.
//!
//! Nothing stops at the first problem: whoever mends a file wants to hear of all of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::schema::{self, KEYS, Meaning};

/// Where a value came from. In the order in which problems are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The compiled-in defaults.
    Default,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// An environment variable.
    Variable(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Source::Variable(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub from: Source,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.from, self.text)
    }
}

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub value: toml::Value,
    pub from: Source,
}

/// Values by their keys with the tables they lie in.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub entries: BTreeMap<Vec<String>, Entry>,
    /// Names of `[agents.NAME]` tables, empty ones too, and where each was seen last.
    pub agents: BTreeMap<String, Source>,
    pub problems: Vec<Problem>,
}

impl Layers {
    /// Lays a file over what is there.
    pub fn add_text(&mut self, text: &str, file: Option<&Path>) {
        let place = |offset: usize| match file {
            None => Source::Default,
            Some(path) => {
                let (line, column) = line_and_column(text, offset);
                Source::File {
                    path: path.to_path_buf(),
                    line,
                    column,
                }
            }
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        let offset = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let first_error = errors.iter().map(offset).min();
        let before = self.problems.len();
        self.add_table(table.get_ref(), &mut Vec::new(), &place);
        if let Some(first) = first_error {
            // What stands behind a mistake of syntax may have been read as something else, such as a key of another table.
            let limit = place(first);
            let mut index = 0;
            self.problems.retain(|problem| {
                index += 1;
                index <= before || problem.from < limit
            });
        }
        for error in &errors {
            let from = place(offset(error));
            let text = one_line(error.message());
            self.problems.push(Problem { from, text });
        }
    }

    fn add_table(
        &mut self,
        table: &DeTable<'_>,
        path: &mut Vec<String>,
        place: &dyn Fn(usize) -> Source,
    ) {
        for (name, value) in table.iter() {
            path.push(name.get_ref().to_string());
            let from = place(name.span().start);
            match (schema::meaning(path), value.get_ref()) {
                (Meaning::Key(kind), found) => match schema::check(kind, found) {
                    Ok(value) => {
                        self.entries.insert(path.clone(), Entry { value, from });
                    }
                    Err(problem) => self.problems.push(Problem {
                        from: place(value.span().start),
                        text: format!("{}: {problem}", shown(path)),
                    }),
                },
                (Meaning::Table, DeValue::Table(inner)) => {
                    if let [table, name] = path.as_slice()
                        && table == "agents"
                    {
                        self.agents.insert(name.clone(), from);
                    }
                    self.add_table(inner, path, place);
                }
                (Meaning::Table, _) => self.problems.push(Problem {
                    from,
                    text: format!("{0}: it is a table: write [{0}]", shown(path)),
                }),
                (Meaning::Unknown, _) => {
                    let hint = schema::probably(path)
                        .map_or_else(String::new, |key| format!(" (did you mean `{key}`?)"));
                    let text = format!("unknown key `{}`{hint}", shown(path));
                    self.problems.push(Problem { from, text });
                }
            }
            path.pop();
        }
    }

    /// Lays a file that may be missing over what is there.
    pub fn add_file(&mut self, path: &Path) {
        let problem = |text: String| Problem {
            from: Source::File {
                path: path.to_path_buf(),
                line: 1,
                column: 1,
            },
            text,
        };
        match fs_err::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => self.add_text(&text, Some(path)),
                Err(_) => self
                    .problems
                    .push(problem("it is not UTF-8 text".to_owned())),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // `.mesh` or `~/.config` may be a file; then there is no configuration in it.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(error) => self
                .problems
                .push(problem(format!("it cannot be read: {error}"))),
        }
    }

    /// Lays the variables over what is there. An empty one counts as unset.
    pub fn add_variables(&mut self, variable: &dyn Fn(&str) -> Option<OsString>) {
        for key in KEYS {
            let Some(name) = key.variable else { continue };
            let Some(word) = variable(name).filter(|word| !word.is_empty()) else {
                continue;
            };
            let from = Source::Variable(name);
            let checked = match word.to_str() {
                Some(word) => schema::check_word(key.kind, word),
                None => Err("it is not UTF-8 text".to_owned()),
            };
            match checked {
                Ok(value) => {
                    let path = key.path.iter().map(|name| (*name).to_owned()).collect();
                    self.entries.insert(path, Entry { value, from });
                }
                Err(text) => self.problems.push(Problem { from, text }),
            }
        }
    }

    /// The value of a key.
    pub fn get(&self, path: &[&str]) -> Option<&Entry> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        self.entries.get(&path)
    }

    /// The entries of a table, by the last part of their names.
    pub fn table<'a>(&'a self, table: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        self.entries.iter().filter_map(move |(path, entry)| {
            let (name, above) = path.split_last()?;
            (above == table).then_some((name.as_str(), entry))
        })
    }
}

/// A path for people.
pub(super) fn shown(path: &[String]) -> String {
    schema::dotted(path.iter().map(String::as_str))
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}

/// Line and column, both from 1, the column in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}
