//! Scripts that complete the words of the command line in shells, from the same tree.
//!
//! - What is hidden from people is not offered to them.
//! - Words of our own tables (kinds, stages, codes, pages) are offered where they are asked for; they are hints only: what
//!   the command line takes is decided by its own tree.

use crate::doors::cli::args::Cli;
use crate::doors::man;
use crate::model::checkpoint::{Stage, Standing};
use crate::model::code::{AREAS, codes};
use crate::model::job::Job;
use crate::model::trouble::KINDS;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory, ValueEnum};
use clap_complete::generate;
use clap_complete::shells;

/// A shell that scripts are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// The Z shell
    Zsh,
    /// fish
    Fish,
}

/// Every shell.
pub const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

impl Shell {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
        }
    }

    /// Where packages put its script, below /usr/share.
    pub fn file(self) -> &'static str {
        match self {
            Shell::Bash => "bash-completion/completions/strongroom",
            Shell::Zsh => "zsh/vendor-completions/_strongroom",
            Shell::Fish => "fish/vendor_completions.d/strongroom.fish",
        }
    }

    /// Its script.
    pub fn script(self) -> String {
        let (mut tree, mut script) = (offered(), Vec::new());
        match self {
            Shell::Bash => generate(shells::Bash, &mut tree, man::PROGRAM, &mut script),
            Shell::Zsh => generate(shells::Zsh, &mut tree, man::PROGRAM, &mut script),
            Shell::Fish => generate(shells::Fish, &mut tree, man::PROGRAM, &mut script),
        }
        String::from_utf8_lossy(&script).into_owned()
    }
}

/// The tree without what is hidden, and with the words of our tables where they are asked for.
fn offered() -> Command {
    let tree = Cli::command();
    let mut shown = Command::new(man::PROGRAM).version(env!("CARGO_PKG_VERSION"));
    if let Some(about) = tree.get_about() {
        shown = shown.about(about.clone());
    }
    shown.args(tree.get_arguments().cloned()).subcommands(
        tree.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().map(|verb| with_words(verb, "")),
    )
}

fn with_words(verb: Command, above: &str) -> Command {
    let name = verb.get_name().to_string();
    let verb = verb.mut_args(|arg| match words(above, &name, arg.get_id().as_str()) {
        Some(words) => arg_with(arg, words),
        None => arg,
    });
    verb.mut_subcommands(|under| with_words(under, &name))
}

fn arg_with(arg: Arg, words: Vec<&'static str>) -> Arg {
    // A default that is none of the words would be refused by clap's own check of the tree.
    if arg.get_default_values().is_empty() { arg.value_parser(PossibleValuesParser::new(words)) } else { arg }
}

/// What may be said at this argument of this verb, where one of our tables knows it.
fn words(above: &str, verb: &str, arg: &str) -> Option<Vec<&'static str>> {
    let stages = || Stage::ALL.iter().map(|stage| stage.name());
    let kinds = || KINDS.iter().map(|row| row.name);
    Some(match (above, verb, arg) {
        (_, "requeue", "from") | (_, _, "stage") => stages().collect(),
        ("", "report", "kind") => return None,
        (_, _, "kind") => kinds().collect(),
        ("item", "list", "standing") => Standing::NAMES.to_vec(),
        ("", "explain", "word") => kinds()
            .chain(stages())
            .chain(Standing::NAMES)
            .chain(AREAS.iter().map(|area| area.name))
            .chain(codes().map(|code| code.name))
            .collect(),
        ("", "man", "page") => man::words(),
        ("job", _, "job") => Job::ALL.iter().map(|job| job.name()).collect(),
        _ => return None,
    })
}
