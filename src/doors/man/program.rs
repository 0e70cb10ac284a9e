//! strongroom(1): the whole, its verbs, how it ends, where everything lies, what it heeds.

use super::calls::typed;
use super::verbs::{argument, full_stop};
use super::{PROGRAM, Page, Part, sheets, verbs_of};
use crate::books::config::SYSTEM_FILE;
use crate::doors::exit::EXITS;
use clap::Command;

/// Verbs in the order in which one meets them; every verb stands in one group.
pub(super) const GROUPS: [(&str, &[&str]); 6] = [
    ("Taking deposits in", &["ingest", "submit", "source", "item", "trouble", "requeue"]),
    (
        "What is kept",
        &[
            "object",
            "restore",
            "spot-test",
            "fixity",
            "repair",
            "target",
            "events",
            "delete",
            "approve",
            "reject",
        ],
    ),
    ("Looking", &["status", "doctor", "disk", "check", "report", "explain"]),
    ("Running the house", &["serve", "job", "notice", "config", "check-config", "setup"]),
    ("The ledger, and what is left when it is lost", &["state", "rebuild"]),
    ("Tools that need no house", &["bag", "profile", "man", "completions"]),
];

/// Where everything lies.
#[rustfmt::skip]
const FILES: [(&str, &str); 14] = [
    (SYSTEM_FILE, "The configuration of an installed service: strongroom.toml(5). It holds no secrets."),
    ("/var/lib/strongroom", "`data` of an installed service; without a configuration it is `./strongroom-data`. Below it lies everything that has no path of its own."),
    ("DATA/ledger", "The ledger: `journal-a` (and `journal-b`, or the mirror that `ledger.mirror` names) is the truth; `index` is made anew when it is lost; `records` holds inventories of what is kept; `lock` says which process has it."),
    ("DATA/staging", "One folder for each item in work; it is cleared when the item is kept."),
    ("DATA/withheld", "Addresses with something secret in them, while their items need them; readable for the service alone."),
    ("DATA/socket", "The daemon's Unix socket, unless `socket.path` says otherwise. Who may open it may give every order."),
    ("TARGET/ocfl", "The OCFL 1.1 storage root of a target. Nothing in it is ever partial, and any OCFL tool reads it."),
    ("TARGET/ocfl/STRONGROOM.md", "How to check and take out everything with plain tools, without strongroom."),
    ("TARGET/work/kept", "Backups of the ledger, and reports of sweeps."),
    ("TARGET/work/quarantine", "What was found wrong and was put aside by a repair, with a note of what it was. It is never deleted by strongroom."),
    ("/run/strongroom", "For the socket of an installed service, where `socket.path` puts it there."),
    ("/usr/lib/systemd/system/strongroom.service", "The unit, when it came in a package; volumes outside /var/lib/strongroom are made writable by a drop-in in /etc/systemd/system/strongroom.service.d."),
    ("/usr/lib/systemd/system/strongroom-*.timer", "Timers of the jobs."),
    ("/etc/cron.d/strongroom", "The same jobs for cron, where that is preferred."),
];

