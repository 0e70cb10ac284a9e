//! `[jobs]` and `[notice]`: what is done by the clock, and who is told of it.
//!
//! - No secret stands in the configuration: an address that must not be seen is named by the file that holds it.

use super::build::Builder;
use super::fault::Fault;
use crate::model::job::Job;
use crate::rules::address::{self, Address};
use crate::worlds::net::credentials::Access;
use crate::worlds::net::{ProxyChoice, Reaching};
use crate::worlds::post::Webhook;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often each job has to do its work; one that is not in here is done only when a person asks.
pub type Periods = BTreeMap<Job, Duration>;

/// Who is told, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeConfig {
    /// Program and arguments; what is told comes to its stdin.
    pub command: Vec<String>,
    /// `host:port` of a mail relay.
    pub smtp: Option<String>,
    /// Whose mail it is.
    pub from: Option<String>,
    /// The operators' mail addresses.
    pub to: Vec<String>,
    /// Where what is told is posted.
    pub webhook: Option<Webhook>,
    /// How the webhook is reached.
    pub reaching: Reaching,
}

/// The key of a job's period.
fn key_of(job: Job) -> String {
    format!("jobs.{}", job.name().replace('-', "_"))
}

impl Builder {
    pub(super) fn jobs(&mut self) -> Periods {
        let every = |job: Job, from: &mut Builder| (job, from.time(&key_of(job)));
        Job::ALL.into_iter().map(|job| every(job, self)).filter(|(_, every)| !every.is_zero()).collect()
    }

    pub(super) fn notice(&mut self, network: &Reaching) -> NoticeConfig {
        let command = self.texts("notice.command");
        let smtp = self.optional_text("notice.smtp").map(|relay| self.relay(&relay));
        let from = self.optional_text("notice.from");
        let to = self.texts("notice.to");
        for (key, addresses) in [("notice.from", from.as_slice()), ("notice.to", &to)] {
            addresses.iter().for_each(|address| self.mail_address(key, address));
        }
        if smtp.is_some() && from.is_none() {
            let fault = Fault::new("notice.smtp is there without notice.from")
                .because("a relay asks whose mail it is, and says so to it when it cannot be delivered");
            self.fault("notice.smtp", fault.then_try("from = \"strongroom@example.org\""));
        }
        let allow_private = self.flag("notice.allow_private");
        let webhook = self.webhook(allow_private);
        let ca_file = self.optional_path("notice.ca_file").or_else(|| network.ca_file.clone());
        // Posting to a machine of our own network goes there directly.
        let proxy = if allow_private { ProxyChoice::Direct } else { network.proxy.clone() };
        let reaching = Reaching { allow_private, ca_file, proxy, ..network.clone() };
        NoticeConfig { command, smtp, from, to, webhook, reaching }
    }

    /// Where a depositor is told of its items.
    pub(super) fn notify(&mut self, at: &str) -> Option<String> {
        let path = format!("{at}.notify");
        let address = self.optional_text(&path)?;
        self.mail_address(&path, &address);
        Some(address)
    }

    fn relay(&mut self, relay: &str) -> String {
        let (host, port) = relay.rsplit_once(':').unwrap_or((relay, "25"));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        if host.is_empty() || !host.chars().all(plain) || port.parse::<u16>().is_err() {
            let fault = Fault::new(format!("notice.smtp \"{}\" is no host and port", relay.escape_debug()));
            self.fault("notice.smtp", fault.then_try("smtp = \"127.0.0.1:25\""));
        }
        format!("{host}:{port}")
    }

    fn mail_address(&mut self, key: &str, address: &str) {
        if !is_mail_address(address) {
            let fault = Fault::new(format!("{key}: \"{}\" is no mail address", address.escape_debug()));
            self.fault(key, fault.then_try("archive@example.org"));
        }
    }

    fn webhook(&mut self, allow_private: bool) -> Option<Webhook> {
        let token = self.optional_text("notice.webhook_credentials");
        let token = token.and_then(|text| self.held_in("notice.webhook_credentials", &text));
        let text = self.optional_text("notice.webhook")?;
        if text.starts_with("file:") || text.starts_with("systemd:") {
            let within = self.held_in("notice.webhook", &text)?;
            return Some(Webhook::Within { address: within, credentials: token });
        }
        let judged = Address::parse(&text).and_then(|found| {
            let admit = address::Admit::private(allow_private);
            crate::worlds::net::guard::judge(&found, admit).map_err(|refusal| refusal.to_string())?;
            Ok(found)
        });
        match judged {
            Ok(found) => Some(Webhook::At { address: found.as_str().to_string(), credentials: token }),
            Err(why) => {
                let fault = Fault::new("notice.webhook cannot be posted to").because(why);
                let advice = "webhook = \"https://chat.example.org/hooks/x\", or webhook = \"file:PATH\" of a file that holds the address";
                self.fault("notice.webhook", fault.then_try(advice));
                None
            }
        }
    }

