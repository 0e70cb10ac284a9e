//! The inbox: a folder with one folder a depositor; what lies there is submitted.
//!
//! - A deposit is taken when it has not changed for the settling time: it may still be on its way.
//! - Names that start with a dot or end in `.part`, `.tmp` or `.filepart` are on their way.
//! - Nothing is moved or removed here; the same deposit is the same item.
//! - What is refused, cannot be looked at, or is more than is looked at, is told: once, and again when it is another thing.
//! - What is refused is asked for again now and then: a full ledger or a mount that is away for an hour must not leave lying
//!   for ever what came in that hour.
//! - It looks in a thread of its own: a folder with a million files must not keep the daemon from heeding signals.

use crate::books::config::DepositorConfig;
use crate::model::item::Asker;
use crate::work::desk::words::{Answer, Ask};
use crate::work::desk::{Desk, bag_name};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::collections::{BTreeMap, BTreeSet};
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
    /// What was told already.
    told: BTreeSet<String>,
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

/// What a look at one depositor's folder found.
#[derive(Default)]
struct Look {
    settled: Vec<(PathBuf, Print)>,
    troubles: Vec<String>,
}

impl Inbox {
    /// Submits what has settled since the last look.
    pub fn look(&mut self, desk: &Desk, asker: &Asker) {
        let config = desk.config();
        let Some(inbox) = &config.serve.inbox else { return };
        let now = SystemTime::now();
        let mut troubles = Vec::new();
        for depositor in &config.depositors {
            let folder = inbox.join(&depositor.name);
            let look = look_into(&folder, depositor, config.serve.inbox_settle, now, ENTRIES_MAX);
            troubles.extend(look.troubles);
            let submit = |path: &Path| submit(desk, asker, &depositor.name, path);
            troubles.extend(self.submit(look.settled, submit));
        }
        self.tell(troubles);
        self.submitted.retain(|path, _| path.exists());
    }

    /// Submits what is new or changed, and now and then what was refused; gives why what is refused is.
    fn submit(
        &mut self,
        settled: Vec<(PathBuf, Print)>,
        submit: impl Fn(&Path) -> Option<String>,
    ) -> Vec<String> {
        let mut troubles = Vec::new();
        for (path, print) in settled {
            let known = self.submitted.get_mut(&path).filter(|known| known.print == print);
            if let Some(known) = known
                && (known.refused.is_none() || known.looks < AGAIN)
            {
                known.looks += 1;
                troubles.extend(known.refused.clone());
                continue;
            }
            let refused = submit(&path);
            troubles.extend(refused.clone());
            self.submitted.insert(path, Submitted { print, refused, looks: 1 });
        }
        troubles
    }

    fn tell(&mut self, troubles: Vec<String>) {
        let troubles: BTreeSet<String> = troubles.into_iter().collect();
        troubles.difference(&self.told).for_each(|trouble| log::warn!("inbox: {trouble}"));
        self.told = troubles;
    }
}

/// Why it was refused, if it was.
fn submit(desk: &Desk, asker: &Asker, depositor: &str, path: &Path) -> Option<String> {
    let Some(text) = path.to_str() else {
        return Some(format!("{depositor}: {path:?} is not taken: its name is not UTF-8"));
    };
    let ask =
        Ask::Submit { path: text.into(), depositor: Some(depositor.into()), policy: None, unasked: true };
    match desk.answer(&ask, asker) {
        Answer::Refused(complaint) => Some(format!("{}: {}", complaint.error, complaint.because)),
        _ => None,
    }
}

/// Deposits in this folder that have not changed for so long.
fn look_into(folder: &Path, of: &DepositorConfig, settle: Duration, now: SystemTime, most: usize) -> Look {
    let mut look = Look::default();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return look,
        Err(error) => {
            look.troubles.push(format!("{}: {error}", folder.display()));
            return look;
        }
    };
    for (number, entry) in entries.enumerate() {
        if number == most {
            let at = folder.display();
            look.troubles.push(format!(
                "{at} holds more than {most} entries: no others are looked at; move away what is kept"
            ));
            break;
        }
        let Ok(entry) = entry else { continue };
        let path = entry.path();
        let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
        if !is_meant(&entry.file_name().to_string_lossy(), &found, of) {
            continue;
        }
        let newest = if found.is_dir() { newest_in(&path, found) } else { Ok(Some(found)) };
        let newest = match newest {
            Ok(Some(newest)) => newest,
            Ok(None) => continue,
            Err(why) => {
                look.troubles.push(format!("{} is not taken: {why}", path.display()));
                continue;
            }
        };
        let quiet =
            changed_at(&newest).is_some_and(|at| now.duration_since(at).is_ok_and(|age| age >= settle));
        if quiet {
            look.settled.push((path, print(&newest)));
        }
    }
    look.settled.sort();
    look
}

/// True for what is a deposit by its name: a folder, a tar, packed or not, and a ZIP of who may send one.
fn is_meant(name: &str, found: &Metadata, of: &DepositorConfig) -> bool {
    if name.starts_with('.') || ON_ITS_WAY.iter().any(|ending| name.ends_with(ending)) {
        return false;
    }
    let name = name.to_lowercase();
    let zips = of.accept.iter().any(|form| form == "zip");
    let is_packed = || match name.ends_with(".zip") {
        true => zips,
        false => name.contains(".tar") || bag_name(&name).is_some_and(|bag| bag != name),
    };
    found.is_dir() || found.is_file() && is_packed()
}

