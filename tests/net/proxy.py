#!/usr/bin/env python3
"""A fault proxy: it stands between a client and a real HTTP server, does to answers what networks, balancers and broken
servers do, and counts what was asked for and delivered.

- What it is not told to spoil goes through byte for byte, headers in their order, `Host` as the client sent it (S3
  signatures hold).
- A place is one of the *object*, not of the answer: `cut@50%` hits whichever range holds the middle byte, and only that.
- Bytes are counted as the client's socket takes them, with small send buffers, so that little is counted that nobody read.

Faults are lines of text: see `faults.py`. `/_counts` gives what was counted as JSON, `POST /_faults` takes lines of
faults, `POST /_reset` forgets counts.
"""
import argparse, email.utils, fcntl, json, os, select, socket, ssl, struct, sys, termios, threading, time, zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counts import Counts
from faults import BEFORE, Fault
from faults import __doc__ as grammar
from wire import CHUNK, Answer, Gone, Reader, Request

#: Small, so that bytes count as delivered when the client is about to read them.
SEND_BUFFER = 64 << 10
PATIENCE = 180


class Proxy:
    """Listens on a free port of loopback until `close`. `upstream` is (host, port); only requests whose path ends with
    `about` are spoiled."""

    def __init__(self, upstream, faults=(), port=0, tls=None, host="127.0.0.1", about=""):
        self.upstream, self.tls, self.about = upstream, tls, about
        self.counts, self.lock = Counts(), threading.Lock()
        self.faults, self.totals, self.open = [], {}, set()
        #: Called with every request before anything is done with it.
        self.hook = lambda request: None
        self.set(faults)
        self.stopping = threading.Event()
        self.listener = socket.create_server((host, port), backlog=256)
        self.listener.settimeout(0.2)
        self.host, self.port = host, self.listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://{self.host}:{self.port}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def set(self, lines):
        faults = [Fault(line) if isinstance(line, str) else line for line in lines]
        with self.lock:
            self.faults = faults

    def struck(self):
        """How often faults struck."""
        with self.lock:
            return sum(fault.struck for fault in self.faults)

    def close(self):
        self.stopping.set()
        self.thread.join()
        self.listener.close()
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def serve(self):
        while not self.stopping.is_set():
            try:
                sock, _ = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self.connection, args=(sock,), daemon=True).start()

    def connection(self, sock):
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
        except OSError:
            # A client that does not trust us, or left.
            return
        with self.lock:
            self.open.add(sock)
        self.counts.connections += 1
        reader, number = Reader(sock), 0
        try:
            while not self.stopping.is_set():
                number += 1
                Exchange(self, sock, Request(reader.head(), number), reader).run()
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()


