//! Whom we trust: the file of certificates that counts.

use std::path::{Path, PathBuf};

/// Where systems keep the certificates they trust.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// No file of certificates is longer.
const BYTES_MAX: u64 = 16 << 20;

/// The file that counts, with what is in it: the one that was named, else `SSL_CERT_FILE`, else the system's, else none.
/// One that was named must be there.
pub fn file(named: Option<&Path>) -> Result<Option<(PathBuf, Vec<u8>)>, String> {
    let of_environment = || std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
    if let Some(path) = named.map(Path::to_path_buf).or_else(|| of_environment().map(PathBuf::from)) {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let bytes = std::fs::metadata(&path).map_err(failed)?.len();
        if bytes > BYTES_MAX {
            return Err(format!("{} has {bytes} bytes, which no file of certificates has", path.display()));
        }
        return Ok(Some((path.clone(), std::fs::read(&path).map_err(failed)?)));
    }
    let system = SYSTEM.iter().find_map(|path| Some((PathBuf::from(path), std::fs::read(path).ok()?)));
    Ok(system.filter(|(_, pem)| !pem.is_empty()))
}
