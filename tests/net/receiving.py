"""Receiving from buckets, one story each: what is listed becomes items, once; what changes is noticed whenever it changes;
what is kept is left, moved or deleted; and requests are signed with keys from wherever the configuration says.
"""
import http.server, json, os, re, threading, time

import servers
from buckets import ENVIRONMENT, Bucket, Daemon, scan, wait_for_rest
from forward import ANY, Forward
from proxy import Proxy
from runs import Run
from servers import KEY, SECRET, STORE
from stories import holds


class Store:
    """What a story needs: the store, deposits, and runs with folders of their own."""

    def __init__(self, binary, folder, server, made):
        self.binary, self.folder, self.server, self.made, self.runs = binary, folder, server, made, 0
        self.mark = re.sub("[^a-z0-9]", "-", os.path.basename(folder).lower()).strip("-")

    def run(self, config, environment=ENVIRONMENT):
        self.runs += 1
        run = Run(self.binary, f"{self.folder}/run-{self.runs}", config, environment)
        # A ledger is there: without a daemon a source is listed, and nothing works on what was found.
        with Daemon(run):
            return run

    def bucket(self, proxy, name=""):
        return Bucket(self.server, proxy, f"{self.mark}{name}-{self.runs}")


def listed(run):
    code, told = run.ask("item", "list", "--all")
    holds("items are listed", code == 0, told)
    return {item["id"]: item for item in told["items"]}


def newest_kept(run, items):
    run.item = max((item for item in items if item["standing"] == "kept"), key=lambda item: item["id"], default=None)
    holds("something is kept", run.item, items)
    return run.item


# --- listing ---

def what_is_not_taken_is_told_each_with_its_reason(store):
    reasons = {"notes.txt": "ends with none of", "empty.tar": "it is empty", "large.tar": "is the limit there",
               "later/small.tar": "sub-folder", "small.TAR.zip": "ends with none of"}
    with Proxy(store.server.upstream) as proxy:
        bucket = store.bucket(proxy)
        for key in reasons:
            body = b"" if key == "empty.tar" else bytes(200_000 if key == "large.tar" else 200)
            bucket.client.put(bucket.name, key, body)
        bucket.put_file("small.tar", store.made["small"].path)
        bucket.client.put(bucket.name, "small.tar.sha256", f"{store.made['small'].sha256}  small.tar\n".encode())
        run = store.run(bucket.source("in", "local", more='size_max = "150 KB"'))
        with Daemon(run):
            (told,), _, _, _ = scan(run, bucket, "in")
            holds("what is no deposit is counted", told["not_taken"] == len(reasons), told)
            items = wait_for_rest(run)
            _, again = run.ask("source", "scan", "in")
            holds("a second listing makes none", again["scanned"][0]["new"] == 0, again)
        refused = {item["path"].split("/", 3)[3]: item for item in items if item["standing"] == "refused"}
        holds("each is an item", set(refused) == set(reasons), set(refused))
        for key, reason in reasons.items():
            trouble = refused[key]["trouble"]
            holds(f"{key} says why", trouble["kind"] == "not-taken" and reason in trouble["sentence"], trouble)
        newest_kept(run, items)
        run.check_kept(store.made["small"])


def what_becomes_of_a_kept_deposit_is_what_was_asked_for(store):
    for after, left in (("leave", ["in/small.tar"]), ("delete", []), ("move:taken/in", ["in/taken/in/small.tar"])):
        with Proxy(store.server.upstream) as proxy:
            bucket = store.bucket(proxy)
            bucket.put_file("in/small.tar", store.made["small"].path)
            run = store.run(bucket.source("in", "local", "in/", f'after_kept = "{after}"'))
            scan(run, bucket, "in")
            (told,), _, _, _ = scan(run, bucket, "in")
            keys = bucket.client.keys(bucket.name)
            holds(f"{after}: what is not yet kept stays", keys == ["in/small.tar"] and told["disposed"] == 0, (keys, told))
            with Daemon(run):
                items = wait_for_rest(run)
                scan(run, bucket, "in")
                keys = bucket.client.keys(bucket.name)
                holds(f"{after}: then it lies", keys == left, keys)
                (told,), _, _, _ = scan(run, bucket, "in")
                holds(f"{after}: and is nothing new", (told["new"], told["disposed"]) == (0, 0), told)
            newest_kept(run, items)
            run.check_kept(store.made["small"])
            for key in left:
                holds("it is the same", len(bucket.client.get(bucket.name, key)) == store.made["small"].bytes)


