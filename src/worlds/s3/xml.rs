//! The XML that buckets answer with: elements and text, nothing more.
//!
//! - No document type, no entities of its own, no processing: what could make a reader fetch or grow is refused.
//! - Elements deeper or more numerous than any answer has are refused.

/// Elements within elements.
const DEPTH_MAX: usize = 32;
/// Elements of one answer: a page of a listing has about ten for each of its thousand keys.
const ELEMENTS_MAX: usize = 100_000;

/// An element: its name without prefix, its text, and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Name without prefix.
    pub name: String,
    /// Its own text, of all pieces.
    pub text: String,
    /// What is in it.
    pub inner: Vec<Element>,
}

impl Element {
    /// The first element of this name in it.
    pub fn find(&self, name: &str) -> Option<&Element> {
        self.inner.iter().find(|element| element.name == name)
    }

    /// The text of the first element of this name in it.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.find(name).map(|element| element.text.as_str())
    }

    /// Every element of this name in it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.inner.iter().filter(move |element| element.name == name)
    }
}

/// The outermost element of a document, or why there is none.
pub fn parse(text: &str) -> Result<Element, String> {
    let mut open: Vec<Element> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}').trim();
    let mut count = 0;
    let mut done = None;
    while !rest.is_empty() {
        if done.is_some() && !rest.starts_with("<!--") {
            return Err("something follows its last element".into());
        }
        let Some(at) = rest.find('<') else { return Err("it ends within an element".into()) };
        let (before, tag) = rest.split_at(at);
        match open.last_mut() {
            Some(element) => unescape(before, &mut element.text)?,
            None if before.trim().is_empty() => {}
            None => return Err("it does not begin with an element".into()),
        }
        if let Some(after) = tag.strip_prefix("<![CDATA[") {
            let (inner, after) = after.split_once("]]>").ok_or("a CDATA section does not end")?;
            open.last_mut().ok_or("text stands outside of any element")?.text.push_str(inner);
            rest = after;
        } else if let Some(after) = tag.strip_prefix("<!--") {
            rest = after.split_once("-->").ok_or("a comment does not end")?.1.trim_start();
        } else if let Some(after) = tag.strip_prefix("<?") {
            rest = after.split_once("?>").ok_or("its declaration does not end")?.1;
        } else if tag.starts_with("<!") {
            return Err("it has a document type".into());
        } else {
            let (inner, after) = tag[1..].split_once('>').ok_or("a tag does not end")?;
            rest = if open.is_empty() { after.trim_start() } else { after };
            count += 1;
            if count > ELEMENTS_MAX || open.len() > DEPTH_MAX {
                return Err("it has more elements than any answer".into());
            }
            if let Some(closed) = take_tag(inner, &mut open)? {
                match open.last_mut() {
                    Some(outer) => outer.inner.push(closed),
                    None => done = Some(closed),
                }
                rest = if open.is_empty() { rest.trim_start() } else { rest };
            }
        }
    }
    done.ok_or_else(|| "it ends within an element".into())
}

/// Opens or closes an element; gives the one that is closed.
fn take_tag(inner: &str, open: &mut Vec<Element>) -> Result<Option<Element>, String> {
    if let Some(name) = inner.strip_prefix('/') {
        let closed = open.pop().ok_or("an element ends that did not begin")?;
        if closed.name != local(name.trim()) {
            return Err(format!("<{}> is closed by another name", closed.name));
        }
        return Ok(Some(closed));
    }
    let (inner, is_empty) = match inner.strip_suffix('/') {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    let name = inner.split_whitespace().next().unwrap_or_default();
    let plain = |c: char| c.is_alphanumeric() || "-_.:".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err("a tag has no name".into());
    }
    let element = Element { name: local(name).to_string(), ..Element::default() };
    if is_empty {
        return Ok(Some(element));
    }
    open.push(element);
    Ok(None)
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn unescape(text: &str, into: &mut String) -> Result<(), String> {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        into.push_str(before);
        let (name, after) = after.split_once(';').ok_or("an & stands alone")?;
        let number = |text: &str, radix| u32::from_str_radix(text, radix).ok().and_then(char::from_u32);
        let c = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match name.strip_prefix('#') {
                Some(hex) if hex.starts_with(['x', 'X']) => number(&hex[1..], 16),
                Some(decimal) => number(decimal, 10),
                None => None,
            },
        };
        into.push(c.ok_or_else(|| format!("&{}; is unknown", name.escape_debug()))?);
        rest = after;
    }
    into.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_text_and_escapes_are_read() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- x --><r xmlns=\"http://s3/\"><s3:Key>a &amp; b &#x26;&#38;\
                    <![CDATA[<c>]]></s3:Key><Empty/><Empty a=\"1\" /><Key> two </Key>\n</r>\n<!-- end -->";
        let root = parse(text).unwrap();
        assert_eq!(root.name, "r");
        assert_eq!(root.text_of("Key"), Some("a & b &&<c>"));
        assert_eq!(root.all("Key").nth(1).map(|element| element.text.as_str()), Some(" two "));
        assert_eq!(root.text_of("Empty"), Some(""));
        assert_eq!(root.text_of("None"), None);
    }

    #[test]
    fn what_is_no_plain_document_is_refused() {
        let deep = "<a>".repeat(100);
        let table = [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a>&nbsp;</a>",
            "<a>& </a>",
            "<a>&#x110000;</a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<a><![CDATA[x</a>",
            "<a><!-- x</a>",
            "<a",
            "< >",
            "{\"a\":1}",
            deep.as_str(),
        ];
        for text in table {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_prefix_or_damage_of_a_document_makes_it_panic() {
        let text = "<?xml?><r><K>a&amp;ü<![CDATA[x]]></K><!-- c --><E/></r>";
        for cut in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert!(parse(&text[..cut]).is_err(), "{cut}");
            for damage in ["<", ">", "&", "/", "!", "]"] {
                let _ = parse(&format!("{}{damage}{}", &text[..cut], &text[cut..]));
            }
        }
        assert!(parse(text).is_ok());
    }
}
