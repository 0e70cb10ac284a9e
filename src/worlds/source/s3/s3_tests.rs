use super::*;
use crate::worlds::clock::rehearsal::RehearsalClock;
use crate::worlds::net::credentials::Access;
use crate::worlds::net::tiny::{Asked, Then, Tiny, answer, near};
use crate::worlds::source::configured::Style;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;

/// Objects of the rehearsed bucket: bytes and tag.
type Store = Arc<Mutex<BTreeMap<String, (Vec<u8>, String)>>>;

/// A bucket `b` in this process: what a request answers, headers and body.
fn bucket(asked: &Asked, store: &Store, stream: &mut TcpStream) -> Then {
    let mut store = store.lock().unwrap();
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let key = crate::rules::address::percent_decoded(path.strip_prefix("/b/").unwrap_or_default());
    let value = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.split_once('=').filter(|(own, _)| *own == name));
        pair.map(|(_, value)| crate::rules::address::percent_decoded(value))
    };
    let found = store.get(&key).cloned();
    let matches = |tag: &str| asked.header("if-match").is_none_or(|wanted| wanted == tag);
    match (asked.method.as_str(), found) {
        ("GET", _) if key.is_empty() => list(&store, value("prefix"), value("continuation-token"), stream),
        ("HEAD" | "GET", None) => error(stream, "404 x", "NoSuchKey"),
        ("GET" | "DELETE", Some((_, tag))) if !matches(&tag) => error(stream, "412 x", "PreconditionFailed"),
        ("HEAD", Some((bytes, tag))) => {
            let head = format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {}\r\n\r\n", bytes.len());
            let _ = stream.write_all(head.as_bytes());
        }
        ("GET", Some((bytes, tag))) => {
            let (first, last) = asked.range().unwrap();
            let range = format!("Content-Range: bytes {first}-{last}/{}", bytes.len());
            answer(stream, &format!("206 x\nETag: {tag}\n{range}"), &bytes[first as usize..=last as usize]);
        }
        ("DELETE", Some(_)) => {
            store.remove(&key);
            let _ = stream.write_all(b"HTTP/1.1 204 x\r\n\r\n");
        }
        ("PUT", _) => copy(asked, &mut store, &key, value("partNumber"), stream),
        ("POST", _) if query.starts_with("uploads") || query.contains("&uploads=") => {
            answer(
                stream,
                "200 OK",
                b"<InitiateMultipartUploadResult><UploadId>up 1</UploadId></InitiateMultipartUploadResult>",
            );
        }
        ("POST", _) => {
            let parts: Vec<Vec<u8>> =
                store.range("part ".to_string()..).map(|(_, (bytes, _))| bytes.clone()).collect();
            store.retain(|key, _| !key.starts_with("part "));
            store.insert(key, (parts.concat(), "\"x-3\"".into()));
            answer(stream, "200 OK", b"<CompleteMultipartUploadResult/>");
        }
        _ => error(stream, "405 x", "MethodNotAllowed"),
    }
    Then::Keep
}

fn copy(
    asked: &Asked,
    store: &mut BTreeMap<String, (Vec<u8>, String)>,
    key: &str,
    part: Option<String>,
    stream: &mut TcpStream,
) {
    let from = asked.header("x-amz-copy-source").unwrap().strip_prefix("/b/").unwrap();
    let (bytes, tag) = store.get(&crate::rules::address::percent_decoded(from)).cloned().unwrap();
    if asked.header("x-amz-copy-source-if-match") != Some(&tag) {
        return error(stream, "412 x", "PreconditionFailed");
    }
    let Some(part) = part else {
        store.insert(key.into(), (bytes, tag));
        return answer(stream, "200 OK", b"<CopyObjectResult/>");
    };
    let range = asked.header("x-amz-copy-source-range").unwrap().strip_prefix("bytes=").unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let slice = &bytes[first.parse::<usize>().unwrap()..=last.parse::<usize>().unwrap()];
    store.insert(format!("part {:0>5}", part), (slice.to_vec(), String::new()));
    answer(stream, "200 OK", b"<CopyPartResult><ETag>&quot;p1&quot;</ETag></CopyPartResult>");
}

fn error(stream: &mut TcpStream, status: &str, code: &str) {
    answer(
        stream,
        status,
        format!("<Error><Code>{code}</Code><Message>because</Message></Error>").as_bytes(),
    );
}

