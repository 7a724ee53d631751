//! A text that is never printed.

use std::{fmt, fs, io, path::Path};

/// A password. `Debug` shows `***`; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads the text of a file; a line break at its end does not count.
    ///
    /// # Errors
    /// What the system says, or [`io::ErrorKind::InvalidData`] when the file holds nothing.
    pub fn read_file(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file is empty",
            )),
            text => Ok(Self::new(text)),
        }
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Bytes that are never printed.
#[derive(Clone)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