/// The entry of a folder that changed last: a folder settles when all that is in it has. None while things vanish from it.
fn newest_in(folder: &Path, of: Metadata) -> Result<Option<Metadata>, String> {
    let mut newest = of;
    for entry in walkdir::WalkDir::new(folder).into_iter().take(ENTRIES_MAX * 100) {
        let found = match entry.and_then(|entry| entry.metadata()) {
            Ok(found) => found,
            Err(error) => {
                // What vanishes while it is looked at is on its way.
                let kind = error.io_error().map(std::io::Error::kind);
                let vanished = kind == Some(std::io::ErrorKind::NotFound);
                return if vanished { Ok(None) } else { Err(error.to_string()) };
            }
        };
        if (found.ctime(), found.ctime_nsec()) > (newest.ctime(), newest.ctime_nsec()) {
            newest = found;
        }
    }
    Ok(Some(newest))
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
    use crate::books::config::{Config, Given};
    use std::cell::RefCell;

    fn depositor(accept: &str) -> DepositorConfig {
        let text = format!("data = \"/d\"\n[[depositor]]\nname = \"local\"\naccept = [{accept}]\n");
        let config = Config::from_text(&text, None, &Given::default()).unwrap();
        config.depositors[0].clone()
    }

    fn names(look: &Look) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        look.settled.iter().map(|(path, _)| name(path)).collect()
    }

    const SETTLE: Duration = Duration::from_secs(60);

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(120)
    }

    #[test]
    fn what_is_still_on_its_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = folder.path();
        for name in ["a.tar", ".hidden.tar", "b.tar.part", "notes.doc", "c.tgz"] {
            std::fs::write(inbox.join(name), b"x").unwrap();
        }
        std::fs::create_dir(inbox.join("bag")).unwrap();
        std::fs::write(inbox.join("bag/bagit.txt"), b"x").unwrap();
        let tars = depositor("\"tar\"");
        assert!(names(&look_into(inbox, &tars, SETTLE, SystemTime::now(), 100)).is_empty());
        assert_eq!(names(&look_into(inbox, &tars, SETTLE, later(), 100)), ["a.tar", "bag", "c.tgz"]);
        let nobody = look_into(&inbox.join("nobody"), &tars, Duration::ZERO, later(), 100);
        assert!(nobody.settled.is_empty() && nobody.troubles.is_empty());
    }

    #[test]
    fn a_letter_beside_the_bags_is_no_deposit_and_a_zip_is_where_it_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["notes.txt", "scan.tif", "A.TAR", "b.tar.lz4", "c.zip"] {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        let taken = |accept: &str| names(&look_into(folder.path(), &depositor(accept), SETTLE, later(), 100));
        assert_eq!(taken("\"tar\""), ["A.TAR", "b.tar.lz4"]);
        assert_eq!(taken("\"tar\", \"zip\""), ["A.TAR", "b.tar.lz4", "c.zip"]);
    }

    #[test]
    fn more_entries_than_are_looked_at_are_told() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..4 {
            std::fs::write(folder.path().join(format!("{number}.tar")), b"x").unwrap();
        }
        let tars = depositor("\"tar\"");
        assert!(look_into(folder.path(), &tars, SETTLE, later(), 4).troubles.is_empty());
        let look = look_into(folder.path(), &tars, SETTLE, later(), 3);
        assert_eq!((look.settled.len(), look.troubles.len()), (3, 1));
        assert!(look.troubles[0].contains("more than 3 entries"), "{:?}", look.troubles);
    }

    #[test]
    fn a_bag_that_cannot_be_looked_through_is_told_of() {
        use rustix::fs::{Mode, OFlags, mkdirat, openat};
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bag")).unwrap();
        // As where an upload made a folder for itself alone; this one is shut for root, too: its path is too long.
        let mut at = rustix::fs::open(folder.path().join("bag"), OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..20 {
            let name = "x".repeat(250);
            mkdirat(&at, &name, Mode::RWXU).unwrap();
            at = openat(&at, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        let look = look_into(folder.path(), &depositor("\"tar\""), SETTLE, later(), 100);
        assert!(look.settled.is_empty());
        assert!(
            look.troubles.len() == 1 && look.troubles[0].contains("bag is not taken"),
            "{:?}",
            look.troubles
        );
    }

    #[test]
    fn what_was_refused_is_asked_for_again_now_and_then_and_what_was_taken_is_not() {
        let (mut inbox, asked) = (Inbox::default(), RefCell::new(Vec::new()));
        let settled = || {
            vec![(PathBuf::from("/in/a.tar"), (1, 2, 3, 4, 5)), (PathBuf::from("/in/b.tar"), (1, 3, 3, 4, 5))]
        };
        let answer = |path: &Path| {
            asked.borrow_mut().push(path.display().to_string());
            (path.ends_with("a.tar") && asked.borrow().len() < 3).then(|| "the server is away".to_string())
        };
        for _ in 0..AGAIN {
            assert_eq!(inbox.submit(settled(), answer), ["the server is away"], "told as long as it is so");
        }
        assert_eq!(*asked.borrow(), ["/in/a.tar", "/in/b.tar"], "not at every look");
        for _ in 0..3 * AGAIN {
            assert!(inbox.submit(settled(), answer).is_empty());
        }
        assert_eq!(*asked.borrow(), ["/in/a.tar", "/in/b.tar", "/in/a.tar"]);
    }
}
