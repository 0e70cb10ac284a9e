//! strongroom-recovery(7): what is lost, what to type, and what is lost for good.
//!
//! - Every command on the page is understood by the command tree; `tests/manual` types it.
//! - What a rung promises is a property of its own, shown in `tests/recovery`.

use super::Page;
use crate::doors::exit::BUSY;

/// One rung of the ladder.
struct Rung {
    lost: &'static str,
    texts: &'static [&'static str],
    typed: &'static str,
    after: &'static [&'static str],
    gone: &'static str,
}

/// The ladder, from what happens every month to what should never happen.
#[rustfmt::skip]
const LADDER: [Rung; 12] = [
    Rung {
        lost: "The process, or the power",
        texts: &["Nothing is to be done. What was acknowledged is on disk; at the next start items go on where they were, file by file. An item during which the process ended several times is held, so that it cannot do it again."],
        typed: "systemctl start strongroom\nstrongroom status",
        after: &[],
        gone: "work since the last checkpoint, which is done again.",
    },
    Rung {
        lost: "A mount: a volume or target is not there",
        texts: &["Nothing is written where the marker file is absent, so the folder below a missing mount is not filled. Items that need it are held, with the kind `target-missing` or `volume-missing`. Mount it, then send them back to work:"],
        typed: "strongroom doctor\nstrongroom requeue --kind target-missing",
        after: &[],
        gone: "nothing.",
    },
    Rung {
        lost: "A copy, or files of it",
        texts: &["A sweep, `strongroom object verify` or `strongroom target reconcile` found it. First see what is wrong and which proved copy would put it right, then do it. What was wrong goes into quarantine on its target."],
        typed: "strongroom fixity failures\nstrongroom repair plan\nstrongroom repair run",
        after: &["When no proved copy is left of a file nothing is overwritten, and exit code 1 says so: that file is to be asked for from its depositor, and sent as a new version."],
        gone: "nothing, while one proved copy is elsewhere.",
    },
    Rung {
        lost: "A staging volume",
        texts: &["Only work in progress lies there. Give the new volume a new name in the configuration: a folder that was known under the old name and is empty now is taken for a missing mount. An item stays with the volume on which it was begun, so send those that were in work back to their beginning, where they can be given up, and hand their deposits in again:"],
        typed: "strongroom check-config\nsystemctl restart strongroom\nstrongroom requeue --kind volume-missing --from download\nstrongroom trouble list --kind volume-missing\nstrongroom item cancel 41 42 --reason 'the staging disk is dead'\nstrongroom submit --depositor uva.edu /srv/receiving/letters.tar",
        after: &["A deposit that is no longer where it came from must be sent again by its depositor. Nothing that is kept is touched by this."],
        gone: "work in progress, and what was fetched of it.",
    },
    Rung {
        lost: "What lies on a target, while its folder or bucket is there",
        texts: &["The marker file is there, and copies are gone. They are made anew from proved copies on other targets, in bounded runs if that takes long:"],
        typed: "strongroom repair plan --lost --target vault-b\nstrongroom repair run --lost --target vault-b --for 4h --yes",
        after: &[],
        gone: "nothing, while another proved copy of each object is elsewhere.",
    },
    Rung {
        lost: "A target: the disk, the bucket, the place it stood in",
        texts: &["Name a new target in the configuration, and put it into the policies in the old one's place; leave the [[target]] of the old one in the file. Then the new one is filled from proved copies, and the old one is counted no more:"],
        typed: "strongroom check-config\nsystemctl restart strongroom\nstrongroom target add vault-c\nstrongroom target retire vault-b --reason 'the disk is dead'",
        after: &["What `target add` does goes on in the daemon by itself when it is interrupted; `strongroom object list --lacking` shows what still lacks a copy. Retiring is refused while an object depends on the old target. When it is retired its [[target]] may go from the file.", "A backup of the ledger is not on the new target yet: `strongroom state backup`."],
        gone: "nothing, while another proved copy of each object is elsewhere.",
    },
    Rung {
        lost: "The way back from an upgrade",
        texts: &["A newer release brought the ledger to a newer schema, does not work, and the release before refuses the ledger with exit code 78. The backup that was made before lies below the data folder, in `backups`; its name stands in what the refusing program says, and in `state version`. Install the release before, then restore that backup with it, and read from the targets what is newer:"],
        typed: "strongroom state version\nsystemctl stop strongroom\nstrongroom state restore --replace /var/lib/strongroom/backups/before-schema-2-096f2a0a-20261122T171320Z.jsonl.gz\nstrongroom rebuild --into-existing --from vault-a\nsystemctl start strongroom\nstrongroom target reconcile",
        after: &["The newer ledger is moved aside, not deleted. Better, where it can wait: leave the newer release in place and ask for help."],
        gone: "since the upgrade: journals of items, notes and holds. Nothing about what is kept.",
    },
    Rung {
        lost: "The ledger's index",
        texts: &["Nothing is to be done: it is made anew from the journal at the next start. With `ledger.mirror` a journal that is lost or damaged is repaired from its other copy, too. Whether the ledger is whole says:"],
        typed: "strongroom state verify",
        after: &[],
        gone: "nothing.",
    },
    Rung {
        lost: "The ledger",
        texts: &["A backup lies on every target (`strongroom state backup --last` said when it was made, and how well). It is restored beside the ledger's place, proved, and only then moved there. Then what is newer than the backup is read from the targets:"],
        typed: "systemctl stop strongroom\nstrongroom state restore vault-a\nstrongroom rebuild --into-existing --from vault-a --from vault-b\nsystemctl start strongroom\nstrongroom target reconcile",
        after: &[
            "A backup that is damaged is passed over for an older one. One that lies somewhere else is named by its file. When a damaged ledger is still there add `--replace`, which moves it aside and deletes nothing.",
            "Items that were taken in after the backup and are not kept yet are found again where they came from: hand them in again, or let their source be listed.",
        ],
        gone: "since the backup: journals of items, notes and holds. Nothing about what is kept.",
    },
    Rung {
        lost: "The ledger, and every backup of it",
        texts: &["A registry is made from any one target alone; several are compared with each other, and what they disagree about is told, with what to do. See what would be done first:"],
        typed: "systemctl stop strongroom\nstrongroom rebuild --from vault-a --dry-run\nstrongroom rebuild --from vault-a --from vault-b\nsystemctl start strongroom\nstrongroom target reconcile",
        after: &["Exit code 1 says that something was refused; it is named. Two targets that hold the same do not make it better, only surer. An object that was deleted stays deleted: its tombstone is read, too."],
        gone: "journals of items, notes, holds, requests for deletion that were not carried out, what was said of targets (`target drain`, `target retire` are to be said again), runs of sweeps and jobs. When copies were proved is in the reports beside the storage roots. Nothing about what is kept.",
    },
    Rung {
        lost: "The machine",
        texts: &["Install strongroom, put the configuration and its secrets in place, mount what is left of the targets, and go on as when the ledger is lost: with `state restore` if a backup is on one of them, else with `rebuild`. A copy of /etc/strongroom belongs somewhere else than on this machine."],
        typed: "strongroom check-config\nstrongroom setup unit --write\nsystemctl daemon-reload\nstrongroom state restore vault-b\nstrongroom rebuild --into-existing --from vault-b\nsystemctl start strongroom\nstrongroom doctor",
        after: &["A target that is not mounted is not made anew; it is met again when it is. One that is lost, too, leaves the policies (see above)."],
        gone: "the same as with the ledger alone; and what was in staging.",
    },
    Rung {
        lost: "strongroom itself: the program, the project, those who knew it",
        texts: &[
            "Every target is an OCFL 1.1 storage root, and `STRONGROOM.md` in it says what lies there, how names are made, how an object is checked and how a bag is taken out, with sha512sum, awk and python3 alone. Any OCFL tool reads it.",
            "The newest version of an object is in its `inventory.json`; `bag/` in its state is the bag as it was deposited, byte for byte, with its own manifests. In the folder of an object:",
        ],
        typed: "sha512sum -c inventory.json.sha512\nls v1/content/bag",
        after: &["A file that did not change since an older version lies in that version, under the path that the inventory's manifest names."],
        gone: "nothing.",
    },
];

