//! Tags in order, whatever came, and at a bounded cost.

use std::time::{Duration, Instant};

use super::super::{SANITIZER, render};
use crate::post::ContentFormat;

fn outline(html: &str) -> String {
    super::outline(html, &SANITIZER.clone_tags())
}

#[test]
fn well_formed_markup_stays_as_it_is() {
    for html in [
        "<p>a <b>b</b> &amp; <a href=\"/x?a=1&amp;b=2\">c</a><br></p>",
        "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>",
        "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td><p>b</p></td></tr></tbody></table>",
        "<pre><code class=\"language-rust\">a &lt; b\n</code></pre>",
    ] {
        assert_eq!(outline(html), html);
    }
}

#[test]
fn what_is_left_open_is_closed_where_html_says() {
    for (html, ordered) in [
        ("<p>a<p>b", "<p>a</p><p>b</p>"),
        (
            "<ul><li>a<li>b<ul><li>c</ul>d</ul>e",
            "<ul><li>a</li><li>b<ul><li>c</li></ul>d</li></ul>e",
        ),
        (
            "<dl><dt>a<dd>b<dt>c</dl>",
            "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>",
        ),
        (
            "<table><tr><td>a<td>b<tr><td>c</table>d",
            "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>d",
        ),
        ("<b><i>a</b>b</i>c", "<b><i>a</i></b>bc"),
        ("<p>a<h2>b</h2>", "<p>a</p><h2>b</h2>"),
        (
            "<table><td><p>a</table>",
            "<table><td><p>a</p></td></table>",
        ),
        ("</p>a</div><td></b>", "a<td></td>"),
    ] {
        assert_eq!(outline(html), ordered, "{html}");
    }
}

#[test]
fn comments_scripts_and_unknown_tags_are_gone_and_their_words_stay() {
    for (html, ordered) in [
        ("a<!-- <b> -->b", "ab"),
        ("<script>\"</b>\" < 1</script>a", "a"),
        ("<style><b></style>a", "a"),
        ("<script>never ends", ""),
        ("<blink>a</blink>", "a"),
        ("<textarea><b></textarea>", "&lt;b&gt;"),
        ("<b title='\"<i>'>a", "<b title=\"&quot;&lt;i&gt;\">a</b>"),
    ] {
        assert_eq!(outline(html), ordered, "{html}");
    }
}

#[test]
fn nothing_takes_long_or_grows_large() {
    let formatting: String = (0..3_000).map(|n| format!("<b id={n}>")).collect();
    let contents = [
        ">".repeat(40_000),
        "<div>".repeat(8_000),
        "<ul><li>".repeat(5_000),
        "<table><tr><td>".repeat(3_000),
        format!("<p>{formatting}{}", "<p>x".repeat(4_000)),
        "<b><p>".repeat(6_000),
    ];
    for content in contents {
        for format in [ContentFormat::Html, ContentFormat::Markdown] {
            let began = Instant::now();
            let html = render(&content, format).html;
            let took = began.elapsed();
            assert!(took < Duration::from_secs(5), "{content:.20}: {took:?}");
            assert!(
                html.len() < 10 * content.len(),
                "{:.20}: {}",
                content,
                html.len()
            );
        }
    }
}