    fn held_in(&mut self, key: &str, text: &str) -> Option<Access> {
        let known = match Access::parse(text) {
            Ok(Access::File { path, profile }) => Ok(Access::File { path: self.folder.join(path), profile }),
            Ok(systemd @ Access::Systemd { .. }) => Ok(systemd),
            Ok(_) => Err("only file:PATH and systemd:NAME are read for notices".to_string()),
            Err(why) => Err(why),
        };
        match known {
            Ok(access) => Some(access),
            Err(why) => {
                let fault = Fault::new(format!("{key} does not say where it is to be read")).because(why);
                self.fault(key, fault.then_try("file:/etc/strongroom/webhook"));
                None
            }
        }
    }
}

/// An address as mail relays take it without quotes; nothing in it can end a line or a command.
fn is_mail_address(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let Some((name, host)) = text.rsplit_once('@') else { return false };
    let host_is_plain = host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    text.len() <= 254
        && !name.is_empty()
        && name.chars().all(plain)
        && !host.is_empty()
        && !host.starts_with(['-', '.'])
        && host_is_plain
}

#[cfg(test)]
mod tests {
    use crate::books::config::tests::told as read;
    use crate::model::job::Job;
    use crate::worlds::net::credentials::Access;
    use crate::worlds::post::Webhook;
    use std::time::Duration;

    #[test]
    fn jobs_have_periods_and_none_is_zero() {
        let config = read("[jobs]\nretention = \"0 s\"\nreconcile = \"3 d\"\n").unwrap();
        assert_eq!(config.jobs.get(&Job::Reconcile), Some(&Duration::from_secs(3 * 86_400)));
        assert_eq!(config.jobs.get(&Job::StateBackup), Some(&Duration::from_secs(86_400)));
        assert!(!config.jobs.contains_key(&Job::Retention));
    }

    #[test]
    fn who_is_told_is_read_and_what_is_secret_stays_in_its_file() {
        let text = "[notice]\ncommand=['/usr/bin/logger','-t','x']\nsmtp='localhost'\nfrom='a@b.org'\n\
                    to=['op@b.org']\nwebhook='file:hook'\n[[depositor]]\nname='uva.edu'\nnotify='bags@uva.edu'\n";
        let config = read(text).unwrap();
        let notice = &config.notice;
        assert_eq!(notice.command, ["/usr/bin/logger", "-t", "x"]);
        assert_eq!((notice.smtp.as_deref(), notice.to.len()), (Some("localhost:25"), 1));
        let path = "/etc/strongroom/hook".into();
        let address = Access::File { path, profile: None };
        assert_eq!(notice.webhook, Some(Webhook::Within { address, credentials: None }));
        assert_eq!(config.depositors[0].notify.as_deref(), Some("bags@uva.edu"));
        assert_eq!(read("").unwrap().notice.webhook, None);
    }

    #[test]
    fn every_mistake_about_notices_is_told_with_its_line() {
        let table = [
            ("smtp='localhost'", "without notice.from"),
            ("from='a b@c'", "is no mail address"),
            ("to=['x@y', 'a@b.org>\\r\\nDATA']", "is not a list of texts"),
            ("to=['a@b> RCPT']", "is no mail address"),
            ("to=['nobody']", "is no mail address"),
            ("smtp='mail host:25'\nfrom='a@b.org'", "is no host and port"),
            ("webhook='http://127.0.0.1:9/x'", "cannot be posted to"),
            ("webhook='ftp://x.org/'", "cannot be posted to"),
            ("webhook='https://x.org/'\nwebhook_credentials='s3cret'", "where it is to be read"),
        ];
        for (text, wanted) in table {
            let text = format!("[notice]\n{}\n", text.replace("\\r\\n", "\\u000a").replace('\'', "\""));
            let faults = read(&text).err().unwrap_or_default();
            assert!(faults.iter().any(|fault| fault.contains(wanted)), "{text}: {faults:?}");
            assert!(faults.iter().all(|fault| !fault.contains("s3cret")), "{faults:?}");
        }
        assert!(read("[notice]\nwebhook=\"http://127.0.0.1:9/x\"\nallow_private=true\n").is_ok());
    }
}
