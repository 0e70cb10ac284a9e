//! One page a verb, from the command tree; what the tree cannot know, from `about.rs`.
//!
//! - The verbs of a verb (`item list`) stand on its page: whoever looks for one wants its neighbours, too.
//! - Options that hold for every verb are told once, in strongroom(1).

use super::about::{ABOUT, About};
use super::{PROGRAM, Page, Part, verbs_of};
use crate::doors::cli::args::Cli;
use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Command, CommandFactory};

/// What the page of this verb is about, in a few words.
pub fn title(verb: &Command) -> String {
    let about = verb.get_about().map(|about| about.to_string()).unwrap_or_default();
    lower_first(&about)
}

/// Writes the page of a verb.
pub fn page(page: Page, verb: &Command) -> Page {
    let words = format!("{PROGRAM} {}", verb.get_name());
    let about = about_of(verb.get_name());
    let inner: Vec<&Command> = verbs_of(verb).collect();
    let mut page = synopses(page.section("SYNOPSIS"), &words, verb, &inner);
    page = page.section("DESCRIPTION").text(&sentence(verb));
    for text in about.texts {
        page = page.text(text);
    }
    page = arguments_of(page.section("OPTIONS"), verb, None).text(&held_by_all());
    if !inner.is_empty() {
        page = page.section("VERBS");
    }
    for under in inner {
        page = page.subsection(&format!("{words} {}", under.get_name())).text(&sentence(under));
        if !own(under, Some(verb)).is_empty() {
            page = arguments_of(page.inner(), under, Some(verb)).outer();
        }
    }
    let page = exits(page, about);
    let page = examples(page, about);
    see_also(page, about)
}

/// How a verb is called, and those below it, line below line.
fn synopses(page: Page, words: &str, verb: &Command, inner: &[&Command]) -> Page {
    // `approve ID`, and `approve list`: a verb that has verbs may be called without them.
    let own = inner.is_empty() || !verb.is_subcommand_required_set();
    let own = own.then(|| (words.to_string(), takes(verb, None)));
    let below = inner.iter().map(|under| (format!("{words} {}", under.get_name()), takes(under, Some(verb))));
    let mut page = page;
    for (place, (words, takes)) in own.into_iter().chain(below).enumerate() {
        page = if place == 1 { page.close() } else { page };
        page = page.synopsis(&words, &takes);
    }
    page.apart()
}

/// What is told of this verb beside the tree; a verb without an entry has nothing more to say.
fn about_of(verb: &str) -> &'static About {
    ABOUT.iter().find(|about| about.verb == verb).unwrap_or(&About::NOTHING)
}

/// What a command says of itself, as a sentence.
fn sentence(verb: &Command) -> String {
    let about = verb.get_long_about().or_else(|| verb.get_about());
    let about = about.map(|about| about.to_string()).unwrap_or_default().replace('\n', " ");
    full_stop(about.trim())
}

pub(super) fn full_stop(text: &str) -> String {
    if text.is_empty() || text.ends_with(['.', '?', '!', ':']) { text.into() } else { format!("{text}.") }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), text.chars().nth(1)) {
        // An abbreviation stays as it is.
        (Some(first), Some(second)) if !second.is_uppercase() => {
            format!("{}{}", first.to_lowercase(), letters.as_str())
        }
        _ => text.into(),
    }
}

// --- arguments ----------------------------------------------------------------------------------------------------

/// The arguments that are a command's own: what holds for every verb, and what its parent tells, is not told again.
fn own<'a>(verb: &'a Command, parent: Option<&'a Command>) -> Vec<&'a Arg> {
    let tree = Cli::command();
    let is_known = |known: &Command, arg: &Arg| known.get_arguments().any(|one| one.get_id() == arg.get_id());
    verb.get_arguments()
        .filter(|arg| !arg.is_hide_set() && !is_of_clap(arg))
        .filter(|arg| !(arg.is_global_set() && is_known(&tree, arg)))
        .filter(|arg| !(arg.is_global_set() && parent.is_some_and(|parent| is_known(parent, arg))))
        .collect()
}

/// By what it does, not by its name: there are versions of objects, too.
fn is_of_clap(arg: &Arg) -> bool {
    use ArgAction::{Help, HelpLong, HelpShort, Version};
    matches!(arg.get_action(), Help | HelpLong | HelpShort | Version)
}

/// What a command takes, one piece an argument.
fn takes<'a>(verb: &'a Command, parent: Option<&'a Command>) -> Vec<Vec<Part<'a>>> {
    let (named, placed): (Vec<&Arg>, Vec<&Arg>) =
        own(verb, parent).into_iter().partition(|arg| !arg.is_positional());
    named.into_iter().chain(placed).map(take).collect()
}

