//! One item, its dependencies and its comments from raw JSON.

use std::collections::BTreeSet;

use mesh_core::id::TaskId;
use serde_json::value::RawValue;

use super::meta::{self, Notes};
use super::{DEFAULT_DEP_TYPE, ItemStatus, Slot, StComment, StDep, StItem};
use crate::diagnostic::{Diagnostic, Place};
use crate::json::{self, Fields, Line};
use crate::nearest;

/// What one line says is wrong, collected.
pub(super) struct Reading<'a, 'p> {
    pub(super) line: Line<'a>,
    pub(super) problems: &'p mut Vec<Diagnostic>,
}

impl<'a> Reading<'a, '_> {
    pub(super) fn error(
        &mut self,
        place: Place,
        task: Option<&TaskId>,
        message: impl Into<String>,
    ) {
        let mut found = Diagnostic::error(message).at(Some(place));
        found.task = task.cloned();
        self.problems.push(found);
    }

    pub(super) fn warning(
        &mut self,
        place: Place,
        task: Option<&TaskId>,
        message: impl Into<String>,
    ) {
        let mut found = Diagnostic::warning(message).at(Some(place));
        found.task = task.cloned();
        self.problems.push(found);
    }

    /// The text of `key`; something else than text is an error.
    pub(super) fn text(
        &mut self,
        fields: &Fields<'a>,
        key: &str,
        task: Option<&TaskId>,
    ) -> Option<(String, Place)> {
        let value = fields.get(key)?;
        let place = self.line.place(value);
        match json::text(value) {
            Some(text) => Some((text, place)),
            None => {
                let whose = task.map_or_else(String::new, |id| format!("item {id}: "));
                self.error(place, task, format!("{whose}`{key}` is no text"));
                None
            }
        }
    }

    /// The id under `key`, trimmed.
    pub(super) fn id(&mut self, fields: &Fields<'a>, key: &str, holder: Place) -> Option<TaskId> {
        if fields.get(key).is_none() {
            self.error(holder, None, format!("there is no `{key}`"));
            return None;
        }
        let (text, place) = self.text(fields, key, None)?;
        match TaskId::new(text.trim()) {
            Ok(id) => Some(id),
            Err(problem) => {
                self.error(place, None, format!("`{key}` is no id: {problem}"));
                None
            }
        }
    }

    pub(super) fn status(&mut self, fields: &Fields<'a>, task: &TaskId) -> Option<ItemStatus> {
        let (word, place) = self.text(fields, "status", Some(task))?;
        let status = ItemStatus::from_word(&word);
        if status.is_none() {
            let known = ItemStatus::ALL.map(ItemStatus::as_str);
            let message = format!(
                "item {task}: unknown status `{}` (there are {}){}",
                word.escape_debug(),
                known.join(", "),
                nearest::hint(&word, known)
            );
            self.error(place, Some(task), message);
        }
        status
    }

    /// An item as a whole. What is wrong in it is reported and left out; only an item without id is lost.
    pub(super) fn item(
        &mut self,
        value: &'a RawValue,
        known: impl FnOnce(&TaskId, &str) -> Option<Notes>,
    ) -> Option<Slot> {
        let place = self.line.place(value);
        let Some(fields) = json::object(value) else {
            self.error(
                place,
                None,
                "an item is an object with `id`, `step` and `deps`",
            );
            return None;
        };
        let id = self.id(&fields, "id", place)?;
        let mut item = StItem::pending(id, "");
        let id = item.id.clone();
        match fields.get("step") {
            None => self.error(place, Some(&id), format!("item {id} has no `step`")),
            Some(_) => {
                if let Some((step, at)) = self.text(&fields, "step", Some(&id)) {
                    if step.trim().is_empty() {
                        self.error(
                            at,
                            Some(&id),
                            format!("item {id}: `step` is empty, so there is nothing to do"),
                        );
                    }
                    item.step = step;
                }
            }
        }
        if fields.get("status").is_some() {
            item.status = self.status(&fields, &id).unwrap_or(ItemStatus::Pending);
        }
        match fields.get("deps") {
            None => self.error(
                place,
                Some(&id),
                format!("item {id} has no `deps`; write [] if it waits for nothing"),
            ),
            Some(value) => item.deps = self.deps(value, &id),
        }
        if let Some(value) = fields.get("comments").filter(|value| !json::is_null(value)) {
            item.comments = self.comments(value, &id);
        }
        let mut notes = Notes::default();
        if let Some(value) = fields.get("notes").filter(|value| !json::is_null(value)) {
            (item.notes, notes) = self.notes(value, &id, known);
        }
        Some(Slot { item, place, notes })
    }

    pub(super) fn deps(&mut self, value: &'a RawValue, task: &TaskId) -> Vec<StDep> {
        let place = self.line.place(value);
        let Some(members) = json::array(value) else {
            self.error(place, Some(task), format!("item {task}: `deps` is no list"));
            return Vec::new();
        };
        let mut deps: Vec<StDep> = Vec::with_capacity(members.len());
        let mut seen = BTreeSet::new();
        for member in members {
            if let Some(dep) = self.dep(member, task)
                && seen.insert(dep.id.clone())
            {
                deps.push(dep);
            }
        }
        deps
    }

    fn dep(&mut self, value: &'a RawValue, task: &TaskId) -> Option<StDep> {
        let place = self.line.place(value);
        if let Some(word) = json::text(value) {
            return match TaskId::new(word.trim()) {
                Ok(id) => Some(StDep::blocks(id)),
                Err(problem) => {
                    self.error(
                        place,
                        Some(task),
                        format!("item {task}: a dependency is no id: {problem}"),
                    );
                    None
                }
            };
        }
        let Some(fields) = json::object(value) else {
            self.error(
                place,
                Some(task),
                format!("item {task}: a dependency is an object with `id` and `type`"),
            );
            return None;
        };
        let id = self.id(&fields, "id", place)?;
        let kind = match fields.get("type").filter(|kind| !json::is_null(kind)) {
            None => DEFAULT_DEP_TYPE.to_owned(),
            Some(_) => self.dep_type(&fields, task)?,
        };
        Some(StDep { id, kind })
    }

    fn dep_type(&mut self, fields: &Fields<'a>, task: &TaskId) -> Option<String> {
        let (word, place) = self.text(fields, "type", Some(task))?;
        let word = word.trim().to_ascii_lowercase();
        if word.is_empty() {
            return Some(DEFAULT_DEP_TYPE.to_owned());
        }
        // The same form as a lock group: kebab-case.
        if mesh_core::id::LockGroup::new(word.as_str()).is_err() {
            self.error(
                place,
                Some(task),
                format!("item {task}: the type of a dependency is not kebab-case"),
            );
            return None;
        }
        Some(word)
    }

    fn comments(&mut self, value: &'a RawValue, task: &TaskId) -> Vec<StComment> {
        let place = self.line.place(value);
        let Some(members) = json::array(value) else {
            self.error(
                place,
                Some(task),
                format!("item {task}: `comments` is no list"),
            );
            return Vec::new();
        };
        members
            .into_iter()
            .filter_map(|member| {
                let place = self.line.place(member);
                match json::object(member) {
                    Some(fields) => self.comment(&fields, place, task),
                    None => {
                        self.error(
                            place,
                            Some(task),
                            format!(
                                "item {task}: a comment is an object with `ts`, `author` and `text`"
                            ),
                        );
                        None
                    }
                }
            })
            .collect()
    }

    pub(super) fn comment(
        &mut self,
        fields: &Fields<'a>,
        place: Place,
        task: &TaskId,
    ) -> Option<StComment> {
        let mut part = |key: &str| {
            let text = self.text(fields, key, Some(task)).map(|(text, _)| text);
            let text = text.filter(|text| !text.trim().is_empty());
            if text.is_none() {
                self.error(
                    place,
                    Some(task),
                    format!("item {task}: a comment without `{key}`"),
                );
            }
            text
        };
        let (ts, author, text) = (part("ts"), part("author"), part("text"));
        Some(StComment {
            ts: ts?,
            author: author?,
            text: text?,
        })
    }

    /// Notes and what their `mesh` block says. `known` gives the reading of the same notes if there was one, to spare YAML twice.
    pub(super) fn notes(
        &mut self,
        value: &'a RawValue,
        task: &TaskId,
        known: impl FnOnce(&TaskId, &str) -> Option<Notes>,
    ) -> (String, Notes) {
        let Some(text) = json::text(value) else {
            let place = self.line.place(value);
            self.error(
                place,
                Some(task),
                format!("item {task}: `notes` is no text"),
            );
            return (String::new(), Notes::default());
        };
        if let Some(notes) = known(task, &text) {
            return (text, notes);
        }
        let (meta, prose, found) = meta::read(&text);
        let problems = found
            .into_iter()
            .map(|found| {
                let place = self.line.place_of(
                    value,
                    json::offset_of_line(value.get(), found.line) + found.column,
                );
                let message = format!(
                    "item {task}, line {} of its notes: {}",
                    found.line + 1,
                    found.message
                );
                Diagnostic::new(found.severity, message)
                    .about(task)
                    .at(Some(place))
            })
            .collect();
        (
            text,
            Notes {
                meta,
                prose,
                problems,
            },
        )
    }
}
