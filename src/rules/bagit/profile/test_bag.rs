//! Bags for tests of profiles.

use super::*;
use crate::model::fact::{BagPath, Member};
use crate::model::finding::Severity;
use crate::rules::bagit::policy::Policy;
use crate::rules::bagit::{BagFacts, judge};
use crate::rules::digester::digest_reader;
use crate::rules::sort::MemoryScratch;
use crate::rules::tar::Limits;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A bag that follows BagIt 1.0, with these tag and payload files beside what it needs.
pub struct Bag {
    /// Files, but for those made last.
    pub files: BTreeMap<String, String>,
    /// Its manifests.
    pub kinds: Vec<&'static str>,
    /// Its version of BagIt.
    pub version: &'static str,
    /// What it is packed in.
    pub packed: &'static str,
    /// The folder in its tar.
    pub top: &'static str,
}

/// Metadata that name the profile of the tests.
pub const NAMED: &str = "BagIt-Profile-Identifier: https://example.org/p.json\n";

impl Bag {
    /// With this bag-info.txt.
    pub fn new(info: &str) -> Bag {
        let files = [("data/a.txt", "a"), ("bag-info.txt", info)];
        Bag {
            files: files.map(|(path, text)| (path.to_string(), text.to_string())).into(),
            kinds: vec!["manifest-sha256", "tagmanifest-sha256"],
            version: "1.0",
            packed: "",
            top: "bag",
        }
    }

    /// With this file.
    pub fn with(mut self, path: &str, text: &str) -> Bag {
        self.files.insert(path.into(), text.into());
        self
    }

    /// Without this file.
    pub fn without(mut self, path: &str) -> Bag {
        self.files.remove(path);
        self
    }

    /// With these manifests.
    pub fn kinds(self, kinds: &[&'static str]) -> Bag {
        Bag { kinds: kinds.to_vec(), ..self }
    }

    /// Every file of the bag, manifests made last.
    pub fn all(&self) -> BTreeMap<String, String> {
        let mut all = self.files.clone();
        let bagit = format!("BagIt-Version: {}\nTag-File-Character-Encoding: UTF-8\n", self.version);
        all.entry("bagit.txt".into()).or_insert(bagit);
        for tag in [false, true] {
            let before = all.clone();
            for kind in self.kinds.iter().filter(|kind| kind.starts_with("tag") == tag) {
                let algorithm = Algorithm::from_label(kind.rsplit_once('-').unwrap().1).unwrap();
                let listed = before.iter().filter(|(path, _)| path.starts_with("data/") != tag);
                let lines = listed.map(|(path, text)| {
                    let digests = digest_reader(&mut text.as_bytes(), &[algorithm], &mut [0; 99]).unwrap().1;
                    format!("{}  {path}\n", digests.get(algorithm).unwrap())
                });
                all.insert(format!("{kind}.txt"), lines.collect());
            }
        }
        all
    }

    /// All that the judge says.
    pub fn judged(&self, policy: &Policy) -> Vec<Finding> {
        let files = self.all();
        let member = |(number, (path, text)): (usize, (&String, &String))| Member {
            number: number as u64,
            path: BagPath(path.as_bytes().to_vec()),
            size: text.len() as u64,
            digests: digest_reader(&mut text.as_bytes(), &Algorithm::OURS, &mut [0; 99]).unwrap().1,
            ..Member::default()
        };
        let facts = BagFacts { name: "bag", top: self.top, payload_folder: true, packed: self.packed };
        let mut findings = Vec::new();
        judge::<String>(
            &facts,
            &mut files.iter().enumerate().map(member).map(Ok),
            &|member| Ok(Box::new(files[member.path.text().unwrap()].as_bytes())),
            &MemoryScratch::default(),
            &Limits::default(),
            policy,
            &mut |finding| {
                findings.push(finding);
                Ok(())
            },
        )
        .unwrap();
        findings
    }

    /// Codes of the profile and of what it may raise, with their weights.
    pub fn told(&self, profile: &Value) -> Vec<String> {
        let profile = Arc::new(Profile::read(profile.to_string().as_bytes()));
        self.told_by(&Policy { profile: Some(profile), ..Policy::default() })
    }

    /// The same, by this policy.
    pub fn told_by(&self, policy: &Policy) -> Vec<String> {
        let findings = self.judged(policy);
        let told = findings.iter().filter(|finding| finding.severity > Severity::Note);
        told.map(|finding| format!("{:?} {}", finding.severity, finding.code)).collect()
    }
}
