"""What a bucket costs, and what becomes of what lies in it: stories of receiving, each with a real store and a proxy that
counts.
"""
import io, json, signal, subprocess, tarfile, time

import servers
from proxy import Proxy
from runs import Broken, Run
from s3 import S3
from stories import holds

PAGE = 1000


class Bucket:
    """A bucket of a store, seen through a proxy that counts."""

    def __init__(self, server, proxy, name):
        self.server, self.proxy, self.name = server, proxy, name
        self.client = S3(server.upstream, servers.KEY, servers.SECRET)
        self.client.make_bucket(name)

    def config(self, source, prefix="", depositor="local", more=""):
        return (f'[[source]]\nname = "{source}"\nkind = "s3"\ndepositor = "{depositor}"\nendpoint = "{self.proxy.url}"\n'
                f'bucket = "{self.name}"\nprefix = "{prefix}"\nregion = "us-east-1"\nstyle = "path"\n'
                f'credentials = "environment"\nallow_private = true\n{more}\n')

    def requests(self):
        """(listings, others) since the counts were forgotten."""
        lists = others = 0
        for row in self.proxy.counts.table().values():
            lists += row["requests"].get("LIST", 0)
            others += sum(count for sort, count in row["requests"].items() if sort != "LIST")
        return lists, others


ENVIRONMENT = {"AWS_ACCESS_KEY_ID": servers.KEY, "AWS_SECRET_ACCESS_KEY": servers.SECRET, "AWS_REGION": "us-east-1"}


def many_keys(binary, folder, server, keys, depositors):
    """A scan costs one listing request for each thousand keys, and none for a key that is known."""
    with Proxy(server.upstream) as proxy:
        bucket = Bucket(server, proxy, "many")
        names = [f"inst-{number:02}" for number in range(depositors)]
        for number in range(keys):
            bucket.client.put("many", f"{names[number % depositors]}/bag-{number:05}.tar", b"not yet a bag %d" % number)
        each = -(-keys // depositors)
        config = "".join(f'[[depositor]]\nname = "{name}"\n' for name in names)
        config += "".join(bucket.config(name, f"{name}/", name) for name in names)
        run = Run(binary, folder, config, ENVIRONMENT)
        pages = depositors * -(-each // PAGE)
        told = []
        for scan in ("the first", "the second"):
            proxy.counts.__init__()
            began = time.monotonic()
            code, answer = run.ask("source", "scan", limit=600)
            lists, others = bucket.requests()
            told.append(f"{scan}: {lists} listings, {others} others, {time.monotonic() - began:.1f} s")
            holds(f"{scan} scan is well", code == 0, (code, answer))
            holds(f"{scan} scan asks for {pages} pages", lists == pages, lists)
            if scan == "the second":
                holds("nothing else is asked about known keys", others == 0, others)
        items = 0
        for name in names:
            _, answer = run.ask("item", "list", "--depositor", name)
            items += len(answer["items"])
            holds("there are no more than asked for", not answer.get("more") or len(answer["items"]) >= 1)
        return f"{keys} keys of {depositors} depositors, {'; '.join(told)}"
