"""What was asked for and delivered, by object."""
import collections, threading

LOG_MAX = 100_000


class Counts:
    """What was asked for and delivered, by object."""

    def __init__(self):
        self.lock = threading.Lock()
        self.objects, self.connections, self.most_at_once, self.at_once, self.log = {}, 0, 0, 0, []

    def of(self, path):
        return self.objects.setdefault(path, {"requests": collections.Counter(), "statuses": collections.Counter(),
                                              "ranges": [], "delivered": [], "authorized": 0})

    def asked(self, request):
        with self.lock:
            row = self.of(request.path)
            row["requests"][request.sort] += 1
            row["authorized"] += request.get("authorization") is not None or "X-Amz-Signature=" in request.query
            if request.sort == "GET":
                row["ranges"].append(request.span)

    def delivered(self, path, first, length):
        with self.lock:
            self.of(path)["delivered"].append((first, first + length))

    def row(self, row):
        """Keeps what became of one request: a dictionary."""
        with self.lock:
            if row["status"]:
                self.of(row["path"])["statuses"][row["status"]] += 1
            if len(self.log) < LOG_MAX:
                self.log.append(row)

    def flight(self, change):
        with self.lock:
            self.at_once += change
            self.most_at_once = max(self.most_at_once, self.at_once)

    def table(self):
        """{path: {requests, statuses, ranges, longest, delivered, again, authorized}}: `again` are bytes of places
        that had been delivered before."""
        with self.lock:
            rows = {}
            for path, row in self.objects.items():
                sent = sum(end - first for first, end in row["delivered"])
                lengths = [last - first + 1 for first, last in filter(None, row["ranges"]) if last < 1 << 62]
                rows[path] = {"requests": dict(row["requests"]), "statuses": dict(row["statuses"]),
                              "ranges": list(row["ranges"]), "longest": max(lengths, default=0), "delivered": sent,
                              "again": sent - covered(row["delivered"]), "authorized": row["authorized"]}
            return rows


def covered(spans):
    """Bytes that lie in at least one of the spans."""
    total = reached = 0
    for first, end in sorted(spans):
        total += max(0, end - max(first, reached))
        reached = max(reached, end)
    return total
