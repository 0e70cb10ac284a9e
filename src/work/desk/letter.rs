//! The letter: what a depositor can act on without asking.
//!
//! - What must be done comes first: what blocks the bag, then single files, then warnings; of each kind the first few.
//! - What is our own fault is never asked of the depositor; when nothing else is there, the letter says that nothing need
//!   be done.
//! - No number of an item, no path of a machine, no name that could speak to a terminal.

use super::views::{ItemView, TroubleView};
use crate::books::config::units::show_bytes;
use crate::model::code::code;
use crate::model::finding::escape;
use crate::rules::groups::{Group, Groups, Part, cut, parted, told};

/// What the letter has to tell of one deposit.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The deposit.
    pub item: &'a ItemView,
    /// What was found about it.
    pub groups: &'a Groups,
    /// Where all findings are, for whoever gets the letter: "all in photos.findings.json".
    pub all: &'a str,
}

/// What the letter comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matter {
    /// The depositor must send something else.
    Asks,
    /// It is on our side.
    Ours,
    /// It is kept.
    Kept,
    /// It was given up.
    GivenUp,
    /// It is under way.
    UnderWay,
}

impl Letter<'_> {
    /// The letter.
    pub fn text(&self) -> String {
        let matter = self.matter();
        let bag = escape(self.item.bag.as_bytes());
        let subject = match matter {
            Matter::Asks => "was not accepted",
            Matter::Ours => "waits for something on our side",
            Matter::Kept => "is kept",
            Matter::GivenUp => "was given up",
            Matter::UnderWay => "was received",
        };
        let mut text = format!("Subject: your deposit {bag} {subject}\n\n{}", self.greeting(&bag));
        match matter {
            Matter::Asks => self.asks(&mut text),
            Matter::Ours => self.ours(&mut text),
            Matter::Kept => {
                text.push_str("It was found valid, and is kept. Nothing need be done.\n");
                self.warnings(&mut text);
            }
            Matter::GivenUp => {
                text.push_str("It was given up by a person here, and nothing of it was stored. If that surprises you, please write to us.\n");
            }
            Matter::UnderWay => {
                text.push_str("It is being worked on. Nothing need be done; please keep your original until you hear that it is kept.\n");
            }
        }
        text
    }

    /// Findings name what the depositor must mend.
    fn is_named(&self) -> bool {
        self.groups.count(Part::Blocks) + self.groups.count(Part::Files) > 0
    }

    fn matter(&self) -> Matter {
        match (&self.item.trouble, self.item.standing.as_str()) {
            // A bag may be refused for a fault of ours alone: then there is nothing to ask for.
            (Some(trouble), _) if trouble.helps == "depositor" => {
                if self.is_named() || self.groups.count(Part::Ours) == 0 {
                    Matter::Asks
                } else {
                    Matter::Ours
                }
            }
            (Some(_), _) => Matter::Ours,
            (None, "kept") => Matter::Kept,
            (None, "cancelled") => Matter::GivenUp,
            (None, _) => Matter::UnderWay,
        }
    }

    fn greeting(&self, bag: &str) -> String {
        let item = self.item;
        let received = item.received_at.strftime("%Y-%m-%d at %H:%M UTC");
        let depositor = escape(item.depositor.as_bytes());
        format!(
            "To {depositor}\n\nWe received your bag \"{bag}\" ({}) on {received}.\n",
            show_bytes(item.bytes)
        )
    }

    fn asks(&self, text: &mut String) {
        text.push_str("It was not accepted, and nothing of it was stored. Your original is what counts; please keep it.\n");
        let is_tar = self.item.trouble.as_ref().is_some_and(|trouble| trouble.kind == "tar-refused");
        if !self.is_named()
            && let Some(trouble) = &self.item.trouble
        {
            // A bag is refused in the words of its own names; a tar is named by where it lies here.
            let said = if trouble.kind == "invalid-bag" { &trouble.sentence } else { &trouble.meaning };
            text.push_str(&format!("\nThe reason: {said}.\n"));
        }
        self.part(Part::Blocks, "What stops the bag as a whole", text);
        self.part(Part::Files, "What is wrong with single files, names or lines", text);
        self.warnings(text);
        if self.groups.count(Part::Ours) > 0 {
            text.push_str(
                "\nBeside that, something failed on our side. We see to it; it is not asked of you.\n",
            );
        }
        if is_tar {
            text.push_str(
                "\nFor these reasons the rest of the bag could not be judged; a new one may show more.\n",
            );
        }
        text.push_str(
            "\nPlease mend what is listed above and send the bag again under the same name; it takes the place of this one.\n",
        );
    }

    fn ours(&self, text: &mut String) {
        let told = self.item.trouble.as_ref().and_then(of_kind).unwrap_or(
            "It is not kept yet, because of a fault on our side; your bag is not to blame. Nothing need be done by you: \
             we see to it, and the deposit goes on from there.",
        );
        text.push_str(told);
        text.push_str("\nPlease keep your original until you hear that it is kept.\n");
        self.warnings(text);
    }

    fn warnings(&self, text: &mut String) {
        self.part(Part::Warnings, "Accepted as it is, and worth mending next time", text);
    }

    fn part(&self, part: Part, title: &str, text: &mut String) {
        let mut groups = self.groups.part(part).peekable();
        if groups.peek().is_some() {
            text.push_str(&format!("\n{title}:\n"));
        }
        groups.for_each(|group| self.group(group, text));
    }

    fn group(&self, group: &Group, text: &mut String) {
        let count = if group.count > 1 { format!(", {} times", parted(group.count)) } else { String::new() };
        text.push_str(&format!("\n  {}{count}\n", group.code));
        let common = group.advice();
        for finding in &group.named {
            text.push_str(&format!("  - {}\n", told(finding)));
            if common.is_none() && !finding.advice.is_empty() {
                text.push_str(&format!("    To do: {}\n", finding.advice));
            }
        }
        if let Some(rest) = group.rest(self.all) {
            text.push_str(&format!("  - {rest}\n"));
        }
        let advised = group.named.iter().any(|finding| !finding.advice.is_empty());
        let of_table = || code(&group.code).map(|code| code.remedy).filter(|_| !advised);
        if let Some(advice) = common.or_else(of_table) {
            text.push_str(&format!("    To do: {advice}\n"));
        }
    }
}

