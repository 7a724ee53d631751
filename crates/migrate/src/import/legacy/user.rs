//! What a row of `users` means.

use jiff::Timestamp;
use prepnexus_domain::author;

use super::{
    source::Record,
    value::{Reason, Refusal},
};

/// The longest e-mail address (RFC 5321, 4.5.3.1.3, less the brackets).
const MAX_EMAIL_LEN: usize = 254;

/// A row of `users` as an author. Its password's hash is left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its number in the old file.
    pub id: i64,
    /// The private address.
    pub email: String,
    /// The author's name; the part of the address before the @ where there is none.
    pub name: String,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl User {
    pub(super) fn read(record: &Record<'_>, now: Timestamp) -> Result<Self, Refusal> {
        let id = record.cell("id");
        let Some(number) = id.integer()?.filter(|number| *number > 0) else {
            return id.refuse(Reason::BadId);
        };
        let email_cell = record.cell("email");
        let email = email_cell.line(MAX_EMAIL_LEN)?.unwrap_or_default();
        let Some((local, _)) = email
            .rsplit_once('@')
            .filter(|(local, domain)| !(local.is_empty() || domain.is_empty()))
        else {
            return email_cell.refuse(Reason::MissingEmail);
        };
        let name = record.cell("name").line(author::MAX_NAME_LEN)?;
        Ok(Self {
            id: number,
            name: name.unwrap_or_else(|| local.to_owned()),
            created_at: record.cell("created_at").date()?.unwrap_or(now),
            email,
        })
    }
}
