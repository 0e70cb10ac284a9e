//! Arguments of the verbs about proving copies again.

use clap::{Args, Subcommand};

/// Verbs on fixity.
#[derive(Debug, Subcommand)]
pub enum FixityVerb {
    /// How well copies are covered, and whether the pace of sweeps keeps up
    Status,
    /// Read copies that are due, the oldest proof first, and compare; goes on where a run was cut off
    Run(Running),
    /// What a run found
    Failures {
        /// The run [default: the newest]
        #[arg(long, value_name = "N")]
        run: Option<u64>,
    },
    /// What comes due when, on each target
    Schedule,
    /// A run in full
    Report {
        /// The run [default: the newest]
        #[arg(long, value_name = "N")]
        run: Option<u64>,
    },
}

/// What a run shall do.
#[derive(Debug, Args)]
pub struct Running {
    /// Everything, due or not
    #[arg(long)]
    pub all: bool,
    /// At most so long; a file that was begun is read to its end
    #[arg(long = "for", value_name = "TIME")]
    pub time: Option<String>,
    /// At most so many bytes: 2T, "500 GiB"
    #[arg(long, value_name = "SIZE")]
    pub bytes: Option<String>,
    /// Only on these targets
    #[arg(long = "target", value_name = "NAME")]
    pub targets: Vec<String>,
}