# --- changes ---

def a_key_that_changes_while_it_waits_is_replaced(store):
    with Proxy(store.server.upstream) as proxy:
        bucket = store.bucket(proxy)
        run = store.run(bucket.source("in", "local"))
        for name in ("small", "small-new"):
            bucket.put_file("small.tar", store.made[name].path)
            # Nothing works on it: no daemon runs.
            scan(run, bucket, "in")
        with Daemon(run):
            items = wait_for_rest(run)
        holds("it stays one item", len(items) == 1, items)
        holds("of one version", newest_kept(run, items)["version"] == 1, items)
        run.check_kept(store.made["small-new"])


def a_key_that_changes_while_it_is_fetched_is_fetched_anew(store):
    """Two objects of one length, of which nothing may be mixed."""
    with Proxy(store.server.upstream, ["drip=200000@60%"]) as proxy:
        bucket = store.bucket(proxy)
        run = store.run(bucket.source("in", "local"))
        bucket.put_file("bag.tar", store.made["bag"].path)
        changed = threading.Event()

        def change(request):
            asked = proxy.counts.table().get(f"/{bucket.name}/bag.tar", {"delivered": 0})
            if request.sort == "GET" and asked["delivered"] > store.made["bag"].bytes // 4 and not changed.is_set():
                changed.set()
                bucket_put(store, bucket, "bag.tar", "twin")
                proxy.set([])

        proxy.hook = change
        with Daemon(run):
            scan(run, bucket, "in")
            items = wait_for_rest(run)
        holds("it was changed in the middle", changed.is_set())
        holds("it stays one item", len(items) == 1, items)
        newest_kept(run, items)
        run.check_kept(store.made["twin"])


def bucket_put(store, bucket, key, name):
    # A client of its own: this runs in the proxy's threads.
    Bucket(store.server, bucket.proxy, bucket.name).put_file(key, store.made[name].path)


def a_change_at_any_moment_is_noticed_and_nothing_is_lost(store):
    """Whatever request it comes before, up to the one that deletes: in the end the newest is kept, and then deleted."""
    moments = [("HEAD", number) for number in range(1, 7)] + [("GET", 1)]
    if isinstance(store.server, servers.Weed):
        # Between looking and deleting lies one request: only a service that knows conditional deletes closes the gap.
        moments.append(("DELETE", 1))
    told = []
    for sort, number in moments:
        with Proxy(store.server.upstream) as proxy:
            bucket = store.bucket(proxy, f"-{sort.lower()}-{number}")
            bucket.put_file("small.tar", store.made["small"].path)
            run = store.run(bucket.source("in", "local", more='after_kept = "delete"'))
            seen, lock, changed = [0], threading.Lock(), threading.Event()

            def change(request):
                if request.sort != sort or not request.path.endswith("small.tar"):
                    return
                with lock:
                    seen[0] += 1
                    if seen[0] == number:
                        bucket_put(store, bucket, "small.tar", "small-new")
                        changed.set()

            proxy.hook = change
            with Daemon(run):
                for _ in range(5):
                    scan(run, bucket, "in")
                    items = wait_for_rest(run)
                last = newest_kept(run, items)
            holds(f"before {sort} {number} it was changed", changed.is_set() or number > 5, seen)
            if changed.is_set():
                run.check_kept(store.made["small-new"])
                keys = bucket.client.keys(bucket.name)
                holds(f"changed before {sort} {number}: what is kept was deleted in the end", not keys, keys)
                told.append(f"{sort} {number}: version {last['version']} of {len(items)} items")
    return "; ".join(told)


# --- names and keys ---

