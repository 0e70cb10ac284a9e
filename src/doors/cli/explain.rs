//! `explain`: what a kind of trouble, a finding, a stage, a standing or an exit code means, and what to do. Made from the tables that
//! the program itself uses, so that it cannot be out of date.

use super::codes;
use crate::books::config::keys::nearest;
use crate::doors::exit::EXITS;
use crate::model::checkpoint::{Stage, Standing, TRIES_MAX};
use crate::model::trouble::{KINDS, KindRow, Remedy};
use crate::work::desk::complaint::{Complaint, Sort};

/// What each stage does, and what it leaves.
#[rustfmt::skip]
pub const STAGES: [(Stage, &str, &str); 11] = [
    (Stage::Download, "promises space, receives the deposit, and computes the digest of the whole tar", "a local deposit is read in place and stays where it is"),
    (Stage::Unpack, "reads the tar's headers and writes the member index: path, place, size, time", "nothing is unpacked on disk; hostile members are refused here"),
    (Stage::Checksum, "computes md5, sha1, sha256, sha512 and whatever the manifests name, of every member in one read", "goes on at the first member without digests after an interruption"),
    (Stage::Validate, "judges the bag by RFC 8493 and lists every fault", "a bag that is not valid is refused; nothing of it was stored"),
    (Stage::Store, "copies the files to every target of the policy, syncs them, reads them back past the page cache, and publishes the version by one rename", "files that were proved already are not copied again"),
    (Stage::Record, "proves that the policy is met, writes registry and events, and only then clears staging", "the item is kept"),
    (Stage::Gather, "reads an object that shall be given back from its proved copies into staging, and compares every digest", "a file that one copy cannot give is taken from the next"),
    (Stage::Recheck, "judges what was gathered as any bag is judged", "nothing is delivered that is not valid"),
    (Stage::Deliver, "brings the bag to the place that was asked for, and reads it back there", "it is removed there when its time is over"),
    (Stage::Remove, "puts a tombstone in the place of an object, on every target", "only what two persons asked for, after the time of grace; once begun it is carried to its end"),
    (Stage::Conclude, "writes into the registry that the object was deleted, by whom, and why", "the record of a deleted object stays"),
];

/// What each standing means.
#[rustfmt::skip]
pub const STANDINGS: [(&str, &str); 8] = [
    ("ready", "it may be taken by the next free worker of its stage"),
    ("working", "a worker has it"),
    ("waiting", "it waits for space, for its turn, or for time to cure a trouble; nothing is to be done"),
    ("held", "a person here must look: strongroom trouble show ID"),
    ("refused", "the depositor must send something else: strongroom trouble show ID --letter"),
    ("kept", "as many proved copies as the policy asks for, and a record, exist"),
    ("done", "an object was given back or given up, as it was asked for"),
    ("cancelled", "given up by a person; nothing of it was stored"),
];

/// What this word means; without a word, every word there is.
pub fn explain(word: Option<&str>) -> Result<String, Box<Complaint>> {
    let Some(word) = word else { return Ok(all()) };
    if let Some(row) = KINDS.iter().find(|row| row.name == word) {
        return Ok(kind(row));
    }
    if let Some((stage, does, more)) = STAGES.iter().find(|(stage, ..)| stage.name() == word) {
        return Ok(format!("{stage}: a stage; it {does}\n  {more}\n"));
    }
    if let Some((name, means)) = STANDINGS.iter().find(|(name, _)| *name == word) {
        return Ok(format!("{name}: a standing; {means}\n"));
    }
    if let Some((exit, means, todo)) = EXITS.iter().find(|(exit, ..)| Ok(exit.0) == word.parse()) {
        return Ok(format!("exit code {}: {means}\n  what to do: {todo}\n", exit.0));
    }
    if let Some(text) = codes::explain(word) {
        return Ok(text);
    }
    let names = KINDS
        .iter()
        .map(|row| row.name)
        .chain(Stage::ALL.iter().map(|stage| stage.name()))
        .chain(Standing::NAMES);
    let complaint = Complaint::new(
        Sort::NotFound,
        format!("\"{}\" is nothing that can be explained", word.escape_debug()),
    )
    .because("it is no kind of trouble, no code of a finding, no stage, no standing and no exit code");
    // Codes are in capitals, or at least in parts: what looks like one is compared with codes first.
    let is_code = word.chars().any(|c| c.is_ascii_uppercase());
    let near = match is_code {
        true => codes::near(word).or_else(|| nearest(word, names)),
        false => nearest(word, names).or_else(|| codes::near(word)),
    };
    Err(Box::new(match near {
        Some(near) => complaint.then_try(format!("strongroom explain {near}")),
        None => complaint.then_try("strongroom explain, for the list"),
    }))
}

/// Who can help, in a sentence.
pub fn who_can_help(remedy: Remedy) -> String {
    match remedy {
        Remedy::Time => format!("time may cure it; after {TRIES_MAX} tries the item is held for you"),
        Remedy::Depositor => "the depositor must send something else".into(),
        Remedy::Operator => "you must mend something here".into(),
        Remedy::Alarm => {
            "look before anything else is done: stored or recorded bytes are not what they were".into()
        }
        Remedy::Developer => "this program is wrong; the item is held so that it cannot do harm".into(),
    }
}

fn kind(row: &KindRow) -> String {
    let who = who_can_help(row.remedy);
    format!(
        "{}: a kind of trouble\n  meaning: {}\n  who can help: {who}\n  what happens next: {}\n  what to do: {}\n",
        row.name, row.meaning, row.next, row.advice
    )
}

fn all() -> String {
    let mut text = String::from("kinds of trouble\n");
    KINDS.iter().for_each(|row| text.push_str(&format!("  {:<18} {}\n", row.name, row.meaning)));
    text.push_str("stages\n");
    STAGES.iter().for_each(|(stage, does, _)| text.push_str(&format!("  {:<18} {does}\n", stage.name())));
    text.push_str("standings\n");
    STANDINGS.iter().for_each(|(name, means)| text.push_str(&format!("  {name:<18} {means}\n")));
    text.push_str(&codes::areas());
    text.push_str("exit codes\n");
    EXITS.iter().for_each(|(exit, means, _)| text.push_str(&format!("  {:<18} {means}\n", exit.0)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stage_standing_and_exit_code_is_explained() {
        let words = KINDS.iter().map(|row| row.name.to_string());
        let words = words.chain(Stage::ALL.iter().map(|stage| stage.to_string()));
        let words = words.chain(Standing::NAMES.iter().map(|name| name.to_string()));
        let words = words.chain(EXITS.iter().map(|(exit, ..)| exit.0.to_string()));
        for word in words {
            assert!(explain(Some(&word)).is_ok_and(|text| text.contains(&word)), "{word}");
        }
        let complaint = explain(Some("invalid-bags")).unwrap_err();
        assert_eq!(complaint.then_try, "strongroom explain invalid-bag");
        assert!(explain(None).unwrap().contains("target-io"));
        assert_eq!(explain(Some("FIX-MISMACH")).unwrap_err().then_try, "strongroom explain FIX-MISMATCH");
        assert_eq!(explain(Some("oxum-mismatsh")).unwrap_err().then_try, "strongroom explain OXUM-MISMATCH");
    }
}
