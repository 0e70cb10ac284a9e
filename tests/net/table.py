"""Which faults are tried, and how each may end.

- A fault that strikes once costs nothing but time: the deposit is kept, unless a bit was turned that nothing but the bag's
  own manifests can show.
- A fault that never ends gives the right kind of trouble, and never a deposit that is not the source's.
"""

#: After a few failures in a row the source is left alone for a while, which is told as busy.
NOT_REACHED = {"source-unreachable", "source-busy"}
WRONG = {"source-wrong"}
BUSY = {"source-busy"}
KEPT = {"kept"}
BAG = {"invalid-bag", "tar-refused"}
PLACES = ["0%", "50%", "99%", "last"]


class Case:
    """Faults in front of a server, and the outcomes that are right. `where` is a path of nginx, or "s3"; `other`: a
    deposit that may be kept in place of the first; `restart`: the whole may have to be fetched again."""

    def __init__(self, name, faults, wanted, where="plain", other=None, restart=False, quick=False, slow=False, after=None):
        self.name, self.faults, self.wanted, self.where = name, faults, set(wanted), where
        self.other, self.restart, self.quick, self.slow, self.after = other, restart, quick, slow, after


def swept():
    """Every fault that has a place at every place, once and always."""
    cases = []
    # kind, outcome when it never ends, in the quick lane at 50 %, waits for timeouts
    for kind, always, quick, slow in [
        ("cut", NOT_REACHED, True, False), ("reset", NOT_REACHED, False, False), ("drop", NOT_REACHED, False, False),
        ("drop-reset", NOT_REACHED, False, False), ("hang", NOT_REACHED, False, True),
        ("hang-head", NOT_REACHED, False, True), ("half-head", NOT_REACHED | WRONG, False, False),
        ("garbage", NOT_REACHED | WRONG, False, False), ("endless-head", NOT_REACHED | WRONG, False, False),
        ("status=500", NOT_REACHED | BUSY | WRONG, False, False), ("status=503/1", BUSY, False, False),
        ("status=503/date:2", BUSY, False, False), ("status=429/1", BUSY, True, False), ("status=502", NOT_REACHED | BUSY, False, False),
        ("status=416", WRONG | {"deposit-changed"}, False, False),
        ("range=shift", WRONG | {"deposit-changed"}, False, False), ("range=start", WRONG, False, False),
        ("range=total", WRONG | {"deposit-changed"}, False, False), ("range=none", WRONG, False, False),
        ("range=garbage", WRONG, False, False), ("range=other", WRONG, True, False), ("range=multipart", WRONG, False, False),
        ("length=+100", WRONG | NOT_REACHED, True, False), ("length=-100", WRONG, True, False),
        ("length=none", KEPT, False, False), ("length=chunked", KEPT, False, False),
        ("whole", KEPT, True, False), ("gzip", WRONG, True, False), ("portal", WRONG | {"deposit-changed"}, False, False), ("extra", KEPT, False, False),
        ("redirect=self", WRONG | NOT_REACHED, False, False), ("redirect=next", WRONG | NOT_REACHED, True, False),
        ("redirect=file:///etc/hostname", WRONG | {"source-denied"}, False, False),
        ("redirect=ftp://127.0.0.1/bag.tar", WRONG | {"source-denied"}, False, False),
        ("drip=200", NOT_REACHED, False, True),
    ]:
        for place in PLACES:
            now = quick and place == "50%"
            # A drip of one byte is over before it can be called one.
            once_slow = slow and place != "last"
            cases.append(Case(f"{kind}@{place} once", [f"{kind}@{place}"], KEPT, quick=now, slow=once_slow))
            wanted = always | KEPT if kind.startswith("drip") and place in ("99%", "last") else always
            cases.append(Case(f"{kind}@{place} always", [f"{kind}@{place}*always"], wanted, quick=now and kind in ("gzip", "cut"), slow=slow))
    return cases


def flips(place_is_padding):
    """A turned bit: seen when the source gives a digest, else by the bag's own manifests, else by nobody."""
    cases = []
    for place in PLACES:
        # What follows the end of a tar belongs to no file.
        unseen = KEPT if place_is_padding(place) else set()
        cases += [
            Case(f"flip@{place} once", [f"flip@{place}"], BAG | unseen, quick=place == "50%"),
            Case(f"flip@{place} once, digest given", [f"flip@{place}", "DIGEST"], KEPT, restart=True, quick=place == "50%"),
            Case(f"flip@{place} always, digest given", [f"flip@{place}*always", "DIGEST"], WRONG, restart=True),
        ]
    return cases


