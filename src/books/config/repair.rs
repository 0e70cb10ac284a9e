//! `[repair]`: whether copies are put right by themselves.

use super::build::Builder;

/// Who decides that a copy is put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepairMode {
    /// A person, who was shown what would be done.
    #[default]
    Plan,
    /// Nobody: what a sweep found is put right soon after it.
    Auto,
}

impl RepairMode {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            RepairMode::Plan => "plan",
            RepairMode::Auto => "auto",
        }
    }
}

/// How copies are put right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairConfig {
    /// Who decides.
    pub mode: RepairMode,
}

impl Builder {
    pub(super) fn repair(&mut self) -> RepairConfig {
        let mode = match self.text("repair.mode").as_str() {
            "auto" => RepairMode::Auto,
            _ => RepairMode::Plan,
        };
        RepairConfig { mode }
    }
}