/// Writes the page.
pub fn page(page: Page) -> Page {
    let mut page = about(page).section("THE LADDER");
    for rung in &LADDER {
        page = page.subsection(rung.lost);
        page = rung.texts.iter().fold(page, |page, text| page.text(text)).example(rung.typed);
        page = rung.after.iter().fold(page, |page, text| page.text(text));
        page = page.text(&format!("Lost for good: {}", rung.gone));
    }
    end(page)
}

fn about(page: Page) -> Page {
    page.section("DESCRIPTION")
        .text(
            "What is lost, what to type, and what is lost for good. The rungs go from what happens every month to what should \
             never happen. Names of targets (vault-a) stand for your own. Where more than one rung fits take the first, and \
             look whether it was enough: `strongroom doctor`, then `strongroom target reconcile`.",
        )
        .text(
            "Why it can be done: an object's copy on any target holds its inventory, its record, and the chained files of its \
             events, and backups of the ledger lie on every target. The configuration and its secrets lie nowhere else: keep \
             a copy of them. Nothing here deletes anything on a target.",
        )
        .text(&format!(
            "`state restore` and `rebuild` need the ledger for themselves; while a daemon has it they are refused (exit code {}). \
             Run them as the service's user, so that what they make belongs to it: `sudo -u strongroom strongroom state restore vault-a`.",
            BUSY.0
        ))
}

fn end(page: Page) -> Page {
    page.section("BEFORE ANYTHING IS LOST")
        .text("Once a month, by a person; a monitoring server asks the same every few minutes:")
        .example("strongroom check backup\nstrongroom check fixity\nstrongroom spot-test run\nstrongroom doctor")
        .text(
            "Give targets different disks and different credentials, best in different places; `ledger.mirror` another disk than \
             the ledger; and try a rebuild on another machine, with `strongroom rebuild --from vault-a --dry-run`, before it \
             is needed.",
        )
        .section("SEE ALSO")
        .text(
            "strongroom(1), strongroom-state(1), strongroom-rebuild(1), strongroom-repair(1), strongroom-target(1), \
             strongroom.toml(5), strongroom-troubles(7)",
        )
}
