//! The places that the configuration allows: buckets that it names, and folders outside of what is ours.
//!
//! - Nothing is given back into the data folder, a staging volume, a target, or the ledger.
//! - A folder that the configuration names must be there: a missing mount is not filled. Another one is made.

use super::local::LocalOutlet;
use super::s3::S3Outlet;
use super::{Outlet, OutletError, Outlets};
use crate::worlds::clock::Clock;
use crate::worlds::target::s3::BucketTarget;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceOut {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub at: OutAt,
}

/// Where a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutAt {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Box<BucketTarget>),
}

impl PlaceOut {
    /// What an order says for it: an absolute folder, or `s3://bucket/prefix`.
    pub fn to(&self) -> String {
        match &self.at {
            OutAt::Folder(path) => path.display().to_string(),
            OutAt::Bucket(bucket) => {
                let prefix = bucket.place.prefix.trim_matches('/');
                let slash = if prefix.is_empty() { "" } else { "/" };
                format!("s3://{}{slash}{prefix}", bucket.place.bucket)
            }
        }
    }
}

/// The places of the configuration.
pub struct Places {
    /// Those that it names.
    pub named: Vec<PlaceOut>,
    /// Folders that are ours.
    pub ours: Vec<PathBuf>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Places {
    /// The folder of ours that this one lies in.
    fn not_apart(&self, path: &Path) -> Option<&Path> {
        // By their real paths, as far as they are there: a link must not lead into a target.
        let real = real(path);
        let inside = |ours: &&PathBuf| path.starts_with(ours) || real.starts_with(self::real(ours));
        self.ours.iter().find(inside).map(PathBuf::as_path)
    }
}

/// The real path of what is there of it, and the rest.
fn real(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    let mut above = path;
    loop {
        if let Ok(found) = std::fs::canonicalize(above) {
            return rest.iter().rev().fold(found, |path, name| path.join(name));
        }
        let (Some(name), Some(parent)) = (above.file_name(), above.parent()) else {
            return path.to_path_buf();
        };
        rest.push(name.to_os_string());
        above = parent;
    }
}

impl Outlets for Places {
    fn open(&self, to: &str) -> Result<Arc<dyn Outlet>, OutletError> {
        let named = self.named.iter().find(|place| place.to() == to.trim_end_matches('/'));
        if let Some(PlaceOut { name, at: OutAt::Bucket(bucket) }) = named {
            return Ok(Arc::new(S3Outlet::new(name, bucket, self.clock.clone())));
        }
        let missing = |why: &str| OutletError::Missing { place: to.into(), why: why.into() };
        let path = Path::new(to);
        if !path.is_absolute() {
            return Err(missing("it is no [[place]] of the configuration, and no absolute path"));
        }
        if path.components().any(|part| part == std::path::Component::ParentDir) {
            return Err(missing("it climbs with \"..\""));
        }
        if let Some(ours) = self.not_apart(path) {
            let why = format!("it lies in {}, which is ours; nothing is given back there", ours.display());
            return Err(OutletError::Denied { place: to.into(), why });
        }
        Ok(Arc::new(LocalOutlet::open(path, named.is_none())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::clock::rehearsal::RehearsalClock;

    #[test]
    fn nothing_is_given_back_into_what_is_ours_by_whatever_way_it_is_named() {
        let top = tempfile::tempdir().unwrap();
        let path = |name: &str| top.path().join(name).display().to_string();
        std::fs::create_dir_all(path("vault/ocfl")).unwrap();
        std::fs::create_dir_all(path("desk")).unwrap();
        std::os::unix::fs::symlink(path("vault"), path("link")).unwrap();
        let named = vec![
            PlaceOut { name: "desk".into(), at: OutAt::Folder(path("desk").into()) },
            PlaceOut { name: "away".into(), at: OutAt::Folder(path("away").into()) },
        ];
        let clock = Arc::new(RehearsalClock::new());
        let places = Places { named, ours: vec![path("vault").into()], clock };
        for to in ["vault", "vault/ocfl", "vault/new", "link", "link/new/er"] {
            assert!(matches!(places.open(&path(to)), Err(OutletError::Denied { .. })), "{to}");
        }
        for to in ["relative".to_string(), path("desk/../vault"), "s3://other/prefix".into(), path("away")] {
            assert!(matches!(places.open(&to), Err(OutletError::Missing { .. })), "{to}");
        }
        assert!(!Path::new(&path("away")).exists(), "a missing mount is not filled");
        for to in ["desk", "made/new"] {
            assert_eq!(places.open(&path(to)).map(|outlet| outlet.shown()).ok(), Some(path(to)), "{to}");
        }
    }
}
