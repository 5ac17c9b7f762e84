//! A request written out as the arguments of `bd`: the only words that ever reach it.
//!
//! Measured on bd 0.47.1, 1.0.5 and 1.3.0: all 18 commands take `--flag=value` and `--` before the positionals, and the two
//! global flags in front of the command. Equal requests give equal words, and parsing the words gives the request again.

use crate::parse::Request;

/// The flags in front of every call.
pub const ALWAYS: [&str; 2] = ["--readonly", "--sandbox"];

/// The argument list, `bd` itself first.
pub fn argv(request: &Request) -> Vec<String> {
    let mut argv = vec!["bd".to_string()];
    argv.extend(
        ALWAYS
            .iter()
            .chain(request.rule.path)
            .map(|word| (*word).to_string()),
    );
    for (flag, value) in &request.flags {
        argv.push(match value {
            Some(value) => format!("--{}={value}", flag.long),
            None => format!("--{}", flag.long),
        });
    }
    if !request.positionals.is_empty() {
        argv.push("--".to_string());
        argv.extend(request.positionals.iter().cloned());
    }
    argv
}
