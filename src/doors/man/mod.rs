//! Pages of the manual, made by the program itself from the tables it works with, so that they cannot be out of date.
//!
//! - A page is plain roff with the `man` macros; no text of ours can be taken for a request or an escape.
//! - The same program makes the same bytes: no date, no name of a machine.

mod findings;
mod roff;

pub use roff::Page;

/// One page that can be made.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    /// What to ask for: `findings`.
    pub word: &'static str,
    /// Its name in the manual: `strongroom-findings`.
    pub name: &'static str,
    /// The section of the manual.
    pub section: u8,
    /// What it is about, in a few words.
    pub title: &'static str,
    make: fn(Page) -> Page,
}

/// Every page there is.
pub const SHEETS: [Sheet; 1] = [Sheet {
    word: "findings",
    name: "strongroom-findings",
    section: 7,
    title: "what judging a bag can find, and what to do about it",
    make: findings::page,
}];

impl Sheet {
    /// The page as roff.
    pub fn roff(&self) -> String {
        let page = Page::new(self.name, self.section, self.title);
        (self.make)(page).finish()
    }
}