/// What there is to say of troubles that are not the depositor's, where it is more than that it is on our side.
fn of_kind(trouble: &TroubleView) -> Option<&'static str> {
    Some(match trouble.kind.as_str() {
        "deposit-changed" => {
            "It changed while we were reading it, so it is read again from the start. If your upload was still running, nothing \
             need be done; else make sure that nobody writes to it."
        }
        "deposit-gone" => {
            "It is no longer where it was put, so we cannot go on. If you took it away or renamed it, please put it back or tell \
             us that it shall be given up; else we look for it, and nothing need be done by you."
        }
        "over-limit" => {
            "It is larger than our settings allow for. That is no fault of the bag. We either raise the limit or write to you \
             about dividing it; until then nothing need be done by you."
        }
        "held-by-operator" => {
            "A person here has put it on hold. Nothing need be done by you; we go on with it, or write to you."
        }
        "copy-differs" | "targets-disagree" | "policy-unmet" => {
            "It is not kept yet: while copies were being made and compared, something on our side was not as it must be, and we \
             look into that before anything else. Your bag is not to blame, and nothing need be done by you."
        }
        _ => return None,
    })
}

/// The bag's name as the start of a file's name: what is not plain becomes `_`.
pub fn file_name(bag: &str) -> String {
    /// File systems take 255 bytes; the endings need some of them.
    const BYTES_MAX: usize = 200;
    let plain =
        |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let mut name: String = bag.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    name.truncate(cut(&name, BYTES_MAX).len());
    if name.is_empty() || name.starts_with(['.', '-']) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{Finding, Severity};
    use crate::model::trouble::{KINDS, Remedy};
    use serde_json::json;

    fn item(kind: Option<&str>, standing: &str) -> ItemView {
        let trouble = kind.map(|kind| {
            let row = KINDS.iter().find(|row| row.name == kind).unwrap();
            json!({
                "kind": kind, "helps": super::super::view::helps(row.remedy), "meaning": row.meaning,
                "sentence": "reading /srv/staging/41/tar: EIO", "next": row.next, "advice": "strongroom requeue 4711",
            })
        });
        serde_json::from_value(json!({
            "id": 4711, "bag": "photos\u{1b}[2J", "depositor": "uva.edu", "standing": standing, "stage": "validate",
            "object": null, "version": null, "unchanged": false, "copies": [], "errors": 0, "warnings": 0,
            "path": "/srv/inbox/photos.tar", "form": "tar", "bytes": 1000, "files": null, "policy": "default",
            "received_at": "2026-11-20T10:00:00Z", "kept_at": null, "asked_by": "anna", "tries": 0, "round": 0,
            "trouble": trouble, "waits_for": null, "waits_until": null, "asked": null, "rests": true,
        }))
        .unwrap()
    }

    fn groups(findings: &[(&str, Severity)]) -> Groups {
        let mut groups = Groups::default();
        for (code, severity) in findings {
            groups.take(&Finding::new(code, *severity, "data/a", "It is so.").advice("Do so."));
        }
        groups
    }

    fn letter(kind: Option<&str>, standing: &str, findings: &[(&str, Severity)]) -> String {
        let (item, groups) = (item(kind, standing), groups(findings));
        Letter { item: &item, groups: &groups, all: "all in photos.findings.json" }.text()
    }

    #[test]
    fn what_blocks_comes_first_and_twenty_of_a_kind_are_named() {
        use Severity::{Error, Note, Warning};
        let mut findings = vec![("OXUM-NONE", Note), ("PATH-WINDOWS", Warning)];
        findings.extend([("COMP-MISSING", Error); 4_332]);
        findings.push(("MAN-NONE", Error));
        let letter = letter(Some("invalid-bag"), "refused", &findings);
        let place = |word: &str| letter.find(word).unwrap_or_else(|| panic!("{word} is not in {letter}"));
        assert!(place("MAN-NONE") < place("COMP-MISSING, 4,332 times"));
        assert!(place("and 4,312 more, all in photos.findings.json") < place("PATH-WINDOWS"));
        assert!(!letter.contains("OXUM-NONE") && letter.matches("data/a").count() == 22, "{letter}");
    }

    #[test]
    fn our_own_fault_is_never_asked_of_the_depositor() {
        for row in KINDS.iter().filter(|row| row.remedy != Remedy::Depositor) {
            let letter = letter(Some(row.name), "held", &[]);
            assert!(!letter.contains("not accepted") && !letter.contains("send the bag again"), "{letter}");
            assert!(letter.contains("our") || row.name == "held-by-operator", "{}: {letter}", row.name);
            assert!(letter.contains("keep your original"), "{letter}");
        }
        let alone = letter(Some("invalid-bag"), "refused", &[("ENV-IO", Severity::Error)]);
        assert!(alone.contains("Nothing need be done by you") && !alone.contains("ENV-IO"), "{alone}");
        let both = [("ENV-IO", Severity::Error), ("MAN-NONE", Severity::Error)];
        let both = letter(Some("invalid-bag"), "refused", &both);
        assert!(
            both.contains("MAN-NONE") && both.contains("not asked of you") && !both.contains("ENV"),
            "{both}"
        );
    }

    #[test]
    fn what_a_bag_is_refused_for_is_told_also_when_no_finding_names_it() {
        let mut view = item(Some("invalid-bag"), "refused");
        view.trouble.as_mut().unwrap().sentence = "planning a\\xff: its name is not UTF-8".into();
        for findings in [&[][..], &[("TAGM-NONE", Severity::Warning), ("OXUM-NONE", Severity::Note)]] {
            let letter = Letter { item: &view, groups: &groups(findings), all: "" }.text();
            assert!(letter.contains("was not accepted") && letter.contains("send the bag again"), "{letter}");
            assert!(letter.contains("The reason: planning a\\xff: its name is not UTF-8."), "{letter}");
            assert!(!letter.contains("on our side") && findings.is_empty() != letter.contains("TAGM-NONE"));
        }
        let tar = letter(Some("tar-refused"), "refused", &[("SER-NO-END", Severity::Warning)]);
        assert!(tar.contains("The reason: the tar is damaged") && !tar.contains("/srv"), "{tar}");
    }

    #[test]
    fn a_letter_gives_away_no_number_no_path_and_no_escape() {
        for kind in KINDS {
            for standing in ["refused", "held", "waiting"] {
                let letter = letter(Some(kind.name), standing, &[("FIX-MISMATCH", Severity::Error)]);
                for word in ["4711", "/srv", "strongroom", "\u{1b}", "anna"] {
                    assert!(!letter.contains(word), "{word:?} in {letter}");
                }
            }
        }
    }

    #[test]
    fn without_trouble_there_is_nothing_to_do() {
        assert!(letter(None, "kept", &[("PATH-WINDOWS", Severity::Warning)]).contains("worth mending"));
        assert!(letter(None, "kept", &[]).contains("Nothing need be done"));
        assert!(letter(None, "working", &[]).contains("being worked on"));
        assert!(letter(None, "cancelled", &[]).contains("given up"));
        assert!(letter(Some("tar-refused"), "refused", &[]).contains("The reason: the tar is damaged"));
    }

    #[test]
    fn a_bags_name_becomes_a_files_name() {
        for (bag, name) in [
            ("photos", "photos"),
            ("../a", "_.._a"),
            ("a\nb", "a_b"),
            ("", "_"),
            ("-rf", "_-rf"),
            ("ä b", "ä b"),
        ] {
            assert_eq!(file_name(bag), name);
        }
        assert!(file_name(&"ä".repeat(300)).len() <= 200);
    }
}
