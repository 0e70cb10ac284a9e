"""A proxy that clients are told to use: requests in absolute form, and tunnels by CONNECT.

- It knows hosts by a table of its own, so that names can be used that no name server knows; all else it refuses with 502.
- Bytes go through as they came. What was asked is kept: who was asked for, and which proofs came with it.
"""
import contextlib, select, socket, threading

from wire import CHUNK, Gone, Reader

PATIENCE = 60
#: A host of the table with any port.
ANY = None


class Forward:
    """`hosts`: {(name, port or ANY): (host, port)}; `proof`: the value of Proxy-Authorization that it wants."""

    def __init__(self, hosts, proof=None):
        self.hosts, self.proof, self.rows, self.open = hosts, proof, [], set()
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.settimeout(0.2)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        self.listener.close()
        with self.lock:
            for sock in self.open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def asked(self, method=None):
        """What was asked: rows with method, host, port, path, status, and the proofs that came with it."""
        with self.lock:
            return [row for row in self.rows if method in (None, row["method"])]

    def serve(self):
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                sock, _ = self.listener.accept()
                threading.Thread(target=self.connection, args=(sock,), daemon=True).start()

    def connection(self, sock):
        sock.settimeout(PATIENCE)
        with self.lock:
            self.open.add(sock)
        reader = Reader(sock)
        try:
            while self.request(sock, reader):
                pass
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()

    def request(self, sock, reader):
        """One request; whether another may follow."""
        lines = reader.head().decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if ":" in line]
        given = {name.lower(): value for name, value in headers}
        place, path = (target, "") if method == "CONNECT" else target.removeprefix("http://").split("/", 1)
        host, port = split(place, 80)
        row = {"method": method, "host": host, "port": port, "path": f"/{path}", "status": 200,
               "proof": given.get("proxy-authorization"), "authorization": given.get("authorization")}
        to = self.hosts.get((host, port)) or self.hosts.get((host, ANY))
        if self.proof and row["proof"] != self.proof:
            row["status"] = 407
        elif not to:
            row["status"] = 502
        with self.lock:
            self.rows.append(row)
        if row["status"] != 200:
            more = "Proxy-Authenticate: Basic realm=\"here\"\r\n" if row["status"] == 407 else ""
            sock.sendall(f"HTTP/1.1 {row['status']} No\r\n{more}Content-Length: 0\r\n\r\n".encode())
            return method != "CONNECT"
        with socket.create_connection(to, timeout=PATIENCE) as other:
            if method == "CONNECT":
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self.both_ways(sock, other, reader)
                return False
            kept = [f"{name}: {value}" for name, value in headers
                    if name.lower() not in ("proxy-authorization", "proxy-connection", "connection")]
            other.sendall("\r\n".join([f"{method} /{path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode("latin-1"))
            for data in reader.body(int(given.get("content-length", 0))):
                other.sendall(data)
            # The server closes when its answer has ended; so does this connection.
            while data := other.recv(CHUNK):
                sock.sendall(data)
            return False

    def both_ways(self, sock, other, reader):
        other.sendall(reader.kept)
        ways = {sock: other, other: sock}
        while not self.stopping.is_set():
            for ready in select.select(list(ways), [], [], 0.2)[0]:
                data = ready.recv(CHUNK)
                if not data:
                    return
                ways[ready].sendall(data)


def split(place, usual):
    """`host:port` and `[::1]:port`, taken apart."""
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        return place, usual
    return host, int(port)