class Exchange:
    """One request and its answer."""

    def __init__(self, proxy, sock, request, reader):
        self.proxy, self.sock, self.request, self.reader = proxy, sock, request, reader
        self.faults, self.sent, self.first, self.received = [], 0, 0, 0
        self.began, self.hung = time.monotonic(), None

    def fault(self, kind):
        """The fault of this kind that strikes now."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    # --- what is to be done ---

    def run(self):
        request = self.request
        if request.path.startswith("/_"):
            return self.control()
        if request.method == "CONNECT":
            return self.tunnel()
        sent = self.reader.body(int(request.get("content-length") or 0))
        if (request.get("expect") or "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        payload = b"".join(sent)
        self.received = len(payload)
        self.proxy.counts.asked(request)
        if self.received < int(request.get("content-length") or 0):
            self.note(0)
            raise Gone("the client left within its body")
        self.proxy.hook(request)
        self.choose(payload)
        self.proxy.counts.flight(1)
        try:
            early = next((fault for fault in self.faults if fault.kind in BEFORE), None)
            if early:
                self.before_noted(early)
            else:
                self.relay(payload)
        finally:
            self.proxy.counts.flight(-1)
        if (request.get("connection") or "").lower() == "close":
            raise Gone("as asked")

    def choose(self, payload):
        """Which faults strike. Places need the object's size, which the first answer about it tells."""
        request, proxy = self.request, self.proxy
        if not request.path.endswith(proxy.about):
            return
        if any(fault.place is not None for fault in proxy.faults) and request.path not in proxy.totals:
            answer = self.ask(request.target, request.headers, payload)
            self.learn(answer)
            answer.reader.sock.close()
        with proxy.lock:
            total = proxy.totals.get(request.path, 0)
            for fault in proxy.faults:
                # One of a kind at a time, so that each that is counted did something.
                if (fault.kind == "header" or not self.fault(fault.kind)) and fault.strikes(request, total):
                    self.faults.append(fault)

    def learn(self, answer):
        span = answer.span()
        if span:
            self.proxy.totals[self.request.path] = span[2]

    def control(self):
        request, proxy = self.request, self.proxy
        told = b"".join(self.reader.body(int(request.get("content-length") or 0))).decode()
        text = b"{}\n"
        if request.path == "/_faults":
            proxy.set([line.strip() for line in told.splitlines() if line.strip()])
        elif request.path == "/_reset":
            proxy.counts = Counts()
        elif request.path == "/_counts":
            counts = proxy.counts
            text = (json.dumps({"objects": counts.table(), "connections": counts.connections,
                                "most_at_once": counts.most_at_once, "struck": proxy.struck()}) + "\n").encode()
        self.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\n\r\n" % len(text) + text)

    def tunnel(self):
        """As a proxy that clients are told to use: bytes both ways, until one side ends."""
        host, _, port = self.request.target.rpartition(":")
        self.proxy.counts.asked(self.request)
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as other:
            self.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ways = {self.sock: other, other: self.sock}
            while not self.proxy.stopping.is_set():
                for ready in select.select(list(ways), [], [], 0.2)[0]:
                    data = ready.recv(CHUNK)
                    if not data:
                        raise Gone("tunnel ended")
                    ways[ready].sendall(data)

    def note(self, status):
        request = self.request
        self.proxy.counts.row({"began": self.began, "hung": self.hung, "ended": time.monotonic(), "method": request.method,
                               "path": request.path, "query": request.query, "range": request.get("range"),
                               "number": request.number, "received": self.received,
                               "status": status, "sent": self.sent, "struck": [fault.text for fault in self.faults]})

    # --- before the answer ---

    def before_noted(self, fault):
        try:
            self.before(fault.kind, fault)
        finally:
            self.note(0)

    def before(self, kind, fault):
        kind = kind.removeprefix("reuse-")
        if kind == "drop":
            raise Gone(kind)
        if kind in ("drop-reset", "reset"):
            self.reset()
        if kind in ("hang-head", "hang"):
            self.hang()
        if kind == "garbage":
            self.sock.sendall(b"\x16\x03\x01SSH-2.0-not HTTP at all\r\n\r\n" * 20)
            raise Gone(kind)
        if kind == "half-head":
            self.sock.sendall(b"HTTP/1.1 206 Partial Content\r\nContent-Le")
            raise Gone(kind)
        if kind == "endless-head":
            self.sock.sendall(b"HTTP/1.1 200 OK\r\n")
            for number in range(1 << 20):
                self.sock.sendall(b"X-More-%d: %s\r\n" % (number, b"x" * 200))
            raise Gone(kind)
        lines, body = [], b"spoiled\n"
        if kind == "redirect":
            status, to = 302, fault.value
            if to == "self":
                to = self.request.target
            elif to == "next":
                to = f"{self.request.path}?n={fault.struck}"
            lines.append(f"Location: {to}")
        else:
            code, _, retry = fault.value.partition("/")
            status = int(code)
            if retry.startswith("date:"):
                retry = email.utils.formatdate(time.time() + float(retry[5:]), usegmt=True)
            if retry:
                lines.append(f"Retry-After: {retry}")
        lines = [f"HTTP/1.1 {status} Spoiled", f"Content-Length: {len(body)}", *lines, "", ""]
        self.sock.sendall("\r\n".join(lines).encode() + (b"" if self.request.method == "HEAD" else body))

    def reset(self):
        self.drain()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise Gone("reset")

    def drain(self):
        """Waits until what was sent has arrived, so that a reset comes after it and not in its place."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            waiting = struct.unpack("i", fcntl.ioctl(self.sock.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
            if waiting == 0:
                return
            time.sleep(0.005)

    def hang(self):
        """Says nothing more, until the client leaves."""
        self.hung = time.monotonic()
        while not self.proxy.stopping.is_set():
            ready, _, _ = select.select([self.sock], [], [], 0.2)
            if ready and not self.reader.some():
                break
        raise Gone("hung")

    # --- through the real server ---

    def ask(self, target, headers, payload):
        sock = socket.create_connection(self.proxy.upstream, timeout=PATIENCE)
        kept = [(key, value) for key, value in headers if key.lower() not in ("connection", "expect", "proxy-connection")]
        lines = [f"{self.request.method} {target} HTTP/1.1", *(f"{key}: {value}" for key, value in kept),
                 "Connection: close", "", ""]
        sock.sendall("\r\n".join(lines).encode("latin-1") + payload)
        reader = Reader(sock)
        while True:
            lines = reader.head().decode("latin-1").split("\r\n")
            _, status, *reason = lines[0].split(" ", 2)
            if status != "100":
                break
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if ":" in line]
        return Answer(int(status), reason[0] if reason else "", headers, reader)

    def relay(self, payload):
        target, headers = self.spoil_request()
        answer = self.ask(target, headers, payload)
        try:
            self.learn(answer)
            span = answer.span()
            bodiless = self.request.method == "HEAD" or answer.status in (204, 304)
            length = 0 if bodiless else answer.length()
            answer.set("Connection", None)
            framing = self.spoil_head(answer, span)
            if framing == "close" or not bodiless and length is None and answer.get("transfer-encoding") is None:
                answer.set("Connection", "close")
            lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{key}: {value}" for key, value in answer.headers)]
            self.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            if not bodiless:
                self.body(answer, span, length, framing)
        finally:
            answer.reader.sock.close()
            self.note(answer.status)
        if answer.get("connection") == "close":
            raise Gone("closed")

    def spoil_request(self):
        request = self.request
        target, headers = request.target, request.headers
        without = lambda *names: [(key, value) for key, value in headers if key.lower() not in names]
        if self.fault("switch"):
            target = self.fault("switch").value
        if self.fault("whole"):
            headers = without("range", "if-range")
        if self.fault("etag"):
            # The server does not know the ETag we made up.
            headers = without("if-match", "if-range")
        if self.fault("range") and self.fault("range").value == "other" and request.span:
            first, last = request.span
            last = min(last, self.proxy.totals.get(request.path, last + 1) - 1)
            by = -1 if first > 0 else 1
            headers = without("range") + [("Range", f"bytes={first + by}-{last + by if by < 0 else last}")]
        return target, headers

    def spoil_head(self, answer, span):
        """Changes the head; how the body is framed: "plain", "chunked", "gzip", "close", "portal" or "multipart"."""
        framing = "plain"
        for fault in self.faults:
            kind = fault.kind
            if kind == "etag":
                answer.set("ETag", f'"{fault.value}"' if not fault.value.startswith(("W/", '"')) else fault.value)
                given = self.request.get("if-match")
                if given and given != answer.get("etag"):
                    answer.status, answer.reason = 412, "Precondition Failed"
                    answer.set("Content-Range", None)
            elif kind == "strip":
                for name in fault.value.split(","):
                    answer.set(name.strip(), None)
            elif kind == "header":
                name, _, value = fault.value.partition(":")
                answer.set(name, value.strip())
            elif kind == "range" and answer.status == 206 and span:
                framing = self.spoil_range(answer, fault.value, *span)
            elif kind == "length" and fault.value in ("none", "chunked"):
                answer.set("Content-Length", None)
                framing = "close" if fault.value == "none" else "chunked"
            elif kind == "length" and answer.length() is not None:
                answer.set("Content-Length", str(max(0, answer.length() + int(fault.value))))
            elif kind == "gzip":
                answer.set("Content-Length", None)
                answer.set("Content-Encoding", "gzip")
                framing = "gzip"
            elif kind == "portal":
                answer.status, answer.reason = 200, "OK"
                for name in ("Content-Range", "ETag", "Last-Modified", "Accept-Ranges"):
                    answer.set(name, None)
                answer.set("Content-Type", "text/html")
                answer.set("Content-Length", str(len(PORTAL)))
                framing = "portal"
        if framing in ("gzip", "chunked"):
            answer.set("Transfer-Encoding", "chunked")
        return framing

    def spoil_range(self, answer, how, first, last, total):
        said = {"shift": f"bytes {first + 1}-{last + 1}/{total + 1}", "start": f"bytes {first + 1}-{last}/{total}",
                "total": f"bytes {first}-{last}/{total + 1}", "garbage": "bytes everything", "none": None}
        if how in said:
            answer.set("Content-Range", said[how])
        if how == "multipart":
            part = MULTIPART % (first, last, total)
            answer.set("Content-Range", None)
            answer.set("Content-Type", "multipart/byteranges; boundary=THIS")
            answer.set("Content-Length", str(answer.length() + len(part) + len(MULTIPART_END)))
            return "multipart"
        return "plain"

    # --- the body ---

    def body(self, answer, span, length, framing):
        first = self.first = span[0] if span else 0
        counted = answer.status in (200, 206) and framing != "portal"
        try:
            if framing == "portal":
                return self.send(PORTAL)
            if framing == "multipart":
                self.send(MULTIPART % span)
            packer = zlib.compressobj(wbits=31) if framing == "gzip" else None
            wrap = (lambda data: b"%x\r\n%s\r\n" % (len(data), data) if data else b"") \
                if packer or framing == "chunked" else (lambda data: data)
            said = answer.length()
            room = said if framing == "plain" and said is not None else None
            place = 0
            for data in answer.reader.body(length):
                for piece, then in self.spoil_body(data, first + place):
                    piece_sent = packer.compress(piece) if packer else piece
                    if room is not None:
                        piece_sent = piece_sent[:room]
                        room -= len(piece_sent)
                    self.send(wrap(piece_sent), then)
                place += len(data)
            if packer:
                self.send(wrap(packer.flush()))
            if packer or framing == "chunked":
                self.send(b"0\r\n\r\n")
            if framing == "multipart":
                self.send(MULTIPART_END)
            if self.fault("extra"):
                self.send(EXTRA)
            if self.fault("length") and framing == "plain" or length is not None and place < length:
                raise Gone("the length was not true")
        finally:
            if counted and self.sent:
                self.proxy.counts.delivered(self.request.path, first, self.sent)

    def spoil_body(self, data, place):
        """(bytes, what to do after them) for the bytes at `place` of the object."""
        for kind in ("cut", "reset", "hang", "flip", "drip"):
            fault = self.fault(kind)
            if not fault:
                continue
            at = fault.at(self.proxy.totals.get(self.request.path, 0))
            here = (self.first if at is None else at) - place
            if kind == "drip" and here < len(data):
                here = max(here, 0)
                if here:
                    yield data[:here], None
                for start in range(here, len(data), 1024):
                    yield data[start:start + 1024], ("sleep", 1024 / float(fault.value))
                return
            if not 0 <= here < len(data):
                continue
            if kind == "flip":
                data = data[:here] + bytes([data[here] ^ 0x10]) + data[here + 1:]
            else:
                yield data[:here], (kind,)
                return
        yield data, None

    def send(self, data, then=None):
        view = memoryview(data)
        while view:
            try:
                done = self.sock.send(view)
            except OSError as error:
                raise Gone(str(error)) from None
            self.sent += done
            view = view[done:]
        if then is None:
            return
        if then[0] == "sleep":
            if self.proxy.stopping.wait(then[1]):
                raise Gone("stopping")
        elif then[0] == "reset":
            self.reset()
        elif then[0] == "hang":
            self.hang()
        else:
            raise Gone("cut")


PORTAL = b"<!doctype html><title>Welcome</title><p>Please accept our terms to use this network.\n"
MULTIPART = b"--THIS\r\nContent-Type: application/x-tar\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
MULTIPART_END = b"\r\n--THIS--\r\n"
EXTRA = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/3\r\n\r\nbad"


def main():
    words = argparse.ArgumentParser(description=__doc__ + "\n" + grammar, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--to", required=True, metavar="HOST:PORT", help="the real server")
    words.add_argument("--port", type=int, default=0, help="where it listens [a free port, printed]")
    words.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak TLS to the client")
    words.add_argument("faults", nargs="*", metavar="FAULT")
    given = words.parse_args()
    host, _, port = given.to.removeprefix("http://").rstrip("/").rpartition(":")
    tls = None
    if given.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*given.tls)
    with Proxy((host, int(port)), given.faults, given.port, tls) as proxy:
        print(proxy.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(json.dumps(proxy.counts.table(), indent=1))


if __name__ == "__main__":
    sys.exit(main())