fn list(
    store: &BTreeMap<String, (Vec<u8>, String)>,
    prefix: Option<String>,
    after: Option<String>,
    stream: &mut TcpStream,
) {
    let prefix = prefix.unwrap_or_default();
    let after = after.unwrap_or_default();
    let all: Vec<_> = store.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after).collect();
    let mut text = String::from("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3\">");
    for (key, (bytes, tag)) in all.iter().take(1_000) {
        let key = key.replace('&', "&amp;").replace('<', "&lt;");
        text.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>{}</ETag><Size>{}</Size></Contents>",
            tag.replace('"', "&quot;"),
            bytes.len()
        ));
    }
    if all.len() > 1_000 {
        let last = all[999].0;
        text.push_str(&format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
        ));
    }
    answer(stream, "200 OK", format!("{text}</ListBucketResult>").as_bytes());
}

struct Rehearsed {
    store: Store,
    tiny: Tiny,
}

impl Rehearsed {
    fn new() -> Rehearsed {
        let store = Store::default();
        let own = store.clone();
        Rehearsed { store, tiny: Tiny::new(move |asked, stream| bucket(asked, &own, stream)) }
    }

    fn put(&self, key: &str, bytes: &[u8], tag: &str) {
        self.store.lock().unwrap().insert(key.into(), (bytes.into(), format!("\"{tag}\"")));
    }

    fn keys(&self) -> Vec<String> {
        self.store.lock().unwrap().keys().cloned().collect()
    }

    fn source(&self) -> S3Source {
        at(&self.tiny)
    }
}

fn at(tiny: &Tiny) -> S3Source {
    let place = BucketPlace {
        endpoint: Some(tiny.at("")),
        bucket: "b".into(),
        prefix: String::new(),
        region: Some("eu-west-1".into()),
        style: Style::Path,
        access: Access::Anonymous,
    };
    S3Source::new(place, Arc::new(Client::new(near())), Arc::new(RehearsalClock::new()))
}

fn named(tiny: &Tiny, prefix: &str, after: &AfterKept) -> S3Source {
    let mut source = at(tiny);
    source.prefix = prefix.into();
    source.named("in", after)
}

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

#[test]
fn an_object_is_looked_at_and_fetched_by_ranges_of_what_is_pinned() {
    let there = Rehearsed::new();
    there.put("u v/ü+&.tar", b"abc", MD5);
    let source = there.source();
    let key = "s3://b/u v/ü+&.tar";
    let arrival = source.look(key).unwrap();
    assert_eq!(
        (arrival.bytes, arrival.given[0].hex.as_str(), arrival.given[0].by.as_str()),
        (3, MD5, "ETag")
    );
    let mut text = String::new();
    source.fetch(key, &arrival, 1, 2).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "bc");
    there.put("u v/ü+&.tar", b"xyz", "other");
    assert!(matches!(source.fetch(key, &arrival, 0, 1), Err(SourceError::Changed { .. })));
    assert!(matches!(source.look("s3://b/none"), Err(SourceError::Gone { .. })));
    for key in ["s3://b/", "s3://c/x", "s3://b/a/../x"] {
        assert!(matches!(source.look(key), Err(SourceError::Denied { .. })), "{key}");
    }
}

