//! Slugs: the part of an address that names a post, a tag or an author.
//!
//! Lower-case ASCII letters, digits and single inner hyphens, so that an address survives being
//! read aloud, typed and pasted. Any title in any script has one: other scripts are
//! transliterated, and a title without a single letter or digit falls back to a fixed word.
//! Uniqueness is the database's business; [`Slug::numbered`] makes the next candidate.

use std::fmt;

use serde::Serialize;

/// A valid slug.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

/// Why a text is no slug.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "must be 1 to {max} characters: lower-case letters a-z, digits, and single hyphens between them",
    max = Slug::MAX_LEN
)]
pub struct InvalidSlug;

impl Slug {
    /// The longest slug, in bytes (which are characters).
    pub const MAX_LEN: usize = 120;
    /// What [`Slug::from_title`] leaves at the end for a number, so that a numbered slug fits.
    const ROOM_FOR_NUMBER: usize = 20;

    /// Checks that `text` is a slug already.
    ///
    /// # Errors
    /// [`InvalidSlug`] when it is not; nothing is converted.
    pub fn parse(text: &str) -> Result<Self, InvalidSlug> {
        let well_formed = text.len() <= Self::MAX_LEN
            && text.split('-').all(|word| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSlug)
        }
    }

    /// The slug for a title in any script; `fallback` where the title has no letter and no digit.
    #[must_use]
    pub fn from_title(title: &str, fallback: &'static str) -> Self {
        let mut slug = String::with_capacity(title.len());
        for character in title.chars() {
            match spoken(character) {
                Some(word) => {
                    push_break(&mut slug);
                    slug.push_str(word);
                    push_break(&mut slug);
                }
                None if matches!(character, '\'' | '\u{2019}') => {}
                None => match deunicode::deunicode_char(character) {
                    // Transliterations of ideographs are syllables that end in a space.
                    Some(ascii) => ascii.chars().for_each(|c| push(&mut slug, c)),
                    None => push_break(&mut slug),
                },
            }
            if slug.len() > Self::MAX_LEN {
                break;
            }
        }
        cut_at_word(&mut slug, Self::MAX_LEN - Self::ROOM_FOR_NUMBER);
        if slug.is_empty() {
            slug.push_str(fallback);
        }
        Self(slug)
    }

    /// The `number`th candidate: `graph-search-2`. A number below 2 is the slug itself.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        if number < 2 {
            return self.clone();
        }
        let suffix = format!("-{number}");
        let mut text = self.0.clone();
        cut_at_word(&mut text, Self::MAX_LEN - suffix.len());
        Self(text + &suffix)
    }

    /// Whether this is `base`, or one of its numbered candidates.
    #[must_use]
    pub fn is_candidate_of(&self, base: &Self) -> bool {
        match self.0.strip_prefix(base.as_str()) {
            Some("") => true,
            Some(rest) => rest
                .strip_prefix('-')
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())),
            None => false,
        }
    }

    /// The slug's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slug's text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Signs that carry meaning in titles of this field: C++ and C# are not C.
fn spoken(character: char) -> Option<&'static str> {
    match character {
        '+' => Some("plus"),
        '#' => Some("sharp"),
        '&' => Some("and"),
        '@' => Some("at"),
        '%' => Some("percent"),
        _ => None,
    }
}

fn push(slug: &mut String, character: char) {
    if character.is_ascii_alphanumeric() {
        slug.push(character.to_ascii_lowercase());
    } else {
        push_break(slug);
    }
}

fn push_break(slug: &mut String) {
    if !slug.is_empty() && !slug.ends_with('-') {
        slug.push('-');
    }
}

/// Shortens to at most `limit` bytes, at a hyphen where there is one in the second half.
fn cut_at_word(slug: &mut String, limit: usize) {
    if slug.len() > limit {
        let at_word = slug[..=limit].rfind('-').filter(|at| *at > limit / 2);
        slug.truncate(at_word.unwrap_or(limit));
    }
    slug.truncate(slug.trim_end_matches('-').len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Slug;

    #[test]
    fn titles_of_any_script_have_a_slug() {
        for (title, slug) in [
            (
                "Binary search, without off-by-one errors",
                "binary-search-without-off-by-one-errors",
            ),
            (
                "C++ & C#: what's the difference?",
                "c-plus-plus-and-c-sharp-whats-the-difference",
            ),
            ("Größe über Äpfel", "grosse-uber-apfel"),
            ("Что такое хеш-таблица?", "chto-takoe-khesh-tablitsa"),
            ("面试准备", "mian-shi-zhun-bei"),
            ("--- ??? ---", "post"),
            ("", "post"),
        ] {
            assert_eq!(Slug::from_title(title, "post").as_str(), slug, "{title}");
        }
    }

    #[test]
    fn a_numbered_slug_is_a_candidate_of_its_base() {
        let base = Slug::from_title("Graphs", "post");
        assert_eq!(base.numbered(1), base);
        assert_eq!(base.numbered(12).as_str(), "graphs-12");
        assert!(base.numbered(12).is_candidate_of(&base));
        assert!(!Slug::from_title("Graphs 12 b", "post").is_candidate_of(&base));
        assert!(!Slug::from_title("Graphs again", "post").is_candidate_of(&base));
    }

    #[test]
    fn what_is_no_slug_is_refused() {
        for text in [
            "",
            "-",
            "a-",
            "-a",
            "a--b",
            "A",
            "a b",
            "ä",
            "a/b",
            "a\0",
            &"a".repeat(121),
        ] {
            assert!(Slug::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_made_slug_parses(title in any::<String>(), number in any::<u32>()) {
            let slug = Slug::from_title(&title, "post");
            prop_assert!(Slug::parse(slug.as_str()).is_ok(), "{slug}");
            let numbered = slug.numbered(number);
            prop_assert!(Slug::parse(numbered.as_str()).is_ok(), "{numbered}");
            prop_assert!(numbered.is_candidate_of(&slug));
        }
    }
}
