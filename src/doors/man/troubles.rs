//! strongroom-troubles(7), from the table of kinds, and from what `explain` says of stages and standings.

use super::Page;
use super::calls::typed;
use super::verbs::full_stop;
use crate::doors::cli::explain::{STAGES, STANDINGS, who_can_help};
use crate::model::checkpoint::TRIES_MAX;
use crate::model::trouble::{KINDS, KindRow, Remedy};

/// Remedies, with what `--json` and filters call them, in the order of how many people they concern.
const REMEDIES: [(Remedy, &str); 5] = [
    (Remedy::Time, "time"),
    (Remedy::Depositor, "depositor"),
    (Remedy::Operator, "operator"),
    (Remedy::Alarm, "alarm"),
    (Remedy::Developer, "developer"),
];

/// Writes the page.
pub fn page(page: Page) -> Page {
    let page = remedies(standings(stages(about(page))));
    let mut page = page.section("KINDS").text(
        "By who can help. `ID` stands for the item's number. `strongroom explain KIND` shows one of these entries.",
    );
    for (remedy, name) in REMEDIES {
        page = page.subsection(&format!("Who can help: {name}")).text(&sentence(&who_can_help(remedy)));
        for row in KINDS.iter().filter(|row| row.remedy == remedy) {
            page = page.term(row.name, &kind(row));
        }
    }
    end(page)
}

fn kind(row: &KindRow) -> Vec<String> {
    vec![
        sentence(row.meaning),
        format!("What happens next: {}", typed(&full_stop(row.next))),
        format!("What to do: {}", typed(&full_stop(row.advice))),
    ]
}

/// With a capital at the beginning, and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    full_stop(&format!("{first}{}", letters.as_str()))
}

fn about(page: Page) -> Page {
    page.section("DESCRIPTION")
        .text(
            "Taking a deposit in is an item; so is giving an object back, testing one, and deleting one. An item has a stage \
             and a standing. What stops it is a trouble of a known kind, and the kind, nothing else, says who can help: time, \
             the depositor, you, or the developers. An item that waits for space or for its turn is in no trouble, and needs \
             nobody.",
        )
        .text(
            "`strongroom trouble list` shows what waits for a person, oldest first; `strongroom trouble show ID` says what \
             stopped it, every finding, and what to type. When the cause is mended `strongroom requeue ID` sends it back to \
             work; it refuses what cannot help, and says why. Faults of bags are in strongroom-findings(7).",
        )
}

fn stages(page: Page) -> Page {
    let page = page.section("STAGES").text(
        "A deposit goes through the first six. Giving back goes through `gather`, `recheck` and `deliver`; deleting through \
         `remove` and `conclude`. A stage that is run twice leaves what it leaves run once.",
    );
    STAGES
        .iter()
        .fold(page, |page, (stage, does, more)| page.term(stage.name(), &[sentence(does), sentence(more)]))
}

fn standings(page: Page) -> Page {
    let page = page.section("STANDINGS");
    STANDINGS.iter().fold(page, |page, (name, means)| page.term(name, &[typed(&sentence(means))]))
}

fn remedies(page: Page) -> Page {
    page.section("TRYING AGAIN").text(&format!(
        "What time may cure is tried again after `retry.first` (30 s unless the configuration says otherwise), then after \
         longer and longer pauses up to `retry.longest`, spread by chance. After {TRIES_MAX} tries at one stage the item is \
         held for a person. Going on to the next stage, and `strongroom requeue`, count anew. Every other kind holds the \
         item, or refuses it, at once.",
    ))
}

fn end(page: Page) -> Page {
    page.section("EXAMPLES")
        .text("What needs me, by cause; then one of them:")
        .example("strongroom trouble summary\nstrongroom trouble list --kind target-missing\nstrongroom trouble show 41")
        .text("A target was not mounted, and is again:")
        .example("strongroom doctor\nstrongroom requeue --kind target-missing --dry-run\nstrongroom requeue --kind target-missing")
        .text("A letter for the depositor of a bag that was refused:")
        .example("strongroom trouble show 41 --letter")
        .section("SEE ALSO")
        .text(
            "strongroom-trouble(1), strongroom-requeue(1), strongroom-item(1), strongroom-explain(1), strongroom-findings(7), \
             strongroom-recovery(7)",
        )
}
