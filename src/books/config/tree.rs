//! From TOML text to settings: each with its key, its value and its line.
//!
//! - Every fault of the file is reported, not only the first.
//! - A key that the table does not have is a fault, with its line and the nearest name there is.

use super::fault::Fault;
use super::keys::{self, Key, Shape};
use super::units;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// No configuration is longer; a longer file is not one.
pub const BYTES_MAX: usize = 1 << 20;

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, path, name or word.
    Text(String),
    /// Several names.
    Names(Vec<String>),
    /// Bytes, milliseconds or a count.
    Number(u64),
    /// True or false.
    Flag(bool),
}

/// One setting of the file.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its value.
    pub value: Value,
    /// Its line, from 1.
    pub line: usize,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct Tree {
    /// Settings by concrete place: `target[0].path`.
    pub settings: BTreeMap<String, Setting>,
    /// Tables by concrete place, with their lines: `target[0]`, `policy.default`.
    pub tables: BTreeMap<String, usize>,
}

/// Reads the text of a configuration file.
pub fn read(text: &str) -> Result<Tree, Vec<Fault>> {
    if text.len() > BYTES_MAX {
        let why = format!("it has {} bytes; a configuration has at most {BYTES_MAX}", text.len());
        return Err(vec![Fault::new("this is not a configuration file").because(why)]);
    }
    let mut reader = Reader { text, tree: Tree::default(), faults: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => reader.table("", table.get_ref()),
        Err(error) => {
            let line = error.span().map_or(1, |span| reader.line(span.start));
            let fault =
                Fault::new("this is not TOML").line(line).because(error.message().trim().replace('\n', ", "));
            reader.faults.push(fault);
        }
    }
    if reader.faults.is_empty() { Ok(reader.tree) } else { Err(reader.faults) }
}

struct Reader<'a> {
    text: &'a str,
    tree: Tree,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn table(&mut self, at: &str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let line = self.line(name.span().start);
            let path =
                if at.is_empty() { name.get_ref().to_string() } else { format!("{at}.{}", name.get_ref()) };
            if at == "policy" && !is_plain_name(name.get_ref()) {
                self.faults.push(
                    Fault::new(format!("\"{}\" is no name for a policy", name.get_ref()))
                        .line(line)
                        .because("names of policies have letters, digits, \"-\" and \"_\" only"),
                );
                continue;
            }
            self.entry(at, &path, line, value);
        }
    }

    fn entry(&mut self, at: &str, path: &str, line: usize, value: &Spanned<DeValue<'_>>) {
        let list = format!("{path}[0]");
        match value.get_ref() {
            DeValue::Table(table) if keys::is_table(path) => {
                self.tree.tables.insert(path.to_string(), self.line(value.span().start));
                self.table(path, table);
            }
            DeValue::Array(rows) if keys::is_table(&list) => {
                for (place, row) in rows.iter().enumerate() {
                    let Some(table) = row.get_ref().as_table() else {
                        self.shape_fault(path, line, &format!("[[{path}]] tables"), row.get_ref());
                        continue;
                    };
                    let path = format!("{path}[{place}]");
                    self.tree.tables.insert(path.clone(), self.line(row.span().start));
                    self.table(&path, table);
                }
            }
            other => match keys::key_of(path) {
                Some(key) => match read_value(key, other) {
                    Ok(value) => {
                        self.tree.settings.insert(path.to_string(), Setting { value, line });
                    }
                    Err(why) => {
                        let fault = Fault::new(format!("{path} is not {}", key.shape.expected()));
                        self.faults.push(fault.line(line).because(why));
                    }
                },
                None if keys::is_table(path) => {
                    self.shape_fault(path, line, &format!("a table [{path}]"), other);
                }
                None if keys::is_table(&list) => {
                    self.shape_fault(path, line, &format!("[[{path}]] tables"), other);
                }
                None => self.unknown(at, path, line),
            },
        }
    }

    fn unknown(&mut self, at: &str, path: &str, line: usize) {
        let name = path.rsplit('.').next().unwrap_or(path);
        let names = keys::names_in(at);
        let place = if at.is_empty() { "the file itself".to_string() } else { format!("[{at}]") };
        let mut fault = Fault::new(format!("unknown key \"{name}\""))
            .line(line)
            .because(format!("{place} may hold {}", names.join(", ")));
        if let Some(near) = keys::nearest(name, names) {
            fault = fault.then_try(format!("did you mean \"{near}\"?"));
        }
        self.faults.push(fault);
    }

    fn shape_fault(&mut self, path: &str, line: usize, wanted: &str, found: &DeValue<'_>) {
        let fault = Fault::new(format!("\"{path}\" must be {wanted}"));
        self.faults.push(fault.line(line).because(format!("it is a TOML {}", found.type_str())));
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count()
    }
}

