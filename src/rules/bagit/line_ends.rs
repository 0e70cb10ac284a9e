//! Line ends changed in transfer: whether a file would have its listed digest with the other kind.
//!
//! - Only files that do not match are read again, one by one, within a budget of files and bytes.
//! - Memory is one buffer; both kinds are tried in one read.

use crate::model::digest::Algorithm;
use crate::rules::digester::Digester;
use std::io::{self, Read};

/// What a transfer did to the line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// CRLF became LF.
    ToLf,
    /// LF became CRLF.
    ToCrlf,
}

/// How many files may still be read again, and how many bytes.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    files: u64,
    bytes: u64,
}

/// A larger file is no text that anybody would send by a converting transfer.
const FILE_MAX: u64 = 64 << 20;

impl Default for Budget {
    fn default() -> Budget {
        Budget { files: 1_000, bytes: 1 << 30 }
    }
}

impl Budget {
    /// Takes a file of this size out of the budget; false when it is not to be read again.
    pub fn allows(&mut self, size: u64) -> bool {
        if size == 0 || size > FILE_MAX || self.files == 0 || self.bytes < size {
            return false;
        }
        self.files -= 1;
        self.bytes -= size;
        true
    }
}

/// Reads the file and says which change of line ends explains all its wrong digests.
pub fn changed(read: &mut dyn Read, listed: &[(Algorithm, &[u8])]) -> io::Result<Option<Change>> {
    let algorithms: Vec<Algorithm> = listed.iter().map(|(algorithm, _)| *algorithm).collect();
    let (mut with_lf, mut with_crlf) = (Digester::new(&algorithms), Digester::new(&algorithms));
    let (mut lf, mut crlf) = (Vec::new(), Vec::new());
    let mut buf = vec![0; 64 << 10];
    let mut after_cr = false;
    loop {
        let count = match read.read(&mut buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if count == 0 {
            break;
        }
        lf.clear();
        crlf.clear();
        for byte in &buf[..count] {
            // A CR waits for what follows it: before LF it is half of a line end.
            if after_cr && *byte != b'\n' {
                lf.push(b'\r');
            }
            if *byte == b'\n' && !after_cr {
                crlf.push(b'\r');
            }
            crlf.push(*byte);
            after_cr = *byte == b'\r';
            if !after_cr {
                lf.push(*byte);
            }
        }
        with_lf.update(&lf);
        with_crlf.update(&crlf);
    }
    if after_cr {
        with_lf.update(b"\r");
    }
    let fits = |digester: Digester| {
        let found = digester.finish();
        listed.iter().all(|(algorithm, digest)| {
            found.get(*algorithm).and_then(crate::model::digest::unhex).is_some_and(|found| found == *digest)
        })
    };
    Ok(if fits(with_lf) {
        Some(Change::ToCrlf)
    } else if fits(with_crlf) {
        Some(Change::ToLf)
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::unhex;
    use crate::rules::digester::digest_reader;

    /// Gives its bytes one by one, so that every border between two reads is met.
    struct Drop<'a>(&'a [u8]);

    impl Read for Drop<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let mut one = &self.0[..self.0.len().min(1)];
            self.0 = &self.0[one.len()..];
            one.read(buf)
        }
    }

    #[test]
    fn a_change_is_seen_only_when_it_explains_the_digest() {
        let table: [(&[u8], &[u8], Option<Change>); 6] = [
            (b"a\nb\n", b"a\r\nb\r\n", Some(Change::ToCrlf)),
            (b"a\r\nb\r\n", b"a\nb\n", Some(Change::ToLf)),
            (b"a\r\r\nb\r", b"a\r\nb\r", None),
            (b"\r\rx\n\r", b"\r\rx\r\n\r", Some(Change::ToCrlf)),
            (b"a\nb\n", b"a\r\nB\r\n", None),
            (b"a", b"b", None),
        ];
        let both = [Algorithm::Md5, Algorithm::Sha256];
        for (sent, there, expected) in table {
            let digests = digest_reader(&mut &sent[..], &both, &mut [0; 9]).unwrap().1;
            let raw = both.map(|algorithm| unhex(digests.get(algorithm).unwrap()).unwrap());
            let listed = [(both[0], &raw[0][..]), (both[1], &raw[1][..])];
            assert_eq!(changed(&mut Drop(there), &listed).unwrap(), expected, "{sent:?}");
            assert_eq!(changed(&mut &there[..], &listed).unwrap(), expected, "{sent:?}");
        }
    }

    #[test]
    fn the_budget_ends() {
        let mut budget = Budget::default();
        assert!(!budget.allows(0) && !budget.allows(FILE_MAX + 1));
        assert_eq!((0..100).filter(|_| budget.allows(FILE_MAX)).count(), 16);
        let mut budget = Budget::default();
        assert_eq!((0..2_000).filter(|_| budget.allows(1)).count(), 1_000);
    }
}
