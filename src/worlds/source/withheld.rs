//! What is withheld from the ledger: addresses with something secret in them.
//!
//! - The ledger keeps a key without the secret; the whole address lies here, one file each that nobody else may read.
//! - An address is durable before anybody is told its key.
//! - It is forgotten when its item needs it no more. Losing it loses nothing but the need to submit it again.
//!
//! A key is `https://host/path?harmless=1#signed-NAME`, and ends in `#allow-private` where the address did.

use crate::rules::digester::sha256_hex;
use crate::rules::handle::handle;
use crate::worlds::clock::Clock;
use crate::worlds::source::{PRIVATE, SourceError};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What stands before the name in a key.
const MARK: &str = "#signed-";
/// Letters of a name.
const NAME: usize = 16;
/// Longest address.
const ADDRESS_MAX: u64 = 64 << 10;

/// Where withheld addresses lie, by their names.
pub trait Shelf: Send + Sync {
    /// Puts a text there, durable, in place of what was there.
    fn put(&self, name: &str, text: &str) -> io::Result<()>;

    /// The text of this name.
    fn get(&self, name: &str) -> io::Result<Option<String>>;

    /// Takes it away; absent is fine.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// What lies there.
    fn names(&self) -> io::Result<Vec<String>>;
}

/// Withheld addresses.
pub struct Withheld {
    shelf: Box<dyn Shelf>,
    clock: Arc<dyn Clock>,
    number: AtomicU64,
}

impl Withheld {
    /// On this shelf.
    pub fn new(shelf: Box<dyn Shelf>, clock: Arc<dyn Clock>) -> Withheld {
        Withheld { shelf, clock, number: AtomicU64::new(0) }
    }

    /// In files below this folder, which is made when it is first needed.
    pub fn in_folder(folder: PathBuf, clock: Arc<dyn Clock>) -> Withheld {
        Withheld::new(Box::new(Folder(folder)), clock)
    }

    /// Keeps an address, when something in it may be secret, and gives the key that stands for it.
    pub fn keep(&self, address: &str) -> Result<Option<String>, SourceError> {
        let private = if address.ends_with(PRIVATE) { PRIVATE } else { "" };
        let Some(handle) = handle(plain(address)) else { return Ok(None) };
        // Made of what is not secret: a digest of a short token would give it away to whoever tries them all.
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let told = format!("{} {} {number}", self.clock.now().as_nanosecond(), std::process::id());
        let key = format!("{handle}{MARK}{}{private}", &sha256_hex(told.as_bytes())[..NAME]);
        self.renew(&key, address)?;
        Ok(Some(key))
    }

    /// From now on this address is what a key stands for: the same thing, signed again. Other keys stand for themselves.
    pub fn renew(&self, key: &str, address: &str) -> Result<(), SourceError> {
        let Some(name) = name_of(key) else { return Ok(()) };
        self.shelf.put(name, address).map_err(|error| failed(key, &error))
    }

    /// The address that a key stands for; `None` when it stands for itself.
    pub fn reveal(&self, key: &str) -> Result<Option<String>, SourceError> {
        let Some(name) = name_of(key) else { return Ok(None) };
        match self.shelf.get(name) {
            Ok(Some(address)) => Ok(Some(address)),
            Ok(None) => Err(SourceError::AddressLost { key: key.to_string() }),
            Err(error) => Err(failed(key, &error)),
        }
    }

    /// Nobody needs what this key stands for any more.
    pub fn forget(&self, key: &str) -> Result<(), SourceError> {
        let Some(name) = name_of(key) else { return Ok(()) };
        self.shelf.remove(name).map_err(|error| failed(key, &error))
    }

    /// True when nothing is withheld: then nobody need ask what is still needed.
    pub fn is_empty(&self) -> Result<bool, SourceError> {
        Ok(self.shelf.names().map_err(|error| failed("withheld addresses", &error))?.is_empty())
    }

