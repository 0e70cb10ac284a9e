//! (to be written)
pub fn sha256_hex(b:&[u8])->String{use sha2::Digest;crate::model::digest::hex(&sha2::Sha256::digest(b))}
