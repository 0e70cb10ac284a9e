//! What is wrong with a configuration, and what to do.

use std::fmt;
use std::path::PathBuf;

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The file, when there is one.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub error: String,
    /// Why it is.
    pub because: String,
    /// What that would mean, or what happens now.
    pub so: String,
    /// What to do.
    pub then_try: String,
}

impl Fault {
    /// A fault.
    pub fn new(error: impl Into<String>) -> Fault {
        Fault { error: error.into(), ..Fault::default() }
    }

    /// On this line.
    pub fn line(self, line: usize) -> Fault {
        Fault { line: Some(line), ..self }
    }

    /// For this reason.
    pub fn because(self, because: impl Into<String>) -> Fault {
        Fault { because: because.into(), ..self }
    }

    /// With this consequence.
    pub fn so(self, so: impl Into<String>) -> Fault {
        Fault { so: so.into(), ..self }
    }

    /// With this advice.
    pub fn then_try(self, then_try: impl Into<String>) -> Fault {
        Fault { then_try: then_try.into(), ..self }
    }

    /// `FILE line N: ` or nothing.
    pub fn place(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{} line {line}: ", file.display()),
            (Some(file), None) => format!("{}: ", file.display()),
            (None, Some(line)) => format!("line {line}: "),
            (None, None) => String::new(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.place(), self.error)?;
        if !self.because.is_empty() {
            write!(out, ": {}", self.because)?;
        }
        Ok(())
    }
}

/// All faults of a configuration; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.0.iter().enumerate() {
            if place > 0 {
                write!(out, "; ")?;
            }
            write!(out, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
