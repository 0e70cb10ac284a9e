//! A tiny web server for tests, in this process: what it answers is a function of the request and its number.

use super::{Reaching, Timeouts};
use crate::worlds::net::ProxyChoice;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Which request of this server, from 0.
    pub number: usize,
    /// Which connection, from 0.
    pub connection: usize,
}

impl Asked {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// First and last byte asked for.
    pub fn range(&self) -> Option<(u64, u64)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    }
}

/// What to do with a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Wait for the next request.
    Keep,
    /// Close it.
    Close,
    /// Keep it open and say nothing more.
    Hang,
}

type Behaviour = dyn Fn(&Asked, &mut TcpStream) -> Then + Send + Sync;

/// The server. It stops when it is dropped.
pub struct Tiny {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Asked>>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Tiny {
    /// Starts it.
    pub fn new(behaviour: impl Fn(&Asked, &mut TcpStream) -> Then + Send + Sync + 'static) -> Tiny {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tiny = Tiny { address, stop: Arc::default(), asked: Arc::default(), streams: Arc::default() };
        let (stop, asked, streams) = (tiny.stop.clone(), tiny.asked.clone(), tiny.streams.clone());
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let numbers = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let stream = stream.unwrap();
                streams.lock().unwrap().push(stream.try_clone().unwrap());
                let (behaviour, asked, numbers) = (behaviour.clone(), asked.clone(), numbers.clone());
                std::thread::spawn(move || serve(stream, connection, &*behaviour, &asked, &numbers));
            }
        });
        tiny
    }

    /// Gives these answers one after the other, the last for ever; keeps connections.
    pub fn answering(answers: &'static [&'static str]) -> Tiny {
        Tiny::new(move |asked, stream| {
            let answer = answers[asked.number.min(answers.len() - 1)];
            let _ = stream.write_all(answer.replace('\n', "\r\n").as_bytes());
            Then::Keep
        })
    }

    /// Its address with this path.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Host and port.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        for stream in self.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve(
    mut stream: TcpStream,
    connection: usize,
    behaviour: &Behaviour,
    all: &Mutex<Vec<Asked>>,
    numbers: &AtomicUsize,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let mut asked = Asked {
            method: first.next().unwrap_or_default().into(),
            path: first.next().unwrap_or_default().into(),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
                .collect(),
            body: Vec::new(),
            number: numbers.fetch_add(1, Ordering::Relaxed),
            connection,
        };
        let length = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        asked.body = vec![0; length];
        if std::io::Read::read_exact(&mut reader, &mut asked.body).is_err() {
            return;
        }
        all.lock().unwrap().push(asked.clone());
        match behaviour(&asked, &mut stream) {
            Then::Keep => {}
            Then::Close => {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Then::Hang => {
                // Until the server is dropped, or the client goes.
                let _ = reader.read_until(0, &mut Vec::new());
                return;
            }
        }
    }
}

/// Writes an answer with this body.
pub fn answer(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\nContent-Length: {}\n\n", body.len()).replace('\n', "\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// Reaches this machine, directly, with more patience than a busy machine needs.
pub fn near() -> Reaching {
    patient(Duration::from_secs(30))
}

/// Reaches this machine, directly, and loses its patience after a moment.
pub fn hasty() -> Reaching {
    patient(Duration::from_millis(1_500))
}

fn patient(patience: Duration) -> Reaching {
    Reaching {
        timeouts: Timeouts { connect: Duration::from_secs(30), answer: patience, stall: patience },
        proxy: ProxyChoice::Direct,
        allow_private: true,
        ..Reaching::default()
    }
}
