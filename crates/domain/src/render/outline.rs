//! Markup put in order before it is sanitized, so that cleaning it is cheap whatever it is.
//!
//! A parser that builds a tree as HTML 5 says takes time with the square of how deeply elements
//! nest, and may copy every open `<b>` into every paragraph: half a megabyte can cost a minute, or
//! all memory. Here every tag is closed in order, and none nests deeper than [`MAX_DEPTH`]; both
//! bounds then hold for the tree. Nothing is judged to be safe here: that is the sanitizer's work.

use std::{cell::RefCell, collections::HashSet};

use html5ever::{
    Attribute,
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

/// The deepest that elements nest; the tags of deeper ones are left out.
const MAX_DEPTH: usize = 100;

/// No end tag reaches out of a cell, and no formatting either.
const CELLS: [&str; 4] = ["td", "th", "caption", "table"];
/// Parts of tables, which close what is open inside their table.
const TABLE_PARTS: [&str; 9] = [
    "table", "caption", "colgroup", "thead", "tbody", "tfoot", "tr", "td", "th",
];
const VOID: [&str; 6] = ["area", "br", "col", "hr", "img", "wbr"];
/// What ends a paragraph that is open (HTML Standard, 13.1.2.4).
const END_PARAGRAPH: [&str; 34] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "ul",
    "form",
];

/// `html` with its tags in order, and without those that are not in `kept`.
pub(super) fn outline(html: &str, kept: &HashSet<&'static str>) -> String {
    let state = State {
        kept,
        out: String::with_capacity(html.len() + html.len() / 8),
        open: Vec::new(),
        skipped: None,
    };
    let tokenizer = Tokenizer::new(Sink(RefCell::new(state)), TokenizerOpts::default());
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(html));
    let _no_script = tokenizer.feed(&queue);
    tokenizer.end();
    let mut state = tokenizer.sink.0.into_inner();
    state.close_down_to(0);
    state.out
}

struct Sink<'a>(RefCell<State<'a>>);

struct State<'a> {
    kept: &'a HashSet<&'static str>,
    out: String,
    open: Vec<&'static str>,
    /// The element whose text is left out until its end.
    skipped: Option<String>,
}

impl TokenSink for Sink<'_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => match tag.kind {
                TagKind::StartTag => return state.start(&tag),
                TagKind::EndTag => state.end(&tag.name),
            },
            Token::CharacterTokens(text) if state.skipped.is_none() => {
                push_escaped(&mut state.out, &text);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State<'_> {
    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name = &*tag.name;
        let Some(name) = self.kept.get(name).copied() else {
            return self.leave_out(name);
        };
        self.close_for(name);
        let is_void = VOID.contains(&name);
        if self.open.len() >= MAX_DEPTH && !is_void {
            return TokenSinkResult::Continue;
        }
        self.out.push('<');
        self.out.push_str(name);
        for Attribute { name, value } in &tag.attrs {
            self.out.push(' ');
            self.out.push_str(&name.local);
            self.out.push_str("=\"");
            push_escaped(&mut self.out, value);
            self.out.push('"');
        }
        self.out.push('>');
        if !is_void {
            self.open.push(name);
        }
        TokenSinkResult::Continue
    }

    /// The text of most other elements stays; that of some is none to be read, or holds no tags.
    fn leave_out(&mut self, name: &str) -> TokenSinkResult<()> {
        match name {
            "script" | "style" => {
                self.skipped = Some(name.to_owned());
                TokenSinkResult::RawData(if name == "script" {
                    RawKind::ScriptData
                } else {
                    RawKind::Rawtext
                })
            }
            "textarea" | "title" => TokenSinkResult::RawData(RawKind::Rcdata),
            "iframe" | "noembed" | "noframes" | "xmp" => TokenSinkResult::RawData(RawKind::Rawtext),
            _ => TokenSinkResult::Continue,
        }
    }

    fn end(&mut self, name: &str) {
        if self.skipped.as_deref() == Some(name) {
            self.skipped = None;
        }
        let limits: &[&str] = if TABLE_PARTS.contains(&name) {
            &["table"]
        } else {
            &CELLS
        };
        self.close_nearest(&[name], limits);
    }

    /// Closes what the element that begins can't be inside of.
    fn close_for(&mut self, name: &str) {
        match name {
            "li" => self.close_nearest(&["li"], &["ul", "ol", "td", "th", "caption", "table"]),
            "dt" | "dd" => {
                self.close_nearest(&["dt", "dd"], &["dl", "td", "th", "caption", "table"]);
            }
            "a" => self.close_nearest(&["a"], &CELLS),
            "td" | "th" => self.close_nearest(&["td", "th"], &["tr", "table"]),
            "tr" => self.close_nearest(&["tr"], &["table"]),
            "thead" | "tbody" | "tfoot" => {
                self.close_nearest(&["thead", "tbody", "tfoot", "caption"], &["table"]);
            }
            _ => {}
        }
        if END_PARAGRAPH.contains(&name) {
            self.close_nearest(&["p"], &CELLS);
        }
    }

    /// Closes the innermost open element of these names, and all within it, if there is one on this
    /// side of `limits`.
    fn close_nearest(&mut self, names: &[&str], limits: &[&str]) {
        for (index, open) in self.open.iter().enumerate().rev() {
            if names.contains(open) {
                return self.close_down_to(index);
            }
            if limits.contains(open) {
                return;
            }
        }
    }

    fn close_down_to(&mut self, depth: usize) {
        for name in self.open.drain(depth..).rev() {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }
}

fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
