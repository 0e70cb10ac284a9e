//! The inbox: a folder with one folder a depositor; what lies there is submitted.
//!
//! - A deposit is taken when it has not changed for the settling time: it may still be on its way.
//! - Names that start with a dot or end in `.part`, `.tmp` or `.filepart` are on their way.
//! - Nothing is moved or removed here; the same deposit is the same item.
//! - What is refused is told once and asked for again now and then: a full ledger or a mount that is away for an hour must
//!   not leave lying for ever what came in that hour.
//! - It looks in a thread of its own: a folder with a million files must not keep the daemon from heeding signals.

use crate::model::item::Asker;
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks after which a deposit that was refused is submitted again: a minute.
pub const AGAIN: u32 = 30;

/// Entries of one depositor's folder that are looked at; beyond it somebody must tidy up.
const ENTRIES_MAX: usize = 100_000;

/// Endings of names that uploading programs give to what is not complete.
const ON_ITS_WAY: [&str; 4] = [".part", ".tmp", ".filepart", ".crdownload"];

/// Looks into the inbox until the other end is dropped.
pub fn watch(desk: Arc<Desk>, asker: Asker) -> std::io::Result<Sender<()>> {
    let (alive, ended) = bounded::<()>(0);
    let look = move || {
        let mut inbox = Inbox::default();
        while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            inbox.look(&desk, &asker);
        }
    };
    std::thread::Builder::new().name("inbox".into()).spawn(look)?;
    Ok(alive)
}

/// What is known of the inbox.
#[derive(Default)]
pub struct Inbox {
    submitted: BTreeMap<PathBuf, Submitted>,
}

/// What was submitted already.
struct Submitted {
    /// As it was then.
    print: Print,
    /// Why it was refused, if it was.
    refused: Option<String>,
    /// Looks since.
    looks: u32,
}

/// Device, inode, size, change time.
type Print = (u64, u64, u64, i64, i64);

impl Inbox {
    /// Submits what has settled since the last look.
    pub fn look(&mut self, desk: &Desk, asker: &Asker) {
        let config = desk.config();
        let Some(inbox) = &config.serve.inbox else { return };
        let now = SystemTime::now();
        for depositor in &config.depositors {
            let settled = settled(&inbox.join(&depositor.name), config.serve.inbox_settle, now);
            for (path, print) in settled {
                let mut known = self.submitted.get_mut(&path).filter(|known| known.print == print);
                if let Some(known) = known.as_deref_mut()
                    && (known.refused.is_none() || known.looks < AGAIN)
                {
                    known.looks += 1;
                    continue;
                }
                let refused = submit(desk, asker, &depositor.name, &path);
                if let Some(why) = &refused
                    && known.is_none_or(|known| known.refused != refused)
                {
                    log::warn!(DEPOSITOR = depositor.name.as_str(); "inbox: {why}");
                }
                self.submitted.insert(path, Submitted { print, refused, looks: 1 });
            }
        }
        self.submitted.retain(|path, _| path.exists());
    }
}

/// Why it was refused, if it was.
fn submit(desk: &Desk, asker: &Asker, depositor: &str, path: &Path) -> Option<String> {
    let Some(text) = path.to_str() else {
        return Some(format!("{path:?} is not taken: its name is not UTF-8"));
    };
    let ask =
        Ask::Submit { path: text.into(), depositor: Some(depositor.into()), policy: None, unasked: true };
    match desk.answer(&ask, asker) {
        Answer::Refused(complaint) => Some(format!("{}: {}", complaint.error, complaint.because)),
        _ => None,
    }
}

/// Deposits in this folder that have not changed for so long.
fn settled(folder: &Path, settle: Duration, now: SystemTime) -> Vec<(PathBuf, Print)> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            log::warn!("inbox: {}: {error}", folder.display());
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for entry in entries.take(ENTRIES_MAX).flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || ON_ITS_WAY.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        let Ok(of) = std::fs::symlink_metadata(&path) else { continue };
        let newest = match of.is_dir() {
            true => newest_in(&path, of.clone()),
            false if of.is_file() && name.to_lowercase().contains(".t") => Some(of.clone()),
            false => None,
        };
        let Some(newest) = newest else { continue };
        let quiet =
            changed_at(&newest).is_some_and(|at| now.duration_since(at).is_ok_and(|age| age >= settle));
        if quiet {
            found.push((path, print(&newest)));
        }
    }
    found.sort();
    found
}

/// The entry of a folder that changed last: a folder settles when all that is in it has.
fn newest_in(folder: &Path, of: Metadata) -> Option<Metadata> {
    let mut newest = of;
    for entry in walkdir::WalkDir::new(folder).into_iter().take(ENTRIES_MAX * 100) {
        // What vanishes while it is looked at is on its way.
        let found = entry.ok()?.metadata().ok()?;
        if (found.ctime(), found.ctime_nsec()) > (newest.ctime(), newest.ctime_nsec()) {
            newest = found;
        }
    }
    Some(newest)
}

/// By change time, not modification time: an upload may set the latter to whatever it was at its origin.
fn changed_at(of: &Metadata) -> Option<SystemTime> {
    let seconds = u64::try_from(of.ctime()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, u32::try_from(of.ctime_nsec()).ok()?))
}

fn print(of: &Metadata) -> Print {
    (of.dev(), of.ino(), of.size(), of.ctime(), of.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_on_its_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = folder.path();
        for name in ["a.tar", ".hidden.tar", "b.tar.part", "notes.doc", "c.tgz"] {
            std::fs::write(inbox.join(name), b"x").unwrap();
        }
        std::fs::create_dir(inbox.join("bag")).unwrap();
        std::fs::write(inbox.join("bag/bagit.txt"), b"x").unwrap();
        let names = |now: SystemTime| -> Vec<String> {
            let found = settled(inbox, Duration::from_secs(60), now);
            found.iter().map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        let now = SystemTime::now();
        assert_eq!(names(now), Vec::<String>::new());
        assert_eq!(names(now + Duration::from_secs(61)), ["a.tar", "bag", "c.tgz"]);
        assert!(settled(&inbox.join("nobody"), Duration::ZERO, now).is_empty());
    }
}
