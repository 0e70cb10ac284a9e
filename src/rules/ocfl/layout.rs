//! Where an object lies in a storage root, and where a file lies in an object.
//!
//! - Layout extension 0003 (hash and id n-tuple): SHA-256, three tuples of three characters, then the encoded id.
//! - A content path is the logical path wherever every file system and object store we know would keep it as it is;
//!   otherwise it is made from a digest. The logical path stays exact in the inventory.

use crate::model::digest::hex;
use crate::model::object::ObjectId;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Name of the layout extension.
pub const EXTENSION: &str = "0003-hash-and-id-n-tuple-storage-layout";

/// Name and text of the declaration in a storage root.
pub const ROOT_DECLARATION: (&str, &str) = ("0=ocfl_1.1", "ocfl_1.1\n");

/// Name and text of the declaration in an object.
pub const OBJECT_DECLARATION: (&str, &str) = ("0=ocfl_object_1.1", "ocfl_object_1.1\n");

/// Name of an inventory.
pub const INVENTORY: &str = "inventory.json";

/// Name of an inventory's sidecar.
pub const SIDECAR: &str = "inventory.json.sha512";

/// Longest encoded id that is used whole.
const NAME_MAX: usize = 100;

/// `ocfl_layout.json` of a storage root.
pub const LAYOUT_JSON: &str = r#"{
  "extension": "0003-hash-and-id-n-tuple-storage-layout",
  "description": "Three tuples of three hexadecimal digits of the SHA-256 of the object id, then the percent-encoded id"
}
"#;

/// `config.json` of the layout extension.
pub const EXTENSION_CONFIG: &str = r#"{
  "extensionName": "0003-hash-and-id-n-tuple-storage-layout",
  "digestAlgorithm": "sha256",
  "tupleSize": 3,
  "numberOfTuples": 3
}
"#;

/// Text of a sidecar.
pub fn sidecar(inventory_sha512: &str) -> String {
    format!("{inventory_sha512}  {INVENTORY}\n")
}

/// The digest in a sidecar's text, when it has the form the specification asks for (E061).
pub fn sidecar_digest(text: &str) -> Option<&str> {
    let (digest, name) = text.trim_end_matches(['\n', '\r']).split_once([' ', '\t'])?;
    let sound = digest.len() == 128 && digest.bytes().all(|c| c.is_ascii_hexdigit());
    (sound && name.trim_start() == INVENTORY).then_some(digest)
}

/// Folder of an object below the storage root: `3c0/ff4/240/<encoded id>`.
pub fn object_path(object: &ObjectId) -> String {
    let digest = hex(&Sha256::digest(object.0.as_bytes()));
    let mut name = String::new();
    for byte in object.0.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(byte as char);
        } else {
            name.push('%');
            name.push_str(&hex(&[byte]));
        }
    }
    if name.len() > NAME_MAX {
        name.truncate(NAME_MAX);
        name.push('-');
        name.push_str(&digest);
    }
    format!("{}/{}/{}/{name}", &digest[..3], &digest[3..6], &digest[6..9])
}

/// Longest content path in bytes. An object store's key holds 1,024: a prefix of up to 66, `ocfl`, tuples (12), the
/// object's folder (165) and its slash must fit before it.
const CONTENT_MAX: usize = 780;

/// Longest name of a file or folder in bytes: file systems take 255, encrypted ones fewer.
const COMPONENT_MAX: usize = 240;

/// Why a path cannot be a logical path (E052, E053), if it cannot.
pub fn logical_fault(path: &str) -> Option<&'static str> {
    if path.contains('\0') {
        return Some("has a NUL");
    }
    path.split('/').find_map(|component| match component {
        "" => Some("has an empty name, or a slash at its start or end"),
        "." | ".." => Some("has a name of dots"),
        _ => None,
    })
}

