//! JSON of profiles, read so that every fault can name its field and its line.
//!
//! - A value of the wrong shape is a fault, and reads as if it were absent: all faults of a file are told in one run.
//! - `null` is the same as absent.
//! - Nothing is nested deeper than a reader asks for: what nobody asks for is passed over unread.

use super::Fault;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::fmt;

/// A profile is no longer than this.
pub const BYTES_MAX: usize = 1 << 20;

/// Faults and notes told of one profile; a file with more is no better known by all of them.
const TOLD_MAX: usize = 100;

/// The text of a profile, with what was found wrong or remarkable in it.
pub struct Page<'t> {
    text: &'t str,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// What was passed over.
    pub notes: Vec<String>,
}

/// A value and where it stands.
#[derive(Clone)]
pub struct Node<'t> {
    raw: &'t RawValue,
    field: String,
}

/// The members of an object, taken one by one.
pub struct Table<'t> {
    field: String,
    members: Vec<(String, Node<'t>)>,
}

impl<'t> Page<'t> {
    /// The file's own object.
    pub fn open(text: &'t str) -> (Page<'t>, Option<Table<'t>>) {
        let mut page = Page { text, faults: Vec::new(), notes: Vec::new() };
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => {
                let table = page.table(&Node { raw, field: String::new() });
                (page, table)
            }
            Err(error) => {
                let what = format!("it is not JSON: {error}");
                page.push(Fault { line: Some(error.line() as u64), field: String::new(), what });
                (page, None)
            }
        }
    }

    fn push(&mut self, fault: Fault) {
        if self.faults.len() < TOLD_MAX {
            self.faults.push(fault);
        }
    }

    /// Line of a value, from 1.
    fn line(&self, node: &Node<'_>) -> u64 {
        let start = (node.raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().get(..start).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count() as u64
    }

    /// This value is wrong.
    pub fn wrong(&mut self, node: &Node<'_>, what: impl Into<String>) {
        let line = Some(self.line(node));
        self.push(Fault { line, field: node.field.clone(), what: what.into() });
    }

    /// This field is wrong; it has no line of its own.
    pub fn wrong_field(&mut self, field: impl Into<String>, what: impl Into<String>) {
        self.push(Fault { line: None, field: field.into(), what: what.into() });
    }

    /// Something is remarkable.
    pub fn note(&mut self, what: impl Into<String>) {
        if self.notes.len() < TOLD_MAX {
            self.notes.push(what.into());
        }
    }

    /// An object.
    pub fn table(&mut self, node: &Node<'t>) -> Option<Table<'t>> {
        let members: Members<'t> = match node.raw.get().starts_with('{') {
            true => match serde_json::from_str(node.raw.get()) {
                Ok(members) => members,
                Err(error) => {
                    self.wrong(node, format!("it cannot be read: {error}"));
                    return None;
                }
            },
            false => {
                self.wrong(node, format!("an object is expected here, not {}", shape(node)));
                return None;
            }
        };
        let mut seen = BTreeSet::new();
        let mut table = Table { field: node.field.clone(), members: Vec::with_capacity(members.0.len()) };
        for (name, raw) in members.0 {
            let field = if node.field.is_empty() { name.clone() } else { format!("{}.{name}", node.field) };
            let member = Node { raw, field };
            if !seen.insert(name.clone()) {
                self.wrong(&member, "it stands here twice");
                continue;
            }
            table.members.push((name, member));
        }
        Some(table)
    }

    /// A list.
    pub fn list(&mut self, node: &Node<'t>) -> Option<Vec<Node<'t>>> {
        let rows: Result<Vec<&'t RawValue>, _> = serde_json::from_str(node.raw.get());
        match rows {
            Ok(rows) => {
                let place = |(place, raw)| Node { raw, field: format!("{}[{place}]", node.field) };
                Some(rows.into_iter().enumerate().map(place).collect())
            }
            Err(_) => {
                self.wrong(node, format!("a list is expected here, not {}", shape(node)));
                None
            }
        }
    }

    /// Text.
    pub fn text(&mut self, node: &Node<'t>) -> Option<String> {
        match serde_json::from_str::<String>(node.raw.get()) {
            Ok(text) => Some(text),
            Err(_) => {
                self.wrong(node, format!("text in quotes is expected here, not {}", shape(node)));
                None
            }
        }
    }

    /// True or false.
    pub fn flag(&mut self, node: &Node<'t>) -> Option<bool> {
        match node.raw.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.wrong(node, format!("true or false is expected here, not {}", shape(node)));
                None
            }
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, node: &Node<'t>) -> Option<Vec<String>> {
        let rows = self.list(node)?;
        let count = rows.len();
        let texts: Vec<String> = rows.iter().filter_map(|row| self.text(row)).collect();
        (texts.len() == count).then_some(texts)
    }

    /// The text of a member.
    pub fn text_of(&mut self, table: &mut Table<'t>, name: &str) -> Option<String> {
        let node = table.take(name)?;
        self.text(&node)
    }

    /// The flag of a member, or its default.
    pub fn flag_of(&mut self, table: &mut Table<'t>, name: &str, default: bool) -> bool {
        table.take(name).and_then(|node| self.flag(&node)).unwrap_or(default)
    }

    /// The texts of a member.
    pub fn texts_of(&mut self, table: &mut Table<'t>, name: &str) -> Option<Vec<String>> {
        let node = table.take(name)?;
        self.texts(&node)
    }

    /// The object of a member.
    pub fn table_of(&mut self, table: &mut Table<'t>, name: &str) -> Option<Table<'t>> {
        let node = table.take(name)?;
        self.table(&node)
    }
}

impl<'t> Table<'t> {
    /// The member of this name, when it is there and not `null`; it counts as read.
    pub fn take(&mut self, name: &str) -> Option<Node<'t>> {
        let place = self.members.iter().position(|(known, _)| known == name)?;
        let (_, node) = self.members.remove(place);
        (node.raw.get() != "null").then_some(node)
    }

    /// True when there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(known, _)| known == name)
    }

    /// Every member that is left.
    pub fn rest(self) -> Vec<(String, Node<'t>)> {
        self.members
    }

    /// Where the object stands.
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl Node<'_> {
    /// True for an object.
    pub fn is_table(&self) -> bool {
        self.raw.get().starts_with('{')
    }

    /// True for a list.
    pub fn is_list(&self) -> bool {
        self.raw.get().starts_with('[')
    }

    /// True for a number.
    pub fn is_number(&self) -> bool {
        self.raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit())
    }

    /// As it is written; cut when it is long.
    pub fn written(&self) -> &str {
        let text = self.raw.get();
        text.char_indices().nth(80).map_or(text, |(end, _)| &text[..end])
    }
}

