//! What the manual says of a verb beside what the command tree says: how it is meant, how it ends, examples.
//!
//! - Every line of an example that starts with `strongroom` is understood by the command tree: `tests/manual.rs` types it.
//! - Nothing here repeats a table that the program works with.

/// What there is to say of one verb.
pub struct About {
    /// Its name.
    pub verb: &'static str,
    /// Paragraphs.
    pub texts: &'static [&'static str],
    /// Exit codes that mean something of their own here.
    pub exits: &'static [(&'static str, &'static str)],
    /// What is done, and what is typed for it.
    pub examples: &'static [(&'static str, &'static str)],
    /// Other pages.
    pub see: &'static [&'static str],
}

impl About {
    /// Of a verb of which nothing more is to be said.
    pub const NOTHING: About = About { verb: "", texts: &[], exits: &[], examples: &[], see: &[] };
}

const CHECK_EXITS: &[(&str, &str)] = &[
    ("0", "OK"),
    ("1", "WARNING"),
    ("2", "CRITICAL"),
    ("3", "UNKNOWN: it could not be checked, or the command line is not understood; never OK"),
];

/// The table, in the order of their names.
#[rustfmt::skip]
pub const ABOUT: &[About] = &[
    About {
        verb: "approve",
        texts: &[
            "Objects are deleted on the word of two persons: one asks (strongroom-delete(1)), another approves. Who approves must hold the role `approver` in the configuration, and be neither root, nor the service's own user, nor an operator, nor who asked. Who says it is what the kernel says of the other end of the daemon's socket.",
            "Without `--yes` it shows what will be lost and has the object's name typed. Then a time of grace begins (`deletion.grace`), in which anybody may still take the request back.",
        ],
        exits: &[("5", "refused: the name was not typed, or the state does not allow it"), ("77", "this user may not give the second word")],
        examples: &[
            ("What waits for a second person, and what exactly would be lost:", "strongroom approve list\nstrongroom approve show 3"),
            ("The second word, with the name typed by hand; and in a script, where that is meant:", "strongroom approve 3\nstrongroom approve 3 --yes"),
        ],
        see: &["strongroom-delete(1)", "strongroom-reject(1)", "strongroom.toml(5)"],
    },
    About {
        verb: "bag",
        texts: &[
            "These verbs look at bags where they lie and change nothing. They need no daemon, no ledger and no configuration.",
            "With `--json` validating prints one line of JSON for each bag.",
        ],
        exits: &[
            ("0", "valid; warnings may have been told"),
            ("1", "invalid: at least one bag has an error"),
            ("3", "unjudged: at least one could not be read or judged, and none is invalid; that is not a word about the bag"),
        ],
        examples: &[
            ("Judge everything that arrived, strictly, for a script:", "strongroom bag validate deposits/*.tar --strict --json"),
            ("By a profile that comes with the program:", "strongroom bag validate letters.tar --profile aptrust-2.3"),
            ("Make a bag of a folder, as a tar, and look what is in it:", "strongroom bag make papers --tar --info 'Source-Organization: Example University'\nstrongroom bag inspect papers.tar"),
        ],
        see: &["strongroom-profile(1)", "strongroom-explain(1)", "strongroom-findings(7)"],
    },
    About {
        verb: "check",
        texts: &[
            "Each check prints one line, `TEXT | label=value;warn;crit;min;max`, as monitoring servers understand it, and ends with its verdict. Of several findings the worst wins. What could not be checked is never OK: a daemon that does not answer is CRITICAL for `check health` and UNKNOWN for the others.",
        ],
        exits: CHECK_EXITS,
        examples: &[
            ("In the configuration of a monitoring agent:", "strongroom check health\nstrongroom check fixity\nstrongroom check disk -w 20 -c 10\nstrongroom check stalled --warning '1 h' --critical '3 h'\nstrongroom check backup"),
            ("On a machine on which no daemon is to run:", "strongroom check fixity --offline"),
        ],
        see: &["strongroom-status(1)", "strongroom-doctor(1)"],
    },
    About {
        verb: "check-config",
        texts: &[
            "Every fault is told at once, each with its line and what to write instead. It reads the file, and looks at the places that it names; it writes nothing and opens no ledger.",
            "Where the service's unit is installed, it is held against it, too: what the unit would not let the service do is a warning, with the drop-in that would (strongroom-setup(1)).",
        ],
        exits: &[("0", "it is sound; there may be warnings"), ("78", "it would not; every fault was printed")],
        examples: &[("Before a file is put in place:", "strongroom check-config strongroom.toml.new")],
        see: &["strongroom.toml(5)", "strongroom-config(1)", "strongroom-doctor(1)"],
    },
    About {
        verb: "completions",
        texts: &[
            "The script comes from the same tree of words as the command line itself. Kinds of trouble, codes of findings, stages and pages of the manual are completed, too. It needs neither configuration nor daemon.",
        ],
        exits: &[],
        examples: &[
            ("For this shell only, and for every new one of this user:", "source <(strongroom completions bash)\nstrongroom completions bash > ~/.local/share/bash-completion/completions/strongroom"),
            ("In zsh and fish:", "strongroom completions zsh > ~/.zfunc/_strongroom\nstrongroom completions fish > ~/.config/fish/completions/strongroom.fish"),
            ("For all users of a machine, as packages do it:", "strongroom completions --to /usr/share"),
        ],
        see: &["strongroom-man(1)"],
    },
    About {
        verb: "config",
        texts: &["Where each value came from is told with it: default, file and line, environment or command line. While the daemon runs it is asked, and says by what it works."],
        exits: &[],
        examples: &[
            ("A file to start with; every key is in it, with its default and the reason for it:", "strongroom config show --sample > /etc/strongroom/strongroom.toml"),
            ("What holds now, and why:", "strongroom config show\nstrongroom config show --defaults"),
        ],
        see: &["strongroom.toml(5)", "strongroom-check-config(1)"],
    },
    About {
        verb: "delete",
        texts: &[
            "Objects are deleted whole: every version, on every target, on the word of two persons. One asks, another approves (strongroom-approve(1)); after a time of grace the daemon puts a tombstone in the object's place on each target and removes its files. A target that is away is waited for.",
            "A request is refused while anything else concerns the object, before its retention is over, and when it got another version since it was asked for. Until the first file is removed anybody may cancel. The name of a deleted object is not used again.",
        ],
        exits: &[("5", "refused: the name was not typed, or the state does not allow it")],
        examples: &[
            ("Ask, after a look at what would be lost:", "strongroom delete request uva.edu/photos --reason 'deposited twice' --dry-run\nstrongroom delete request uva.edu/photos --reason 'deposited twice'"),
            ("Take it back:", "strongroom delete list\nstrongroom delete cancel 3 --reason 'it was the other one'"),
        ],
        see: &["strongroom-approve(1)", "strongroom-reject(1)", "strongroom.toml(5)"],
    },
    About {
        verb: "disk",
        texts: &["Space is promised before work starts, and a floor is never promised. What is free, less what is promised and less the floor, can still be promised; an item that needs more waits, and does not fail."],
        exits: &[],
        examples: &[],
        see: &["strongroom-check(1)", "strongroom.toml(5)"],
    },
    About {
        verb: "doctor",
        texts: &["It tries what the service needs, and prints one line for each: ok, warn or FAIL, and below it what to do. It is the test after an installation, and the first thing to type when something is odd."],
        exits: &[("0", "nothing fails; there may be warnings"), ("1", "something fails")],
        examples: &[("As the user that the service runs as, because what matters is what it may read and write:", "sudo -u strongroom strongroom doctor")],
        see: &["strongroom-check-config(1)", "strongroom-status(1)", "strongroom-recovery(7)"],
    },
    About {
        verb: "events",
        texts: &["Events are PREMIS 3.0. They lie beside each copy of an object, too, as JSON lines, each file naming the digest of the one before."],
        exits: &[],
        examples: &[
            ("One object's events as a PREMIS document, and all of a depositor's as CSV:", "strongroom events export uva.edu/photos --format premis-xml > photos.premis.xml\nstrongroom events export --depositor uva.edu --format csv > uva.csv"),
        ],
        see: &["strongroom-object(1)", "strongroom-item(1)", "strongroom-report(1)"],
    },
    About {
        verb: "explain",
        texts: &["Made from the tables that the program itself works with. Without a word it lists every word there is. With `--json` codes of findings come as data, too."],
        exits: &[("4", "the word is nothing that can be explained; the nearest one is named")],
        examples: &[
            ("A kind of trouble, an exit code, a stage, a code of a finding, all codes of an area:", "strongroom explain target-io\nstrongroom explain 75\nstrongroom explain store\nstrongroom explain FIX-MISMATCH\nstrongroom explain MAN"),
        ],
        see: &["strongroom-troubles(7)", "strongroom-findings(7)", "strongroom-trouble(1)"],
    },
    About {
        verb: "fixity",
        texts: &[
            "A copy is due again when its last proof is older than `fixity.every` (`target.fixity_every` for one target). A run reads what is due, the oldest proof first, on every target at once, and compares every file of every version, inventories and declarations included. It ends when nothing is due, or when its time or bytes are used up; the next goes on with the oldest, and one that was cut off goes on where it was.",
            "Outcomes are `matched`, `mismatched`, `missing`, `unreadable`, `extra` and `not reached`. What could not be read was not checked, and is never ok. Each run first proves objects of which it knows that they are good or bad; if a bad one passes, it refuses to report. When many copies on one target fail alike the target is taken for ill: its sweep stops with one alert.",
        ],
        exits: &[
            ("0", "all that was due was read, and matches"),
            ("1", "something is wrong, or the run refused to report"),
            ("3", "something was not reached: the time or the bytes were used up, a target was away"),
            ("75", "a run is under way already"),
        ],
        examples: &[
            ("What is due, for at most four hours:", "strongroom fixity run --for 4h"),
            ("One target, everything, due or not:", "strongroom fixity run --all --target vault-a"),
            ("Whether the pace keeps up, and what the last run found:", "strongroom fixity status\nstrongroom fixity failures\nstrongroom fixity report --run 7"),
        ],
        see: &["strongroom-repair(1)", "strongroom-check(1)", "strongroom-object(1)", "strongroom.toml(5)"],
    },
    About {
        verb: "ingest",
        texts: &[
            "While the daemon runs it does the work, and this verb waits; without one this process opens the ledger itself and does the work. The same deposit handed in again is the same item, so the same command goes on where it was interrupted. Nothing of a bag that is not valid is stored.",
        ],
        exits: &[
            ("0", "all of them are kept"),
            ("1", "at least one was refused or is held: a person must look"),
            ("3", "none of those that came to rest is wrong, but some were not taken in or did not come to rest"),
            ("130, 143", "interrupted; nothing is lost, and the same command goes on"),
        ],
        examples: &[
            ("Tars and folders of one depositor:", "strongroom ingest --depositor uva.edu letters.tar photos/"),
            ("From the net; what is fetched comes in ranges, each durable before it counts:", "strongroom ingest https://drop.example.org/letters.tar s3://drop/papers.tar"),
            ("A first try, without a configuration, below a folder of its own:", "strongroom --data /tmp/try ingest letters.tar"),
        ],
        see: &["strongroom-submit(1)", "strongroom-item(1)", "strongroom-trouble(1)", "strongroom-bag(1)"],
    },
    About {
        verb: "item",
        texts: &[
            "Taking a deposit in is an item; so is giving an object back, testing one, and deleting one. An item is named by its number, or by its full name, `depositor/bag`. It has a stage and a standing: `ready`, `working`, `waiting`, `held`, `refused`, `kept`, `done` or `cancelled` (strongroom-troubles(7)).",
        ],
        exits: &[("3", "of several items some were moved, others refused")],
        examples: &[
            ("What is held, and of whom; what arrived since yesterday, for a script:", "strongroom item list --standing held --depositor uva.edu\nstrongroom item list --since '1 d' --all --json"),
            ("All about one:", "strongroom item show 41\nstrongroom item show uva.edu/letters"),
            ("Leave two alone until somebody has looked, then let them go on:", "strongroom item hold 41 42 --reason 'depositor called'\nstrongroom item release 41 42"),
        ],
        see: &["strongroom-trouble(1)", "strongroom-requeue(1)", "strongroom-troubles(7)"],
    },
    About {
        verb: "job",
        texts: &[
            "Jobs are `fixity`, `repair`, `spot-test`, `reconcile`, `retention`, `state-backup` and `report`. When one is due follows from the ledger, from when its work was done last, so a start that is missed, doubled or cut off does no harm: cron and timers may both be there.",
            "Under `--cron` nothing is done when it is not due, and nothing is printed when all is well. When something is wrong the first line says what, how many of how many, and what to type; cron mails it. Without `--cron` a person's `job run` does the work now.",
        ],
        exits: &[
            ("0", "well; under --cron also: not due, left out, or it runs already"),
            ("1", "done, and something is wrong"),
            ("74", "it was not done"),
            ("75", "it runs already, or was stopped before its end"),
        ],
        examples: &[
            ("As cron and timers start it:", "strongroom job run fixity --cron"),
            ("By hand, and what came of the last runs:", "strongroom job run state-backup\nstrongroom job list\nstrongroom job history fixity"),
            ("Leave one out while a disk is moved:", "strongroom job skip fixity --until '3 d' --reason 'vault-b is being moved'\nstrongroom job skip fixity --end"),
        ],
        see: &["strongroom-fixity(1)", "strongroom-notice(1)", "strongroom.toml(5)", "systemd.timer(5)", "crontab(5)"],
    },
    About {
        verb: "man",
        texts: &["The pages are made from the tables that the program works with: the command tree, the keys of the configuration, the kinds of trouble, the codes of findings. The same program makes the same bytes. It needs neither configuration nor daemon."],
        exits: &[("4", "there is no such page")],
        examples: &[
            ("Which pages there are; one of them, to read; the same for paper:", "strongroom man\nstrongroom man requeue\nstrongroom man requeue | man -Tpdf -l - > requeue.pdf"),
            ("All of them, where man(1) finds them:", "strongroom man --to /usr/local/share/man"),
        ],
        see: &["strongroom-completions(1)", "strongroom-explain(1)"],
    },
    About {
        verb: "notice",
        texts: &["Whom a run that found something is told to is said in the table `notice` of the configuration, and per depositor by `notify`. What cannot go waits, and goes with the next; no record depends on it."],
        exits: &[("1", "nothing could be sent"), ("3", "some were sent, others not")],
        examples: &[("After the configuration was changed:", "strongroom notice test\nstrongroom notice list")],
        see: &["strongroom-job(1)", "strongroom.toml(5)"],
    },
    About {
        verb: "object",
        texts: &["An object is one bag of one depositor, with all its versions; it is named by its id, `strongroom:depositor/bag`, or by `depositor/bag`. Copies are OCFL 1.1 objects."],
        exits: &[("1", "verify: a copy is not sound")],
        examples: &[
            ("What is kept, what lacks a copy, what happened to one:", "strongroom object list --depositor uva.edu\nstrongroom object list --lacking\nstrongroom object history uva.edu/photos"),
            ("Where it lies, and whether it is whole now:", "strongroom object copies uva.edu/photos\nstrongroom object verify uva.edu/photos"),
            ("Give the bag back here and now; strongroom-restore(1) does it with a record, at a place of the configuration:", "strongroom object restore uva.edu/photos --to /srv/desk/photos"),
        ],
        see: &["strongroom-restore(1)", "strongroom-events(1)", "strongroom-delete(1)", "strongroom-fixity(1)"],
    },
    About {
        verb: "profile",
        texts: &["A profile says what a receiver asks of bags beyond BagIt. Some come with the program; others are taken in, pinned by their bytes. A profile that is named in a bag is never fetched. `depositor.profile` in the configuration says by which one a depositor's bags are judged."],
        exits: &[("1", "a profile is not sound")],
        examples: &[
            ("Take one in, after a look at it:", "strongroom profile check house.json\nstrongroom profile add house.json --name house-1\nstrongroom profile show house-1"),
        ],
        see: &["strongroom-bag(1)", "strongroom-findings(7)", "strongroom.toml(5)"],
    },
    About {
        verb: "rebuild",
        texts: &[
            "Inventories, documents and the chained files of events on any one target hold all that a registry is made from. While a daemon has the ledger it is refused: stop it first. Nothing on a target is changed. Interrupted, it starts over, and takes nothing twice.",
            "What is lost for good is said in strongroom-recovery(7): journals of items, notes, holds, what was said of targets, runs of sweeps. With a backup nothing but what is newer is lost: strongroom-state(1).",
        ],
        exits: &[("1", "done, but something was refused: it is named, with what to do"), ("5", "the ledger has objects already, and --into-existing is not said"), ("75", "a daemon has the ledger")],
        examples: &[
            ("Only look; then do it:", "systemctl stop strongroom\nstrongroom rebuild --from vault-a --dry-run\nstrongroom rebuild --from vault-a --from vault-b\nsystemctl start strongroom"),
        ],
        see: &["strongroom-recovery(7)", "strongroom-state(1)", "strongroom-target(1)"],
    },
    About {
        verb: "reject",
        texts: &["Ends a request for a deletion. Who may approve may reject; who asked takes it back with strongroom-delete(1)."],
        exits: &[],
        examples: &[("With the reason, which is kept for ever:", "strongroom reject 3 --reason 'still asked for'")],
        see: &["strongroom-approve(1)", "strongroom-delete(1)"],
    },
    About {
        verb: "repair",
        texts: &[
            "Before a file is touched its right bytes were read from another copy and have the digest that was recorded. They are written beside, synced, read back, and exchanged with the bad ones, which go into quarantine on that target and are never deleted. Without a proved copy nothing is overwritten: that is an alarm, and exit code 1.",
            "With `repair.mode = \"auto\"` in the configuration the daemon does it by itself, except on a target that looks ill.",
        ],
        exits: &[
            ("0", "everything is sound, or was put right"),
            ("1", "something is wrong (plan), or could not be put right (run)"),
            ("3", "bounded by --bytes or --for, or something was left alone"),
        ],
        examples: &[
            ("What is wrong, then put it right:", "strongroom repair plan\nstrongroom repair run"),
            ("One object, all its copies proved anew:", "strongroom repair plan uva.edu/photos\nstrongroom repair run uva.edu/photos --yes"),
            ("A target of which nothing is left, four hours at a time:", "strongroom repair run --lost --target vault-b --for 4h --yes"),
        ],
        see: &["strongroom-fixity(1)", "strongroom-recovery(7)", "strongroom-object(1)"],
    },
    About {
        verb: "report",
        texts: &["Made from the ledger alone. HTML is one page that stands alone and can be printed; CSV is exact, and holds no formulas."],
        exits: &[],
        examples: &[
            ("A month for the auditor, and the last 90 days of deposits for a spreadsheet:", "strongroom report audit --since 2026-10-01 --until 2026-11-01 --format html > october.html\nstrongroom report deposits --since '90 d' --format csv > deposits.csv"),
        ],
        see: &["strongroom-events(1)", "strongroom-fixity(1)", "strongroom-job(1)"],
    },
    About {
        verb: "requeue",
        texts: &[
            "Which items is said by their numbers or names, or by what they have in common (`--kind`, `--stage`, `--depositor`, `--since`). What cannot help is refused and told: an item that is being worked on, a bag whose depositor must send another. History is never lost.",
            "Without `--from` an item goes on at the stage where it stopped; files that are stored and proved already are kept and checked, not copied again. Stages are in strongroom-troubles(7).",
        ],
        exits: &[("3", "some were sent back to work, others refused")],
        examples: &[
            ("When a target is back:", "strongroom requeue --kind target-missing --dry-run\nstrongroom requeue --kind target-missing"),
            ("One item, because staging was damaged:", "strongroom requeue 41 --from unpack --reason 'staging disk was replaced'"),
        ],
        see: &["strongroom-trouble(1)", "strongroom-item(1)", "strongroom-troubles(7)"],
    },
    About {
        verb: "restore",
        texts: &[
            "An order is an item like a deposit: it is promised space, survives kills and power cuts, and waits for targets that are away. Files come from the first copy that gives them with the digest that was recorded; what was gathered is judged as a bag again, brought to its place and read back there. Only then it is `done`. After `restore.keep` what was given back is removed, if all of it still is what was put there.",
        ],
        exits: &[("1", "with --wait: it came to rest, and is not done")],
        examples: &[
            ("The newest version as a tar at the first place; an older one as a folder; one file of it:", "strongroom restore request uva.edu/photos --wait\nstrongroom restore request uva.edu/photos --version 1 --as folder --to /srv/desk\nstrongroom restore request uva.edu/photos:data/a.tif --to reading-room"),
            ("How far it is, and from its place to a folder here:", "strongroom restore show 12\nstrongroom restore fetch 12 --to here"),
        ],
        see: &["strongroom-object(1)", "strongroom-spot-test(1)", "strongroom.toml(5)"],
    },
    About {
        verb: "serve",
        texts: &[
            "It tells systemd when it is ready (`Type=notify`), what it does (`STATUS=`), and that it gets on (the watchdog is fed only while stages make progress, or while nothing is in work). It heeds the signals that strongroom(1) names under SIGNALS. A second daemon on the same data is refused, with the name of the first.",
            "While it runs every other verb goes through its socket (`socket.path`), and who asked is recorded by what the kernel says of the caller.",
        ],
        exits: &[("0", "drained, as it was asked to"), ("74", "the ledger failed, and the process ended; it is recovered at the next start"), ("75", "another process has the ledger"), ("78", "the configuration is wrong, the unit does not let it be followed, or a newer release wrote the ledger: a restart does not help"), ("143", "not drained within serve.drain; nothing is lost")],
        examples: &[
            ("As a service; in the foreground, to see what it does:", "systemctl enable --now strongroom\nstrongroom serve --log text --verbose"),
            ("Read the configuration again:", "systemctl reload strongroom"),
        ],
        see: &["strongroom.toml(5)", "strongroom-doctor(1)", "strongroom-status(1)", "systemd.service(5)"],
    },
    About {
        verb: "setup",
        texts: &[
            "The units that come with strongroom let the service write to its own folders only (/var/lib/strongroom, /var/cache/strongroom, /run/strongroom). `strongroom setup unit` makes drop-ins for them from the configuration: a `ReadWritePaths=` for every folder elsewhere that is written, a `RequiresMountsFor=` so that it is mounted first, `BindPaths=` and `ProtectHome=tmpfs` for what lies below /home, /root or /tmp, and a `LoadCredential=` for every `systemd:NAME`, from the folder credentials beside the configuration.",
            "The same drop-in is made for the unit of the jobs, because a job that starts while no daemon runs works by itself. Credentials that another drop-in hands over already are left to it. A drop-in that was not made here is kept beside, as volumes.conf.before.",
            "Folders and secrets that are not there are told: systemd starts no unit that names them.",
        ],
        exits: &[("0", "done; with --check: the installed units cover the configuration"), ("1", "with --check: they do not, or something that they name is not there"), ("4", "with --check: no unit is installed"), ("77", "with --write: not as root"), ("78", "the configuration is wrong, or names a path that no unit file can say")],
        examples: &[
            ("After a target was added:", "strongroom setup unit --check\nstrongroom setup unit --write\nsystemctl daemon-reload\nsystemctl restart strongroom"),
            ("A secret for `credentials = \"systemd:vault-b\"`:", "install -d -m 0700 /etc/strongroom/credentials\ninstall -m 0600 /dev/stdin /etc/strongroom/credentials/vault-b\nstrongroom setup unit --write"),
            ("In an image that is being built:", "strongroom --config image/etc/strongroom/strongroom.toml setup unit --write --root image"),
        ],
        see: &["strongroom.toml(5)", "strongroom-doctor(1)", "systemd.unit(5)", "systemd.exec(5)"],
    },
    About {
        verb: "source",
        texts: &["A source is a folder, a bucket or a web server that the configuration names; deposits arrive there by themselves. What is not taken (another ending, empty, too large) is an item that says why; what is still being written is nothing yet."],
        exits: &[("1", "probe: a source cannot do what it must"), ("3", "scan: some of the sources could not be listed")],
        examples: &[
            ("How they are; look now; leave one alone:", "strongroom source list\nstrongroom source scan uva\nstrongroom source pause uva --reason 'they are moving'\nstrongroom source resume uva"),
            ("Before the first deposit: can it be listed and read?", "strongroom source probe uva"),
        ],
        see: &["strongroom-submit(1)", "strongroom-item(1)", "strongroom.toml(5)"],
    },
    About {
        verb: "spot-test",
        texts: &["Objects are drawn by chance, those that were not tested for longest most often; each is read back whole from the medium, judged as a bag, and thrown away again. What fails is held as an alarm."],
        exits: &[("1", "an object could not be given back as it was kept")],
        examples: &[("Now, one of each depositor; and only those whose test is due:", "strongroom spot-test run\nstrongroom spot-test run --due")],
        see: &["strongroom-restore(1)", "strongroom-fixity(1)", "strongroom.toml(5)"],
    },
    About {
        verb: "state",
        texts: &[
            "The ledger is a journal and an index; the index is made anew when it is lost, and the journal may have a mirror (`ledger.mirror`). A backup is restored into a scratch ledger and compared before it is called good, and lies on every target. `state restore` and strongroom-rebuild(1) need the daemon stopped.",
            "`state export` prints every row as a line of JSON; the last line has their number and the SHA-256 of all lines before it.",
        ],
        exits: &[("1", "verify: something is wrong; backup: it is not on every target"), ("5", "restore: the ledger has items or objects, and --replace is not said")],
        examples: &[
            ("A backup now; when and how well was the last one made:", "strongroom state backup\nstrongroom state backup --last"),
            ("Is the ledger whole?", "strongroom state verify"),
            ("The ledger is lost: from the newest sound backup on a target, and what is newer from the targets:", "systemctl stop strongroom\nstrongroom state restore vault-a\nstrongroom rebuild --into-existing --from vault-a\nsystemctl start strongroom"),
        ],
        see: &["strongroom-rebuild(1)", "strongroom-recovery(7)", "strongroom-check(1)"],
    },
    About {
        verb: "status",
        texts: &["One screen: what waits for a person, what is in work, what is kept, how places and sources are. It ends with 0 whenever it could ask; for an exit code that says whether all is well use strongroom-check(1)."],
        exits: &[],
        examples: &[("Once; until interrupted; for a script:", "strongroom status\nstrongroom status --watch\nstrongroom status --json")],
        see: &["strongroom-check(1)", "strongroom-trouble(1)", "strongroom-doctor(1)"],
    },
    About {
        verb: "submit",
        texts: &["Like strongroom-ingest(1), but it returns as soon as the deposits are recorded; the daemon works on them. Without a daemon they wait in the ledger for one."],
        exits: &[("0", "all of them are recorded"), ("3", "some are, others were refused")],
        examples: &[
            ("Hand in, and follow it:", "strongroom submit --depositor uva.edu /srv/incoming/letters.tar\nstrongroom item follow uva.edu/letters"),
            ("An address with a signature in it; the ledger never sees the signature:", "strongroom submit 'https://bucket.s3.example.org/a.tar?X-Amz-Signature=0123'"),
        ],
        see: &["strongroom-ingest(1)", "strongroom-item(1)", "strongroom-source(1)"],
    },
    About {
        verb: "target",
        texts: &["A target that joins a policy is filled from proved copies, by the daemon on its own or by `target add`; what stops goes on where it was. Nothing is ever deleted by these verbs."],
        exits: &[("1", "probe: a target cannot be used; reconcile: something is wrong"), ("3", "some copies that policies ask for still lack"), ("5", "an object depends on the target's copies: nothing was changed")],
        examples: &[
            ("What a new target really does, then fill it:", "strongroom target probe vault-c\nstrongroom target add vault-c --dry-run\nstrongroom target add vault-c"),
            ("One goes: nothing new to it, then its copies count no more:", "strongroom target drain vault-a --reason 'end of lease'\nstrongroom target retire vault-a --reason 'end of lease'"),
            ("Storage and registry against each other, both ways:", "strongroom target reconcile\nstrongroom target reconcile --last"),
        ],
        see: &["strongroom-repair(1)", "strongroom-recovery(7)", "strongroom.toml(5)"],
    },
    About {
        verb: "trouble",
        texts: &["What stops an item is a trouble of a known kind, and the kind says who can help: time, the depositor, you, or the developers (strongroom-troubles(7)). Listed are items that wait for a person."],
        exits: &[],
        examples: &[
            ("What needs me, and why:", "strongroom trouble list\nstrongroom trouble summary\nstrongroom trouble show 41"),
            ("A letter for the depositor; with the list of all findings, as files:", "strongroom trouble show 41 --letter\nstrongroom trouble show 41 --letter --to letters"),
            ("For a ticket:", "strongroom trouble export 41 > 41.json"),
        ],
        see: &["strongroom-requeue(1)", "strongroom-item(1)", "strongroom-explain(1)", "strongroom-troubles(7)"],
    },
];
