//! PREMIS 3.0: an object and its events as XML, read back by `read`, and (in `chain`) as log files beside the object.
//!
//! - The XML is valid by `premis-v3-0.xsd`: at least one object first, then events, then agents, each element in the
//!   schema's order. Terms are those of the Library of Congress, with their URIs in `valueURI`.
//! - Whatever text comes from a deposit, what goes out is well-formed; characters XML cannot hold are written as `\u{1b}`.
//! - Events are written as they come; only the names of agents are held.

pub mod chain;
pub mod read;

use crate::model::digest::Algorithm;
use crate::model::event::{Event, Outcome};
use crate::model::object::ObjectId;
use crate::rules::ocfl::metadata::DepositOrigin;
use std::collections::BTreeSet;
use std::io::{self, Write};

const VOCABULARY: &str = "http://id.loc.gov/vocabulary/preservation";

/// What the events are about.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The object.
    pub object: &'a ObjectId,
    /// Its version, from 1.
    pub version: u32,
    /// The bag's name.
    pub bag: &'a str,
    /// Files of the bag.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// What was deposited.
    pub deposit: &'a DepositOrigin,
}

/// Writes a whole PREMIS document about one version of one object.
pub fn write<'e>(
    subject: &Subject<'_>,
    events: impl IntoIterator<Item = &'e Event>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut document = Document::begin(out)?;
    let entity = Entity {
        object: subject.object,
        version: subject.version,
        bag: subject.bag,
        files: subject.files,
        bytes: subject.bytes,
    };
    document.entity(&entity)?;
    write_deposit(subject, document.out)?;
    for event in events {
        document.event(subject.object, event)?;
    }
    document.end()
}

/// An object as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Entity<'a> {
    /// Its id.
    pub object: &'a ObjectId,
    /// Its newest version, from 1.
    pub version: u32,
    /// The bag's name.
    pub bag: &'a str,
    /// Files of the bag in that version.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// A PREMIS document on its way: first every object (the schema wants at least one), then every event, then the end.
pub struct Document<'o> {
    out: &'o mut dyn Write,
    agents: BTreeSet<String>,
}

impl<'o> Document<'o> {
    /// Writes the beginning.
    pub fn begin(out: &'o mut dyn Write) -> io::Result<Document<'o>> {
        out.write_all(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <premis xmlns=\"http://www.loc.gov/premis/v3\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
            version=\"3.0\">\n",
        )?;
        Ok(Document { out, agents: BTreeSet::new() })
    }

    /// Writes an object.
    pub fn entity(&mut self, entity: &Entity<'_>) -> io::Result<()> {
        write_entity(entity, self.out)
    }

    /// Writes an event of an object.
    pub fn event(&mut self, object: &ObjectId, event: &Event) -> io::Result<()> {
        self.agents.insert(event.agent.clone());
        self.agents.extend(event.person.clone());
        write_event(object, event, self.out)
    }

    /// Writes every agent of these events, and the end.
    pub fn end(self) -> io::Result<()> {
        for agent in &self.agents {
            write_agent(agent, self.out)?;
        }
        self.out.write_all(b"</premis>\n")
    }
}

fn write_entity(subject: &Entity<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"  <object xsi:type=\"intellectualEntity\">\n")?;
    identifier(out, "object", "OCFL object", &subject.object.0)?;
    for (name, value) in [
        ("OCFL version", format!("v{}", subject.version)),
        ("files", subject.files.to_string()),
        ("bytes", subject.bytes.to_string()),
    ] {
        out.write_all(b"    <significantProperties>\n")?;
        text(out, 6, "significantPropertiesType", name)?;
        text(out, 6, "significantPropertiesValue", &value)?;
        out.write_all(b"    </significantProperties>\n")?;
    }
    text(out, 4, "originalName", subject.bag)?;
    out.write_all(b"  </object>\n")
}

