//! A list of maps in YAML, with the place of each key and value. Scalars are taken as they are written: `1.10` is no number here.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::field::{Field, Item, Value, known_key};
use super::markdown::Maps;
use crate::yaml::{cause, options};

/// The key under which a file may have its list.
const TASKS: &str = "tasks";

/// Text that is no list of maps.
#[derive(Debug)]
pub(super) struct Problem {
    /// Where, in the document.
    pub at: usize,
    /// What, as a fragment.
    pub message: String,
}

/// The items of the list.
///
/// # Errors
/// It is no YAML, or no list of maps.
pub(super) fn items(list: &Maps) -> Result<Vec<Item>, Problem> {
    let text = list.yaml.as_str();
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.starts_with('#'))
    {
        return Ok(Vec::new());
    }
    let base = list.range.start;
    let place = |at: &Location| base + offset(text, at);
    let maps: Tasks = serde_saphyr::from_str_with_options(text, options()).map_err(|problem| {
        let cause = cause(&problem);
        let quotes = if cause.contains("mapping values are not allowed") {
            "; a value with `: ` in it is put into quotes"
        } else {
            ""
        };
        Problem {
            at: problem.location().map_or(base, |at| place(&at)),
            message: format!("this is no list of tasks in YAML: {cause}{quotes}"),
        }
    })?;
    let titled = maps.0.len() == list.titles.len();
    let item = |(number, map): (usize, Spanned<Map>)| Item {
        at: place(&map.referenced),
        title: list
            .titles
            .get(number)
            .filter(|_| titled)
            .cloned()
            .flatten(),
        fields: map
            .value
            .0
            .into_iter()
            .map(|(key, value)| Field {
                key: known_key(&key.value),
                at: place(&key.referenced),
                value: value_of(text, base, &value),
            })
            .collect(),
        ..Item::default()
    };
    Ok(maps.0.into_iter().enumerate().map(item).collect())
}

/// The place of something in the text. Some complaints of the reader have line and column alone.
fn offset(text: &str, at: &Location) -> usize {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let is_first = (at.line(), at.column()) == (1, 1);
    let bytes = at.span().byte_offset().map(number);
    let mut place = match bytes.filter(|bytes| *bytes > 0 || is_first) {
        Some(bytes) => bytes.min(text.len()),
        None => {
            let line = number(at.line()).saturating_sub(1);
            let above: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
            let letters = text[above..].char_indices().map(|(at, _)| at);
            above + letters.take(number(at.column())).last().unwrap_or(0)
        }
    };
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}

fn value_of(text: &str, base: usize, value: &Spanned<Node>) -> Value {
    let at = base + offset(text, &value.referenced);
    match &value.value {
        Node::Null => Value::Text(String::new(), at..at),
        Node::Text(_) | Node::Plain => {
            let word = scalar(text, value).unwrap_or_default();
            Value::Text(word.clone(), written(text, base, value, &word))
        }
        Node::List(members) => {
            let member = |member: &Spanned<Node>| {
                Some((
                    scalar(text, member)?,
                    base + offset(text, &member.referenced),
                ))
            };
            match members.iter().map(member).collect() {
                Some(many) => Value::Many(many),
                None => Value::Other,
            }
        }
        Node::Map(pairs) => {
            let pair = |(key, value): &(Spanned<String>, Spanned<Node>)| {
                let at = base + offset(text, &key.referenced);
                Some((key.value.clone(), scalar(text, value)?, at))
            };
            match pairs.0.iter().map(pair).collect() {
                Some(pairs) => Value::Pairs(pairs),
                None => Value::Other,
            }
        }
    }
}

/// The word or text that a node is, as it is written; nothing for what holds others.
fn scalar(text: &str, node: &Spanned<Node>) -> Option<String> {
    match &node.value {
        Node::Text(text) => Some(text.clone()),
        Node::Plain => {
            let start = offset(text, &node.defined);
            let length = node.defined.span().byte_len().unwrap_or(0);
            let length = usize::try_from(length).unwrap_or(0);
            let raw = text.get(start..start.saturating_add(length))?;
            Some(raw.trim().to_owned())
        }
        Node::Null => Some(String::new()),
        Node::List(_) | Node::Map(_) => None,
    }
}

/// Where `word` stands. A plain or quoted word is written as it is read; a block and what an alias stands for are not, and nobody
/// writes into those.
fn written(text: &str, base: usize, node: &Spanned<Node>, word: &str) -> Range<usize> {
    let at = offset(text, &node.referenced);
    let quoted = usize::from(text[at..].starts_with(['"', '\'']));
    let start = at + quoted;
    if node.referenced == node.defined
        && text.get(start..).is_some_and(|rest| rest.starts_with(word))
    {
        base + start..base + start + word.len()
    } else {
        base + at..base + at
    }
}

/// A list of maps, perhaps under `tasks`.
struct Tasks(Vec<Spanned<Map>>);

/// Keys and values, in their order.
struct Map(Vec<(Spanned<String>, Spanned<Node>)>);

/// What a key may have as its value.
enum Node {
    Null,
    Text(String),
    /// A number or the like; what it is, is of no interest.
    Plain,
    List(Vec<Spanned<Node>>),
    Map(Map),
}

impl<'de> Deserialize<'de> for Tasks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Tasks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of maps, alone or under the key `{TASKS}`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Tasks, A::Error> {
                members(seq).map(Tasks)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tasks, A::Error> {
                let mut tasks = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == TASKS {
                        tasks = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                tasks.map(Tasks).ok_or_else(|| {
                    A::Error::custom(format!(
                        "there are keys, but no list of maps under `{TASKS}`"
                    ))
                })
            }
        }
        deserializer.deserialize_any(Whole)
    }
}

fn members<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut seq: A) -> Result<Vec<T>, A::Error> {
    let mut members = Vec::new();
    while let Some(member) = seq.next_element()? {
        members.push(member);
    }
    Ok(members)
}

fn entries<'de, A: MapAccess<'de>>(mut map: A) -> Result<Map, A::Error> {
    let mut entries = Vec::new();
    while let Some(entry) = map.next_entry()? {
        entries.push(entry);
    }
    Ok(Map(entries))
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Map;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a task, which has keys with values")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Map, A::Error> {
                entries(map)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_none<E: Error>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
                Node::deserialize(inner)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Plain)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Plain)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Plain)
            }

            fn visit_i128<E: Error>(self, _: i128) -> Result<Node, E> {
                Ok(Node::Plain)
            }

            fn visit_u128<E: Error>(self, _: u128) -> Result<Node, E> {
                Ok(Node::Plain)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Plain)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Node, A::Error> {
                members(seq).map(Node::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
                entries(map).map(Node::Map)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
