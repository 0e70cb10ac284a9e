//! What a member's name may be, and the single top-level folder.
//!
//! - A name is judged byte by byte; nothing is repaired but a leading `./`, `.` and doubled `/`, which name the same place.

use super::Limits;
use super::caught::{Caught, about, grouped};
use crate::model::finding::{Finding, Severity, escape};

/// A member's name as components joined by `/`, or why no bag may hold it.
pub fn clean(raw: &[u8], limits: &Limits) -> Result<Vec<u8>, Box<Finding>> {
    let shown = escape(&raw[..raw.len().min(300)]);
    let refuse = |code: &str, what: String, advice: &str| {
        Err(Box::new(about(code, Severity::Error, kept(raw), what).advice(advice).clause("RFC 8493, 5.1")))
    };
    if let Some(why) = escapes(raw) {
        let what = format!("The name `{shown}` {why}.");
        return refuse("SER-PATH-ESCAPES", what, "Make the tar again from the folder that holds the bag.");
    }
    let parts: Vec<&[u8]> =
        raw.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if let Some(part) = parts.iter().find(|part| part.len() > limits.component_bytes) {
        let what = format!(
            "`{shown}` has a component of {} bytes; file systems hold at most {}.",
            grouped(part.len() as u64),
            limits.component_bytes
        );
        return refuse("SER-PATH-TOO-LONG", what, "Shorten the name, and make the bag again.");
    }
    let path = parts.join(&b'/');
    // `./C:/x` leads outside only when its `.` is gone; and `./` alone is a folder without a name.
    if let Some(why) = escapes(&path).filter(|_| !path.is_empty()) {
        let what = format!("The name `{shown}` {why}.");
        return refuse("SER-PATH-ESCAPES", what, "Make the tar again from the folder that holds the bag.");
    }
    if path.len() > limits.path_bytes {
        let what = format!(
            "The name that starts with `{shown}` has {} bytes; at most {} are accepted.",
            grouped(path.len() as u64),
            grouped(limits.path_bytes as u64)
        );
        return refuse("SER-PATH-TOO-LONG", what, "Shorten the path, and make the bag again.");
    }
    if parts.len() > limits.depth {
        let what =
            format!("`{shown}` lies {} folders deep; at most {} are accepted.", parts.len(), limits.depth);
        return refuse("SER-TOO-DEEP", what, "Flatten the folders, and make the bag again.");
    }
    Ok(path)
}

/// What a finding keeps of a name: all of it, unless it is longer than any path may be.
pub fn kept(name: &[u8]) -> &[u8] {
    const KEPT_MAX: usize = 4_096;
    &name[..name.len().min(KEPT_MAX)]
}

fn escapes(raw: &[u8]) -> Option<&'static str> {
    if raw.is_empty() {
        return Some("is empty");
    }
    // A leading `./` names the same place; what is behind it must not be absolute either.
    let mut raw = raw;
    while let Some(rest) = raw.strip_prefix(b"./") {
        raw = rest;
    }
    if raw.contains(&0) {
        return Some("holds a NUL byte");
    }
    if raw.starts_with(b"/") {
        return Some("is absolute");
    }
    if raw.starts_with(b"\\\\") || raw.starts_with(b"\\") {
        return Some("starts with a backslash, which names a place outside the bag on Windows");
    }
    if raw.len() > 2 && raw[0].is_ascii_alphabetic() && raw[1] == b':' && matches!(raw[2], b'\\' | b'/') {
        return Some("starts with a drive letter, which names a place outside the bag on Windows");
    }
    if raw.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Some("holds a `..` component");
    }
    None
}

/// True for what macOS's tar adds beside files (`._name`).
pub fn is_apple_double(name: &[u8]) -> bool {
    name.starts_with(b"._") && name.len() > 2
}

/// What lies at the top of the tar.
#[derive(Debug, Default)]
pub struct Top {
    folder: Option<Vec<u8>>,
    more_folders: Vec<Vec<u8>>,
    files: Vec<Vec<u8>>,
    files_count: u64,
    bag_at_top: bool,
}

/// Names kept of what lies wrongly at the top.
const STRAY_MAX: usize = 20;

