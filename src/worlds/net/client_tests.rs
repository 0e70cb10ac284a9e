use super::*;
use crate::worlds::net::tiny::{Then, Tiny, answer, hasty, near};
use std::io::Write;

const OK: &str = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok";

fn get(text: &str) -> Ask<'static> {
    Ask::new(Method::Get, Address::parse(text).unwrap())
}

fn ask(client: &Client, text: &str) -> Result<(u16, String), NetError> {
    let answer = client.send(get(text))?;
    Ok((answer.status(), answer.into_text(1 << 20)?))
}

fn failed(client: &Client, text: &str) -> String {
    match ask(client, text) {
        Err(NetError::Failed(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_status_is_an_answer_and_nobody_is_asked_to_compress() {
    let tiny = Tiny::answering(&["HTTP/1.1 503 Busy\nContent-Length: 4\nRetry-After: 7\n\nlate"]);
    let found = Client::new(near()).send(get(&tiny.at("/"))).unwrap();
    assert_eq!((found.status(), found.header("Retry-After")), (503, Some("7")));
    assert_eq!(found.told(), "503 Service Unavailable");
    assert_eq!(found.into_text(10).unwrap(), "late");
    assert_eq!(tiny.asked()[0].header("accept-encoding"), Some("identity"));
}

#[test]
fn headers_that_contradict_each_other_give_nothing() {
    let tiny =
        Tiny::answering(&["HTTP/1.1 200 OK\nETag: \"a\"\nETag: \"b\"\nX: 1\nX: 1\nContent-Length: 0\n\n"]);
    let found = Client::new(near()).send(get(&tiny.at("/"))).unwrap();
    assert_eq!((found.header("etag"), found.has("etag"), found.header("x")), (None, true, Some("1")));
}

#[test]
fn a_connection_is_used_again_and_replaced_once_when_it_was_closed_under_us() {
    let tiny = Tiny::new(|asked, stream| {
        // The second request on the first connection finds it closing.
        if asked.connection == 0 && asked.number == 1 {
            return Then::Close;
        }
        answer(stream, "200 OK", b"ok");
        Then::Keep
    });
    let client = Client::new(near());
    for _ in 0..3 {
        assert_eq!(ask(&client, &tiny.at("/")).unwrap(), (200, "ok".into()));
    }
    let connections: Vec<usize> = tiny.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 0, 1, 2], "the replacement is not pooled, so that it cannot be stale itself");
}

#[test]
fn what_is_left_over_from_an_answer_does_not_become_the_next_one() {
    let tiny = Tiny::new(|_, stream| {
        // Also to HEAD, which has no body.
        answer(stream, "200 OK", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad");
        Then::Keep
    });
    let client = Client::new(near());
    for _ in 0..20 {
        let head = Ask::new(Method::Head, Address::parse(&tiny.at("/")).unwrap());
        assert_eq!(client.send(head).unwrap().status(), 200);
        assert!(ask(&client, &tiny.at("/")).unwrap().1.ends_with("\r\nbad"), "the body, not what was in it");
    }
}

#[test]
fn a_fresh_connection_that_is_closed_is_not_tried_again() {
    let tiny = Tiny::new(|_, _| Then::Close);
    assert!(failed(&Client::new(near()), &tiny.at("/")).contains("connection"));
    assert_eq!(tiny.asked().len(), 1);
}

#[test]
fn what_changes_something_is_sent_once_on_a_fresh_connection() {
    let tiny = Tiny::new(|asked, stream| match asked.method.as_str() {
        "GET" => {
            answer(stream, "200 OK", b"");
            Then::Keep
        }
        _ => Then::Close,
    });
    let client = Client::new(near());
    ask(&client, &tiny.at("/")).unwrap();
    for method in [Method::Delete, Method::Put, Method::Post] {
        let sent = client.send(
            Ask::new(method, Address::parse(&tiny.at("/")).unwrap()).body(super::Sent::Bytes(b"x".to_vec())),
        );
        assert!(matches!(sent, Err(NetError::Failed(_))), "{sent:?}");
    }
    let asked: Vec<(String, usize)> =
        tiny.asked().into_iter().map(|asked| (asked.method, asked.connection)).collect();
    let wanted = [("GET", 0), ("DELETE", 1), ("PUT", 2), ("POST", 3)];
    assert_eq!(asked, wanted.map(|(method, connection)| (method.to_string(), connection)));
}

#[test]
fn a_server_that_says_nothing_is_found_in_time() {
    let tiny = Tiny::new(|_, _| Then::Hang);
    let began = Instant::now();
    assert!(failed(&Client::new(hasty()), &tiny.at("/")).contains("did not answer within 1.5s"));
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_body_that_stops_or_drips_or_breaks_off_is_found() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    let hangs = Tiny::new(move |_, stream| {
        let _ = stream.write_all(format!("{head}abc").as_bytes());
        Then::Hang
    });
    let drips = Tiny::new(move |_, stream| {
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(30));
        }
        Then::Close
    });
    let breaks = Tiny::new(move |_, stream| {
        let _ = stream.write_all(format!("{head}abc").as_bytes());
        Then::Close
    });
    for (tiny, why) in [(hangs, "nothing came for 1.5s"), (drips, "fewer than"), (breaks, "broke off")] {
        let began = Instant::now();
        let found = failed(&Client::new(hasty()), &tiny.at("/"));
        assert!(found.contains(why), "{found}");
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn a_slow_answer_within_its_time_is_waited_for_though_a_body_may_not_stall_so_long() {
    let tiny = Tiny::new(|_, stream| {
        std::thread::sleep(Duration::from_millis(2_000));
        answer(stream, "200 OK", b"ok");
        Then::Keep
    });
    let mut reaching = hasty();
    reaching.timeouts.answer = Duration::from_secs(10);
    assert_eq!(ask(&Client::new(reaching), &tiny.at("/")).unwrap().1, "ok");
}

#[test]
fn redirects_are_followed_a_few_times_and_secrets_stay_at_home() {
    let other = Tiny::answering(&[OK]);
    let there = other.at("/b?sig=2");
    let home = Tiny::new(move |asked, stream| {
        let to = if asked.path == "/a" { "/again".to_string() } else { there.clone() };
        answer(stream, &format!("302 Found\nLocation: {to}"), b"gone there");
        Then::Keep
    });
    let sent = get(&home.at("/a")).own_header("authorization", "Bearer s3cret").header("range", "bytes=0-1");
    let found = Client::new(near()).send(sent).unwrap();
    assert_eq!(found.address().to_string(), other.at("/b?…"));
    assert!(home.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer s3cret")));
    assert_eq!(home.asked().len(), 2);
    assert_eq!(other.asked()[0].header("authorization"), None);
    assert_eq!(other.asked()[0].header("range"), Some("bytes=0-1"));
}

#[test]
fn redirects_that_go_round_or_astray_are_not_followed() {
    let table = [
        ("/", "redirects more than"),
        ("file:///etc/passwd", "no address of the web"),
        ("http://user:s3cret@127.0.0.1/", "name or password"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254 is link-local"),
        ("http://[::ffff:169.254.169.254]/", "is link-local"),
    ];
    for (location, why) in table {
        let tiny = Tiny::new(move |_, stream| {
            answer(stream, &format!("302 Found\nLocation: {location}"), b"");
            Then::Keep
        });
        let error = ask(&Client::new(near()), &tiny.at("/")).unwrap_err().to_string();
        assert!(error.contains(why), "{location}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn this_machine_is_not_asked_unless_allowed_and_nothing_is_sent() {
    let tiny = Tiny::answering(&[OK]);
    let client = Client::new(Reaching { allow_private: false, ..near() });
    let port = tiny.host().rsplit(':').next().unwrap().to_string();
    for host in
        ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "[::ffff:7f00:1]"]
    {
        let error = ask(&client, &format!("http://{host}:{port}/")).unwrap_err();
        assert!(matches!(&error, NetError::Forbidden(why) if why.contains("is this machine")), "{error:?}");
    }
    assert!(tiny.asked().is_empty());
}

#[test]
fn nobody_there_and_names_of_nobody_are_failures_of_the_network() {
    let gone = Tiny::answering(&[OK]).at("/");
    std::thread::sleep(Duration::from_millis(20));
    assert!(failed(&Client::new(near()), &gone).contains("refused"));
    assert!(failed(&Client::new(near()), "http://no-such-host.invalid/").contains("not known"));
}

#[test]
fn what_is_no_http_is_wrong_and_not_believed() {
    for head in ["HELLO\n\n", "HTTP/1.1 99 No\n\n", "SSH-2.0-OpenSSH_9\n\n"] {
        let tiny = Tiny::new(move |_, stream| {
            let _ = stream.write_all(head.replace('\n', "\r\n").as_bytes());
            Then::Close
        });
        let error = ask(&Client::new(near()), &tiny.at("/"));
        assert!(matches!(error, Err(NetError::Wrong(_) | NetError::Failed(_))), "{head}: {error:?}");
    }
    let long = Tiny::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        for number in 0..3_000 {
            let _ = stream.write_all(format!("X-{number}: {}\r\n", "y".repeat(60)).as_bytes());
        }
        Then::Close
    });
    assert!(ask(&Client::new(near()), &long.at("/")).is_err());
}

#[test]
fn a_proxy_passes_plain_requests_on_and_makes_tunnels_for_tls() {
    let proxy = Tiny::new(|asked, stream| {
        if asked.method == "CONNECT" {
            let _ = stream.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
            return Then::Close;
        }
        answer(stream, "200 OK", b"hello");
        Then::Keep
    });
    let through = ProxyChoice::Fixed(format!("http://user:s3cret@{}", proxy.host()));
    // Nobody is allowed to be private but the proxy, which looks the other's name up.
    let client = Client::new(Reaching { proxy: through, allow_private: false, ..near() });
    for path in ["/bag.tar?x=1", "/more"] {
        let found = ask(&client, &format!("http://drop.example.org{path}"));
        assert_eq!(found, Ok((200, "hello".into())));
    }
    let asked = proxy.asked();
    assert_eq!(asked[0].path, "http://drop.example.org:80/bag.tar?x=1");
    assert_eq!(asked[1].path, "http://drop.example.org:80/more");
    assert!(asked.iter().all(|one| one.header("host") == Some("drop.example.org")));
    let error = ask(&client, "https://drop.example.org/").unwrap_err();
    assert!(matches!(&error, NetError::Setup(why) if why.contains("407")), "{error:?}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    let asked = proxy.asked();
    assert_eq!((asked[2].method.as_str(), asked[2].path.as_str()), ("CONNECT", "drop.example.org:443"));
    assert!(asked.iter().all(|one| one.header("proxy-authorization") == Some("Basic dXNlcjpzM2NyZXQ=")));
    assert!(matches!(ask(&client, "http://127.0.0.1/"), Err(NetError::Forbidden(_))));
}

#[test]
fn a_file_that_holds_no_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "nothing\n").unwrap();
    for (path, why) in [(file.clone(), "holds no certificate"), (folder.path().join("none"), "No such file")]
    {
        let client = Client::new(Reaching { ca_file: Some(path), ..near() });
        let error = ask(&client, "https://127.0.0.1:1/").unwrap_err();
        assert!(matches!(&error, NetError::Setup(text) if text.contains(why)), "{error:?}");
    }
}

#[test]
fn a_file_of_certificates_that_is_mended_counts_from_then_on() {
    let tiny = Tiny::answering(&[OK]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let client = Client::new(Reaching { ca_file: Some(path.clone()), ..near() });
    assert!(matches!(ask(&client, &tiny.at("/")), Err(NetError::Setup(_))), "it is not there yet");
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").unwrap();
    assert_eq!(ask(&client, &tiny.at("/")).unwrap(), (200, "ok".into()));
}
