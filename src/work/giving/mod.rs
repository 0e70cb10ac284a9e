//! Giving objects back: what the stages of restoration, the plain restore, the desk and tests of what is kept share.

pub mod expiring;
pub mod ordering;
pub mod parcel;
pub mod reading;
pub mod tape;
pub mod tar_check;
