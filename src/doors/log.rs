//! The log: structured, to stderr, and nowhere else.
//!
//! - The fields ITEM, STAGE, DEPOSITOR, TARGET and TROUBLE are written so that `journalctl ITEM=41` works.
//! - A line is one line: a name from a bag cannot end it, nor speak to the terminal.
//! - A log that cannot be written is never a reason to stop.
//! - However much is asked for, libraries tell their warnings only: what they do in detail holds secrets.

use jiff::Timestamp;
use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::fs::fstat;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Mutex;

/// Where journald takes datagrams.
const JOURNALD: &str = "/run/systemd/journal/socket";

/// Longest message, in bytes; journald takes datagrams of about 200 KiB at most.
const MESSAGE_MAX: usize = 16 << 10;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For journald: its own datagrams, or lines with a priority prefix where its socket is not there.
    Journald,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// The format of this name; `auto` (or anything else) looks whether stderr is journald's.
    pub fn from_name(name: &str) -> Format {
        match name {
            "text" => Format::Text,
            "json" => Format::Json,
            "journald" => Format::Journald,
            _ if stderr_is_journald() => Format::Journald,
            _ => Format::Text,
        }
    }
}

/// Takes over a line while something else has the terminal, such as progress bars.
pub type Screen = Box<dyn Fn(&str) + Send + Sync>;

struct Logger {
    state: Mutex<State>,
}

struct State {
    format: Format,
    screen: Option<Screen>,
    journald: Option<UnixDatagram>,
}

static LOGGER: Logger =
    Logger { state: Mutex::new(State { format: Format::Text, screen: None, journald: None }) };

/// Starts the log in this format, down to this level. The first call wins over later ones only in being first.
pub fn start(format: Format, level: LevelFilter) {
    LOGGER.lock().format = format;
    if format == Format::Journald {
        LOGGER.lock().journald = journald();
    }
    // It fails only when a logger is set already, and then it is this one.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
}

/// From now on lines for people go through `screen`; `None`: to stderr again.
pub fn set_screen(screen: Option<Screen>) {
    LOGGER.lock().screen = screen;
}

impl Logger {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries tell of their own housekeeping, and the HTTP client of every byte that it sends, passwords among them.
        metadata.target().starts_with(env!("CARGO_PKG_NAME")) || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = Line::of(record);
        let state = self.lock();
        match (state.format, &state.journald) {
            (Format::Journald, Some(socket)) if socket.send(&line.journald()).is_ok() => {}
            (Format::Journald, _) => write_stderr(&format!("<{}>{}", line.priority(), line.fields_after())),
            (Format::Json, _) => write_stderr(&line.json(Timestamp::now())),
            (Format::Text, _) => {
                let text = line.text(Timestamp::now());
                match &state.screen {
                    Some(screen) => screen(&text),
                    None => write_stderr(&text),
                }
            }
        }
    }

    fn flush(&self) {}
}

fn write_stderr(line: &str) {
    // One write, so that lines of several threads do not mix.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn journald() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(Path::new(JOURNALD)).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

/// True when `JOURNAL_STREAM` names the very socket that stderr is: the variable is inherited by children whose stderr
/// goes elsewhere.
fn stderr_is_journald() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(found) = fstat(std::io::stderr()) else { return false };
    named == format!("{}:{}", found.st_dev, found.st_ino)
}

/// A line of the log before it has a shape.
struct Line {
    level: Level,
    message: String,
    fields: Vec<(String, String)>,
}

impl Line {
    fn of(record: &Record<'_>) -> Line {
        let mut fields = Fields(Vec::new());
        // Collecting into a list cannot fail.
        let _ = record.key_values().visit(&mut fields);
        Line { level: record.level(), message: cut(&record.args().to_string()), fields: fields.0 }
    }

