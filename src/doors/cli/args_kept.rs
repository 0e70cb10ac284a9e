//! Arguments of the verbs about what is kept: objects, targets, events.

use clap::Subcommand;
use std::path::PathBuf;

/// Verbs on targets.
#[derive(Debug, Subcommand)]
pub enum TargetVerb {
    /// List targets: what they are for, and their space
    List,
    /// All about one target
    Show {
        /// Its name
        name: String,
    },
    /// Try what targets really do (renames, conditions, listings), and remember it
    Probe {
        /// Its name; without one, all
        name: Option<String>,
    },
    /// What lies on targets, by depositor, and what lacks
    Usage {
        /// Only on this one
        name: Option<String>,
    },
    /// Use a target again, or for the first time: copy to it what policies ask for
    Add {
        /// Its name, as [[target]] and a policy in the configuration have it
        name: String,
        /// Why; kept with it
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Only count what would be copied
        #[arg(long)]
        dry_run: bool,
    },
    /// Give a target nothing new, and copy what it holds to the others that policies name
    Drain {
        /// Its name
        name: String,
        /// Why; kept with it
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Only say what stands against it, and count what would be copied
        #[arg(long)]
        dry_run: bool,
    },
    /// Hold what lies on targets against the registry, and the registry against what lies there; nothing is changed
    Reconcile(super::reconcile::Reconciling),
    /// Count a target's copies no more; refused while an object depends on them. Nothing is deleted
    Retire {
        /// Its name
        name: String,
        /// Why; kept with it
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Only say what stands against it
        #[arg(long)]
        dry_run: bool,
    },
}

/// Verbs on events.
#[derive(Debug, Subcommand)]
pub enum EventsVerb {
    /// Write the events of objects: of one, of a depositor, or of all
    Export {
        /// Objects: ids, or depositor/bag; without one, all
        objects: Vec<String>,
        /// Only of this depositor
        #[arg(long, value_name = "NAME")]
        depositor: Option<String>,
        /// Form; a PREMIS document (premis-xml) holds all of them
        #[arg(long, value_name = "FORM", value_enum, default_value_t = EventsFormat::Json)]
        format: EventsFormat,
    },
}

/// Forms of an export of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum EventsFormat {
    /// PREMIS 3.0
    PremisXml,
    /// JSON lines
    Json,
    /// Comma-separated, with a header
    Csv,
}

/// Verbs on objects.
#[derive(Debug, Subcommand)]
pub enum ObjectVerb {
    /// List objects
    List {
        /// Only of this depositor
        #[arg(long, value_name = "NAME")]
        depositor: Option<String>,
        /// Only that follow this policy
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// Only with a copy on this target
        #[arg(long, value_name = "NAME")]
        target: Option<String>,
        /// Only those that lack a copy their policy asks for
        #[arg(long)]
        lacking: bool,
        /// Those that were deleted
        #[arg(long, conflicts_with_all = ["policy", "target", "lacking"])]
        deleted: bool,
        /// Show every one, not the first fifty only
        #[arg(long)]
        all: bool,
    },
    /// Versions and proved copies of one object
    Show {
        /// Its id, or depositor/bag
        object: String,
    },
    /// Where each version lies, and when it was last proved
    Copies {
        /// Its id, or depositor/bag
        object: String,
    },
    /// What happened to it, from its first deposit on
    History {
        /// Its id, or depositor/bag
        object: String,
    },
    /// Its files, with sizes, digests and where they lie
    Files {
        /// Its id, or depositor/bag
        object: String,
        /// Which version [default: the newest]
        #[arg(long, value_name = "N")]
        version: Option<u32>,
        /// Show every one, not the first fifty only
        #[arg(long)]
        all: bool,
    },
    /// Its PREMIS events
    Events {
        /// Its id, or depositor/bag
        object: String,
    },
    /// Read every file of its copies now, and compare
    Verify {
        /// Its id, or depositor/bag
        object: String,
        /// Only on this target
        #[arg(long, value_name = "NAME")]
        target: Option<String>,
    },
    /// Give the bag back as a folder, every byte compared with its digest
    Restore {
        /// Its id, or depositor/bag
        object: String,
        /// Folder to make; it must not hold the bag yet
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}
