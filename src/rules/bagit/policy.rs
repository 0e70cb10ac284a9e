//! How a bag is judged where BagIt leaves a choice.

use crate::model::code::weigh;
use crate::model::finding::Finding;

/// What the receiver asks for beyond BagIt itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Warnings that the table of codes marks so are errors.
    pub strict: bool,
}

impl Policy {
    /// A finding that was made without knowing the policy (by the tar's reader), weighed by it.
    pub fn weigh(&self, mut finding: Finding) -> Finding {
        finding.severity = weigh(&finding.code, finding.severity, self.strict);
        finding
    }
}
