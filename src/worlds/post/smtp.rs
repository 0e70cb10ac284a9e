//! Mail to a relay (RFC 5321): the few commands that a relay on this machine or beside it needs.
//!
//! Written here instead of taking `lettre`: that would bring eight crates (a parser kit, MIME types, two encoders) for what
//! is 150 lines without TLS and passwords, and a relay beside us wants neither. Who needs them lets the relay do it, or
//! uses the command.
//!
//! - A mail counts as sent when the relay took its last line with 250; anything else is an error, in the relay's words.
//! - What the relay says is bounded, and so is the wait for it.

use super::{Letter, Unsent, mail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longest line of a relay.
const LINE_MAX: u64 = 2_000;

/// Lines of one answer.
const LINES_MAX: usize = 60;

/// Characters of the relay's words that are told.
const SAID_MAX: usize = 200;

/// Sends it.
pub(super) fn send(relay: &str, from: &str, letter: &Letter, patience: Duration) -> Result<(), Unsent> {
    if letter.to.is_empty() {
        return Err(Unsent::refused("there is nobody to send it to"));
    }
    let host = own_name();
    let mut talk = Talk::connect(relay, patience)?;
    talk.expect(2, None)?;
    let hello = talk.say(&format!("EHLO {host}"))?;
    if hello.code / 100 != 2 {
        talk.expect(2, Some(&format!("HELO {host}")))?;
    }
    talk.expect(2, Some(&format!("MAIL FROM:<{from}>")))?;
    for to in &letter.to {
        talk.expect(2, Some(&format!("RCPT TO:<{to}>")))?;
    }
    talk.expect(3, Some("DATA"))?;
    let message = mail::message(letter, from, &host);
    talk.expect(2, Some(&format!("{}.", stuffed(&message))))?;
    // It has it; whether it says goodbye changes nothing.
    let _ = talk.say("QUIT");
    Ok(())
}

/// Lines that start with a dot get one more, and the last line is ended.
fn stuffed(message: &str) -> String {
    let lines = message.split_terminator("\r\n");
    lines
        .map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") })
        .collect()
}

/// This machine's name, as far as a mail may hold it.
fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).collect();
    if name.is_empty() { "localhost".into() } else { name }
}

struct Said {
    code: u16,
    text: String,
}

struct Talk {
    relay: String,
    stream: BufReader<TcpStream>,
}

