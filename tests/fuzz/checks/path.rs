//! What holds for every path that is looked up: it names a file below the bag and nothing else.

use strongroom::rules::bagit::paths::Listed;

/// Panics when the path could lead out of the bag.
pub fn inside(path: &[u8]) {
    assert!(!path.is_empty(), "a path that names nothing");
    assert!(!path.contains(&0), "NUL in {}", path.escape_ascii());
    for part in path.split(|byte| *byte == b'/') {
        assert!(
            !matches!(part, b"" | b"." | b".."),
            "component `{}` of {}",
            part.escape_ascii(),
            path.escape_ascii()
        );
    }
}

/// Panics when one of the names a listed path may mean leads out of the bag.
pub fn listed(listed: &Listed) {
    inside(&listed.path);
    if let Some(written) = &listed.written {
        inside(written);
        assert_ne!(*written, listed.path, "written and meant are the same");
    }
}
