//! BagIt versions, and how much a fault weighs in each.

use crate::model::finding::Severity;
use std::fmt;

/// A version of BagIt that we judge by its own rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Draft 00.
    V0_93,
    /// Draft 01.
    V0_94,
    /// Draft 02.
    V0_95,
    /// Drafts 03 to 05.
    V0_96,
    /// Drafts 06 to 14.
    V0_97,
    /// RFC 8493.
    V1_0,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Version; 6] =
        [Version::V0_93, Version::V0_94, Version::V0_95, Version::V0_96, Version::V0_97, Version::V1_0];

    /// As bagit.txt writes it.
    pub fn name(self) -> &'static str {
        match self {
            Version::V0_93 => "0.93",
            Version::V0_94 => "0.94",
            Version::V0_95 => "0.95",
            Version::V0_96 => "0.96",
            Version::V0_97 => "0.97",
            Version::V1_0 => "1.0",
        }
    }

    /// The version written exactly so.
    pub fn from_name(name: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.name() == name)
    }

    /// True for RFC 8493.
    pub fn is_rfc(self) -> bool {
        self == Version::V1_0
    }

    /// An error in RFC 8493, a warning before it.
    pub fn rfc_error(self) -> Severity {
        if self.is_rfc() { Severity::Error } else { Severity::Warning }
    }

    /// The tag file that holds the bag's metadata.
    pub fn info_name(self) -> &'static str {
        if self < Version::V0_96 { "package-info.txt" } else { "bag-info.txt" }
    }

    /// The label, in lower case, of the day on which the bag was made.
    pub fn date_label(self) -> &'static str {
        if self < Version::V0_96 { "packing-date" } else { "bagging-date" }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
