//! A tar, as it is read back, held against what was gathered: every member by the digest that the inventory has, and every
//! byte between members by the tar in staging.

use crate::model::digest::Algorithm;
use crate::model::fact::Member;
use crate::model::trouble::Trouble;
use crate::rules::digester::Digester;
use crate::rules::read::ReadAt;

/// Members in the order in which they lie in the tar.
type Members<'a> = Box<dyn Iterator<Item = Result<Member, Trouble>> + 'a>;

/// Goes along a tar that is read from front to back.
pub struct TarCheck<'a> {
    staged: &'a dyn ReadAt,
    members: Members<'a>,
    at: u64,
    /// The member that comes, or is being read; none behind the last.
    member: Option<Member>,
    digester: Digester,
    begun: bool,
    wrong: Option<String>,
    failed: Option<Trouble>,
}

impl<'a> TarCheck<'a> {
    /// Against this tar and these members.
    pub fn new(staged: &'a dyn ReadAt, members: Members<'a>) -> TarCheck<'a> {
        let mut check = TarCheck {
            staged,
            members,
            at: 0,
            member: None,
            digester: Digester::new(&[Algorithm::Sha512]),
            begun: false,
            wrong: None,
            failed: None,
        };
        check.next();
        check
    }

    fn next(&mut self) {
        self.begun = true;
        self.digester = Digester::new(&[Algorithm::Sha512]);
        self.member = match self.members.next() {
            Some(Ok(member)) => Some(member),
            Some(Err(trouble)) => {
                self.failed.get_or_insert(trouble);
                None
            }
            None => None,
        };
    }

    /// The next bytes.
    pub fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.wrong.is_none() && self.failed.is_none() {
            let (until, inside) = match &self.member {
                Some(member) if self.at < member.offset => (member.offset, false),
                Some(member) => (member.offset + member.size, true),
                None => (u64::MAX, false),
            };
            if self.at == until {
                self.over();
                continue;
            }
            let count = usize::try_from(until - self.at).unwrap_or(usize::MAX).min(bytes.len());
            let (now, rest) = bytes.split_at(count);
            match inside {
                true => self.digester.update(now),
                false => self.between(now),
            }
            self.at += count as u64;
            bytes = rest;
            if self.at == until {
                self.over();
            }
        }
    }

    /// A head was read, or a member.
    fn over(&mut self) {
        let Some(member) = &self.member else { return };
        if self.at < member.offset + member.size {
            return;
        }
        let digester = std::mem::replace(&mut self.digester, Digester::new(&[Algorithm::Sha512]));
        let found = digester.finish();
        if found.get(Algorithm::Sha512) != member.digests.get(Algorithm::Sha512) {
            self.wrong = Some(format!("{} has other bytes there", member.path.shown()));
        }
        self.next();
    }

    fn between(&mut self, bytes: &[u8]) {
        let mut staged = vec![0; bytes.len()];
        let mut filled = 0;
        while filled < staged.len() {
            match self.staged.read_at(&mut staged[filled..], self.at + filled as u64) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(error) => {
                    let kind = crate::model::trouble::Kind::StagingIo;
                    self.failed = Some(Trouble::new(kind, error.to_string()));
                    return;
                }
            }
        }
        if filled < bytes.len() || staged != bytes {
            self.wrong = Some(format!("its heads differ from byte {} on", self.at));
        }
    }

    /// What is wrong with it.
    pub fn finish(self) -> Result<Option<String>, Trouble> {
        match (self.failed, self.wrong, self.member) {
            (Some(trouble), _, _) => Err(trouble),
            (None, Some(wrong), _) => Ok(Some(wrong)),
            (None, None, Some(member)) => Ok(Some(format!("it ends before {}", member.path.shown()))),
            (None, None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::digester::digest_reader;

    fn check(staged: &[u8], read: &[u8], pieces: usize) -> Option<String> {
        let member = |number: u64, offset: u64, size: u64| {
            let bytes = &staged[offset as usize..(offset + size) as usize];
            let (_, digests) = digest_reader(&mut &bytes[..], &[Algorithm::Sha512], &mut [0; 64]).unwrap();
            Ok(Member { number, path: format!("m{number}").as_str().into(), offset, size, digests, mtime: 0 })
        };
        let staged = staged.to_vec();
        let members = vec![member(0, 4, 5), member(1, 10, 0), member(2, 12, 3)];
        let mut check = TarCheck::new(&staged, Box::new(members.into_iter()));
        read.chunks(pieces).for_each(|piece| check.take(piece));
        check.finish().unwrap()
    }

    #[test]
    fn any_changed_byte_is_found_wherever_it_lies_and_however_it_comes() {
        let tar: Vec<u8> = (0..20).collect();
        for pieces in [1, 3, 7, 20] {
            assert_eq!(check(&tar, &tar, pieces), None, "{pieces}");
            for at in 0..tar.len() {
                let mut other = tar.clone();
                other[at] ^= 1;
                assert!(check(&tar, &other, pieces).is_some(), "byte {at} in pieces of {pieces}");
            }
            assert!(check(&tar, &tar[..13], pieces).is_some());
        }
    }
}