def told():
    """Faults with stories of their own."""
    never = "*always"
    return [
        Case("nothing", [], KEPT, quick=True),
        Case("a server without ranges", [], KEPT, where="whole", restart=True, quick=True),
        Case("a server without ranges that breaks off", ["cut@50%"], KEPT, where="whole", restart=True, quick=True),
        Case("a server without ranges that always breaks off", ["cut@50%" + never], NOT_REACHED, where="whole", restart=True),
        Case("ranges that get longer by every break", ["cut@10%", "cut@20%", "cut@30%", "reset@60%", "reset@70%", "cut@last"], KEPT, quick=True),
        Case("every kind of end in one download", ["cut@10%", "reset@20%", "drop@45%", "status=503/1@50%", "length=-7@80%",
                                                  "gzip@90%", "range=other@99%"], KEPT),
        Case("a connection that ends under the second request", ["reuse-drop*3"], KEPT, quick=True, after="at-once"),
        Case("a connection that is reset under the second request", ["reuse-reset*3"], KEPT, after="at-once"),
        Case("no connection outlives a request", ["ANY reuse-drop" + never], KEPT),
        Case("a connection that a balancer forgot", ["reuse-hang"], KEPT, slow=True),
        Case("another ETag from the second range on", ["ANY etag=other+1" + never], KEPT, restart=True, quick=True),
        Case("another ETag in every answer to GET", ["etag=other" + never], {"deposit-changed"} | WRONG, restart=True, quick=True),
        Case("another object of the same length from the second range on", ["ANY switch=/plain/twin/bag.tar+1" + never], KEPT,
             other="twin", restart=True, quick=True),
        Case("another, shorter object from the second range on", ["ANY switch=/plain/short/bag.tar+1" + never], KEPT,
             other="short", restart=True),
        Case("another object in one range only", ["switch=/plain/twin/bag.tar@50%"], KEPT, restart=True),
        Case("another object of the same length, and nothing to tell them by",
             ["ANY switch=/plain/twin/bag.tar+1" + never, "ANY strip=ETag,Last-Modified" + never], KEPT | BAG | WRONG | {"deposit-changed"},
             other="twin", restart=True, quick=True),
        Case("no validators", ["ANY strip=ETag,Last-Modified" + never], KEPT, restart=True),
        Case("no validators, and breaks", ["ANY strip=ETag,Last-Modified" + never, "cut@20%", "cut@70%"], KEPT, restart=True),
        Case("weak ETags", ["ANY etag=W/weak" + never], KEPT),
        Case("no HEAD", ["HEAD status=405" + never], KEPT, quick=True),
        Case("HEAD breaks off once", ["HEAD drop"], KEPT | {"not-taken"}),
        Case("HEAD is busy once", ["HEAD status=503/1"], KEPT | {"not-taken"}),
        Case("HEAD without length", ["HEAD strip=Content-Length" + never], KEPT | WRONG | {"not-taken"}),
        Case("HEAD tells another length", ["HEAD length=+5" + never], WRONG | {"deposit-changed", "not-taken"}),
        Case("a page for people in place of everything", ["ANY portal" + never], WRONG | BAG | {"not-taken"}, quick=True),
        Case("it is gone in the middle", ["ANY status=404+1" + never], {"deposit-gone"}, quick=True),
        Case("it is forbidden in the middle", ["ANY status=403+1" + never], {"source-denied"}),
        Case("a password is asked for in the middle", ["ANY status=401+1" + never], {"source-denied"}),
        Case("a redirect to another path", ["ANY redirect=/plain/moved/bag.tar*4"], KEPT, quick=True),
        Case("a body that goes on with another answer", ["extra" + never], KEPT),
        Case("gzip of everything", ["ANY gzip" + never], WRONG | {"not-taken"}),
        Case("a digest that is not of it", ["ANY header=Repr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:" + never],
             WRONG, restart=True),
        Case("busy for ever", ["status=503/1" + never], BUSY),
    ]


def stored():
    """The same through S3: what a store adds is a digest of the whole, listings and signatures."""
    cases = []
    for kind, always in (("cut", NOT_REACHED), ("reset", NOT_REACHED), ("drop", NOT_REACHED), ("status=503/1", BUSY),
                         ("status=500", NOT_REACHED | BUSY | WRONG), ("range=other", WRONG), ("length=-100", WRONG), ("gzip", WRONG)):
        for place in PLACES:
            cases.append(Case(f"{kind}@{place} once", [f"{kind}@{place}"], KEPT, where="s3", quick=kind == "cut" and place == "50%"))
        cases.append(Case(f"{kind}@50% always", [f"{kind}@50%*always"], always, where="s3"))
    cases += [
        Case("nothing", [], KEPT, where="s3", quick=True),
        Case("whole once", ["whole@50%"], KEPT, where="s3"),
        Case("flip@50% once", ["flip@50%"], KEPT, where="s3", restart=True, quick=True),
        Case("flip@50% always", ["flip@50%*always"], WRONG, where="s3", restart=True),
        Case("another ETag from the second range on", ["ANY etag=other+1*always"], KEPT | WRONG, where="s3", restart=True),
        Case("it is gone in the middle", ["ANY status=404+1*always"], {"deposit-gone"}, where="s3"),
        Case("it is forbidden in the middle", ["ANY status=403+1*always"], {"source-denied"}, where="s3"),
    ]
    return cases
