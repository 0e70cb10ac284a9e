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
    /// Make a BagIt 1.0 bag of a folder; the same folder makes the same bytes
    Make(Make),
}

/// What to judge, and how.
#[derive(Debug, Args)]
pub struct Validate {
    /// Warnings that good bags do not have are errors
    #[arg(long)]
    pub strict: bool,
    /// Judge by this profile, too: its name (strongroom profile list), or its file. One that is named in a bag is never
    /// fetched. Profiles taken in are known when --data or --config says where
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: Option<String>,
    /// Look into packed bags (gzip, bzip2, zstd, zip) whatever they are called; those that are named .tar.gz, .zip and
    /// so on are looked into anyway
    #[arg(long)]
    pub unpack: bool,
    /// Threads that read and digest [default: one for each processor, and more for folders of small files]
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

/// What bag to make.
#[derive(Debug, Args)]
pub struct Make {
    /// Folder with the payload; it stays as it is
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The bag [default: DIR-bag, or DIR.tar with --tar, in the current folder]; one that ends in .tar is a tar
    #[arg(long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// As a tar, with the one top-level folder that is called like the tar
    #[arg(long)]
    pub tar: bool,
    /// Algorithm of payload and tag manifests; may be repeated [default: sha256 and sha512]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub algorithm: Vec<String>,
    /// An element of bag-info.txt; may be repeated. Bagging-Date, unless given, is the day of SOURCE_DATE_EPOCH, or of the
    /// newest file
    #[arg(long, value_name = "'LABEL: VALUE'")]
    pub info: Vec<String>,
}
