"""HTTP/1.1 as it stands on the wire: heads are read, kept in their order, and changed in place."""
import re

CHUNK = 64 << 10
HEAD_MAX = 64 << 10


class Gone(Exception):
    """The connection is over."""


class Request:
    """A request as it came: line, headers in order, and which range it asks for."""

    def __init__(self, raw, number):
        lines = raw.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        if re.match(r"https?://", self.target):
            # In the form that proxies are asked in.
            self.target = "/" + self.target.split("/", 3)[3]
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if ":" in line]
        self.number = number
        self.path, _, self.query = self.target.partition("?")
        self.span = None
        asked = re.match(r"bytes=(\d+)-(\d*)$", self.get("range") or "")
        if asked:
            self.span = int(asked[1]), int(asked[2]) if asked[2] else 1 << 62
        lists = "list-type=" in self.query or "prefix=" in self.query or "marker=" in self.query
        self.sort = "LIST" if self.method == "GET" and lists else self.method

    def get(self, name):
        return next((value for key, value in self.headers if key.lower() == name), None)


class Answer:
    """The head of the real server's answer; its body is still to be read."""

    def __init__(self, status, reason, headers, reader):
        self.status, self.reason, self.headers, self.reader = status, reason, headers, reader

    def get(self, name):
        return next((value for key, value in self.headers if key.lower() == name), None)

    def set(self, name, value):
        """Replaces a header, keeping its place; None removes it."""
        low, done, kept = name.lower(), False, []
        for key, old in self.headers:
            if key.lower() != low:
                kept.append((key, old))
            elif value is not None and not done:
                kept.append((key, value))
                done = True
        if value is not None and not done:
            kept.append((name, value))
        self.headers = kept

    def length(self):
        text = self.get("content-length")
        return int(text) if text is not None else None

    def span(self):
        """First byte, last byte and total that the answer says it carries."""
        said = re.match(r"bytes (\d+)-(\d+)/(\d+)$", self.get("content-range") or "")
        # Some servers answer a range with 200 and say which it is.
        if self.status in (200, 206) and said:
            return int(said[1]), int(said[2]), int(said[3])
        if self.status == 200 and self.length() is not None:
            return 0, self.length() - 1, self.length()
        return None


class Reader:
    """Buffered reading from a socket."""

    def __init__(self, sock):
        self.sock, self.kept = sock, b""

    def head(self):
        while b"\r\n\r\n" not in self.kept:
            if len(self.kept) > HEAD_MAX:
                raise Gone("a head too long")
            more = self.some()
            if not more:
                raise Gone("ended within a head" if self.kept else "ended")
            self.kept = self.kept + more
        head, self.kept = self.kept.split(b"\r\n\r\n", 1)
        return head

    def some(self):
        try:
            return self.sock.recv(CHUNK)
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from None

    def body(self, length):
        """The body, chunk by chunk; up to the end of the connection when no length is known."""
        while length is None or length > 0:
            data = self.kept or self.some()
            self.kept = b""
            if not data:
                return
            if length is not None and len(data) > length:
                data, self.kept = data[:length], data[length:]
            if length is not None:
                length -= len(data)
            yield data
