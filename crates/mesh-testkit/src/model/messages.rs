//! The protocol that claude speaks.

use serde_json::{Map, Value, json};

use super::{Reply, Turn, USAGE, call_id, shell_call, steps, text_of};

pub(super) fn turn(asked: &Value) -> Turn {
    let mut prompts = Vec::new();
    let mut answered: Vec<&str> = Vec::new();
    for message in asked["messages"].as_array().into_iter().flatten() {
        if message["role"] != "user" {
            continue;
        }
        let blocks = message["content"].as_array();
        let results: Vec<&str> = blocks
            .into_iter()
            .flatten()
            .filter(|block| block["type"] == "tool_result")
            .filter_map(|block| block["tool_use_id"].as_str())
            .collect();
        let text = without_reminders(&text_of(&message["content"]));
        if results.is_empty() && !text.is_empty() {
            prompts.push(text);
            answered.clear();
        }
        answered.extend(results);
    }
    let step = steps(answered);
    Turn { prompts, step }
}

/// What the program adds to a conversation by itself is no prompt.
fn without_reminders(text: &str) -> String {
    const TAGS: (&str, &str) = ("<system-reminder>", "</system-reminder>");
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(TAGS.0) {
        left.push_str(before);
        rest = after.split_once(TAGS.1).map_or("", |(_, after)| after);
    }
    left.push_str(rest);
    left.trim().to_owned()
}

/// The tools that are offered, with the properties of their schemas.
pub(super) fn tools(asked: &Value) -> Map<String, Value> {
    let tool = |tool: &Value| {
        let name = tool["name"].as_str()?.to_owned();
        Some((name, tool["input_schema"]["properties"].clone()))
    };
    let tools = asked["tools"].as_array().into_iter().flatten();
    tools.filter_map(tool).collect()
}

/// The events of an answer.
pub(super) fn stream(reply: &Reply, tools: &Map<String, Value>, turn: &Turn) -> Vec<Value> {
    let (blank, delta, reason) = match reply {
        Reply::Shell(command) => {
            let (name, input) = shell_call(command, tools);
            (
                json!({"type": "tool_use", "id": call_id(turn), "name": name, "input": {}}),
                json!({"type": "input_json_delta", "partial_json": input.to_string()}),
                "tool_use",
            )
        }
        Reply::Text(text) => (
            json!({"type": "text", "text": ""}),
            json!({"type": "text_delta", "text": text}),
            "end_turn",
        ),
        Reply::Refuse(..) => (Value::Null, Value::Null, "end_turn"),
    };
    let (input, cached, output) = USAGE;
    // What comes from a cache is not part of the input here.
    let usage = json!({
        "input_tokens": input - cached, "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached, "output_tokens": output,
    });
    vec![
        json!({"type": "message_start", "message": {
            "id": "msg_0", "type": "message", "role": "assistant", "model": "stand-in", "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": usage,
        }}),
        json!({"type": "content_block_start", "index": 0, "content_block": blank}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "usage": usage, "delta": {"stop_reason": reason, "stop_sequence": null}}),
        json!({"type": "message_stop"}),
    ]
}

/// The message that a stream of events, as it was sent, comes to.
pub(super) fn whole(stream: &str) -> Value {
    let events: Vec<Value> = stream
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind);
    let mut message = of("message_start")
        .map(|event| event["message"].clone())
        .unwrap_or_default();
    let mut block = of("content_block_start")
        .map(|event| event["content_block"].clone())
        .unwrap_or_default();
    if let Some(delta) = of("content_block_delta").map(|event| &event["delta"]) {
        match delta["partial_json"].as_str() {
            Some(input) => block["input"] = serde_json::from_str(input).unwrap_or_default(),
            None => block["text"] = delta["text"].clone(),
        }
    }
    message["content"] = json!([block]);
    if let Some(end) = of("message_delta") {
        message["stop_reason"] = end["delta"]["stop_reason"].clone();
    }
    message
}
