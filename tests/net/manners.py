"""Manners, one story each: what is asked to wait waits, who fails is left alone, who stalls is found, and nobody gets more
than was allowed. Times are lower bounds that a source asked for, or upper bounds with room.
"""
import concurrent.futures, datetime, time

from buckets import Daemon, wait_for_rest
from proxy import Proxy
from runs import Broken
from stories import holds
from trust import source

IMPATIENT = 'timeout_connect = "2 s"\ntimeout_answer = "2 s"\ntimeout_stall = "2 s"\n'
#: Clocks of two programs, read one after the other.
SLACK = 0.1


def rows_of(proxy, path, method="GET"):
    return sorted((row for row in proxy.counts.log if row["path"].endswith(path) and row["method"] == method), key=lambda row: row["began"])


def attempts(run, stage="download"):
    """How the attempts of the item's stage ended."""
    _, told = run.ask("item", "show", str(run.item["id"]))
    return [row["outcome"] for row in told["journal"] if row.get("stage") == stage]


# --- asked to wait ---

def asks_to_wait(stage, answer, seconds):
    with Proxy(stage.nginx.upstream, [f"status={answer}"], about="/small.tar") as proxy:
        run = stage.run()
        outcome = run.ingest(f"{proxy.url}/plain/small.tar", limit=200)
        holds(f"{answer}: it is kept", outcome == "kept", (outcome, run.log[-300:]))
        run.check_kept(stage.small)
        first, then = rows_of(proxy, "/small.tar")
        holds(f"{answer}: it is not asked sooner", then["began"] - first["began"] >= seconds - SLACK, then["began"] - first["began"])
        between = [row for row in proxy.counts.log if first["began"] < row["began"] < first["began"] + seconds - SLACK]
        holds(f"{answer}: nothing else is asked of it meanwhile", not between, between)


def a_source_that_asks_for_a_pause_gets_it(stage):
    # A date has whole seconds: what is four seconds ahead may say three.
    for answer, seconds in (("429/2", 2), ("503/date:4", 3)):
        asks_to_wait(stage, answer, seconds)


def a_long_pause_gives_the_worker_back(stage):
    """Longer than a worker waits: the item waits in the ledger, another source's deposit goes on meanwhile."""
    nginx = stage.nginx
    with Proxy(nginx.upstream, ["status=503/25"], about="/small.tar") as proxy:
        config = "[network]\nallow_private = true\n[workers]\ndownload = 1\n"
        run = stage.run(config)
        with Daemon(run):
            run.ask("submit", f"{proxy.url}/plain/small.tar")
            until = time.monotonic() + 60
            while not proxy.struck() and time.monotonic() < until:
                time.sleep(0.05)
            run.ask("submit", f"{nginx.url}/plain/moved/bag.tar")
            items = wait_for_rest(run, 120)
        rows = rows_of(proxy, "/small.tar")
        holds("both are kept", sorted(item["standing"] for item in items) == ["kept", "kept"], items)
        holds("it is not asked sooner", rows[1]["began"] - rows[0]["began"] >= 25 - SLACK, rows)
        kept = {item["bag"]: item["kept_at"] for item in items}
        holds("the other did not wait for it", kept["bag"] < kept["small"], kept)


# --- left alone ---

def probe(run):
    return run.ask("source", "probe", "drop")[0]


def state(run):
    _, told = run.ask("source", "list")
    return told["sources"][0]


def fails_until_left_alone(run, proxy):
    began = len(proxy.counts.log)
    for _ in range(5):
        holds("a probe of what fails fails", probe(run) != 0)
    holds("five requests", len(proxy.counts.log) == began + 5, proxy.counts.log[began:])
    told = state(run)
    holds("it rests", told["state"] == "resting" and "failed too often" in told["why"], told)
    for _ in range(3):
        holds("it is not asked", probe(run) != 0)
    holds("nothing was sent", len(proxy.counts.log) == began + 5, proxy.counts.log[began + 5:])


def a_source_that_fails_again_and_again_is_left_alone(stage):
    with Proxy(stage.nginx.upstream, ["ANY drop*always"]) as proxy:
        run = stage.run(source(f"{proxy.url}/plain/", "allow_private = true"))
        with Daemon(run):
            fails_until_left_alone(run, proxy)


