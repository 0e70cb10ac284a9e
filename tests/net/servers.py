"""Real servers on loopback, for the lanes: nginx, SeaweedFS and rclone, each started, used and stopped by its script.

- Every port is free when it is asked for; everything a server writes lies in the folder it is given.
- A server that cannot be had raises `Missing`, with the reason to print after "skipped: ".
- None of them speaks to anybody but loopback.
"""
import contextlib, json, os, shutil, signal, socket, ssl, subprocess, time, urllib.request

PEERS = os.environ.get("STRONGROOM_PEERS") or os.path.expanduser("~/.cache/strongroom-peers")
#: Keys of the S3 servers; worthless outside the test that made them.
KEY, SECRET = "test-key", "test-secret-of-loopback"
#: Password of nginx's one user, as worthless.
WORD = "word-of-a-depositor-7f3a"
#: Names that only the lanes' own proxy knows: a web server, and the service that buckets' names stand before.
DROP, STORE = "drop.example.org", "store.example.org"
READY_MAX = 60


class Missing(Exception):
    """A program is not there."""


def program(*names):
    for name in names:
        for folder in (f"{PEERS}/bin", "/usr/sbin", "/usr/local/sbin"):
            if os.access(f"{folder}/{name}", os.X_OK):
                return f"{folder}/{name}"
        if shutil.which(name):
            return shutil.which(name)
    raise Missing(f"{names[0]} is not installed")


def free_ports(count, apart=0):
    """Ports of loopback that nobody uses now; with `apart`, the ports so much higher are free as well. Not those that
    the kernel gives to clients, which could be taken before the server has them."""
    found, held = [], []
    with open("/proc/sys/net/ipv4/ip_local_port_range") as range_:
        lowest = int(range_.read().split()[0])
    port = 10_000 + os.getpid() * 7 % 9_000
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            port += 1
            if port + apart >= lowest and lowest > 21_000:
                port = 10_000
            try:
                for each in {port, port + apart}:
                    held.append(stack.enter_context(socket.create_server(("127.0.0.1", each))))
            except OSError:
                continue
            found.append(port)
    return found


class Server:
    """A process, stopped with all its children at the end."""

    def __init__(self, words, folder, **environment):
        self.folder, self.log = folder, f"{folder}/server.log"
        if shutil.which("setpriv"):
            # However the script ends, the server ends with it.
            words = ["setpriv", "--pdeathsig", "TERM", *words]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True, env={**os.environ, **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # Its own session: what it started goes with it.
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
                if sign == signal.SIGKILL:
                    return

    def wait_for(self, ready):
        until = time.monotonic() + READY_MAX
        while not ready():
            if self.process.poll() is not None or time.monotonic() > until:
                tail = "".join(open(self.log, errors="replace").readlines()[-5:])
                self.close()
                raise Missing(f"{self.process.args[0]} did not start: {tail}")
            time.sleep(0.05)


def answers(url):
    """Whether anything answers there, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Nginx(Server):
    """nginx over the folder `root`. Below the plain address:

    /plain/F      with ranges         /whole/F     `max_ranges 0`: the whole body for every range
    /rate/N/F     N bytes a second for each connection (512k, 8m)
    /user/F       with a name and a password (depositor, WORD)
    `url` is http, `tls_url` https with a certificate of a test CA (`ca`), for loopback and DROP."""

    def __init__(self, folder, root):
        nginx = program("nginx")
        self.port, self.tls_port = free_ports(2)
        self.url, self.tls_url = f"http://127.0.0.1:{self.port}", f"https://127.0.0.1:{self.tls_port}"
        self.upstream, self.access = ("127.0.0.1", self.port), f"{folder}/access.log"
        os.makedirs(folder, exist_ok=True)
        self.ca, self.certificates = make_ca(folder)
        certificate, key = self.certificates["good"]
        with open(f"{folder}/users", "w") as out:
            out.write(f"depositor:{{PLAIN}}{WORD}\n")
        with open(f"{folder}/nginx.conf", "w") as out:
            out.write(NGINX.format(user="user root;" if os.geteuid() == 0 else "", folder=folder, root=root, port=self.port,
                                   tls_port=self.tls_port, certificate=certificate, key=key))
        super().__init__([nginx, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"], folder)
        self.wait_for(lambda: answers(self.url))

    def rows(self):
        """What it logged: one dictionary an answer, written when the answer has ended."""
        with open(self.access) as lines:
            return [json.loads(line) for line in lines]

    def tls(self, certificate="good"):
        """A TLS context with one of the CA's certificates, for a proxy in front of it: "good", "other" (of another host),
        "late" (expired)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificates[certificate])
        return context


