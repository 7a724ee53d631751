//! Cuts a file into its statements, so that each can be shown, and so that an error has a line even where the server
//! names no position.
//!
//! Follows `psql`'s rules: a semicolon ends a statement unless it is in quotes (`'…'`, `E'…'`, `"…"`, `$tag$…$tag$`), in a
//! comment (nested `/* */`), in parentheses, or in the `BEGIN ATOMIC … END` body of a function. `psql`'s own commands
//! (`\…`) are not known: the server refuses them.

mod kind;
mod words;

pub(crate) use kind::Kind;
pub(crate) use words::Words;

/// One statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its text, without the semicolon. Comments before its first word are left out.
    pub sql: String,
    /// Whether it is done again, a transaction each time, until it changes no row.
    pub repeats: bool,
}

impl Statement {
    /// Whether it begins or ends a transaction.
    pub(crate) fn controls_transaction(&self) -> bool {
        let mut words = self.sql.split_whitespace().map(str::to_ascii_lowercase);
        match (words.next().as_deref(), words.next().as_deref()) {
            (Some("begin" | "commit" | "rollback" | "end" | "abort"), second) => {
                // What happens inside the transaction is the file's own business.
                second != Some("to")
            }
            (Some("start" | "prepare"), Some("transaction")) => true,
            _ => false,
        }
    }

    /// The line on which it ends.
    pub(crate) fn last_line(&self) -> usize {
        self.line + self.sql.matches('\n').count()
    }

    /// The line of the file on which the `position`th character of the statement is, from 1.
    pub(crate) fn line_of(&self, position: u32) -> usize {
        let before = self.sql.chars().take((position as usize).saturating_sub(1));
        self.line + before.filter(|c| *c == '\n').count()
    }
}

/// The statements of `text`, in order. Whatever follows the last semicolon is one too.
pub(crate) fn split(text: &str) -> Vec<Statement> {
    let mut scanner = Scanner::of(text);
    let mut statements = Vec::new();
    let mut start = None;
    while let Some(token) = scanner.next_token() {
        match token.kind {
            TokenKind::Blank => {}
            TokenKind::End => {
                if let Some(from) = start.take() {
                    statements.push(statement(text, from, token.from));
                }
                scanner.begin_statement();
            }
            TokenKind::Other => {
                start.get_or_insert(token.from);
            }
        }
    }
    if let Some(from) = start {
        statements.push(statement(text, from, text.len()));
    }
    statements
}

fn statement(text: &str, from: usize, to: usize) -> Statement {
    Statement {
        line: 1 + text[..from].matches('\n').count(),
        sql: text[from..to].trim_end().to_owned(),
        repeats: false,
    }
}

/// The words, quoted texts and other characters of `sql`, without white space and comments.
fn tokens(sql: &str) -> Vec<&str> {
    let mut scanner = Scanner::of(sql);
    let mut tokens = Vec::new();
    while let Some(token) = scanner.next_token() {
        if token.kind != TokenKind::Blank {
            tokens.push(&sql[token.from..scanner.at]);
        }
    }
    tokens
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    /// White space or a comment.
    Blank,
    /// The semicolon that ends a statement.
    End,
    Other,
}

struct Token {
    kind: TokenKind,
    from: usize,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    parentheses: u32,
    /// Words of this statement so far.
    words: u32,
    /// The statement began with CREATE …
    creates: bool,
    /// … [OR REPLACE] FUNCTION or PROCEDURE.
    makes_function: bool,
    /// Open BEGIN and CASE in its body.
    blocks: u32,
}

