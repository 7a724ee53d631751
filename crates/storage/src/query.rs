//! Named queries: the first line of each says what it is called in metrics and errors.
//!
//! ```sql
//! -- posts.find_by_slug
//! SELECT …
//! ```

/// The name in the first line of `sql`; `unnamed` without one.
pub(crate) fn name_of(sql: &'static str) -> &'static str {
    sql.trim_start()
        .strip_prefix("-- ")
        .and_then(|rest| rest.lines().next())
        .map_or("unnamed", str::trim_end)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_line_is_the_name() {
        assert_eq!(
            super::name_of("-- posts.find_by_id\nSELECT 1"),
            "posts.find_by_id"
        );
        assert_eq!(super::name_of("\n        -- a.b\n SELECT 1"), "a.b");
        assert_eq!(super::name_of("SELECT 1"), "unnamed");
    }
}
