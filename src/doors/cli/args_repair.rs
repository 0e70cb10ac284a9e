//! Arguments of the verbs that put copies right.

use clap::{Args, Subcommand};

/// Verbs on repairs.
#[derive(Debug, Subcommand)]
pub enum RepairVerb {
    /// What is wrong with copies, which proved copy would put them right, and what cannot be; nothing is changed
    Plan(Repairing),
    /// Put copies right from proved ones; what was wrong goes into quarantine
    Run {
        /// Which copies, and within what bounds
        #[command(flatten)]
        which: Repairing,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// The last runs, which copies are damaged, and what lies in quarantine
    Show {
        /// Show so many runs, and things in quarantine of each target
        #[arg(long, value_name = "N", default_value_t = 10)]
        last: usize,
    },
}

/// Which copies are put right.
#[derive(Clone, Debug, Args)]
pub struct Repairing {
    /// Object: its id, or depositor/bag; all its copies are proved anew. Without it: copies that were found damaged
    pub object: Option<String>,
    /// Only copies on this target
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Also copies of which nothing is there any more, as on a target that was lost
    #[arg(long)]
    pub lost: bool,
    /// Begin no further copy after so many bytes were put right: "2 TiB"
    #[arg(long, value_name = "SIZE")]
    pub bytes: Option<String>,
    /// Begin no further copy after so long: "4 h"
    #[arg(long = "for", value_name = "TIME")]
    pub time: Option<String>,
}