/// The deposit is a file when it was a tar, packed or not; a folder is no single thing with a size and a digest.
fn write_deposit(subject: &Subject<'_>, out: &mut dyn Write) -> io::Result<()> {
    let deposit = subject.deposit;
    let format = match deposit.form.as_str() {
        "tar" => "application/x-tar",
        "gzip" => "application/gzip",
        "zstd" => "application/zstd",
        "bzip2" => "application/x-bzip2",
        "zip" => "application/zip",
        _ => return Ok(()),
    };
    out.write_all(b"  <object xsi:type=\"file\">\n")?;
    identifier(out, "object", "deposit", &deposit_id(subject))?;
    out.write_all(b"    <objectCharacteristics>\n      <compositionLevel>0</compositionLevel>\n")?;
    for (algorithm, digest) in &deposit.digests {
        out.write_all(b"      <fixity>\n")?;
        text(out, 8, "messageDigestAlgorithm", hash_function(algorithm))?;
        text(out, 8, "messageDigest", digest)?;
        out.write_all(b"      </fixity>\n")?;
    }
    text(out, 6, "size", &deposit.bytes.to_string())?;
    out.write_all(b"      <format>\n        <formatDesignation>\n")?;
    text(out, 10, "formatName", format)?;
    out.write_all(b"        </formatDesignation>\n      </format>\n    </objectCharacteristics>\n")?;
    text(out, 4, "originalName", &deposit.name)?;
    out.write_all(b"  </object>\n")
}

fn deposit_id(subject: &Subject<'_>) -> String {
    format!("{} v{}: {}", subject.object, subject.version, subject.deposit.name)
}

/// The name by which the vocabulary of hash functions knows an algorithm of ours.
fn hash_function(name: &str) -> &str {
    match Algorithm::from_label(name) {
        Some(Algorithm::Md5) => "MD5",
        Some(Algorithm::Sha1) => "SHA-1",
        Some(Algorithm::Sha224) => "SHA-224",
        Some(Algorithm::Sha256) => "SHA-256",
        Some(Algorithm::Sha384) => "SHA-384",
        Some(Algorithm::Sha512) => "SHA-512",
        _ => name,
    }
}

fn write_event(object: &ObjectId, event: &Event, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"  <event>\n")?;
    identifier(out, "event", "strongroom event", &event.id)?;
    let (term, code) = event.event_type.term();
    term_of(out, 4, "eventType", "eventType", term, code)?;
    text(out, 4, "eventDateTime", &event.at.to_string())?;
    out.write_all(b"    <eventDetailInformation>\n")?;
    text(out, 6, "eventDetail", &event.detail)?;
    out.write_all(b"    </eventDetailInformation>\n    <eventOutcomeInformation>\n")?;
    let (term, code) = match event.outcome {
        Outcome::Success => ("success", "suc"),
        Outcome::Failure => ("fail", "fai"),
    };
    term_of(out, 6, "eventOutcome", "eventOutcome", term, code)?;
    if let Some(target) = &event.target {
        out.write_all(b"      <eventOutcomeDetail>\n")?;
        text(out, 8, "eventOutcomeDetailNote", &format!("target: {target}"))?;
        out.write_all(b"      </eventOutcomeDetail>\n")?;
    }
    out.write_all(b"    </eventOutcomeInformation>\n")?;
    for agent in [Some(&event.agent), event.person.as_ref()].into_iter().flatten() {
        out.write_all(b"    <linkingAgentIdentifier>\n")?;
        text(out, 6, "linkingAgentIdentifierType", "name")?;
        text(out, 6, "linkingAgentIdentifierValue", agent)?;
        let (role, code) = match software(agent) {
            Some(_) => ("executing program", "exe"),
            None => ("implementer", "imp"),
        };
        term_of(out, 6, "linkingAgentRole", "eventRelatedAgentRole", role, code)?;
        out.write_all(b"    </linkingAgentIdentifier>\n")?;
    }
    out.write_all(b"    <linkingObjectIdentifier>\n")?;
    text(out, 6, "linkingObjectIdentifierType", "OCFL object")?;
    text(out, 6, "linkingObjectIdentifierValue", &object.0)?;
    out.write_all(b"    </linkingObjectIdentifier>\n  </event>\n")
}

fn write_agent(agent: &str, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"  <agent>\n")?;
    identifier(out, "agent", "name", agent)?;
    match software(agent) {
        Some(version) => {
            text(out, 4, "agentName", "strongroom")?;
            term_of(out, 4, "agentType", "agentType", "software", "sof")?;
            text(out, 4, "agentVersion", version)?;
        }
        None => {
            text(out, 4, "agentName", agent)?;
            term_of(out, 4, "agentType", "agentType", "person", "per")?;
        }
    }
    out.write_all(b"  </agent>\n")
}

