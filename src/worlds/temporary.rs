//! Temporary files without a name, for verbs that keep nothing: what a process leaves is nothing, however it ends.
//!
//! - Memory first: a file is made when what must be kept no longer fits the share of memory it was given.
//! - They lie in the folder that the caller names (`$TMPDIR`), readable for us alone, and never beside what is looked at.

use crate::rules::sort::Scratch;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A file without a name in this folder.
pub fn unnamed(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let made = match rustix::fs::open(folder, flags, mode) {
        Ok(file) => Ok(File::from(file)),
        // Not every file system can: then it has a name for a moment.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
            named_for_a_moment(folder)
        }
        Err(error) => Err(error.into()),
    };
    made.map_err(|error| {
        io::Error::new(error.kind(), format!("no temporary file in {}: {error}", folder.display()))
    })
}

fn named_for_a_moment(folder: &Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(".strongroom-{}-{number}", std::process::id()));
    let mut how = File::options();
    let file = how.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Bytes written once from front to back, then read as often as wanted.
pub struct Spool {
    folder: PathBuf,
    memory_max: usize,
    memory: Vec<u8>,
    file: Option<Arc<File>>,
    spilled: u64,
}

impl Spool {
    /// An empty one that holds so many bytes in memory before they go to a file in `folder`.
    pub fn new(folder: &Path, memory_max: usize) -> Spool {
        Spool { folder: folder.to_path_buf(), memory_max, memory: Vec::new(), file: None, spilled: 0 }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > self.memory_max {
            let file = match &self.file {
                Some(file) => file,
                None => self.file.insert(Arc::new(unnamed(&self.folder)?)),
            };
            file.write_all_at(&self.memory, self.spilled)?;
            self.spilled += self.memory.len() as u64;
            self.memory.clear();
        }
        Ok(())
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.spilled + self.memory.len() as u64
    }

    /// True when nothing was added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes, from the first on.
    pub fn read(&self) -> Stretch<'_> {
        Stretch { file: self.file.clone(), at: 0, left: self.spilled, tail: &self.memory }
    }
}

/// Bytes of a file from a place on, then some in memory.
pub struct Stretch<'a> {
    file: Option<Arc<File>>,
    at: u64,
    left: u64,
    tail: &'a [u8],
}

impl Read for Stretch<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(file) = self.file.as_ref().filter(|_| self.left > 0) else { return self.tail.read(buf) };
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let got = file.read_at(&mut buf[..want], self.at)?;
        if got == 0 && want > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a temporary file ends early"));
        }
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// Runs of a sorter, all in one unnamed file: a process may have only so many open.
pub struct TemporaryScratch {
    folder: PathBuf,
    /// The file, and where its next run starts.
    file: Mutex<Option<(Arc<File>, u64)>>,
    runs: Mutex<BTreeMap<u64, (u64, u64)>>,
    next: AtomicU64,
}

impl TemporaryScratch {
    /// Nothing is made in `folder` before the first run.
    pub fn new(folder: &Path) -> TemporaryScratch {
        TemporaryScratch {
            folder: folder.to_path_buf(),
            file: Mutex::new(None),
            runs: Mutex::new(BTreeMap::new()),
            next: AtomicU64::new(0),
        }
    }

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Scratch for TemporaryScratch {
    fn keep(&self, bytes: &mut dyn Read) -> io::Result<u64> {
        // Held while the run is written: two runs must not lie across each other.
        let mut held = TemporaryScratch::lock(&self.file);
        if held.is_none() {
            *held = Some((Arc::new(unnamed(&self.folder)?), 0));
        }
        let (file, end) = held.as_mut().expect("it was made above");
        let start = *end;
        let mut buf = vec![0; 256 << 10];
        loop {
            let count = fill(bytes, &mut buf)?;
            if count == 0 {
                break;
            }
            file.write_all_at(&buf[..count], *end)?;
            *end += count as u64;
        }
        let run = self.next.fetch_add(1, Ordering::Relaxed);
        TemporaryScratch::lock(&self.runs).insert(run, (start, *end - start));
        Ok(run)
    }

    fn open(&self, run: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let found = TemporaryScratch::lock(&self.runs).get(&run).copied();
        let (at, left) = found.ok_or(io::ErrorKind::NotFound)?;
        let file = TemporaryScratch::lock(&self.file).as_ref().map(|(file, _)| file.clone());
        Ok(Box::new(Stretch { file, at, left, tail: &[] }))
    }

    fn forget(&self, run: u64) {
        let Some((at, bytes)) = TemporaryScratch::lock(&self.runs).remove(&run) else { return };
        let held = TemporaryScratch::lock(&self.file);
        if let Some((file, _)) = held.as_ref() {
            // Best effort: what cannot give its space back early does so when the file goes.
            let how = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
            let _ = rustix::fs::fallocate(file, how, at, bytes);
        }
    }
}

fn fill(bytes: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match bytes.read(&mut buf[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sort::{Row, Sorter};

    #[test]
    fn a_spool_gives_back_what_it_took_whether_it_fits_memory_or_not() {
        let place = tempfile::tempdir().unwrap();
        for memory_max in [0, 100, 1 << 20] {
            let mut spool = Spool::new(place.path(), memory_max);
            let mut wanted = Vec::new();
            for n in 0..500u32 {
                spool.push(&n.to_le_bytes()).unwrap();
                wanted.extend_from_slice(&n.to_le_bytes());
            }
            for _ in 0..2 {
                let mut got = Vec::new();
                spool.read().read_to_end(&mut got).unwrap();
                assert_eq!(got, wanted, "{memory_max}");
            }
            assert_eq!(spool.len(), wanted.len() as u64);
        }
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn runs_are_sorted_through_one_file_that_nobody_sees() {
        let place = tempfile::tempdir().unwrap();
        let scratch = TemporaryScratch::new(place.path());
        let mut sorter = Sorter::new(&scratch, 200);
        for n in 0..1_000u32 {
            let key = n.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
            sorter.push(key, n.to_le_bytes().to_vec()).unwrap();
        }
        let rows: Vec<Row> = sorter.finish().unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1_000);
        assert!(rows.is_sorted());
        assert!(scratch.runs.lock().unwrap().is_empty(), "runs are forgotten when they were merged");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_takes_no_file_is_named() {
        let error = unnamed(Path::new("/proc/nowhere")).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere"), "{error}");
    }

    #[test]
    fn where_a_file_system_has_no_unnamed_files_none_is_left_either() {
        let place = tempfile::tempdir().unwrap();
        let file = named_for_a_moment(place.path()).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
