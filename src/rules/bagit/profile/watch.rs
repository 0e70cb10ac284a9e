//! A profile beside the judge: it watches what the judge reads, and tells what the profile has to say.
//!
//! - What is fatal to a profile (how the bag is packed, its version) is told first; then the rest, all of it.
//! - It holds one row for each rule of the profile, never one for each file or line of the bag.
//! - Without a profile it still applies the switches that stand for themselves.

use super::{Dialect, Empty, Kinds, Presence, Profile, TagRule, is_standard, plain_kind, told};
use crate::model::fact::Member;
use crate::model::finding::{Finding, Severity};
use crate::rules::bagit::declaration::Declared;
use crate::rules::bagit::manifest::Manifest;
use crate::rules::bagit::paths::{base_name, is_apple_double};
use crate::rules::bagit::policy::{FileNames, Policy, StorageOption, Versions};
use crate::rules::bagit::report::{Halt, Out};
use crate::rules::bagit::{BagFacts, version};

/// The tag by which a bag asks for a way of being stored (APTrust, BTR).
const STORAGE_OPTION: &str = "Storage-Option";

/// Bytes of such a value; what is longer names nothing.
const STORAGE_OPTION_MAX: usize = 200;

/// The tag by which a bag names its profiles.
const IDENTIFIER: &str = "BagIt-Profile-Identifier";

/// Labels that are BagIt's own affair (RFC 8493, 2.1.1 and 2.2.2), and the one above.
const RESERVED: [&str; 19] = [
    "bagit-version",
    "tag-file-character-encoding",
    "source-organization",
    "organization-address",
    "contact-name",
    "contact-phone",
    "contact-email",
    "external-description",
    "bagging-date",
    "packing-date",
    "external-identifier",
    "bag-size",
    "package-size",
    "payload-oxum",
    "bag-group-identifier",
    "bag-count",
    "internal-sender-identifier",
    "internal-sender-description",
    "bagit-profile-identifier",
];

/// Identifiers that are remembered for a sentence, and profiles that are told to be unknown.
const NAMED_MAX: usize = 5;

/// What was seen of a tag that a rule speaks of.
#[derive(Clone, Debug, Default)]
struct Seen {
    count: u64,
    with_value: u64,
    first: u64,
    case_told: bool,
}

/// Watches one bag.
pub struct Watch<'p> {
    policy: &'p Policy,
    /// The profile, when there is one that can be applied.
    profile: Option<&'p Profile>,
    /// One row for each rule for tags.
    seen: Vec<Seen>,
    /// Tag files with rules, and whether they are there.
    rule_files: Vec<(&'p str, Option<Member>)>,
    /// For each required tag file and payload file, whether it was seen.
    tag_files: Vec<bool>,
    payload_files: Vec<bool>,
    info_name: &'static str,
    named: bool,
    others: Vec<String>,
    payload: (u64, u64),
    storage_option: Option<String>,
}

