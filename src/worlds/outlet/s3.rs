//! A bucket that objects are given back to.
//!
//! - A bucket has no renaming: a tar or a single file appears when it is whole; a folder is no bag before its `bagit.txt`,
//!   which is put last.
//! - What is sent carries its digest; what an interrupted try sent of a large file is not sent again.

use super::{Bytes, Outlet, OutletError, Parcel, Stand};
use crate::worlds::clock::Clock;
use crate::worlds::target::TargetError;
use crate::worlds::target::s3::BucketTarget;
use crate::worlds::target::s3::abilities::Checksum;
use crate::worlds::target::s3::objects::{Go, If};
use crate::worlds::target::s3::talk::{Stretch, Talk};
use crate::worlds::target::s3::uploads::PART_MIN;
use std::sync::Arc;

/// Content-MD5 is what every store knows; reading back is what proves.
const HOW: Checksum = Checksum::Md5;

/// A bucket, or a part of one.
pub struct S3Outlet {
    talk: Arc<Talk>,
    shown: String,
    class: Option<String>,
}

impl S3Outlet {
    /// The place of this name; nothing is asked yet.
    pub fn new(name: &str, config: &BucketTarget, clock: Arc<dyn Clock>) -> S3Outlet {
        let prefix = config.place.prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        S3Outlet {
            talk: Arc::new(Talk::new(name, config, clock)),
            shown: format!("s3://{}{slash}{prefix}", config.place.bucket),
            class: config.storage_class.clone(),
        }
    }

    fn told(&self, error: TargetError) -> OutletError {
        match error {
            TargetError::Missing { why, .. } => OutletError::Missing { place: self.shown.clone(), why },
            TargetError::Denied { why, .. } => OutletError::Denied { place: self.shown.clone(), why },
            TargetError::Full { .. } => {
                OutletError::Io { place: self.shown.clone(), why: "no space is left".into() }
            }
            TargetError::Source { why, .. } => OutletError::Source { why },
            TargetError::Moved { why, .. } => OutletError::Io { place: self.shown.clone(), why },
            TargetError::Absent { path, .. } => {
                OutletError::Absent { place: format!("{}/{path}", self.shown) }
            }
            TargetError::Io { path, why, .. } => {
                OutletError::Io { place: format!("{}/{path}", self.shown), why }
            }
        }
    }
}

fn key_of(parcel: &Parcel, path: &str) -> String {
    if path.is_empty() { parcel.name.clone() } else { format!("{}/{path}", parcel.name) }
}

impl Outlet for S3Outlet {
    fn shown(&self) -> String {
        self.shown.clone()
    }

    fn renames(&self) -> bool {
        false
    }

    fn lies(&self, parcel: &Parcel) -> Result<bool, OutletError> {
        let mut found = false;
        let inside = format!("{}/", parcel.name);
        let listed = self.talk.list(&parcel.name, None, &mut |key| {
            found = key.key == parcel.name || key.key.starts_with(&inside);
            // Keys of longer names lie in between: `bag-2` before `bag/`.
            if found { Go::Stop } else { Go::On }
        });
        listed.map_err(|error| self.told(error))?;
        Ok(found)
    }

    fn put(&self, parcel: &Parcel, path: &str, bytes: Bytes<'_>) -> Result<(), OutletError> {
        let key = key_of(parcel, path);
        let stretch = Stretch { from: bytes.from, offset: bytes.offset, size: bytes.size };
        let class = self.class.as_deref();
        if bytes.size < PART_MIN {
            let put = self.talk.put(&key, stretch, HOW, If::Any, class);
            return put.map(drop).map_err(|no| self.told(self.talk.told(&key, no)));
        }
        // Stores that cannot list uploads are asked in vain; then everything is sent again.
        let uploads = self.talk.uploads(&key).unwrap_or_default();
        let known = uploads.iter().find(|(of, _)| *of == key).map(|(_, id)| id.as_str());
        let sent = self.talk.put_in_parts(&key, stretch, HOW, class, known, &|| Ok(()));
        sent.map(drop).map_err(|error| self.told(error))
    }

    fn sync(&self, _: &Parcel) -> Result<(), OutletError> {
        Ok(())
    }

    fn read(
        &self,
        parcel: &Parcel,
        (_, path): (Stand, &str),
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, OutletError> {
        self.talk.read(&key_of(parcel, path), sink).map_err(|error| self.told(error))
    }

    fn pin(&self, parcel: &Parcel, (_, path): (Stand, &str)) -> Result<Option<String>, OutletError> {
        let head = self.talk.head(&key_of(parcel, path)).map_err(|error| self.told(error))?;
        let header = |answer: &crate::worlds::net::client::Answer, name| {
            answer.header(name).unwrap_or_default().trim().to_string()
        };
        Ok(head.map(|head| format!("{} {}", header(&head, "content-length"), header(&head, "etag"))))
    }

    fn publish(&self, _: &Parcel) -> Result<(), OutletError> {
        Ok(())
    }

    fn files(&self, parcel: &Parcel, each: &mut dyn FnMut(&str)) -> Result<(), OutletError> {
        if !parcel.folder {
            if self.pin(parcel, (Stand::There, ""))?.is_some() {
                each("");
            }
            return Ok(());
        }
        let inside = format!("{}/", parcel.name);
        let listed = self.talk.list(&inside, None, &mut |key| {
            each(key.key.strip_prefix(&inside).unwrap_or(&key.key));
            Go::On
        });
        listed.map_err(|error| self.told(error))
    }

    fn remove(&self, parcel: &Parcel, path: &str) -> Result<(), OutletError> {
        self.talk.delete(&key_of(parcel, path)).map_err(|error| self.told(error))
    }

    fn remove_empty(&self, _: &Parcel) -> Result<(), OutletError> {
        Ok(())
    }

    fn discard(&self, parcel: &Parcel) -> Result<(), OutletError> {
        // What was put under its own name is this item's: it began only where nothing lay.
        let mut keys = Vec::new();
        self.files(parcel, &mut |path| keys.push(path.to_string()))?;
        keys.iter().try_for_each(|path| self.remove(parcel, path))?;
        for (key, id) in self.talk.uploads(&parcel.name).unwrap_or_default() {
            if key == parcel.name || key.starts_with(&format!("{}/", parcel.name)) {
                self.talk.abort(&key, &id).map_err(|error| self.told(error))?;
            }
        }
        Ok(())
    }
}