/// Variables that are heeded.
#[rustfmt::skip]
pub(super) const ENVIRONMENT: [(&str, &str); 14] = [
    ("STRONGROOM_CONFIG", "The configuration file, as `--config`; not heeded when `--data` is given."),
    ("STRONGROOM_DATA", "The data folder, as `--data`."),
    ("NO_COLOR", "When it is not empty, nothing is coloured, unless `--color always`. TERM=dumb does the same."),
    ("https_proxy, http_proxy, all_proxy, no_proxy", "Proxies, where the configuration says `environment`; in capitals, too."),
    ("SSL_CERT_FILE", "Certificates (PEM) that are trusted instead of the system's; a `ca_file` of the configuration counts first."),
    ("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN", "Credentials for buckets, where the configuration says `environment` or `chain`."),
    ("AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE", "File and profile of credentials, where the configuration says `profile:NAME` or `chain`."),
    ("AWS_REGION, AWS_DEFAULT_REGION", "Region that requests are signed for, where the configuration names none."),
    ("AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL", "Address of the service, where the configuration names none."),
    ("AWS_EC2_METADATA_DISABLED, AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "Where credentials of the instance or container are asked for, where the configuration says `instance` or `chain`."),
    ("CREDENTIALS_DIRECTORY", "Where systemd puts credentials (`LoadCredential=`); the configuration names them as `systemd:NAME`."),
    ("NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, JOURNAL_STREAM", "Set by systemd: how `serve` tells that it is ready and gets on, and whether the log goes to the journal with fields (ITEM, STAGE, DEPOSITOR, TARGET, TROUBLE)."),
    ("INVOCATION_ID", "Set by systemd: it says that a timer, not cron, started a job."),
    ("SOURCE_DATE_EPOCH", "Moment of bags that `strongroom bag make` makes, in seconds since 1970."),
];

/// Signals that `serve` heeds.
#[rustfmt::skip]
const SIGNALS: [(&str, &str); 4] = [
    ("SIGTERM, SIGINT", "Nothing new is begun and workers reach a safe point, within `serve.drain`; then the process ends, with exit code 0. Other verbs end at their next safe point, with 143 or 130."),
    ("SIGTERM or SIGINT again", "The process ends at once. What was acknowledged is on disk, and the rest is recovered at the next start."),
    ("SIGHUP", "The configuration is read again. The log and `systemctl status` say what was taken over, and what needs a restart; a wrong one changes nothing. Which keys are which says strongroom.toml(5)."),
    ("SIGUSR1", "What goes on is written to the log: items in work, depths of queues, promises."),
];

/// Writes the page.
pub fn page(page: Page, tree: &Command) -> Page {
    let page = page
        .section("SYNOPSIS")
        .synopsis(
            PROGRAM,
            &[
                vec![Part::Plain("["), Part::Filled("OPTIONS"), Part::Plain("]")],
                vec![Part::Filled("VERB")],
                vec![Part::Plain("["), Part::Filled("ARGUMENTS"), Part::Plain("]")],
            ],
        )
        .synopsis(
            &format!("{PROGRAM} help"),
            &[vec![Part::Plain("["), Part::Filled("VERB"), Part::Plain("]")]],
        );
    let page = verbs(description(page), tree);
    let page = options(page, tree);
    let page = exits(page);
    let page = rows(page, "FILES", &FILES);
    let page = rows(page, "ENVIRONMENT", &ENVIRONMENT);
    let page = rows(page, "SIGNALS", &SIGNALS);
    see_also(examples(page))
}

fn description(page: Page) -> Page {
    page.section("DESCRIPTION")
        .text(
            "strongroom takes deposits for digital preservation (BagIt bags, in tar files or as folders), carries each \
             through six stages, and leaves proved copies on two or more storage targets, with a record of everything that \
             happened. It is one program with one configuration file or none; it needs no database and no other service.",
        )
        .text(
            "A copy counts only when it was written, synced, read back past the page cache by a separate reader, and found \
             equal. Copies are OCFL 1.1 objects: any OCFL tool reads them, and so do ls(1) and sha512sum(1). What was \
             acknowledged survives a power cut; what was interrupted goes on where it was, file by file. Space is promised \
             before work starts: a full disk makes an item wait, and never makes one fail.",
        )
        .text(
            "The daemon, `strongroom serve`, does the work. While it runs every other verb goes through its Unix socket; \
             without it the same verbs open the ledger themselves, under its lock.",
        )
        .text(
            "On a terminal lists are tables for people; otherwise they are columns with TABs between them and exact numbers. \
             `--json` prints one document, whose field `schema` changes when a script would have to. Data goes to stdout, \
             messages and progress to stderr. A complaint says what was not done, why, what happens now, and what to type.",
        )
}

fn verbs(page: Page, tree: &Command) -> Page {
    let mut page = page.section("VERBS");
    for (title, names) in GROUPS {
        page = page.subsection(title);
        let verbs = names.iter().filter_map(|name| verbs_of(tree).find(|verb| verb.get_name() == *name));
        for verb in verbs {
            let about = verb.get_about().map(|about| full_stop(&about.to_string())).unwrap_or_default();
            page = page.term(&format!("{PROGRAM}-{}(1)", verb.get_name()), &[about]);
        }
    }
    page
}

fn options(page: Page, tree: &Command) -> Page {
    let page = page.section("OPTIONS").text("These hold for every verb, and may stand before or behind it.");
    tree.get_arguments().filter(|arg| !arg.is_hide_set()).fold(page, argument)
}

fn exits(page: Page) -> Page {
    let page = page.section("EXIT STATUS").text(
        "An unknown code is a failure, and of several the worst wins. `strongroom check` and `strongroom bag validate` use \
         codes as their own pages say.",
    );
    EXITS.iter().fold(page, |page, (exit, means, todo)| {
        let todo = (*todo != "nothing").then(|| format!("What to do: {}", typed(&full_stop(todo))));
        let texts: Vec<String> = std::iter::once(full_stop(means)).chain(todo).collect();
        page.term(&exit.0.to_string(), &texts)
    })
}

fn rows(page: Page, title: &str, rows: &[(&str, &str)]) -> Page {
    rows.iter().fold(page.section(title), |page, (name, text)| page.term(name, &[text.to_string()]))
}

fn examples(page: Page) -> Page {
    page.section("EXAMPLES")
        .text("A first look, below a folder of its own, without a configuration:")
        .example(
            "strongroom ingest letters.tar\nstrongroom object list\nstrongroom object restore local/letters --to out\n\
             strongroom item show 1",
        )
        .text("What needs a person, and why; then on with it:")
        .example("strongroom status\nstrongroom trouble list\nstrongroom trouble show 41\nstrongroom requeue 41")
        .text("Is the installation sound?")
        .example("strongroom check-config\nstrongroom doctor")
}

fn see_also(page: Page) -> Page {
    let others = sheets().into_iter().filter(|sheet| sheet.section != 1);
    let mut all: Vec<String> = others.map(|sheet| format!("{}({})", sheet.name, sheet.section)).collect();
    all.extend(["systemd.service(5)".into(), "journalctl(1)".into()]);
    page.section("SEE ALSO").text(&all.join(", ")).text(
        "RFC 8493, The BagIt File Packaging Format (V1.0); OCFL 1.1, https://ocfl.io/1.1/spec/; PREMIS 3.0",
    )
}
