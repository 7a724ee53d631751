//! A value as SQLite has it: of any type in any column, and text that need not be text.

use rusqlite::types::ValueRef;

/// Why a row is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The number is no positive integer below 2^53.
    BadId,
    /// A date in none of the known notations, or one that can't be.
    BadDate,
    /// Tags in none of the known notations, or with a name that can't be.
    BadTags,
    /// Bytes that are no UTF-8.
    InvalidUtf8,
    /// A NUL byte, which PostgreSQL's text can't hold.
    NulByte,
    /// No author's name.
    MissingAuthor,
    /// Nothing in it.
    MissingContent,
    /// No e-mail address.
    MissingEmail,
    /// No title.
    MissingTitle,
    /// Less than nothing.
    Negative,
    /// Not a whole number.
    NotAnInteger,
    /// Longer than the new schema takes.
    TooLong,
    /// A status that is not known.
    UnknownStatus,
}

impl Reason {
    /// The code of reports and reject files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadId => "bad_id",
            Self::BadDate => "bad_date",
            Self::BadTags => "bad_tags",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NulByte => "nul_byte",
            Self::MissingAuthor => "missing_author",
            Self::MissingContent => "missing_content",
            Self::MissingEmail => "missing_email",
            Self::MissingTitle => "missing_title",
            Self::Negative => "negative",
            Self::NotAnInteger => "not_an_integer",
            Self::TooLong => "too_long",
            Self::UnknownStatus => "unknown_status",
        }
    }
}

/// A row that is not taken: because of which value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The column.
    pub column: &'static str,
    /// What is wrong with it.
    pub reason: Reason,
    /// The value as it is there: the bytes of text and BLOBs, numbers in decimal, nothing for NULL.
    pub value: Vec<u8>,
}

/// A value and the column that it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) column: &'static str,
    pub(super) value: ValueRef<'a>,
}

impl Cell<'_> {
    pub(super) fn refuse<T>(self, reason: Reason) -> Result<T, Refusal> {
        Err(Refusal {
            column: self.column,
            reason,
            value: match self.value {
                ValueRef::Null => Vec::new(),
                ValueRef::Integer(number) => number.to_string().into_bytes(),
                ValueRef::Real(number) => number.to_string().into_bytes(),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_owned(),
            },
        })
    }
}
