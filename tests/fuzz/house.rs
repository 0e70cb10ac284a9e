//! The two lower floors of the house, which is all that is fuzzed: the crates that the upper floors need would take
//! longer to build than the fuzzing in CI takes. `tests/house.rs` sees to it that they use no other floor.

#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/rules/mod.rs"]
pub mod rules;
