//! What texts of our tables say to type, set as what is typed.
//!
//! - A call begins with the name of the program and a verb of the tree, and goes as far as words are verbs, options with
//!   their values, or placeholders in capitals. What only names the program is left as it is.

use super::PROGRAM;
use clap::{ArgAction, Command, CommandFactory};

/// The text with every call in it between backquotes.
pub fn typed(text: &str) -> String {
    let tree = crate::doors::cli::args::Cli::command();
    let (mut told, mut rest) = (String::new(), text);
    while let Some(place) = rest.find(PROGRAM) {
        told.push_str(&rest[..place]);
        rest = &rest[place..];
        let length = call(rest, &tree);
        match length {
            0 => {
                told.push_str(PROGRAM);
                rest = &rest[PROGRAM.len()..];
            }
            length => {
                told.push_str(&format!("`{}`", &rest[..length]));
                rest = &rest[length..];
            }
        }
    }
    told + rest
}

/// Bytes of the call that a text begins with; 0 when it is none.
fn call(text: &str, tree: &Command) -> usize {
    let (mut at, mut length, mut wants_value) = (tree, 0, false);
    for (number, (start, word)) in words(text).into_iter().enumerate() {
        let bare = word.trim_end_matches([',', ';', ':', '.', ')']);
        let verb = at.find_subcommand(bare);
        let is_ours = match number {
            0 => bare == PROGRAM,
            1 => verb.is_some(),
            _ => verb.is_some() || wants_value || is_option(bare) || is_placeholder(bare),
        };
        if !is_ours {
            break;
        }
        length = if number == 0 { 0 } else { start + bare.len() };
        wants_value = takes_value(at, bare);
        at = verb.unwrap_or(at);
        // A mark behind a word ends the sentence, and the call.
        if bare.len() < word.len() {
            break;
        }
    }
    length
}

/// Words with the places where they begin.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut next = 0;
    text.split(' ')
        .map(|word| {
            let start = next;
            next += word.len() + 1;
            (start, word)
        })
        .collect()
}

fn is_option(word: &str) -> bool {
    word.starts_with("--") && word.len() > 2
}

fn is_placeholder(word: &str) -> bool {
    word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '.')
}

fn takes_value(verb: &Command, word: &str) -> bool {
    let named = |arg: &&clap::Arg| arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
    verb.get_arguments().find(named).is_some_and(|arg| {
        matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_positional()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_marked_as_far_as_it_goes_and_prose_is_left_alone() {
        for (text, marked) in [
            (
                "put it back and run strongroom requeue ID, or strongroom item cancel ID",
                "put it back and run `strongroom requeue ID`, or `strongroom item cancel ID`",
            ),
            ("run strongroom requeue ID --from store", "run `strongroom requeue ID --from store`"),
            (
                "strongroom trouble show ID names every fault",
                "`strongroom trouble show ID` names every fault",
            ),
            (
                "read it again (strongroom object verify), then",
                "read it again (`strongroom object verify`), then",
            ),
            ("systemctl status strongroom", "systemctl status strongroom"),
            ("what strongroom keeps; strongroom help me", "what strongroom keeps; strongroom help me"),
            ("strongroom trouble list, strongroom doctor", "`strongroom trouble list`, `strongroom doctor`"),
        ] {
            assert_eq!(typed(text), marked);
        }
    }
}
