//! Text and whole numbers.

use std::borrow::Cow;

use rusqlite::types::ValueRef;

use super::value::{Cell, Reason, Refusal};

impl<'a> Cell<'a> {
    /// As text: a BLOB too where it is UTF-8, a number in decimal. `None` for NULL.
    pub(super) fn text(self) -> Result<Option<Cow<'a, str>>, Refusal> {
        let bytes = match self.value {
            ValueRef::Null => return Ok(None),
            ValueRef::Integer(number) => return Ok(Some(number.to_string().into())),
            ValueRef::Real(number) => return Ok(Some(number.to_string().into())),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.refuse(Reason::InvalidUtf8);
        };
        if text.contains('\0') {
            return self.refuse(Reason::NulByte);
        }
        Ok(Some(text.into()))
    }

    /// As one line: without white space around it, and folded inside. `None` for NULL and for nothing but white space.
    pub(super) fn line(self, longest: usize) -> Result<Option<String>, Refusal> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let line = words.join(" ");
        if line.chars().count() > longest {
            return self.refuse(Reason::TooLong);
        }
        Ok((!line.is_empty()).then_some(line))
    }

    /// As a whole number: also one that is text, or has nothing behind its point. `None` for NULL and for empty text.
    pub(super) fn integer(self) -> Result<Option<i64>, Refusal> {
        match self.value {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            ValueRef::Real(number) => {
                whole(number).map_or_else(|| self.refuse(Reason::NotAnInteger), |n| Ok(Some(n)))
            }
            ValueRef::Text(_) | ValueRef::Blob(_) => {
                let text = self.text()?.unwrap_or_default();
                let text = text.trim();
                if text.is_empty() {
                    return Ok(None);
                }
                let number = text.parse().ok();
                let number = number.or_else(|| text.parse().ok().and_then(whole));
                number.map_or_else(
                    || self.refuse(Reason::NotAnInteger),
                    |number| Ok(Some(number)),
                )
            }
        }
    }
}

/// The integer that a floating-point number is exactly.
fn whole(number: f64) -> Option<i64> {
    // Beyond 2^53 neighbouring integers are one number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.fract() == 0.0 && number.abs() <= EXACT;
    is_whole
        .then(|| format!("{number:.0}").parse().ok())
        .flatten()
}
