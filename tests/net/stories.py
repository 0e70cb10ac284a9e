"""Manners and safety, one story each: what a download must never do, whoever asks and whatever answers.

Each story gets a `Stage` (binary, folder, nginx, the bag) and raises `Broken` when something does not hold.
"""
import os, socket, threading, time

from proxy import Proxy
from runs import Broken, Run


class Stage:
    """What a story needs. `mark` is a path on nginx that is this story's own: the same deposits lie below it."""

    def __init__(self, binary, folder, nginx, root, bag, small):
        self.binary, self.folder, self.nginx, self.bag, self.small, self.runs = binary, folder, nginx, bag, small, 0
        self.mark = os.path.basename(folder)
        os.symlink(root, f"{root}/{self.mark}")

    def rows(self):
        """What nginx was asked for by this story."""
        return [row for row in self.nginx.rows() if f"/{self.mark}/" in row["uri"]]

    def run(self, config="", environment=()):
        self.runs += 1
        return Run(self.binary, f"{self.folder}/run-{self.runs}", config, environment)


class Ear:
    """Counts connections, on 127.0.0.1 and ::1, at one port."""

    def __init__(self):
        self.heard, self.sockets, self.stopping = 0, [], threading.Event()
        first = socket.create_server(("127.0.0.1", 0))
        self.port = first.getsockname()[1]
        self.sockets.append(first)
        try:
            self.sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        except OSError:
            # No IPv6 on this machine.
            pass
        self.threads = [threading.Thread(target=self.hear, args=(each,), daemon=True) for each in self.sockets]
        [thread.start() for thread in self.threads]

    def hear(self, sock):
        sock.settimeout(0.1)
        while not self.stopping.is_set():
            try:
                sock.accept()[0].close()
                self.heard += 1
            except TimeoutError:
                continue

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        [thread.join() for thread in self.threads]
        [sock.close() for sock in self.sockets]


def holds(sentence, true, seen=""):
    if not true:
        raise Broken(f"does not hold: {sentence} {seen}")


#: Loopback, as people write it who do not want it to be seen.
SPELLINGS = ["127.0.0.1", "localhost", "LOCALHOST.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
             "017700000001", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]",
             "[64:ff9b::7f00:1]", "127.0.0.1.", "%31%32%37.0.0.1", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021"]


def nobody_here_is_asked_unless_allowed(stage):
    with Ear() as ear:
        run = stage.run()
        for host in SPELLINGS:
            code, answer = run.ask("ingest", f"http://{host}:{ear.port}/bag.tar", limit=60)
            holds(f"{host} is refused", code not in (0, 1) and not answer.get("items"), (code, answer))
            holds(f"{host} hears nothing", ear.heard == 0)
        for host in ("example.org@127.0.0.1", "127.0.0.1#.example.org", "depositor:word@127.0.0.1"):
            code, answer = run.ask("ingest", f"http://{host}:{ear.port}/bag.tar", limit=60)
            holds(f"{host} is refused", code not in (0, 1) and not answer.get("items"), (code, answer))
        holds("nobody heard anything", ear.heard == 0)
        code, _ = run.ask("ingest", "--allow-private", f"http://127.0.0.1:{ear.port}/bag.tar", limit=120)
        holds("the ear hears", ear.heard > 0)


def metadata_of_clouds_is_never_asked(stage):
    run = stage.run()
    for address in ("http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/x.tar",
                    "http://2852039166/x.tar", "http://224.0.0.1/x.tar", "http://255.255.255.255/x.tar"):
        began = time.monotonic()
        code, answer = run.ask("ingest", "--allow-private", address, limit=60)
        holds(f"{address} is refused", code not in (0, 1) and not answer.get("items"), (code, answer))
        holds(f"{address} is refused without trying", time.monotonic() - began < 5)


def a_redirect_to_metadata_is_not_followed(stage):
    for to in ("http://169.254.169.254/latest/meta-data/iam", "http://[::ffff:169.254.169.254]/", "file:///etc/passwd",
               "gopher://127.0.0.1/1", "http://depositor:word@127.0.0.1/bag.tar", "//169.254.169.254/x"):
        with Proxy(stage.nginx.upstream, [f"ANY redirect={to}*always"]) as proxy:
            began = time.monotonic()
            outcome = stage.run().ingest(f"{proxy.url}/plain/bag.tar", limit=60)
            holds(f"{to} is not followed", outcome in ("not-taken", "source-wrong", "source-denied"), outcome)
            holds(f"{to} is refused at once", time.monotonic() - began < 10)


def loops_of_redirects_end_soon(stage):
    for loop in ("self", "next"):
        with Proxy(stage.nginx.upstream, [f"ANY redirect={loop}*always"]) as proxy:
            outcome = stage.run().ingest(f"{proxy.url}/plain/bag.tar", limit=60)
            holds("a loop is no deposit", outcome != "kept", outcome)
            holds("it ends soon", len(proxy.counts.log) <= 20, len(proxy.counts.log))


