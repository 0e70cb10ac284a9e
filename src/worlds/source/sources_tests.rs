use super::*;
use crate::worlds::clock::rehearsal::RehearsalClock;
use crate::worlds::net::breaker::FAILURES;
use crate::worlds::net::pace::Schedule;
use crate::worlds::net::tiny::{Then, Tiny, answer, near};
use crate::worlds::source::configured::AfterKept;
use std::io::Write;
use std::time::{Duration, Instant};

fn options(clock: &Arc<RehearsalClock>, allow_private: bool) -> SourceOptions {
    let reaching = Reaching { allow_private, ..near() };
    SourceOptions { reaching, clock: clock.clone(), withheld: nothing_withheld(clock) }
}

fn nothing_withheld(clock: &Arc<impl Clock + 'static>) -> Withheld {
    Withheld::in_folder("/nowhere/withheld".into(), clock.clone())
}

fn sources(clock: &Arc<RehearsalClock>, configured: Vec<SourceConfig>) -> Sources {
    Sources::new(LocalSource::new(), configured, options(clock, true))
}

fn config(name: &str, place: Place, reaching: Reaching) -> SourceConfig {
    SourceConfig {
        name: name.into(),
        depositor: "uva.edu".into(),
        place,
        suffixes: Vec::new(),
        size_max: None,
        after_kept: AfterKept::Leave,
        scan_every: Some(Duration::from_secs(900)),
        still_for: Duration::ZERO,
        temporary: Vec::new(),
        marker: None,
        reaching,
    }
}

/// A server of 100,000 bytes that answers ranges.
fn server() -> Tiny {
    Tiny::new(|asked, stream| {
        match asked.range() {
            _ if asked.method == "HEAD" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nETag: \"t\"\r\nContent-Length: 100000\r\n\r\n");
            }
            Some((first, last)) => {
                let head = format!("206 x\nETag: \"t\"\nContent-Range: bytes {first}-{last}/100000");
                answer(stream, &head, &vec![7; (last - first + 1) as usize]);
            }
            None => answer(stream, "404 x", b""),
        }
        Then::Keep
    })
}

#[test]
fn a_key_says_which_source_it_is_of() {
    let clock = Arc::new(RehearsalClock::new());
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.tar"), "tar").unwrap();
    let tiny = server();
    let all = sources(
        &clock,
        vec![
            config("box", Place::Folder { path: place.path().into() }, Reaching::default()),
            config("web", Place::Web { url: tiny.at("/drop/"), access: Access::Anonymous }, near()),
        ],
    );
    let path = place.path().join("a.tar").display().to_string();
    let looked = |key: &str| all.look(key).map(|arrival| (arrival.bytes, arrival.in_place));
    assert_eq!(looked(&path), Ok((3, true)));
    assert_eq!(looked("source://box/a.tar"), Ok((3, true)));
    assert_eq!(looked(&tiny.at("/a.tar")), Ok((100_000, false)));
    assert_eq!(looked("source://web/a b.tar"), Ok((100_000, false)));
    assert!(tiny.asked().iter().any(|asked| asked.path == "/drop/a%20b.tar"));
    assert_eq!(all.list("box", None).unwrap().entries.len(), 1);
    assert!(matches!(all.list("web", None), Err(SourceError::NoListing { .. })));
    assert!(matches!(all.list("none", None), Err(SourceError::Denied { .. })));
    assert!(matches!(all.look("source://none/a"), Err(SourceError::Denied { .. })));
    assert!(matches!(all.look("ftp://example.org/a"), Err(SourceError::Denied { .. })));
    assert!(matches!(all.look("source://web/../a"), Err(SourceError::Denied { .. })));
}

#[test]
fn private_addresses_are_asked_only_when_their_submitter_allowed_them() {
    let clock = Arc::new(RehearsalClock::new());
    let tiny = server();
    let all = Sources::new(LocalSource::new(), Vec::new(), options(&clock, false));
    assert!(matches!(all.look(&tiny.at("/a.tar")), Err(SourceError::Denied { .. })));
    assert!(tiny.asked().is_empty());
    assert_eq!(all.look(&format!("{}{PRIVATE}", tiny.at("/a.tar"))).map(|found| found.bytes), Ok(100_000));
    assert!(
        matches!(all.look(&tiny.at("/a.tar")), Err(SourceError::Denied { .. })),
        "one does not open the other"
    );
    let metadata = format!("http://169.254.169.254/latest{PRIVATE}");
    assert!(matches!(all.look(&metadata), Err(SourceError::Denied { .. })));
}

