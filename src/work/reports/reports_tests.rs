use super::tally::{Deposits, Happened, Listed, Stored};
use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn tally() -> Tally {
    let mut tally = Tally::default();
    let sums = Deposits { received: 1_200, bytes: 3 << 30, kept: 1_190, refused: 10, ..Deposits::default() };
    tally.deposits.insert("uva.edu".into(), sums);
    tally
        .deposits
        .insert("=cmd|'/c calc'!A1, \"x\"".into(), Deposits { received: 1, held: 1, ..Deposits::default() });
    let stored = Stored {
        objects: 2,
        versions: 3,
        files: 9,
        bytes: 100,
        proved: 1,
        oldest: Some(at("2026-01-02T00:00:00Z")),
        ..Stored::default()
    };
    tally.stored.entry("vault-a".into()).or_default().insert("uva.edu".into(), stored);
    tally.events.insert("fixity check".into(), Happened { success: 7, failure: 1 });
    tally.damaged_on.insert("vault-a".into(), 3);
    tally.damaged.push(Listed {
        at: at("2026-11-03T01:02:03Z"),
        about: "vault-a".into(),
        which: "strongroom:uva.edu/<script>alert(1)</script>".into(),
        what: "1 mismatched, 0 missing, 0 unreadable, 0 extra".into(),
    });
    tally
}

fn report(kind: Kind) -> Report {
    let period = Period { since: at("2026-11-01T00:00:00Z"), until: at("2026-12-01T00:00:00Z") };
    Report::new(kind, at("2026-12-01T06:00:00Z"), period, &tally())
}

#[test]
fn text_has_a_summary_and_columns() {
    let text = text::text(&report(Kind::Fixity));
    assert_eq!(
        text,
        "Fixity report, 2026-11-01 to 2026-12-01\nmade 2026-12-01T06:00:00Z\n\n\
         1 of 3 copies proved in the time; 8 fixity checks told, 1 of them found something; 3 copies damaged now, \
         oldest proof 2026-01-02T00:00:00Z\n\n\
         Fixity (proved: copies of versions whose last proof is of the time; damaged: as of now)\n\
         \x20 target   copies  proved  oldest proof          damaged\n\
         \x20 vault-a       3       1  2026-01-02T00:00:00Z        3\n\n\
         Damaged copies (as of now, whenever they were found)\n\
         \x20 target   object                                        found                 what\n\
         \x20 vault-a  strongroom:uva.edu/<script>alert(1)</script>  2026-11-03T01:02:03Z  1 mismatched, 0 missing, 0 unreadable, 0 extra\n\
         \x20 and 2 more\n"
    );
}

#[test]
fn csv_is_exact_quoted_and_no_formula() {
    let wide = csv::csv(&report(Kind::Deposits));
    let lines: Vec<&str> = wide.split("\r\n").collect();
    assert_eq!(lines.len(), 4, "{wide}");
    assert_eq!(lines[1], "\"'=cmd|'/c calc'!A1, \"\"x\"\"\",1,0,0,0,1,0,0,0,0,0");
    assert_eq!(lines[2], "uva.edu,1200,3221225472,1190,10,0,0,0,0,0,0");
    let long = csv::csv(&report(Kind::Audit));
    assert!(long.starts_with("section,row,column,value\r\ndeposits,1,depositor,"), "{long}");
    assert!(long.contains("\r\nfixity,1,oldest_proof,2026-01-02T00:00:00Z\r\n"), "{long}");
    assert!(!wide.contains("\n=") && !long.contains(",="), "{long}");
}

#[test]
fn html_stands_alone_and_escapes_what_it_shows() {
    let page = html::html(&report(Kind::Audit));
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    for outside in ["http://", "https://", "src=", "href=", "javascript", "onclick"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<table").count(), page.matches("</table>").count());
    assert!(page.contains("<td class=\"n\">1,200</td>"), "{page}");
}

#[test]
fn json_has_numbers_and_names() {
    let value = serde_json::to_value(report(Kind::Storage)).unwrap();
    assert_eq!(value["since"], "2026-11-01T00:00:00Z");
    assert_eq!(value["sections"][0]["columns"][5], "bytes");
    assert_eq!(value["sections"][0]["rows"][0][5], 100);
}

#[test]
fn parts_add_up_to_the_whole() {
    let mut sum = Tally::default();
    sum.add(tally());
    assert_eq!(sum, tally());
    sum.add(tally());
    assert_eq!(sum.deposits["uva.edu"].received, 2_400);
    assert_eq!(sum.stored["vault-a"]["uva.edu"].oldest, Some(at("2026-01-02T00:00:00Z")));
    assert_eq!((sum.damaged_on["vault-a"], sum.events["fixity check"].failure), (6, 2));
}