def the_system_knows_which_certificates_are_true(stage):
    nginx = stage.nginx
    with Proxy(nginx.upstream, (), tls=nginx.tls()) as proxy:
        address = f"{proxy.url}/plain/bag.tar"
        outcome = stage.run().ingest(address, limit=120)
        holds("a certificate that nobody signed is not believed", outcome != "kept", outcome)
        holds("nothing was asked", not proxy.counts.log, proxy.counts.log[:2])
    with Proxy(nginx.upstream, (), tls=nginx.tls()) as proxy:
        run = stage.run(environment={"SSL_CERT_FILE": nginx.ca})
        outcome = run.ingest(f"{proxy.url}/plain/bag.tar", limit=120)
        holds("one that the system's CA signed is", outcome == "kept", (outcome, run.log[-300:]))
        run.check_kept(stage.bag)


def https_never_becomes_http(stage):
    nginx = stage.nginx
    with Proxy(nginx.upstream) as plain, \
            Proxy(nginx.upstream, [f"ANY redirect={plain.url}/plain/bag.tar*always"], tls=nginx.tls()) as proxy:
        outcome = stage.run(environment={"SSL_CERT_FILE": nginx.ca}).ingest(f"{proxy.url}/plain/bag.tar", limit=120)
        holds("a redirect from https to http is refused", outcome in ("not-taken", "source-wrong", "source-denied"), outcome)
        holds("the first server was asked", proxy.counts.log)
        holds("the other was not", not plain.counts.log, plain.counts.log[:2])


def a_proxy_of_the_environment_is_used(stage):
    with Proxy(stage.nginx.upstream) as proxy:
        environment = {"http_proxy": proxy.url, "no_proxy": ""}
        run = stage.run(environment=environment)
        outcome = run.ingest(f"{stage.nginx.url}/plain/bag.tar", limit=120)
        holds("it is kept", outcome == "kept", (outcome, run.log[-300:]))
        asked = {row["method"] for row in proxy.counts.log} | {method for row in proxy.counts.table().values()
                                                              for method in row["requests"]}
        holds("through the proxy", asked & {"CONNECT", "GET"}, asked)
        run.check_kept(stage.bag)


def the_same_address_twice_is_one_item(stage):
    with Proxy(stage.nginx.upstream) as proxy:
        run, address = stage.run(), f"{proxy.url}/plain/bag.tar"
        holds("it is kept", run.ingest(address) == "kept")
        first = run.item["id"]
        counted = proxy.counts.table()["/plain/bag.tar"]["delivered"]
        outcome = run.ingest(address)
        holds("again it is the same", outcome == "kept" and run.item["id"] == first, run.item)
        holds("and nothing was fetched", proxy.counts.table()["/plain/bag.tar"]["delivered"] == counted)


def kept_parts_serve_after_a_trouble(stage):
    """Held in the middle; requeued when the source is well again, only what is missing is fetched."""
    with Proxy(stage.nginx.upstream, ["status=404@last*always"]) as proxy:
        run = stage.run()
        outcome = run.ingest(f"{proxy.url}/plain/bag.tar")
        holds("it is held", outcome == "deposit-gone", outcome)
        proxy.set([])
        run.ask("requeue", str(run.item["id"]))
        outcome = run.ingest(f"{proxy.url}/plain/bag.tar")
        holds("then it is kept", outcome == "kept", outcome)
        run.check_kept(stage.bag)
        row = proxy.counts.table()["/plain/bag.tar"]
        holds("and no byte came twice", row["again"] <= row["longest"], row)


def half_is_only_half_to_do_after_a_stop(stage):
    """SIGTERM in the middle, and the same command again."""
    with Proxy(stage.nginx.upstream, ["drip=20000@90%"]) as proxy:
        run, address = stage.run(), f"{proxy.url}/plain/bag.tar"
        process = run.start("ingest", "--allow-private", address)
        until = time.monotonic() + 60
        while proxy.counts.table().get("/plain/bag.tar", {}).get("delivered", 0) < stage.bag.bytes // 2 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        began = time.monotonic()
        process.terminate()
        process.communicate(timeout=60)
        holds("it stops soon", time.monotonic() - began < 15, time.monotonic() - began)
        proxy.set([])
        holds("the same command goes on", run.ingest(address) == "kept")
        run.check_kept(stage.bag)
        row = proxy.counts.table()["/plain/bag.tar"]
        holds("fetching only what was missing", row["again"] <= row["longest"], row)


QUICK = [nobody_here_is_asked_unless_allowed, a_redirect_to_metadata_is_not_followed, https_never_becomes_http,
         kept_parts_serve_after_a_trouble, half_is_only_half_to_do_after_a_stop, the_same_address_twice_is_one_item]
ALL = QUICK + [metadata_of_clouds_is_never_asked, loops_of_redirects_end_soon, the_system_knows_which_certificates_are_true,
               a_proxy_of_the_environment_is_used]
