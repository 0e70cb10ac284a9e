//! Verbs that need no ledger, or that must work when it cannot be opened: explain, check-config, config, doctor, make-bag.

use super::args::MakeBag;
use super::overview::counted;
use super::table::{Style, Tone};
use super::talk::{Talk, Told, unexpected};
use super::{Screen, codes, complain, explain as explaining, usage};
use crate::books::config::fault::Faults;
use crate::books::config::needs::Needs;
use crate::books::config::units::parse_bytes;
use crate::books::config::{Config, Given, Origin, SYSTEM_FILE, absolute, defaults, sample};
use crate::books::unit::{Lack, Lacking, SERVICE};
use crate::doors::exit::{self, Exit};
use crate::rules::bagit::make::{Damage, Plan, Source, bag, tar_bag};
use crate::rules::sort::MemoryScratch;
use crate::work::desk::bag_name;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::{Answer, Ask, Check, Level, SCHEMA};
use crate::worlds::unit::Units;
use serde_json::json;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a word means.
pub fn explain(screen: &Screen, word: Option<&str>) -> Told<Exit> {
    let text = explaining::explain(word)?;
    match screen.json {
        true => {
            let codes = word.and_then(codes::document);
            screen.document(&json!({ "schema": SCHEMA, "text": text, "codes": codes }));
        }
        false => screen.text(&text),
    }
    Ok(exit::DONE)
}

/// Reads a configuration as the daemon would.
pub fn check_config(screen: &Screen, file: Option<PathBuf>, given: &Given) -> Told<Exit> {
    let given = match file {
        Some(file) => Given { file: Some((file, Origin::Option("check-config"))), data: given.data.clone() },
        None => given.clone(),
    };
    let faults = match Config::load(&given) {
        Ok(config) => {
            let faults = config.faults_of_places();
            if faults.is_empty() {
                told_sound(screen, &config);
                return Ok(exit::DONE);
            }
            faults
        }
        Err(faults) => faults.0,
    };
    if screen.json {
        let faults: Vec<Complaint> = faults.into_iter().map(Complaint::from).collect();
        screen.document(&json!({ "schema": SCHEMA, "ok": false, "faults": faults }));
        return Ok(exit::CONFIG);
    }
    Err(first_of(screen, Faults(faults)))
}

/// What the units of this host do not allow of a configuration.
fn lacking(config: &Config) -> Lacking {
    // The unit names a file: without one it is not the service that this configuration is for.
    if config.file.is_none() {
        return Lacking::default();
    }
    let units = Units::below(Path::new("/"));
    let found = units.unit(SERVICE, None).and_then(|unit| match unit {
        Some(unit) => {
            let file = unit.config().unwrap_or(SYSTEM_FILE.into());
            Lacking::of(&Needs::with_file(config, &file), &unit, &units)
        }
        None => Ok(Lacking::default()),
    });
    found.unwrap_or_else(|error| {
        let text = "what the service's units allow cannot be told".into();
        Lacking {
            daemon: vec![Lack { text, detail: error.to_string(), by_unit: false }],
            ..Lacking::default()
        }
    })
}

fn told_sound(screen: &Screen, config: &Config) {
    let file =
        config.file.as_ref().map_or("no file, embedded default".into(), |file| file.display().to_string());
    let policies: Vec<String> =
        config.policies.iter().map(|policy| format!("{} ({} copies)", policy.name, policy.copies)).collect();
    // Warnings only: whoever writes a configuration writes the drop-in for it next.
    let lacking = lacking(config);
    let only_jobs = lacking.only_jobs();
    let warnings: Vec<Check> = lacking
        .daemon
        .into_iter()
        .chain(only_jobs)
        .chain(lacking.untold)
        .map(|lack| Check::warn(lack.text, lack.detail))
        .collect();
    if screen.json {
        screen.document(
            &json!({ "schema": SCHEMA, "ok": true, "file": config.file, "faults": [], "warnings": warnings }),
        );
    }
    screen.line(&format!("ok    {file}: {} targets, policies {}", config.targets.len(), policies.join(", ")));
    screen.text(&checklist(&screen.style, &warnings));
}

/// Complains about every fault but the first, which it gives back: all of them are to be seen at once.
pub fn first_of(screen: &Screen, faults: Faults) -> Box<Complaint> {
    let mut complaints = faults.0.into_iter().map(Complaint::from);
    let first =
        complaints.next().unwrap_or_else(|| Complaint::new(Sort::Config, "the configuration is wrong"));
    complaints.for_each(|complaint| complain(screen, &complaint));
    Box::new(first)
}

