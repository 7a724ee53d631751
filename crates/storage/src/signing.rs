//! The secret that all processes of one service sign cursors with.

use crate::{error::Error, read::ReadConn, secret::SecretBytes};

/// The secret, made by the schema's migration.
///
/// # Errors
/// As [`ReadConn::query_one`].
pub async fn secret(conn: &ReadConn) -> Result<SecretBytes, Error> {
    const SQL: &str = concat!(
        "-- signing.secret\nSELECT secret, ",
        crate::seen!(),
        " FROM signing_keys ORDER BY id DESC LIMIT 1"
    );
    let row = conn.query_one(SQL, &[]).await?;
    Ok(SecretBytes::new(row.get("secret")?))
}
