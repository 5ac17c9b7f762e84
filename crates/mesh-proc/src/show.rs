//! A command line as a shell would take it: for people to read, copy and run.

use std::borrow::Cow;
use std::ffi::OsStr;

/// One word, quoted where a shell needs it. Bytes that are not UTF-8 are shown as the replacement character: this is for reading.
pub fn word(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref().to_string_lossy();
    // A NUL byte cannot be an argument at all; show the rest rather than fail.
    let text: Cow<'_, str> = if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text
    };
    match shlex::try_quote(&text) {
        Ok(quoted) => quoted.into_owned(),
        Err(_) => format!("{text:?}"),
    }
}

/// Program and arguments, separated by blanks.
pub fn command<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[A]) -> String {
    let mut shown = word(program);
    for arg in args {
        shown.push(' ');
        shown.push_str(&word(arg));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_the_same_words() {
        let args = [
            "plain",
            "",
            "two words",
            "it's",
            "$HOME `id` \\",
            "new\nline",
            "*?[a]",
            "~",
            "#no",
            "!x",
        ];
        let shown = command("/usr/bin/bd", &args);
        let back = shlex::split(&shown).unwrap();
        assert_eq!(back[0], "/usr/bin/bd");
        assert_eq!(&back[1..], &args);
    }

    #[test]
    fn a_real_shell_agrees() {
        let args = ["a b", "it's", "$HOME", "\"q\"", "back\\slash", "", "-n"];
        let shown = command("printf", &[&["%s|"], &args[..]].concat());
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(&shown)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            args.map(|arg| format!("{arg}|")).concat()
        );
    }

    #[test]
    fn what_is_no_text_is_shown_and_does_not_fail() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(word(OsStr::from_bytes(b"a\xff")), "'a\u{fffd}'");
        assert!(word("a\0b").contains('\u{fffd}'));
    }
}