impl<'a> Scanner<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            parentheses: 0,
            words: 0,
            creates: false,
            makes_function: false,
            blocks: 0,
        }
    }

    fn begin_statement(&mut self) {
        self.parentheses = 0;
        self.words = 0;
        self.creates = false;
        self.makes_function = false;
        self.blocks = 0;
    }

    fn next_token(&mut self) -> Option<Token> {
        let from = self.at;
        let rest = &self.text[from..];
        let first = rest.chars().next()?;
        let (kind, length) = match first {
            c if c.is_whitespace() => (TokenKind::Blank, c.len_utf8()),
            '-' if rest.starts_with("--") => {
                (TokenKind::Blank, rest.find('\n').unwrap_or(rest.len()))
            }
            '/' if rest.starts_with("/*") => (TokenKind::Blank, comment_length(rest)),
            '\'' => (TokenKind::Other, quoted_length(rest, '\'', false)),
            '"' => (TokenKind::Other, quoted_length(rest, '"', false)),
            '$' => (TokenKind::Other, dollar_length(rest)),
            'e' | 'E' if rest[1..].starts_with('\'') => {
                (TokenKind::Other, 1 + quoted_length(&rest[1..], '\'', true))
            }
            c if is_word_start(c) => (TokenKind::Other, self.word(rest)),
            ';' if self.parentheses == 0 && self.blocks == 0 => (TokenKind::End, 1),
            c => {
                match c {
                    '(' => self.parentheses += 1,
                    ')' => self.parentheses = self.parentheses.saturating_sub(1),
                    _ => {}
                }
                (TokenKind::Other, c.len_utf8())
            }
        };
        self.at += length;
        Some(Token { kind, from })
    }

    /// Notes the word that `rest` begins with, and gives its length.
    fn word(&mut self, rest: &str) -> usize {
        let length = rest
            .find(|c: char| !(is_word_start(c) || c.is_ascii_digit() || c == '$'))
            .unwrap_or(rest.len());
        let word = rest[..length].to_ascii_lowercase();
        self.words += 1;
        match (self.words, word.as_str()) {
            (1, "create") => self.creates = true,
            (2 | 4, "function" | "procedure") => self.makes_function = self.creates,
            (_, "begin") if self.makes_function => self.blocks += 1,
            (_, "case") if self.blocks > 0 => self.blocks += 1,
            (_, "end") => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
        length
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || !c.is_ascii()
}

/// The length of a quoted text with its quotes; a doubled quote is part of it.
fn quoted_length(rest: &str, quote: char, backslashes: bool) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && backslashes {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    rest.len()
}

/// The length of `$tag$…$tag$`, or of a lone `$`.
fn dollar_length(rest: &str) -> usize {
    let tag_end = rest[1..].find(|c: char| !(is_word_start(c) || c.is_ascii_digit()));
    let Some(tag_end) = tag_end.filter(|end| {
        rest[1 + end..].starts_with('$') && !rest[1..].starts_with(|c: char| c.is_ascii_digit())
    }) else {
        return 1;
    };
    let tag = &rest[..tag_end + 2];
    rest[tag.len()..]
        .find(tag)
        .map_or(rest.len(), |end| tag.len() + end + tag.len())
}

fn comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::split;

    fn texts(sql: &str) -> Vec<String> {
        split(sql).into_iter().map(|s| s.sql).collect()
    }

    #[test]
    fn a_semicolon_in_quotes_comments_and_bodies_ends_nothing() {
        for whole in [
            "SELECT ';'",
            "SELECT 'it''s;'",
            r"SELECT E'\';'",
            r"SELECT '\'",
            "SELECT \"a;\"\"b\"",
            "SELECT /* ; /* ; */ ; */ 1",
            "SELECT 1 -- ;\n + 1",
            "DO $$ BEGIN; END $$",
            "DO $a$ $$;$b$; $a$",
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
            "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
            "CREATE FUNCTION begin_x() RETURNS int LANGUAGE sql AS 'SELECT 1;'",
            "SELECT 'ä;€' AS größe",
        ] {
            assert_eq!(texts(&format!("{whole};SELECT 9;")), [whole, "SELECT 9"]);
        }
    }

    #[test]
    fn what_only_looks_like_a_quote_or_a_block_is_none() {
        assert_eq!(texts("SELECT $1; SELECT 2"), ["SELECT $1", "SELECT 2"]);
        assert_eq!(
            texts("SELECT a$b$; SELECT 2 AS c$b$"),
            ["SELECT a$b$", "SELECT 2 AS c$b$"]
        );
        assert_eq!(
            texts("CREATE TABLE t (a int); SELECT 2"),
            ["CREATE TABLE t (a int)", "SELECT 2"]
        );
        assert_eq!(texts("CREATE TABLE begin (a int); SELECT 2").len(), 2);
        assert!(texts(" ;; -- nothing\n /* at all */").is_empty());
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let statements = split("-- head\n\nSELECT 1;\n/* a\nb */ SELECT\n 'ä',\n 2;\n");
        let lines: Vec<usize> = statements.iter().map(|s| s.line).collect();
        assert_eq!(lines, [3, 5]);
        assert_eq!(statements[1].sql, "SELECT\n 'ä',\n 2");
        assert_eq!([1, 10, 14].map(|at| statements[1].line_of(at)), [5, 6, 7]);
    }

    #[test]
    fn transactions_are_told_from_what_is_inside_them() {
        for (sql, controls) in [
            ("BEGIN", true),
            ("commit and chain", true),
            ("START TRANSACTION", true),
            ("ROLLBACK TO s", false),
            ("SAVEPOINT s", false),
            ("SELECT 1", false),
        ] {
            assert_eq!(split(sql)[0].controls_transaction(), controls, "{sql}");
        }
    }
}
