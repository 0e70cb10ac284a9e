use super::*;

fn literal(text: &str) -> Option<IpAddr> {
    Address::parse(text).ok()?.literal()
}

#[test]
fn a_host_is_read_as_it_will_be_asked_whatever_its_form() {
    let loopback = [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.0.0.1./",
        "http://%31%32%37.0.0.1/",
        "http://１２７.0.0.1/",
        "http://127。0。0。1/",
        "HTTP://0X7F.1:8080/a",
        "http:\\\\127.0.0.1\\a",
        "http:127.0.0.1",
        "http:///127.0.0.1/",
    ];
    for text in loopback {
        assert_eq!(literal(text), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), "{text}");
    }
    for text in ["http://[::1]/", "http://[0:0::0:1]:81/", "https://[0000::0001]/"] {
        assert_eq!(literal(text), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)), "{text}");
    }
    let mapped = literal("http://[::ffff:127.0.0.1]/").unwrap();
    assert_eq!(reach(mapped), Reach::Private("is this machine"));
    assert_eq!(literal("http://[::FFFF:7f00:1]/"), Some(mapped));
}

#[test]
fn what_is_no_plain_address_of_the_web_is_refused() {
    let table = [
        ("ftp://example.org/a", "is no address of the web"),
        ("file:///etc/passwd", "is no address of the web"),
        ("gopher://example.org/", "is no address of the web"),
        ("https://user:secret@example.org/", "name or password"),
        ("https://user@example.org/", "name or password"),
        ("https://:secret@example.org/", "name or password"),
        ("https://trusted.org:443@127.0.0.1/", "name or password"),
        ("https://trusted.org%40127.0.0.1/", "not an address"),
        ("https://", "not an address"),
        ("https:///", "not an address"),
        ("https://exa mple.org/", "space"),
        ("https://example.org/\r\nHost: other", "space or a control"),
        ("https://example.org\u{0}/", "space or a control"),
        ("https://example.org:0/", "no port"),
        ("https://example.org:99999/", "not an address"),
        ("http://256.0.0.1/", "not an address"),
        ("http://0x100000000/", "not an address"),
        ("http://[::1%25lo]/", "not an address"),
        ("http://[fe80::1%eth0]/", "not an address"),
        ("example.org/a", "not an address"),
        ("/srv/a.tar", "not an address"),
    ];
    for (text, why) in table {
        let error = Address::parse(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(Address::parse(&format!("https://example.org/{}", "a".repeat(16 << 10))).is_err());
}

#[test]
fn each_special_purpose_range_is_told_from_the_public_internet_at_both_its_ends() {
    use Reach::{Never, Private, Public};
    fn class(text: &str) -> &'static str {
        match reach(text.parse().unwrap()) {
            Public => "public",
            Private(_) => "private",
            Never(_) => "never",
        }
    }
    let table = [
        ("never", "0.0.0.0 0.255.255.255"),
        ("public", "1.0.0.0 9.255.255.255 11.0.0.0 8.8.8.8"),
        ("private", "10.0.0.0 10.255.255.255"),
        ("public", "100.63.255.255 100.128.0.0"),
        ("private", "100.64.0.0 100.127.255.255 100.100.100.200"),
        ("private", "127.0.0.0 127.0.0.1 127.255.255.255"),
        ("public", "126.255.255.255 128.0.0.0"),
        ("never", "169.254.0.0 169.254.169.254 169.254.170.2 169.254.255.255 168.63.129.16"),
        ("public", "169.253.255.255 169.255.0.0 168.63.129.15"),
        ("private", "172.16.0.0 172.31.255.255"),
        ("public", "172.15.255.255 172.32.0.0"),
        ("never", "192.0.0.0 192.0.0.192 192.0.2.1 198.51.100.7 203.0.113.255 192.88.99.1"),
        ("public", "192.0.1.0 192.0.3.0 198.51.101.0 203.0.112.255"),
        ("private", "192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255"),
        ("public", "192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0"),
        ("never", "224.0.0.1 239.255.255.255 240.0.0.0 255.255.255.255"),
        ("public", "223.255.255.255"),
        ("never", ":: ::127.0.0.1 ::a00:1"),
        ("private", "::1 ::ffff:10.1.2.3 ::ffff:127.0.0.1 ::ffff:192.168.1.1"),
        ("never", "::ffff:169.254.169.254 ::ffff:0.0.0.0"),
        ("public", "::ffff:8.8.8.8 64:ff9b::808:808"),
        ("private", "64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b:1::1"),
        ("never", "64:ff9b::169.254.169.254"),
        (
            "never",
            "2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1ff::1 2001:20::1 2001:db8::1 2002:7f00:1::",
        ),
        ("public", "2001:200::1 2606:4700::1111 2a00:1450:4001::1 3ffe::1 2001:4860:4860::8888"),
        ("never", "3fff::1 3fff:fff::1 4000::1 100::1 5f00::1 fe80::1 febf::1 ff02::1 1fff::1"),
        ("private", "fc00::1 fd00:ec2::254 fdff:ffff::1 fec0::1"),
    ];
    for (wanted, addresses) in table {
        for address in addresses.split(' ') {
            assert_eq!(class(address), wanted, "{address}");
        }
    }
}

#[test]
fn private_addresses_are_asked_only_when_allowed_and_metadata_never() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(may_ask(ip("8.8.8.8"), Admit::Public).is_ok());
    assert!(may_ask(ip("127.0.0.1"), Admit::Public).unwrap_err().contains("127.0.0.1 is this machine"));
    assert!(may_ask(ip("127.0.0.1"), Admit::private(true)).is_ok());
    for metadata in ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "0.0.0.0"] {
        assert!(may_ask(ip(metadata), Admit::Private).is_err(), "{metadata}");
    }
    assert!(may_ask(ip("169.254.169.254"), Admit::Metadata).is_ok());
    assert!(may_ask(ip("224.0.0.1"), Admit::Metadata).is_err());
}