def a_bucket_is_named_by_host_or_by_path(store):
    """Names that only our proxy knows lead to the store; nothing private needs to be allowed."""
    with Proxy(store.server.upstream) as proxy, Forward({}) as forward:
        bucket = store.bucket(proxy)
        forward.hosts = {(STORE, ANY): ("127.0.0.1", proxy.port), (f"{bucket.name}.{STORE}", ANY): ("127.0.0.1", proxy.port)}
        bucket.put_file("in/small.tar", store.made["small"].path)
        for style, host in (("path", STORE), ("host", f"{bucket.name}.{STORE}")):
            forward.rows.clear()
            run = store.run(bucket.source("in", "local", "in/", 'after_kept = "move:done"' if style == "host" else "",
                                          endpoint=f"http://{STORE}", style=style, proxy=forward.url))
            with Daemon(run):
                scan(run, bucket, "in")
                items = wait_for_rest(run)
                scan(run, bucket, "in")
            newest_kept(run, items)
            run.check_kept(store.made["small"])
            hosts = {row["host"] for row in forward.asked()}
            holds(f"by {style} {host} is asked", hosts == {host}, hosts)
        keys = bucket.client.keys(bucket.name)
        holds("what is named by host is moved, too", keys == ["in/done/small.tar"], keys)


def keys_come_from_where_the_configuration_says(store):
    with Proxy(store.server.upstream) as proxy:
        bucket = store.bucket(proxy)
        bucket.client.put(bucket.name, "in/small.tar", b"not a bag")
        held = f"{store.folder}/held"
        os.makedirs(held)
        texts = {"line": f"{KEY}:{SECRET}\n", "wrong": f"{KEY}:not-{SECRET[4:]}\n", "half": f"[default]\naws_access_key_id = {KEY}\n",
                 "amazon": "[default]\naws_access_key_id = x\naws_secret_access_key = y\n"
                           f"[ours]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"}
        for name, text in texts.items():
            with open(f"{held}/{name}", "w") as out:
                out.write(text)
            os.chmod(f"{held}/{name}", 0o600)
        with Metadata() as metadata:
            metadata_there = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url}
            nobody = {"HOME": store.folder, "AWS_EC2_METADATA_DISABLED": "true"}
            good = [("environment", ENVIRONMENT), (f"file:{held}/line", {}), (f"file:{held}/amazon#ours", {}),
                    ("systemd:line", {"CREDENTIALS_DIRECTORY": held}), ("systemd:amazon#ours", {"CREDENTIALS_DIRECTORY": held}),
                    ("profile:ours", {"AWS_SHARED_CREDENTIALS_FILE": f"{held}/amazon"}), ("instance", metadata_there),
                    ("chain", ENVIRONMENT), ("chain", {**metadata_there, "HOME": store.folder}),
                    ("chain", {**nobody, "AWS_SHARED_CREDENTIALS_FILE": f"{held}/amazon", "AWS_PROFILE": "ours"})]
            for credentials, environment in good:
                run = store.run(bucket.source("in", "local", "in/", credentials=credentials), environment)
                code, told = run.ask("source", "scan", "in")
                holds(f"{credentials} opens it", code == 0 and told["scanned"][0]["keys"] == 1, (told, run.log[-400:]))
                run.check_silent(SECRET, Metadata.PROOF, "X-Amz-Signature=")
            asked = metadata.asked, metadata.refused
            holds("the cloud's metadata was asked with its proof", asked[0] >= 6 and not asked[1], asked)
        bad = [(f"file:{held}/wrong", {}, "SignatureDoesNotMatch"), (f"file:{held}/half", {}, "lacks"),
               (f"file:{held}/none", {}, "No such file"),
               ("environment", nobody, "no credentials"), ("systemd:line", {}, "LoadCredential=line"),
               ("instance", {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}, "metadata"), ("anonymous", {}, "Denied")]
        for credentials, environment, said in bad:
            run = store.run(bucket.source("in", "local", "in/", credentials=credentials), environment)
            code, told = run.ask("source", "scan", "in")
            holds(f"{credentials} ({said}) does not", code != 0, told)
            holds("it is told why", said in run.log + json.dumps(told), (told, run.log[-400:]))
            run.check_silent(SECRET, f"not-{SECRET[4:]}")


