//! `[[source]]` and `[network]`: where deposits arrive, and how addresses are reached.
//!
//! - What a kind of source has no use for is a fault, not passed over: it would look as if it held.
//! - No secret stands in a configuration: credentials are named by where they come from, addresses hold no password.
//! - A private address must be allowed where it is written, so that nobody finds out by a deposit that hangs.

use super::build::Builder;
use super::fault::Fault;
use super::tree::Value;
use super::units;
use super::{DepositorConfig, KeepingConfig};
use crate::rules::address::{Address, Reach, reach};
use crate::worlds::net::credentials::Access;
use crate::worlds::net::pace::Schedule;
use crate::worlds::net::{ProxyChoice, Reaching, Timeouts, proxy};
use crate::worlds::source::configured::{AfterKept, BucketPlace, Place, SourceConfig, Style};
use std::path::Path;
use std::time::Duration;

/// Timeouts below this find stalls where there are none.
const TIMEOUT_LEAST: Duration = Duration::from_secs(1);

/// Keys that only some kinds have a use for.
const OF_KINDS: &[(&str, &[&str])] = &[
    ("path", &["folder"]),
    ("still_for", &["folder"]),
    ("marker", &["folder"]),
    ("temporary", &["folder", "s3"]),
    ("url", &["http"]),
    ("endpoint", &["s3"]),
    ("bucket", &["s3"]),
    ("prefix", &["s3"]),
    ("region", &["s3"]),
    ("style", &["s3"]),
    ("credentials", &["http", "s3"]),
    ("connections", &["http", "s3"]),
    ("bandwidth", &["http", "s3"]),
    ("proxy", &["http", "s3"]),
    ("ca_file", &["http", "s3"]),
];

impl Builder {
    /// How addresses are reached that belong to no source.
    pub(super) fn network(&mut self) -> Reaching {
        self.reaching("network")
    }

    /// Every `[[source]]`.
    pub(super) fn sources(&mut self, depositors: &[DepositorConfig]) -> Vec<SourceConfig> {
        self.rows("source").iter().filter_map(|at| self.source(at, depositors)).collect()
    }

    fn source(&mut self, at: &str, depositors: &[DepositorConfig]) -> Option<SourceConfig> {
        let Some(name) = self.name(at) else {
            let fault = Fault::new("a [[source]] has no name").because("deposits are known by it");
            self.fault(at, fault.then_try("name = \"...\""));
            return None;
        };
        let kind = self.text(&format!("{at}.kind"));
        self.useless(at, &name, &kind, OF_KINDS);
        let depositor = self.owner(at, &name, depositors);
        let reaching = self.reaching(at);
        let place = match kind.as_str() {
            "folder" => self.folder(at, &name),
            "http" => self.web(at, &name, reaching.allow_private),
            _ => self.bucket(at, &name, reaching.allow_private).map(Place::Bucket),
        };
        let suffixes = self.texts(&format!("{at}.suffixes"));
        let temporary = self.texts(&format!("{at}.temporary"));
        let marker = self.optional_text(&format!("{at}.marker"));
        self.endings(at, &suffixes, &temporary, marker.as_deref());
        let size_max = match self.tree.settings.contains_key(&format!("{at}.size_max")) {
            true => Some(self.number(&format!("{at}.size_max"))),
            false => None,
        };
        let after_kept = self.after_kept(at, &name, &kind);
        let every = self.time(&format!("{at}.scan_every"));
        let still_for = self.time(&format!("{at}.still_for"));
        let scan_every = (!every.is_zero() && kind != "http").then_some(every);
        Some(SourceConfig {
            name,
            depositor: depositor?,
            place: place?,
            suffixes,
            size_max,
            after_kept: after_kept?,
            scan_every,
            still_for,
            temporary,
            marker,
            reaching,
        })
    }

    /// Says when what is to be taken would be taken for something else.
    fn endings(&mut self, at: &str, suffixes: &[String], temporary: &[String], marker: Option<&str>) {
        let endings = temporary.iter().map(|ending| ("temporary", ending.as_str()));
        for (key, ending) in endings.chain(marker.map(|marker| ("marker", marker))) {
            let path = format!("{at}.{key}");
            if ending.is_empty() || ending.contains('/') {
                let fault =
                    Fault::new(format!("{path} holds \"{}\", which ends no name", ending.escape_debug()));
                self.fault(
                    &path,
                    fault.then_try(format!(
                        "{key} = {}",
                        if key == "marker" { "\".done\"" } else { "[\".part\"]" }
                    )),
                );
            } else if suffixes.iter().any(|suffix| suffix.ends_with(ending)) {
                let fault = Fault::new(format!("{path} and suffixes hold the same ending, \"{ending}\""));
                self.fault(&path, fault.because("no deposit would ever be taken"));
            }
        }
    }

