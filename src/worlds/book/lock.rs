//! One process has the ledger at a time.
//!
//! - The lock is the kernel's (`flock`): it ends with the process, whatever ends it.
//! - The file says who holds it, for the one who must wait; what it says decides nothing.

use super::BookError;
use super::durable::io_error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long another process is given to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(20);

/// The lock, held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock of this folder.
pub(super) fn take(folder: &Path, patience: Duration) -> Result<Lock, BookError> {
    let path = folder.join("lock");
    let fail = |error| io_error(&path, error);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
    let end = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(fail(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                return Err(BookError::Busy { holder: holder(&mut file) });
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    }
    let now = jiff::Timestamp::now();
    let text = format!("process {} since {now:.0}\n", std::process::id());
    file.set_len(0).map_err(fail)?;
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    Ok(Lock { _file: file })
}

/// Who says to hold it.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(200).read_to_string(&mut text);
    match (read, text.trim()) {
        (Ok(_), said) if !said.is_empty() => said.to_owned(),
        _ => "a process that left no name".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path(), Duration::ZERO).unwrap();
        let BookError::Busy { holder } = take(folder.path(), Duration::from_millis(30)).unwrap_err() else {
            panic!("the lock was given twice")
        };
        assert!(holder.starts_with(&format!("process {} since 2", std::process::id())), "{holder}");
        drop(first);
        take(folder.path(), Duration::ZERO).unwrap();
    }
}
