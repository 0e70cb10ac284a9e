//! strongroom-json(7): the documents that `--json` gives.
//!
//! - `tests/manual/documents.rs` makes these documents with the program, and compares their fields with this table.

use super::Page;
use crate::work::desk::words::SCHEMA;

/// A document that some verbs give.
pub struct Document {
    /// Verbs, without the name of the program.
    pub verbs: &'static [&'static str],
    /// One document a line, for as many lines as there are rows, and no `schema` in them.
    pub lines: bool,
    /// Field and meaning. A `?` behind a name says that it is not always there.
    pub fields: &'static [(&'static str, &'static str)],
}

const fn one(verbs: &'static [&'static str], fields: &'static [(&'static str, &'static str)]) -> Document {
    Document { verbs, lines: false, fields }
}

const fn lines(verbs: &'static [&'static str], fields: &'static [(&'static str, &'static str)]) -> Document {
    Document { verbs, lines: true, fields }
}

/// Every document, in groups.
#[rustfmt::skip]
pub const DOCUMENTS: [(&str, &[Document]); 6] = [
    ("Items", &[
        one(&["ingest", "submit"], &[("items", "items, as they are now"), ("failed", "what was not taken in: path, and the complaint about it")]),
        one(&["item list", "trouble list"], &[("items", "items"), ("more", "true when there are more; --all gives every one")]),
        one(&["item show", "trouble show"], &[("item", "the item"), ("journal", "every attempt: number, stage, started, ended, bytes, files, outcome"), ("findings", "findings"), ("more_findings", "true when there are more than 10,000"), ("promises", "space that is promised to it")]),
        one(&["item events"], &[("item", "the item"), ("events", "its PREMIS events")]),
        lines(&["item files"], &[("path", "path in the bag"), ("bytes", "size; null when it is not known any more"), ("digests", "digests by algorithm"), ("path_hex?", "the bytes of a path that is not UTF-8")]),
        lines(&["item follow"], &[("schema", "as everywhere"), ("item", "the item"), ("progress", "done and total, in bytes, while a worker has it; else null")]),
        one(&["item hold", "item release", "item cancel", "requeue", "restore cancel"], &[("done", "item, standing, stage and note of each that was moved"), ("refused", "item and complaint of each that was not"), ("dry_run", "true when nothing was changed")]),
        one(&["trouble summary"], &[("rows", "kind, who can help, how many, of whom, the oldest")]),
        one(&["trouble export"], &[("version", "of the program"), ("items", "story (as item show) and events of each"), ("config", "the configuration in effect")]),
        one(&["trouble show --letter"], &[("letter", "the letter"), ("findings", "how many"), ("files?", "with --to: what was written")]),
        one(&["source list", "source show", "source pause", "source resume"], &[("sources", "how each is, and what came of it")]),
        one(&["source probe"], &[("checks", "level (ok, warn, fail), text and detail of each")]),
        one(&["source scan"], &[("scanned", "source, and what was told of it: keys, new, not_taken, changed, disposed"), ("failed", "sources that could not be listed")]),
    ]),
    ("Objects", &[
        one(&["object list"], &[("objects", "objects with their newest version"), ("more", "true when there are more")]),
        one(&["object show", "object copies"], &[("object", "the object"), ("versions", "its versions, each with its copies")]),
        one(&["object history", "object events"], &[("object", "the object"), ("versions", "its versions"), ("events", "its PREMIS events")]),
        one(&["object files"], &[("object", "its id"), ("version", "the version"), ("files", "path, size, digests, and where each lies"), ("more", "true when there are more")]),
        one(&["object verify"], &[("object", "its id"), ("copies", "target, outcome and counts of each copy")]),
        one(&["object restore"], &[("object", "its id"), ("version", "the version"), ("folder", "where the bag is now"), ("files", "how many"), ("bytes", "how many"), ("passed_over", "copies that did not give a file as it was recorded")]),
        lines(&["events export"], &[("object", "its id"), ("told", "the event: id, event_type, at, agent, person, outcome, detail, item, version")]),
        one(&["restore list", "spot-test list"], &[("orders", "orders or tests"), ("more", "true when there are more")]),
        one(&["restore request"], &[("order", "the order: item, object, version, form, to, name, passed_over"), ("new", "false when the same was ordered before, and is not done yet")]),
        one(&["restore show", "restore request --wait"], &[("item", "the item"), ("object", "what was ordered"), ("version", "which version"), ("form", "tar or folder"), ("to", "the place"), ("name", "its name there"), ("state", "how far it is"), ("files", "how many"), ("bytes", "how many"), ("passed_over", "how many times a copy did not give a file as it was recorded"), ("delivered_at?", "when it was read back at its place"), ("expires?", "when it is removed there")]),
        one(&["spot-test show"], &[("item", "the item"), ("object", "what was drawn"), ("seed", "what was drawn with"), ("version", "which version"), ("form", "tar"), ("to", "nowhere: it is thrown away again"), ("name", "its name there"), ("state?", "how far it is"), ("files", "how many"), ("bytes", "how many"), ("passed_over", "how many times a copy did not give a file as it was recorded"), ("delivered_at?", "when it was found as it was kept")]),
        one(&["restore fetch"], &[("item", "its number"), ("path", "where it is now"), ("files", "how many"), ("bytes", "how many")]),
        one(&["restore expire"], &[("expired", "orders, and what became of each"), ("dry_run", "true when nothing was removed")]),
        one(&["spot-test run"], &[("seed", "what was drawn with"), ("tests", "tests"), ("passed", "how many"), ("failed", "how many")]),
        one(&["object list --deleted"], &[("objects", "objects that were deleted: by whom, when, why"), ("more", "true when there are more")]),
        one(&["delete list", "approve list"], &[("requests", "requests"), ("more", "true when there are more")]),
        one(&["delete request", "delete show", "delete cancel", "approve", "approve show", "reject"], &[("request", "the request: number, object, depositor, bag, reason, requested, phase, state, because, loses"), ("dry_run", "true when nothing was changed")]),
    ]),
    ("Copies", &[
        one(&["target list", "target show"], &[("targets", "use, space, policies, storage root, last probe")]),
        one(&["target probe"], &[("probes", "of each target: abilities, whether it has them, what follows")]),
        one(&["target usage"], &[("usage", "by target and depositor: objects, versions, bytes")]),
        one(&["target add", "target drain", "target retire"], &[("objects", "looked at"), ("versions", "copied"), ("files", "how many"), ("bytes", "how many"), ("lacking", "copies that still lack"), ("failed", "copies that could not be made, and why")]),
        one(&["target reconcile"], &[("check", "the check: number, asked_by, started, ended, targets, counts"), ("findings", "what is not as it should be"), ("more", "true when there are more"), ("wrong", "how many findings are wrong, not only told")]),
        one(&["repair plan"], &[("copies", "what would be done to each")]),
        one(&["repair run"], &[("number", "of the run"), ("asked_by", "who asked"), ("started", "when"), ("ended", "when"), ("wanted", "which copies"), ("place", "how far it is"), ("repaired", "copies put right"), ("sound", "copies found whole"), ("failed", "copies that could not be put right"), ("failures", "which, and why"), ("skipped", "copies left alone"), ("bounded", "true when time or bytes ended it"), ("files", "put right"), ("bytes", "put right"), ("aside", "put into quarantine")]),
        one(&["repair show"], &[("mode", "plan or auto"), ("runs", "the last runs"), ("damaged", "copies that are damaged"), ("more", "true when there are more"), ("quarantine", "what lies there, by target")]),
        one(&["fixity status", "fixity schedule"], &[("targets", "by target"), ("last?", "the last run")]),
        one(&["fixity run"], &[("run", "the run"), ("targets", "its part on each target"), ("copies", "sound, faulty, left"), ("matched", "files"), ("mismatched", "files"), ("missing", "files"), ("unreadable", "files"), ("extra", "files"), ("not_reached", "files"), ("bytes", "read"), ("refused", "true when it refused to report")]),
        one(&["fixity report"], &[("run", "the run; the fields of fixity run beside it"), ("targets", "its part on each target"), ("copies", "sound, faulty, left"), ("matched", "files"), ("mismatched", "files"), ("missing", "files"), ("unreadable", "files"), ("extra", "files"), ("not_reached", "files"), ("bytes", "read"), ("refused", "true when it refused to report"), ("findings", "what it found"), ("more", "true when there are more")]),
        one(&["fixity failures"], &[("run", "the run"), ("findings", "what it found"), ("more", "true when there are more")]),
    ]),
    ("The house", &[
        one(&["status"], &[("well", "true when nothing needs a person"), ("version", "of the program"), ("daemon", "true when a daemon answered"), ("up_seconds", "how long it runs"), ("counts", "items by standing and stage"), ("kept", "items that are kept"), ("troubles", "items by who can help"), ("oldest_trouble", "since when the oldest waits"), ("waits", "items by what they wait for"), ("places", "volumes and targets, with their space"), ("sources?", "how sources are, where there are any"), ("approvals?", "deletions that wait for a second person, and since when")]),
        one(&["doctor"], &[("checks", "level (ok, warn, fail), text and detail of each"), ("warnings", "how many"), ("failures", "how many")]),
        one(&["disk"], &[("places", "free, promised and floor of each")]),
        one(&["check health", "check trouble", "check fixity", "check disk", "check stalled", "check backup"], &[("code", "0 to 3"), ("grade", "OK, WARNING, CRITICAL or UNKNOWN"), ("text", "one sentence"), ("figures", "label, value, unit, warn, crit, min, max")]),
        one(&["report fixity", "report deposits", "report storage", "report audit"], &[("report", "kind, since, until, made, summary, sections")]),
        one(&["explain"], &[("text", "what it means"), ("codes", "of codes of findings: each as data; else null")]),
        one(&["job list", "job skip"], &[("jobs", "job, how often, when it was done, when it is due, its last run")]),
        one(&["job history"], &[("runs", "runs, newest first")]),
        one(&["job run"], &[("run?", "the run: job, number, by, started, ended, end, line"), ("job?", "its name, when nothing was done"), ("nothing_done?", "why")]),
        one(&["notice list"], &[("notices", "those that could not go"), ("untold", "how many runs nobody was told of yet")]),
        one(&["notice send", "notice test"], &[("sent", "how many"), ("failed", "how many"), ("wrong", "which, and why")]),
        one(&["config show"], &[("file", "the file, or null"), ("values", "key, value and origin of each")]),
        one(&["config show --defaults"], &[("keys", "key, default and reason of each")]),
        one(&["check-config"], &[("ok", "true when the daemon would start with it"), ("file?", "the file, or null"), ("faults", "complaints, one a fault"), ("warnings?", "of a sound one: level, text and detail of what the installed units do not let it do")]),
        one(&["setup unit"], &[("units", "unit, file, text, needed, installed, same of each drop-in; with --write what was done: written, unchanged or removed"), ("notes", "what must be there before the units can start, and is not"), ("checks?", "with --check: level (ok, warn, fail), text and detail of each"), ("difference?", "with --check: lines that would come (+) and go (-)")]),
    ]),
    ("The ledger", &[
        one(&["state version"], &[("version", "of the program"), ("ledger_schema", "of the ledger that it writes"), ("opens", "the schemas that it can open: from, to"), ("words_schema", "of these documents"), ("can_open", "whether it can open the ledger that is there"), ("brings_up", "whether it would bring that one up to its own schema, after a backup"), ("ledger", "path, id, schema, written_by (release), oldest (release that can open it), since, backup (made before it was brought up), backup_is_there; null without a ledger")]),
        one(&["state verify"], &[("rows", "how many"), ("sequence", "of the last commit"), ("repaired", "what was put right on opening"), ("wrong", "what is wrong")]),
        one(&["state backup"], &[("backup", "name, at, rows, through, bytes, sha256, and places with what is wrong at each")]),
        one(&["state restore"], &[("backup", "which one"), ("at", "when it was made"), ("ledger", "id of the ledger"), ("rows", "how many"), ("aside", "where the former ledger is now, or null")]),
        lines(&["state export"], &[("key?", "of a row"), ("revision?", "of a row"), ("value?", "of a row"), ("schema?", "last line"), ("version?", "last line: of the program"), ("ledger_schema?", "last line"), ("rows?", "last line: how many there were"), ("sha256?", "last line: of all lines before it")]),
        one(&["rebuild"], &[("from", "targets that were read"), ("found", "objects"), ("objects", "added"), ("versions", "added"), ("items", "added"), ("events", "added"), ("deletions", "added"), ("targets", "objects, copies and unseen copies by target"), ("disagreements", "what does not fit, and what to do"), ("odd", "how many, by kind"), ("more", "true when there are more"), ("refused", "how many were not taken"), ("dry_run", "true when nothing was written")]),
    ]),
    ("Tools", &[
        lines(&["bag validate"], &[("bag", "its path"), ("verdict", "valid, invalid or unjudged"), ("errors", "how many"), ("warnings", "how many"), ("notes", "how many"), ("bagit_version", "of the bag"), ("algorithms", "that were compared"), ("files", "how many"), ("bytes", "how many"), ("seconds", "how long it took"), ("findings", "every finding")]),
        lines(&["bag make"], &[("bag", "its path"), ("files", "of the payload"), ("bytes", "of the payload"), ("payload_oxum", "of the bag"), ("bagging_date", "of the bag"), ("algorithms", "of its manifests"), ("left_out", "empty folders, which a bag cannot hold"), ("frail", "names that travel badly")]),
        lines(&["bag inspect"], &[("bag", "its path"), ("form", "tar or folder"), ("readable", "true when it could be looked into"), ("top", "its top-level folder"), ("bagit_version", "as it declares"), ("encoding", "as it declares"), ("payload", "files and bytes"), ("payload_oxum", "as it says"), ("tags", "files and bytes"), ("files", "all of them"), ("bytes", "all of them"), ("manifests", "with their rows"), ("fetch", "files to be fetched"), ("info", "elements of bag-info.txt"), ("profiles", "that it names"), ("formats", "endings, with files and bytes"), ("largest", "the largest files"), ("findings", "what is wrong with what was read")]),
        one(&["profile list"], &[("profiles", "those that are there")]),
        one(&["profile check"], &[("ok", "true when it is sound"), ("title", "its title"), ("dialect", "in which it is written"), ("sha256", "of its bytes"), ("notes", "what is not enforced"), ("faults", "what is wrong in it")]),
        one(&["profile add"], &[("profile", "what was taken in, as in the list")]),
        one(&["profile remove"], &[("removed", "its name")]),
        one(&["profile show"], &[("name", "its name"), ("title", "its title"), ("identifier", "its identifier"), ("dialect", "in which it is written"), ("sha256", "of its bytes"), ("rules", "what it asks for"), ("notes", "what is not enforced"), ("faults", "what is wrong in it"), ("text", "the same for people")]),
        one(&["man"], &[("pages", "word, name, section and title of each")]),
        one(&["man --to DIR", "completions --to DIR"], &[("to", "the folder"), ("files", "what was written below it")]),
        one(&["man item"], &[("name", "of the page"), ("section", "of the manual"), ("roff", "the page")]),
        one(&["completions bash"], &[("shell", "its name"), ("script", "the script")]),
    ]),
];

