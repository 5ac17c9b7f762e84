//! Reads Rust just far enough to tell code from comments and literals.
//!
//! No parser: what comes back has the same lines and columns as the source, so that a plain search in it finds code and nothing
//! that is only written about.

/// `source` with the contents of comments, strings and character literals replaced by blanks.
pub fn code_only(source: &str) -> String {
    let mut scanner = Scanner {
        chars: source.chars().collect(),
        at: 0,
        out: String::with_capacity(source.len()),
    };
    while scanner.at < scanner.chars.len() {
        scanner.step();
    }
    scanner.out
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    out: String,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.out.push(self.chars[self.at]);
        self.at += 1;
    }

    fn blank(&mut self, count: usize) {
        for _ in 0..count {
            let Some(c) = self.peek(0) else { return };
            self.out.push(if c == '\n' { '\n' } else { ' ' });
            self.at += 1;
        }
    }

    fn step(&mut self) {
        match (self.chars[self.at], self.peek(1)) {
            ('/', Some('/')) => {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.blank(1);
                }
            }
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', next) => self.quote(next),
            (c, _) if is_word(c) => self.word(),
            _ => self.keep(),
        }
    }

    /// A word, or the prefix of a literal: `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `b'…'`.
    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_some_and(is_word) {
            self.keep();
        }
        let word: String = self.chars[start..self.at].iter().collect();
        if matches!(word.as_str(), "r" | "br" | "cr") {
            let hashes = (0..)
                .take_while(|ahead| self.peek(*ahead) == Some('#'))
                .count();
            if self.peek(hashes) == Some('"') {
                self.raw_string(hashes);
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.blank(2);
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.blank(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.blank(1),
            }
        }
    }

    fn string(&mut self) {
        self.blank(1);
        while let Some(c) = self.peek(0) {
            match c {
                '\\' => self.blank(2),
                '"' => return self.blank(1),
                _ => self.blank(1),
            }
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        self.blank(hashes + 1);
        while let Some(c) = self.peek(0) {
            if c == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                return self.blank(hashes + 1);
            }
            self.blank(1);
        }
    }

    /// A character literal or a lifetime.
    fn quote(&mut self, next: Option<char>) {
        if next == Some('\\') {
            self.blank(3);
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.blank(1);
            }
            self.blank(1);
        } else if self.peek(2) == Some('\'') {
            self.blank(3);
        } else {
            self.keep();
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Lines (from 1) of `code` on which `name` stands as a whole word or path.
pub fn lines_with(code: &str, name: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let whole = line.match_indices(name).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + name.len()..].chars().next();
            let longer = name.ends_with(is_word) && after.is_some_and(is_word);
            !before.is_some_and(is_word) && !longer
        });
        if whole {
            lines.push(number + 1);
        }
    }
    lines
}

/// A function: where it starts, its name, and how many lines it has from `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Line of `fn`, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Its length.
    pub lines: usize,
}

/// All functions with a body in `code` (comments and literals blanked).
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let rest = &code[at + 3..];
        let name: String = rest
            .trim_start()
            .chars()
            .take_while(|c| is_word(*c))
            .collect();
        if name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(rest) {
            let line = code[..at].matches('\n').count() + 1;
            found.push(Function {
                line,
                name,
                lines: rest[..end].matches('\n').count() + 1,
            });
        }
    }
    found
}

/// Byte after the closing brace of the first body in `rest`; `None` for a declaration without one.
fn body_end(rest: &str) -> Option<usize> {
    let (mut braces, mut others) = (0_i32, 0_i32);
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '[' => others += 1,
            ')' | ']' => others -= 1,
            ';' if braces == 0 && others == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && others == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let code = code_only(source);
        assert_eq!(
            code.chars().count(),
            source.chars().count(),
            "columns moved"
        );
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>().join(" "),
            expected
        );
    }

    #[test]
    fn comments_and_literals_are_blanked_and_the_rest_stays() {
        check("a // unsafe\nb", "a b");
        check("a /* x /* y */ z */ b", "a b");
        check("let s = \"a \\\" // b\"; c", "let s = ; c");
        check("r#\"a \" b\"# + br\"x\" + c", "r + br + c");
        check("let r#type = b'x';", "let r#type = b ;");
        check("'\\'' '\"' 'a 'static x", "'a 'static x");
        check("'\\u{1F600}' end", "end");
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("\"ends nowhere", "");
        check("/* ends nowhere", "");
    }

    #[test]
    fn lines_stay_where_they_are() {
        assert_eq!(
            lines_with(&code_only("/* a\n b */ todo!()\n\"\n\" unsafe {"), "unsafe"),
            [4]
        );
    }

    #[test]
    fn a_name_is_found_only_as_a_whole() {
        assert_eq!(
            lines_with("unsafe_code\nunsafe {\nxunsafe\n(unsafe)", "unsafe"),
            [2, 4]
        );
        assert_eq!(
            lines_with("std::time::Duration\nstd::timer\nmystd::time", "std::time"),
            [1]
        );
        assert_eq!(lines_with("todo!(x)\nmytodo!()", "todo!"), [1]);
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let code = "trait T { fn a(&self) -> [u8; 2]; }\npub fn b(x: [u8; 3])\n{\n  if x { y }\n}\nlet f: fn (u8) = g;\n";
        assert_eq!(
            functions(code),
            [Function {
                line: 2,
                name: "b".into(),
                lines: 4
            }]
        );
    }
}