    /// Forgets all but what these keys stand for.
    pub fn retain<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Result<(), SourceError> {
        let failed = |error: io::Error| failed("withheld addresses", &error);
        let needed: BTreeSet<&str> = keys.filter_map(name_of).collect();
        for name in self.shelf.names().map_err(failed)? {
            if !needed.contains(name.as_str()) {
                self.shelf.remove(&name).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// True for a key that stands for a withheld address.
pub fn is_withheld(key: &str) -> bool {
    name_of(key).is_some()
}

fn plain(address: &str) -> &str {
    address.split('#').next().unwrap_or(address)
}

fn name_of(key: &str) -> Option<&str> {
    let (_, name) = key.strip_suffix(PRIVATE).unwrap_or(key).rsplit_once(MARK)?;
    // It becomes a file's name.
    (name.len() == NAME && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
}

fn failed(key: &str, error: &io::Error) -> SourceError {
    SourceError::Io { key: key.to_string(), why: format!("what is withheld of its address: {error}") }
}

/// A folder of ours alone.
struct Folder(PathBuf);

impl Folder {
    fn make(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Ok(()) => self.0.parent().map_or(Ok(()), |above| File::open(above)?.sync_all()),
            // Whoever opened it up to others did not know what lies there.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::set_permissions(&self.0, Permissions::from_mode(0o700))
            }
            Err(error) => Err(error),
        }
    }
}

impl Shelf for Folder {
    fn put(&self, name: &str, text: &str) -> io::Result<()> {
        self.make()?;
        let beside = self.0.join(format!("{name}.part"));
        self.remove(&format!("{name}.part"))?;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, self.0.join(name))?;
        File::open(&self.0)?.sync_all()
    }

    fn get(&self, name: &str) -> io::Result<Option<String>> {
        let file = match File::open(self.0.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(ADDRESS_MAX).read_to_string(&mut text)?;
        Ok(Some(text))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        match std::fs::read_dir(&self.0) {
            Ok(entries) => {
                entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::clock::rehearsal::RehearsalClock;

    const SIGNED: &str = "https://a.org/b.tar?versionId=3&sig=s3cret#allow-private";

    fn withheld(place: &std::path::Path) -> Withheld {
        Withheld::in_folder(place.join("withheld"), Arc::new(RehearsalClock::new()))
    }

    #[test]
    fn a_signed_address_is_known_by_a_key_without_its_signature() {
        let place = tempfile::tempdir().unwrap();
        let kept = withheld(place.path());
        assert_eq!(kept.keep("https://a.org/b.tar#allow-private"), Ok(None));
        assert!(kept.is_empty().unwrap() && !place.path().join("withheld").exists());
        let key = kept.keep(SIGNED).unwrap().unwrap();
        assert!(
            key.starts_with("https://a.org/b.tar?versionId=3#signed-") && key.ends_with(PRIVATE),
            "{key}"
        );
        assert!(
            is_withheld(&key) && !is_withheld(SIGNED) && !is_withheld("https://a.org/#signed-../../../etc")
        );
        // Another process reads it: it was durable.
        assert_eq!(withheld(place.path()).reveal(&key), Ok(Some(SIGNED.to_string())));
        assert_eq!(kept.reveal("/in/b.tar"), Ok(None));
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
        let file = std::fs::read_dir(place.path().join("withheld")).unwrap().next().unwrap().unwrap();
        assert_eq!((mode(file.path()), mode(place.path().join("withheld"))), (0o600, 0o700));
    }

    #[test]
    fn two_deposits_of_one_address_do_not_share_a_name_and_one_signed_again_keeps_its_own() {
        let place = tempfile::tempdir().unwrap();
        let kept = withheld(place.path());
        let (one, other) = (kept.keep(SIGNED).unwrap().unwrap(), kept.keep(SIGNED).unwrap().unwrap());
        assert_ne!(one, other);
        kept.renew(&one, "https://a.org/b.tar?sig=fresh").unwrap();
        kept.forget(&other).unwrap();
        kept.forget(&other).unwrap();
        assert_eq!(kept.reveal(&one), Ok(Some("https://a.org/b.tar?sig=fresh".to_string())));
        assert_eq!(kept.reveal(&other), Err(SourceError::AddressLost { key: other.clone() }));
    }

    #[test]
    fn what_no_item_needs_is_forgotten_also_what_a_crash_left_half_written() {
        let place = tempfile::tempdir().unwrap();
        let kept = withheld(place.path());
        let (one, _) = (kept.keep(SIGNED).unwrap().unwrap(), kept.keep(SIGNED).unwrap().unwrap());
        std::fs::write(place.path().join("withheld/0123456789abcdef.part"), "https://a.org/?sig=s3").unwrap();
        kept.retain(["/in/b.tar", one.as_str()].into_iter()).unwrap();
        assert_eq!(std::fs::read_dir(place.path().join("withheld")).unwrap().count(), 1);
        assert!(kept.reveal(&one).unwrap().is_some());
    }
}
