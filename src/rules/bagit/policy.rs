//! How a bag is judged where BagIt leaves a choice.
//!
//! - Without a profile, and with every switch as it is by default, a bag is judged by BagIt alone.
//! - A switch that changed what a finding weighs is named in that finding.

use super::profile::{NameRule, Profile};
use crate::model::code::weigh;
use crate::model::finding::{Finding, Severity};
use std::fmt;
use std::sync::Arc;

/// What the receiver asks for beyond BagIt itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Warnings that the table of codes marks so are errors.
    pub strict: bool,
    /// The profile to judge by.
    pub profile: Option<Arc<Profile>>,
    /// The six rules about which receivers disagree.
    pub switches: Switches,
}

impl Policy {
    /// A finding that was made without knowing the policy, weighed by it.
    pub fn weigh(&self, mut finding: Finding) -> Finding {
        let natural = self.natural(&mut finding);
        let (name, weighs) = match finding.code.as_str() {
            "SER-NAME-DIFFERS" => ("folder_name", self.switches.folder_name),
            "OXUM-MISMATCH" => ("oxum", self.switches.oxum),
            "SER-APPLEDOUBLE" => ("apple_double", self.switches.apple_double),
            _ => ("", Weighs::AsProfile),
        };
        finding.severity = weighs.severity().unwrap_or(natural);
        if finding.severity != natural {
            finding.rule = Some(format!("{name} = {weighs}"));
        }
        finding.severity = weigh(&finding.code, finding.severity, self.strict);
        finding
    }

    /// What the finding weighs by BagIt and the profile.
    fn natural(&self, finding: &mut Finding) -> Severity {
        let profile = self.profile.as_deref().filter(|profile| profile.is_sound() && profile.folder_is_name);
        if let (Some(profile), "SER-NAME-DIFFERS") = (profile, finding.code.as_str()) {
            finding.clause = format!("profile {}", profile.title);
            finding.advice = "Give the tar and the folder in it the same name.".into();
            return Severity::Error;
        }
        finding.severity
    }
}

/// The six rules about which receivers disagree. By default each is as BagIt and the profile have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// A tar whose folder has another name than the tar.
    pub folder_name: Weighs,
    /// Versions of BagIt that are accepted.
    pub bagit_version: Versions,
    /// A Payload-Oxum that does not fit.
    pub oxum: Weighs,
    /// How files may be called.
    pub file_names: FileNames,
    /// Files that macOS adds for attributes.
    pub apple_double: Weighs,
    /// A bag without Storage-Option, where its profile requires one.
    pub storage_option: StorageOption,
}

/// What a fault weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weighs {
    /// As BagIt and the profile have it.
    #[default]
    AsProfile,
    /// It is an error.
    Error,
    /// It is a warning.
    Warning,
    /// It is a note.
    Note,
}

impl Weighs {
    fn severity(self) -> Option<Severity> {
        match self {
            Weighs::AsProfile => None,
            Weighs::Error => Some(Severity::Error),
            Weighs::Warning => Some(Severity::Warning),
            Weighs::Note => Some(Severity::Note),
        }
    }

    /// The setting of this word.
    pub fn from_word(word: &str) -> Option<Weighs> {
        [Weighs::AsProfile, Weighs::Error, Weighs::Warning, Weighs::Note]
            .into_iter()
            .find(|weighs| weighs.to_string() == word)
    }
}

impl fmt::Display for Weighs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Weighs::AsProfile => "profile",
            Weighs::Error => "error",
            Weighs::Warning => "warning",
            Weighs::Note => "note",
        })
    }
}

/// Which versions of BagIt are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// Those that the profile names; without a profile, all that we can judge.
    #[default]
    AsProfile,
    /// 0.97 and 1.0.
    Current,
    /// All that we can judge.
    Any,
}

impl Versions {
    /// The setting of this word.
    pub fn from_word(word: &str) -> Option<Versions> {
        [Versions::AsProfile, Versions::Current, Versions::Any]
            .into_iter()
            .find(|versions| versions.to_string() == word)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Versions::AsProfile => "profile",
            Versions::Current => "current",
            Versions::Any => "any",
        })
    }
}