/// What a value is, for a sentence.
fn shape(node: &Node<'_>) -> &'static str {
    match node.raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Members in their order, doubles and all.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> serde::Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Members<'t>, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        input.deserialize_map(Collect).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_names_its_field_and_line() {
        let text = "{\n \"a\": {\"b\": 7,\n \"c\": [\"x\",\n 1]},\n \"d\": null, \"a\": 1\n}";
        let (mut page, table) = Page::open(text);
        let mut table = table.unwrap();
        let mut a = page.table_of(&mut table, "a").unwrap();
        assert_eq!(page.text_of(&mut a, "b"), None);
        assert_eq!(page.texts_of(&mut a, "c"), None);
        assert!(table.take("d").is_none() && !table.has("d"));
        let told: Vec<(Option<u64>, &str)> =
            page.faults.iter().map(|fault| (fault.line, fault.field.as_str())).collect();
        assert_eq!(told, [(Some(5), "a"), (Some(2), "a.b"), (Some(4), "a.c[1]")]);
        assert!(page.faults[1].what.contains("not a number"), "{}", page.faults[1].what);
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line_and_depth_does_no_harm() {
        let (page, table) = Page::open("{\n\"a\": }");
        assert!(table.is_none() && page.faults[0].line == Some(2));
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        let (page, table) = Page::open(&deep);
        assert!(table.is_none() && page.faults.len() == 1);
        let text = format!("{{\"a\": {deep}}}");
        let (mut page, table) = Page::open(&text);
        let mut table = table.unwrap();
        assert_eq!(page.texts_of(&mut table, "a"), None);
    }
}
