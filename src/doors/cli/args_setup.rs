//! Arguments of the verbs that fit the host to the configuration.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Verbs that fit the host to the configuration.
#[derive(Debug, Subcommand)]
pub enum SetupVerb {
    /// Drop-ins for the units, made from the configuration: folders they may write, mounts they wait for, credentials
    Unit(SettingUp),
}

/// What to do with the drop-ins.
#[derive(Clone, Debug, Args)]
pub struct SettingUp {
    /// Write them to /etc/systemd/system, each whole or not at all
    #[arg(long, conflicts_with = "check")]
    pub write: bool,
    /// Only say whether the installed units cover the configuration, and what differs: exit 1 when they do not
    #[arg(long)]
    pub check: bool,
    /// User that the units shall run as [default: the one that they have]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Group that the units shall run with [default: the one that they have]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Folder with the host's files, for an image that is being built
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
}