/// Every key with default and reason.
pub fn config_defaults(screen: &Screen) -> Told<Exit> {
    let keys = defaults();
    if screen.json {
        let rows: Vec<_> = keys
            .iter()
            .map(|(key, value, reason)| json!({ "key": key, "default": value, "reason": reason }))
            .collect();
        screen.document(&json!({ "schema": SCHEMA, "keys": rows }));
    }
    for (key, value, reason) in keys {
        screen.text(&format!("{key} = {value}\n    {reason}\n"));
    }
    Ok(exit::DONE)
}

/// A sample configuration.
pub fn config_sample(screen: &Screen) -> Told<Exit> {
    screen.raw(&sample());
    Ok(exit::DONE)
}

/// Checks everything that the service needs, and says how to mend what fails.
pub fn doctor(screen: &Screen, config: &Arc<Config>) -> Told<Exit> {
    let mut checks = Vec::new();
    // Nothing else that the doctor says matters where a newer release was.
    super::version::can_be_opened(config)?;
    if let Some(fault) = config.faults_of_places().into_iter().next() {
        checks.push(Check::fail(fault.to_string(), format!("{}\n{}", fault.so, fault.then_try)));
    }
    let of_units = if is_the_services(config) { lacking(config) } else { Lacking::default() };
    match Talk::daemon(config) {
        Ok(Some(mut talk)) => {
            let socket = config.serve.socket.display();
            checks.push(Check::ok(format!("daemon answers at {socket}")));
            ask_doctor(&mut talk, &mut checks);
            tell_of_units(of_units, &mut checks);
        }
        Ok(None) => {
            let detail = "nothing goes on by itself: systemctl start strongroom, or strongroom serve";
            checks.push(Check::warn("no daemon runs", detail));
            let forbidden = of_units.daemon.iter().any(|lack| lack.by_unit);
            tell_of_units(of_units, &mut checks);
            match forbidden {
                // What was made now, by somebody whom no unit hinders, the service could not use afterwards.
                true => checks.push(Check::warn(
                    "the house was not opened",
                    "first let the service use what is named above",
                )),
                false => without_daemon(config, &mut checks),
            }
        }
        Err(complaint) => checks.push(failed("the daemon cannot be asked", &complaint)),
    }
    let count = |level| checks.iter().filter(|check| check.level == level).count();
    let (warnings, failures) = (count(Level::Warn), count(Level::Fail));
    let exit = if failures > 0 { exit::WRONG } else { exit::DONE };
    if screen.json {
        screen.document(
            &json!({ "schema": SCHEMA, "checks": checks, "warnings": warnings, "failures": failures }),
        );
    }
    screen.text(&checklist(&screen.style, &checks));
    let (warned, broken) = (counted(warnings as u64, "warning"), counted(failures as u64, "failure"));
    screen.line(&format!("{warned}, {broken}. Exit {}.", exit.0));
    Ok(exit)
}

/// True when this is the configuration that the installed service is started with.
fn is_the_services(config: &Config) -> bool {
    let unit = Units::below(Path::new("/")).unit(SERVICE, None).ok().flatten();
    let named = unit.map(|unit| unit.config().unwrap_or(SYSTEM_FILE.into()));
    named.is_some_and(|named| config.file.as_deref().map(absolute) == Some(named))
}

/// What the daemon did not find by itself: it knows the configuration that it was started with.
fn tell_of_units(lacking: Lacking, checks: &mut Vec<Check>) {
    let only_jobs = lacking.only_jobs();
    for lack in lacking.daemon {
        if checks.iter().all(|known| known.text != lack.text) {
            checks.push(Check::fail(lack.text, lack.detail));
        }
    }
    checks
        .extend(only_jobs.into_iter().chain(lacking.untold).map(|lack| Check::warn(lack.text, lack.detail)));
}

fn without_daemon(config: &Arc<Config>, checks: &mut Vec<Check>) {
    if !config.ledger.exists() {
        let text = format!("no ledger at {} yet", config.ledger.display());
        checks.push(Check::warn(text, "it is made by the first strongroom serve or strongroom ingest"));
        return;
    }
    match Talk::here(config) {
        Ok(mut talk) => ask_doctor(&mut talk, checks),
        Err(complaint) => checks.push(failed("the house cannot be opened", &complaint)),
    }
}

fn ask_doctor(talk: &mut Talk, checks: &mut Vec<Check>) {
    match talk.ask(&Ask::Doctor) {
        Ok(Answer::Checks { checks: found }) => checks.extend(found),
        Ok(other) => checks.push(failed("the doctor was not answered", &unexpected(&other))),
        Err(complaint) => checks.push(failed("the doctor was not answered", &complaint)),
    }
}