    /// Priority of syslog: 3 error, 4 warning, 6 informational, 7 debug.
    fn priority(&self) -> u8 {
        match self.level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        }
    }

    fn text(&self, now: Timestamp) -> String {
        format!("{now:.3} {:<5} {}", self.level.as_str().to_lowercase(), self.fields_after())
    }

    fn fields_after(&self) -> String {
        let mut text = on_one_line(&self.message);
        for (name, value) in &self.fields {
            let value = on_one_line(value);
            let quoted = value.is_empty() || value.contains([' ', '"', '=']);
            let value = if quoted { format!("{value:?}") } else { value };
            text.push_str(&format!(" {}={value}", name.to_uppercase()));
        }
        text
    }

    fn json(&self, now: Timestamp) -> String {
        let mut object = serde_json::Map::new();
        object.insert("time".into(), format!("{now:.3}").into());
        object.insert("level".into(), self.level.as_str().to_lowercase().into());
        object.insert("message".into(), self.message.clone().into());
        for (name, value) in &self.fields {
            let number = value.parse::<u64>().map(serde_json::Value::from);
            object.insert(name.to_lowercase(), number.unwrap_or_else(|_| value.clone().into()));
        }
        serde_json::Value::Object(object).to_string()
    }

    /// journald's own protocol: `NAME=value` lines; a value with a line feed has its length before it.
    fn journald(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut field = |name: &str, value: &str| {
            out.extend_from_slice(name.as_bytes());
            if value.contains('\n') {
                out.push(b'\n');
                out.extend_from_slice(&(value.len() as u64).to_le_bytes());
            } else {
                out.push(b'=');
            }
            out.extend_from_slice(value.as_bytes());
            out.push(b'\n');
        };
        field("MESSAGE", &self.message);
        field("PRIORITY", &self.priority().to_string());
        field("SYSLOG_IDENTIFIER", "strongroom");
        for (name, value) in &self.fields {
            field(&name.to_uppercase(), value);
        }
        out
    }
}

struct Fields(Vec<(String, String)>);

impl<'kvs> log::kv::VisitSource<'kvs> for Fields {
    fn visit_pair(
        &mut self,
        key: log::kv::Key<'kvs>,
        value: log::kv::Value<'kvs>,
    ) -> Result<(), log::kv::Error> {
        // journald drops fields whose names have other letters; a field must not vanish for that.
        let name: String =
            key.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        self.0.push((name, cut(&value.to_string())));
        Ok(())
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > MESSAGE_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}

/// Control characters as escapes: a line of the log is one line, and says nothing to a terminal.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, fields: &[(&str, &str)]) -> Line {
        let fields = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Line { level: Level::Warn, message: message.into(), fields }
    }

    fn noon() -> Timestamp {
        "2026-11-20T12:00:00.25Z".parse().unwrap()
    }

    #[test]
    fn libraries_never_tell_what_they_send() {
        let enabled =
            |target, level| LOGGER.enabled(&Metadata::builder().target(target).level(level).build());
        for target in ["ureq::unversioned::transport", "rustls::client", "sled::pagecache"] {
            assert!(!enabled(target, Level::Trace) && !enabled(target, Level::Info), "{target}");
            assert!(enabled(target, Level::Warn), "{target}");
        }
        assert!(enabled("strongroom::work", Level::Trace));
    }

    #[test]
    fn a_line_for_people_has_time_level_message_and_fields() {
        let line = line("stored \u{1b}[2J\nfake", &[("item", "41"), ("target", "vault a"), ("trouble", "")]);
        assert_eq!(
            line.text(noon()),
            "2026-11-20T12:00:00.250Z warn  stored \\u{1b}[2J\\nfake ITEM=41 TARGET=\"vault a\" TROUBLE=\"\""
        );
    }

    #[test]
    fn a_json_line_is_one_object_with_numbers_as_numbers() {
        let line = line("a\nb", &[("ITEM", "41"), ("stage", "store")]);
        let json: serde_json::Value = serde_json::from_str(&line.json(noon())).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"time": "2026-11-20T12:00:00.250Z", "level": "warn", "message": "a\nb", "item": 41, "stage": "store"})
        );
    }

    #[test]
    fn journald_gets_fields_and_lengths() {
        let found = line("two\nlines", &[("item", "41")]).journald();
        let mut wanted = b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n".to_vec();
        wanted.extend_from_slice(b"PRIORITY=4\nSYSLOG_IDENTIFIER=strongroom\nITEM=41\n");
        assert_eq!(found, wanted);
    }

    #[test]
    fn records_carry_their_fields_and_sled_is_quiet() {
        let pairs = [("item-id", log::kv::Value::from(7)), ("stage", log::kv::Value::from("store"))];
        let source: &dyn log::kv::Source = &pairs.as_slice();
        let record = Record::builder().args(format_args!("x")).key_values(&source).build();
        assert_eq!(
            Line::of(&record).fields,
            [("item_id".into(), "7".into()), ("stage".into(), "store".into())]
        );
        let of = |target, level| Metadata::builder().target(target).level(level).build();
        assert!(!LOGGER.enabled(&of("sled::pagecache", Level::Info)));
        assert!(LOGGER.enabled(&of("sled::pagecache", Level::Warn)));
        assert!(LOGGER.enabled(&of("strongroom::work", Level::Debug)));
        assert!(cut(&"ä".repeat(MESSAGE_MAX)).len() <= MESSAGE_MAX + 3);
    }
}
