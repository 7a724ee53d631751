//! Reading a JSON object field by field, collecting every fault instead of stopping at the first.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::to_microseconds;

/// One bad field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the field in the body, or `/name` of the query parameter.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// Input that breaks the rules: every bad field, in the order of the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid(Vec<FieldError>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", error.pointer, error.detail)?;
        }
        Ok(())
    }
}

impl Invalid {
    /// Input with one bad field.
    #[must_use]
    pub fn one(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(vec![FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        }])
    }

    /// The bad fields; never empty.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0
    }

    /// The bad fields, owned; never empty.
    #[must_use]
    pub fn into_errors(self) -> Vec<FieldError> {
        self.0
    }
}

/// A growing list of bad fields.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes that the field at `pointer` is bad.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
    }

    /// Notes the fault of a `Result` and keeps its value.
    pub fn take<T, E: fmt::Display>(&mut self, pointer: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.add(pointer, error.to_string()))
            .ok()
    }

    /// Nothing bad, or all of it.
    ///
    /// # Errors
    /// [`Invalid`] when any fault was noted.
    pub fn finish(self) -> Result<(), Invalid> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Invalid(self.0))
        }
    }
}

/// What a body said about one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Given<T> {
    /// Nothing: on a patch, leave as it is.
    #[default]
    Absent,
    /// `null`: clear it.
    Null,
    /// A value.
    Value(T),
}

impl<T> Given<T> {
    /// The value, where one was given.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// The value to store where `current` is stored now.
    pub fn or_keep(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Absent => current,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// A JSON object being read.
#[derive(Debug)]
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    /// The faults found so far.
    pub faults: Faults,
}

impl<'a> Fields<'a> {
    /// Begins to read `body`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not a JSON object.
    pub fn of(body: &'a Value) -> Result<Self, Invalid> {
        match body {
            Value::Object(object) => Ok(Self {
                object,
                known: Vec::new(),
                faults: Faults::default(),
            }),
            _ => Err(Invalid::one("", "must be a JSON object")),
        }
    }

    /// The raw value of `name`, which becomes a known field.
    pub fn raw(&mut self, name: &'static str) -> Given<&'a Value> {
        self.known.push(name);
        match self.object.get(name) {
            None => Given::Absent,
            Some(Value::Null) => Given::Null,
            Some(value) => Given::Value(value),
        }
    }

    /// Reads `name` with `parse`, noting its fault.
    pub fn read<T, E: fmt::Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'a Value) -> Result<T, E>,
    ) -> Given<T> {
        match self.raw(name) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(value) => match self.faults.take(&format!("/{name}"), parse(value)) {
                Some(parsed) => Given::Value(parsed),
                None => Given::Absent,
            },
        }
    }

    /// Reads a field that must be there; notes its absence.
    pub fn required<T, E: fmt::Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'a Value) -> Result<T, E>,
    ) -> Option<T> {
        let faults_before = self.faults.0.len();
        match self.read(name, parse) {
            Given::Value(value) => Some(value),
            Given::Absent | Given::Null => {
                if self.faults.0.len() == faults_before {
                    self.faults.add(format!("/{name}"), "is required");
                }
                None
            }
        }
    }

    /// Notes every field that was not asked for, then answers as [`Faults::finish`].
    ///
    /// # Errors
    /// [`Invalid`] with all bad fields.
    pub fn finish(mut self) -> Result<(), Invalid> {
        for name in self.object.keys() {
            if !self.known.contains(&name.as_str()) {
                let token = name.replace('~', "~0").replace('/', "~1");
                self.faults
                    .add(format!("/{token}"), "is not a field that can be set");
            }
        }
        self.faults.finish()
    }
}

/// A text of one line: trimmed, `min` to `max` characters, without control characters.
///
/// # Errors
/// What is wrong with it.
pub fn line(value: &Value, min: usize, max: usize) -> Result<String, String> {
    let text = value.as_str().ok_or("must be a string")?.trim();
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".into());
    }
    bounded(text, min, max)
}

/// A text of several lines: `min` to `max` characters, where NUL is forbidden.
///
/// # Errors
/// What is wrong with it.
pub fn text(value: &Value, min: usize, max: usize) -> Result<String, String> {
    let text = value.as_str().ok_or("must be a string")?;
    if text.contains('\0') {
        return Err("must not contain NUL characters".into());
    }
    bounded(text, min, max)
}

fn bounded(text: &str, min: usize, max: usize) -> Result<String, String> {
    let length = text.chars().count();
    if length < min {
        Err(if min == 1 {
            "must not be empty".into()
        } else {
            format!("must have at least {min} characters")
        })
    } else if length > max {
        Err(format!("must have at most {max} characters, has {length}"))
    } else {
        Ok(text.to_owned())
    }
}

/// An `http` or `https` address, or a path on this site.
///
/// # Errors
/// What is wrong with it.
pub fn url(value: &Value) -> Result<String, String> {
    let text = line(value, 1, 2_000)?;
    let remote = ["https://", "http://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    let local = text.starts_with('/') && !text.starts_with("//");
    if text.contains(char::is_whitespace) || !(remote || local) {
        return Err("must be an http(s) address, or a path that begins with one slash".into());
    }
    Ok(text)
}

/// An RFC 3339 time with its offset, between the years 1970 and 9999, in whole microseconds.
///
/// # Errors
/// What is wrong with it.
pub fn time(value: &Value) -> Result<Timestamp, String> {
    const WANTED: &str = "must be an RFC 3339 time, like 2026-01-31T09:30:00Z";
    let text = value.as_str().ok_or(WANTED)?;
    let time: Timestamp = text.parse().map_err(|_| WANTED)?;
    if time < Timestamp::UNIX_EPOCH {
        return Err("must not be before 1970".into());
    }
    Ok(to_microseconds(time))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{line, text, time, url};

    #[test]
    fn lines_are_trimmed_and_bounded() {
        assert_eq!(line(&json!("  a b "), 1, 5), Ok("a b".into()));
        for bad in [
            json!(1),
            json!(""),
            json!("  "),
            json!("a\0b"),
            json!("a\nb"),
            json!("abcdef"),
        ] {
            assert!(line(&bad, 1, 5).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_keep_their_lines_but_no_nul() {
        assert_eq!(text(&json!("a\n b "), 1, 9), Ok("a\n b ".into()));
        assert!(text(&json!("a\0b"), 1, 9).is_err());
    }

    #[test]
    fn addresses_are_http_or_local() {
        for good in ["https://a.example/x.png", "http://a", "/static/x.png"] {
            assert!(url(&json!(good)).is_ok(), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "//a.example",
            "https://",
            "https:///x",
            "x.png",
            "/a b",
        ] {
            assert!(url(&json!(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_need_a_date_a_time_and_an_offset() {
        assert_eq!(
            time(&json!("2026-01-31T10:30:00.1234567+01:00"))
                .unwrap()
                .to_string(),
            "2026-01-31T09:30:00.123456Z"
        );
        for bad in [
            json!("2026-01-31"),
            json!("2026-01-31T10:30:00"),
            json!("soon"),
            json!(17),
            json!("1969-12-31T23:59:59Z"),
        ] {
            assert!(time(&bad).is_err(), "{bad}");
        }
    }
}
