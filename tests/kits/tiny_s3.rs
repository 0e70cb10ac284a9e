//! A tiny S3 in this process: one bucket in memory, with what a real store does and, when asked, without some of it.
//!
//! - Conditions, checksums, ranges, listings, uploads in parts and copies work; signatures are not looked at.
//! - It can stop serving after so many requests, answer busy, lose answers, and break bodies off.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use strongroom::model::digest::Algorithm;
use strongroom::rules::digester::Digester;
use strongroom::rules::http;

/// What it leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Without {
    pub conditions: bool,
    pub uploads_listed: bool,
    pub checksums: bool,
    pub ranges: bool,
    pub parts: bool,
}

/// What becomes of bytes that are written; none: nothing is.
pub type Rot = fn(Vec<u8>) -> Option<Vec<u8>>;

/// Bytes of a part and its tag.
type Part = (Arc<Vec<u8>>, String);

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Wrong {
    /// From this request on everything is forbidden, as if the process had ended there.
    pub stop_at: Option<usize>,
    /// The answer to that request is done, and forbidden all the same.
    pub after: bool,
    /// Every request of which the number can be divided by this is answered by SlowDown.
    pub busy_every: Option<usize>,
    /// Every answer of which the number can be divided by this is lost.
    pub lost_every: Option<usize>,
    /// Every other body of an answer above this many bytes breaks off there.
    pub cut_at: Option<usize>,
    /// Keys that hold this are not deleted: the request is forbidden.
    pub keeps: Option<&'static str>,
    /// Writes are answered by success, and this is done to them.
    pub rot: Option<Rot>,
}

#[derive(Clone, Debug)]
pub struct Object {
    pub bytes: Arc<Vec<u8>>,
    pub tag: String,
    pub sha256: Option<String>,
    pub class: Option<String>,
}

#[derive(Debug, Default)]
pub struct Upload {
    pub key: String,
    pub parts: BTreeMap<u64, Part>,
    class: Option<String>,
    /// It was begun with a digest's name: its end must give those of all parts.
    digests: bool,
}

#[derive(Debug, Default)]
pub struct State {
    pub objects: BTreeMap<String, Object>,
    pub uploads: BTreeMap<String, Upload>,
    pub requests: usize,
    /// Method, path and query of what changed something.
    pub writes: Vec<String>,
    pub bytes_in: u64,
    number: u64,
}

struct Shared {
    state: Mutex<State>,
    wrong: Mutex<Wrong>,
    without: Without,
    stop: AtomicBool,
}

pub struct TinyS3 {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Asked {
    method: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer { status: 200, headers: Vec::new(), body: body.into() }
    }

    fn error(status: u16, code: &str) -> Answer {
        Answer {
            status,
            ..Answer::ok(format!("<Error><Code>{code}</Code><Message>as rehearsed</Message></Error>"))
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

fn digest(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut digester = Digester::new(&[algorithm]);
    digester.update(bytes);
    digester.finish().get(algorithm).unwrap().to_string()
}

fn in_base64(algorithm: Algorithm, bytes: &[u8]) -> String {
    http::to_base64(&strongroom::model::digest::unhex(&digest(algorithm, bytes)).unwrap())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl TinyS3 {
    pub fn new() -> TinyS3 {
        TinyS3::without(Without::default())
    }

    pub fn without(without: Without) -> TinyS3 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wrong: Mutex::default(),
            without,
            stop: AtomicBool::new(false),
        });
        let own = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.stop.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, own) = (stream.unwrap(), own.clone());
                std::thread::spawn(move || serve(stream, &own));
            }
        });
        TinyS3 { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this goes wrong; requests are counted from 1 again.
    pub fn goes_wrong(&self, wrong: Wrong) {
        *self.shared.wrong.lock().unwrap() = wrong;
        let mut state = self.shared.state.lock().unwrap();
        state.requests = 0;
        state.bytes_in = 0;
        state.writes.clear();
    }

    /// Looks at what it holds.
    pub fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap())
    }

    /// Keys that start so.
    pub fn keys(&self, start: &str) -> Vec<String> {
        self.look(|state| state.objects.keys().filter(|key| key.starts_with(start)).cloned().collect())
    }
}

