//! The end of a tar, and what lies behind it.

use super::caught::{Caught, about, grouped};
use super::extension::read_exact_at;
use super::header::{BLOCK, is_zero, parse};
use super::walk::Stop;
use crate::model::finding::{Severity, escape};
use crate::rules::read::ReadAt;

/// Judges what starts with the zero block at `at`. `empty`: no header came before it.
pub fn judge(tar: &dyn ReadAt, at: u64, empty: bool, caught: &mut Caught) -> Result<(), Stop> {
    if empty {
        let what = "The tar holds no member.";
        let advice = "Upload it again; look into it before you send it.";
        caught.push(about("SER-EMPTY", Severity::Error, b"", what).advice(advice));
    }
    let behind = at + BLOCK as u64;
    if tar.size() < behind + BLOCK as u64 && !empty {
        no_end(caught);
    }
    let mut window = vec![0; 64 << 10];
    let mut at = behind;
    let mut rubbish = None;
    while at < tar.size() {
        let count = window.len().min(usize::try_from(tar.size() - at).unwrap_or(usize::MAX));
        read_exact_at(tar, &mut window[..count], at).map_err(|error| Stop::Read { offset: at, error })?;
        for (place, block) in window[..count].chunks(BLOCK).enumerate() {
            if is_zero(block) {
                continue;
            }
            let here = at + (place * BLOCK) as u64;
            rubbish.get_or_insert(here);
            if let Some(header) = block.first_chunk::<BLOCK>().and_then(parse) {
                let what = format!(
                    "Behind the end mark of the tar, at byte {}, another member is hidden: `{}`.",
                    grouped(here),
                    escape(&header.name[..header.name.len().min(300)])
                );
                let advice = "Make one tar of the whole bag; do not append archives to each other.";
                caught.push(about("SER-HIDDEN-MEMBERS", Severity::Error, b"", what).advice(advice));
                return Ok(());
            }
        }
        at += count as u64;
    }
    if let Some(here) = rubbish {
        let what =
            format!("Behind the end mark of the tar, from byte {}, lie bytes of no member.", grouped(here));
        let advice = "Nothing to do if the bag is as you made it; a new tar would not have them.";
        caught.push(about("SER-TRAILING-DATA", Severity::Warning, b"", what).advice(advice));
    }
    Ok(())
}

/// The tar ends at a member boundary without both of its zero blocks.
pub fn no_end(caught: &mut Caught) {
    let what = "The tar has no end mark (two blocks of zeros); it ends behind a whole member.";
    let advice = "Nothing to do if the bag is complete; some bagging tools leave the mark out.";
    caught.push(about("SER-NO-END", Severity::Warning, b"", what).advice(advice));
}
