//! Evidence of version 1, which had forms of its own for an ending, a block and a proof.

use serde_json::{Map, Value, json};

use super::{EvidenceRecord, VERSION};

/// The record that `old`, of version 1, says.
pub(super) fn read(mut old: Map<String, Value>) -> serde_json::Result<EvidenceRecord> {
    let mut change = |name: &str, change: fn(&mut Map<String, Value>)| {
        if let Some(fields) = old.get_mut(name).and_then(Value::as_object_mut) {
            change(fields);
        }
    };
    change("ending", ending);
    change("block", block);
    change("proof", proof);
    old.insert("version".to_owned(), VERSION.into());
    serde_json::from_value(Value::Object(old))
}

/// `{"kind": "hard-limit"}` as `{"how": "hard_limit"}`, for the name `how`.
fn retag(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(Value::String(kind)) = fields.remove(from) {
        fields.insert(to.to_owned(), kind.replace('-', "_").into());
    }
}

fn ending(fields: &mut Map<String, Value>) {
    retag(fields, "kind", "how");
}

fn block(fields: &mut Map<String, Value>) {
    retag(fields, "kind", "is");
    let changed = match (fields.remove("changed"), fields.remove("no_diff")) {
        (_, Some(reason)) => json!({"is": "no_diff", "reason": reason}),
        (paths, None) => json!({"is": "paths", "paths": paths}),
    };
    fields.insert("changed".to_owned(), changed);
}

fn proof(fields: &mut Map<String, Value>) {
    if let Some(Value::Object(mut how)) = fields.remove("ending") {
        ending(&mut how);
        let tail = fields.remove("tail").unwrap_or_else(|| "".into());
        fields.insert("end".to_owned(), json!({"ending": how, "tail": tail}));
    }
    let mut choice = fields.clone();
    retag(&mut choice, "choice", "is");
    fields.insert("choice".to_owned(), choice.into());
}
