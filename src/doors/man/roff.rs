//! Writing roff.
//!
//! - Every text goes through `escape`: nothing in it is a request, an escape or a quote to its reader.
//! - Text between backquotes is set in bold, as the words that people type are.

/// A piece of a line, and how it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// As it stands.
    Plain(&'a str),
    /// What is typed as it stands: bold.
    Typed(&'a str),
    /// What something else is put in place of: italic.
    Filled(&'a str),
}

/// A page being written.
#[derive(Clone, Debug)]
pub struct Page {
    text: String,
    /// Right behind the head of a section, where a paragraph begins anyway.
    fresh: bool,
}

impl Page {
    /// A page of this name, in this section of the manual: its head, and the section NAME.
    pub fn new(name: &str, section: u8, title: &str) -> Page {
        let version = env!("CARGO_PKG_VERSION");
        let mut page = Page { text: String::new(), fresh: false };
        page.text.push_str(".\\\" Made by the program itself: strongroom man\n");
        page.text.push_str(&format!(
            ".TH {} {section} \"\" {} {}\n",
            argument(&name.to_uppercase()),
            argument(&format!("strongroom {version}")),
            argument("strongroom manual")
        ));
        // No hyphenation, and a ragged margin: codes and commands must be found by searching.
        page.text.push_str(".nh\n.ad l\n");
        page = page.section("NAME");
        page.text.push_str(&format!("{} \\- {}\n", escape(name), escape(title)));
        page
    }

    /// Starts a section.
    pub fn section(mut self, title: &str) -> Page {
        self.text.push_str(&format!(".SH {}\n", argument(title)));
        self.fresh = true;
        self
    }

    /// Starts a section within a section.
    pub fn subsection(mut self, title: &str) -> Page {
        self.text.push_str(&format!(".SS {}\n", argument(title)));
        self.fresh = true;
        self
    }

    /// A paragraph.
    pub fn text(mut self, text: &str) -> Page {
        self.paragraph();
        self.line(text);
        self
    }

    /// A term, and below it, indented, what there is to say of it: one paragraph each.
    pub fn term(mut self, term: &str, texts: &[String]) -> Page {
        self.fresh = false;
        self.text.push_str(".TP\n");
        self.text.push_str(&format!("\\fB{}\\fR\n", escape(term)));
        for (place, text) in texts.iter().enumerate() {
            if place > 0 {
                self.text.push_str(".IP\n");
            }
            self.line(text);
        }
        self
    }

    /// The same, with a term of several pieces.
    pub fn term_of(mut self, term: &[Part<'_>], texts: &[String]) -> Page {
        self.fresh = false;
        self.text.push_str(".TP\n");
        self.text.push_str(&format!("{}\n", parts(term)));
        for (place, text) in texts.iter().enumerate() {
            if place > 0 {
                self.text.push_str(".IP\n");
            }
            self.line(text);
        }
        // A term without a text would take the next line for its own.
        if texts.is_empty() {
            self.text.push_str("\\&\n");
        }
        self
    }

    /// How something is called: the words, and behind them, never broken within, what they take.
    pub fn synopsis(mut self, words: &str, takes: &[Vec<Part<'_>>]) -> Page {
        self.fresh = false;
        let words = escape(words);
        // The text hangs behind the words. A blank would end the argument that the width is.
        let wide = words.replace(' ', "\\ ");
        self.text.push_str(&format!(".TP \\w'{wide}'u+1n\n\\fB{words}\\fR\n"));
        let takes: Vec<String> = takes.iter().map(|take| parts(take).replace(' ', "\\ ")).collect();
        self.text.push_str(if takes.is_empty() { "\\&" } else { "" });
        self.text.push_str(&format!("{}\n", takes.join(" ")));
        self
    }

    /// What follows has no blank lines between its terms, until `apart`.
    pub fn close(mut self) -> Page {
        self.text.push_str(".PD 0\n");
        self
    }

    /// Ends what `close` began.
    pub fn apart(mut self) -> Page {
        self.text.push_str(".PD\n");
        self
    }

    /// What follows stands further in, until `outer`.
    pub fn inner(mut self) -> Page {
        self.text.push_str(".RS\n");
        self
    }

    /// Ends what `inner` began.
    pub fn outer(mut self) -> Page {
        self.text.push_str(".RE\n");
        self
    }

    /// What to type, or what is printed: line by line as it stands.
    pub fn example(mut self, text: &str) -> Page {
        self.paragraph();
        self.text.push_str(".RS 4\n.nf\n");
        for line in text.lines() {
            self.text.push_str(&format!("{}\n", escape(line)));
        }
        self.text.push_str(".fi\n.RE\n");
        self
    }

    /// The roff.
    pub fn finish(self) -> String {
        self.text
    }

    fn paragraph(&mut self) {
        if !std::mem::take(&mut self.fresh) {
            self.text.push_str(".PP\n");
        }
    }

    fn line(&mut self, text: &str) {
        let mut bold = false;
        // One line of roff, whatever the text holds: a line end inside it would start a new one.
        for (place, part) in text.split('`').enumerate() {
            if place > 0 {
                bold = !bold;
                self.text.push_str(if bold { "\\fB" } else { "\\fR" });
            }
            let escaped = escape(part);
            // The dot that would be a request stands at the start of the line only.
            let kept =
                if place == 0 { &escaped[..] } else { escaped.strip_prefix("\\&").unwrap_or(&escaped) };
            self.text.push_str(kept);
        }
        self.text.push_str(if bold { "\\fR\n" } else { "\n" });
    }
}

/// A text that roff prints as it stands: no request, no escape, no line end.
pub fn escape(text: &str) -> String {
    let mut roff = String::with_capacity(text.len() + 16);
    if text.starts_with(['.', '\'', ' ']) {
        roff.push_str("\\&");
    }
    for c in text.chars() {
        match c {
            '\\' => roff.push_str("\\[rs]"),
            // A plain - would come out as a hyphen, and a command copied from the page would not work.
            '-' => roff.push_str("\\-"),
            '\'' => roff.push_str("\\[aq]"),
            '"' => roff.push_str("\\[dq]"),
            '`' => roff.push_str("\\[ga]"),
            '^' => roff.push_str("\\[ha]"),
            '~' => roff.push_str("\\[ti]"),
            c if c.is_control() => roff.push(' '),
            c if c.is_ascii() => roff.push(c),
            c => roff.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
    }
    roff
}

/// Pieces of a line, each set as it is meant.
fn parts(parts: &[Part<'_>]) -> String {
    let mut line = String::new();
    for (place, part) in parts.iter().enumerate() {
        let (font, text) = match part {
            Part::Plain(text) => ("", text),
            Part::Typed(text) => ("\\fB", text),
            Part::Filled(text) => ("\\fI", text),
        };
        let escaped = escape(text);
        let kept = if place == 0 { &escaped[..] } else { escaped.strip_prefix("\\&").unwrap_or(&escaped) };
        line.push_str(&format!("{font}{kept}{}", if font.is_empty() { "" } else { "\\fR" }));
    }
    line
}

/// An argument of a macro.
fn argument(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_a_request_or_an_escape() {
        for (text, roff) in [
            (".SH hidden", "\\&.SH hidden"),
            ("'so", "\\&\\[aq]so"),
            ("a\n.so /etc/passwd", "a .so /etc/passwd"),
            ("C:\\x \"y\"", "C:\\[rs]x \\[dq]y\\[dq]"),
            ("--strict", "\\-\\-strict"),
            ("~ ^ `", "\\[ti] \\[ha] \\[ga]"),
            ("ä€", "\\[u00E4]\\[u20AC]"),
        ] {
            assert_eq!(escape(text), roff);
        }
    }

    #[test]
    fn a_page_has_its_head_and_keeps_its_paragraphs_apart() {
        let page = Page::new("strongroom-x", 7, "a page")
            .section("FIRST")
            .text("run `strongroom -v` now")
            .text(".dot `.dot`")
            .term("A-CODE", &["one".into(), "two".into()])
            .example("tar -cf a.tar a\n.b")
            .finish();
        assert!(page.contains(".TH \"STRONGROOM\\-X\" 7 \"\" \"strongroom "), "{page}");
        assert!(page.contains("run \\fBstrongroom \\-v\\fR now\n"), "{page}");
        assert!(page.contains("\n\\&.dot \\fB.dot\\fR\n"), "{page}");
        assert!(page.contains(".TP\n\\fBA\\-CODE\\fR\none\n.IP\ntwo\n"), "{page}");
        assert!(page.contains("tar \\-cf a.tar a\n\\&.b\n"), "{page}");
    }
}
