//! Arguments of `check`, the monitoring plugin.

use clap::{Args, Subcommand};

/// What holds for every check.
#[derive(Clone, Debug, Args)]
pub struct Checking {
    /// Without a daemon open the ledger itself: for machines on which none is to run
    #[arg(long, global = true)]
    pub offline: bool,
    /// How long an answer may take
    #[arg(long, global = true, value_name = "TIME", default_value = "10 s")]
    pub timeout: String,
    /// What is checked
    #[command(subcommand)]
    pub what: CheckVerb,
}

/// Checks. Exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
#[derive(Clone, Debug, Subcommand)]
pub enum CheckVerb {
    /// Is it well: daemon, places, sources, jobs, notices
    Health,
    /// Items that wait for a person
    Trouble {
        /// WARNING from so many that wait for you
        #[arg(short, long, value_name = "N", default_value_t = 1)]
        warning: u64,
        /// CRITICAL from so many
        #[arg(short, long, value_name = "N", default_value_t = 50)]
        critical: u64,
        /// CRITICAL when the oldest that waits for you is older
        #[arg(long, value_name = "TIME", default_value = "7 d")]
        age: String,
    },
    /// Damaged copies, and copies that were not proved for too long
    Fixity {
        /// WARNING when the oldest proof is older [default: a week more than fixity.every of its target]
        #[arg(short, long, value_name = "TIME")]
        warning: Option<String>,
        /// CRITICAL when it is older [default: a third more than fixity.every of its target]
        #[arg(short, long, value_name = "TIME")]
        critical: Option<String>,
    },
    /// Space on volumes and targets
    Disk {
        /// WARNING when less is free, in percent
        #[arg(short, long, value_name = "PERCENT", default_value_t = 10)]
        warning: u64,
        /// CRITICAL when less is free, in percent
        #[arg(short, long, value_name = "PERCENT", default_value_t = 5)]
        critical: u64,
    },
    /// Items that nobody gets on with
    Stalled {
        /// WARNING when the line stands still for so long
        #[arg(short, long, value_name = "TIME", default_value = "2 h")]
        warning: String,
        /// CRITICAL when it stands still for so long
        #[arg(short, long, value_name = "TIME", default_value = "6 h")]
        critical: String,
    },
    /// Age of the last backup of the ledger
    Backup {
        /// WARNING when it is older
        #[arg(short, long, value_name = "TIME", default_value = "2 d")]
        warning: String,
        /// CRITICAL when it is older
        #[arg(short, long, value_name = "TIME", default_value = "4 d")]
        critical: String,
    },
}
