//! Tags: a JSON list of names, names between commas, or one name.

use prepnexus_domain::tag;

use super::value::{Cell, Reason, Refusal};

impl Cell<'_> {
    /// Names in their order, each once: two that differ in case alone are one.
    pub(super) fn tags(self) -> Result<Vec<String>, Refusal> {
        let text = self.text()?.unwrap_or_default();
        let text = text.trim();
        let is_json = text.starts_with(['[', '{', '"']);
        let names: Vec<String> = match (text, is_json) {
            ("", _) => Vec::new(),
            (json, true) => match serde_json::from_str::<Vec<String>>(json) {
                Ok(names) => names,
                Err(_) => return self.refuse(Reason::BadTags),
            },
            (list, false) => list.split(',').map(str::to_owned).collect(),
        };
        let mut tags: Vec<String> = Vec::new();
        for name in names {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            if name.chars().count() > tag::MAX_NAME_LEN || name.chars().any(char::is_control) {
                return self.refuse(Reason::BadTags);
            }
            let is_same = |other: &String| other.to_lowercase() == name.to_lowercase();
            if !(name.is_empty() || tags.iter().any(is_same)) {
                tags.push(name);
            }
        }
        if tags.len() > tag::MAX_PER_POST {
            return self.refuse(Reason::BadTags);
        }
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::types::ValueRef;

    use super::super::value::{Cell, Reason};

    fn tags(text: &str) -> Result<Vec<String>, Reason> {
        let cell = Cell {
            column: "tags",
            value: ValueRef::Text(text.as_bytes()),
        };
        cell.tags().map_err(|refusal| refusal.reason)
    }

    #[test]
    fn each_notation_is_a_list_of_names() {
        for (text, names) in [
            ("", &[] as &[&str]),
            ("[]", &[]),
            (
                r#"["dsa", "system  design", "DSA", ""]"#,
                &["dsa", "system design"],
            ),
            ("dsa, SQL ,dsa", &["dsa", "SQL"]),
            ("career", &["career"]),
            ("テスト,C++", &["テスト", "C++"]),
        ] {
            assert_eq!(tags(text).unwrap(), names, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_of_names_is_refused() {
        let long = "x".repeat(61);
        let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
        for text in [
            r#"["dsa", "sq"#,
            r#"{"a": 1}"#,
            "[1, 2]",
            "\"a",
            &long,
            &many.join(","),
        ] {
            assert_eq!(tags(text), Err(Reason::BadTags), "{text}");
        }
    }
}
