//! `[[place]]`, `[restore]` and `[spot_test]`: where objects are given back to, for how long, and how giving back is tried.
//!
//! - A place is apart from everything that is ours, so that what is given back is never taken for a deposit or a copy.

use super::build::Builder;
use super::fault::Fault;
use crate::worlds::outlet::places::{OutAt, PlaceOut};
use crate::worlds::target::s3::{BucketTarget, ReadBack};
use std::time::Duration;

/// How objects are given back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreConfig {
    /// Places that have a name; the first is meant where none is said.
    pub places: Vec<PlaceOut>,
    /// How long what was given back stays there; none: for ever.
    pub keep: Option<Duration>,
    /// How often an object of each depositor is read back and judged for a test; none: only when asked.
    pub spot_test_every: Option<Duration>,
}

/// Keys that only one kind has a use for.
const OF_KINDS: &[(&str, &[&str])] = &[
    ("path", &["folder"]),
    ("endpoint", &["s3"]),
    ("bucket", &["s3"]),
    ("prefix", &["s3"]),
    ("region", &["s3"]),
    ("style", &["s3"]),
    ("credentials", &["s3"]),
    ("connections", &["s3"]),
    ("bandwidth", &["s3"]),
    ("proxy", &["s3"]),
    ("ca_file", &["s3"]),
    ("allow_private", &["s3"]),
    ("timeout_connect", &["s3"]),
    ("timeout_answer", &["s3"]),
    ("timeout_stall", &["s3"]),
];

impl Builder {
    /// How objects are given back.
    pub(super) fn restoring(&mut self) -> RestoreConfig {
        let places: Vec<PlaceOut> = self.rows("place").iter().filter_map(|at| self.place_out(at)).collect();
        for (number, place) in places.iter().enumerate() {
            if places[..number].iter().any(|other| other.name == place.name || other.to() == place.to()) {
                let fault =
                    Fault::new(format!("two [[place]] are called {} or lie at {}", place.name, place.to()));
                self.fault(
                    &format!("place[{number}].name"),
                    fault.because("an order names a place by one word"),
                );
            }
        }
        let some = |time: Duration| Some(time).filter(|time| !time.is_zero());
        RestoreConfig {
            places,
            keep: some(self.time("restore.keep")),
            spot_test_every: some(self.time("spot_test.every")),
        }
    }

    fn place_out(&mut self, at: &str) -> Option<PlaceOut> {
        let Some(name) = self.name(at) else {
            let fault = Fault::new("a [[place]] has no name").because("orders name it by that");
            self.fault(at, fault.then_try("name = \"...\""));
            return None;
        };
        let kind = self.text(&format!("{at}.kind"));
        self.useless(at, &name, &kind, OF_KINDS);
        if kind != "s3" {
            let Some(path) = self.optional_path(&format!("{at}.path")) else {
                let fault = Fault::new(format!("place {name} has no path"));
                self.fault(at, fault.then_try("path = \"/srv/given-back\""));
                return None;
            };
            return Some(PlaceOut { name, at: OutAt::Folder(path) });
        }
        let reaching = self.reaching(at);
        let place = self.bucket(at, &name, reaching.allow_private)?;
        let bucket =
            BucketTarget { place, storage_class: None, read_back: ReadBack::Bytes, quota: None, reaching };
        Some(PlaceOut { name, at: OutAt::Bucket(Box::new(bucket)) })
    }
}

#[cfg(test)]
mod tests {
    use crate::books::config::tests::told as read;
    use std::time::Duration;

    #[test]
    fn places_are_read_with_their_defaults() {
        let config = read(
            "[[place]]\nname='desk'\npath='/srv/back'\n[[place]]\nname='cloud'\nkind='s3'\nbucket='back'\nprefix='uva/'\n\
             endpoint='https://s3.example.org'\ncredentials='file:keys'\n",
        )
        .unwrap();
        let places: Vec<(String, String)> =
            config.restoring.places.iter().map(|place| (place.name.clone(), place.to())).collect();
        let pair = |name: &str, to: &str| (name.to_string(), to.to_string());
        assert_eq!(places, [pair("desk", "/srv/back"), pair("cloud", "s3://back/uva")]);
        assert_eq!(config.restoring.keep, Some(Duration::from_secs(14 * 86_400)));
        assert_eq!(config.restoring.spot_test_every, Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(read("[restore]\nkeep='0 s'\n").unwrap().restoring.keep, None);
    }

    #[test]
    fn a_place_that_is_not_apart_or_not_whole_is_a_fault() {
        let s3 = "[[place]]\nname='p'\nkind='s3'\n";
        let table = [
            ("[[place]]\nname='p'\n".to_string(), "place p has no path"),
            ("[[place]]\npath='/x'\n".to_string(), "a [[place]] has no name"),
            (s3.to_string(), "has no bucket"),
            (format!("{s3}bucket='b'\npath='/x'\n"), "is of the kind s3 and has no path"),
            (
                "[[place]]\nname='p'\npath='/srv/a/in'\n[[target]]\nname='a'\npath='/srv/a'\n".into(),
                "not apart",
            ),
            (
                format!(
                    "{s3}bucket='b'\nprefix='v/x'\n[[target]]\nname='a'\nkind='s3'\nbucket='b'\nprefix='v'\n"
                ),
                "not apart",
            ),
            ("[[place]]\nname='p'\npath='/x'\n[[place]]\nname='p'\npath='/y'\n".into(), "two [[place]]"),
        ];
        for (text, wanted) in table {
            let faults = read(&text).err().unwrap_or_default();
            assert!(faults.iter().any(|fault| fault.contains(wanted)), "{text}: {faults:?}");
        }
    }
}
