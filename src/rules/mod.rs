//! Floor 2, the rules: pure. Values and readers in, values out; no world is touched here.

pub mod address;
pub mod bagit;
pub mod digester;
pub mod due;
pub mod groups;
pub mod handle;
pub mod http;
pub mod ocfl;
pub mod ours;
pub mod packed;
pub mod premis;
pub mod read;
pub mod reconcile;
pub mod registry;
pub mod sort;
pub mod tar;
pub mod unit;
