//! The socket: one JSON question a line, one JSON answer a line, in the order of the questions.
//!
//! - Who asks is what the kernel says of the peer, never what the peer says of itself.
//! - Sizes, connections and times are bounded; a slow or silent peer costs one thread for a bounded time.
//! - A socket that somebody answers at is never taken away; one that nobody answers at is a leftover.

use crate::doors::asker;
use crate::model::item::Asker;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::{Answer, Ask};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest question, in bytes.
pub const ASK_MAX: usize = 1 << 20;

/// Longest answer, in bytes: a thousand rows of the ledger, and the quotes around them.
pub const ANSWER_MAX: u64 = 64 << 20;

/// A peer that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// A peer that does not take its answer for so long is gone.
const WRITE_MAX: Duration = Duration::from_secs(30);

/// Longest path that a socket address holds on every Linux, with room for the name of the leftover's successor.
const ADDRESS_MAX: usize = 90;

/// Who answers.
pub type Answerer = Arc<dyn Fn(&Ask, &Asker) -> Answer + Send + Sync>;

/// The daemon's end.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

impl Listener {
    /// Takes the place at `path`, unless somebody answers there.
    pub fn open(path: &Path) -> Result<Listener, Box<Complaint>> {
        let failed = |why: io::Error| {
            Box::new(
                Complaint::new(Sort::Io, "the socket is not opened")
                    .because(format!("{}: {why}", path.display()))
                    .then_try("look at the folder's rights, or set socket.path"),
            )
        };
        match connect(path) {
            Ok(_) => {
                return Err(Box::new(
                    Complaint::new(Sort::Busy, "this data folder has a daemon already")
                        .because(format!("it answers at {}", path.display()))
                        .then_try("strongroom status"),
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                log::info!("removing the socket that a former daemon left at {}", path.display());
                std::fs::remove_file(path).map_err(failed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Bound under another name and renamed, so that nobody finds it before its mode is set.
        let part = path.with_extension("part");
        let _ = std::fs::remove_file(&part);
        let listener = at_address(&part, UnixListener::bind).map_err(failed)?;
        std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
        std::fs::rename(&part, path).map_err(failed)?;
        let identity = identity(path).map_err(failed)?;
        Ok(Listener { listener, path: path.to_path_buf(), identity })
    }

    /// Answers until `stop` is called on what this gives back.
    pub fn serve(self, answerer: Answerer, connections_max: usize) -> io::Result<Serving> {
        let stopping = Arc::new(AtomicBool::new(false));
        let open = Arc::new(AtomicUsize::new(0));
        let (path, identity) = (self.path.clone(), self.identity);
        let flags = (stopping.clone(), open);
        let thread = std::thread::Builder::new()
            .name("socket".into())
            .spawn(move || accept(&self.listener, &answerer, connections_max, &flags.0, &flags.1))?;
        Ok(Serving { path, identity, stopping, thread: Some(thread) })
    }
}

/// A socket that is being answered at.
pub struct Serving {
    path: PathBuf,
    identity: (u64, u64),
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Takes no further questions. Connections that are open end with their next question.
    pub fn stop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else { return };
        // Wakes the accepting thread; should that fail, it is left behind, and ends with the process.
        if connect(&self.path).is_ok() {
            let _ = thread.join();
        }
        // Only the socket that is ours: another daemon may have taken the place.
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(
    listener: &UnixListener,
    answerer: &Answerer,
    connections_max: usize,
    stopping: &Arc<AtomicBool>,
    open: &Arc<AtomicUsize>,
) {
    for stream in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: waiting lets some close.
                log::warn!("the socket does not accept: {error}");
                std::thread::sleep(Duration::from_millis(200));
                continue;
            }
        };
        if open.fetch_add(1, Ordering::SeqCst) >= connections_max {
            open.fetch_sub(1, Ordering::SeqCst);
            let busy = Complaint::new(Sort::Busy, "the daemon has no connection left")
                .because(format!("{connections_max} are open; socket.connections_max is the limit"))
                .then_try("the same again in a moment");
            let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
            let _ = send(&stream, &Answer::Refused(busy));
            continue;
        }
        let (answerer, stopping, counted) = (answerer.clone(), stopping.clone(), Counted(open.clone()));
        let talk = move || {
            let _counted = counted;
            if let Err(error) = converse(&stream, &answerer, &stopping) {
                log::debug!("a connection ended: {error}");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("peer".into()).spawn(talk) {
            log::warn!("no thread for a connection: {error}");
        }
    }
}

/// A connection that is counted as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn converse(stream: &UnixStream, answerer: &Answerer, stopping: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(WRITE_MAX))?;
    let asker = asker::of_peer(stream)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let got = (&mut reader).take(ASK_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if got == 0 {
            return Ok(());
        }
        if line.len() > ASK_MAX {
            let why = format!("a question has at most {ASK_MAX} bytes");
            return send(
                stream,
                &Answer::Refused(Complaint::new(Sort::Usage, "the question is too long").because(why)),
            );
        }
        if stopping.load(Ordering::SeqCst) {
            let gone = Complaint::new(Sort::Unreachable, "the daemon is being stopped")
                .then_try("systemctl status strongroom");
            return send(stream, &Answer::Refused(gone));
        }
        let answer = match serde_json::from_slice::<Ask>(&line) {
            Ok(ask) => answerer(&ask, &asker),
            Err(error) => Answer::Refused(
                Complaint::new(Sort::Usage, "the question is not understood")
                    .because(error.to_string())
                    .then_try("use the strongroom command of the same release as the daemon"),
            ),
        };
        send(stream, &answer)?;
    }
}

fn send(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// The other end: what the command line speaks through.
pub struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the daemon; `None` when there is none.
    pub fn connect(path: &Path) -> Result<Option<Client>, Box<Complaint>> {
        match connect(path) {
            Ok(stream) => Ok(Some(Client { reader: BufReader::new(stream) })),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
                    Ok(None)
                }
                io::ErrorKind::PermissionDenied => Err(Box::new(
                    Complaint::new(Sort::Denied, "the daemon's socket may not be opened")
                        .because(format!("{}: {error}", path.display()))
                        .then_try("become a member of the socket's group, or use sudo"),
                )),
                _ => Err(Box::new(
                    Complaint::new(Sort::Unreachable, "the daemon cannot be reached")
                        .because(format!("{}: {error}", path.display()))
                        .then_try("systemctl status strongroom"),
                )),
            },
        }
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, ask: &Ask) -> Result<Answer, Box<Complaint>> {
        let broken = |why: String| {
            Box::new(
                Complaint::new(Sort::Unreachable, "the daemon did not answer")
                    .because(why)
                    .then_try("systemctl status strongroom; then the same command again"),
            )
        };
        let mut line = serde_json::to_vec(ask).map_err(|error| broken(error.to_string()))?;
        line.push(b'\n');
        self.reader.get_mut().write_all(&line).map_err(|error| broken(error.to_string()))?;
        let mut answer = Vec::new();
        let got = (&mut self.reader).take(ANSWER_MAX).read_until(b'\n', &mut answer);
        match got.map_err(|error| broken(error.to_string()))? {
            0 => Err(broken("it closed the connection".into())),
            _ => serde_json::from_slice(&answer)
                .map_err(|error| broken(format!("its answer is of another release, or cut off: {error}"))),
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    at_address(path, UnixStream::connect)
}

/// Gives `act` an address for `path`, be it longer than an address may be: then by way of its folder's descriptor.
fn at_address<T>(path: &Path, act: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= ADDRESS_MAX {
        return act(path.to_path_buf());
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = (rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY).bits();
    let folder: File = File::options().read(true).custom_flags(flags.cast_signed()).open(folder)?;
    act(PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    type Heard = Arc<Mutex<Vec<(Ask, Asker)>>>;

    fn serve(path: &Path, connections_max: usize) -> (Serving, Heard) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = heard.clone();
        let answerer: Answerer = Arc::new(move |ask, asker| {
            ears.lock().unwrap().push((ask.clone(), asker.clone()));
            Answer::Disk { places: Vec::new() }
        });
        let serving = Listener::open(path).unwrap().serve(answerer, connections_max).unwrap();
        (serving, heard)
    }

    #[test]
    fn questions_are_answered_and_the_asker_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (mut serving, heard) = serve(&path, 4);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let mut client = Client::connect(&path).unwrap().unwrap();
        for _ in 0..3 {
            assert_eq!(client.ask(&Ask::Disk).unwrap(), Answer::Disk { places: Vec::new() });
        }
        assert_eq!(heard.lock().unwrap()[2].0, Ask::Disk);
        assert_eq!(heard.lock().unwrap()[2].1.uid, rustix::process::getuid().as_raw());
        serving.stop();
        assert!(!path.exists());
        let told = client.ask(&Ask::Disk);
        assert!(
            matches!(told, Ok(Answer::Refused(Complaint { sort: Sort::Unreachable, .. })) | Err(_)),
            "{told:?}"
        );
        assert!(Client::connect(&path).unwrap().is_none());
    }

    #[test]
    fn a_second_daemon_is_refused_and_a_leftover_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (serving, _) = serve(&path, 4);
        assert_eq!(Listener::open(&path).err().map(|complaint| complaint.sort), Some(Sort::Busy));
        drop(serving);
        // A daemon that was killed leaves its socket; nobody answers there.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_serving, _) = serve(&path, 4);
        assert!(Client::connect(&path).unwrap().is_some());
    }

    #[test]
    fn nonsense_and_floods_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_serving, heard) = serve(&path, 1);
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"{\"ask\":\"nothing\"}\n").unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("\"sort\":\"usage\"") && line.contains("not understood"), "{line}");

        let mut second = Client { reader: BufReader::new(UnixStream::connect(&path).unwrap()) };
        let told = second.ask(&Ask::Disk);
        assert!(matches!(told, Ok(Answer::Refused(Complaint { sort: Sort::Busy, .. })) | Err(_)), "{told:?}");

        let flood = vec![b'x'; ASK_MAX + 1];
        let _ = stream.write_all(&flood);
        line.clear();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("too long"), "{line}");
        assert_eq!(heard.lock().unwrap().len(), 0);
    }

    #[test]
    fn a_path_longer_than_an_address_works() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(150));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("socket");
        let (_serving, _) = serve(&path, 4);
        let mut client = Client::connect(&path).unwrap().unwrap();
        assert_eq!(client.ask(&Ask::Disk).unwrap(), Answer::Disk { places: Vec::new() });
    }
}
