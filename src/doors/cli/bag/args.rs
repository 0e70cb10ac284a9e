//! The words of `strongroom bag`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Verbs on bags where they lie: no daemon, no ledger, no configuration.
#[derive(Debug, Subcommand)]
pub enum BagVerb {
    /// Judge bags: every fault of each, in one run; exit 0 valid, 1 invalid, 3 when one could not be judged
    Validate(Validate),
    /// Show what is in bags, from their headers and tag files; payload files are not read
    Inspect(Inspect),
}

/// What to judge, and how.
#[derive(Debug, Args)]
pub struct Validate {
    /// Warnings that good bags do not have are errors
    #[arg(long)]
    pub strict: bool,
    /// Look into packed bags (gzip, bzip2, zstd, zip) whatever they are called; those that are named .tar.gz, .zip and
    /// so on are looked into anyway
    #[arg(long)]
    pub unpack: bool,
    /// Threads that digest [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Bags: tar files, or folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// What to look into.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Look into packed bags (gzip, bzip2, zstd, zip) whatever they are called
    #[arg(long)]
    pub unpack: bool,
    /// Bags: tar files, or folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}