NGINX = """
daemon off;
{user}
worker_processes 2;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    log_format rows escape=json '{{"method":"$request_method","uri":"$uri","status":$status,"bytes":$body_bytes_sent,'
        '"range":"$http_range","first":"$sent_http_content_range","seconds":$request_time,"at":$msec,"host":"$http_host",'
        '"authorization":"$http_authorization","connection":$connection}}';
    access_log {folder}/access.log rows;
    client_body_temp_path {folder}/temp-body;
    proxy_temp_path {folder}/temp-proxy;
    fastcgi_temp_path {folder}/temp-fastcgi;
    uwsgi_temp_path {folder}/temp-uwsgi;
    scgi_temp_path {folder}/temp-scgi;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 100000;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    server {{
        listen 127.0.0.1:{port} backlog=512;
        listen 127.0.0.1:{tls_port} ssl;
        location /plain/ {{ alias {root}/; }}
        location /whole/ {{ alias {root}/; max_ranges 0; }}
        location /user/ {{ alias {root}/; auth_basic "deposits"; auth_basic_user_file {folder}/users; }}
        location ~ ^/rate/(?<rate>[0-9]+[km]?)/(?<rest>.*)$ {{ alias {root}/$rest; limit_rate $rate; }}
        location = / {{ return 200 "here\\n"; }}
    }}
}}
"""


def make_ca(folder):
    """A CA, and certificates of it by name: (CA file, {name: (certificate, key)})."""
    openssl = program("openssl")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    ca, ca_key = f"{folder}/ca.pem", f"{folder}/ca.key"
    run = lambda *words: subprocess.run([openssl, *words], check=True, capture_output=True)
    run("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "3", "-subj", "/CN=test CA",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    made = {}
    for name, hosts, days in (("good", f"IP:127.0.0.1,DNS:localhost,DNS:{DROP}", 3), ("other", "DNS:other.example.org", 3),
                              ("late", "IP:127.0.0.1", 0)):
        key, certificate, extension = f"{folder}/{name}.key", f"{folder}/{name}.pem", f"{folder}/{name}.ext"
        with open(extension, "w") as out:
            out.write(f"subjectAltName={hosts}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
        run("req", *curve, "-keyout", key, "-out", f"{folder}/{name}.csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", str(days),
            "-out", certificate, "-extfile", extension)
        made[name] = certificate, key
    return ca, made


class Weed(Server):
    """SeaweedFS: a real S3 store."""

    def __init__(self, folder):
        weed = program("weed")
        os.makedirs(f"{folder}/store", exist_ok=True)
        master, volume, filer, self.port = free_ports(4, apart=10_000)
        self.url, self.upstream = f"http://127.0.0.1:{self.port}", ("127.0.0.1", self.port)
        identity = {"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
                    "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        with open(f"{folder}/keys.json", "w") as out:
            json.dump({"identities": [identity]}, out)
        words = [weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}/store", "-filer", "-s3",
                 f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={self.port}",
                 f"-filer.localSocket={folder}/filer.sock", f"-s3.config={folder}/keys.json", "-volume.max=200",
                 "-master.volumeSizeLimitMB=256", "-master.telemetry=false", f"-s3.domainName={STORE}"]
        super().__init__(words, folder)
        self.wait_for(lambda: answers(self.url))


class Rclone(Server):
    """`rclone serve s3` over the folder `root`: 200 for ranges, no If-Match. A folder of `root` is a bucket."""

    def __init__(self, folder, root):
        rclone = program("rclone")
        os.makedirs(folder, exist_ok=True)
        (self.port,) = free_ports(1)
        self.url, self.upstream = f"http://127.0.0.1:{self.port}", ("127.0.0.1", self.port)
        super().__init__([rclone, "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{SECRET}", root],
                         folder, RCLONE_CONFIG=f"{folder}/rclone.conf")
        self.wait_for(lambda: answers(self.url))


def rclone_remote(url):
    """Environment in which rclone's remote `r:` is the S3 server at `url`."""
    return {"RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_R_TYPE": "s3", "RCLONE_CONFIG_R_PROVIDER": "Other",
            "RCLONE_CONFIG_R_ENDPOINT": url, "RCLONE_CONFIG_R_ACCESS_KEY_ID": KEY,
            "RCLONE_CONFIG_R_SECRET_ACCESS_KEY": SECRET, "RCLONE_CONFIG_R_REGION": "us-east-1"}
