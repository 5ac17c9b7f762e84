//! A shell script as words and operators, as far as it takes to follow exit codes.

/// A piece of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, quotes removed.
    Word(Word),
    /// `&&`, `||`, `|`, `|&`, `;`, `&`, `(`, `)` or a line end.
    Operator(String),
    /// `>` and its kin; the word after it is a file.
    Redirection,
}

/// A word of a script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word {
    /// Without quotes; substitutions as they stand.
    pub text: String,
    /// Some of it was quoted, so that it is no keyword.
    pub is_quoted: bool,
    /// The shell puts something else in its place: a variable, the output of a command, matching files.
    pub expands: bool,
    /// It holds the output of a command.
    pub runs_command: bool,
}

/// The tokens of `script`; `None` where a quote or a substitution does not end, or a document follows in the script (`<<`).
pub(super) fn tokens(script: &str) -> Option<Vec<Token>> {
    let chars: Vec<char> = script.chars().collect();
    let mut lexer = Lexer {
        chars: &chars,
        at: 0,
    };
    let mut found = Vec::new();
    while let Some(c) = lexer.peek(0) {
        match c {
            '\n' | ';' | '|' | '(' | ')' => found.push(lexer.operator(c)),
            '&' if lexer.peek(1) == Some('>') => found.push(lexer.redirection()?),
            '&' => found.push(lexer.operator(c)),
            '>' | '<' => found.push(lexer.redirection()?),
            '#' => {
                while lexer.peek(0).is_some_and(|c| c != '\n') {
                    lexer.at += 1;
                }
            }
            '\\' if lexer.peek(1) == Some('\n') => lexer.at += 2,
            c if c.is_whitespace() => lexer.at += 1,
            _ => {
                let word = lexer.word()?;
                let is_descriptor = !word.is_quoted
                    && word.text.bytes().all(|b| b.is_ascii_digit())
                    && matches!(lexer.peek(0), Some('>' | '<'));
                if !is_descriptor {
                    found.push(Token::Word(word));
                }
            }
        }
    }
    Some(found)
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek(0);
        self.at += usize::from(c.is_some());
        c
    }

    fn operator(&mut self, first: char) -> Token {
        self.at += 1;
        let is_double = matches!(first, '&' | '|') && self.peek(0) == Some(first);
        let is_both_streams = first == '|' && self.peek(0) == Some('&');
        let mut text = first.to_string();
        if is_double || is_both_streams {
            text.extend(self.next());
        }
        // `;;` of a `case` separates like `;`.
        while first == ';' && self.peek(0) == Some(';') {
            self.at += 1;
        }
        Token::Operator(text)
    }

    fn redirection(&mut self) -> Option<Token> {
        if self.peek(0) == Some('<') && self.peek(1) == Some('<') && self.peek(2) != Some('<') {
            return None;
        }
        while self
            .peek(0)
            .is_some_and(|c| matches!(c, '<' | '>' | '&' | '|'))
        {
            self.at += 1;
        }
        Some(Token::Redirection)
    }

    fn word(&mut self) -> Option<Word> {
        let mut word = Word::default();
        while let Some(c) = self.peek(0) {
            match c {
                '\'' => {
                    self.at += 1;
                    word.is_quoted = true;
                    loop {
                        match self.next()? {
                            '\'' => break,
                            c => word.text.push(c),
                        }
                    }
                }
                '"' => {
                    self.at += 1;
                    word.is_quoted = true;
                    self.double_quoted(&mut word)?;
                }
                '\\' => {
                    self.at += 1;
                    word.is_quoted = true;
                    word.text.push(self.next()?);
                }
                '$' | '`' => self.substitution(&mut word)?,
                ';' | '|' | '&' | '(' | ')' | '<' | '>' => break,
                c if c.is_whitespace() => break,
                c => {
                    // A bracket alone is the program `[`.
                    let is_class = c == '[' && !word.text.is_empty() && !word.text.starts_with('[');
                    word.expands |= is_class || matches!(c, '*' | '?');
                    word.text.push(c);
                    self.at += 1;
                }
            }
        }
        Some(word)
    }

    fn double_quoted(&mut self, word: &mut Word) -> Option<()> {
        loop {
            match self.peek(0)? {
                '"' => {
                    self.at += 1;
                    return Some(());
                }
                '\\' => {
                    self.at += 1;
                    word.text.push(self.next()?);
                }
                '$' | '`' => self.substitution(word)?,
                c => {
                    word.text.push(c);
                    self.at += 1;
                }
            }
        }
    }

    /// A variable or the output of a command, kept as it stands.
    fn substitution(&mut self, word: &mut Word) -> Option<()> {
        let open = self.next()?;
        word.text.push(open);
        word.expands = true;
        let (opening, close) = match (open, self.peek(0)) {
            ('`', _) => {
                word.runs_command = true;
                loop {
                    let c = self.next()?;
                    word.text.push(c);
                    if c == '`' {
                        return Some(());
                    }
                }
            }
            (_, Some('(')) => ('(', ')'),
            (_, Some('{')) => ('{', '}'),
            _ => return Some(()),
        };
        word.runs_command |= close == ')';
        let mut depth = 0_usize;
        loop {
            let c = self.next()?;
            word.text.push(c);
            match c {
                c if c == opening => depth += 1,
                c if c == close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}
