//! The configuration for people: a sample, and the table of defaults.

use super::keys::{KEYS, Key};

/// A commented sample configuration, made from the table of keys; it is valid as it stands.
pub fn sample() -> String {
    let mut text = String::from(
        "# strongroom.toml: every key, with its default and the reason for it.\n\
         # A line that starts with \"#\" and a key shows the default; take the \"#\" away to change it.\n",
    );
    let mut table = "";
    for key in &KEYS {
        let (at, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if at != table {
            table = at;
            text.push_str(&format!("\n# {}\n", header(at)));
        }
        text.push('\n');
        for line in wrap(key.reason, 110) {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("#{name} = {}\n", example(key)));
    }
    text
}

/// Every key with its default and reason.
pub fn defaults() -> Vec<(&'static str, String, &'static str)> {
    KEYS.iter()
        .map(|key| {
            (
                key.path,
                if key.default.is_empty() { "none".into() } else { key.default.to_string() },
                key.reason,
            )
        })
        .collect()
}

fn header(table: &str) -> String {
    match table.strip_suffix("[]") {
        Some(name) => format!("[[{name}]]"),
        None => format!("[{}]", table.replace("[]", "").replace('*', "default")),
    }
}

/// What a key may look like in a file; empty when nobody can make one up.
pub fn example(key: &Key) -> String {
    match key.path {
        "depositor[].accept" => "[\"tar\", \"zip\"]".into(),
        "ledger.mirror" => "\"/srv/other-disk/strongroom-mirror\"".into(),
        "target[].name" => "\"vault-a\"".into(),
        "target[].endpoint" => "\"https://s3.example.org\"".into(),
        "target[].bucket" => "\"preservation\"".into(),
        "target[].prefix" => "\"vault-b/\"".into(),
        "target[].region" => "\"us-east-1\"".into(),
        "target[].credentials" => "\"systemd:vault-b\"".into(),
        "target[].storage_class" => "\"GLACIER_IR\"".into(),
        "target[].quota" => "\"50 TiB\"".into(),
        "target[].fixity_every" => "\"180 d\"".into(),
        "target[].ca_file" => "\"/etc/strongroom/vault-b.pem\"".into(),
        "depositor[].profile" => "\"aptrust-2.3\"".into(),
        "source[].name" => "\"uva\"".into(),
        "source[].depositor" => "\"local\"".into(),
        "source[].path" => "\"/srv/receiving/uva\"".into(),
        "source[].url" => "\"https://bags.example.org/drop/\"".into(),
        "source[].endpoint" => "\"https://s3.example.org\"".into(),
        "source[].bucket" => "\"receiving-uva\"".into(),
        "source[].prefix" => "\"incoming/\"".into(),
        "source[].region" => "\"us-east-1\"".into(),
        "source[].credentials" => "\"systemd:receiving-uva\"".into(),
        "source[].marker" => "\".done\"".into(),
        "source[].size_max" => "\"5 TB\"".into(),
        "source[].ca_file" | "network.ca_file" => "\"/etc/strongroom/ca.pem\"".into(),
        "place[].name" => "\"reading-room\"".into(),
        "place[].path" => "\"/srv/given-back\"".into(),
        "place[].endpoint" => "\"https://s3.example.org\"".into(),
        "place[].bucket" => "\"given-back\"".into(),
        "place[].prefix" => "\"uva/\"".into(),
        "place[].region" => "\"us-east-1\"".into(),
        "place[].credentials" => "\"systemd:given-back\"".into(),
        "place[].ca_file" => "\"/etc/strongroom/given-back.pem\"".into(),
        "workers.hashers" => "4".into(),
        "depositor[].notify" => "\"bags@uva.edu\"".into(),
        "notice.command" => "[\"/usr/local/bin/tell-operators\"]".into(),
        "notice.smtp" => "\"127.0.0.1:25\"".into(),
        "notice.from" => "\"strongroom@example.org\"".into(),
        "notice.to" => "[\"archive@example.org\"]".into(),
        "notice.webhook" => "\"systemd:webhook\"".into(),
        "notice.webhook_credentials" => "\"systemd:webhook-token\"".into(),
        "notice.ca_file" => "\"/etc/strongroom/ca.pem\"".into(),
        "serve.inbox" => "\"/srv/inbox\"".into(),
        "policy.*.retention" => "\"180 d\"".into(),
        "roles.approver" => "[\"anna\", \"group:archivists\"]".into(),
        "roles.operator" => "[\"group:operators\"]".into(),
        "policy.*.targets" => "[\"vault-a\", \"vault-b\"]".into(),
        _ if key.default.starts_with("DATA") => {
            format!("\"{}\"", key.default.replace("DATA", super::keys::DATA).replace("NAME", "vault-a"))
        }
        _ => key.default.into(),
    }
}

/// Cuts text into lines of at most `width` characters, between words.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a last line: the list starts with one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_string());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