impl Drop for TinyS3 {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn percent_decoded(text: &str) -> String {
    strongroom::rules::address::percent_decoded(text)
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_string(), first.next()?.to_string());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let key = percent_decoded(path.strip_prefix("/b/").or_else(|| path.strip_prefix("/b")).unwrap_or("?"));
    let query = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz"));
    let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = query.map(|(name, value)| (percent_decoded(name), percent_decoded(value))).collect();
    Some(Asked { method, key, query, headers, body })
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(asked) = read(&mut reader) {
        let wrong = shared.wrong.lock().unwrap().clone();
        let mut state = shared.state.lock().unwrap();
        state.requests += 1;
        let number = state.requests;
        let divides = |every: Option<usize>| every.is_some_and(|every| number.is_multiple_of(every));
        let stopped = wrong.stop_at.is_some_and(|at| number > at || (number == at && !wrong.after));
        let mut answer = if stopped {
            Answer::error(403, "AccessDenied")
        } else if divides(wrong.busy_every) {
            Answer::error(503, "SlowDown")
        } else {
            state.bytes_in += asked.body.len() as u64;
            handle(&mut state, &asked, shared.without, &wrong)
        };
        drop(state);
        if wrong.stop_at == Some(number) {
            answer = Answer::error(403, "AccessDenied");
        }
        let lost = divides(wrong.lost_every);
        let cut = wrong
            .cut_at
            .filter(|at| asked.method == "GET" && answer.body.len() > *at && number.is_multiple_of(2));
        if lost || write(&mut stream, &asked, &answer, cut).is_err() || cut.is_some() {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn write(stream: &mut TcpStream, asked: &Asked, answer: &Answer, cut: Option<usize>) -> std::io::Result<()> {
    let length = match answer.headers.iter().find(|(name, _)| *name == "content-length") {
        Some((_, length)) => length.clone(),
        None => answer.body.len().to_string(),
    };
    let mut head = format!(
        "HTTP/1.1 {} x\r\nContent-Length: {length}\r\nDate: Tue, 01 Dec 2026 10:00:00 GMT\r\n",
        answer.status
    );
    for (name, value) in answer.headers.iter().filter(|(name, _)| *name != "content-length") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = match (asked.method.as_str(), cut) {
        ("HEAD", _) => &[],
        (_, Some(cut)) => &answer.body[..cut],
        _ => &answer.body[..],
    };
    stream.write_all(&[format!("{head}\r\n").as_bytes(), body].concat())
}

fn handle(state: &mut State, asked: &Asked, without: Without, wrong: &Wrong) -> Answer {
    let has = |name: &str| asked.query.contains_key(name);
    if asked.method != "GET" && asked.method != "HEAD" {
        state.writes.push(format!("{} {} {:?}", asked.method, asked.key, asked.query.keys()));
    }
    match (asked.method.as_str(), asked.key.as_str()) {
        ("GET", "") if has("uploads") && !without.uploads_listed => list_uploads(state, asked),
        ("GET", "") if has("list-type") => list(state, asked),
        ("GET", "") if has("versioning") => Answer::ok("<VersioningConfiguration/>"),
        ("GET", "") if has("object-lock") => Answer::error(404, "ObjectLockConfigurationNotFoundError"),
        ("GET", _) if has("uploadId") && !without.uploads_listed => list_parts(state, asked),
        (_, "") => Answer::error(501, "NotImplemented"),
        ("GET" | "HEAD", _) if !has("uploadId") => get(state, asked, without),
        ("POST", _) if has("uploads") && !without.parts => begin(state, asked),
        ("POST", _) if has("uploadId") => complete(state, asked),
        ("PUT", _) if has("uploadId") => put_part(state, asked, without),
        ("PUT", _) if asked.headers.contains_key("x-amz-copy-source") => copy(state, asked),
        ("PUT", _) => put(state, asked, without, wrong),
        ("DELETE", key) if wrong.keeps.is_some_and(|text| key.contains(text)) => {
            Answer::error(403, "AccessDenied")
        }
        ("DELETE", _) => {
            match asked.query.get("uploadId") {
                Some(id) => drop(state.uploads.remove(id)),
                None => drop(state.objects.remove(&asked.key)),
            }
            Answer { status: 204, ..Answer::ok("") }
        }
        _ => Answer::error(501, "NotImplemented"),
    }
}

/// The checksum that was given, or why what came does not fit it.
fn checked(asked: &Asked, without: Without) -> Result<Option<String>, Answer> {
    if let Some(given) = asked.headers.get("content-md5")
        && *given != in_base64(Algorithm::Md5, &asked.body)
    {
        return Err(Answer::error(400, "BadDigest"));
    }
    match asked.headers.get("x-amz-checksum-sha256") {
        Some(_) if without.checksums => Err(Answer::error(501, "NotImplemented")),
        Some(given) if *given != in_base64(Algorithm::Sha256, &asked.body) => {
            Err(Answer::error(400, "XAmzContentChecksumMismatch"))
        }
        given => Ok(given.cloned()),
    }
}

fn put(state: &mut State, asked: &Asked, without: Without, wrong: &Wrong) -> Answer {
    let sha256 = match checked(asked, without) {
        Ok(sha256) => sha256,
        Err(answer) => return answer,
    };
    let there = state.objects.get(&asked.key);
    if !without.conditions {
        let matches = asked.headers.get("if-match").map(|tag| there.is_some_and(|there| there.tag == *tag));
        if asked.headers.contains_key("if-none-match") && there.is_some() || matches == Some(false) {
            return Answer::error(412, "PreconditionFailed");
        }
    }
    let tag = format!("\"{}\"", digest(Algorithm::Md5, &asked.body));
    let mut bytes = Some(asked.body.clone());
    if let Some(rot) = wrong.rot
        && (asked.key.contains("/content/") || asked.key.contains("/work/mending/"))
    {
        bytes = rot(asked.body.clone());
    }
    if let Some(bytes) = bytes {
        let class = asked.headers.get("x-amz-storage-class").cloned();
        let object = Object { bytes: Arc::new(bytes), tag: tag.clone(), sha256, class };
        state.objects.insert(asked.key.clone(), object);
    }
    Answer::ok("").with("ETag", tag)
}

fn get(state: &State, asked: &Asked, without: Without) -> Answer {
    let Some(object) = state.objects.get(&asked.key) else { return Answer::error(404, "NoSuchKey") };
    if asked.headers.get("if-match").is_some_and(|tag| *tag != object.tag) && !without.conditions {
        return Answer::error(412, "PreconditionFailed");
    }
    let total = object.bytes.len();
    let range = asked.headers.get("range").and_then(|text| text.strip_prefix("bytes=")?.split_once('-'));
    let mut answer = match range.filter(|_| !without.ranges) {
        None => Answer::ok(object.bytes.to_vec()),
        Some((first, last)) => {
            let first: usize = first.parse().unwrap();
            let last = last.parse().unwrap_or(total - 1).min(total - 1);
            let answer = Answer { status: 206, ..Answer::ok(object.bytes[first..=last].to_vec()) };
            answer.with("Content-Range", format!("bytes {first}-{last}/{total}"))
        }
    };
    answer = answer.with("ETag", &*object.tag).with("Last-Modified", "Tue, 01 Dec 2026 09:59:00 GMT");
    match &object.sha256 {
        Some(sha256) => answer.with("x-amz-checksum-sha256", sha256),
        None => answer,
    }
}

fn list(state: &State, asked: &Asked) -> Answer {
    let prefix = asked.query.get("prefix").cloned().unwrap_or_default();
    let after =
        asked.query.get("continuation-token").or(asked.query.get("start-after")).cloned().unwrap_or_default();
    // Small pages, so that there are many.
    let mut found = state.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let mut text = String::new();
    let mut last = String::new();
    for (key, object) in found.by_ref().take(7) {
        text.push_str(&format!(
            "<Contents><Key>{}</Key><Size>{}</Size><ETag>{}</ETag></Contents>",
            escaped(key),
            object.bytes.len(),
            object.tag.replace('"', "&quot;")
        ));
        last.clone_from(key);
    }
    let more = match found.next() {
        Some(_) => format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>",
            escaped(&last)
        ),
        None => "<IsTruncated>false</IsTruncated>".into(),
    };
    Answer::ok(format!("<ListBucketResult>{more}{text}</ListBucketResult>"))
}

fn list_uploads(state: &State, asked: &Asked) -> Answer {
    let prefix = asked.query.get("prefix").cloned().unwrap_or_default();
    let found = state.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix));
    let rows: String = found
        .map(|(id, upload)| {
            format!("<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>", escaped(&upload.key))
        })
        .collect();
    Answer::ok(format!("<ListMultipartUploadsResult>{rows}</ListMultipartUploadsResult>"))
}

