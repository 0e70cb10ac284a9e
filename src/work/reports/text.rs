//! A report as text: columns for people, in a mail as on a terminal.

use super::{Cell, Report, Section};

/// The text.
pub fn text(report: &Report) -> String {
    let mut text = format!("{}\nmade {:.0}\n\n", report.title(), report.made);
    report.summary.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    report.sections.iter().for_each(|part| text.push_str(&section(part)));
    text
}

fn section(section: &Section) -> String {
    let mut text = format!("\n{} ({})\n", section.title, section.note);
    if section.rows.is_empty() {
        return text + "  none\n";
    }
    let shown: Vec<Vec<String>> =
        section.rows.iter().map(|row| row.iter().map(|cell| plain(&cell.shown())).collect()).collect();
    let width = |at: usize| {
        let cells = shown.iter().map(|row| row[at].chars().count());
        cells.chain([section.columns[at].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..section.columns.len()).map(width).collect();
    let line = |cells: &[String], of: &[Cell]| {
        let cells = cells.iter().enumerate().map(|(at, cell)| {
            let pad = " ".repeat(widths[at].saturating_sub(cell.chars().count()));
            match of.get(at).is_some_and(Cell::is_number) {
                true => format!("{pad}{cell}"),
                false => format!("{cell}{pad}"),
            }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_string() + "\n"
    };
    let header: Vec<String> = section.columns.iter().map(|name| name.replace('_', " ")).collect();
    text.push_str(&line(&header, section.rows.first().map_or(&[], Vec::as_slice)));
    for (cells, row) in shown.iter().zip(&section.rows) {
        text.push_str(&line(cells, row));
    }
    if section.more > 0 {
        text.push_str(&format!("  and {} more\n", section.more));
    }
    text
}

/// Nothing in a report speaks to a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