fn failed(text: &str, complaint: &Complaint) -> Check {
    Check::fail(
        format!("{text}: {}", complaint.error),
        format!("{}\n{}", complaint.because, complaint.then_try),
    )
}

/// What the doctor found.
pub fn checklist(style: &Style, checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let (word, tone) = match check.level {
            Level::Ok => ("ok  ", Tone::Good),
            Level::Warn => ("warn", Tone::Warn),
            Level::Fail => ("FAIL", Tone::Bad),
        };
        text.push_str(&format!("{}  {}\n", style.paint(tone, word), check.text));
        check
            .detail
            .lines()
            .filter(|line| !line.is_empty())
            .for_each(|line| text.push_str(&format!("        {line}\n")));
    }
    text
}

/// Makes a bag.
pub fn make_bag(screen: &Screen, what: &MakeBag) -> Told<Exit> {
    let damage = what.damage.iter().map(|word| damage_of(word)).collect::<Told<Vec<Damage>>>()?;
    let plan = Plan { damage, ..Plan::default() };
    let size = parse_bytes(&what.size)
        .map_err(|why| usage(format!("--size {}: {why}", what.size), "--size \"4 KiB\""))?;
    let failed = |error: io::Error| {
        Box::new(
            Complaint::new(Sort::Io, format!("{} is not made", what.to.display())).because(error.to_string()),
        )
    };
    let mut files: Box<dyn Iterator<Item = Source<'_>>> = match &what.from {
        Some(from) => Box::new(payload(from).map_err(failed)?.into_iter().map(open)),
        None => Box::new((0..what.files).map(|number| made_up(number, size, what.seed))),
    };
    let name = what
        .to
        .to_str()
        .and_then(bag_name)
        .ok_or_else(|| usage("the bag has no name", "name a .tar or a folder"))?;
    let scratch = MemoryScratch::default();
    let made = match what.to.extension().is_some_and(|suffix| suffix == "tar") {
        true => {
            let mut out = BufWriter::new(File::create(&what.to).map_err(failed)?);
            let made = tar_bag(&mut out, &name, &mut files, &plan, &scratch).map_err(failed)?;
            out.flush().map_err(failed)?;
            made
        }
        false => bag(&mut |path, _, read| place(&what.to, path, read), &mut files, &plan, &scratch)
            .map_err(failed)?,
    };
    screen.line(&format!("{}: {} files, {} bytes", what.to.display(), made.files, made.bytes));
    Ok(exit::DONE)
}

fn damage_of(word: &str) -> Told<Damage> {
    let (what, path) = word.split_once(':').unwrap_or((word, ""));
    match (what, path) {
        ("wrong-oxum", "") => Ok(Damage::WrongOxum),
        ("wrong-digest", path) if !path.is_empty() => Ok(Damage::WrongDigest(path.into())),
        ("missing", path) if !path.is_empty() => Ok(Damage::Missing(path.into())),
        ("unlisted", path) if !path.is_empty() => Ok(Damage::Unlisted(path.into())),
        _ => Err(usage(
            format!("\"{word}\" is no damage"),
            "wrong-digest:PATH, missing:PATH, unlisted:PATH or wrong-oxum",
        )),
    }
}

fn place(folder: &Path, path: &str, read: &mut dyn Read) -> io::Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    io::copy(read, &mut File::create(path)?).map(|_| ())
}

/// Files below a folder with their paths and sizes, in the order of their names.
fn payload(from: &Path) -> io::Result<Vec<(PathBuf, String, u64)>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(from).map_err(io::Error::other)?.display().to_string();
            files.push((entry.path().to_path_buf(), path, entry.metadata()?.len()));
        }
    }
    Ok(files)
}

fn open((file, path, size): (PathBuf, String, u64)) -> Source<'static> {
    (path, size, Box::new(Later(file, None)))
}

/// A file that is opened when it is read: a bag may have more files than a process may have open.
struct Later(PathBuf, Option<File>);

impl Read for Later {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.1 {
            Some(file) => file.read(buf),
            None => {
                let mut file = File::open(&self.0)?;
                let got = file.read(buf);
                self.1 = Some(file);
                got
            }
        }
    }
}

fn made_up(number: u64, size: u64, seed: u64) -> Source<'static> {
    let path = format!("{:03}/file-{number:06}.bin", number / 1_000);
    let state = (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1;
    (path, size, Box::new(MadeUp { state, left: size }))
}

/// Bytes that do not compress, the same for the same seed (xorshift).
struct MadeUp {
    state: u64,
    left: u64,
}

impl Read for MadeUp {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        for chunk in buf[..count].chunks_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            let bytes = self.state.to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}
