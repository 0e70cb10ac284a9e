//! The text of unit files: settings, words, specifiers, and how a path is written so that systemd reads it as it is.

use std::path::{Component, Path, PathBuf};

/// A line `Key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `Service` of `[Service]`.
    pub section: String,
    /// What is set.
    pub key: String,
    /// To what; empty: what was set before is taken back.
    pub value: String,
}

/// The settings of a unit file, in their order.
pub fn settings(text: &str) -> Vec<Setting> {
    let (mut section, mut found, mut begun) = (String::new(), Vec::new(), String::new());
    for line in text.lines() {
        let line = line.trim();
        // A comment in the middle of a setting that goes over several lines is passed over, too.
        if line.starts_with(['#', ';']) || (line.is_empty() && begun.is_empty()) {
            continue;
        }
        if let Some(more) = line.strip_suffix('\\') {
            begun.push_str(more);
            begun.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut begun) + line;
        if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_string();
        } else if let Some((key, value)) = whole.split_once('=') {
            let (key, value) = (key.trim().to_string(), value.trim().to_string());
            found.push(Setting { section: section.clone(), key, value });
        }
    }
    found
}

/// The words of a value: spaces part them, quotes keep them together, and a backslash takes the next character as it is.
pub fn words(value: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', _) => word.get_or_insert_default().extend(letters.next()),
            (letter, Some(open)) if letter == open => quote = None,
            (letter, Some(_)) => word.get_or_insert_default().push(letter),
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (' ' | '\t', None) => words.extend(word.take()),
            (letter, None) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// The words of a value of colons, as in `BindPaths=from:to`; quotes keep a colon within a word.
pub fn parts(value: &str) -> Vec<Vec<String>> {
    // A colon outside of quotes becomes a mark that no path holds, so that words can be told apart before parts.
    let (mut marked, mut quote, mut taken) = (String::new(), None, false);
    for letter in value.chars() {
        match (letter, quote) {
            _ if std::mem::take(&mut taken) => marked.push(letter),
            ('\\', _) => {
                taken = true;
                marked.push(letter);
            }
            ('"' | '\'', None) => {
                quote = Some(letter);
                marked.push(letter);
            }
            (letter, Some(open)) if letter == open => {
                quote = None;
                marked.push(letter);
            }
            (':', None) => marked.push('\u{1}'),
            _ => marked.push(letter),
        }
    }
    words(&marked).iter().map(|word| word.split('\u{1}').map(String::from).collect()).collect()
}

/// Puts in what specifiers stand for in a unit of the system; `None` where one is not known here.
pub fn expand(text: &str, unit: &str) -> Option<String> {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let mut whole = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            whole.push(letter);
            continue;
        }
        whole.push_str(match letters.next()? {
            '%' => "%",
            'S' => "/var/lib",
            'C' => "/var/cache",
            'L' => "/var/log",
            't' => "/run",
            'E' => "/etc",
            'T' => "/tmp",
            'V' => "/var/tmp",
            'n' => unit,
            'N' => stem,
            'p' | 'P' => prefix,
            'i' | 'I' => instance,
            _ => return None,
        });
    }
    Some(whole)
}

/// A path as one word of a list of paths (`ReadWritePaths=`, `RequiresMountsFor=`, `BindPaths=`).
pub fn word_of(path: &Path) -> Result<String, String> {
    let plain = raw_of(path)?;
    if !plain.contains([' ', '"', '\'', '\\', ':', ';']) {
        return Ok(plain);
    }
    Ok(format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A path as the rest of a line that knows no quotes (`LoadCredential=NAME:…`).
pub fn rest_of(path: &Path) -> Result<String, String> {
    let plain = raw_of(path)?;
    match plain.ends_with(['\\', ' ']) {
        true => Err(format!("{plain:?} ends in a way that a unit file cannot say")),
        false => Ok(plain),
    }
}

/// A path without detours, its percent signs doubled.
fn raw_of(path: &Path) -> Result<String, String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("{shown} is no absolute path: a unit has no folder that it would count from"));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("{shown} climbs with \"..\": systemd takes no such path"));
    }
    let plain: PathBuf = path.components().collect();
    let text = plain.to_str().ok_or_else(|| format!("{shown} is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} holds a control character, which a unit file cannot say"));
    }
    Ok(text.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_sections_comments_and_long_lines() {
        let text = "# head\n[Unit]\nAfter = a.service\n\n[Service]\nReadWritePaths=/a \\\n# between\n  /b\n; end\nX=\n";
        let found: Vec<(String, String, String)> =
            settings(text).into_iter().map(|one| (one.section, one.key, one.value)).collect();
        let wanted =
            [("Unit", "After", "a.service"), ("Service", "ReadWritePaths", "/a  /b"), ("Service", "X", "")];
        let wanted: Vec<_> =
            wanted.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string())).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_path_is_read_back_as_it_was_written_whatever_it_holds() {
        for path in [
            "/srv/vault-a",
            "/srv/with space",
            "/srv/100% sure",
            "/srv/quo\"te's",
            "/srv/back\\slash",
            "/srv/Bücher/本",
            "/srv/a:b",
            "/srv/;x",
            "/srv/%i",
            "/srv/ends\\",
        ] {
            let word = word_of(Path::new(path)).unwrap();
            let read: Vec<String> =
                words(&word).iter().map(|word| expand(word, "strongroom.service").unwrap()).collect();
            assert_eq!(read, [path], "{word}");
            let bound = parts(&format!("{word} /other"));
            assert_eq!(bound.len(), 2, "{word}");
            assert_eq!(bound[0].len(), 1, "{word}: a colon within quotes parts nothing");
        }
        assert_eq!(word_of(Path::new("/srv//x/./y/")).unwrap(), "/srv/x/y");
        assert_eq!(rest_of(Path::new("/etc/a b%")).unwrap(), "/etc/a b%%");
    }

    #[test]
    fn what_a_unit_file_cannot_say_is_refused() {
        for (path, why) in [
            ("srv/x", "no absolute path"),
            ("/srv/../x", "climbs"),
            ("/srv/a\nb", "control character"),
            ("", "no absolute path"),
        ] {
            assert!(word_of(Path::new(path)).unwrap_err().contains(why), "{path:?}");
        }
        assert!(rest_of(Path::new("/etc/x\\")).unwrap_err().contains("cannot say"));
    }

    #[test]
    fn specifiers_stand_for_what_they_stand_for() {
        let of = |text| expand(text, "strongroom-job@fixity.service");
        assert_eq!(of("%S/x %% %i %p").as_deref(), Some("/var/lib/x % fixity strongroom-job"));
        assert_eq!(of("%h/x"), None);
        assert_eq!(of("%"), None);
    }
}