def one_request_tries_for_all_and_an_answer_ends_the_rest(stage):
    with Proxy(stage.nginx.upstream, ["ANY drop*always"]) as proxy:
        run = stage.run(source(f"{proxy.url}/plain/", "allow_private = true"))
        with Daemon(run):
            fails_until_left_alone(run, proxy)
            failed = proxy.counts.log[-1]["ended"]
            # The first rest is 15 seconds.
            time.sleep(max(0, failed + 15.5 - time.monotonic()))
            before = len(proxy.counts.log)
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                codes = list(pool.map(lambda _: probe(run), range(6)))
            holds("all fail", all(codes), codes)
            holds("one of them was sent", len(proxy.counts.log) == before + 1, proxy.counts.log[before:])
            tried = proxy.counts.log[-1]["ended"]
            holds("it rests again", state(run)["state"] == "resting", state(run))
            proxy.set([])
            time.sleep(max(0, tried + 25 - time.monotonic()))
            holds("a failed try makes the rest longer", probe(run) != 0 and len(proxy.counts.log) == before + 1, proxy.counts.log[before:])
            time.sleep(max(0, tried + 30.5 - time.monotonic()))
            holds("then it is well", probe(run) == 0 and state(run)["state"] == "well", state(run))
            holds("and is asked as before", probe(run) == 0)
            code, _ = run.ask("submit", "source://drop/small.tar")
            holds("deposits are taken again", code == 0)
            (run.item,) = wait_for_rest(run)
            holds("and kept", run.item["standing"] == "kept", run.item)


# --- stalls ---

def finds_a_stall(stage, config, within):
    longest = 0
    for fault in ("hang@50%", "hang-head@50%"):
        with Proxy(stage.nginx.upstream, [fault]) as proxy:
            run = stage.run(config)
            outcome = run.ingest(f"{proxy.url}/plain/bag.tar")
            holds(f"{fault}: it is kept", outcome == "kept", outcome)
            run.check_kept(stage.bag)
            (struck,) = [row for row in proxy.counts.log if row["struck"]]
            took = struck["ended"] - struck["hung"]
            holds(f"{fault}: it is found in time", took <= within, took)
            row = proxy.counts.table()["/plain/bag.tar"]
            holds(f"{fault}: one range is fetched again", row["again"] <= row["longest"], row)
            longest = max(longest, took)
    return f"found within {longest:.1f} s"


def a_stalled_connection_is_found(stage):
    return finds_a_stall(stage, "[network]\n" + IMPATIENT, 4)


def a_stalled_connection_is_found_within_half_a_minute_by_default(stage):
    return finds_a_stall(stage, "", 30 + SLACK)


def a_closed_connection_costs_no_attempt(stage):
    """Pooled connections that end under the next request, as a balancer ends them."""
    for fault in ("reuse-drop*4", "reuse-reset*4"):
        with Proxy(stage.nginx.upstream, [fault], about="/bag.tar") as proxy:
            run = stage.run()
            outcome = run.ingest(f"{proxy.url}/plain/bag.tar")
            holds("it is kept", outcome == "kept", outcome)
            holds(f"{fault}: connections were closed under requests", proxy.struck() > 0)
            holds(f"{fault}: nobody noticed", attempts(run) == ["done"], attempts(run))
            rows = proxy.counts.log
            gaps = []
            for row in rows:
                if row["struck"]:
                    # The client may be back before the proxy has written down that it is rid of it.
                    later = [other["began"] - row["ended"] for other in rows
                             if other is not row and other["range"] == row["range"] and other["began"] >= row["began"]]
                    holds(f"{fault}: it is asked again", later, (row, rows))
                    gaps.append(min(later))
            # A busy machine may be slow once; a pause before asking again would show every time.
            holds(f"{fault}: it is asked again at once", min(gaps) < 0.25, gaps)


# --- limits ---

def took(proxy, path):
    rows = [row for row in rows_of(proxy, path) if row["range"]]
    return max(row["ended"] for row in rows) - min(row["began"] for row in rows)


