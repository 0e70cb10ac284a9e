use super::*;
use crate::worlds::clock::rehearsal::RehearsalClock;
use crate::worlds::net::Reaching;
use crate::worlds::net::tiny::{Asked, Then, Tiny, answer, hasty, near};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

const TAG: &str = "\"v1\"";

fn web(reaching: Reaching) -> WebSource {
    WebSource::new(Arc::new(Client::new(reaching)), Arc::new(RehearsalClock::new()), Access::Anonymous)
}

fn deposit() -> Vec<u8> {
    (0..10_000u32).map(|at| (at * 7 % 251) as u8).collect()
}

/// Answers as a good server does.
fn serve(asked: &Asked, stream: &mut TcpStream, extra: &str) -> Then {
    let bytes = deposit();
    if asked.path != "/a.tar" {
        answer(stream, "404 Not Found", b"");
    } else if asked.method == "HEAD" {
        let head = format!("HTTP/1.1 200 OK\nETag: {TAG}\n{extra}Content-Length: {}\n\n", bytes.len());
        let _ = stream.write_all(head.replace('\n', "\r\n").as_bytes());
    } else if let Some((first, last)) = asked.range() {
        let head = format!(
            "206 Partial Content\nETag: {TAG}\n{extra}Content-Range: bytes {first}-{last}/{}",
            bytes.len()
        );
        answer(stream, &head, &bytes[first as usize..=last as usize]);
    } else {
        answer(stream, &format!("200 OK\nETag: {TAG}{extra}"), &bytes);
    }
    Then::Keep
}

fn good() -> Tiny {
    Tiny::new(|asked, stream| serve(asked, stream, ""))
}

fn arrival() -> Arrival {
    let pin = format!("bytes 10000 tag {TAG}");
    Arrival {
        form: Form::Tar,
        bytes: 10_000,
        pin,
        mark: String::new(),
        in_place: false,
        connections: 8,
        given: Vec::new(),
    }
}

fn fetch(source: &WebSource, key: &str, from: u64, length: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let mut body = source.fetch(key, &arrival(), from, length)?;
    match body.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(SourceError::of_io(&error).unwrap().clone()),
    }
}

#[test]
fn a_deposit_is_looked_at_and_fetched_range_by_range() {
    let tiny = good();
    let source = web(near());
    let found = source.look(&tiny.at("/a.tar")).unwrap();
    assert_eq!((found.bytes, found.pin.as_str(), found.in_place), (10_000, "bytes 10000 tag \"v1\"", false));
    for (from, length) in [(0, 1), (0, 10_000), (9_999, 1), (5_000, 2_500)] {
        let bytes = fetch(&source, &tiny.at("/a.tar"), from, length).unwrap();
        assert_eq!(bytes, deposit()[from as usize..(from + length) as usize]);
    }
    assert_eq!(fetch(&source, &tiny.at("/a.tar"), 10_000, 0).unwrap(), b"");
    assert!(matches!(fetch(&source, &tiny.at("/a.tar"), 9_999, 2), Err(SourceError::Changed { .. })));
    assert!(matches!(fetch(&source, &tiny.at("/a.tar"), u64::MAX, 2), Err(SourceError::Changed { .. })));
    let ranges = tiny.asked().into_iter().filter(|asked| asked.range().is_some()).collect::<Vec<_>>();
    assert!(ranges.iter().all(|asked| asked.header("if-match") == Some(TAG)));
    assert!(ranges.iter().all(|asked| asked.connection == 1), "one connection carries them all");
}

#[test]
fn a_server_without_head_is_asked_for_the_first_byte() {
    let lengthless = "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (status, words) in [("405 No", ""), ("403 No", ""), ("501 No", ""), ("200 OK", lengthless)] {
        let tiny = Tiny::new(move |asked, stream| match asked.method.as_str() {
            "HEAD" if words.is_empty() => {
                let _ =
                    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
                Then::Keep
            }
            "HEAD" => {
                let _ = stream.write_all(words.as_bytes());
                Then::Keep
            }
            _ => serve(asked, stream, ""),
        });
        let found = web(near()).look(&tiny.at("/a.tar")).unwrap();
        assert_eq!((found.bytes, found.pin.as_str()), (10_000, "bytes 10000 tag \"v1\""), "{status}");
    }
}