/// Fields of an item.
#[rustfmt::skip]
pub const ITEM: [(&str, &str); 31] = [
    ("id", "its number"), ("bag", "the bag's name"), ("depositor", "who deposits"), ("standing", "how it stands (strongroom-troubles(7))"), ("stage", "at which stage"),
    ("object", "the object it became, or null"), ("version", "the version it became, or null"), ("unchanged", "true when the bag equals a version that was there, and no new one was made"),
    ("copies", "proved copies: target, root, path, proved"), ("errors", "that judging the bag found"), ("warnings", "that judging the bag found"),
    ("path", "where the deposit lies"), ("form", "tar or folder"), ("bytes", "of the deposit"), ("files", "of the bag, once they are known"), ("policy", "that it follows"),
    ("bagit_version", "of the bag, once it was judged"), ("profile", "that it was judged by"), ("rules", "of the depositor that decided what a finding weighs"),
    ("received_at", "when it was handed in"), ("kept_at", "when it was kept, or null"), ("asked_by", "who handed it in"), ("tries", "used at this stage"), ("round", "times it was requeued from an earlier stage"),
    ("trouble", "what stops it, or null: kind, helps, meaning, sentence, next, advice"), ("waits_for", "one sentence, or null"), ("waits_until", "not before, or null"),
    ("asked", "hold or cancel, when that will be done as soon as the worker lets go"), ("rests", "true when nothing will happen unless a person asks"),
    ("deleted_at?", "when its object was deleted"), ("errand?", "restore or delete, when it takes no deposit in"),
];

