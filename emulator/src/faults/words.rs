//! The words of a line of a fault script, with their columns, and quoting.

use std::iter::Peekable;
use std::str::Chars;

use super::script::FaultScriptError;

/// A word: `value`, `key=value`, and either with the value in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The column of its first character, counted from 1.
    pub(super) column: usize,
    pub(super) key: Option<String>,
    pub(super) value: String,
}

impl Word {
    /// The word as it may have been written, for error messages.
    fn shown(&self) -> String {
        match &self.key {
            Some(key) => format!("{key}={}", quoted(&self.value)),
            None => quoted(&self.value),
        }
    }
}

/// The words of a line, which are taken one after the other.
#[derive(Debug)]
pub(super) struct Words {
    line: usize,
    /// The remaining words, last word first.
    rest: Vec<Word>,
    end: usize,
}

impl Words {
    /// Splits a line into words, up to its comment.
    pub(super) fn parse(line: usize, text: &str) -> Result<Words, FaultScriptError> {
        let mut scanner = Scanner {
            line,
            column: 1,
            chars: text.chars().peekable(),
        };
        let mut rest = Vec::new();
        while let Some(word) = scanner.word()? {
            rest.push(word);
        }
        rest.reverse();
        let end = scanner.column;
        Ok(Words { line, rest, end })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next word if it has the form `key=value`.
    pub(super) fn option(&mut self) -> Option<Word> {
        self.rest.pop_if(|word| word.key.is_some())
    }

    /// Takes the next word if it is `value`; returns whether it is.
    pub(super) fn take(&mut self, value: &str) -> bool {
        let is_that = |word: &mut Word| word.key.is_none() && word.value == value;
        self.rest.pop_if(is_that).is_some()
    }

    /// Takes the next word, which must exist and must not have the form
    /// `key=value`.
    pub(super) fn next(&mut self, expected: &str) -> Result<Word, FaultScriptError> {
        match self.rest.pop() {
            Some(word) if word.key.is_none() => Ok(word),
            Some(word) => Err(self.wrong(&word, expected)),
            None => Err(self.error(self.end, expected, "the end of the line")),
        }
    }

    /// Checks that no word is left.
    pub(super) fn finish(&mut self) -> Result<(), FaultScriptError> {
        match self.rest.pop() {
            Some(word) => Err(self.wrong(&word, "the end of the line")),
            None => Ok(()),
        }
    }

    /// The error for a word that was not expected.
    pub(super) fn wrong(&self, word: &Word, expected: &str) -> FaultScriptError {
        self.error(word.column, expected, &word.shown())
    }

    fn error(&self, column: usize, expected: &str, found: &str) -> FaultScriptError {
        FaultScriptError::new(self.line, column, expected, found)
    }
}

/// Reads the characters of a line.
struct Scanner<'a> {
    line: usize,
    /// The column of the next character.
    column: usize,
    chars: Peekable<Chars<'a>>,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.column += usize::from(next.is_some());
        next
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let next = self.chars.next_if(|next| wanted(*next));
        self.column += usize::from(next.is_some());
        next
    }

    fn word(&mut self) -> Result<Option<Word>, FaultScriptError> {
        while self.next_if(char::is_whitespace).is_some() {}
        let column = self.column;
        let Some(first) = self.chars.peek() else {
            return Ok(None);
        };
        if *first == '#' {
            return Ok(None);
        }
        let (mut key, mut value) = (None, self.value()?);
        if self.next_if(|next| next == '=').is_some() {
            key = Some(std::mem::replace(&mut value, self.value()?));
        }
        Ok(Some(Word { column, key, value }))
    }

    /// Reads a value: in quotes, or up to the next blank or `=`.
    fn value(&mut self) -> Result<String, FaultScriptError> {
        if self.next_if(|next| next == '"').is_some() {
            return self.quoted();
        }
        let mut value = String::new();
        while let Some(next) = self.next_if(is_bare) {
            value.push(next);
        }
        match self.chars.peek() {
            Some('"') => Err(self.error("a blank before a quote", "\"")),
            _ => Ok(value),
        }
    }

    fn quoted(&mut self) -> Result<String, FaultScriptError> {
        let mut value = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(value),
                Some('\\') => value.push(self.escaped()?),
                Some(next) => value.push(next),
                None => return Err(self.error("a closing quote", "the end of the line")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, FaultScriptError> {
        match self.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(same @ ('"' | '\\')) => Ok(same),
            Some(other) => {
                self.column -= 1;
                Err(self.error("one of \\\" \\\\ \\n \\r \\t", &format!("\\{other}")))
            }
            None => Err(self.error("a closing quote", "the end of the line")),
        }
    }

    fn error(&self, expected: &str, found: &str) -> FaultScriptError {
        FaultScriptError::new(self.line, self.column, expected, found)
    }
}

fn is_bare(c: char) -> bool {
    !c.is_whitespace() && c != '=' && c != '"'
}

/// Writes a value as the scanner reads it, in quotes if necessary.
pub(super) fn quoted(value: &str) -> String {
    let plain = |c| is_bare(c) && c != '\\' && !c.is_control();
    if !value.is_empty() && !value.starts_with('#') && value.chars().all(plain) {
        return value.to_owned();
    }
    let escape = |c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        other => String::from(other),
    };
    format!("\"{}\"", value.chars().map(escape).collect::<String>())
}
