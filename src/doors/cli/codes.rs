//! Codes of findings, explained: from the table that judging itself weighs them by.

use crate::books::config::keys::nearest;
use crate::model::code::{AREAS, Area, Code, Weight, Whose, codes};
use crate::rules::groups::parted;
use serde_json::{Value, json};

/// The word that stands for all codes.
pub const ALL: &str = "codes";

/// What is meant by a word, whatever its case.
enum Meant {
    Code(&'static Code),
    Area(&'static Area),
    All,
}

fn meant(word: &str) -> Option<Meant> {
    if word.eq_ignore_ascii_case(ALL) {
        return Some(Meant::All);
    }
    if let Some(area) = AREAS.iter().find(|area| area.name.eq_ignore_ascii_case(word.trim_end_matches('-'))) {
        return Some(Meant::Area(area));
    }
    codes().find(|code| code.name.eq_ignore_ascii_case(word)).map(Meant::Code)
}

/// What a code, an area of codes or `codes` means; nothing for another word.
pub fn explain(word: &str) -> Option<String> {
    Some(match meant(word)? {
        Meant::Code(code) => one(code),
        Meant::Area(area) => list(area),
        Meant::All => AREAS.iter().map(list).collect(),
    })
}

/// The same as data.
pub fn document(word: &str) -> Option<Value> {
    Some(match meant(word)? {
        Meant::Code(code) => json!([row(code)]),
        Meant::Area(area) => area.codes.iter().map(row).collect(),
        Meant::All => codes().map(row).collect(),
    })
}

/// The name of a code or area that this word may have been meant to be.
pub fn near(word: &str) -> Option<&'static str> {
    let upper = word.to_ascii_uppercase();
    nearest(&upper, codes().map(|code| code.name).chain(AREAS.iter().map(|area| area.name)))
}

/// The areas, for the list of all that can be explained.
pub fn areas() -> String {
    let mut text = format!(
        "findings (one area: strongroom explain AREA; all {}: strongroom explain {ALL})\n",
        codes().count()
    );
    AREAS.iter().for_each(|area| {
        text.push_str(&format!("  {:<18} {} ({})\n", area.name, area.title, parted(area.codes.len() as u64)));
    });
    text
}

/// What findings of a code weigh, in words.
pub fn weight(code: &Code) -> String {
    let weight = match code.weight {
        Weight::Error => "an error",
        Weight::Depends(on) => on,
        Weight::Warning => "a warning",
        Weight::Note => "a note",
    };
    let strict = if code.strict { "; an error under --strict" } else { "" };
    format!("{weight}{strict}")
}

fn one(code: &Code) -> String {
    let who = match code.whose {
        Whose::Depositor => "the depositor, by sending something else",
        Whose::Ours => "we: the depositor is not at fault and need do nothing",
    };
    format!(
        "{}: a finding\n  meaning: {}\n  weight: {}\n  cause: {}\n  what to do: {}\n  who can help: {who}\n  rule: {}\n",
        code.name,
        code.meaning,
        weight(code),
        code.cause,
        code.remedy,
        code.clause
    )
}

fn list(area: &Area) -> String {
    let mut text = format!("{}: {}\n", area.name, area.title);
    for code in area.codes {
        let (short, mark) = match (code.weight, code.strict) {
            (Weight::Error, _) => ("error", ""),
            (Weight::Depends(_), false) => ("depends", ""),
            (Weight::Depends(_), true) => ("depends", " (--strict: an error)"),
            (Weight::Warning, false) => ("warning", ""),
            (Weight::Warning, true) => ("warning", " (--strict: an error)"),
            (Weight::Note, _) => ("note", ""),
        };
        text.push_str(&format!("  {:<25} {short:<8} {}{mark}\n", code.name, first_sentence(code.meaning)));
    }
    text
}

/// Without the dot.
fn first_sentence(text: &str) -> &str {
    let starts_one = |place: &usize| text[place + 2..].starts_with(|c: char| c.is_uppercase());
    let end = text.match_indices(". ").map(|(place, _)| place).find(starts_one);
    text[..end.unwrap_or(text.len())].trim_end_matches('.')
}

fn row(code: &Code) -> Value {
    let (weight, depends) = match code.weight {
        Weight::Error => ("error", None),
        Weight::Depends(on) => ("depends", Some(on)),
        Weight::Warning => ("warning", None),
        Weight::Note => ("note", None),
    };
    json!({
        "code": code.name, "weight": weight, "depends": depends, "strict": code.strict,
        "whose": match code.whose { Whose::Depositor => "depositor", Whose::Ours => "ours" },
        "meaning": code.meaning, "cause": code.cause, "remedy": code.remedy, "clause": code.clause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_explained_whatever_its_case_with_all_the_table_says() {
        for code in codes() {
            let text = explain(&code.name.to_lowercase()).unwrap();
            for part in [code.name, code.meaning, code.cause, code.remedy, code.clause] {
                assert!(text.contains(part), "{} lacks {part:?}", code.name);
            }
        }
        assert!(
            explain("text-bom")
                .unwrap()
                .contains("an error in 1.0, a warning before; an error under --strict")
        );
        assert!(explain("env-io").unwrap().contains("the depositor is not at fault"));
    }

    #[test]
    fn an_area_and_all_codes_are_listed() {
        let fix = explain("fix").unwrap();
        assert_eq!(fix.lines().count(), 4);
        assert!(explain("FIX-").is_some() && explain("fax").is_none());
        assert_eq!(document("codes").unwrap().as_array().unwrap().len(), codes().count());
        assert_eq!(document("Fix-Empty").unwrap()[0]["weight"], "error");
        assert_eq!(near("FIX-MISMACH"), Some("FIX-MISMATCH"));
        assert_eq!(near("comp-mising"), Some("COMP-MISSING"));
    }
}