#[test]
fn a_source_that_fails_is_left_alone_and_tried_by_one_request() {
    let clock = Arc::new(RehearsalClock::new());
    let tiny = Tiny::new(|asked, stream| {
        if asked.number < FAILURES as usize {
            return Then::Close;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nETag: \"t\"\r\nRepr-Digest: md5=:1B2M2Y8AsgTpgAmY7PhCfg==:\r\nContent-Length: 5\r\n\r\n");
        Then::Close
    });
    let all = sources(&clock, Vec::new());
    let key = tiny.at("/a.tar?sig=s3cret");
    for _ in 0..FAILURES {
        assert!(matches!(all.look(&key), Err(SourceError::Unreachable { .. })));
    }
    let state = &all.states()[0];
    assert!(matches!(state.health, Health::Resting { asked: false, .. }), "{state:?}");
    assert!(!format!("{state:?}").contains("s3cret"));
    assert_eq!(state.name, tiny.at(""));
    let error = all.look(&key).unwrap_err();
    assert!(
        matches!(&error, SourceError::Busy { after: Some(_), why, .. } if why.contains("left alone")),
        "{error:?}"
    );
    assert_eq!(tiny.asked().len(), FAILURES as usize, "nothing was sent");
    clock.advance(Duration::from_secs(15));
    assert_eq!(all.look(&key).map(|found| found.bytes), Ok(5));
    assert_eq!(all.states()[0].health, Health::Well);
}

#[test]
fn a_source_that_asks_for_rest_gets_it_and_others_are_asked_meanwhile() {
    let clock = Arc::new(RehearsalClock::new());
    let tired = Tiny::answering(&["HTTP/1.1 429 x\nRetry-After: 60\nContent-Length: 0\n\n"]);
    let other = server();
    let all = sources(&clock, Vec::new());
    for left in [60, 50] {
        let error = all.look(&tired.at("/a.tar")).unwrap_err();
        let wanted = Duration::from_secs(left);
        assert!(
            matches!(&error, SourceError::Busy { after: Some(after), .. } if *after == wanted),
            "{error:?}"
        );
        clock.advance(Duration::from_secs(10));
    }
    assert_eq!(tired.asked().len(), 1);
    assert!(all.look(&other.at("/a.tar")).is_ok());
}

#[test]
fn no_more_ranges_at_once_than_a_source_allows_and_no_faster_than_its_pace() {
    let clock = Arc::new(crate::worlds::clock::system::SystemClock::new());
    let tiny = server();
    let bandwidth = Schedule::parse("200 KB/s", |_| Ok(200_000)).unwrap();
    let reaching = Reaching { connections: 2, bandwidth, ..near() };
    let place = Place::Web { url: tiny.at("/"), access: Access::Anonymous };
    let withheld = nothing_withheld(&clock);
    let options = SourceOptions { reaching: near(), clock, withheld };
    let all = Arc::new(Sources::new(LocalSource::new(), vec![config("web", place, reaching)], options));
    let arrival = all.look("source://web/a.tar").unwrap();
    assert_eq!(arrival.connections, 2);
    let began = Instant::now();
    let most = std::thread::scope(|scope| {
        let fetch = |place: u64| {
            let (all, arrival) = (all.clone(), arrival.clone());
            move || {
                let mut body = all.fetch("source://web/a.tar", &arrival, place * 25_000, 25_000).unwrap();
                let mut most = 0;
                let mut buffer = [0; 4_096];
                let mut came = 0;
                while let Ok(got @ 1..) = body.read(&mut buffer) {
                    came += got;
                    most = most.max(all.states()[0].fetching);
                }
                assert_eq!(came, 25_000);
                most
            }
        };
        let threads: Vec<_> = (0..4).map(|place| scope.spawn(fetch(place))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max()
    });
    assert_eq!(most, Some(2));
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    assert_eq!(all.states()[0].fetching, 0);
}

#[test]
fn configured_sources_come_and_go_while_others_stay_as_they_are() {
    let clock = Arc::new(RehearsalClock::new());
    let (tiny, failing) = (server(), Tiny::new(|_, _| Then::Close));
    let web = |name: &str, tiny: &Tiny| {
        config(name, Place::Web { url: tiny.at("/"), access: Access::Anonymous }, near())
    };
    let all = sources(&clock, vec![web("ill", &failing), web("old", &tiny)]);
    for _ in 0..FAILURES {
        assert!(all.look("source://ill/a.tar").is_err());
    }
    let ill = |all: &Sources| all.states().into_iter().find(|state| state.name == "ill").unwrap();
    let before = ill(&all);
    assert!(matches!(before.health, Health::Resting { .. }) && before.since.is_some(), "{before:?}");
    let arrival = all.look("source://old/a.tar").unwrap();
    let mut body = all.fetch("source://old/a.tar", &arrival, 0, 5).unwrap();

    all.reconfigure(vec![web("ill", &failing), web("new", &tiny)]);
    assert_eq!(ill(&all), before, "what was learnt of it stays");
    assert!(all.look("source://new/a.tar").is_ok());
    let gone = all.look("source://old/a.tar").unwrap_err();
    assert!(gone.to_string().contains("knows no source \"old\""), "{gone}");
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, [7; 5], "what was being fetched comes to its end");
}