class Metadata:
    """The metadata of a cloud, as an instance sees it: a proof is asked for first, then the role, then its keys."""
    PROOF = "proof-of-instance-6d1e"

    def __init__(self):
        self.asked = self.refused = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                asks = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
                self.tell(outer.PROOF if asks else None)

            def do_GET(self):
                roles = "/latest/meta-data/iam/security-credentials/"
                keys = {"Code": "Success", "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Expiration": "2999-01-01T00:00:00Z"}
                told = {roles: "ingest", f"{roles}ingest": json.dumps(keys)}.get(self.path)
                self.tell(told if self.headers["X-aws-ec2-metadata-token"] == outer.PROOF else None)

            def tell(self, text):
                outer.asked += 1
                outer.refused += text is None
                body = (text or "").encode()
                self.send_response(200 if text else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


# --- manners ---

def a_store_that_asks_for_a_pause_gets_it(store):
    """A listing that is told to slow down: nothing is asked until then, and everybody sees why."""
    with Proxy(store.server.upstream, ["LIST status=503/3"]) as proxy:
        bucket = store.bucket(proxy)
        bucket.put_file("small.tar", store.made["small"].path)
        run = store.run(bucket.source("in", "local"))
        with Daemon(run):
            code, told = run.ask("source", "scan", "in")
            holds("the listing ends there", code != 0, told)
            asked = proxy.counts.log[-1]["ended"]
            _, told = run.ask("source", "list")
            (seen,) = told["sources"]
            holds("it rests, as it asked", seen["state"] == "resting" and "it asked for it" in seen["why"], seen)
            sent = len(proxy.counts.log)
            while time.monotonic() < asked + 2.5:
                run.ask("source", "scan", "in")
            holds("nothing is asked meanwhile", len(proxy.counts.log) == sent, proxy.counts.log[sent:])
            time.sleep(max(0, asked + 3.1 - time.monotonic()))
            (told,), _, _, _ = scan(run, bucket, "in")
            holds("then it is listed", told["new"] == 1, told)
            items = wait_for_rest(run)
        newest_kept(run, items)
        run.check_kept(store.made["small"])


# --- floods ---

def one_depositors_flood_does_not_stop_the_listing_of_another(store):
    """The flood's second page comes only when the other's listing was taken and its deposit kept."""
    keys = 1_500
    with Proxy(store.server.upstream) as proxy:
        flood, other = store.bucket(proxy, "-flood"), store.bucket(proxy, "-other")
        flood.fill([f"bag-{number:05}.tar" for number in range(keys)])
        other.put_file("small.tar", store.made["small"].path)
        config = '[[depositor]]\nname = "flood"\n[[depositor]]\nname = "other"\n'
        # The page that is held back must not look like a stall.
        config += flood.source("flood", "flood", more='timeout_answer = "200 s"') + other.source("other", "other")
        run = store.run(config)
        pages, go = [0], threading.Event()

        def hold(request):
            if request.sort == "LIST" and flood.name in request.path:
                pages[0] += 1
                if pages[0] == 2:
                    go.wait(120)

        proxy.hook = hold
        told = {}
        with Daemon(run):
            listing = threading.Thread(target=lambda: told.update(flood=run.ask("source", "scan", "flood")))
            listing.start()
            while pages[0] < 2:
                listing.join(0.05)
            (seen,), _, _, _ = scan(run, other, "other")
            holds("the other's key is taken", seen["new"] == 1, seen)
            items = wait_for(run, lambda items: any(item["depositor"] == "other" and item["rests"] for item in items))
            holds("and kept, in the middle of the flood", [item["standing"] for item in items if item["depositor"] == "other"] == ["kept"])
            resting = sum(item["rests"] for item in items if item["depositor"] == "flood")
            go.set()
            listing.join(120)
            code, answer = told["flood"]
            holds("then the flood is listed to its end", code == 0 and answer["scanned"][0]["keys"] == keys, answer)
        return f"kept when {resting} of {keys} had come to rest"


def wait_for(run, holds_now, limit=120):
    until = time.monotonic() + limit
    while time.monotonic() < until:
        items = list(listed(run).values())
        if holds_now(items):
            return items
        time.sleep(0.2)
    holds("it comes to that in time", False, run.log[-300:])


EVERYWHERE = [what_is_not_taken_is_told_each_with_its_reason, what_becomes_of_a_kept_deposit_is_what_was_asked_for,
              a_key_that_changes_while_it_waits_is_replaced, a_change_at_any_moment_is_noticed_and_nothing_is_lost,
              a_key_that_changes_while_it_is_fetched_is_fetched_anew]
OF_WEED = [a_store_that_asks_for_a_pause_gets_it, a_bucket_is_named_by_host_or_by_path, keys_come_from_where_the_configuration_says,
           one_depositors_flood_does_not_stop_the_listing_of_another]
QUICK = [what_is_not_taken_is_told_each_with_its_reason, a_key_that_changes_while_it_waits_is_replaced,
         a_bucket_is_named_by_host_or_by_path]