fn read_value(key: &Key, value: &DeValue<'_>) -> Result<Value, String> {
    let wrong = || format!("it is a TOML {}", value.type_str());
    let text = value.as_str();
    let number = value.as_integer().map(|found| {
        let plain = found.as_str().replace('_', "");
        u64::from_str_radix(&plain, found.radix()).map_err(|_| format!("{plain} is not a number from 0 up"))
    });
    match key.shape {
        Shape::Path => match text {
            Some("") => Err("it is empty".into()),
            Some(text) if text.contains('\0') => Err("a path cannot hold a NUL".into()),
            Some(text) => Ok(Value::Text(text.into())),
            None => Err(wrong()),
        },
        Shape::Name => read_name(text.ok_or_else(wrong)?).map(Value::Text),
        Shape::Names => {
            let rows = value.as_array().ok_or_else(wrong)?;
            let names = rows.iter().map(|row| read_name(row.get_ref().as_str().ok_or_else(wrong)?));
            names.collect::<Result<_, _>>().map(Value::Names)
        }
        Shape::Size => match (text, number) {
            (Some(text), _) => units::parse_bytes(text).map(Value::Number),
            (None, Some(number)) => number.map(Value::Number),
            (None, None) => Err(wrong()),
        },
        Shape::Time => match (text, number) {
            (Some(text), _) => units::parse_time(text)
                .map(|time| Value::Number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
            (None, Some(number)) => number.map(|seconds| Value::Number(seconds.saturating_mul(1_000))),
            (None, None) => Err(wrong()),
        },
        Shape::Count(least, most) => match number.ok_or_else(wrong)?? {
            found if (least..=most).contains(&found) => Ok(Value::Number(found)),
            found => Err(format!("it is {found}")),
        },
        Shape::Flag => value.as_bool().map(Value::Flag).ok_or_else(wrong),
        Shape::Text => read_text(text.ok_or_else(wrong)?).map(Value::Text),
        Shape::Texts => {
            let rows = value.as_array().ok_or_else(wrong)?;
            let texts = rows.iter().map(|row| read_text(row.get_ref().as_str().ok_or_else(wrong)?));
            texts.collect::<Result<_, _>>().map(Value::Names)
        }
        Shape::OneOf(words) => match text.ok_or_else(wrong)? {
            word if words.contains(&word) => Ok(Value::Text(word.into())),
            word => Err(format!("it is \"{word}\"")),
        },
        Shape::SomeOf(words) => {
            let rows = value.as_array().ok_or_else(wrong)?;
            let known = rows.iter().map(|row| match row.get_ref().as_str() {
                Some(word) if words.contains(&word) => Ok(word.to_string()),
                Some(word) => Err(format!("\"{}\" is none of them", word.escape_debug())),
                None => Err(format!("it holds a TOML {}", row.get_ref().type_str())),
            });
            known.collect::<Result<_, _>>().map(Value::Names)
        }
    }
}

/// Longest text.
const TEXT_MAX: usize = 2_000;

fn read_text(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.len() > TEXT_MAX || text.chars().any(char::is_control) {
        return Err(format!("it is longer than {TEXT_MAX} bytes or holds a control character"));
    }
    Ok(text.to_string())
}

/// Longest name of a target, volume or depositor.
const NAME_MAX: usize = 100;

fn read_name(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if plain && starts_well && text.len() <= NAME_MAX {
        return Ok(text.to_string());
    }
    Err(format!(
        "\"{}\" is not: it must start with a letter or digit and be at most {NAME_MAX} long",
        text.escape_debug()
    ))
}

fn is_plain_name(name: &str) -> bool {
    read_name(name).is_ok() && !name.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
        let faults =
            read("data = \"/x\"\n\n[policy.default]\ncopeis = 2\n[[traget]]\nname = \"a\"\n").unwrap_err();
        let told: Vec<(Option<usize>, &str, &str)> =
            faults.iter().map(|fault| (fault.line, fault.error.as_str(), fault.then_try.as_str())).collect();
        assert!(told.contains(&(Some(4), "unknown key \"copeis\"", "did you mean \"copies\"?")), "{told:?}");
        assert!(told.contains(&(Some(5), "unknown key \"traget\"", "did you mean \"target\"?")), "{told:?}");
    }

    #[test]
    fn every_wrong_value_says_its_line_and_what_was_expected() {
        let table = [
            ("data = 5", "data is not a path"),
            ("data = \"\"", "data is not a path"),
            ("limits = 3", "\"limits\" must be a table [limits]"),
            ("target = 3", "\"target\" must be [[target]] tables"),
            ("[limits]\nfiles_max = 0", "limits.files_max is not a number from 1"),
            ("[limits]\nfiles_max = -1", "limits.files_max is not a number from 1"),
            ("[limits]\nbytes_max = \"5 gigs\"", "limits.bytes_max is not a size"),
            ("[retry]\nfirst = true", "retry.first is not a time"),
            ("[[target]]\nname = \"../a\"", "target[0].name is not a name"),
            ("[policy.x]\ntargets = [1]", "policy.x.targets is not a list of names"),
            ("\n[policy.\"a.b\"]", "\"a.b\" is no name for a policy"),
            ("[log]\nformat = \"xml\"", "log.format is not one of"),
            ("data = ", "this is not TOML"),
            ("i_accept_copies_on_one_disk = \"yes\"", "i_accept_copies_on_one_disk is not true or false"),
        ];
        for (text, wanted) in table {
            let faults = read(text).unwrap_err();
            assert!(faults[0].error.starts_with(wanted), "{text}: {faults:?}");
            assert_eq!(faults[0].line, Some(text.lines().count()), "{text}");
        }
    }

    #[test]
    fn values_come_with_their_lines() {
        let tree = read("[retry]\nfirst = \"2 min\"\n[[staging]]\nname=\"a\"\nfloor=\"1 GB\"\n").unwrap();
        assert_eq!(tree.settings["retry.first"].value, Value::Number(120_000));
        assert_eq!(tree.settings["staging[0].floor"].value, Value::Number(1_000_000_000));
        assert_eq!(tree.settings["staging[0].floor"].line, 5);
        assert_eq!(tree.tables["staging[0]"], 3);
    }
}
