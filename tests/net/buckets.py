"""What a bucket costs, and what becomes of what lies in it: stories of receiving, each with a real store and a proxy that
counts. A story raises `Broken` when something does not hold, and tells what it saw.
"""
import concurrent.futures, os, time

import servers
from proxy import Proxy
from runs import Broken, Run
from s3 import S3
from stories import holds

#: Keys on one page of a listing.
PAGE = 1000
#: Objects put at once.
HANDS = 8
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": servers.KEY, "AWS_SECRET_ACCESS_KEY": servers.SECRET}


class Bucket:
    """A bucket of a store, seen through a proxy that counts."""

    def __init__(self, server, proxy, name):
        self.proxy, self.name = proxy, name
        self.client = S3(server.upstream, servers.KEY, servers.SECRET)
        self.client.make_bucket(name)

    def source(self, name, depositor, prefix="", more="", **keys):
        """A `[[source]]` for it; keys replace what stands there usually."""
        keys = {"endpoint": self.proxy.url, "bucket": self.name, "prefix": prefix, "region": "us-east-1", "style": "path",
                "credentials": "environment", "scan_every": "0 s", **keys}
        lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items() if value)
        near = "" if "proxy" in keys else "allow_private = true\n"
        return f'[[source]]\nname = "{name}"\nkind = "s3"\ndepositor = "{depositor}"\n{lines}{near}{more}\n'

    def put_file(self, key, path):
        with open(path, "rb") as file:
            self.client.put(self.name, key, file.read())

    def fill(self, keys):
        """Puts a few bytes under each key, several at a time."""
        def some(start):
            client = S3(self.client.upstream, servers.KEY, servers.SECRET)
            for number in range(start, len(keys), HANDS):
                client.put(self.name, keys[number], b"not yet a bag %d" % number)

        with concurrent.futures.ThreadPoolExecutor(HANDS) as pool:
            list(pool.map(some, range(HANDS)))

    def requests(self):
        """(listings, others) since this was asked last."""
        rows = self.proxy.counts.table().values()
        self.proxy.counts.__init__()
        lists = sum(row["requests"].get("LIST", 0) for row in rows)
        return lists, sum(sum(row["requests"].values()) for row in rows) - lists


def scan(run, bucket, *names):
    """(what was told, listings, other requests, seconds)"""
    began = time.monotonic()
    code, answer = run.ask("source", "scan", *names)
    if code != 0:
        raise Broken(f"a scan ends with {code}: {answer} {run.log[-500:]}")
    return answer["scanned"], *bucket.requests(), time.monotonic() - began


