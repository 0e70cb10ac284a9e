//! Faults of our own side: a disk that fails or is full, files that vanish, limits of the machine.

use crate::kit::{Bag, bag, judge_while, judging};
use crate::profiles;
use std::convert::Infallible;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use strongroom::model::fact::Member;
use strongroom::model::finding::Finding;
use strongroom::rules::bagit::policy::Policy;
use strongroom::rules::bagit::{self, BagFacts, JudgeError};
use strongroom::rules::sort::Scratch;
use strongroom::rules::tar::Limits;
use strongroom::work::judging::{self as work, Outcome};

/// A scratch place whose every write fails so.
struct Broken(i32);

impl Scratch for Broken {
    fn keep(&self, _: &mut dyn Read) -> io::Result<u64> {
        Err(io::Error::from_raw_os_error(self.0))
    }

    fn open(&self, _: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        unreachable!("nothing was kept")
    }

    fn forget(&self, _: u64) {}
}

/// Judging with sorters that have no memory and this scratch place.
fn scratch_fails(errno: i32) -> Finding {
    let limits = Limits { sort_bytes: 0, ..Limits::default() };
    let facts = BagFacts { name: "bag", ..BagFacts::default() };
    let member = Member { path: "data/a".into(), ..Member::default() };
    let judged = bagit::judge::<Infallible>(
        &facts,
        &mut [Ok(member)].into_iter(),
        &|_| Ok(Box::new(io::empty())),
        &Broken(errno),
        &limits,
        &Policy::default(),
        &mut |_| Ok(()),
    );
    let error = match judged.unwrap_err() {
        JudgeError::Scratch(error) => JudgeError::Scratch(error),
        other => panic!("{other}"),
    };
    work::unjudged(error).remove(0)
}

/// Judging while something happens to the bag: at its first finding, before its files are digested.
fn meanwhile(happens: &dyn Fn(&Path)) -> Finding {
    let warned = Bag { empty: ["data/empty".to_string()].into(), ..bag() };
    let judging = judging(Policy::default(), Limits::default());
    let (outcome, findings) = judge_while(&warned.folder(), &judging, happens);
    assert_eq!(outcome, Outcome::Unjudged, "{findings:?}");
    findings.last().unwrap().clone()
}

/// Code, and the finding that its fault brought about.
pub fn faults() -> Vec<(&'static str, Finding)> {
    let absent = {
        let judging = judging(Policy::default(), Limits::default());
        let mut findings = Vec::new();
        let judged = judging.judge(Path::new("/nowhere/bag.tar"), &mut |finding| findings.push(finding));
        assert_eq!(judged.outcome, Outcome::Unjudged);
        findings.remove(0)
    };
    vec![
        ("ENV-DISK-SPACE", scratch_fails(28)),
        ("ENV-LIMIT", scratch_fails(24)),
        ("ENV-IO", scratch_fails(5)),
        ("ENV-IO", absent),
        (
            "ENV-INTERRUPTED",
            meanwhile(&|bag| fs::write(bag.join("data/a.txt"), "longer than it was before\n").unwrap()),
        ),
        ("PROF-FILE-INVALID", {
            let judging = judging(profiles::policy_for("PROF-FILE-INVALID"), Limits::default());
            let (outcome, findings) = judge_while(&profiles::named().folder(), &judging, &|_| ());
            assert_eq!(outcome, Outcome::Invalid, "{findings:?}");
            findings[0].clone()
        }),
        ("FIX-UNREADABLE", meanwhile(&|bag| drop(fs::remove_file(bag.join("data/a.txt"))))),
    ]
}
