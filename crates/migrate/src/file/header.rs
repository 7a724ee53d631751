//! What a file says about itself, in comments of the form `-- migrate: …`.
//!
//! | line | what it says |
//! |---|---|
//! | `-- migrate: no-transaction` | each statement is a transaction of its own, or runs outside one |
//! | `-- migrate: lock-timeout 1s` | how long a statement waits for a lock, and others behind it; then all is tried again |
//! | `-- migrate: statement-timeout 5min` | how long a statement in a transaction may take |
//! | `-- migrate: allow RULE: REASON` | the linter's rule does not apply here, and why |
//! | `-- migrate: repeat` | before a statement: done again, a transaction each time, until it changes no row |
//!
//! All but the last stand before the first statement. What is not known is an error: a slip must not be a comment.

use std::time::Duration;

use jiff::SignedDuration;

use crate::statement::Statement;

const MARK: &str = "-- migrate:";

/// What a file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whether the file is one transaction.
    pub transaction: bool,
    /// How long a statement waits for a lock, and so how long others wait behind it.
    pub lock_timeout: Duration,
    /// How long a statement in a transaction may take.
    pub statement_timeout: Duration,
    /// What the linter is not to complain of.
    pub waivers: Vec<Waiver>,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            transaction: true,
            lock_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_mins(5),
            waivers: Vec::new(),
        }
    }
}

/// A rule of the linter that does not apply to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The rule.
    pub rule: String,
    /// Why it does not apply.
    pub reason: String,
    /// The line on which that is said.
    pub line: usize,
}

/// Something that a line says and should not: the line, and what is wrong.
pub(super) type Slip = (usize, String);

/// Reads the header of a file, and marks the statements that are to be repeated.
pub(super) fn read(text: &str, statements: &mut [Statement]) -> Result<Header, Slip> {
    let mut header = Header::default();
    for (line, text) in (1..).zip(text.lines()) {
        let Some(said) = text.strip_prefix(MARK) else {
            continue;
        };
        let next = statements.partition_point(|statement| statement.line <= line);
        let inside = next.checked_sub(1).map(|index| &statements[index]);
        if inside.is_some_and(|statement| line <= statement.last_line()) {
            continue;
        }
        let said = said.trim();
        if said == "repeat" {
            let following = statements.get_mut(next);
            following
                .ok_or_else(|| slip(line, "no statement follows"))?
                .repeats = true;
        } else if next > 0 {
            return Err(slip(line, "only `repeat` may stand after a statement"));
        } else {
            header.take(said, line)?;
        }
    }
    let repeated = statements.iter().find(|statement| statement.repeats);
    match repeated {
        Some(statement) if header.transaction => Err(slip(
            statement.line,
            "`repeat` needs `no-transaction`: each time is a transaction",
        )),
        Some(_) | None => Ok(header),
    }
}

impl Header {
    fn take(&mut self, said: &str, line: usize) -> Result<(), Slip> {
        let (key, value) = said.split_once(' ').unwrap_or((said, ""));
        match (key, value.trim()) {
            ("no-transaction", "") => self.transaction = false,
            ("lock-timeout", value) => self.lock_timeout = duration(value, line)?,
            ("statement-timeout", value) => self.statement_timeout = duration(value, line)?,
            ("allow", value) => {
                let (rule, reason) = value.split_once(':').unwrap_or((value, ""));
                let (rule, reason) = (rule.trim(), reason.trim());
                if rule.is_empty() || reason.is_empty() {
                    return Err(slip(line, "expected `allow RULE: REASON`"));
                }
                self.waivers.push(Waiver {
                    rule: rule.to_owned(),
                    reason: reason.to_owned(),
                    line,
                });
            }
            _ => {
                return Err(slip(
                    line,
                    "expected no-transaction, lock-timeout, statement-timeout, allow or repeat",
                ));
            }
        }
        Ok(())
    }
}

fn duration(text: &str, line: usize) -> Result<Duration, Slip> {
    let parsed = text.parse::<SignedDuration>().ok();
    let parsed = parsed.and_then(|duration| Duration::try_from(duration).ok());
    // The server counts in milliseconds, and takes 0 for no limit.
    let usable = parsed.filter(|duration| duration.as_millis() > 0);
    usable.ok_or_else(|| slip(line, "expected a duration such as 500ms, 30s or 5min"))
}

fn slip(line: usize, what: &str) -> Slip {
    (line, what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Header, Slip, Waiver};
    use crate::statement::{Statement, split};

    fn read(text: &str) -> Result<(Header, Vec<Statement>), Slip> {
        let mut statements = split(text);
        let header = super::read(text, &mut statements)?;
        Ok((header, statements))
    }

    #[test]
    fn a_file_that_says_nothing_is_a_transaction_with_limits() {
        let (header, _) = read("-- About.\nSELECT 1;").unwrap();
        assert_eq!(header, Header::default());
        assert!(header.transaction && header.lock_timeout == Duration::from_secs(1));
    }

    #[test]
    fn what_is_said_is_taken() {
        let text = "-- About.\n-- migrate: no-transaction\n-- migrate: lock-timeout 250ms\n\
                    -- migrate: statement-timeout 2min\n-- migrate: allow long-lock: it is empty\n\
                    SELECT 1;\n-- migrate: repeat\nUPDATE a SET b = 1;\nSELECT '\n-- migrate: what';";
        let (header, statements) = read(text).unwrap();
        let waiver = Waiver {
            rule: "long-lock".into(),
            reason: "it is empty".into(),
            line: 5,
        };
        let expected = Header {
            transaction: false,
            lock_timeout: Duration::from_millis(250),
            statement_timeout: Duration::from_mins(2),
            waivers: vec![waiver],
        };
        assert_eq!(header, expected);
        let repeats: Vec<bool> = statements.iter().map(|s| s.repeats).collect();
        assert_eq!(repeats, [false, true, false]);
    }

    #[test]
    fn slips_are_errors_with_their_line() {
        for (text, line, what) in [
            ("-- migrate: no-transactoin\nSELECT 1", 1, "expected no-"),
            ("\n-- migrate: lock-timeout soon", 2, "expected a duration"),
            ("-- migrate: lock-timeout 0s", 1, "expected a duration"),
            ("-- migrate: allow long-lock", 1, "expected `allow"),
            ("SELECT 1;\n-- migrate: no-transaction", 2, "only `repeat`"),
            ("SELECT 1;\n-- migrate: repeat", 2, "no statement"),
            ("-- migrate: repeat\nDELETE FROM a", 2, "`repeat` needs"),
        ] {
            let (at, why) = read(text).unwrap_err();
            assert!(at == line && why.starts_with(what), "{text}: {at} {why}");
        }
    }
}
