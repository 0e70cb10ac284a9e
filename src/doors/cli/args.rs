//! The command tree.
//!
//! - Others' scripts rely on these words: they may grow, and never change their meaning.
//! - Wherever an item is asked for, its number and its full name (`depositor/bag`) are both taken.

pub use super::args_delete::{ApproveVerb, Approving, DeleteVerb};
pub use super::args_fixity::FixityVerb;
pub use super::args_giving::{RestoreVerb, SpotTestVerb};
pub use super::args_jobs::{JobVerb, NoticeVerb};
pub use super::args_kept::{EventsFormat, EventsVerb, ObjectVerb, TargetVerb};
pub use super::args_manual::{CompletionsOf, ManualOf};
pub use super::args_repair::RepairVerb;
pub use super::args_setup::SetupVerb;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// strongroom takes deposits (BagIt bags), carries each through six stages, and leaves proved copies on two or more
/// targets, with a record of everything that happened.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, max_term_width = 110, arg_required_else_help = true)]
pub struct Cli {
    /// What holds for every verb
    #[command(flatten)]
    pub global: Global,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every verb.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Configuration file [default: /etc/strongroom/strongroom.toml when it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder; without a configuration everything lies below it [default: ./strongroom-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// How the log is written to stderr
    #[arg(long, global = true, value_name = "FORMAT", value_parser = ["auto", "text", "journald", "json"])]
    pub log: Option<String>,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Say less: no progress, no hints
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the appliance in the foreground (what the service unit starts)
    Serve,
    /// Take deposits in and wait until they rest
    Ingest {
        /// Who deposits
        #[arg(long, value_name = "NAME")]
        depositor: Option<String>,
        /// Policy that they shall follow [default: their objects', their bags' or their depositor's]
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// Bags: tar files, folders, or addresses (https://…, s3://bucket/key)
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Addresses may lie at loopback or private addresses
        #[arg(long)]
        allow_private: bool,
    },
    /// Hand deposits in and return
    Submit {
        /// Who deposits
        #[arg(long, value_name = "NAME")]
        depositor: Option<String>,
        /// Policy that they shall follow [default: their objects', their bags' or their depositor's]
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// Bags: tar files, folders, or addresses (https://…, s3://bucket/key)
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Addresses may lie at loopback or private addresses
        #[arg(long)]
        allow_private: bool,
    },
    /// Is it well, what is it doing, what needs me
    Status {
        /// Show again whenever something changes
        #[arg(long)]
        watch: bool,
    },
    /// Deposits in the works
    #[command(subcommand)]
    Item(ItemVerb),
    /// What waits for a person
    #[command(subcommand)]
    Trouble(TroubleVerb),
    /// Send items back to work; refuses what cannot help, and says why
    Requeue {
        /// Items: numbers or names
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// From this stage; what it and later ones found becomes void
        #[arg(long, value_name = "STAGE")]
        from: Option<String>,
        /// Which items, when no ID is given
        #[command(flatten)]
        which: Which,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Why; kept in the item's journal
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// What a trouble kind, a finding's code, a stage or an exit code means, and what to do
    Explain {
        /// KIND, CODE or area of codes, STAGE, standing or EXIT code; without one, the list of all
        word: Option<String>,
    },
    /// Check configuration, disks, targets, ledger, clock and socket; say how to mend each
    Doctor,
    /// Read a configuration as the daemon would
    CheckConfig {
        /// The file; without one, the configuration in effect
        file: Option<PathBuf>,
    },
    /// The configuration in effect
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Fit the host to the configuration: drop-ins for the units of systemd
    #[command(subcommand)]
    Setup(SetupVerb),
    /// Free, promised and floor of every volume and target
    Disk,
    /// The ledger on this machine
    #[command(subcommand)]
    State(StateVerb),
    /// What is kept
    #[command(subcommand)]
    Object(ObjectVerb),
    /// Give objects up, on the word of two persons
    #[command(subcommand)]
    Delete(DeleteVerb),
    /// Give the second word for a deletion
    Approve(Approving),
    /// Say no to a deletion
    Reject {
        /// Number of the request, or the object
        #[arg(value_name = "ID")]
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Give objects back
    #[command(subcommand)]
    Restore(RestoreVerb),
    /// Try whether what is kept can be given back
    #[command(subcommand)]
    SpotTest(SpotTestVerb),
    /// Where copies are kept
    #[command(subcommand)]
    Target(TargetVerb),
    /// Put copies right in which something is wrong
    #[command(subcommand)]
    Repair(RepairVerb),
    /// Proving copies again: what is due, runs, and what they found
    #[command(subcommand)]
    Fixity(FixityVerb),
    /// What happened, as PREMIS
    #[command(subcommand)]
    Events(EventsVerb),
    /// Where deposits arrive by themselves
    #[command(subcommand)]
    Source(SourceVerb),
    /// Scheduled work, and when it last did its duty
    #[command(subcommand)]
    Job(JobVerb),
    /// Monitoring plugin: one line, exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Check(super::args_check::Checking),
    /// For managers and auditors: what happened in a time, what lies where, how it is proved
    Report(super::report::Reporting),
    /// What is told to people: mail, command, webhook
    #[command(subcommand)]
    Notice(NoticeVerb),
    /// Make the ledger anew from what lies on targets; needs the configuration only
    Rebuild(super::rebuild::Rebuilding),
    /// Profiles: what a receiver asks of bags beyond BagIt
    #[command(subcommand)]
    Profile(ProfileVerb),
    /// Look at bags where they lie, and make them: no daemon, no ledger, no configuration
    #[command(subcommand)]
    Bag(super::bag::args::BagVerb),
    /// The manual, made from the tables the program works with
    #[command(alias = "man-page")]
    Man(ManualOf),
    /// Scripts that complete words in bash, zsh and fish
    Completions(CompletionsOf),
    /// Make a bag for trying out, for tests and for measuring; the same words make the same bytes
    #[command(hide = true)]
    MakeBag(MakeBag),
}

/// What kind of bag to make.
#[derive(Debug, Args)]
pub struct MakeBag {
    /// The tar to write; without the suffix .tar, the folder
    pub to: PathBuf,
    /// Folder with the payload
    #[arg(long, value_name = "DIR", conflicts_with_all = ["files", "size"])]
    pub from: Option<PathBuf>,
    /// So many files of made-up bytes
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub files: u64,
    /// Bytes of each: "4 KiB"
    #[arg(long, value_name = "SIZE", default_value = "1 KiB")]
    pub size: String,
    /// Another number, other bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What shall be wrong: wrong-digest:PATH, missing:PATH, unlisted:PATH, wrong-oxum
    #[arg(long, value_name = "WHAT")]
    pub damage: Vec<String>,
}

/// Which items.
#[derive(Clone, Debug, Default, Args)]
pub struct Which {
    /// Only of this depositor
    #[arg(long, value_name = "NAME")]
    pub depositor: Option<String>,
    /// Only in this kind of trouble
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only at this stage
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Only received since: a time (2026-11-20T00:00Z), a day, or an age (3 d)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
}

impl Which {
    /// True when nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.depositor.is_none() && self.kind.is_none() && self.stage.is_none() && self.since.is_none()
    }
}

/// Verbs on items.
#[derive(Debug, Subcommand)]
pub enum ItemVerb {
    /// List items, newest first
    List {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Only in this standing (ready, working, waiting, held, refused, kept, cancelled); may be repeated
        #[arg(long, value_name = "STANDING")]
        standing: Vec<String>,
        /// Show every one, not the first fifty only
        #[arg(long)]
        all: bool,
    },
    /// All about one item: where it stands, what happened to it, what to do
    Show {
        /// Number or name
        id: String,
    },
    /// Its PREMIS events
    Events {
        /// Number or name
        id: String,
    },
    /// Its files with sizes and digests
    Files {
        /// Number or name
        id: String,
    },
    /// Show it until it rests
    Follow {
        /// Number or name
        id: String,
    },
    /// Hold items: nobody works on them until they are released
    Hold(Steer),
    /// Let held items go on
    Release(Steer),
    /// Give items up, before anything is stored
    Cancel(Steer),
}

/// Steering items by hand.
#[derive(Clone, Debug, Args)]
pub struct Steer {
    /// Numbers or names
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Why; kept in the item's journal
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
}

/// Verbs on troubles.
#[derive(Debug, Subcommand)]
pub enum TroubleVerb {
    /// Items that wait for a person, oldest first
    List {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Show every one, not the first fifty only
        #[arg(long)]
        all: bool,
    },
    /// What stopped an item, every finding, and what to do
    Show {
        /// Number or name
        id: String,
        /// Print a letter for the depositor instead
        #[arg(long)]
        letter: bool,
        /// Write the letter, and the list of all findings beside it, into this folder
        #[arg(long, value_name = "DIR", requires = "letter")]
        to: Option<PathBuf>,
    },
    /// How many, by cause
    Summary {
        /// Which
        #[command(flatten)]
        which: Which,
    },
    /// Everything known about items in trouble, as JSON, for developers or for a ticket
    Export {
        /// Numbers or names; without one, all in trouble
        ids: Vec<String>,
    },
}

/// Verbs on profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileVerb {
    /// Those that come with strongroom, and those that were taken in
    List,
    /// What a profile asks for
    Show {
        /// Its name, or a file
        #[arg(value_name = "PROFILE")]
        profile: String,
    },
    /// Take a profile in, pinned by its bytes: BagIt Profiles 1.1 to 1.4, DART's JSON or exchange's configuration
    Add {
        /// The file
        file: PathBuf,
        /// Its name [default: the file's, without its suffix]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Let a profile go that was taken in
    Remove {
        /// Its name
        name: String,
    },
    /// Say whether a file is a sound profile, and what is wrong with it
    Check {
        /// The file
        file: PathBuf,
    },
}

/// Verbs on the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Every effective value, and where it came from
    Show {
        /// The table of keys instead: default and reason of each
        #[arg(long, conflicts_with = "sample")]
        defaults: bool,
        /// A commented sample configuration instead
        #[arg(long)]
        sample: bool,
    },
}

/// Verbs on the ledger.
#[derive(Debug, Subcommand)]
pub enum StateVerb {
    /// Every row as JSON lines, ended by their number and digest
    Export,
    /// Read everything, and say what is wrong
    Verify,
    /// Make a backup on every target, proved by restoring it into a scratch ledger
    Backup {
        /// Only show the last one
        #[arg(long)]
        last: bool,
    },
    /// Make the ledger from a backup; needs the configuration only
    Restore(super::backup::Restoring),
    /// Versions of this program and of the ledger's schema
    Version,
}

/// Verbs on sources.
#[derive(Debug, Subcommand)]
pub enum SourceVerb {
    /// List sources: how they are, and how their last listing went
    List,
    /// All about one source
    Show {
        /// Its name
        name: String,
    },
    /// List sources now, and take what is new
    Scan {
        /// Their names; without one, all
        names: Vec<String>,
    },
    /// Try what a source must be able to do
    Probe {
        /// Its name; without one, all
        name: Option<String>,
    },
    /// Leave a source alone until it is resumed
    Pause {
        /// Its name
        name: String,
        /// Why; shown until it is resumed
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Receive from a paused source again
    Resume {
        /// Its name
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_words_that_scripts_rely_on_are_understood() {
        let lines = [
            "strongroom --data d ingest a.tar b.tar",
            "strongroom ingest --depositor uva.edu a.tar --json",
            "strongroom serve --config x.toml --log json",
            "strongroom submit --depositor u a.tar",
            "strongroom ingest --allow-private http://127.0.0.1/a.tar s3://b/c.tar",
            "strongroom item list --standing held --depositor u --since 3d",
            "strongroom item show 41",
            "strongroom item hold 41 42 --reason why",
            "strongroom trouble list --kind invalid-bag --stage validate",
            "strongroom trouble export",
            "strongroom requeue 41 42 --from unpack",
            "strongroom requeue --kind target-io --dry-run",
            "strongroom status --watch",
            "strongroom source scan drop",
            "strongroom source pause drop --reason why",
            "strongroom explain 75",
            "strongroom man item",
            "strongroom man --to out",
            "strongroom completions bash",
            "strongroom completions --to out",
            "strongroom check-config f.toml",
            "strongroom config show --defaults",
            "strongroom state verify --json",
            "strongroom state backup --json",
            "strongroom state restore vault-a --replace",
            "strongroom profile list --json",
            "strongroom profile add p.json --name house-1 --data d",
            "strongroom profile check p.json",
            "strongroom object list --json",
            "strongroom object verify u/b --target vault-a",
            "strongroom object list --deleted --json",
            "strongroom delete request u/b --reason duplicate --yes",
            "strongroom delete list --json",
            "strongroom delete show 3",
            "strongroom delete cancel 3",
            "strongroom approve list",
            "strongroom approve show 3",
            "strongroom approve 3 --yes",
            "strongroom reject 3 --reason needed",
            "strongroom target add vault-c --dry-run",
            "strongroom events export --format premis-xml",
            "strongroom object restore strongroom:u/b --to out",
            "strongroom restore request u/b:data/a.txt --version 2 --to out --as folder --wait",
            "strongroom restore cancel 7 8 --reason why",
            "strongroom restore fetch 7 --to out",
            "strongroom restore expire --dry-run --json",
            "strongroom spot-test run --depositor u --seed 7 --due",
            "strongroom bag validate a.tar folder --strict --json",
            "strongroom target reconcile vault-a vault-b --json",
            "strongroom target reconcile --last",
            "strongroom target probe vault-a --json",
            "strongroom repair plan u/b --target vault-a --json",
            "strongroom repair run --yes --json --bytes 2TiB --for 4h --lost",
            "strongroom repair show --last 5",
            "strongroom check disk -w 20 -c 10 --offline",
            "strongroom notice test",
            "strongroom report audit --format html --since 2026-10-01 --until 2026-11-01",
            "strongroom job run reconcile --cron",
            "strongroom job list --json",
            "strongroom job history state-backup --all",
            "strongroom job skip reconcile --times 2 --reason why",
            "strongroom fixity run --for 4h --bytes 2T --target vault-a --target vault-b",
            "strongroom fixity run --all --json",
            "strongroom fixity failures --run 7",
            "strongroom rebuild --from vault-a --from vault-b --dry-run --json",
        ];
        for line in lines {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
        }
        assert!(Cli::try_parse_from(["strongroom", "ingest"]).is_err());
    }
}
