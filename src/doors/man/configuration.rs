//! strongroom.toml(5), from the table of keys.
//!
//! - Every key of the table is on the page, in the words that messages and the sample use.
//! - The example at the end is one that `check-config` accepts; `tests/manual.rs` asks it.

use super::{Page, Part};
use crate::books::config::keys::{KEYS, Key, Shape};
use crate::books::config::{SYSTEM_FILE, example, is_taken_over};

/// Tables in the order in which one meets them: where their keys stand, how they are written, what they are for.
#[rustfmt::skip]
const TABLES: [(&str, &str, &str); 25] = [
    ("", "At the top of the file", "Before the first table."),
    ("ledger", "[ledger]", "Where it is recorded what was taken in and what is kept."),
    ("staging[]", "[[staging]]", "Volumes for work in progress, one table each. Without one there is a single volume below the data folder."),
    ("target[]", "[[target]]", "Where copies are kept, one table each: folders on mounted file systems, or buckets that speak S3. Without one there are two below the data folder, for a first try."),
    ("policy.*", "[policy.NAME]", "How many copies make an object kept, and where they lie. The policy `default` is there anyway, and asks for two."),
    ("depositor[]", "[[depositor]]", "Who sends bags, one table each. With none, whoever submits names the depositor."),
    ("depositor[].rules", "[depositor.rules]", "Below its [[depositor]]: the rules about which receivers disagree."),
    ("source[]", "[[source]]", "Where deposits arrive by themselves, one table each: a folder, a bucket, a web server."),
    ("serve", "[serve]", "What the daemon does by itself."),
    ("socket", "[socket]", "How the daemon is asked."),
    ("network", "[network]", "How addresses are reached that belong to no source."),
    ("fixity", "[fixity]", "How often copies are proved again, and what that may cost."),
    ("repair", "[repair]", "Whether damaged copies are put right without a person."),
    ("keeping", "[keeping]", "How copies are made that policies ask for and that are not there yet."),
    ("place[]", "[[place]]", "Where objects are given back to, one table each."),
    ("restore", "[restore]", "What becomes of what was given back."),
    ("spot_test", "[spot_test]", "How often it is tried whether what is kept can be given back."),
    ("roles", "[roles]", "Who may give the second word for a deletion."),
    ("deletion", "[deletion]", "When an object may go."),
    ("jobs", "[jobs]", "How often each job is due; cron or timers only look."),
    ("notice", "[notice]", "Whom a run that found something is told to."),
    ("workers", "[workers]", "How much is done at once."),
    ("limits", "[limits]", "What is too much to be a bag."),
    ("retry", "[retry]", "When a trouble that time may cure is tried again."),
    ("log", "[log]", "How the log is written."),
];

/// A whole configuration of a small house.
pub(super) const EXAMPLE: &str = r#"data = "/var/lib/strongroom"

[socket]
path = "/run/strongroom/admin.sock"

[ledger]
mirror = "/srv/vault-a/strongroom-mirror"   # the journal's second copy, on another disk

[[staging]]
name = "staging"
path = "/srv/staging/strongroom"

[[target]]
name = "vault-a"
path = "/srv/vault-a/strongroom"

[[target]]
name = "vault-b"
path = "/srv/vault-b/strongroom"

[[target]]
name = "far"
kind = "s3"
endpoint = "https://s3.example.org"
bucket = "preservation"
prefix = "strongroom"
credentials = "systemd:far"                 # LoadCredential=far:/etc/strongroom/far.key
fixity_every = "180 d"

[policy.default]
targets = ["vault-a", "vault-b", "far"]
copies = 3

[[depositor]]
name = "uva.edu"
profile = "aptrust-2.3"
notify = "bags@uva.edu"

[[source]]
name = "uva"
path = "/srv/receiving/uva"
depositor = "uva.edu"
after_kept = "move:done"

[[place]]
name = "reading-room"
path = "/srv/reading-room"

[roles]
approver = ["berta", "group:archivists"]
operator = ["otto"]

[fixity]
run_for = "4 h"

[notice]
smtp = "127.0.0.1:25"
from = "strongroom@example.org"
to = ["archive@example.org"]
"#;

/// Writes the page.
pub fn page(page: Page) -> Page {
    let mut page = written(about(page)).section("KEYS");
    for (at, written, about) in TABLES {
        page = page.subsection(written).text(about);
        for key in KEYS.iter().filter(|key| table_of(key) == at) {
            page = page.term_of(&[Part::Typed(name_of(key))], &entry(key));
        }
    }
    end(page)
}

/// Where a key stands, and its name there.
fn table_of(key: &Key) -> &'static str {
    key.path.rsplit_once('.').map_or("", |(table, _)| table)
}

fn name_of(key: &Key) -> &'static str {
    key.path.rsplit_once('.').map_or(key.path, |(_, name)| name)
}