/// True when a logical path may be a content path as it is, others of its object left aside. Quotes are mapped because
/// a reader was met (rocfl 1.7.0) that takes no path which JSON must escape.
pub fn is_plain(version: u32, logical: &str) -> bool {
    let harmless = |component: &str| {
        component.len() <= COMPONENT_MAX
            && !component.ends_with(['.', ' '])
            && !component.contains(|c: char| c.is_control() || c == '\\' || c == '"')
    };
    plain_path(version, logical).len() <= CONTENT_MAX
        && !logical.starts_with(".mapped/")
        && logical.split('/').all(harmless)
}

/// Content path of a logical path that is plain and collides with no other.
pub fn plain_path(version: u32, logical: &str) -> String {
    format!("v{version}/content/{logical}")
}

/// Content path of any other logical path.
pub fn mapped_path(version: u32, logical: &str) -> String {
    let digest = hex(&Sha256::digest(logical.as_bytes()));
    format!("v{version}/content/.mapped/{}/{digest}", &digest[..2])
}

/// A path as file systems without case, or with their own Unicode form, see it; with NUL for `/`, so that sorting by it
/// puts a file directly before what would lie below it.
pub fn fold(path: &str) -> Vec<u8> {
    let slash = |byte: u8| if byte == b'/' { 0 } else { byte };
    if path.is_ascii() {
        return path.bytes().map(|byte| slash(byte.to_ascii_lowercase())).collect();
    }
    // Upper case first: it joins what lower case alone keeps apart (ſ and s, ß and ss, ς and σ).
    let folded: String =
        path.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfd().nfc().collect();
    folded.bytes().map(slash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_paths_are_those_of_the_extension_text() {
        let long = "abcdefghij".repeat(10) + "a";
        let cases = [
            ("object-01".to_string(), "3c0/ff4/240/object-01".to_string()),
            ("..hor/rib:le-$id".to_string(), "487/326/d8c/%2e%2ehor%2frib%3ale-%24id".to_string()),
            ("..Hor/rib:lè-$id".to_string(), "373/529/21a/%2e%2eHor%2frib%3al%c3%a8-%24id".to_string()),
            (
                long.clone(),
                format!(
                    "5cc/73e/648/{}-5cc73e648fbcff136510e330871180922ddacf193b68fdeff855683a01464220",
                    &long[..100]
                ),
            ),
        ];
        for (id, wanted) in cases {
            assert_eq!(object_path(&ObjectId(id)), wanted);
        }
    }

    #[test]
    fn only_harmless_logical_paths_are_content_paths() {
        let wide = "ä".repeat(121);
        let deep = "abcdefgh/".repeat(86) + "x";
        for (path, plain) in [
            ("bag/data/Café.tif", true),
            ("bag/data/a b:c*", true),
            ("bag/data/a.", false),
            ("bag/data /a", false),
            ("bag/data/a\\b", false),
            ("bag/data/a\nb", false),
            ("bag/data/\"a\"", false),
            ("bag/data/a\u{85}b", false),
            (wide.as_str(), false),
            (deep.as_str(), false),
            (".mapped/x", false),
        ] {
            assert_eq!(is_plain(1, path), plain, "{path}");
        }
        assert!(mapped_path(3, "bag/data/a.").starts_with("v3/content/.mapped/"));
    }

    #[test]
    fn folding_joins_what_some_file_systems_join() {
        for (a, b) in [("A/b", "a/B"), ("Cafe\u{301}", "CAFÉ"), ("straße", "STRASSE"), ("ſ", "s"), ("ς", "Σ")]
        {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("a"), fold("ä"));
        assert!(fold("a") < fold("a/x") && fold("a/x") < fold("a b"));
    }

    #[test]
    fn a_sidecar_is_read_as_written() {
        let digest = "ab".repeat(64);
        assert_eq!(sidecar_digest(&sidecar(&digest)), Some(digest.as_str()));
        assert_eq!(sidecar_digest(&digest), None);
        assert_eq!(sidecar_digest("abc  inventory.json\n"), None);
        assert_eq!(sidecar_digest(&format!("{digest}  other.json\n")), None);
    }
}
