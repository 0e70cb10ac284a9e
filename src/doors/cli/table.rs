//! Tables: aligned with a header on a terminal, TAB-separated without one, so that `cut` and `awk` need no options.

/// Where the output goes, and how it may look.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// A person reads it on a terminal.
    pub tty: bool,
    /// Colour is wanted.
    pub color: bool,
    /// Hints are not wanted.
    pub quiet: bool,
    /// Now, for ages.
    pub now: jiff::Timestamp,
}

/// What a word stands for; it is coloured by it, and never says less without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
    /// Beside the point.
    Dim,
}

impl Style {
    /// The word in its colour, if colour is wanted.
    pub fn paint(&self, tone: Tone, word: &str) -> String {
        if !self.color {
            return word.to_string();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Warn => 33,
            Tone::Bad => 31,
            Tone::Dim => 2,
        };
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    }

    /// Age of a moment, for people; the moment itself, for scripts.
    pub fn age(&self, at: jiff::Timestamp) -> Cell {
        let seconds = self.now.as_second() - at.as_second();
        Cell { shown: crate::books::config::units::show_age(seconds), plain: moment(at), tone: None }
    }

    /// How long it is until then.
    pub fn until(&self, at: jiff::Timestamp) -> Cell {
        let seconds = at.as_second() - self.now.as_second();
        let shown = format!("in {}", crate::books::config::units::show_age(seconds));
        Cell { shown, plain: moment(at), tone: None }
    }

    /// Bytes, rounded for people and exact for scripts.
    pub fn bytes(&self, bytes: u64) -> Cell {
        Cell { shown: crate::books::config::units::show_bytes(bytes), plain: bytes.to_string(), tone: None }
    }
}

/// A moment to the second: `2026-11-20T12:00:00Z`.
pub fn moment(at: jiff::Timestamp) -> String {
    format!("{at:.0}")
}

/// One cell.
#[derive(Clone, Debug)]
pub struct Cell {
    shown: String,
    plain: String,
    tone: Option<Tone>,
}

impl Cell {
    /// With this tone.
    pub fn tone(self, tone: Tone) -> Cell {
        Cell { tone: Some(tone), ..self }
    }

    /// As it is shown to people.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Cell {
        let text = value.to_string();
        Cell { shown: text.clone(), plain: text, tone: None }
    }
}

/// A table.
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with this header; a name that starts with `>` is aligned to the right.
    pub fn new(header: &[&'static str]) -> Table {
        Table { header: header.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The text.
    pub fn render(&self, style: &Style) -> String {
        if !style.tty {
            let lines = self.rows.iter().map(|row| {
                let cells: Vec<String> =
                    row.iter().map(|cell| cell.plain.replace(['\t', '\n'], " ")).collect();
                cells.join("\t") + "\n"
            });
            return lines.collect();
        }
        let names: Vec<&str> = self.header.iter().map(|name| name.trim_start_matches('>')).collect();
        let mut widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
        for row in &self.rows {
            for (place, cell) in row.iter().enumerate() {
                widths[place] = widths[place].max(width(&cell.shown));
            }
        }
        let header: Vec<Cell> = names.iter().map(|name| Cell::from(*name)).collect();
        std::iter::once(&header).chain(&self.rows).map(|row| self.line(style, row, &widths)).collect()
    }

    fn line(&self, style: &Style, row: &[Cell], widths: &[usize]) -> String {
        let mut line = String::new();
        for (place, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[place].saturating_sub(width(&cell.shown)));
            let text = match cell.tone {
                Some(tone) => style.paint(tone, &cell.shown),
                None => cell.shown.clone(),
            };
            let to_the_right = self.header[place].starts_with('>');
            let last = place + 1 == row.len();
            let (before, after) = match (to_the_right, last) {
                (true, _) => (pad.as_str(), ""),
                (false, true) => ("", ""),
                (false, false) => ("", pad.as_str()),
            };
            let gap = if place == 0 { "" } else { "  " };
            line.push_str(&format!("{gap}{before}{text}{after}"));
        }
        line + "\n"
    }
}

/// Columns that a text takes, near enough: wide characters (East Asian, emoji) take two.
fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f
            | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
    };
    let combining = |c: char| matches!(u32::from(c), 0x300..=0x36f | 0x200b..=0x200f);
    text.chars().map(|c| if combining(c) { 0 } else { 1 + usize::from(wide(c)) }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(tty: bool) -> Style {
        Style { tty, color: false, quiet: false, now: "2026-11-20T12:00:00Z".parse().unwrap() }
    }

    #[test]
    fn people_get_columns_and_scripts_get_tabs() {
        let mut table = Table::new(&["ID", ">SIZE", "AGE", "BAG"]);
        let style = style(true);
        table.row(vec![
            41.into(),
            style.bytes(5 << 30),
            style.age("2026-11-17T11:00:00Z".parse().unwrap()),
            "日本".into(),
        ]);
        table.row(vec![7.into(), style.bytes(12), style.age(style.now), "a\tb".into()]);
        assert_eq!(
            table.render(&style),
            "ID     SIZE  AGE  BAG\n41  5.0 GiB  3 d  日本\n7      12 B  0 s  a\tb\n"
        );
        assert_eq!(
            table.render(&self::style(false)),
            "41\t5368709120\t2026-11-17T11:00:00Z\t日本\n7\t12\t2026-11-20T12:00:00Z\ta b\n"
        );
    }
}
