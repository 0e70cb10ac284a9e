//! Putting files: small ones several at once, large ones in parts.
//!
//! - A file that lies there already is not sent again, if what is read there is what would be sent.
//! - Nothing is written where a published version lies: its transaction stages aside.

use super::S3Target;
use super::intents::Open;
use super::objects::{If, PUT_MAX, digest};
use super::talk::Stretch;
use super::uploads::{PART_MIN, in_threads, part_size};
use crate::model::digest::{Algorithm, hex};
use crate::worlds::target::{Put, TargetError, Txn};
use sha2::{Digest, Sha256, Sha512};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

impl S3Target {
    pub(super) fn put_files(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError> {
        let open = self.open_txn(txn)?;
        let large = |file: &&Put<'_>| self.abilities.parts && file.size >= PART_MIN;
        let small: Vec<&Put<'_>> = files.iter().filter(|file| !large(file)).collect();
        let (next, failed, bytes) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicU64::new(0));
        in_threads(small.len().min(self.talk.connections), &|| {
            while !failed.load(Ordering::Relaxed) {
                let Some(file) = small.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let put = self.put_file(txn, &open, file);
                failed.fetch_or(put.is_err(), Ordering::Relaxed);
                bytes.fetch_add(put?, Ordering::Relaxed);
            }
            Ok(())
        })?;
        let mut bytes = bytes.into_inner();
        for file in files.iter().filter(large) {
            bytes += self.put_file(txn, &open, file)?;
        }
        Ok(bytes)
    }

    fn put_file(&self, txn: &Txn, open: &Open, file: &Put<'_>) -> Result<u64, TargetError> {
        let key = self.beneath(&open.intent.folder(), file.content_path)?;
        let stretch = Stretch { from: file.from, offset: file.offset, size: file.size };
        let source = |error| match error {
            TargetError::Source { why, .. } => TargetError::Source { path: file.content_path.into(), why },
            other => other,
        };
        // It may have been taken over while others were sent.
        self.open_txn(txn)?;
        if self.lies_there(open, &key, stretch).map_err(source)?
            && self.reads_the_same(&key, stretch).map_err(source)?
        {
            return Ok(file.size);
        }
        self.write_file(&key, stretch, open.left.uploads.get(&key).map(String::as_str), txn)
            .map_err(source)?;
        Ok(file.size)
    }

    /// Writes a file of content.
    fn write_file(
        &self,
        key: &str,
        stretch: Stretch<'_>,
        upload: Option<&str>,
        txn: &Txn,
    ) -> Result<(), TargetError> {
        let (how, class) = (self.abilities.checksum, self.config.storage_class.as_deref());
        if self.abilities.parts && stretch.size >= PART_MIN {
            let go_on = || self.still_ours().and_then(|()| self.open_txn(txn).map(drop));
            return self.talk.put_in_parts(key, stretch, how, class, upload, &go_on).map(drop);
        }
        if stretch.size > PUT_MAX {
            let why = "it has more than 5 GiB, and this store takes no uploads in parts";
            return Err(self.talk.io(key, why));
        }
        self.talk.put(key, stretch, how, If::Any, class).map(drop).map_err(|no| self.talk.told(key, no))
    }

    /// True when these bytes are read there. A tag says what was sent: what went bad since would be found so by every try,
    /// and never sent again. Only what was under way at a stop is read for this.
    fn reads_the_same(&self, key: &str, stretch: Stretch<'_>) -> Result<bool, TargetError> {
        let mut there = Sha256::new();
        match self.talk.read(key, &mut |chunk| there.update(chunk)) {
            Ok(_) => {}
            // It cannot be read, for whatever reason: it is sent.
            Err(TargetError::Io { .. } | TargetError::Absent { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let own = digest(Algorithm::Sha256, stretch);
        let own = own.map_err(|why| TargetError::Source { path: key.into(), why })?;
        Ok(there.finalize()[..] == own[..])
    }

    /// True when an earlier try wrote these bytes there, as their tag tells.
    fn lies_there(&self, open: &Open, key: &str, stretch: Stretch<'_>) -> Result<bool, TargetError> {
        let Some(tag) = open.left.tag(key, stretch.size) else { return Ok(false) };
        let md5 = |stretch| {
            digest(Algorithm::Md5, stretch).map_err(|why| TargetError::Source { path: key.into(), why })
        };
        if tag.parts == 0 {
            return Ok(md5(stretch)? == tag.md5);
        }
        let size = part_size(stretch.size);
        if stretch.size.div_ceil(size) != u64::from(tag.parts) {
            return Ok(false);
        }
        let mut digests = Vec::new();
        for place in 0..u64::from(tag.parts) {
            let (offset, size) = (stretch.offset + place * size, size.min(stretch.size - place * size));
            digests.extend(md5(Stretch { offset, size, ..stretch })?);
        }
        Ok(md5(Stretch::whole(&digests))? == tag.md5)
    }

    /// Copies a file that lies aside to its final key, and proves by reading it there that it has this SHA-512.
    pub(super) fn move_file(&self, aside: &str, key: &str, sha512: &str) -> Result<(), TargetError> {
        let class = self.config.storage_class.as_deref();
        self.talk.copy(aside, key, class)?;
        let mut hash = Sha512::new();
        self.talk.read(key, &mut |chunk| hash.update(chunk))?;
        match hex(&hash.finalize()) == sha512 {
            true => Ok(()),
            false => Err(self.talk.io(key, "what is read back is not what was staged")),
        }
    }
}