    /// Says what of the table this kind has no use for.
    pub(super) fn useless(&mut self, at: &str, name: &str, kind: &str, of_kinds: &[(&str, &[&str])]) {
        let table = at.split('[').next().unwrap_or(at);
        for (key, kinds) in of_kinds {
            let path = format!("{at}.{key}");
            if self.tree.settings.contains_key(&path) && !kinds.contains(&kind) {
                let fault = Fault::new(format!("{table} {name} is of the kind {kind} and has no {key}"))
                    .because(format!("{key} belongs to the kind {}", kinds.join(" or ")))
                    .then_try(format!("kind = \"{}\", or take {key} away", kinds[0]));
                self.fault(&path, fault);
            }
        }
    }

    fn owner(&mut self, at: &str, name: &str, depositors: &[DepositorConfig]) -> Option<String> {
        let path = format!("{at}.depositor");
        if let Some(owner) = self.optional_text(&path) {
            return Some(owner);
        }
        if let [only] = depositors {
            return Some(only.name.clone());
        }
        let fault = Fault::new(format!("source {name} does not say whose deposits arrive there"));
        self.fault(at, fault.then_try("depositor = \"...\""));
        None
    }

    fn folder(&mut self, at: &str, name: &str) -> Option<Place> {
        match self.optional_path(&format!("{at}.path")) {
            Some(path) => Some(Place::Folder { path }),
            None => self.missing(at, name, "path"),
        }
    }

    fn web(&mut self, at: &str, name: &str, allow_private: bool) -> Option<Place> {
        let path = format!("{at}.url");
        let Some(url) = self.optional_text(&path) else { return self.missing(at, name, "url") };
        let address = self.address(&path, &url, allow_private)?;
        let access = self.access(at, Access::Anonymous)?;
        let credentials = format!("{at}.credentials");
        if !matches!(access, Access::Anonymous | Access::File { .. } | Access::Systemd { .. }) {
            let fault = Fault::new(format!("source {name} cannot take its credentials from there"))
                .because("a web server's are user:password or bearer TOKEN, in a file");
            self.fault(&credentials, fault.then_try("credentials = \"file:PATH\" or \"systemd:NAME\""));
        } else if access != Access::Anonymous && !address.is_https() && !allow_private {
            let fault = Fault::new(format!("source {name} would send its credentials without TLS"))
                .because("everybody on the way could read them");
            self.fault(&credentials, fault.then_try("url = \"https://...\""));
        }
        Some(Place::Web { url, access })
    }