#[test]
fn a_redirect_stays_on_the_web_and_never_leaves_https() {
    let from = Address::parse("https://example.org/in/a.tar?token=x").unwrap();
    let table = [
        ("b.tar", Ok("https://example.org/in/b.tar")),
        ("/b.tar", Ok("https://example.org/b.tar")),
        ("//other.org/b", Ok("https://other.org/b")),
        ("https://other.org/b#part", Ok("https://other.org/b")),
        ("?page=2", Ok("https://example.org/in/a.tar?page=2")),
        ("http://example.org/in/a.tar", Err("from https")),
        ("HTTP://example.org/", Err("from https")),
        ("file:///etc/passwd", Err("no address of the web")),
        ("javascript:alert(1)", Err("no address of the web")),
        ("https://user:secret@example.org/", Err("name or password")),
        ("https://[::1", Err("no address")),
    ];
    for (location, wanted) in table {
        match (from.follow(location), wanted) {
            (Ok(next), Ok(wanted)) => assert_eq!(next.as_str(), wanted),
            (Err(why), Err(wanted)) => assert!(why.contains(wanted), "{location}: {why}"),
            (found, _) => panic!("{location}: {found:?}"),
        }
    }
    let plain = Address::parse("http://example.org/").unwrap();
    assert!(plain.follow("https://example.org/").is_ok());
}

#[test]
fn an_address_is_shown_without_what_may_be_secret() {
    let signed = Address::parse("https://b.example.org/a%20b.tar?X-Amz-Signature=abc#f").unwrap();
    assert_eq!(signed.to_string(), "https://b.example.org/a%20b.tar?…");
    assert_eq!(format!("{signed:?}"), "https://b.example.org/a%20b.tar?…");
    assert_eq!(signed.name(), "a b.tar");
    assert_eq!(shown("https://u:p@example.org/a?s=1"), "https://example.org/a?…");
    assert_eq!(shown("https://u:p@example.org"), "https://example.org");
    assert_eq!(shown("s3://bucket/what?.tar"), "s3://bucket/what?.tar");
    assert_eq!(shown("/srv/a?.tar"), "/srv/a?.tar");
}

#[test]
fn names_below_and_beside_an_address_cannot_climb() {
    let base = Address::parse("https://example.org/in/").unwrap();
    assert_eq!(
        base.below("u v/a?b#c%.tar").unwrap().as_str(),
        "https://example.org/in/u%20v/a%3Fb%23c%25.tar"
    );
    for key in ["", "../x", "a/../x", "a//b", "/x", "a/.", "a/"] {
        assert!(base.below(key).is_err(), "{key}");
    }
    // Dots that are written as percent forms stay one part of the path.
    assert_eq!(base.below("%2e%2e/x").unwrap().as_str(), "https://example.org/in/%252e%252e/x");
    let deposit = Address::parse("https://example.org/a.tar?v=1").unwrap();
    assert_eq!(deposit.beside(".sha256").as_str(), "https://example.org/a.tar.sha256");
    assert_eq!(deposit.origin(), "https://example.org:443");
}
