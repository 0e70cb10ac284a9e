//! strongroom-findings(7).

use super::Page;
use crate::doors::cli::codes::weight;
use crate::model::code::{AREAS, Code, Whose};
use crate::rules::groups::NAMED_MAX;

/// Writes the page.
pub fn page(page: Page) -> Page {
    let mut page = about(page).section("CODES");
    for area in &AREAS {
        page = page.subsection(&format!("{}: {}", area.name, area.title));
        for code in area.codes {
            page = page.term(code.name, &row(code));
        }
    }
    page.section("SEE ALSO")
        .text("RFC 8493, The BagIt File Packaging Format (V1.0); BagIt Profiles 1.4; tar(5)")
}

fn about(page: Page) -> Page {
    page.section("DESCRIPTION")
        .text(
            "Judging a bag lists every fault in one run. Each finding has a code, a weight, the file or line it is about, \
             what was expected and what was found, one sentence that says what is wrong, one that says what to do, and the \
             rule it rests on. Codes never change their meaning; sentences may. `strongroom explain CODE` shows one \
             of the entries below, `strongroom explain AREA` the codes of one area.",
        )
        .text(
            "An error makes the bag invalid. A warning is accepted, and worth mending. A note is worth knowing. Under \
             `--strict` those warnings are errors that say so below. A profile may raise a weight, never lower it. Where a switch of the \
             configuration decided it, the finding names the switch.",
        )
        .text(&format!(
            "Where people read findings they come in this order: what blocks the bag as a whole, then faults of single files, \
             then warnings, then notes. The first {NAMED_MAX} of a kind are named, the rest is counted; all of them are in the \
             JSON. Names are escaped there: control characters as \\u{{...}}, bytes that are no text as \\xNN, a backslash \
             doubled. In JSON, path is the name itself; when its bytes are not UTF-8, path_hex beside it holds them."
        ))
        .text(
            "Findings of the area ENV, and others that are marked so, are our own fault: nothing is asked of the depositor, and \
             a bag with no other errors is unjudged, not invalid.",
        )
}

fn row(code: &Code) -> Vec<String> {
    let mut weight = weight(code);
    if code.whose == Whose::Ours {
        weight.push_str("; our own fault, not the depositor's");
    }
    vec![
        code.meaning.to_string(),
        format!("Weight: {weight}."),
        format!("Cause: {}", code.cause),
        format!("Remedy: {}", code.remedy),
        format!("Rule: {}", code.clause),
    ]
}