impl Talk {
    fn connect(relay: &str, patience: Duration) -> Result<Talk, Unsent> {
        let failed = |error: std::io::Error| {
            Unsent::away(format!("the mail relay {relay} cannot be reached: {error}"))
        };
        let mut last = Unsent::away(format!("the mail relay {relay} has no address"));
        for address in relay.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(patience)).map_err(failed)?;
                    stream.set_write_timeout(Some(patience)).map_err(failed)?;
                    return Ok(Talk { relay: relay.into(), stream: BufReader::new(stream) });
                }
                Err(error) => last = failed(error),
            }
        }
        Err(last)
    }

    /// Says it, and takes an answer of this hundred only. Without words: waits for the greeting.
    fn expect(&mut self, hundred: u16, words: Option<&str>) -> Result<(), Unsent> {
        let said = match words {
            Some(words) => self.say(words)?,
            None => self.hear()?,
        };
        if said.code / 100 == hundred {
            return Ok(());
        }
        let what = words.map_or("connecting", |words| words.split([' ', '\r']).next().unwrap_or_default());
        let what = if what.contains(':') { "the text" } else { what };
        let why = format!("the mail relay {} refused {what}: {} {}", self.relay, said.code, said.text);
        // Of whom and what is sent: another letter may go. Before that: none will.
        Err(Unsent { why, away: !matches!(what, "RCPT" | "DATA" | "the text") })
    }

    fn say(&mut self, words: &str) -> Result<Said, Unsent> {
        let relay = &self.relay;
        let failed =
            |error: std::io::Error| Unsent::away(format!("the mail relay {relay} broke off: {error}"));
        let stream = self.stream.get_mut();
        stream.write_all(format!("{words}\r\n").as_bytes()).and_then(|()| stream.flush()).map_err(failed)?;
        self.hear()
    }

    fn hear(&mut self) -> Result<Said, Unsent> {
        let relay = self.relay.clone();
        let broken = |why: &str| Unsent::away(format!("the mail relay {relay} broke off: {why}"));
        for _ in 0..LINES_MAX {
            let mut line = Vec::new();
            let got = (&mut self.stream).take(LINE_MAX).read_until(b'\n', &mut line);
            got.map_err(|error| broken(&error.to_string()))?;
            if line.last() != Some(&b'\n') {
                return Err(broken("its answer does not end"));
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let code = code.ok_or_else(|| broken("it does not speak SMTP"))?;
            if line.as_bytes().get(3) != Some(&b'-') {
                let plain = line[3..].trim().chars().map(|c| if c.is_control() { ' ' } else { c });
                return Ok(Said { code, text: plain.take(SAID_MAX).collect() });
            }
        }
        Err(broken("it goes on and on"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    /// A relay that gives these answers, one a command (the text is one), and tells what it heard.
    fn relay(answers: &'static [&'static str]) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut stream, mut heard, mut in_text) = (stream, String::new(), false);
            for answer in answers {
                stream.write_all(answer.as_bytes()).unwrap();
                in_text = in_text || answer.starts_with("354");
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return heard;
                    }
                    heard.push_str(&line);
                    if !in_text || line == ".\r\n" {
                        break;
                    }
                }
            }
            heard
        });
        (address, thread)
    }

    fn letter(text: &str) -> Letter {
        Letter {
            name: "notice-1".into(),
            depositor: None,
            to: vec!["a@b.org".into(), "c@d.org".into()],
            subject: "hello".into(),
            text: text.into(),
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn a_mail_is_sent_when_the_relay_took_its_last_line() {
        let (address, thread) = relay(&[
            "220-hello\r\n220 there\r\n",
            "250-here\r\n250 8BITMIME\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go on\r\n",
            "250 taken\r\n",
        ]);
        send(&address, "s@r.org", &letter("one\n.\n..two\n"), PATIENCE).unwrap();
        let heard = thread.join().unwrap();
        assert!(heard.starts_with("EHLO "), "{heard}");
        let rest = heard.split_once("\r\n").unwrap().1;
        assert!(
            rest.starts_with(
                "MAIL FROM:<s@r.org>\r\nRCPT TO:<a@b.org>\r\nRCPT TO:<c@d.org>\r\nDATA\r\nFrom: "
            ),
            "{heard}"
        );
        // The lone dot of the letter does not end it.
        assert!(rest.contains("\r\n\r\none\r\n..\r\n...two\r\n.\r\n"), "{heard}");
    }

    #[test]
    fn what_a_relay_refuses_is_told_in_its_words() {
        let (address, _) =
            relay(&["220 hi\r\n", "500 what\r\n", "250 ok\r\n", "250 ok\r\n", "550 no such user\r\n"]);
        let why = send(&address, "s@r.org", &letter("x"), PATIENCE).unwrap_err().why;
        assert!(why.ends_with("refused RCPT: 550 no such user"), "{why}");
        let (address, _) = relay(&[
            "220 hi\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "552 too much\r\n",
        ]);
        let why = send(&address, "s@r.org", &letter("x"), PATIENCE).unwrap_err().why;
        assert!(why.ends_with("refused the text: 552 too much"), "{why}");
        assert!(
            send("127.0.0.1:1", "s@r.org", &letter("x"), PATIENCE)
                .unwrap_err()
                .why
                .contains("cannot be reached")
        );
    }

    #[test]
    fn what_is_no_relay_is_no_relay() {
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220-x\r\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let thread = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.write_all(answer.as_bytes());
            });
            let why = send(&address, "s@r.org", &letter("x"), PATIENCE).unwrap_err().why;
            assert!(why.contains("does not speak SMTP") || why.contains("does not end"), "{why}");
            thread.join().unwrap();
        }
    }
}