#[test]
fn an_empty_deposit_and_one_without_length() {
    let empty = Tiny::answering(&[
        "HTTP/1.1 405 No\nContent-Length: 0\n\n",
        "HTTP/1.1 416 No\nContent-Range: bytes */0\nContent-Length: 0\n\n",
        "HTTP/1.1 404 No\nContent-Length: 0\n\n",
    ]);
    assert_eq!(web(near()).look(&empty.at("/a.tar")).unwrap().bytes, 0);
    let endless = Tiny::answering(&["HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1\nx\n0\n\n"]);
    let error = web(near()).look(&endless.at("/a.tar")).unwrap_err();
    assert!(error.to_string().contains("does not say how many bytes"), "{error}");
}

#[test]
fn every_status_has_its_meaning() {
    let table: [(&'static [&'static str], &str); 9] = [
        (&["HTTP/1.1 404 x\nContent-Length: 0\n\n"], "Gone"),
        (&["HTTP/1.1 410 x\nContent-Length: 0\n\n"], "Gone"),
        (&["HTTP/1.1 401 x\nContent-Length: 0\n\n"], "Denied"),
        (&["HTTP/1.1 403 x\nContent-Length: 0\n\n"], "Denied"),
        (&["HTTP/1.1 429 x\nRetry-After: 90\nContent-Length: 0\n\n"], "after: Some(90s)"),
        (&["HTTP/1.1 503 x\nContent-Length: 0\n\n"], "after: None"),
        (&["HTTP/1.1 500 x\nContent-Length: 0\n\n"], "Unreachable"),
        (&["HTTP/1.1 418 x\nContent-Length: 0\n\n"], "Wrong"),
        (&["HTTP/1.1 304 x\nContent-Length: 0\n\n"], "Wrong"),
    ];
    for (answers, wanted) in table {
        let tiny = Tiny::answering(answers);
        let looked = format!("{:?}", web(near()).look(&tiny.at("/a.tar?sig=s3cret")).unwrap_err());
        assert!(looked.contains(wanted) && !looked.contains("s3cret"), "{looked}");
        let fetched = format!("{:?}", fetch(&web(near()), &tiny.at("/a.tar?sig=s3cret"), 0, 9).unwrap_err());
        assert!(fetched.contains(wanted) && !fetched.contains("s3cret"), "{fetched}");
    }
}

/// Each lie of a server, and what it is found to be.
#[test]
fn every_lie_about_a_range_is_noticed_before_its_last_byte() {
    const RANGE: &str = "206 x\nETag: \"v1\"\nContent-Range: bytes 100-199/10000";
    let hundred = || deposit()[100..200].to_vec();
    type Case = (&'static str, String, Vec<u8>, &'static str);
    let cases: Vec<Case> = vec![
        ("the right one", RANGE.into(), hundred(), "Ok"),
        ("another range", RANGE.replace("100-199", "101-200"), hundred(), "Wrong"),
        ("a shorter range", RANGE.replace("100-199", "100-198"), hundred()[..99].to_vec(), "Wrong"),
        ("a longer range", RANGE.replace("100-199", "100-200"), [hundred(), vec![0]].concat(), "Wrong"),
        ("another whole", RANGE.replace("/10000", "/10001"), hundred(), "Changed"),
        ("an unknown whole, same tag", RANGE.replace("/10000", "/*"), hundred(), "Ok"),
        ("a range that is none", RANGE.replace("100-199", "199-100"), hundred(), "Wrong"),
        ("no range at all", "206 x\nETag: \"v1\"".into(), hundred(), "Wrong"),
        ("two ranges", format!("{RANGE}\nContent-Range: bytes 0-99/10000"), hundred(), "Wrong"),
        ("another tag", RANGE.replace("v1", "v2"), hundred(), "Changed"),
        ("no tag any more", RANGE.replace("ETag: \"v1\"\n", ""), hundred(), "Changed"),
        ("only a weak tag", RANGE.replace("\"v1\"", "W/\"v1\""), hundred(), "Changed"),
        ("compressed", format!("{RANGE}\nContent-Encoding: gzip"), hundred(), "Wrong"),
        ("not compressed, and says so", format!("{RANGE}\nContent-Encoding: identity"), hundred(), "Ok"),
        (
            "several parts",
            format!("{RANGE}\nContent-Type: multipart/byteranges; boundary=x"),
            hundred(),
            "Wrong",
        ),
        ("too short a body", RANGE.into(), hundred()[..99].to_vec(), "Wrong"),
        ("too long a body", RANGE.into(), [hundred(), vec![0]].concat(), "Wrong"),
        ("200 with the range, and says so", RANGE.replace("206", "200"), hundred(), "Ok"),
        ("200 with the range, and does not say so", "200 x\nETag: \"v1\"".into(), hundred(), "Wrong"),
        ("the whole", "200 x\nETag: \"v1\"".into(), deposit(), "NoRanges"),
        ("the whole of another", "200 x\nETag: \"v2\"".into(), deposit(), "Changed"),
        ("a longer whole", "200 x\nETag: \"v1\"".into(), [deposit(), vec![1]].concat(), "Changed"),
        ("precondition failed", "412 x".into(), vec![], "Changed"),
        ("range not there", "416 x\nContent-Range: bytes */50".into(), vec![], "Changed"),
        ("an error page as success", "200 x\nContent-Type: text/html".into(), b"<p>".to_vec(), "Changed"),
        ("no content", "204 x".into(), vec![], "Wrong"),
    ];
    for (name, head, body, wanted) in cases {
        let tiny = Tiny::new(move |_, stream| {
            answer(stream, &head, &body);
            Then::Close
        });
        let found = fetch(&web(near()), &tiny.at("/a.tar"), 100, 100);
        let told = format!("{found:?}");
        assert!(told.starts_with(wanted) || told.starts_with(&format!("Err({wanted}")), "{name}: {told}");
        if let Ok(bytes) = found {
            assert_eq!(bytes, hundred(), "{name}");
        }
    }
}

