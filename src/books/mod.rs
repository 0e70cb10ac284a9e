//! Floor 4, the books: what the house knows and promises.

pub mod config;
pub mod facts;
pub mod judging;
pub mod ledger;
pub mod profiles;
pub mod roles;
pub mod unit;
pub mod volume;
