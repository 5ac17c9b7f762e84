//! A request written out as the arguments of `bd`: the only words that ever reach it.
//!
//! Measured on bd 0.47.1, 1.0.5 and 1.3.0: all 18 commands take `--flag=value` and `--` before the positionals, and the two
//! global flags in front of the command. Equal requests give equal words, and parsing the words gives the request again.

use crate::parse::Request;

/// The flags in front of every call.
pub const ALWAYS: [&str; 2] = ["--readonly", "--sandbox"];

/// The argument list, `bd` itself first.
pub fn argv(request: &Request) -> Vec<String> {
    let fixed = ["bd"].iter().chain(&ALWAYS).chain(request.rule.path);
    let flags = request.flags.iter().map(|(flag, value)| match value {
        Some(value) => format!("--{}={value}", flag.long),
        None => format!("--{}", flag.long),
    });
    let mut argv: Vec<String> = fixed.map(ToString::to_string).chain(flags).collect();
    if !request.positionals.is_empty() {
        argv.push("--".to_string());
        argv.extend_from_slice(&request.positionals);
    }
    argv
}