impl Top {
    /// Takes a clean path; gives the path below the top-level folder, when it lies below it. The folder itself is empty.
    pub fn below<'p>(&mut self, path: &'p [u8], is_folder: bool, caught: &mut Caught) -> Option<&'p [u8]> {
        let slash = path.iter().position(|byte| *byte == b'/');
        let first = &path[..slash.unwrap_or(path.len())];
        if slash.is_none() && !is_folder {
            self.file(first, caught);
            return None;
        }
        match &self.folder {
            None => self.folder = Some(first.to_vec()),
            Some(folder) if folder == first => {}
            Some(_) => {
                self.bag_at_top |= first == b"data";
                if self.more_folders.len() < STRAY_MAX
                    && !self.more_folders.iter().any(|known| known == first)
                {
                    self.more_folders.push(first.to_vec());
                }
                return None;
            }
        }
        Some(slash.map_or(&[], |slash| &path[slash + 1..]))
    }

    fn file(&mut self, name: &[u8], caught: &mut Caught) {
        if is_apple_double(name) {
            let what = format!(
                "`{}` beside the bag is a side file that macOS's tar adds; it is passed over.",
                escape(name)
            );
            let advice = "To leave such files out, set COPYFILE_DISABLE=1 when making the tar.";
            caught.push(about("SER-APPLEDOUBLE", Severity::Warning, name, what).advice(advice));
            return;
        }
        if name == b"pax_global_header" {
            return;
        }
        self.bag_at_top |= name == b"bagit.txt";
        self.files_count += 1;
        if self.files.len() < STRAY_MAX {
            self.files.push(name.to_vec());
        }
    }

    /// The folder, when there is one.
    pub fn folder(&self) -> Option<&[u8]> {
        self.folder.as_deref()
    }

    /// Says what is wrong at the top.
    pub fn judge(&self, caught: &mut Caught) {
        const CLAUSE: &str = "BagIt 0.97, 4.2: serialisation";
        let refuse = |code: &str, name: &[u8], what: String, advice: &str| {
            about(code, Severity::Error, name, what).advice(advice).clause(CLAUSE)
        };
        let folder = self.folder.as_deref();
        if self.bag_at_top || (folder.is_none() && self.files_count > 0) {
            let what = "The files of the bag lie at the top of the tar, not in one folder.".to_string();
            let advice = "Make the tar from outside: tar -cf NAME.tar NAME, where NAME is the bag's folder.";
            caught.push(refuse("SER-NO-BASE-DIR", b"", what, advice));
            return;
        }
        let Some(folder) = folder else {
            let what = "The tar holds no bag.".to_string();
            caught.push(refuse(
                "SER-EMPTY",
                b"",
                what,
                "Make the tar again, and look into it before you send it.",
            ));
            return;
        };
        if !self.more_folders.is_empty() {
            let names: Vec<String> =
                self.more_folders.iter().map(|name| format!("`{}`", escape(name))).collect();
            let what = format!(
                "Beside `{}` the tar has the top-level folders {}{}; a bag is one folder.",
                escape(folder),
                names.join(", "),
                if names.len() == STRAY_MAX { " and perhaps more" } else { "" }
            );
            caught.push(refuse("SER-MANY-BASE-DIRS", b"", what, "Send one tar for each bag."));
        }
        for name in &self.files {
            let what = format!("`{}` lies beside the bag's folder `{}`.", escape(name), escape(folder));
            caught.push(refuse("SER-STRAY-TOP-LEVEL", name, what, "Put it into the bag or leave it out."));
        }
        let unnamed = self.files_count - self.files.len() as u64;
        if unnamed > 0 {
            let what = format!("{} more files lie beside the bag's folder.", grouped(unnamed));
            caught.push(refuse("SER-STRAY-TOP-LEVEL", b"", what, "Put them into the bag or leave them out."));
        }
    }
}

#[cfg(test)]
#[allow(clippy::type_complexity)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_or_cleaned() {
        #[rustfmt::skip]
        let table: [(&[u8], Result<&[u8], &str>); 23] = [
            (b"bag/data/a", Ok(b"bag/data/a")),
            (b"./bag/data/a", Ok(b"bag/data/a")),
            (b"./././bag//data/./a/", Ok(b"bag/data/a")),
            (b"bag/..a/b..", Ok(b"bag/..a/b..")),
            (b"bag/a\\b", Ok(b"bag/a\\b")),
            (b"bag/a:b", Ok(b"bag/a:b")),
            (b"bag/\xff", Ok(b"bag/\xff")),
            (b"./", Ok(b"")),
            (b"", Err("SER-PATH-ESCAPES")),
            (b"/etc/passwd", Err("SER-PATH-ESCAPES")),
            (b"//x", Err("SER-PATH-ESCAPES")),
            (b".//x", Err("SER-PATH-ESCAPES")),
            (b"././C:\\x", Err("SER-PATH-ESCAPES")),
            (b"./\\\\server\\x", Err("SER-PATH-ESCAPES")),
            (b"../x", Err("SER-PATH-ESCAPES")),
            (b"bag/a/../b", Err("SER-PATH-ESCAPES")),
            (b"bag/..", Err("SER-PATH-ESCAPES")),
            (b"C:\\x", Err("SER-PATH-ESCAPES")),
            (b"c:/x", Err("SER-PATH-ESCAPES")),
            (b"\\\\server\\x", Err("SER-PATH-ESCAPES")),
            (b"./C:/x", Err("SER-PATH-ESCAPES")),
            (b".//\\\\server/x", Err("SER-PATH-ESCAPES")),
            (b"bag/a\0b", Err("SER-PATH-ESCAPES")),
        ];
        for (raw, expected) in table {
            let got = clean(raw, &Limits::default());
            let got = got.as_deref().map_err(|finding| finding.code.as_str());
            assert_eq!(got, expected, "{}", escape(raw));
        }
    }

    #[test]
    fn long_and_deep_names_are_refused_at_their_limit() {
        let limits = Limits::default();
        let code = |raw: Vec<u8>| clean(&raw, &limits).err().map(|finding| finding.code);
        assert_eq!(code(vec![b'a'; 255]), None);
        assert_eq!(code(vec![b'a'; 256]).as_deref(), Some("SER-PATH-TOO-LONG"));
        assert_eq!(code(b"a/".repeat(256)), None);
        assert_eq!(code(b"a/".repeat(257)).as_deref(), Some("SER-TOO-DEEP"));
        assert_eq!(
            code([vec![b'a'; 200], vec![b'/']].concat().repeat(21)).as_deref(),
            Some("SER-PATH-TOO-LONG")
        );
    }
}
