//! Payload-Oxum beside the payload that was counted.
//!
//! - It is only a first sign (RFC 8493, 2.2.2): it is compared after all checksums, and told with what they showed.

use super::info::Oxum;
use super::join::Counted;
use super::report::{Halt, Out, about, bytes, files, grouped};
use super::version::Version;
use crate::model::finding::{Finding, Severity};

/// What a folder takes on most file systems, and what tools add that count folders.
const FOLDER_BYTES: u64 = 4_096;

/// Compares both and tells a difference, with what explains it.
pub fn judge(oxum: Option<Oxum>, counted: Counted, version: Version, out: &mut Out<'_>) -> Result<(), Halt> {
    match oxum {
        None => {
            let what = format!("{} does not give Payload-Oxum.", version.info_name());
            let finding = about("OXUM-NONE", Severity::Note, b"", what).clause("RFC 8493, 2.2.2");
            out.say(finding.advice("Nothing to do; with it a short transfer is noticed sooner."))
        }
        Some(oxum) if (oxum.bytes, oxum.files) == (counted.bytes, counted.files) => Ok(()),
        Some(oxum) => out.say(mismatch(oxum, counted, version)),
    }
}

fn mismatch(oxum: Oxum, counted: Counted, version: Version) -> Finding {
    let name = version.info_name();
    let mut what = format!(
        "{name} says {} and {}; the payload has {} and {}",
        files(oxum.files),
        bytes(oxum.bytes),
        files(counted.files),
        bytes(counted.bytes)
    );
    let correct = format!("Correct Payload-Oxum to {}.{}.", counted.bytes, counted.files);
    let advice = if counted.faults > 0 {
        what.push_str(&format!(
            "; {} of it {} not as the manifests list {}.",
            files(counted.faults),
            if counted.faults == 1 { "is" } else { "are" },
            if counted.faults == 1 { "it" } else { "them" }
        ));
        "Mend that first: compare the payload with your original and make the bag again.".to_string()
    } else {
        what.push_str(", and every checksum is right.");
        if let Some(folders) = counted_folders(oxum, counted) {
            what.push_str(&format!(
                " The surplus is {} × {}, one for each directory: your tool counted directories.",
                grouped(folders),
                grouped(FOLDER_BYTES)
            ));
        }
        correct
    };
    let finding = about("OXUM-MISMATCH", Severity::Error, name.as_bytes(), what).line(oxum.line);
    let (expected, found) =
        (format!("{}.{}", oxum.bytes, oxum.files), format!("{}.{}", counted.bytes, counted.files));
    finding.values(expected, found).advice(advice).clause("RFC 8493, 2.2.2")
}

/// The folders whose sizes make up the surplus: all that hold payload, with `data` itself or without.
fn counted_folders(oxum: Oxum, counted: Counted) -> Option<u64> {
    let surplus = oxum.bytes.checked_sub(counted.bytes).filter(|surplus| *surplus > 0)?;
    let folders = surplus / FOLDER_BYTES;
    let fits = surplus.is_multiple_of(FOLDER_BYTES)
        && (folders == counted.folders || folders + 1 == counted.folders);
    // Some tools count the folders as files, too.
    (fits && (oxum.files == counted.files || oxum.files == counted.files + folders)).then_some(folders)
}