#[test]
fn a_tag_is_a_digest_only_where_it_can_be() {
    let table: [(&'static str, &[&str]); 8] = [
        ("ETag: \"900150983cd24fb0d6963f7d28e17f72\"", &["ETag"]),
        ("ETag: \"900150983cd24fb0d6963f7d28e17f72-3\"", &[]),
        ("ETag: \"900150983cd24fb0d6963f7d28e17f72\"\nx-amz-server-side-encryption: aws:kms", &[]),
        ("ETag: \"900150983cd24fb0d6963f7d28e17f72\"\nx-amz-server-side-encryption: AES256", &["ETag"]),
        (
            "ETag: \"900150983cd24fb0d6963f7d28e17f72\"\nx-amz-server-side-encryption-customer-algorithm: AES256",
            &[],
        ),
        (
            "ETag: \"x-2\"\nx-amz-checksum-sha256: uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
            &["x-amz-checksum-sha256"],
        ),
        ("ETag: \"x-2\"\nx-amz-checksum-sha256: uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=-2", &[]),
        (
            "ETag: \"x-2\"\nx-amz-checksum-type: COMPOSITE\nx-amz-checksum-sha256: uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
            &[],
        ),
    ];
    for (head, wanted) in table {
        let tiny = Tiny::new(move |_, stream| {
            answer(stream, &format!("200 OK\n{head}"), b"");
            Then::Keep
        });
        let given: Vec<String> =
            at(&tiny).look("s3://b/k").unwrap().given.into_iter().map(|one| one.by).collect();
        assert_eq!(given, wanted, "{head}");
    }
}

#[test]
fn a_version_is_fetched_and_deleted_by_its_name() {
    let tiny = Tiny::new(|asked, stream| {
        let head = "200 OK\nETag: \"t\"\nx-amz-version-id: v.1";
        match asked.method.as_str() {
            "DELETE" => answer(stream, "204 x", b""),
            _ => answer(stream, head, b""),
        }
        Then::Keep
    });
    let source = at(&tiny);
    let arrival = source.look("s3://b/k").unwrap();
    assert_eq!(arrival.pin, "bytes 0 version v.1 tag \"t\"");
    let done = source.dispose("s3://b/k", &arrival.pin, &Disposal::Delete);
    assert_eq!(done, Ok(Disposed::Done { to: None }));
    let asked = tiny.asked();
    let deletes: Vec<&Asked> = asked.iter().filter(|asked| asked.method == "DELETE").collect();
    assert!(deletes.len() == 1 && deletes[0].path.ends_with("?versionId=v.1"), "{deletes:?}");
}

#[test]
fn every_page_is_listed_once_by_one_request_each() {
    let there = Rehearsed::new();
    for number in 0..2_500 {
        there.put(&format!("in/{number:05}.tar"), b"x", "t");
    }
    there.put("other/x.tar", b"x", "t");
    there.put("in/a & <b>/", b"", "t");
    let source = named(&there.tiny, "in/", &AfterKept::Leave);
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = source.list("in", after.as_deref()).unwrap();
        names.extend(page.entries.into_iter().map(|entry| (entry.key, entry.name, entry.mark)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((names.len(), there.tiny.asked().len()), (2_500, 3));
    let (key, name, mark) = names[7].clone();
    assert_eq!((key.as_str(), name.as_str()), ("source://in/00007.tar", "00007.tar"));
    assert_eq!(mark, "1 t");
    let looked = source.look(&key).unwrap();
    assert_eq!((looked.bytes, looked.mark), (1, mark));
}

#[test]
fn a_listing_that_cannot_be_right_is_refused() {
    let entry = "<Contents><Key>in/a</Key><Size>1</Size></Contents>";
    let table = [
        ("<html/>".to_string(), "something else"),
        ("not xml".into(), "no XML"),
        ("<!DOCTYPE x><ListBucketResult/>".into(), "no XML"),
        (
            format!("<ListBucketResult>{entry}<IsTruncated>true</IsTruncated></ListBucketResult>"),
            "does not say how",
        ),
        (
            "<ListBucketResult><Contents><Key>out/a</Key><Size>1</Size></Contents></ListBucketResult>".into(),
            "not asked for",
        ),
        ("<ListBucketResult><Contents><Key>in/a</Key></Contents></ListBucketResult>".into(), "no size"),
    ];
    for (text, why) in table {
        let tiny = Tiny::new(move |_, stream| {
            answer(stream, "200 OK", text.as_bytes());
            Then::Keep
        });
        let error = named(&tiny, "in/", &AfterKept::Leave).list("in", None).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    let round = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    let tiny = Tiny::new(move |_, stream| {
        answer(stream, "200 OK", round.as_bytes());
        Then::Keep
    });
    let source = named(&tiny, "in/", &AfterKept::Leave);
    assert!(source.list("in", None).is_ok());
    assert!(source.list("in", Some("t")).unwrap_err().to_string().contains("does not say how"));
}

#[test]
fn refusals_are_told_in_the_services_words_and_the_clock_is_named() {
    let table = [
        ("403 x", "RequestTimeTooSkewed", "mend the clock"),
        ("403 x", "AccessDenied", "AccessDenied: because"),
        ("503 x\nRetry-After: 3", "SlowDown", "SlowDown"),
        ("403 x", "InvalidObjectState", "archive"),
    ];
    for (status, code, why) in table {
        let tiny = Tiny::new(move |asked, stream| {
            match asked.method.as_str() {
                "HEAD" => answer(stream, &status.replace("503", "403"), b""),
                _ => error(stream, status, code),
            }
            Then::Close
        });
        let found = at(&tiny).look("s3://b/k").unwrap_err();
        assert!(found.to_string().contains(why), "{code}: {found:?}");
        if code == "SlowDown" {
            assert!(matches!(found, SourceError::Busy { after: Some(_), .. }));
        }
    }
}

#[test]
fn a_service_that_names_another_region_is_asked_again_there() {
    let tiny = Tiny::new(|asked, stream| {
        match asked.path.contains("%2Fap-south-1%2F") {
            true => answer(stream, "200 OK\nETag: \"t\"", b""),
            false => answer(stream, "400 x\nx-amz-bucket-region: ap-south-1", b""),
        }
        Then::Close
    });
    let mut source = at(&tiny);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, "ID:s3cret\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    source.bucket.take_access(Access::File { path, profile: None });
    assert!(source.look("s3://b/k").is_ok());
    assert!(source.look("s3://b/k").is_ok());
    let asked = tiny.asked();
    assert!(
        asked.iter().all(|asked| asked.path.contains("X-Amz-Signature=") && !asked.path.contains("s3cret"))
    );
    assert_eq!(
        asked.iter().filter(|asked| !asked.path.contains("ap-south-1")).count(),
        2,
        "it is learnt once"
    );
}

#[test]
fn a_kept_object_is_moved_only_while_it_is_what_was_ingested() {
    let there = Rehearsed::new();
    let after = AfterKept::Move("done".into());
    let source = named(&there.tiny, "in/", &after);
    let how = Disposal::Move { to: "done".into() };
    let key = "source://in/sub/a b.tar";
    there.put("in/sub/a b.tar", b"one", "1");
    let pin = source.look(key).unwrap().pin;
    there.put("in/sub/a b.tar", b"two", "2");
    assert_eq!(source.dispose(key, &pin, &how), Ok(Disposed::Changed));
    assert_eq!(source.dispose(key, &pin, &Disposal::Delete), Ok(Disposed::Changed));
    assert_eq!(there.keys(), ["in/sub/a b.tar"]);
    let pin = source.look(key).unwrap().pin;
    let moved = source.dispose(key, &pin, &how);
    assert_eq!(moved, Ok(Disposed::Done { to: Some("source://in/done/sub/a b.tar".into()) }));
    assert_eq!(source.dispose(key, &pin, &how), Ok(Disposed::Absent));
    assert_eq!(there.keys(), ["in/done/sub/a b.tar"]);
    assert_eq!(source.list("in", None).unwrap().entries, [], "what is done is not listed");
    // Another of the same name does not take its place; one whose copy was finished before is not copied again.
    there.put("in/sub/a b.tar", b"three", "3");
    let pin = source.look(key).unwrap().pin;
    there.put("in/done/sub/a b.2.tar", b"three", "3");
    let moved = source.dispose(key, &pin, &how);
    assert_eq!(moved, Ok(Disposed::Done { to: Some("source://in/done/sub/a b.2.tar".into()) }));
    let copies = there.tiny.asked().iter().filter(|asked| asked.method == "PUT").count();
    assert_eq!(copies, 1);
}

#[test]
fn a_large_object_is_copied_in_parts_and_given_up_when_that_fails() {
    let there = Rehearsed::new();
    there.put("big.tar", b"0123456789", "t");
    let mut source = there.source();
    source.copied_at_once_max = 4;
    let pin = source.look("s3://b/big.tar").unwrap().pin;
    let how = Disposal::Move { to: "done".into() };
    let moved = source.dispose("s3://b/big.tar", &pin, &how);
    assert_eq!(moved, Ok(Disposed::Done { to: Some("s3://b/done/big.tar".into()) }));
    assert_eq!(there.store.lock().unwrap()["done/big.tar"].0, b"0123456789");
    let ranges: Vec<String> = there
        .tiny
        .asked()
        .iter()
        .filter_map(|asked| asked.header("x-amz-copy-source-range").map(String::from))
        .collect();
    assert_eq!(ranges, ["bytes=0-3", "bytes=4-7", "bytes=8-9"]);

    let failing = Tiny::new(|asked, stream| {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("HEAD", "/b/big.tar") => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nETag: \"t\"\r\nContent-Length: 10\r\n\r\n");
            }
            ("HEAD", _) => answer(stream, "404 x", b""),
            ("POST", path) if path.contains("uploads") => {
                answer(
                    stream,
                    "200 OK",
                    b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
                );
            }
            // Success first, and then it failed after all.
            ("PUT", _) => error(stream, "200 OK", "InternalError"),
            _ => answer(stream, "204 x", b""),
        }
        Then::Close
    });
    let mut source = at(&failing);
    source.copied_at_once_max = 4;
    let error = source.dispose("s3://b/big.tar", &pin, &how).unwrap_err();
    assert!(
        matches!(&error, SourceError::Unreachable { why, .. } if why.contains("InternalError")),
        "{error:?}"
    );
    let last = failing.asked().last().unwrap().clone();
    assert_eq!((last.method.as_str(), last.path.as_str()), ("DELETE", "/b/done/big.tar?uploadId=u"));
}

#[test]
fn a_service_without_conditional_deletes_is_asked_plainly_after_the_look() {
    let tiny = Tiny::new(|asked, stream| {
        match (asked.method.as_str(), asked.header("if-match")) {
            ("HEAD", _) => answer(stream, "200 OK\nETag: \"t\"", b""),
            ("DELETE", Some(_)) => error(stream, "501 x", "NotImplemented"),
            _ => answer(stream, "204 x", b""),
        }
        Then::Close
    });
    let source = at(&tiny);
    let pin = source.look("s3://b/k").unwrap().pin;
    assert_eq!(source.dispose("s3://b/k", &pin, &Disposal::Delete), Ok(Disposed::Done { to: None }));
}

#[test]
fn a_deleted_version_lets_no_older_one_come_back_in_its_place() {
    // Versions of one key, the current one last: name and second of its change; a marker that it is deleted has none.
    type Versions = Arc<Mutex<Vec<(&'static str, Option<u32>)>>>;
    let versions: Versions = Arc::new(Mutex::new(vec![("v1", Some(1)), ("v2", Some(2))]));
    let arrives: Versions = Arc::default();
    let (own, late) = (versions.clone(), arrives.clone());
    let tiny = Tiny::new(move |asked, stream| {
        let mut versions = own.lock().unwrap();
        let named = asked.path.split_once("versionId=").map(|(_, id)| id.to_string());
        match (asked.method.as_str(), versions.last().copied()) {
            ("HEAD", Some((id, Some(second)))) => {
                let head = format!(
                    "200 OK\nETag: \"{id}\"\nx-amz-version-id: {id}\nLast-Modified: Thu, 01 Jan 2026 00:00:0{second} GMT"
                );
                answer(stream, &head, b"");
            }
            ("HEAD", _) => answer(stream, "404 x", b""),
            ("DELETE", _) => {
                match named {
                    Some(id) => versions.retain(|(own, _)| *own != id),
                    None => versions.push(("marker", None)),
                }
                versions.append(&mut late.lock().unwrap());
                answer(stream, "204 x", b"");
            }
            _ => error(stream, "405 x", "MethodNotAllowed"),
        }
        Then::Close
    });
    let source = at(&tiny);
    let pin = source.look("s3://b/k").unwrap().pin;
    assert_eq!(source.dispose("s3://b/k", &pin, &Disposal::Delete), Ok(Disposed::Done { to: None }));
    assert!(
        matches!(source.look("s3://b/k"), Err(SourceError::Gone { .. })),
        "what it replaced is no new deposit"
    );
    assert!(versions.lock().unwrap().contains(&("v1", Some(1))), "it is hidden, not destroyed");
    // What was sent while the version was being deleted is a deposit of its own.
    versions.lock().unwrap().push(("v3", Some(3)));
    arrives.lock().unwrap().push(("v4", Some(4)));
    let pin = source.look("s3://b/k").unwrap().pin;
    assert_eq!(source.dispose("s3://b/k", &pin, &Disposal::Delete), Ok(Disposed::Done { to: None }));
    assert!(source.look("s3://b/k").unwrap().pin.contains("v4"));
}
