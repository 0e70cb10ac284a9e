//! Reading back the events of a PREMIS document that strongroom wrote.
//!
//! - Only the shape of `write` is read: any other document is an error, never a guess.
//! - What XML cannot hold was written as an escape and stays one; everything else comes back as it was.

use crate::model::event::{Event, EventType, Outcome};

/// The events of a document, in their order; or what is not as `write` writes it.
pub fn events(xml: &str) -> Result<Vec<Event>, String> {
    if !xml.contains("<premis ") || !xml.trim_end().ends_with("</premis>") {
        return Err("it is no whole PREMIS document".into());
    }
    let mut events = Vec::new();
    let mut rest = xml;
    while let Some((_, after)) = rest.split_once("<event>") {
        let (inner, after) = after.split_once("</event>").ok_or("an event does not end")?;
        events.push(event(inner)?);
        rest = after;
    }
    Ok(events)
}

fn event(inner: &str) -> Result<Event, String> {
    let at = text(inner, "eventDateTime")?;
    let term = text(inner, "eventType")?;
    let outcome = text(inner, "eventOutcome")?;
    let note = text(inner, "eventOutcomeDetailNote").ok();
    Ok(Event {
        id: text(inner, "eventIdentifierValue")?,
        event_type: EventType::from_term(&term).ok_or_else(|| format!("{term:?} is no event we record"))?,
        at: at.parse().map_err(|_| format!("{at:?} is no time"))?,
        outcome: match outcome.as_str() {
            "success" => Outcome::Success,
            "fail" => Outcome::Failure,
            other => return Err(format!("{other:?} is no outcome")),
        },
        detail: text(inner, "eventDetail")?,
        target: note.and_then(|note| note.strip_prefix("target: ").map(String::from)),
        agent: text(inner, "linkingAgentIdentifierValue")?,
        person: inner
            .split_once("</linkingAgentIdentifier>")
            .and_then(|(_, rest)| text(rest, "linkingAgentIdentifierValue").ok()),
    })
}

/// The text of the first element of this name.
fn text(inner: &str, name: &str) -> Result<String, String> {
    let missing = || format!("an event has no {name}");
    let mut from = inner;
    loop {
        let (_, after) = from.split_once(&format!("<{name}")).ok_or_else(missing)?;
        from = after;
        // `<eventOutcome` also begins `<eventOutcomeInformation`.
        if !after.starts_with(['>', ' ']) {
            continue;
        }
        let (_, value) = after.split_once('>').ok_or_else(missing)?;
        let (value, _) = value.split_once(&format!("</{name}>")).ok_or_else(missing)?;
        return Ok(unescape(value));
    }
}

fn unescape(value: &str) -> String {
    // The ampersand last: what it makes is not looked at again.
    value.replace("&#13;", "\r").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::object::ObjectId;
    use crate::rules::ocfl::metadata::DepositOrigin;
    use crate::rules::premis::{Subject, write};

    #[test]
    fn every_event_that_is_written_is_read_back() {
        let kinds = EventType::ALL;
        let event = |(number, event_type): (usize, &EventType)| Event {
            id: format!("{number:032x}"),
            event_type: *event_type,
            at: "2025-11-22T10:15:00.123456789Z".parse().unwrap(),
            outcome: if number % 2 == 0 { Outcome::Success } else { Outcome::Failure },
            detail: "<event>&amp;</event> a\r\nb ]]> &#13; &lt;".into(),
            target: (number % 3 == 0).then(|| "east & west".to_string()),
            agent: "jane <j@uva.edu>".into(),
            person: (number == 0).then(|| "anna <a&b>".to_string()),
        };
        let events: Vec<Event> = kinds.iter().enumerate().map(event).collect();
        let object = ObjectId("strongroom:uva.edu/a".into());
        let deposit = DepositOrigin {
            name: "<event>.tar".into(),
            form: "tar".into(),
            bytes: 1,
            digests: Default::default(),
        };
        let subject =
            Subject { object: &object, version: 1, bag: "<event>", files: 1, bytes: 1, deposit: &deposit };
        let mut xml = Vec::new();
        write(&subject, &events, &mut xml).unwrap();
        let xml = String::from_utf8(xml).unwrap();
        assert_eq!(super::events(&xml).unwrap(), events);
        assert!(super::events(&xml[..xml.len() - 3]).is_err());
        assert!(super::events(&xml.replace(">unpacking<", ">other<")).is_err());
        assert!(super::events(&xml.replacen("2025-11-22", "yesterday", 1)).is_err());
        assert!(super::events("<x/>").is_err());
    }
}
