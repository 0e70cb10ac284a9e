//! What a check came to, as monitoring plugins say it: one line of text, `|`, figures; and an exit code.

use std::fmt;

/// How bad it is; the worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// To be looked at.
    Warning,
    /// It could not be found out.
    Unknown,
    /// Wrong.
    Critical,
}

impl Grade {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Grade::Ok => "OK",
            Grade::Warning => "WARNING",
            Grade::Critical => "CRITICAL",
            Grade::Unknown => "UNKNOWN",
        }
    }

    /// Its exit code.
    pub fn code(self) -> u8 {
        match self {
            Grade::Ok => 0,
            Grade::Warning => 1,
            Grade::Critical => 2,
            Grade::Unknown => 3,
        }
    }

    /// The grade of a figure that should be small.
    pub fn of(value: u64, warning: u64, critical: u64) -> Grade {
        match value {
            value if value >= critical => Grade::Critical,
            value if value >= warning => Grade::Warning,
            _ => Grade::Ok,
        }
    }
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    label: String,
    value: u64,
    unit: &'static str,
    warning: Option<u64>,
    critical: Option<u64>,
    most: Option<u64>,
}

impl Figure {
    /// A figure; `unit` is empty, `s` or `B`.
    pub fn new(label: impl Into<String>, value: u64, unit: &'static str) -> Figure {
        Figure { label: label.into(), value, unit, warning: None, critical: None, most: None }
    }

    /// With the values from which on it is bad.
    pub fn limits(self, warning: u64, critical: u64) -> Figure {
        Figure { warning: Some(warning), critical: Some(critical), ..self }
    }

    /// With the most that it can be.
    pub fn most(self, most: u64) -> Figure {
        Figure { most: Some(most), ..self }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
        // A label holds neither a quote nor an equals sign; with a blank it is quoted.
        let label = self.label.replace(['\'', '=', '|'], "_");
        let quote = if label.contains(' ') { "'" } else { "" };
        let text = format!(
            "{quote}{label}{quote}={}{};{};{};0;{}",
            self.value,
            self.unit,
            part(self.warning),
            part(self.critical),
            part(self.most)
        );
        out.write_str(text.trim_end_matches(';'))
    }
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How bad it is.
    pub grade: Grade,
    /// What was found, the worst first.
    parts: Vec<(Grade, String)>,
    /// Figures.
    figures: Vec<Figure>,
}

impl Verdict {
    /// Nothing was found yet.
    pub fn new() -> Verdict {
        Verdict { grade: Grade::Ok, parts: Vec::new(), figures: Vec::new() }
    }

    /// It could not be found out.
    pub fn unknown(why: impl Into<String>) -> Verdict {
        Verdict::new().with(Grade::Unknown, why)
    }

    /// With this, too.
    pub fn with(mut self, grade: Grade, what: impl Into<String>) -> Verdict {
        self.add(grade, what);
        self
    }

    /// Adds what was found.
    pub fn add(&mut self, grade: Grade, what: impl Into<String>) {
        self.grade = self.grade.max(grade);
        self.parts.push((grade, what.into()));
    }

    /// Adds a figure.
    pub fn figure(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// What was found, in words: what is bad; all of it, when nothing is.
    pub fn text(&self) -> String {
        let mut parts: Vec<&(Grade, String)> = self.parts.iter().collect();
        parts.sort_by_key(|(grade, _)| std::cmp::Reverse(*grade));
        parts.retain(|(grade, _)| *grade > Grade::Ok || self.grade == Grade::Ok);
        let texts: Vec<&str> = parts.iter().map(|(_, text)| text.as_str()).collect();
        // The line ends at the bar; no word of it may be one.
        texts.join("; ").replace('|', "/").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// Figures, as they are printed.
    pub fn figures(&self) -> Vec<String> {
        self.figures.iter().map(ToString::to_string).collect()
    }

    /// The line.
    pub fn line(&self) -> String {
        let text = format!("{}: {}", self.grade.word(), self.text());
        match self.figures.is_empty() {
            true => text,
            false => format!("{text} | {}", self.figures().join(" ")),
        }
    }
}

impl Default for Verdict {
    fn default() -> Self {
        Verdict::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_wins_comes_first_and_hides_what_is_well() {
        let mut verdict = Verdict::new().with(Grade::Ok, "a is well").with(Grade::Warning, "b | is\nodd");
        verdict.figure(Figure::new("b", 3, "").limits(1, 5));
        assert_eq!(verdict.line(), "WARNING: b / is odd | b=3;1;5;0");
        assert_eq!(verdict.clone().with(Grade::Critical, "c fails").text(), "c fails; b / is odd");
        assert_eq!(Verdict::new().with(Grade::Ok, "a").with(Grade::Ok, "b").line(), "OK: a; b");
        // What is known to be wrong is worse than what is not known.
        let both = Verdict::unknown("x").with(Grade::Critical, "y");
        assert_eq!((both.grade, both.grade.code()), (Grade::Critical, 2));
    }

    #[test]
    fn figures_are_written_as_plugins_write_them() {
        let table = [
            (Figure::new("age", 7, "s"), "age=7s;;;0"),
            (Figure::new("free on b", 7, "B").limits(5, 2).most(9), "'free on b'=7B;5;2;0;9"),
            (Figure::new("a'=|b", 1, ""), "a___b=1;;;0"),
        ];
        for (figure, wanted) in table {
            assert_eq!(figure.to_string(), wanted);
        }
    }
}