/// How files may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FileNames {
    /// As the profile has it; without a profile, as they like.
    #[default]
    AsProfile,
    /// As they like.
    Any,
    /// By this rule.
    By(NameRule),
}

impl FileNames {
    /// The words there are.
    pub const WORDS: [&'static str; 6] = ["profile", "any", "guide", "permissive", "aptrust", "posix"];

    /// The setting of this word.
    pub fn from_word(word: &str) -> Option<FileNames> {
        match word {
            "profile" => Some(FileNames::AsProfile),
            "any" => Some(FileNames::Any),
            word if FileNames::WORDS.contains(&word) => NameRule::from_config(word).ok().map(FileNames::By),
            _ => None,
        }
    }
}

impl fmt::Display for FileNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileNames::AsProfile => out.write_str("profile"),
            FileNames::Any => out.write_str("any"),
            FileNames::By(rule) => out.write_str(rule.word()),
        }
    }
}

/// What a bag without Storage-Option means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageOption {
    /// What the profile says: where it requires the tag, a fault.
    #[default]
    AsProfile,
    /// Storage option Standard, as APTrust's guide has it.
    Standard,
}

impl StorageOption {
    /// The setting of this word.
    pub fn from_word(word: &str) -> Option<StorageOption> {
        match word {
            "profile" => Some(StorageOption::AsProfile),
            "standard" => Some(StorageOption::Standard),
            _ => None,
        }
    }
}

impl fmt::Display for StorageOption {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            StorageOption::AsProfile => "profile",
            StorageOption::Standard => "standard",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed(code: &str, severity: Severity, policy: &Policy) -> (Severity, Option<String>) {
        let finding = policy.weigh(Finding::new(code, severity, "", "x"));
        (finding.severity, finding.rule)
    }

    #[test]
    fn a_switch_is_named_only_where_it_changed_something() {
        let strict = Policy { strict: true, ..Policy::default() };
        let profile = Profile { folder_is_name: true, title: "T".into(), ..Profile::default() };
        let named = Policy { profile: Some(Arc::new(profile)), ..Policy::default() };
        let switches = Switches {
            folder_name: Weighs::Warning,
            oxum: Weighs::Warning,
            apple_double: Weighs::Error,
            ..Switches::default()
        };
        let mild = Policy { switches, ..named.clone() };
        use Severity::{Error, Note, Warning};
        let rule = |text: &str| Some(text.to_string());
        #[rustfmt::skip]
        let table = [
            ("SER-NAME-DIFFERS", Warning, &strict, Warning, None),
            ("SER-NAME-DIFFERS", Warning, &named, Error, None),
            ("SER-NAME-DIFFERS", Warning, &mild, Warning, rule("folder_name = warning")),
            ("OXUM-MISMATCH", Error, &named, Error, None),
            ("OXUM-MISMATCH", Error, &mild, Warning, rule("oxum = warning")),
            ("SER-APPLEDOUBLE", Warning, &mild, Error, rule("apple_double = error")),
            ("TEXT-BOM", Warning, &strict, Error, None),
            ("OXUM-NONE", Note, &strict, Note, None),
        ];
        for (code, before, policy, after, rule) in table {
            assert_eq!(weighed(code, before, policy), (after, rule), "{code}");
        }
    }

    #[test]
    fn every_setting_is_the_one_of_its_word() {
        for word in ["profile", "error", "warning", "note"] {
            assert_eq!(Weighs::from_word(word).unwrap().to_string(), word);
        }
        for word in ["profile", "current", "any"] {
            assert_eq!(Versions::from_word(word).unwrap().to_string(), word);
        }
        for word in FileNames::WORDS {
            assert_eq!(FileNames::from_word(word).unwrap().to_string(), word);
        }
        for word in ["profile", "standard"] {
            assert_eq!(StorageOption::from_word(word).unwrap().to_string(), word);
        }
        assert!(FileNames::from_word("(").is_none() && Weighs::from_word("").is_none());
    }
}
