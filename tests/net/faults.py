"""Faults as text: what they are called, where they strike and how often.

A fault is a line of text, the same for tables, the command line and messages:

    [METHOD ]KIND[=VALUE][@PLACE][+AFTER][*TIMES]

METHOD  GET (when it is not given; not listings), HEAD, LIST (GET of a bucket), ANY
PLACE   "50%", "last" (the last byte), a number of bytes; without one every answer is hit
AFTER   so many requests that would have matched go by first; with ANY so many GETs
TIMES   how often it strikes [1]; "*always"

Before the answer
  drop, drop-reset          the connection ends (FIN, RST) before any byte
  hang-head                 nothing comes
  status=CODE[/RETRY]       this status; RETRY in seconds, or "date:SECONDS", or any text
  redirect=URL              302; "self" for a loop, "next" for one that never says the same twice
  reuse-drop, reuse-reset, reuse-hang   the same, only for a request on a connection that was used before
  garbage                   no HTTP
  half-head                 the connection ends within the head
  endless-head              header lines without end
Head
  range=shift|start|total|none|garbage|other|multipart   a 206 with another Content-Range (other: honestly another range)
  length=+N|-N              Content-Length that is N too large or too small
  length=none|chunked       no Content-Length: the end of the connection ends it; chunks
  etag=TEXT                 another ETag, same bytes
  switch=PATH               another object of the same server in its place, bytes and head
  whole                     200 with everything for a range
  gzip                      compressed on the way
  portal                    200 with a page for people
  strip=NAME,NAME           without these headers
  header=NAME: VALUE        with this header
Body
  cut, reset                the connection ends (FIN, RST) before the byte at PLACE
  hang                      nothing comes any more from there
  flip                      one bit of the byte at PLACE
  drip=N                    from there N bytes a second
  extra                     after the last byte more bytes, which look like another answer
"""
import re

BEFORE = {"drop", "drop-reset", "hang-head", "status", "redirect", "reuse-drop", "reuse-reset", "reuse-hang", "garbage",
          "half-head", "endless-head"}
HEAD = {"range", "length", "etag", "switch", "whole", "gzip", "portal", "strip", "header"}
BODY = {"cut", "reset", "hang", "flip", "drip", "extra"}
GRAMMAR = re.compile(r"^(?:(?P<method>GET|HEAD|LIST|ANY) )?(?P<kind>[a-z-]+)(?:=(?P<value>.+?))?"
                     r"(?:@(?P<place>\d+%?|last))?(?:\+(?P<after>\d+))?(?:\*(?P<times>\d+|always))?$")


class Fault:
    def __init__(self, text):
        parts = GRAMMAR.match(text)
        if not parts or parts["kind"] not in BEFORE | HEAD | BODY:
            raise ValueError(f"no fault: {text}")
        self.text, self.kind, self.value = text, parts["kind"], parts["value"]
        self.method, self.place = parts["method"] or "GET", parts["place"]
        self.after = int(parts["after"] or 0)
        times = parts["times"] or "1"
        self.left = None if times == "always" else int(times)
        self.seen = self.struck = 0

    def at(self, total):
        """The place in an object of `total` bytes; None when any will do."""
        if self.place is None:
            return None
        if self.place == "last":
            return max(total - 1, 0)
        if self.place.endswith("%"):
            return min(total * int(self.place[:-1]) // 100, max(total - 1, 0))
        return int(self.place)

    def strikes(self, request, total):
        """Whether it is for this request; counts it when it is."""
        if self.method != "ANY" and self.method != request.sort:
            return False
        if self.kind.startswith("reuse-") and request.number == 1:
            return False
        if self.place is not None and request.sort == "GET":
            first, last = request.span or (0, total - 1)
            if not first <= self.at(total) <= min(last, total - 1):
                return False
        counts = self.method != "ANY" or request.sort == "GET"
        self.seen += counts
        if self.seen < self.after + counts or self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        self.struck += 1
        return True
