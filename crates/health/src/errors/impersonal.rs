//! What may be shown of an error's text: not what a person wrote.
//!
//! An error says what it says in words of its own, and quotes values: the database in its DETAIL (`Key (name)=(Ada) already
//! exists`, `Failing row contains (…)`) and after a colon in double quotes. Names of tables and columns are in double quotes
//! as well, and are kept.

/// What is put in place of a value.
const LEFT_OUT: &str = "…";

/// `text` without the values in it, nor addresses of e-mail.
pub(super) fn impersonal(text: &str) -> String {
    let text = without_between(text, "=(", ")");
    let text = without_between(&text, "contains (", ")");
    let text = without_between(&text, ": \"", "\"");
    let words = text.split_inclusive(char::is_whitespace);
    words
        .map(|word| match word.contains('@') {
            true => word.replacen(word.trim_end(), LEFT_OUT, 1),
            false => word.to_owned(),
        })
        .collect()
}

/// The same text with all numbers alike: what two errors of one kind have in common.
pub(super) fn shape(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    for one in text.chars() {
        match (one.is_ascii_digit(), shape.ends_with('0')) {
            (true, true) => {}
            (true, false) => shape.push('0'),
            (false, _) => shape.push(one),
        }
    }
    shape
}

/// Leaves out what stands after `begin`, to the last `end` of its line: a value may hold what ends it.
fn without_between(text: &str, begin: &str, end: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .map(|line| {
            let Some((before, rest)) = line.split_once(begin) else {
                return line.to_owned();
            };
            let after = rest.rsplit_once(end).map_or("", |(_, after)| after);
            let end = if rest.contains(end) { end } else { "" };
            format!("{before}{begin}{LEFT_OUT}{end}{after}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{impersonal, shape};

    #[test]
    fn what_a_person_wrote_is_left_out() {
        for (text, shown) in [
            (
                "ERROR: duplicate key value violates unique constraint \"authors_name_key\"\nDETAIL: Key (lower(name))=(ada (the) first) already exists.",
                "ERROR: duplicate key value violates unique constraint \"authors_name_key\"\nDETAIL: Key (lower(name))=(…) already exists.",
            ),
            (
                "DETAIL: Failing row contains (1, a title, ada@example.org, …).",
                "DETAIL: Failing row contains (…).",
            ),
            (
                "invalid input syntax for type integer: \"my \"secret\"\"",
                "invalid input syntax for type integer: \"…\"",
            ),
            ("no such user ada@example.org here", "no such user … here"),
            (
                "cut off in the middle: \"of a va",
                "cut off in the middle: \"…",
            ),
            (
                "relation \"posts\" does not exist",
                "relation \"posts\" does not exist",
            ),
            (
                "no node is available: 10.0.0.7:5432 is down",
                "no node is available: 10.0.0.7:5432 is down",
            ),
        ] {
            assert_eq!(impersonal(text), shown);
        }
    }

    #[test]
    fn numbers_make_no_difference() {
        assert_eq!(shape("10.0.0.7:5432 took 31 ms"), "0.0.0.0:0 took 0 ms");
        assert_eq!(shape("a post"), "a post");
    }
}