/// The version, when the agent is this software.
fn software(agent: &str) -> Option<&str> {
    agent.strip_prefix("strongroom ").filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

fn identifier(out: &mut dyn Write, of: &str, kind: &str, value: &str) -> io::Result<()> {
    writeln!(out, "    <{of}Identifier>")?;
    text(out, 6, &format!("{of}IdentifierType"), kind)?;
    text(out, 6, &format!("{of}IdentifierValue"), value)?;
    writeln!(out, "    </{of}Identifier>")
}

/// An element with a term of a Library of Congress vocabulary.
fn term_of(
    out: &mut dyn Write,
    indent: usize,
    name: &str,
    vocabulary: &str,
    term: &str,
    code: &str,
) -> io::Result<()> {
    writeln!(
        out,
        "{:indent$}<{name} authority=\"{vocabulary}\" authorityURI=\"{VOCABULARY}/{vocabulary}\" \
        valueURI=\"{VOCABULARY}/{vocabulary}/{code}\">{term}</{name}>",
        ""
    )
}

fn text(out: &mut dyn Write, indent: usize, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{:indent$}<{name}>{}</{name}>", "", escape(value))
}

/// Text as it may stand between tags: nothing ends the text early, and nothing is lost by reading it again.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A reader makes a line feed of a bare carriage return.
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.extend(c.escape_unicode()),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{AGENT, EventType};

    #[test]
    fn text_from_outside_cannot_break_the_document() {
        assert_eq!(escape("a<b>&\"c\"]]>"), "a&lt;b&gt;&amp;\"c\"]]&gt;");
        assert_eq!(escape("\u{1b}[1m\r\n\0ä\u{fffe}"), "\\u{1b}[1m&#13;\n\\u{0}ä\\u{fffe}");
    }

    #[test]
    fn a_document_has_objects_then_events_then_each_agent_once() {
        let object = ObjectId("strongroom:uva.edu/a<b".into());
        let deposit = DepositOrigin {
            name: "a&b.tar".into(),
            form: "tar".into(),
            bytes: 10_240,
            digests: [("sha256".to_string(), "00".repeat(32))].into(),
        };
        let subject =
            Subject { object: &object, version: 1, bag: "a<b", files: 3, bytes: 99, deposit: &deposit };
        let event = |event_type, agent: &str, target: Option<&str>| Event {
            id: "0f".repeat(16),
            event_type,
            at: jiff::Timestamp::UNIX_EPOCH,
            outcome: Outcome::Success,
            detail: "3 files".into(),
            target: target.map(String::from),
            agent: agent.into(),
            person: (event_type == EventType::Transfer).then(|| "anna".to_string()),
        };
        let events = [
            event(EventType::Transfer, AGENT, None),
            event(EventType::Replication, AGENT, Some("east")),
            event(EventType::Validation, "jane", None),
        ];
        let mut out = Vec::new();
        write(&subject, &events, &mut out).unwrap();
        let xml = String::from_utf8(out).unwrap();
        let at = |needle: &str| xml.find(needle).unwrap_or_else(|| panic!("{needle}\n{xml}"));
        assert!(at("<object xsi:type=\"intellectualEntity\">") < at("<object xsi:type=\"file\">"));
        assert!(xml.rfind("</object>") < xml.find("<event>"));
        assert!(xml.rfind("</event>") < xml.find("<agent>"));
        assert_eq!(xml.matches("<agent>").count(), 3);
        assert_eq!(xml.matches("<linkingAgentIdentifier>").count(), 4);
        at("valueURI=\"http://id.loc.gov/vocabulary/preservation/eventType/rep\">replication</eventType>");
        at("<originalName>a&amp;b.tar</originalName>");
        at("<eventOutcomeDetailNote>target: east</eventOutcomeDetailNote>");
        let folder = DepositOrigin { form: "folder".into(), ..deposit.clone() };
        let mut out = Vec::new();
        write(&Subject { deposit: &folder, ..subject }, [], &mut out).unwrap();
        assert!(!String::from_utf8(out).unwrap().contains("xsi:type=\"file\""));
    }
}
