//! A report as one page of HTML that stands alone: no script, nothing fetched, printable on paper.
//!
//! - Everything that comes from the ledger is escaped, and the page forbids itself everything else.

use super::{Cell, Report, Section};

/// How it looks: dark ink on white where it is printed; tables break between rows only.
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#111;background:#fff}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .25rem}p{margin:.25rem 0}.note,.made{color:#555;font-size:.9rem}\
table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{border-bottom:1px solid #bbb;padding:.25rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th{border-bottom:2px solid #333}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\
@media print{body{margin:0;max-width:none;font-size:10pt}thead{display:table-header-group}tr{break-inside:avoid}h2{break-after:avoid}}";

/// The page.
pub fn html(report: &Report) -> String {
    let title = escaped(&report.title());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <p class=\"made\">made {:.0} by strongroom {}</p>\n",
        report.made,
        env!("CARGO_PKG_VERSION")
    );
    report.summary.iter().for_each(|line| page.push_str(&format!("<p>{}</p>\n", escaped(line))));
    report.sections.iter().for_each(|part| page.push_str(&section(part)));
    page + "</main>\n</body>\n</html>\n"
}

fn section(section: &Section) -> String {
    let title = section.title;
    let mut text = format!(
        "<h2 id=\"{0}\">{title}</h2>\n<p class=\"note\">{1}</p>\n",
        section.name,
        escaped(section.note)
    );
    if section.rows.is_empty() {
        return text + "<p>none</p>\n";
    }
    text.push_str(&format!("<table aria-labelledby=\"{}\">\n<thead><tr>", section.name));
    let first = section.rows.first();
    for (at, name) in section.columns.iter().enumerate() {
        let class = class(first.and_then(|row| row.get(at)));
        text.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escaped(&name.replace('_', " "))));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in &section.rows {
        let cells =
            row.iter().map(|cell| format!("<td{}>{}</td>", class(Some(cell)), escaped(&cell.shown())));
        text.push_str(&format!("<tr>{}</tr>\n", cells.collect::<String>()));
    }
    text.push_str("</tbody>\n</table>\n");
    if section.more > 0 {
        text.push_str(&format!("<p>and {} more</p>\n", section.more));
    }
    text
}

fn class(cell: Option<&Cell>) -> &'static str {
    if cell.is_some_and(Cell::is_number) { " class=\"n\"" } else { "" }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
