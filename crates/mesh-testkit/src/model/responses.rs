//! The protocol that codex speaks.

use serde_json::{Map, Value, json};

use super::{Reply, Turn, USAGE, call_id, shell_call, steps, text_of};

pub(super) fn turn(asked: &Value) -> Turn {
    let mut prompts = Vec::new();
    let mut answered: Vec<&str> = Vec::new();
    for item in asked["input"].as_array().into_iter().flatten() {
        let kind = item["type"].as_str().unwrap_or("message");
        if kind == "message" && item["role"] == "user" {
            prompts.push(text_of(&item["content"]));
            answered.clear();
        } else if kind.ends_with("_output") {
            answered.extend(item["call_id"].as_str());
        }
    }
    let step = steps(answered);
    Turn { prompts, step }
}

/// The tools that are offered, some in groups and some among the items of the conversation, with the properties of their schemas;
/// one that takes plain text has none.
pub(super) fn tools(asked: &Value) -> Map<String, Value> {
    let listed = |of: &Value| of["tools"].as_array().cloned().unwrap_or_default();
    let mut todo = listed(asked);
    for item in asked["input"].as_array().into_iter().flatten() {
        if item["type"] == "additional_tools" {
            todo.extend(listed(item));
        }
    }
    let mut tools = Map::new();
    while let Some(tool) = todo.pop() {
        if tool["type"] == "namespace" {
            todo.extend(listed(&tool));
        } else if let Some(name) = tool["name"].as_str().or_else(|| tool["type"].as_str()) {
            tools.insert(name.to_owned(), tool["parameters"]["properties"].clone());
        }
    }
    tools
}

/// The events of an answer.
pub(super) fn stream(reply: &Reply, tools: &Map<String, Value>, turn: &Turn) -> Vec<Value> {
    let item = match reply {
        Reply::Shell(command) => {
            let (name, arguments) = shell_call(command, tools);
            match arguments {
                Value::String(script) => json!({
                    "type": "custom_tool_call", "id": "ctc_0", "call_id": call_id(turn), "name": name, "input": script,
                    "status": "completed",
                }),
                arguments => json!({
                    "type": "function_call", "id": "fc_0", "call_id": call_id(turn), "name": name,
                    "arguments": arguments.to_string(), "status": "completed",
                }),
            }
        }
        Reply::Text(text) => json!({
            "type": "message", "id": "msg_0", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Reply::Refuse(..) => Value::Null,
    };
    let (input, cached, output) = USAGE;
    let mut response = json!({"id": "resp_0", "object": "response", "model": "stand-in", "status": "in_progress", "output": []});
    let created = json!({"type": "response.created", "response": response});
    response["status"] = json!("completed");
    response["output"] = json!([item]);
    response["usage"] = json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": input + output,
    });
    vec![
        created,
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response}),
    ]
}
