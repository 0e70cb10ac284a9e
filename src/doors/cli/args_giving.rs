//! Arguments of the verbs about giving back: orders, and tests of what is kept.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Verbs on orders to give something back.
#[derive(Debug, Subcommand)]
pub enum RestoreVerb {
    /// Order an object, or one file of it; it is read back at its place before it is called done
    Request(Requesting),
    /// List orders
    List {
        /// Show every one, not the first fifty only
        #[arg(long)]
        all: bool,
    },
    /// All about one order
    Show {
        /// Its number
        item: u64,
    },
    /// Give an order up; what it had brought so far is removed
    Cancel {
        /// Their numbers
        #[arg(required = true, value_name = "ITEM")]
        items: Vec<u64>,
        /// Why; kept with it
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Copy what was given back from its place to a folder, every digest compared
    Fetch {
        /// The order's number
        item: u64,
        /// Folder to copy it into
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Remove what was given back and whose time is over, if it still is what was put there
    Expire {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}

/// What is ordered.
#[derive(Clone, Debug, Args)]
pub struct Requesting {
    /// OBJECT (its id, or depositor/bag), or OBJECT:PATH for one file of the bag
    #[arg(value_name = "OBJECT[:PATH]")]
    pub what: String,
    /// Which version [default: the newest]
    #[arg(long, value_name = "N")]
    pub version: Option<u32>,
    /// A place of the configuration, or a folder [default: the first place]
    #[arg(long, value_name = "PLACE")]
    pub to: Option<String>,
    /// As one tar or as a folder
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t = As::Tar)]
    pub form: As,
    /// Wait until it rests
    #[arg(long)]
    pub wait: bool,
}

/// Forms in which a bag is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum As {
    /// One tar
    Tar,
    /// A folder
    Folder,
}

/// Verbs on tests of what is kept.
#[derive(Debug, Subcommand)]
pub enum SpotTestVerb {
    /// Draw an object of each depositor, read it back whole, judge it, and throw it away again
    Run {
        /// Only of this depositor
        #[arg(long, value_name = "NAME")]
        depositor: Option<String>,
        /// What to draw with: the same gives the same choice [default: by chance]
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// Only of depositors whose last test is long enough ago ([spot_test] every)
        #[arg(long)]
        due: bool,
    },
    /// List tests
    List {
        /// Show every one, not the first fifty only
        #[arg(long)]
        all: bool,
    },
    /// All about one test
    Show {
        /// Its number
        item: u64,
    },
}
