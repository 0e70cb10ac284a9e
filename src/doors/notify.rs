//! What systemd is told: plain datagrams to `NOTIFY_SOCKET`.
//!
//! - Without that variable nothing is sent, and nothing fails.
//! - The watchdog is fed only while work moves on, or while there is none.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// Work that does not move for so long is stuck: a medium may be slow, but not that slow.
const STUCK_AFTER: Duration = Duration::from_secs(600);

/// How long a start that goes on may be silent.
const START_STEP: Duration = Duration::from_secs(600);

/// The way to systemd.
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Watchdog>,
}

impl Notify {
    /// From the environment.
    pub fn from_environment() -> Notify {
        let named = std::env::var_os("NOTIFY_SOCKET");
        let socket = named.and_then(|name| open(name.as_bytes()));
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let every =
            number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_mine).map(Duration::from_micros);
        Notify { socket, watchdog: every.map(|every| Watchdog::new(every / 2, Instant::now())) }
    }

    /// Ready to take orders.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Not ready yet, but at it: whoever waits for the start waits on.
    pub fn starting(&self, status: &str) {
        let micros = START_STEP.as_micros();
        self.send(&format!("STATUS={}\nEXTEND_TIMEOUT_USEC={micros}", one_line(status)));
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// The configuration is being read again; `ready` ends it.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the configuration again"));
    }

    /// Draining; it may take so long.
    pub fn stopping(&self, at_most: Duration) {
        let micros = at_most.as_micros();
        self.send(&format!("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC={micros}"));
    }

    /// Feeds the watchdog if it is time, and if work moves on (`progress` grows) or there is none (`idle`).
    pub fn feed(&mut self, progress: u64, idle: bool) {
        if let Some(watchdog) = &mut self.watchdog
            && watchdog.due(progress, idle, Instant::now())
        {
            self.send("WATCHDOG=1");
        }
    }

    fn send(&self, text: &str) {
        if let Some((socket, to)) = &self.socket {
            // systemd not listening is no reason to stop working.
            let _ = socket.send_to_addr(text.as_bytes(), to);
        }
    }
}

fn open(name: &[u8]) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.split_first()? {
        (b'@', rest) => SocketAddr::from_abstract_name(rest).ok()?,
        (b'/', _) => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)).ok()?,
        _ => return None,
    };
    Some((UnixDatagram::unbound().ok()?, address))
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

/// When to feed the watchdog.
struct Watchdog {
    every: Duration,
    fed: Instant,
    progress: u64,
    moved: Instant,
}

impl Watchdog {
    fn new(every: Duration, now: Instant) -> Watchdog {
        Watchdog { every, fed: now, progress: 0, moved: now }
    }

    fn due(&mut self, progress: u64, idle: bool, now: Instant) -> bool {
        if idle || progress != self.progress {
            self.progress = progress;
            self.moved = now;
        }
        let due = now.duration_since(self.fed) >= self.every;
        let stuck = now.duration_since(self.moved) > STUCK_AFTER.max(self.every);
        if due && !stuck {
            self.fed = now;
        }
        due && !stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_hears_one_datagram_a_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notify = Notify { socket: open(path.as_os_str().as_bytes()), watchdog: None };
        notify.ready("2 items\nin flight");
        notify.reloading();
        let mut buffer = [0; 500];
        let got = systemd.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..got], b"READY=1\nSTATUS=2 items in flight");
        let got = systemd.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..got]).unwrap();
        let micros: i64 =
            text.lines().nth(1).unwrap().strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(text.starts_with("RELOADING=1\n") && micros > 0);
        assert!(open(b"nonsense").is_none());
    }

    #[test]
    fn the_watchdog_starves_when_work_stands_still() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(Duration::from_secs(30), start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!watchdog.due(1, false, at(10)));
        assert!(watchdog.due(1, false, at(31)));
        assert!(watchdog.due(1, false, at(600)));
        assert!(!watchdog.due(1, false, at(700)), "no progress since 10 s");
        assert!(watchdog.due(2, false, at(701)), "it moves again");
        assert!(watchdog.due(2, true, at(5_000)), "there is no work");
    }
}
