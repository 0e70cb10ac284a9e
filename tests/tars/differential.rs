//! Our index against the `tar` crate's reader: what we accept it accepts, and both see the same files in the same places.

use crate::generate::{BLOCK, Naming, Part, ours, parts, plain, resum, tar_of};
use proptest::prelude::*;
use strongroom::model::finding::Severity;

/// A file: path, first byte and size.
type Row = (Vec<u8>, u64, u64);

/// Every regular file, as the `tar` crate tells them.
fn crates(tar: &[u8]) -> Result<Vec<Row>, String> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(tar).entries().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let kind = entry.header().entry_type();
        let name = entry.path_bytes().to_vec();
        // A global header is a member to the crate; a file whose name ends with `/` is a folder of old.
        if kind.is_pax_global_extensions()
            || !(kind.is_file() || kind.is_contiguous())
            || name.ends_with(b"/")
        {
            continue;
        }
        files.push((plain(&name), entry.raw_file_position(), entry.size()));
    }
    Ok(files)
}

/// The same for ours, and whether a repeated member was left out.
fn mine(tar: &[u8]) -> Option<Vec<Row>> {
    let members = ours(&tar.to_vec()).ok()?;
    let row = |member: strongroom::model::fact::Member| {
        ([b"bag/", &member.path.0[..]].concat(), member.offset, member.size)
    };
    Some(members.into_iter().map(row).collect())
}

/// The crate takes pax records line by line, so it loses one with a line end in its value: a name told by such a record is
/// not compared. We take records by their length, as they say themselves.
fn beyond_the_crate(parts: &[Part]) -> bool {
    parts
        .iter()
        .any(|part| part.name.contains(&b'\n') && (part.naming == Naming::Pax || part.name.len() > 100))
}

fn shown((mine, theirs): (&Row, &Row)) -> String {
    let row = |(name, offset, size): &Row| format!("{} {offset} {size}", name.escape_ascii());
    format!("{}\n{}", row(mine), row(theirs))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_both_accept_they_read_alike(parts in parts()) {
        prop_assume!(!beyond_the_crate(&parts));
        let tar = tar_of(&parts);
        match ours(&tar) {
            Ok(_) => {
                let mut theirs = crates(&tar).map_err(TestCaseError::fail)?;
                // A file that comes twice with the same bytes is given once here.
                let mut seen = std::collections::BTreeSet::new();
                theirs.retain(|(name, _, _)| seen.insert(name.clone()));
                prop_assert_eq!(mine(&tar).unwrap(), theirs);
            }
            Err(findings) => {
                // Names by chance alike, or a file where a folder must be: nothing else may be wrong with these.
                for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
                    prop_assert!(
                        ["SER-DUPLICATE-MEMBER", "SER-CLASH", "SER-STRAY-TOP-LEVEL"].contains(&finding.code.as_str()),
                        "{} {}", finding.code, finding.message
                    );
                }
            }
        }
    }

    #[test]
    fn what_we_accept_of_a_damaged_tar_the_crate_accepts_and_reads_alike(
        parts in parts(),
        flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4),
        cut in proptest::option::weighted(0.2, any::<u16>()),
    ) {
        prop_assume!(!beyond_the_crate(&parts));
        let mut tar = tar_of(&parts);
        let blocks = tar.len() / BLOCK;
        for (place, byte) in flips {
            // Headers are what matters: flips in them, and their checksums mended.
            let block = usize::from(place) % blocks * BLOCK;
            let place = block + usize::from(place / 7) % BLOCK;
            let mut sound = tar[block..block + BLOCK].to_vec();
            resum(&mut sound);
            let is_header = tar[block..block + BLOCK] == sound;
            // The crate wants every byte of the magic, we what GNU tar wants; and it parts pax records by line ends.
            if is_header && (257..265).contains(&(place - block)) || !is_header && byte == b'\n' {
                continue;
            }
            tar[place] = byte;
            if is_header {
                resum(&mut tar[block..block + BLOCK]);
            }
        }
        if let Some(cut) = cut {
            let left = tar.len() - usize::from(cut) % tar.len();
            tar.truncate(left);
        }
        if let Some(mine) = mine(&tar) {
            let top = |name: &Vec<u8>| name.starts_with(b"bag/");
            // What is cut off of padding or of an end mark is zeros: we take them as read, the crate wants whole blocks.
            tar.resize(tar.len().next_multiple_of(BLOCK), 0);
            // Beside the bag only what we tell of may lie, and the top folder may have got another name.
            let mut theirs = crates(&tar).map_err(TestCaseError::fail)?;
            let mut seen = std::collections::BTreeSet::new();
            theirs.retain(|(name, _, _)| seen.insert(name.clone()));
            if theirs.iter().all(|(name, _, _)| top(name)) {
                let apart: Vec<_> = mine.iter().zip(&theirs).filter(|(a, b)| a != b).map(shown).collect();
                prop_assert!(mine.len() == theirs.len() && apart.is_empty(), "{:#?}", apart);
            } else {
                let places = |rows: &[Row]| -> Vec<(u64, u64)> {
                    rows.iter().map(|(_, offset, size)| (*offset, *size)).collect()
                };
                let theirs = places(&theirs);
                prop_assert!(places(&mine).iter().all(|place| theirs.contains(place)));
            }
        }
    }
}