fn take(arg: &Arg) -> Vec<Part<'_>> {
    let mut take = Vec::new();
    if !arg.is_required_set() {
        take.push(Part::Plain("["));
    }
    take.extend(called(arg));
    if !arg.is_required_set() {
        take.push(Part::Plain("]"));
    }
    if matches!(arg.get_action(), ArgAction::Append | ArgAction::Count) {
        take.push(Part::Plain("..."));
    }
    take
}

/// How an argument is called: `--from STAGE`, `ID`.
fn called(arg: &Arg) -> Vec<Part<'_>> {
    let mut called = Vec::new();
    if let Some(long) = arg.get_long() {
        called.extend([Part::Typed("--"), Part::Typed(long)]);
    }
    if takes_value(arg) {
        if arg.get_long().is_some() {
            called.push(Part::Plain(" "));
        }
        called.push(Part::Filled(name_of(arg)));
    }
    called
}

fn takes_value(arg: &Arg) -> bool {
    arg.is_positional() || arg.get_action().takes_values()
}

fn name_of(arg: &Arg) -> &str {
    arg.get_value_names()
        .and_then(|names| names.first())
        .map_or_else(|| arg.get_id().as_str(), |name| name.as_str())
}

/// Where options are told of that hold for every verb.
fn held_by_all() -> String {
    let tree = Cli::command();
    let named = tree.get_arguments().filter(|arg| arg.is_global_set()).filter_map(Arg::get_long);
    let named: Vec<String> = named.map(|long| format!("`--{long}`")).collect();
    format!("Options that hold for every verb ({}) are told of in strongroom(1).", named.join(", "))
}

/// Every argument with what it means: those that stand at a place first.
pub(super) fn arguments_of(mut page: Page, verb: &Command, parent: Option<&Command>) -> Page {
    let (placed, named): (Vec<&Arg>, Vec<&Arg>) =
        own(verb, parent).into_iter().partition(|arg| arg.is_positional());
    for arg in placed.into_iter().chain(named) {
        page = argument(page, arg);
    }
    page
}

/// One argument.
pub(super) fn argument(page: Page, arg: &Arg) -> Page {
    let short = arg.get_short().map(|short| format!("-{short}")).unwrap_or_default();
    let mut term = Vec::new();
    if !short.is_empty() {
        term.extend([Part::Typed(short.as_str()), Part::Plain(", ")]);
    }
    term.extend(called(arg));
    let repeated = matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
    if repeated {
        term.push(Part::Plain("..."));
    }
    let mut text = full_stop(&help_of(arg));
    let default = default_of(arg);
    if !default.is_empty() {
        text.push_str(&format!(" Default: {default}."));
    }
    let mut texts = vec![text];
    texts.extend(words(&arg.get_possible_values(), takes_value(arg)));
    page.term_of(&term, &texts)
}

fn help_of(arg: &Arg) -> String {
    // What clap says of its own option is about screens.
    if arg.get_id() == "help" {
        return "Print help; of a verb behind it, too".into();
    }
    let help = arg.get_long_help().or_else(|| arg.get_help());
    help.map(|help| help.to_string()).unwrap_or_default().replace('\n', " ")
}

fn default_of(arg: &Arg) -> String {
    if !takes_value(arg) {
        return String::new();
    }
    let values = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
    values.filter(|value| !value.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The words that an argument may be, each with what it means where that is known.
fn words(values: &[PossibleValue], takes_value: bool) -> Option<String> {
    let shown: Vec<&PossibleValue> = values.iter().filter(|value| !value.is_hide_set()).collect();
    if !takes_value || shown.is_empty() {
        return None;
    }
    let word = |value: &&PossibleValue| match value.get_help() {
        Some(help) if !help.to_string().eq_ignore_ascii_case(value.get_name()) => {
            format!("`{}` ({})", value.get_name(), lower_first(&help.to_string()))
        }
        _ => format!("`{}`", value.get_name()),
    };
    Some(format!("One of {}.", shown.iter().map(word).collect::<Vec<_>>().join(", ")))
}

// --- what the tree does not know ----------------------------------------------------------------------------------

fn exits(page: Page, about: &About) -> Page {
    let mut page = page.section("EXIT STATUS");
    for (code, means) in about.exits {
        page = page.term(code, &[full_stop(means)]);
    }
    match about.exits.is_empty() {
        // A monitoring server knows four codes, so that a check ends with no other.
        false if about.verb == "check" => page,
        true => page.text("As all verbs: see EXIT STATUS in strongroom(1). An unknown code is a failure."),
        false => {
            page.text("Other codes are those of EXIT STATUS in strongroom(1). An unknown code is a failure.")
        }
    }
}

fn examples(page: Page, about: &About) -> Page {
    if about.examples.is_empty() {
        return page;
    }
    let mut page = page.section("EXAMPLES");
    for (what, lines) in about.examples {
        page = page.text(what).example(lines);
    }
    page
}

fn see_also(page: Page, about: &About) -> Page {
    let mut all = vec!["strongroom(1)"];
    all.extend(about.see);
    page.section("SEE ALSO").text(&all.join(", "))
}
