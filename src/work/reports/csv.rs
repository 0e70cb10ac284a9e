//! A report as CSV (RFC 4180): exact numbers, a header, CRLF.
//!
//! - A report of one section has its columns; one of several is long: section, row, column, value.
//! - No cell is a formula to a spreadsheet: text that starts like one gets an apostrophe, as OWASP advises.

use super::{Cell, Report};
use std::borrow::Cow;

/// The CSV.
pub fn csv(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = Cow<'_, str>>| {
        let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    };
    if let [only] = report.sections.as_slice() {
        line(&mut only.columns.iter().map(|name| Cow::Borrowed(*name)));
        only.rows.iter().for_each(|row| line(&mut row.iter().map(value)));
        return text;
    }
    line(&mut ["section", "row", "column", "value"].into_iter().map(Cow::Borrowed));
    for section in &report.sections {
        for (number, row) in section.rows.iter().enumerate() {
            for (name, cell) in section.columns.iter().zip(row) {
                let number = Cow::Owned((number + 1).to_string());
                line(&mut [section.name.into(), number, (*name).into(), value(cell)].into_iter());
            }
        }
    }
    text
}

fn value(cell: &Cell) -> Cow<'static, str> {
    let text = cell.exact();
    let speaks = matches!(cell, Cell::Text(_)) && text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    Cow::Owned(if speaks { format!("'{text}") } else { text })
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_string()
}