/// Reason, then what it may be, its default, an example, and when it takes effect.
fn entry(key: &Key) -> Vec<String> {
    let default = match key.default {
        "" => "No default.".into(),
        default => format!("Default: `{default}`."),
    };
    let shown = example(key);
    let example = match shown.is_empty() || shown == key.default {
        true => String::new(),
        false => format!(" Example: `{} = {shown}`.", name_of(key)),
    };
    let when = if is_taken_over(key) { "A reload takes it over." } else { "It needs a restart." };
    vec![key.reason.to_string(), format!("It is {}. {default}{example} {when}", shape(key.shape))]
}

fn shape(shape: Shape) -> String {
    match shape {
        Shape::OneOf(words) => format!("one of {}", typed(words)),
        Shape::SomeOf(words) => format!("a list of some of {}", typed(words)),
        other => other.expected(),
    }
}

fn typed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
}

fn about(page: Page) -> Page {
    page.section("SYNOPSIS")
        .text(&format!("`{SYSTEM_FILE}`"))
        .section("DESCRIPTION")
        .text(&format!(
            "One file in TOML (https://toml.io) says how a house is run. Which file: `--config FILE`, else the variable \
             STRONGROOM_CONFIG; else none, when `--data` or STRONGROOM_DATA names a data folder; else `{SYSTEM_FILE}` when it is \
             there. `--data` and STRONGROOM_DATA win over `data` in the file. Without a file everything lies below one data \
             folder, with two targets: a first try needs no words.",
        ))
        .text(
            "A key that is not known is refused, with its line and the nearest name; so is a value of the wrong shape, and so \
             are two targets of one policy on one disk, and fewer than two copies, unless the file says in words that this is \
             meant. All faults are told at once: `strongroom check-config FILE`. What holds, and where each value came from, \
             shows `strongroom config show`.",
        )
        .text(
            "No secret stands in it. Where one is needed a key names what holds it: `file:PATH`, or `systemd:NAME` for a \
             credential that the unit loads (`LoadCredential=NAME:PATH`).",
        )
        .text(
            "`systemctl reload strongroom` (SIGHUP) reads it again. Each key says below whether that is enough; what needs a \
             restart is named in the log, and a wrong file changes nothing.",
        )
}

fn written(page: Page) -> Page {
    let rows = [
        (
            "size",
            "Text with a unit: `\"5 GiB\"`, `\"64 MB\"`. KiB, MiB, GiB, TiB and PiB are powers of 1024; kB, MB, GB, TB and PB powers of 1000. A number alone is bytes.",
        ),
        ("time", "Text with a unit: `\"90 s\"`; ms, s, min, h and d. A number alone is seconds."),
        ("path", "A relative path is below the folder of the file."),
        (
            "name",
            "At most 100 letters, digits, dots, dashes and underscores; the first is a letter or digit. Names of policies have no dots.",
        ),
        (
            "bandwidth",
            "Bytes a second, as `\"50 MiB/s\"`; or by hours of the machine's day, the first that fits counts: `\"08-18 = 10 MiB/s, 50 MiB/s\"`; or `\"unlimited\"`.",
        ),
        (
            "DATA, NAME, cores",
            "In defaults: the data folder, the table's own name, the number of processors.",
        ),
    ];
    let page = page.section("HOW VALUES ARE WRITTEN");
    rows.iter().fold(page, |page, (what, text)| page.term(what, &[text.to_string()]))
}

fn end(page: Page) -> Page {
    page.section("EXAMPLES")
        .text(
            "A house with two disks and a bucket elsewhere, one depositor whose bags arrive in a folder, and deletion on two \
             persons' word:",
        )
        .example(EXAMPLE)
        .text("Every key with its default and the reason for it, to begin with; then the check:")
        .example(
            "strongroom config show --sample > /etc/strongroom/strongroom.toml\n\
             strongroom check-config /etc/strongroom/strongroom.toml",
        )
        .section("SEE ALSO")
        .text("strongroom(1), strongroom-config(1), strongroom-check-config(1), strongroom-serve(1), systemd.exec(5)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_in_a_table_of_the_page_and_every_table_has_keys() {
        for key in KEYS {
            assert!(TABLES.iter().any(|(at, ..)| *at == table_of(&key)), "{} has no table", key.path);
        }
        for (at, ..) in TABLES {
            assert!(KEYS.iter().any(|key| table_of(key) == at), "{at} has no keys");
        }
    }

    #[test]
    fn an_entry_says_what_a_key_takes_its_default_and_when_it_takes_effect() {
        let entry_of = |path: &str| entry(KEYS.iter().find(|key| key.path == path).unwrap()).join(" ");
        let copies = entry_of("policy.*.copies");
        assert!(
            copies.ends_with("It is a number from 1 to 16. Default: `2`. It needs a restart."),
            "{copies}"
        );
        let mirror = entry_of("ledger.mirror");
        assert!(mirror.contains("No default. Example: `mirror = \"/srv/other-disk/"), "{mirror}");
        for (path, reload) in [
            ("policy.*.retention", true),
            ("depositor[].profile", true),
            ("depositor[].accept", false),
            ("source[].scan_every", true),
            ("source[].bucket", false),
            ("target[].path", false),
        ] {
            assert_eq!(entry_of(path).ends_with("A reload takes it over."), reload, "{path}");
        }
    }
}
