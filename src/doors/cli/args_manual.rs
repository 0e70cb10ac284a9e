//! The words of `man` and `completions`.

use crate::doors::completions::Shell;
use clap::Args;
use std::path::PathBuf;

/// Which page of the manual.
#[derive(Debug, Args)]
pub struct ManualOf {
    /// The page: a verb, strongroom.toml, findings, json, recovery, troubles; without one, which there are. On a terminal
    /// it is shown by man(1); otherwise it is printed as roff
    pub page: Option<String>,
    /// Write every page below this folder: man1, man5, man7
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    pub to: Option<PathBuf>,
}

/// Which script.
#[derive(Debug, Args)]
pub struct CompletionsOf {
    /// The shell whose script is printed
    #[arg(value_enum, required_unless_present = "to")]
    pub shell: Option<Shell>,
    /// Write the scripts of all shells below this folder, as packages have them below /usr/share
    #[arg(long, value_name = "DIR", conflicts_with = "shell")]
    pub to: Option<PathBuf>,
}
