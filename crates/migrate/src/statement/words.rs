//! A statement word by word.

use super::tokens;

/// A place in a statement.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    tokens: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn of(sql: &'a str) -> Self {
        Self {
            tokens: tokens(sql),
            at: 0,
        }
    }

    /// What is left of it.
    pub(crate) fn rest(&self) -> &[&'a str] {
        &self.tokens[self.at.min(self.tokens.len())..]
    }

    /// Whether these words follow one another somewhere in what is left.
    pub(crate) fn have(&self, words: &[&str]) -> bool {
        let is_same = |(token, word): (&&str, &&str)| token.eq_ignore_ascii_case(word);
        let mut windows = self.rest().windows(words.len());
        windows.any(|window| window.iter().zip(words).all(is_same))
    }

    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    /// Goes past this word, if it is the next one.
    pub(crate) fn eat(&mut self, word: &str) -> bool {
        let next = self.tokens.get(self.at);
        let is_next = next.is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    /// Goes past these words, if they are the next ones.
    pub(crate) fn eat_all(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        let all = words.iter().all(|word| self.eat(word));
        if !all {
            self.at = start;
        }
        all
    }

    /// A name with its schema, as it is written.
    pub(crate) fn name(&mut self) -> Option<String> {
        let mut name = self.next()?.to_owned();
        while self.eat(".") {
            name.push('.');
            name.push_str(self.next()?);
        }
        Some(name)
    }
}

/// A name as the server keeps it.
pub(crate) fn folded(name: &str) -> String {
    match name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
    {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_ascii_lowercase(),
    }
}