fn list_parts(state: &State, asked: &Asked) -> Answer {
    let Some(upload) = state.uploads.get(&asked.query["uploadId"]) else {
        return Answer::error(404, "NoSuchUpload");
    };
    let row = |(number, (bytes, tag)): (&u64, &Part)| {
        format!(
            "<Part><PartNumber>{number}</PartNumber><Size>{}</Size><ETag>{tag}</ETag></Part>",
            bytes.len()
        )
    };
    let rows: String = upload.parts.iter().map(row).collect();
    Answer::ok(format!("<ListPartsResult>{rows}</ListPartsResult>"))
}

fn begin(state: &mut State, asked: &Asked) -> Answer {
    state.number += 1;
    let id = format!("u{}", state.number);
    let class = asked.headers.get("x-amz-storage-class").cloned();
    let digests = asked.headers.contains_key("x-amz-checksum-algorithm");
    state.uploads.insert(id.clone(), Upload { key: asked.key.clone(), class, digests, ..Upload::default() });
    Answer::ok(format!(
        "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
    ))
}

fn put_part(state: &mut State, asked: &Asked, without: Without) -> Answer {
    if let Err(answer) = checked(asked, without) {
        return answer;
    }
    let Some(upload) = state.uploads.get_mut(&asked.query["uploadId"]) else {
        return Answer::error(404, "NoSuchUpload");
    };
    let tag = digest(Algorithm::Md5, &asked.body);
    let number = asked.query["partNumber"].parse().unwrap();
    upload.parts.insert(number, (Arc::new(asked.body.clone()), tag.clone()));
    Answer::ok("").with("ETag", format!("\"{tag}\""))
}