def a_bandwidth_limit_holds_by_the_hour(stage):
    """Small and slow, so that a busy machine makes no difference: the same deposit takes seconds or nothing."""
    rate = 12 << 10
    hour = datetime.datetime.now(datetime.timezone.utc).hour
    # An hour before and two after: it may strike while this runs.
    now, other = (f"{(hour + by) % 24:02}-{(hour + by + 3) % 24:02}" for by in (-1, 6))
    slow = (stage.small.bytes - rate) / rate
    for bandwidth, limited in ((f"{now} = 12 KiB/s, unlimited", True), (f"{other} = 12 KiB/s, unlimited", False),
                               (f"{now} = unlimited, 12 KiB/s", False), ("12 KiB/s", True)):
        with Proxy(stage.nginx.upstream) as proxy:
            run = stage.run(source(f"{proxy.url}/plain/", f'allow_private = true\nbandwidth = "{bandwidth}"'), {"TZ": "UTC"})
            outcome = run.ingest("source://drop/small.tar")
            holds("it is kept", outcome == "kept", outcome)
            _, told = run.ask("item", "show", str(run.item["id"]))
            first = told["journal"][0]
            seconds = [datetime.datetime.fromisoformat(first[name].replace("Z", "+00:00")) for name in ("started", "ended")]
            seconds = (seconds[1] - seconds[0]).total_seconds()
            if limited:
                holds(f"{bandwidth}: not faster than allowed", seconds >= slow * 0.95, (seconds, slow))
                holds(f"{bandwidth}: not much slower either", seconds <= slow * 2 + 5, (seconds, slow))
            else:
                holds(f"{bandwidth}: without a limit now", seconds < slow * 0.7, (seconds, slow))


def all_connections_share_one_bandwidth(stage):
    rate = 8 << 20
    with Proxy(stage.nginx.upstream) as proxy:
        run = stage.run(source(f"{proxy.url}/plain/", 'allow_private = true\nconnections = 4\nbandwidth = "8 MiB/s"'))
        outcome = run.ingest("source://drop/bag.tar")
        holds("it is kept", outcome == "kept", outcome)
        seconds, least = took(proxy, "/bag.tar"), (stage.bag.bytes - rate) / rate
        # What lies in the sockets' buffers was sent, and not yet read.
        holds("together they get no more than allowed", seconds >= least * 0.8, (seconds, least))
        return f"{stage.bag.bytes / seconds / rate:.2f} of what is allowed"


def no_more_connections_than_allowed_whatever_is_fetched(stage):
    """Two deposits of one source at once, from a server that gives each connection little."""
    with Proxy(stage.nginx.upstream) as proxy:
        run = stage.run(source(f"{proxy.url}/rate/2m/", "allow_private = true\nconnections = 3"))
        with Daemon(run):
            for key in ("bag.tar", "twin/bag.tar"):
                run.ask("submit", f"source://drop/{key}")
            wait_for_rest(run, 300)
        rows = [row for row in proxy.counts.log if row["method"] == "GET" and row["range"] and row["sent"]]
        most = at_once(rows)
        holds("two deposits were fetched", len({row["path"] for row in rows}) == 2, len(rows))
        holds("by at most three connections at once", most <= 3, most)
        holds("and more than one paid", most >= 2, most)
        return f"{most} at once"


def at_once(rows):
    """How many of them overlapped at most; an overlap that is shorter than reading a clock is none."""
    marks = sorted([(row["began"], 1) for row in rows] + [(row["ended"] - 0.02, -1) for row in rows])
    now = most = 0
    for _, change in marks:
        now += change
        most = max(most, now)
    return most


QUICK = [a_source_that_asks_for_a_pause_gets_it, a_source_that_fails_again_and_again_is_left_alone, a_stalled_connection_is_found,
         a_closed_connection_costs_no_attempt]
ALL = QUICK + [a_long_pause_gives_the_worker_back, one_request_tries_for_all_and_an_answer_ends_the_rest,
               a_stalled_connection_is_found_within_half_a_minute_by_default, a_bandwidth_limit_holds_by_the_hour,
               all_connections_share_one_bandwidth, no_more_connections_than_allowed_whatever_is_fetched]
