//! From what an author wrote to HTML that is safe to show, and what else is derived from it.

mod outline;

use std::{collections::HashSet, sync::LazyLock};

use ammonia::Builder;
use pulldown_cmark::{Options, Parser, html::push_html};

use crate::post::ContentFormat;

/// Words read in a minute: the mean for English non-fiction (Brysbaert 2019, 238, rounded down).
const WORDS_PER_MINUTE: usize = 230;
/// Where an excerpt that nobody wrote is cut, in characters.
const EXCERPT_LEN: usize = 240;

/// What is derived from a post's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The content as HTML without scripts, styles, forms, and handlers.
    pub html: String,
    /// The beginning of the text, for a post without an excerpt.
    pub excerpt: String,
    /// How long reading it takes, at least 1.
    pub reading_time_minutes: i32,
}

/// Renders `content`. Never fails: what is not allowed is left out.
#[must_use]
pub fn render(content: &str, format: ContentFormat) -> Rendered {
    let unsafe_html = match format {
        ContentFormat::Html => content.to_owned(),
        ContentFormat::Markdown => {
            let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
            let mut html = String::with_capacity(content.len() * 3 / 2);
            push_html(&mut html, Parser::new_ext(content, options));
            html
        }
    };
    let ordered = outline::outline(&unsafe_html, &KEPT);
    let html = SANITIZER.clean(&ordered).to_string();
    let text = plain_text(&html);
    let words = text.split_whitespace().count();
    Rendered {
        excerpt: excerpt_of(&text),
        reading_time_minutes: i32::try_from(words.div_ceil(WORDS_PER_MINUTE).max(1))
            .unwrap_or(i32::MAX),
        html,
    }
}

/// The elements that are not left out.
static KEPT: LazyLock<HashSet<&'static str>> = LazyLock::new(|| SANITIZER.clone_tags());

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        .add_tag_attributes("code", ["class"])
        .attribute_filter(|tag, attribute, value| match (tag, attribute) {
            // Says which language a code block is in; any other class could borrow a style.
            ("code", "class") => value.starts_with("language-").then(|| value.into()),
            _ => Some(value.into()),
        })
        .link_rel(Some("noopener nofollow"))
        .url_schemes(HashSet::from(["http", "https", "mailto"]));
    builder
});

static TEXT_ONLY: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder.clean_content_tags(HashSet::from(["script", "style", "pre"]));
    builder
});

/// The words of `html`, without code blocks. Entities are resolved.
fn plain_text(html: &str) -> String {
    // Between two blocks there is a space, which removing the tags alone would lose.
    let spaced = html.replace("</", " </").replace("<br", " <br");
    let escaped = TEXT_ONLY.clean(&spaced).to_string();
    escaped
        .replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

fn excerpt_of(text: &str) -> String {
    let mut excerpt = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let word_length = word.chars().count();
        if length + 1 + word_length > EXCERPT_LEN {
            if excerpt.is_empty() {
                excerpt.extend(word.chars().take(EXCERPT_LEN - 1));
            }
            excerpt.push('…');
            break;
        }
        if !excerpt.is_empty() && !matches!(word, "." | "," | ";" | ":" | "!" | "?" | ")") {
            excerpt.push(' ');
        }
        excerpt.push_str(word);
        length += 1 + word_length;
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::{ContentFormat, render};

    #[test]
    fn markdown_becomes_html_that_names_its_languages() {
        let rendered = render(
            "## Why\n\n- a\n- b\n\n```rust\nlet x = 1 < 2;\n```\n",
            ContentFormat::Markdown,
        );
        insta::assert_snapshot!(rendered.html, @r#"
        <h2>Why</h2>
        <ul>
        <li>a</li>
        <li>b</li>
        </ul>
        <pre><code class="language-rust">let x = 1 &lt; 2;
        </code></pre>
        "#);
        assert_eq!(rendered.excerpt, "Why a b", "code is no prose");
    }

    #[test]
    fn scripts_handlers_and_foreign_schemes_are_left_out() {
        for content in [
            "<script>alert(1)</script>hi",
            "<img src=x onerror=alert(1)>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "[x](javascript:alert(1))",
            "<iframe src=\"https://a.example\"></iframe>",
            "<style>*{display:none}</style>",
            "<form action=x><input name=y></form>",
            "<code class=\"admin-button\">x</code>",
            "<svg/onload=alert(1)>",
        ] {
            for format in [ContentFormat::Markdown, ContentFormat::Html] {
                let html = render(content, format).html;
                for forbidden in [
                    "<script",
                    "href=\"javascript",
                    " onerror",
                    " onload",
                    "iframe",
                    "<style",
                    "<form",
                    "admin-button",
                    "<svg",
                ] {
                    assert!(!html.contains(forbidden), "{content} became {html}");
                }
            }
        }
    }

    #[test]
    fn reading_time_counts_words_and_is_at_least_a_minute() {
        assert_eq!(
            render("one two", ContentFormat::Markdown).reading_time_minutes,
            1
        );
        let long = "word ".repeat(231);
        assert_eq!(
            render(&long, ContentFormat::Markdown).reading_time_minutes,
            2
        );
    }

    #[test]
    fn an_excerpt_is_plain_text_cut_at_a_word() {
        let excerpt = render(
            &format!("**Tom & Ann**, *it* is. {}", "word ".repeat(99)),
            ContentFormat::Markdown,
        )
        .excerpt;
        assert!(
            excerpt.starts_with("Tom & Ann, it is. word word"),
            "{excerpt}"
        );
        assert!(
            excerpt.ends_with("word…") && excerpt.chars().count() <= 241,
            "{excerpt}"
        );
        assert!(
            !render(&"x".repeat(9_000), ContentFormat::Markdown)
                .excerpt
                .is_empty()
        );
    }
}