#[test]
fn a_body_without_a_length_is_counted() {
    let chunked = |chunks: &'static [u8]| {
        Tiny::new(move |_, stream| {
            let head = "HTTP/1.1 206 x\r\nETag: \"v1\"\r\nContent-Range: bytes 0-9/10000\r\n";
            let _ = stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
            let _ = stream.write_all(chunks);
            Then::Close
        })
    };
    let table: [(&'static [u8], &str); 4] = [
        (b"5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n", "Ok"),
        (b"5\r\nabcde\r\n5\r\nfghij\r\n1\r\nk\r\n0\r\n\r\n", "Err(Wrong"),
        (b"5\r\nabcde\r\n0\r\n\r\n", "Err(Unreachable"),
        (b"5\r\nabcde\r\n5\r\nfg", "Err(Unreachable"),
    ];
    for (chunks, wanted) in table {
        let tiny = chunked(chunks);
        let found = format!("{:?}", fetch(&web(near()), &tiny.at("/a.tar"), 0, 10));
        assert!(found.starts_with(wanted), "{found}");
    }
}

#[test]
fn a_body_that_breaks_off_or_stalls_says_how_far_it_came() {
    for then in [Then::Close, Then::Hang] {
        let tiny = Tiny::new(move |_, stream| {
            let head = "HTTP/1.1 206 x\r\nETag: \"v1\"\r\nContent-Range: bytes 0-9/10000\r\nContent-Length: 10\r\n\r\nabc";
            let _ = stream.write_all(head.as_bytes());
            then
        });
        let error = fetch(&web(hasty()), &tiny.at("/a.tar"), 0, 10).unwrap_err();
        assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    }
}

#[test]
fn the_whole_is_taken_from_a_server_that_ignores_ranges() {
    let tiny = Tiny::new(|asked, stream| match asked.method.as_str() {
        "HEAD" => serve(asked, stream, ""),
        _ => {
            answer(stream, &format!("200 OK\nETag: {TAG}"), &deposit());
            Then::Keep
        }
    });
    let source = web(near());
    assert_eq!(fetch(&source, &tiny.at("/a.tar"), 0, 10_000).unwrap(), deposit());
    for (from, length) in [(0, 9_999), (1, 9_999), (9_999, 1)] {
        let found = fetch(&source, &tiny.at("/a.tar"), from, length);
        assert!(matches!(found, Err(SourceError::NoRanges { .. })), "{found:?}");
    }
}

