//! A letter for a web address: one JSON document, posted once.
//!
//! - The shape is what chat servers take (`text`), and what a program may want beside it.
//! - A redirect is no success: what is posted to a place that moved has not arrived.

use super::{Letter, Unsent, Webhook};
use crate::rules::address::Address;
use crate::worlds::net::Reaching;
use crate::worlds::net::ask::Body;
use crate::worlds::net::client::{Ask, Client, Method};
use crate::worlds::net::credentials::{Access, authorization, read, systemd_path};
use serde_json::json;

/// Posts it.
pub(super) fn post(hook: &Webhook, reaching: &Reaching, letter: &Letter) -> Result<(), Unsent> {
    let (address, credentials) = match hook {
        Webhook::At { address, credentials } => (address.clone(), credentials),
        Webhook::Within { address, credentials } => (within(address).map_err(Unsent::away)?, credentials),
    };
    // The parser's words could quote what it read.
    let address = Address::parse(&address).map_err(|_| Unsent::away(format!("{hook:?} is no address")))?;
    let document = json!({
        "text": format!("{}\n{}", letter.subject, letter.text), "subject": letter.subject, "body": letter.text,
        "depositor": letter.depositor, "notice": letter.name, "at": letter.at,
    });
    let mut ask = Ask::new(Method::Post, address)
        .header("content-type", "application/json")
        .body(Body::Bytes(document.to_string().into_bytes()))
        .as_it_is();
    if let Some(access) = credentials
        && let Some(proof) = authorization(access).map_err(Unsent::away)?
    {
        ask = ask.own_header("authorization", proof.reveal());
    }
    let answer = Client::new(reaching.clone()).send(ask);
    let answer = answer.map_err(|error| Unsent::away(format!("the webhook: {error}")))?;
    match answer.status() {
        200..=299 => Ok(()),
        status => {
            let why = format!("the webhook answered {}", answer.told());
            Err(Unsent { why, away: status >= 500 || status == 429 })
        }
    }
}

fn within(access: &Access) -> Result<String, String> {
    let text = match access {
        Access::File { path, .. } => read(path)?,
        Access::Systemd { name, .. } => read(&systemd_path(name)?)?,
        other => return Err(format!("an address is not read from {other}")),
    };
    Ok(text.reveal().trim().to_string())
}