    pub(super) fn bucket(&mut self, at: &str, name: &str, allow_private: bool) -> Option<BucketPlace> {
        let endpoint = self.optional_text(&format!("{at}.endpoint"));
        if let Some(endpoint) = &endpoint {
            self.address(&format!("{at}.endpoint"), endpoint, allow_private)?;
        }
        let prefix = self.optional_text(&format!("{at}.prefix")).unwrap_or_default();
        let region = self.optional_text(&format!("{at}.region"));
        let style = match self.text(&format!("{at}.style")).as_str() {
            "path" => Style::Path,
            "host" => Style::Host,
            _ => Style::Auto,
        };
        let access = self.access(at, Access::Chain)?;
        let Some(bucket) = self.optional_text(&format!("{at}.bucket")) else {
            return self.missing(at, name, "bucket");
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !bucket.chars().all(plain) || bucket.starts_with('.') {
            let fault = Fault::new(format!("\"{}\" is no name of a bucket", bucket.escape_debug()));
            self.fault(&format!("{at}.bucket"), fault.then_try("bucket = \"NAME\", and prefix = \"...\""));
        }
        Some(BucketPlace { endpoint, bucket, prefix, region, style, access })
    }

    fn after_kept(&mut self, at: &str, name: &str, kind: &str) -> Option<AfterKept> {
        let path = format!("{at}.after_kept");
        let text = self.text(&path);
        let after = match text.split_once(':') {
            None if text == "leave" => AfterKept::Leave,
            None if text == "delete" => AfterKept::Delete,
            Some(("move", place)) if is_within(place) => AfterKept::Move(place.trim_matches('/').to_string()),
            _ => {
                let fault = Fault::new(format!("{path} is none of leave, delete and move:PLACE"))
                    .because(format!("it is \"{text}\"; a place is a folder or prefix within the source"));
                self.fault(&path, fault);
                return None;
            }
        };
        if kind == "http" && after != AfterKept::Leave {
            let fault = Fault::new(format!("source {name} cannot move or delete deposits"));
            self.fault(&path, fault.because("a web server only gives them"));
        }
        Some(after)
    }

    pub(super) fn reaching(&mut self, at: &str) -> Reaching {
        let time = |from: &mut Builder, name: &str| {
            let path = format!("{at}.timeout_{name}");
            let time = from.time(&path);
            if time < TIMEOUT_LEAST {
                let fault = Fault::new(format!("{path} is shorter than 1 s"));
                from.fault(&path, fault.because("it would find stalls where there are none"));
            }
            time
        };
        let timeouts = Timeouts {
            connect: time(self, "connect"),
            answer: time(self, "answer"),
            stall: time(self, "stall"),
        };
        Reaching {
            timeouts,
            proxy: self.proxy(&format!("{at}.proxy")),
            ca_file: self.optional_path(&format!("{at}.ca_file")),
            allow_private: self.flag(&format!("{at}.allow_private")),
            connections: self.count(&format!("{at}.connections")),
            bandwidth: self.bandwidth(&format!("{at}.bandwidth")),
        }
    }

    /// How copies are kept.
    pub(super) fn keeping(&mut self) -> KeepingConfig {
        KeepingConfig { every: self.time("keeping.every"), bandwidth: self.bandwidth("keeping.bandwidth") }
    }

    pub(super) fn bandwidth(&mut self, path: &str) -> Schedule {
        let text = self.text(path);
        Schedule::parse(&text, units::parse_bytes).unwrap_or_else(|why| {
            let fault = Fault::new(format!("{path} is no bandwidth")).because(why);
            self.fault(path, fault.then_try("50 MiB/s, or 08-18 = 10 MiB/s, 50 MiB/s"));
            Schedule::default()
        })
    }

    fn proxy(&mut self, path: &str) -> ProxyChoice {
        let hidden = match self.tree.settings.get(path).map(|setting| &setting.value) {
            Some(Value::Text(text)) => text.contains('@'),
            _ => false,
        };
        if hidden {
            let fault = Fault::new(format!("{path} holds a name or password"))
                .because("a configuration is read by many, and shown by config show");
            self.fault(
                path,
                fault.then_try("proxy = \"environment\", and https_proxy in the service's environment"),
            );
            return ProxyChoice::Direct;
        }
        match self.text(path).as_str() {
            "environment" => ProxyChoice::Environment,
            "direct" => ProxyChoice::Direct,
            other => {
                if let Err(why) = proxy::check(other) {
                    let fault = Fault::new(format!("{path} is none of environment, direct and an address"));
                    self.fault(path, fault.because(why));
                }
                ProxyChoice::Fixed(other.to_string())
            }
        }
    }

    /// The address that stands there, if it can be one.
    fn address(&mut self, path: &str, text: &str, allow_private: bool) -> Option<Address> {
        let address = match Address::parse(text) {
            Ok(address) => address,
            Err(why) => {
                self.fault(path, Fault::new(format!("{path} is no address")).because(why));
                return None;
            }
        };
        let is_local = address.host().trim_end_matches('.') == "localhost";
        let near = address.literal().map(reach);
        if let Some(Reach::Never(why)) = near {
            self.fault(path, Fault::new(format!("{path} is never asked")).because(format!("its host {why}")));
        } else if (is_local || matches!(near, Some(Reach::Private(_)))) && !allow_private {
            let fault = Fault::new(format!("{path} is a private address"))
                .because(format!("{} is on this machine or in its network", address.host()));
            self.fault(path, fault.then_try("allow_private = true, if that is meant"));
        }
        Some(address)
    }

    fn access(&mut self, at: &str, default: Access) -> Option<Access> {
        let path = format!("{at}.credentials");
        // What stands there could be a key after all: it is neither shown nor quoted before it was understood.
        let Some(Value::Text(text)) = self.tree.settings.get(&path).map(|setting| setting.value.clone())
        else {
            self.note_text(&path, &default.to_string());
            return Some(default);
        };
        match Access::parse(&text) {
            Ok(access) => {
                self.text(&path);
                Some(match access {
                    Access::File { path, profile } => Access::File { path: self.folder.join(path), profile },
                    other => other,
                })
            }
            Err(why) => {
                self.fault(
                    &path,
                    Fault::new(format!("{path} does not say where credentials come from")).because(why),
                );
                None
            }
        }
    }

    pub(super) fn optional_text(&mut self, path: &str) -> Option<String> {
        if self.tree.settings.contains_key(path) {
            return Some(self.text(path));
        }
        self.note_text(path, "none");
        None
    }

    fn missing<T>(&mut self, at: &str, name: &str, key: &str) -> Option<T> {
        let table = at.split('[').next().unwrap_or(at);
        let fault = Fault::new(format!("{table} {name} has no {key}"));
        self.fault(at, fault.then_try(format!("{key} = \"...\"")));
        None
    }

    /// A fault on the line of this key or table.
    pub(super) fn fault(&mut self, path: &str, fault: Fault) {
        let line = self.tree.settings.get(path).map(|setting| setting.line);
        let line = line.or_else(|| self.tree.tables.get(path).copied());
        self.faults.push(match line {
            Some(line) => fault.line(line),
            None => fault,
        });
    }
}

fn is_within(place: &str) -> bool {
    let trimmed = place.trim_end_matches('/');
    !trimmed.is_empty()
        && Path::new(trimmed).is_relative()
        && trimmed.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use crate::books::config::tests::told as read;
    use crate::worlds::net::ProxyChoice;
    use crate::worlds::net::credentials::Access;
    use crate::worlds::source::configured::{AfterKept, Place, Style};
    use std::time::Duration;

    #[test]
    fn a_source_of_each_kind_is_read_with_its_defaults() {
        let text = "[[source]]\nname='box'\npath='in'\n[[source]]\nname='web'\nkind='http'\nurl='https://a.org/in/'\n\
            credentials='systemd:web'\n[[source]]\nname='s3'\nkind='s3'\nbucket='b'\nendpoint='http://127.0.0.1:8333'\n\
            allow_private=true\nprefix='in/'\nstyle='path'\ncredentials='file:keys#uva'\nafter_kept='move:done/'\n\
            bandwidth='08-18 = 10 MiB/s, 50 MiB/s'\nproxy='direct'\nscan_every='0 s'\ntimeout_stall='1 s'\nsuffixes=[]\n";
        let config = read(text).unwrap();
        let [folder, web, s3] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
        assert_eq!(folder.place, Place::Folder { path: "/etc/strongroom/in".into() });
        assert_eq!(
            (folder.suffixes.as_slice(), folder.depositor.as_str()),
            (&[".tar".to_string()][..], "local")
        );
        assert_eq!(folder.scan_every, Some(Duration::from_secs(900)));
        assert_eq!(folder.still_for, Duration::from_secs(60));
        let Place::Web { access, .. } = &web.place else { panic!("{web:?}") };
        assert_eq!(*access, Access::Systemd { name: "web".into(), profile: None });
        assert_eq!((web.scan_every, web.reaching.allow_private, web.reaching.connections), (None, false, 8));
        let Place::Bucket(bucket) = &s3.place else { panic!("{s3:?}") };
        assert_eq!(
            bucket.access,
            Access::File { path: "/etc/strongroom/keys".into(), profile: Some("uva".into()) }
        );
        assert_eq!((bucket.style, bucket.prefix.as_str()), (Style::Path, "in/"));
        assert_eq!((&s3.after_kept, s3.scan_every), (&AfterKept::Move("done".into()), None));
        assert_eq!(
            (s3.reaching.bandwidth.rate(9), s3.reaching.bandwidth.rate(19)),
            (Some(10 << 20), Some(50 << 20))
        );
        assert_eq!((&s3.reaching.proxy, s3.reaching.timeouts.stall.as_secs()), (&ProxyChoice::Direct, 1));
        assert!(s3.suffixes.is_empty());
        assert_eq!(config.network, Default::default());
    }

    #[test]
    fn every_mistake_in_a_source_is_told_with_its_line() {
        let web = "[[source]]\nname='w'\nkind='http'\n";
        let s3 = "[[source]]\nname='b'\nkind='s3'\n";
        let table = [
            ("[[source]]\npath='/in'\n".to_string(), 1, "a [[source]] has no name"),
            ("[[source]]\nname='a'\n".into(), 1, "source a has no path"),
            (web.into(), 1, "source w has no url"),
            (s3.into(), 1, "source b has no bucket"),
            (
                format!("{web}url='https://a.org'\nbucket='x'\n"),
                5,
                "source w is of the kind http and has no bucket",
            ),
            (format!("{web}url='ftp://a.org'\n"), 4, "source[0].url is no address"),
            (format!("{web}url='https://u:s3cret@a.org'\n"), 4, "source[0].url is no address"),
            (format!("{web}url='http://127.1/'\n"), 4, "source[0].url is a private address"),
            (format!("{web}url='http://localhost/'\n"), 4, "source[0].url is a private address"),
            (
                format!("{web}url='http://169.254.169.254/'\nallow_private=true\n"),
                4,
                "source[0].url is never asked",
            ),
            (format!("{web}url='http://a.org/'\ncredentials='file:/k'\n"), 5, "without TLS"),
            (
                format!("{web}url='https://a.org/'\ncredentials='instance'\n"),
                5,
                "cannot take its credentials",
            ),
            (format!("{web}url='https://a.org/'\nafter_kept='delete'\n"), 5, "cannot move or delete"),
            (format!("{s3}bucket='b/in'\n"), 4, "\"b/in\" is no name of a bucket"),
            (
                format!("{s3}bucket='b'\ncredentials='AKIAs3cret:xs3cret'\n"),
                5,
                "does not say where credentials",
            ),
            (format!("{s3}bucket='b'\nafter_kept='move:../x'\n"), 5, "none of leave, delete"),
            (format!("{s3}bucket='b'\nafter_kept='burn'\n"), 5, "none of leave, delete"),
            (format!("{s3}bucket='b'\nbandwidth='fast'\n"), 5, "source[0].bandwidth is no bandwidth"),
            (format!("{s3}bucket='b'\nproxy='http://u:s3cret@p:1'\n"), 5, "holds a name or password"),
            (format!("{s3}bucket='b'\nproxy='gopher://p'\n"), 5, "none of environment, direct"),
            (format!("{s3}bucket='b'\ntimeout_stall='10 ms'\n"), 5, "source[0].timeout_stall is shorter"),
            (format!("{s3}bucket='b'\nstill_for='1 s'\n"), 5, "has no still_for"),
            (format!("{s3}bucket='b'\nmarker='.done'\n"), 5, "has no marker"),
            ("[[source]]\nname='a'\npath='/in'\nmarker='a/b'\n".into(), 4, "source[0].marker holds"),
            ("[[source]]\nname='a'\npath='/in'\ntemporary=['tar']\n".into(), 4, "hold the same ending"),
            (format!("{s3}bucket='b'\n{s3}bucket='c'\n"), 6, "two [[source]] have the name \"b\""),
            (
                format!("[[depositor]]\nname='u'\n{s3}bucket='b'\ndepositor='v'\n"),
                4,
                "a depositor that is not there",
            ),
            (
                format!("[[depositor]]\nname='u'\n[[depositor]]\nname='v'\n{s3}bucket='b'\n"),
                5,
                "does not say whose deposits",
            ),
            ("[network]\nbandwidth='x'\n".into(), 2, "network.bandwidth is no bandwidth"),
        ];
        for (text, line, wanted) in table {
            let faults = read(&text).err().unwrap_or_default();
            let told = faults.iter().find(|fault| fault.contains(wanted));
            let told = told.unwrap_or_else(|| panic!("{text}: {faults:?}"));
            assert!(told.contains(&format!(" line {line}: ")), "{text}: {told}");
            assert!(!faults.iter().any(|fault| fault.contains("s3cret")), "{faults:?}");
        }
    }

    #[test]
    fn a_source_in_staging_or_a_target_is_refused() {
        let faults = read("data='/srv/d'\n[[source]]\nname='a'\npath='/srv/d/staging/in'\n").unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.contains("source a and staging volume staging are not apart"))
        );
    }
}
