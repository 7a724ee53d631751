//! Reading a JSON object field by field, collecting every fault instead of stopping at the first.

mod value;

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
pub use value::{fold_white_space, line, text, time, url};

/// One bad field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the field in the body, or `/name` of the query parameter.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// Input that breaks the rules: every bad field, up to [`Faults::MAX`], in the order of the rules.
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

/// A growing list of bad fields. It grows to [`Faults::MAX`]: an answer must not be many times as long
/// as what was sent.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// As many as are noted; any more are not.
    pub const MAX: usize = 100;

    /// Notes that the field at `pointer` is bad.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.0.len() < Self::MAX {
            self.0.push(FieldError {
                pointer: pointer.into(),
                detail: detail.into(),
            });
        }
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
                self.faults
                    .add(pointer_to(name), "is not a field that can be set");
            }
        }
        self.faults.finish()
    }
}

/// The JSON pointer (RFC 6901) to the field `name` of an object.
#[must_use]
pub fn pointer_to(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}
