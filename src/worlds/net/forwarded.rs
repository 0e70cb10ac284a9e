//! Plain requests as a proxy is asked to pass them on: the whole address in the first line, and our proof for the proxy.
//!
//! - Only what is sent without TLS is asked so; most proxies let tunnels (CONNECT) lead to the ports of TLS only.
//! - The proof goes to the proxy, which does not pass it on; it is no header that a redirect could carry elsewhere.

use super::secret::Secret;
use crate::rules::http::to_base64;

/// How requests over one connection to a proxy are passed on.
#[derive(Debug)]
pub struct Forwarded {
    /// `http://host:port` of who is to be asked.
    origin: String,
    proof: Option<Secret>,
    /// The next bytes that are sent begin a request.
    begins: bool,
}

/// The value of the header that proves to a proxy who we are.
pub fn proof(user: Option<&str>, password: Option<&str>) -> Option<Secret> {
    if user.is_none() && password.is_none() {
        return None;
    }
    let both = Secret::new(format!("{}:{}", user.unwrap_or_default(), password.unwrap_or_default()));
    Some(Secret::new(format!("Basic {}", to_base64(both.reveal().as_bytes()))))
}

impl Forwarded {
    /// To this host and port.
    pub fn to(host: &str, port: u16, proof: Option<Secret>) -> Forwarded {
        Forwarded { origin: format!("http://{host}:{port}"), proof, begins: true }
    }

    /// An answer is awaited: what is sent next begins another request.
    pub fn awaits(&mut self) {
        self.begins = true;
    }

    /// Rewrites the head of the request that begins in `output`, of which `amount` bytes are to be sent; gives how many it
    /// are then, or nothing when they do not fit.
    pub fn rewrite(&mut self, output: &mut [u8], amount: usize) -> Option<usize> {
        if !std::mem::replace(&mut self.begins, false) {
            return Some(amount);
        }
        let head = output.get(..amount)?;
        let line = head.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let path = head[..line].iter().position(|byte| *byte == b' ')? + 1;
        let header = self
            .proof
            .as_ref()
            .map_or_else(String::new, |proof| format!("Proxy-Authorization: {}\r\n", proof.reveal()));
        let header = Secret::new(header);
        insert(output, amount, line, header.reveal().as_bytes())?;
        let amount = amount + header.reveal().len();
        insert(output, amount, path, self.origin.as_bytes())?;
        Some(amount + self.origin.len())
    }
}

/// Makes room at `at` and puts the bytes there.
fn insert(output: &mut [u8], amount: usize, at: usize, bytes: &[u8]) -> Option<()> {
    if amount + bytes.len() > output.len() {
        return None;
    }
    output.copy_within(at..amount, at + bytes.len());
    output[at..at + bytes.len()].copy_from_slice(bytes);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(forwarded: &mut Forwarded, text: &str, room: usize) -> Option<String> {
        let mut output = vec![0; text.len() + room];
        output[..text.len()].copy_from_slice(text.as_bytes());
        let amount = forwarded.rewrite(&mut output, text.len())?;
        Some(String::from_utf8(output[..amount].to_vec()).unwrap())
    }

    #[test]
    fn the_first_line_names_the_host_and_the_proof_follows_it() {
        let mut plain = Forwarded::to("a.org", 8080, None);
        let found = sent(&mut plain, "GET /x?y HTTP/1.1\r\nhost: a.org\r\n\r\n", 99);
        assert_eq!(found.unwrap(), "GET http://a.org:8080/x?y HTTP/1.1\r\nhost: a.org\r\n\r\n");
        let mut proved = Forwarded::to("[::1]", 80, proof(Some("user"), Some("s3cret")));
        let found = sent(&mut proved, "PUT / HTTP/1.1\r\n\r\nbody", 99).unwrap();
        let wanted =
            "PUT http://[::1]:80/ HTTP/1.1\r\nProxy-Authorization: Basic dXNlcjpzM2NyZXQ=\r\n\r\nbody";
        assert_eq!(found, wanted);
        assert!(!format!("{proved:?}").contains("dXNlc"));
    }

    #[test]
    fn a_body_is_left_alone_and_the_next_request_is_not() {
        let mut forwarded = Forwarded::to("a.org", 80, None);
        sent(&mut forwarded, "PUT /x HTTP/1.1\r\n\r\n", 99).unwrap();
        assert_eq!(sent(&mut forwarded, "GET / HTTP/1.1\r\n", 99).unwrap(), "GET / HTTP/1.1\r\n");
        forwarded.awaits();
        assert_eq!(
            sent(&mut forwarded, "GET / HTTP/1.1\r\n", 99).unwrap(),
            "GET http://a.org:80/ HTTP/1.1\r\n"
        );
    }

    #[test]
    fn what_is_no_head_or_does_not_fit_is_not_sent() {
        assert_eq!(sent(&mut Forwarded::to("a.org", 80, None), "GET / HTTP/1.1\r\n\r\n", 4), None);
        assert_eq!(sent(&mut Forwarded::to("a.org", 80, None), "GET / HTTP/1.1", 99), None);
    }
}
