//! The reject file: a line of JSON for each row that is not taken.

use std::{fmt::Write as _, io::Write as _};

use serde::Serialize;

use super::output::OutputFile;
use crate::error::Error;

/// A line. `value` is missing where it isn't UTF-8: then `value_hex` has its bytes.
#[derive(Debug, Serialize)]
pub(super) struct Rejected<'a> {
    table: &'a str,
    row_id: i64,
    column: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
}

impl<'a> Rejected<'a> {
    pub(super) fn new(
        table: &'a str,
        row_id: i64,
        column: &'a str,
        reason: &'a str,
        value: &'a [u8],
    ) -> Self {
        let text = std::str::from_utf8(value).ok();
        Self {
            table,
            row_id,
            column,
            reason,
            value: text,
            value_hex: text.is_none().then(|| hex(value)),
        }
    }
}

/// Where the lines go; nowhere, where no file is wanted.
pub(super) struct RejectFile(Option<OutputFile>);

impl RejectFile {
    pub(super) fn new(file: Option<OutputFile>) -> Self {
        Self(file)
    }

    pub(super) fn add(&mut self, rejected: &Rejected<'_>) -> Result<(), Error> {
        let Some(file) = &mut self.0 else {
            return Ok(());
        };
        file.write(|file| {
            serde_json::to_writer(&mut *file, rejected)?;
            file.write_all(b"\n")
        })
    }

    /// Makes sure that all of it is on the disk.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.0.as_mut().map_or(Ok(()), OutputFile::finish)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::Rejected;

    #[test]
    fn bytes_that_are_no_text_are_hexadecimal() {
        let line = |value| {
            let rejected = Rejected::new("blogs", 7, "title", "invalid_utf8", value);
            serde_json::to_string(&rejected).unwrap()
        };
        assert_eq!(
            line(b"a\"b"),
            r#"{"table":"blogs","row_id":7,"column":"title","reason":"invalid_utf8","value":"a\"b"}"#
        );
        assert_eq!(
            line(b"caf\xe9"),
            r#"{"table":"blogs","row_id":7,"column":"title","reason":"invalid_utf8","value_hex":"636166e9"}"#
        );
    }
}