def many_keys(binary, folder, server, keys, depositors):
    """A scan costs one listing request for each thousand keys, and none for a key that is known."""
    with Proxy(server.upstream) as proxy:
        bucket = Bucket(server, proxy, "many")
        names = [f"inst-{number:02}" for number in range(depositors)]
        bucket.fill([f"{names[number % depositors]}/bag-{number:05}.tar" for number in range(keys)])
        config = "".join(f'[[depositor]]\nname = "{name}"\n' for name in ["everybody", *names])
        config += "".join(bucket.source(name, name, f"{name}/") for name in names) + bucket.source("all", "everybody")
        run = Run(binary, folder, config, ENVIRONMENT)
        with Daemon(run):
            # It makes the ledger; then nothing works on the items while requests are counted.
            bucket.requests()
        told = []
        for which, sources, pages in (("20 sources", names, depositors * -(-keys // depositors // PAGE)), ("one source", ["all"], -(-keys // PAGE))):
            for number in ("first", "second"):
                rows, lists, others, seconds = scan(run, bucket, *sources)
                told.append(f"{which}, {number} scan: {lists} listings, {others} other requests, {seconds:.1f} s")
                holds(f"every key of {which} is seen", sum(row["keys"] for row in rows) == keys, rows)
                holds(f"the {number} scan of {which} makes items once", sum(row["new"] for row in rows) == (keys if number == "first" else 0), rows)
                holds(f"the {number} scan of {which} asks for {pages} pages", lists == pages, lists)
                holds(f"and for nothing else ({which}, {number})", others == 0, others)
        return f"{keys:,} keys of {depositors} depositors: " + "; ".join(told)


def a_bucket_becomes_objects_once(binary, folder, server, made):
    """Listed, fetched, kept, and the next listing asks for nothing more; what is not a bag's tar is told, not skipped."""
    with Proxy(server.upstream) as proxy:
        bucket = Bucket(server, proxy, f"arrivals-{type(server).__name__.lower()}")
        bucket.put_file("in/bag.tar", made["bag"].path)
        bucket.client.put(bucket.name, "in/readme.txt", b"no tar")
        bucket.client.put(bucket.name, "in/empty.tar", b"")
        run = Run(binary, folder, bucket.source("in", "local", "in/", 'after_kept = "move:done"'), ENVIRONMENT)
        with Daemon(run):
            (told,), _, _, _ = scan(run, bucket, "in")
            holds("all keys are seen", told["keys"] == 3, told)
            items = wait_for_rest(run)
        standings = {item["bag"]: item["standing"] for item in items}
        holds("the bag is kept", standings.get("bag") == "kept", items)
        holds("what is not taken is told", sorted(standings.values()) == ["kept", "refused", "refused"], standings)
        run.item = next(item for item in items if item["bag"] == "bag")
        run.check_kept(made["bag"])
        bucket.requests()
        (told,), lists, others, _ = scan(run, bucket, "in")
        keys = bucket.client.keys(bucket.name)
        holds("nothing is new", told["new"] == 0, told)
        holds("what is kept was moved", not any(key == "in/bag.tar" for key in keys) and any("done" in key for key in keys), keys)
        run.check_silent(servers.SECRET, "X-Amz-Signature=")
        return f"{len(items)} items; the second scan: {lists} listings, {others} others; keys now {keys}"


def another_version_becomes_another_version(binary, folder, server, made):
    """The same key with other bytes is a new version of the same object, fetched once."""
    with Proxy(server.upstream) as proxy:
        bucket = Bucket(server, proxy, f"versions-{type(server).__name__.lower()}")
        run = Run(binary, folder, bucket.source("in", "local"), ENVIRONMENT)
        for version, name in enumerate(("bag", "twin"), 1):
            bucket.put_file("bag.tar", made[name].path)
            with Daemon(run):
                scan(run, bucket, "in")
                items = wait_for_rest(run)
            kept = [item for item in items if item["standing"] == "kept"]
            holds(f"version {version} is kept", len(kept) == version, items)
            run.item = max(kept, key=lambda item: item["id"])
            holds("it is the next version", run.item["version"] == version, run.item)
            run.check_kept(made[name])
        return f"{len(items)} items"


class Daemon:
    """`serve` in the background."""

    def __init__(self, run):
        # Its log goes to a file: a pipe that nobody reads would stop it.
        self.run, self.log = run, f"{run.folder}/serve.log"

    def __enter__(self):
        with open(self.log, "w") as log:
            self.process = self.run.start("serve", log=log)
        until = time.monotonic() + 60
        while not os.path.exists(f"{self.run.data}/socket") or self.run.ask("status")[0] not in (0, 1):
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                raise Broken(f"the daemon does not start: {self.told()[-800:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=60)
        error = self.told()
        self.run.log += error
        if "panicked" in error:
            raise Broken(f"a panic: {error[-1500:]}")

    def told(self):
        with open(self.log) as log:
            return log.read()


def wait_for_rest(run, limit=180):
    """Waits until every item rests; the items."""
    until, items = time.monotonic() + limit, []
    while time.monotonic() < until:
        time.sleep(0.5)
        code, answer = run.ask("item", "list", "--all")
        items = answer.get("items", [])
        if code == 0 and items and all(item["rests"] for item in items):
            return items
    raise Broken(f"not at rest after {limit} s: {items}")