/// Writes the page.
pub fn page(page: Page) -> Page {
    let mut page = about(page).section("DOCUMENTS");
    for (title, documents) in DOCUMENTS {
        page = page.subsection(title);
        for document in documents {
            let names: Vec<String> = document.verbs.iter().map(|verb| format!("strongroom {verb}")).collect();
            let lines = if document.lines { "One document a line. " } else { "" };
            page = page.term(&names.join(", "), &[format!("{lines}{}.", fields(document.fields))]);
        }
    }
    let page = page.section("AN ITEM").text(&format!("{}.", fields(&ITEM)));
    page.section("EXAMPLES")
        .text("Numbers of items that wait for the operator; the exit code of a complaint:")
        .example(
            "strongroom trouble list --all --json | jq '.items[] | select(.trouble.helps == \"operator\") | .id'\n\
             strongroom item show 41 --json 2>&1 >/dev/null | jq .exit",
        )
        .section("SEE ALSO")
        .text("strongroom(1), strongroom-troubles(7), strongroom-findings(7), jq(1)")
}

fn fields(fields: &[(&str, &str)]) -> String {
    let field = |(name, means): &(&str, &str)| match name.strip_suffix('?') {
        Some(name) => format!("`{name}` (not always there): {means}"),
        None => format!("`{name}`: {means}"),
    };
    fields.iter().map(field).collect::<Vec<_>>().join("; ")
}

fn about(page: Page) -> Page {
    page.section("DESCRIPTION")
        .text(&format!(
            "With `--json` a verb prints one document on one line of stdout, and nothing else there. Its field `schema` is \
             {SCHEMA}; it goes up when a field changes its meaning or vanishes, so that a script may rely on it. Fields may be \
             added: pass over what you do not know. Some documents name themselves in `answer` and `about`, too.",
        ))
        .text(
            "What may have a million rows is printed as one document a line, and needs no more memory for a million than for \
             ten. Where that is so it is said below.",
        )
        .text(
            "A complaint is one document on stderr: `schema`, `exit` (the exit code), and `complaint` with `sort`, `error` (what \
             was not done), `because`, `so` (what happens now) and `try` (what to type); of the last three those that have \
             something to say. The exit code says the same without a look into the document.",
        )
        .text(
            "Moments are in UTC as RFC 3339 has them (2026-11-20T12:00:00Z). Sizes are numbers of bytes. Paths are text; \
             where the bytes of one are not UTF-8 it is the escaped text, and `path_hex` beside it holds the bytes. A finding \
             has `code`, `severity`, `path`, `message`, `advice`, `clause`, and `line`, `expected`, `found` and `rule` where \
             there are any.",
        )
}
