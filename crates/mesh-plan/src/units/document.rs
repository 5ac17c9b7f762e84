//! JSON documents with entries, and where in them something is wrong.

use serde_json::value::RawValue;

use super::Unit;
use crate::csv::UNKNOWN_SCOPE;
use crate::diagnostic::{Diagnostic, Place};
use crate::json::{self, Fields};
use crate::list::Lines;

/// A document that is being read.
pub(super) struct Document<'a> {
    text: &'a str,
    lines: Lines,
    pub(super) problems: Vec<Diagnostic>,
}

/// One entry of its list.
pub(super) struct Entry<'a> {
    pub(super) fields: Fields<'a>,
    pub(super) place: Place,
}

impl<'a> Document<'a> {
    /// Reads the list that is the document itself, where `may_be_bare`, or stands under the first of `keys` that it has.
    ///
    /// # Errors
    /// The document is no JSON, or has no such list.
    pub(super) fn read(
        bytes: &'a [u8],
        keys: &[&str],
        may_be_bare: bool,
    ) -> Result<(Document<'a>, Vec<Entry<'a>>), Vec<Diagnostic>> {
        let text = std::str::from_utf8(bytes).map_err(|problem| {
            let valid = problem.valid_up_to();
            let lines = Lines::new(&String::from_utf8_lossy(&bytes[..valid]));
            vec![Diagnostic::error("this is not UTF-8").at(Some(lines.place(valid)))]
        })?;
        let mut document = Document {
            text,
            lines: Lines::new(text),
            problems: Vec::new(),
        };
        let whole: &RawValue = serde_json::from_str(text).map_err(|problem| {
            let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            let place = Place {
                line: number(problem.line()).max(1),
                column: Some(number(problem.column()).max(1)),
            };
            let said = problem.to_string();
            let cause = said
                .rsplit_once(" at line ")
                .map_or(said.as_str(), |(cause, _)| cause);
            vec![Diagnostic::error(format!("this is no JSON: {cause}")).at(Some(place))]
        })?;
        let list = match json::object(whole) {
            Some(fields) => keys.iter().find_map(|key| fields.get(key)),
            None => Some(whole).filter(|_| may_be_bare),
        };
        let Some(members) = list.and_then(json::array) else {
            let at = document.place(list.unwrap_or(whole));
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            let bare = if may_be_bare { "an array, or " } else { "" };
            let message = format!(
                "this is not {bare}an object with an array {}",
                keys.join(" or ")
            );
            return Err(vec![Diagnostic::error(message).at(Some(at))]);
        };
        let mut entries = Vec::new();
        for member in members {
            let place = document.place(member);
            match json::object(member) {
                Some(fields) => entries.push(Entry { fields, place }),
                None => document.error(place, "an entry of the list is an object with keys"),
            }
        }
        Ok((document, entries))
    }

    pub(super) fn error(&mut self, place: Place, message: impl Into<String>) {
        let found = Diagnostic::error(message).at(Some(place));
        self.problems.push(found);
    }

    fn place(&self, value: &RawValue) -> Place {
        self.lines.place(json::offset_in(self.text, value))
    }

    /// The text of a field, a number as it is written; nothing when it is absent, null or something else, which is a problem.
    pub(super) fn text(&mut self, entry: &Entry<'a>, key: &str) -> Option<String> {
        let value = entry
            .fields
            .get(key)
            .filter(|value| !json::is_null(value))?;
        if let Some(text) = json::text(value) {
            return Some(text);
        }
        if serde_json::from_str::<serde_json::Number>(value.get()).is_ok() {
            return Some(value.get().to_owned());
        }
        self.error(self.place(value), format!("`{key}` is a text"));
        None
    }

    /// The texts of a field that is a list; a text alone is a list between `;` or `,`.
    pub(super) fn texts(&mut self, entry: &Entry<'a>, key: &str) -> Vec<String> {
        let Some(value) = entry.fields.get(key).filter(|value| !json::is_null(value)) else {
            return Vec::new();
        };
        if let Some(text) = json::text(value) {
            return crate::csv::names(&text).map(str::to_owned).collect();
        }
        let members = json::array(value);
        let texts = members.and_then(|members| members.into_iter().map(json::text).collect());
        texts.unwrap_or_else(|| {
            self.error(self.place(value), format!("`{key}` is a list of texts"));
            Vec::new()
        })
    }

    /// The unit `id` with this objective, and what the entry says of the rest; where it says nothing stands what units have by
    /// default.
    pub(super) fn unit(&mut self, entry: &Entry<'a>, id: String, objective: String) -> Unit {
        let scope = self.scope(entry);
        let mut cell =
            |key: &str, default: &str| self.text(entry, key).unwrap_or_else(|| default.to_owned());
        Unit {
            id,
            objective,
            unit_scope: scope,
            constraints: cell("constraints", ""),
            invariants: cell("invariants", ""),
            proof_command: cell("proof_command", ""),
            delivery_mode: cell("delivery_mode", "commit_first"),
            attempt: cell("attempt", "1"),
            variant: cell("variant", "baseline"),
            budget_tier: cell("budget_tier", "unknown"),
            depends_on: Vec::new(),
        }
    }

    /// A list of paths becomes one cell.
    fn scope(&mut self, entry: &Entry<'a>) -> String {
        let is_list = entry
            .fields
            .get("unit_scope")
            .and_then(json::array)
            .is_some();
        let scope = if is_list {
            Some(self.texts(entry, "unit_scope").join("; "))
        } else {
            self.text(entry, "unit_scope")
        };
        scope
            .filter(|scope| !scope.trim().is_empty())
            .unwrap_or_else(|| UNKNOWN_SCOPE.to_owned())
    }
}