fn complete(state: &mut State, asked: &Asked) -> Answer {
    let Some(upload) = state.uploads.remove(&asked.query["uploadId"]) else {
        return Answer::error(404, "NoSuchUpload");
    };
    let list = String::from_utf8_lossy(&asked.body).into_owned();
    if upload.digests && list.matches("<ChecksumSHA256>").count() != upload.parts.len() {
        return Answer::error(400, "InvalidRequest");
    }
    let mut bytes = Vec::new();
    for (number, (part, tag)) in &upload.parts {
        if !list.contains(&format!("<PartNumber>{number}</PartNumber><ETag>&quot;{tag}&quot;</ETag>")) {
            // An error within a success, as slow ends have it.
            return Answer::ok("<Error><Code>InvalidPart</Code></Error>");
        }
        bytes.extend_from_slice(part);
    }
    let of_parts: Vec<u8> =
        upload.parts.values().flat_map(|(_, tag)| strongroom::model::digest::unhex(tag).unwrap()).collect();
    let tag = format!("\"{}-{}\"", digest(Algorithm::Md5, &of_parts), upload.parts.len());
    let object = Object { bytes: Arc::new(bytes), tag, sha256: None, class: upload.class };
    state.objects.insert(upload.key, object);
    Answer::ok("<CompleteMultipartUploadResult/>")
}

fn copy(state: &mut State, asked: &Asked) -> Answer {
    let from = percent_decoded(asked.headers["x-amz-copy-source"].strip_prefix("/b/").unwrap());
    let Some(object) = state.objects.get(&from).cloned() else { return Answer::error(404, "NoSuchKey") };
    state.objects.insert(asked.key.clone(), object);
    Answer::ok("<CopyObjectResult><ETag>&quot;x&quot;</ETag></CopyObjectResult>")
}