#[test]
fn digests_come_from_headers_or_else_from_what_lies_beside() {
    let sha256 = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    let by_header = Tiny::new(|asked, stream| {
        let digest = "Repr-Digest: sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:\n";
        serve(asked, stream, digest)
    });
    let found = web(near()).look(&by_header.at("/a.tar")).unwrap();
    assert_eq!((found.given[0].hex.as_str(), found.given[0].by.as_str()), (sha256, "Repr-Digest"));
    assert_eq!(by_header.asked().len(), 1, "nothing is looked for when a digest is given");
    let beside = Tiny::new(move |asked, stream| {
        if asked.path == "/a.tar.sha512" {
            answer(stream, "200 OK", b"<html>soft 404</html>");
        } else if asked.path == "/a.tar.md5" {
            answer(stream, "200 OK", b"d41d8cd98f00b204e9800998ecf8427e *a.tar\n");
        } else {
            return serve(asked, stream, "");
        }
        Then::Keep
    });
    let found = web(near()).look(&beside.at("/a.tar")).unwrap();
    assert_eq!(found.given.len(), 1);
    assert_eq!(
        (found.given[0].algorithm, found.given[0].by.as_str()),
        (Algorithm::Md5, "side-car a.tar.md5")
    );
}

#[test]
fn a_digest_of_a_part_is_no_digest_of_the_whole() {
    let tiny = Tiny::new(|asked, stream| match asked.method.as_str() {
        "HEAD" => {
            answer(stream, "405 No", b"");
            Then::Keep
        }
        _ => serve(asked, stream, "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\n"),
    });
    assert_eq!(web(near()).look(&tiny.at("/a.tar")).unwrap().given, []);
}

#[test]
fn what_proves_who_we_are_is_sent_and_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web");
    let tiny = Tiny::new(|asked, stream| match asked.header("authorization") {
        Some("Basic dXNlcjpwYXNz") => serve(asked, stream, ""),
        _ => {
            answer(stream, "401 Unauthorized", b"");
            Then::Keep
        }
    });
    let access = Access::File { path: file.clone(), profile: None };
    let source = WebSource::new(Arc::new(Client::new(near())), Arc::new(RehearsalClock::new()), access);
    let look = || source.look(&tiny.at("/a.tar"));
    assert!(look().unwrap_err().to_string().contains("credentials cannot be read"));
    std::fs::write(&file, "user:pass\n").unwrap();
    let mode =
        |mode| std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    assert!(look().unwrap_err().to_string().contains("read by everybody"));
    mode(0o600);
    assert_eq!(look().unwrap().bytes, 10_000);
    std::fs::write(&file, "user:wrong\n").unwrap();
    let error = look().unwrap_err();
    assert!(
        matches!(&error, SourceError::Denied { why, .. } if why.contains("401") && !why.contains("wrong"))
    );
}

#[test]
fn a_pin_is_read_as_it_is_written() {
    let table = [
        Pin { bytes: 7, ..Pin::default() },
        Pin { bytes: 7, tag: Some("\"a tag version x\"".into()), ..Pin::default() },
        Pin { bytes: 7, version: Some("a.b_c".into()), modified: Some(-5), tag: Some("\"x\"".into()) },
        Pin { bytes: u64::MAX, modified: Some(1_700_000_000), ..Pin::default() },
    ];
    for pin in table {
        assert_eq!(Pin::parse(&pin.to_string()).as_ref(), Some(&pin), "{pin}");
    }
    for text in ["", "bytes x", "8:12:900:33", "bytes 5 what 6", "bytes 5 changed now"] {
        assert_eq!(Pin::parse(text), None, "{text}");
    }
}

#[test]
fn a_change_of_the_date_alone_is_noticed() {
    let dated = |date: &'static str| {
        Tiny::new(move |_, stream| {
            let head = format!("206 x\nLast-Modified: {date}\nContent-Range: bytes 0-0/10000");
            answer(stream, &head, b"x");
            Then::Keep
        })
    };
    let pin = Pin { bytes: 10_000, modified: Some(784_111_777), ..Pin::default() };
    let arrival = Arrival { pin: pin.to_string(), ..arrival() };
    for (date, same) in [("Sun, 06 Nov 1994 08:49:37 GMT", true), ("Sun, 06 Nov 1994 08:49:38 GMT", false)] {
        let tiny = dated(date);
        let found = web(near()).fetch(&tiny.at("/a.tar"), &arrival, 0, 1);
        assert_eq!(found.is_ok(), same, "{date}");
        if let Err(error) = found {
            assert_eq!(
                error.to_string(),
                "its last change was 1994-11-06T08:49:37Z and is 1994-11-06T08:49:38Z"
            );
        }
    }
}

#[test]
fn a_server_that_hangs_is_unreachable_in_time() {
    let tiny = Tiny::new(|_, _| Then::Hang);
    let began = std::time::Instant::now();
    assert!(matches!(web(hasty()).look(&tiny.at("/a.tar")), Err(SourceError::Unreachable { .. })));
    assert!(began.elapsed() < Duration::from_secs(30));
}
