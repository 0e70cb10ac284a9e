//! Arguments of the verbs about deletions.

use clap::Subcommand;

/// Verbs on deletions.
#[derive(Debug, Subcommand)]
pub enum DeleteVerb {
    /// Ask for an object to be deleted: every version, on every target; a second person must approve
    Request {
        /// Its id, or depositor/bag
        object: String,
        /// Why; kept for ever
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Only say what would be lost, and what stands against it
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List requests, newest first
    List {
        /// Show every one, not the first fifty only
        #[arg(long)]
        all: bool,
    },
    /// All about one request: who said what, and how far it is
    Show {
        /// Its number, or the object
        request: String,
    },
    /// Take a request back; an approved one until it begins
    Cancel {
        /// Its number, or the object
        request: String,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

/// What may be approved.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Approving {
    /// Look instead
    #[command(subcommand)]
    pub verb: Option<ApproveVerb>,
    /// Number of the request, or the object
    #[arg(required = true, value_name = "ID")]
    pub id: Option<String>,
    /// Only say what would be lost, and what stands against it
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Looking at what waits for a second person.
#[derive(Debug, Subcommand)]
pub enum ApproveVerb {
    /// What waits for a second person
    List,
    /// All about one request, and what would be lost
    Show {
        /// Its number, or the object
        request: String,
    },
}
