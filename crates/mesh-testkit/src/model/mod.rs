//! A model server on the loopback interface, for agent programs that are real: it answers what the test says. It speaks the two
//! protocols that codex and claude speak (`responses`, `messages`), as far as those programs need them.
//!
//! What is answered depends on the conversation alone, so that agents that ask at the same time, retry a call or take up a session do
//! not disturb one another. Nothing here is slow or refuses on its own; the test's function may do both.

mod messages;
mod responses;

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::{Map, Value, json};
use tiny_http::{Header, Method, Request, Response, Server};

/// Most bytes of a request.
const MOST_BYTES: u64 = 64 << 20;

/// What an agent asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What it was told in this session, oldest first.
    pub prompts: Vec<String>,
    /// How many of our commands it has run since the last of them.
    pub step: usize,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To run a command in a shell.
    Shell(String),
    /// The last message.
    Text(String),
    /// No answer: a status and a body of the provider's.
    Refuse(u16, Value),
}

/// Tokens that every answer says it cost: read, of those from a cache, written.
pub const USAGE: (u64, u64, u64) = (100, 40, 10);

type Answer = dyn Fn(&Turn) -> Reply + Send + Sync;

/// The server. It ends when it is dropped.
pub struct Model {
    server: Arc<Server>,
    listener: Option<JoinHandle<()>>,
    turns: Arc<Mutex<Vec<Turn>>>,
}

impl Model {
    /// Starts one that answers what `answer` says.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(answer: impl Fn(&Turn) -> Reply + Send + Sync + 'static) -> Model {
        let server = Arc::new(Server::http("127.0.0.1:0").expect("a port is free"));
        let turns = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);
        let listener = {
            let (server, turns) = (Arc::clone(&server), Arc::clone(&turns));
            thread::spawn(move || {
                for request in server.incoming_requests() {
                    let (answer, turns) = (Arc::clone(&answer), Arc::clone(&turns));
                    thread::spawn(move || serve(request, &*answer, &turns));
                }
            })
        };
        Model {
            server,
            listener: Some(listener),
            turns,
        }
    }

    /// Where it listens, without a path.
    ///
    /// # Panics
    /// Never: it listens on a port.
    pub fn url(&self) -> String {
        let address = self.server.server_addr().to_ip().expect("a port");
        format!("http://{address}")
    }

    /// Everything that was asked so far.
    pub fn turns(&self) -> Vec<Turn> {
        lock(&self.turns).clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn lock(turns: &Mutex<Vec<Turn>>) -> std::sync::MutexGuard<'_, Vec<Turn>> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An agent that goes away while it is answered is none of our concern.
fn serve(mut request: Request, answer: &Answer, turns: &Mutex<Vec<Turn>>) {
    let path = request
        .url()
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut body = Vec::new();
    // A request to change the protocol has a body without an end.
    let read = match request.method() {
        Method::Post => request.as_reader().take(MOST_BYTES).read_to_end(&mut body),
        _ => Ok(0),
    };
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (status, kind, text) = match (request.method(), read.is_ok()) {
        (Method::Post, true) if path.ends_with("/responses") => {
            let turn = responses::turn(&asked);
            let tools = responses::tools(&asked);
            reply_to(&turn, &tools, answer, turns, |reply| {
                responses::stream(reply, &tools, &turn)
            })
        }
        (Method::Post, true) if path.ends_with("/count_tokens") => {
            whole(200, &json!({"input_tokens": 1}))
        }
        (Method::Post, true) if path.ends_with("/messages") => {
            let turn = messages::turn(&asked);
            let tools = messages::tools(&asked);
            let is_streamed = asked["stream"] == true;
            let (status, kind, text) = reply_to(&turn, &tools, answer, turns, |reply| {
                messages::stream(reply, &tools, &turn)
            });
            if is_streamed || status != 200 {
                (status, kind, text)
            } else {
                whole(200, &messages::whole(&text))
            }
        }
        // It asks for a web socket first, and goes on without one at once when it is told so.
        (Method::Get, _) if path.ends_with("/responses") => {
            whole(426, &json!({"error": {"message": "not as a web socket"}}))
        }
        (Method::Get, _) if path.ends_with("/models") => whole(
            200,
            &json!({"object": "list", "data": [{"id": "stand-in", "object": "model"}]}),
        ),
        (Method::Head, _) => whole(200, &json!({})),
        _ => whole(404, &json!({"error": {"message": "not served here"}})),
    };
    let header = Header::from_bytes("content-type", kind).ok();
    let mut response = Response::from_string(text).with_status_code(status);
    response.add_header(header.expect("plain text"));
    let _ = request.respond(response);
}

fn whole(status: u16, body: &Value) -> (u16, &'static str, String) {
    (status, "application/json", body.to_string())
}

/// Requests without tools are for titles and the like: nobody has to know of them.
fn reply_to(
    turn: &Turn,
    tools: &Map<String, Value>,
    answer: &Answer,
    turns: &Mutex<Vec<Turn>>,
    stream: impl FnOnce(&Reply) -> Vec<Value>,
) -> (u16, &'static str, String) {
    let reply = if tools.is_empty() {
        Reply::Text("ok".to_owned())
    } else {
        lock(turns).push(turn.clone());
        answer(turn)
    };
    if let Reply::Refuse(status, body) = &reply {
        return whole(*status, body);
    }
    let event = |event: Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        format!("event: {kind}\ndata: {event}\n\n")
    };
    let text: String = stream(&reply).into_iter().map(event).collect();
    (200, "text/event-stream", text)
}

