//! Addresses without what may be secret in them.
//!
//! - Of a query only what is known to be harmless stays. Whatever else it holds may be a signature, a token or a password:
//!   a list of secret names would always be behind the services that make up new ones.
//! - What stays is the same for the same thing signed again: no date, expiry or key of a signature is left in it.

/// Names in a query that say what is wanted, never who may have it.
const HARMLESS: [&str; 15] = [
    "alt",
    "dl",
    "download",
    "file",
    "filename",
    "format",
    "lang",
    "name",
    "partnumber",
    "path",
    "raw",
    "response-content-disposition",
    "response-content-type",
    "version",
    "versionid",
];

/// Longest value that such a name is believed to have.
const VALUE_MAX: usize = 200;

/// What of a web address may be kept and shown; `None` when that is all of it. The address has no fragment.
pub fn handle(address: &str) -> Option<String> {
    let (scheme, _) = address.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let (path, query) = address.split_once('?')?;
    let pairs = || query.split('&').filter(|pair| !pair.is_empty());
    if pairs().all(is_harmless) {
        return None;
    }
    let kept: Vec<&str> = pairs().filter(|pair| is_harmless(pair)).collect();
    Some(if kept.is_empty() { path.to_string() } else { format!("{path}?{}", kept.join("&")) })
}

fn is_harmless(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    HARMLESS.iter().any(|known| known.eq_ignore_ascii_case(name)) && value.len() <= VALUE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_left_out_and_what_names_the_thing_stays() {
        let table = [
            ("https://a.org/b.tar", None),
            ("https://a.org/b.tar?", None),
            ("https://a.org/b.tar?versionId=3&file=x", None),
            ("/in/b.tar?sig=1", None),
            ("s3://bucket/what?sig=1", None),
            ("https://a.org/b.tar?sig=s3cret", Some("https://a.org/b.tar")),
            ("HTTPS://a.org/b.tar?s3cret", Some("HTTPS://a.org/b.tar")),
            (
                "https://a.org/b?versionId=3&X-Amz-Signature=ab&X-Amz-Date=1",
                Some("https://a.org/b?versionId=3"),
            ),
            ("https://a.org/b?t=1?file=s3cret&raw=1", Some("https://a.org/b?raw=1")),
            ("https://a.org/b?Expires=9&Signature=x%2Fy/z&Key-Pair-Id=K", Some("https://a.org/b")),
        ];
        for (address, wanted) in table {
            assert_eq!(handle(address).as_deref(), wanted, "{address}");
        }
        let long = format!("https://a.org/b?file={}", "x".repeat(VALUE_MAX + 1));
        assert_eq!(handle(&long).as_deref(), Some("https://a.org/b"));
    }

    #[test]
    fn the_same_thing_signed_again_has_the_same_handle() {
        let signed = |date: u32| {
            handle(&format!(
                "https://b.s3.example.org/k.tar?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F{date}\
                 &X-Amz-Date={date}&X-Amz-Expires=900&X-Amz-SignedHeaders=host&versionId=7&X-Amz-Signature={date:x}"
            ))
        };
        assert_eq!(signed(20_261_122), signed(20_261_123));
        assert_eq!(signed(1).unwrap(), "https://b.s3.example.org/k.tar?versionId=7");
    }
}
