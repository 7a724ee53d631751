//! The body of a made-up post: blocks, written once as Markdown and once as the HTML that rendering would give.
//!
//! Rendering a million posts costs more than loading them. A test compares the two.

use super::words;

enum Block {
    Heading(String),
    Paragraph(String),
    List(Vec<String>),
    Code(&'static str, &'static str),
}

pub(super) struct Body(Vec<Block>);

impl Body {
    /// About 110 words on `topic`.
    pub(super) fn random(rng: &mut fastrand::Rng, topic: &str) -> Self {
        let opening = rng.usize(4..=5);
        let mut blocks = vec![
            Block::Paragraph(sentences(rng, opening)),
            Block::Heading(format!("{topic} in practice")),
        ];
        if rng.u32(0..3) == 0 {
            let (language, code) = words::SNIPPETS[rng.usize(..words::SNIPPETS.len())];
            blocks.push(Block::Code(language, code));
        }
        let items = rng.usize(2..=3);
        blocks.push(Block::List((0..items).map(|_| sentence(rng)).collect()));
        let closing = rng.usize(2..=3);
        blocks.push(Block::Paragraph(sentences(rng, closing)));
        Self(blocks)
    }

    /// The first sentence.
    pub(super) fn excerpt(&self) -> String {
        let first = self.0.iter().find_map(|block| match block {
            Block::Paragraph(text) => text.split_inclusive(". ").next(),
            Block::Heading(_) | Block::List(_) | Block::Code(..) => None,
        });
        first.unwrap_or_default().trim_end().to_owned()
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = String::with_capacity(1_024);
        for block in &self.0 {
            if !text.is_empty() {
                text.push('\n');
            }
            match block {
                Block::Heading(heading) => line(&mut text, &["## ", heading]),
                Block::Paragraph(paragraph) => line(&mut text, &[paragraph]),
                Block::List(items) => {
                    for item in items {
                        line(&mut text, &["- ", item]);
                    }
                }
                Block::Code(language, code) => {
                    line(&mut text, &["```", language, "\n", code, "\n```"]);
                }
            }
        }
        text
    }

    pub(super) fn html(&self) -> String {
        let mut html = String::with_capacity(1_280);
        for block in &self.0 {
            match block {
                Block::Heading(text) => line(&mut html, &["<h2>", text, "</h2>"]),
                Block::Paragraph(text) => line(&mut html, &["<p>", text, "</p>"]),
                Block::List(items) => {
                    line(&mut html, &["<ul>"]);
                    for item in items {
                        line(&mut html, &["<li>", item, "</li>"]);
                    }
                    line(&mut html, &["</ul>"]);
                }
                Block::Code(language, code) => {
                    let code = code
                        .replace('&', "&amp;")
                        .replace('<', "&lt;")
                        .replace('>', "&gt;");
                    let open = ["<pre><code class=\"language-", language, "\">"].concat();
                    line(&mut html, &[&open, &code, "\n</code></pre>"]);
                }
            }
        }
        html
    }
}

fn line(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied());
    text.push('\n');
}

fn sentences(rng: &mut fastrand::Rng, count: usize) -> String {
    (0..count)
        .map(|_| sentence(rng))
        .collect::<Vec<_>>()
        .join(" ")
}

fn sentence(rng: &mut fastrand::Rng) -> String {
    format!(
        "{} {} {} {}.",
        words::pick(rng, words::SUBJECTS),
        words::pick(rng, words::VERBS),
        words::pick(rng, words::OBJECTS),
        words::pick(rng, words::ENDINGS)
    )
}