/// What our commands are called, so that an answer to one tells its step. No two of a session have the same name.
fn call_id(turn: &Turn) -> String {
    format!("call_p{}_s{}", turn.prompts.len(), turn.step)
}

/// How many steps are answered.
fn steps<'a>(answered: impl IntoIterator<Item = &'a str>) -> usize {
    let step = |id: &str| id.strip_prefix("call_p")?.split_once("_s")?.1.parse().ok();
    let last: Option<usize> = answered.into_iter().filter_map(step).max();
    last.map_or(0, |last| last + 1)
}

/// The shell that the agent offers, and the arguments with which it runs `command`; the value of each tool is its schema's properties.
fn shell_call(command: &str, tools: &Map<String, Value>) -> (String, Value) {
    const SHELLS: [&str; 5] = [
        "exec_command",
        "shell_command",
        "shell",
        "local_shell",
        "Bash",
    ];
    let Some(name) = SHELLS.into_iter().find(|name| tools.contains_key(*name)) else {
        // A client that takes its commands as a script that calls its tools.
        let script = format!(
            "text(await tools.exec_command({}))",
            json!({"cmd": command})
        );
        return ("exec".to_owned(), Value::String(script));
    };
    let properties = &tools[name];
    let key = ["cmd", "command"]
        .into_iter()
        .find(|key| properties.get(key).is_some());
    let key = key.unwrap_or("command");
    let value = if properties[key]["type"] == "array" {
        json!(["bash", "-c", command])
    } else {
        json!(command)
    };
    let mut arguments = json!({ key: value });
    if properties.get("description").is_some() {
        arguments["description"] = json!("scripted");
    }
    (name.to_owned(), arguments)
}

/// The text of a message, whose content is a text or a list of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_by_the_answers_to_our_own_calls() {
        assert_eq!(steps([]), 0);
        assert_eq!(steps(["call_p1_s0"]), 1);
        assert_eq!(steps(["call_p2_s1", "call_p2_s0", "other"]), 2);
    }

    #[test]
    fn commands_go_through_the_shell_that_is_offered() {
        let tools = |value: Value| value.as_object().expect("a map").clone();
        let bash = tools(json!({"Bash": {"command": {"type": "string"}, "description": {}}}));
        let (name, arguments) = shell_call("ls", &bash);
        assert_eq!(name, "Bash");
        assert_eq!(
            arguments,
            json!({"command": "ls", "description": "scripted"})
        );
        let listed = tools(json!({"shell": {"command": {"type": "array"}}}));
        assert_eq!(
            shell_call("ls", &listed).1,
            json!({"command": ["bash", "-c", "ls"]})
        );
        let script = shell_call("ls", &tools(json!({"exec": {}})));
        assert_eq!(script.0, "exec");
    }
}