impl<'p> Watch<'p> {
    /// Nothing seen yet.
    pub fn new(policy: &'p Policy) -> Watch<'p> {
        let profile = policy.profile.as_deref().filter(|profile| profile.is_sound());
        Watch {
            policy,
            profile,
            seen: profile.map_or_else(Vec::new, |profile| vec![Seen::default(); profile.tags.len()]),
            rule_files: profile.map_or_else(Vec::new, |profile| {
                profile.files_with_rules().into_iter().map(|file| (file, None)).collect()
            }),
            tag_files: profile.map_or_else(Vec::new, |profile| vec![false; profile.tag_files.required.len()]),
            payload_files: profile
                .map_or_else(Vec::new, |profile| vec![false; profile.payload_files.required.len()]),
            info_name: version::Version::V1_0.info_name(),
            named: false,
            others: Vec::new(),
            payload: (0, 0),
            storage_option: None,
        }
    }

    /// Before anything is read: a profile that is wrong in itself, and how the bag is packed.
    pub fn start(&self, bag: &BagFacts<'_>, out: &mut Out<'_>) -> Result<(), Halt> {
        let Some(profile) = self.profile else {
            let faults = self.policy.profile.iter().flat_map(|profile| profile.findings());
            return faults.into_iter().try_for_each(|finding| out.say(finding));
        };
        let media = bag.media();
        let packed = media.is_some();
        let found = media.unwrap_or("a folder");
        let accepted = match profile.serialization {
            Presence::Forbidden => !packed,
            Presence::Required if !packed => false,
            _ => media.is_none_or(|media| accepts(&profile.media, media)),
        };
        if accepted { Ok(()) } else { out.say(told::serialization(profile, found)) }
    }

    /// A file of the bag, in any order: tag files with rules are kept in mind, to be read.
    pub fn member(&mut self, member: &Member) {
        if member.path.is_payload() {
            return;
        }
        for (file, found) in &mut self.rule_files {
            if file.as_bytes() == member.path.0 {
                *found = Some(member.clone());
            }
        }
    }

    /// bagit.txt was read, and all names of the bag are known.
    pub fn declared(
        &mut self,
        declared: Declared,
        manifests: &mut dyn Iterator<Item = &Manifest>,
        fetch: bool,
        out: &mut Out<'_>,
    ) -> Result<(), Halt> {
        self.info_name = declared.version.info_name();
        if declared.certain {
            self.version(declared.version.name(), out)?;
        }
        let Some(profile) = self.profile else { return Ok(()) };
        let mut kinds: [Vec<String>; 2] = [Vec::new(), Vec::new()];
        for manifest in manifests {
            let kind = plain_kind(&manifest.label);
            let asked = if manifest.is_tag { &profile.tag_manifests } else { &profile.manifests };
            if !allows(asked, &kind) {
                let allowed = asked.allowed.as_deref();
                out.say(told::manifest_not_allowed(profile, &manifest.name, allowed))?;
            }
            kinds[usize::from(manifest.is_tag)].push(kind);
        }
        let asked = [(&profile.manifests, "manifest"), (&profile.tag_manifests, "tagmanifest")];
        for ((asked, stem), there) in asked.into_iter().zip(kinds) {
            for kind in asked.required.iter().filter(|kind| !there.contains(kind)) {
                out.say(told::manifest_required(profile, &format!("{stem}-{kind}.txt")))?;
            }
        }
        match profile.fetch {
            Presence::Forbidden if fetch => out.say(told::fetch(profile)),
            Presence::Required if !fetch => out.say(told::fetch(profile)),
            _ => Ok(()),
        }
    }

    fn version(&self, found: &str, out: &mut Out<'_>) -> Result<(), Halt> {
        let by_profile = self.profile.map_or(&[][..], |profile| &profile.versions);
        let current = ["0.97".to_string(), "1.0".to_string()];
        let (accepted, ruled) = match self.policy.switches.bagit_version {
            Versions::AsProfile => (by_profile, false),
            Versions::Current => (&current[..], true),
            Versions::Any => (&[][..], true),
        };
        let fits = |accepted: &[String]| {
            accepted.is_empty() || accepted.iter().any(|version| version.trim() == found)
        };
        let rule = || format!("bagit_version = {}", self.policy.switches.bagit_version);
        match (fits(accepted), fits(by_profile)) {
            (true, true) => Ok(()),
            (false, by_profile) => {
                let mut finding = told::version(self.profile.filter(|_| !ruled), accepted, found);
                finding.rule = (ruled && by_profile).then(rule);
                out.say(finding)
            }
            (true, false) => {
                let mut finding = told::version(self.profile, by_profile, found);
                finding.severity = Severity::Note;
                finding.rule = Some(rule());
                out.say(finding)
            }
        }
    }

    /// Tag files to be read for their rules, beside the bag's own metadata.
    pub fn to_read(&self) -> Vec<Member> {
        let own = |name: &str| matches!(name, "bag-info.txt" | "package-info.txt");
        self.rule_files
            .iter()
            .filter(|(name, _)| !own(name))
            .filter_map(|(_, member)| member.clone())
            .collect()
    }

    /// What the bag says of how it shall be stored, in the first tag file that says it.
    pub fn storage_option(&self) -> Option<String> {
        self.storage_option.clone()
    }

    /// One element of a tag file.
    pub fn element(
        &mut self,
        file: &str,
        label: &str,
        value: &str,
        line: u64,
        out: &mut Out<'_>,
    ) -> Result<(), Halt> {
        if label.eq_ignore_ascii_case(STORAGE_OPTION)
            && !value.is_empty()
            && value.len() <= STORAGE_OPTION_MAX
        {
            self.storage_option.get_or_insert_with(|| value.to_string());
        }
        if file == self.info_name && label.eq_ignore_ascii_case(IDENTIFIER) {
            self.identifier(file, value, line, out)?;
        }
        let Some(profile) = self.profile else { return Ok(()) };
        for (place, rule) in profile.tags.iter().enumerate() {
            if rule.label.eq_ignore_ascii_case(label) && self.stands_in(rule, file) {
                self.tag(profile, rule, place, (file, label, value, line), out)?;
            }
        }
        Ok(())
    }

    fn stands_in(&self, rule: &TagRule, file: &str) -> bool {
        let info = |name: &str| matches!(name, "bag-info.txt" | "package-info.txt");
        rule.file == file || (info(&rule.file) && info(file))
    }

    fn tag(
        &mut self,
        profile: &Profile,
        rule: &TagRule,
        place: usize,
        (file, label, value, line): (&str, &str, &str, u64),
        out: &mut Out<'_>,
    ) -> Result<(), Halt> {
        let seen = &mut self.seen[place];
        seen.count += 1;
        seen.with_value += u64::from(!value.is_empty());
        if seen.count == 1 {
            seen.first = line;
        }
        if rule.presence == Presence::Forbidden {
            return out.say(told::tag_forbidden(profile, rule, file, line));
        }
        let reserved = RESERVED.iter().any(|known| known.eq_ignore_ascii_case(label));
        if profile.dialect == Dialect::Standard && !reserved && label != rule.label && !seen.case_told {
            seen.case_told = true;
            out.say(told::label_case(profile, rule, file, line, label))?;
        }
        if seen.count == 2 && !rule.repeatable {
            out.say(told::tag_repeated(profile, rule, file, seen.first, line))?;
        }
        // What an empty value means is known at the end, when no other has come.
        let known = |known: &String| {
            known.trim() == value || (rule.any_case && known.trim().to_lowercase() == value.to_lowercase())
        };
        let ruled = rule.file == "bagit.txt" && self.policy.switches.bagit_version != Versions::AsProfile;
        if (ruled && label.eq_ignore_ascii_case("BagIt-Version"))
            || value.is_empty()
            || rule.values.is_empty()
            || rule.values.iter().any(known)
        {
            return Ok(());
        }
        out.say(told::tag_value(profile, rule, file, line, value))
    }

    fn identifier(&mut self, file: &str, value: &str, line: u64, out: &mut Out<'_>) -> Result<(), Halt> {
        match self.profile {
            Some(profile) if profile.is_named(value) => self.named = true,
            Some(_) if self.others.len() < NAMED_MAX => self.others.push(value.to_string()),
            None if self.policy.profile.is_none() && self.others.len() < NAMED_MAX => {
                self.others.push(value.to_string());
                return out.say(told::unknown(file, line, value));
            }
            _ => {}
        }
        Ok(())
    }

    /// One file of the bag, in the order of names.
    pub fn file(&mut self, path: &[u8], size: u64, out: &mut Out<'_>) -> Result<(), Halt> {
        self.name(path, out)?;
        let Some(profile) = self.profile else { return Ok(()) };
        let payload = path.starts_with(b"data/");
        let (files, found) = match payload {
            true => (&profile.payload_files, &mut self.payload_files),
            false => (&profile.tag_files, &mut self.tag_files),
        };
        for (wanted, found) in files.required.iter().zip(found) {
            let below = wanted.ends_with('/') && path.starts_with(wanted.as_bytes());
            *found |= below || wanted.as_bytes() == path;
        }
        let spoken_of = |list: &[String]| list.iter().any(|name| name.as_bytes() == path);
        let listed = files.allowed.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(path)));
        if payload {
            self.payload = (self.payload.0 + 1, self.payload.1 + size);
            return if listed { Ok(()) } else { out.say(told::payload_not_allowed(profile, path)) };
        }
        if spoken_of(&files.forbidden) {
            return out.say(told::tag_file_not_allowed(profile, path));
        }
        let ruled = self.rule_files.iter().any(|(name, _)| name.as_bytes() == path);
        // Files of macOS's tar are told by their own code.
        if is_standard(path) || ruled || is_apple_double(base_name(path)) {
            return Ok(());
        }
        let exempt = spoken_of(&files.required) || spoken_of(&files.optional);
        let other = !exempt
            && if path.contains(&b'/') { profile.no_other_folders } else { profile.no_other_top_files };
        if listed && !other { Ok(()) } else { out.say(told::tag_file_not_allowed(profile, path)) }
    }

    fn name(&self, path: &[u8], out: &mut Out<'_>) -> Result<(), Halt> {
        let by_profile = self.profile.and_then(|profile| profile.names.as_ref());
        let broken = |rule: &super::NameRule| rule.broken_by(path).map(|why| (rule.to_string(), why));
        let ruled = || Some(format!("file_names = {}", self.policy.switches.file_names));
        match &self.policy.switches.file_names {
            FileNames::AsProfile => match by_profile.and_then(broken) {
                Some((rule, why)) => out.say(told::name_rule(self.profile, path, &rule, &why)),
                None => Ok(()),
            },
            FileNames::Any => match by_profile.and_then(broken) {
                Some((rule, why)) => {
                    let finding = told::name_rule(self.profile, path, &rule, &why);
                    out.say(Finding { severity: Severity::Note, rule: ruled(), ..finding })
                }
                None => Ok(()),
            },
            FileNames::By(rule) => match broken(rule) {
                Some((text, why)) => {
                    let finding = told::name_rule(None, path, &text, &why);
                    out.say(Finding { rule: ruled(), ..finding })
                }
                None => Ok(()),
            },
        }
    }

    /// Everything was seen: what is missing.
    pub fn finish(&self, out: &mut Out<'_>) -> Result<(), Halt> {
        let Some(profile) = self.profile else { return Ok(()) };
        if profile.must_be_named && !self.named {
            out.say(told::not_declared(profile, self.info_name, &self.others))?;
        }
        self.missing_files(profile, out)?;
        for (rule, seen) in profile.tags.iter().zip(&self.seen) {
            self.missing_tag(profile, rule, seen, out)?;
        }
        let (files, bytes) = self.payload;
        if profile.data_empty && (files > 1 || bytes > 0) {
            out.say(told::data_empty(profile, files, bytes))?;
        }
        Ok(())
    }

    fn missing_files(&self, profile: &Profile, out: &mut Out<'_>) -> Result<(), Halt> {
        for (file, found) in profile.tag_files.required.iter().zip(&self.tag_files) {
            if !found {
                out.say(told::tag_file_required(profile, file))?;
            }
        }
        for (file, found) in profile.payload_files.required.iter().zip(&self.payload_files) {
            if !found {
                out.say(told::payload_required(profile, file))?;
            }
        }
        // A file whose tags are required is required; a bag without bagit.txt is told by BagIt itself.
        for (file, found) in &self.rule_files {
            let needed = |rule: &TagRule| rule.file == **file && rule.presence == Presence::Required;
            let told = profile.tag_files.required.iter().any(|name| name == file);
            let is_read = matches!(*file, "bagit.txt" | "bag-info.txt" | "package-info.txt");
            if found.is_none() && !told && !is_read && profile.tags.iter().any(needed) {
                out.say(told::tag_file_required(profile, file))?;
            }
        }
        Ok(())
    }

    fn missing_tag(
        &self,
        profile: &Profile,
        rule: &TagRule,
        seen: &Seen,
        out: &mut Out<'_>,
    ) -> Result<(), Halt> {
        let file = if rule.file == "bag-info.txt" { self.info_name } else { &rule.file };
        let no_declaration =
            |(name, member): &(&str, Option<Member>)| *name == "bagit.txt" && member.is_none();
        if rule.file == "bagit.txt" && self.rule_files.iter().any(no_declaration) {
            return Ok(());
        }
        if seen.count == 0 {
            return match rule.presence {
                Presence::Required => out.say(self.excused(rule, told::tag_missing(profile, rule, file))),
                _ if rule.recommended => out.say(told::tag_recommended(profile, rule, file)),
                _ => Ok(()),
            };
        }
        if seen.with_value > 0 || rule.empty == Empty::Fine || rule.presence == Presence::Forbidden {
            return Ok(());
        }
        let unlisted = !rule.values.is_empty() && rule.values.iter().all(|value| !value.trim().is_empty());
        let severity = match (rule.presence, rule.empty) {
            (Presence::Required, Empty::Wrong) => Severity::Error,
            _ if unlisted => Severity::Error,
            (Presence::Required, _) => Severity::Warning,
            _ => return Ok(()),
        };
        out.say(told::tag_empty(profile, rule, file, seen.first, severity))
    }

    /// APTrust's guide takes a bag without Storage-Option for one that says Standard; its profiles require the tag.
    fn excused(&self, rule: &TagRule, finding: Finding) -> Finding {
        let absent_is_standard = self.policy.switches.storage_option == StorageOption::Standard;
        if !absent_is_standard || !rule.label.eq_ignore_ascii_case(STORAGE_OPTION) {
            return finding;
        }
        let rule = Some(format!("storage_option = {}", self.policy.switches.storage_option));
        let advice = "Nothing to do; the bag is taken to say Standard.".into();
        Finding { severity: Severity::Note, rule, advice, ..finding }
    }
}

fn allows(asked: &Kinds, kind: &String) -> bool {
    !asked.forbidden.contains(kind) && asked.allowed.as_ref().is_none_or(|allowed| allowed.contains(kind))
}

/// True when one of these media types means the same as this one; an empty list accepts any.
fn accepts(listed: &[String], media: &str) -> bool {
    let media = plain_media(media);
    listed.is_empty() || listed.iter().any(|known| plain_media(known) == media)
}

/// Media types have several names each; profiles use them all.
fn plain_media(media: &str) -> String {
    let media = media.trim().to_ascii_lowercase();
    let subtype = media.strip_prefix("application/").unwrap_or(&media);
    let plain = match subtype.strip_prefix("x-").unwrap_or(subtype) {
        "tar" | "gtar" | "ustar" => "tar",
        "gzip" | "tar+gzip" | "tar-gz" | "tgz" | "gtar-compressed" | "compressed-tar" => "gzip",
        "bzip" | "bzip2" | "bzip-compressed-tar" | "bzip2-compressed-tar" | "tar+bzip2" => "bzip2",
        "zstd" | "tar+zstd" | "zstd-compressed-tar" => "zstd",
        "zip" | "zip-compressed" => "zip",
        other => other,
    };
    plain.to_string()
}
