"""The whole line under faults: what is deposited, how the program is run, and what must be true of what it leaves.

Made with Python's own tarfile, hashlib and json, so that the program under test has no say in the judgement.
"""
import hashlib
import json
import os
import random
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "lanes"))
import bags  # noqa: E402

DEPOSITOR = "local"
TARGETS = ("target-a", "target-b")
# What each item tells, once each: one row a stage, and one for each copy.
EVENTS = sorted(["transfer", "unpacking", "message-digest-calculation", "fixity-check", "validation", "ingestion",
                 "replication", "ingestion-end", "policy-assignment"])
# More than the ledger waits for an index whose own threads met an error and never answer.
RUN_SECONDS = 240
EXIT_DONE, EXIT_WRONG, EXIT_PARTLY, EXIT_LOADER, EXIT_IO = 0, 1, 3, 127, 74


class Wrong(Exception):
    """Something that must hold does not."""


def need(truth, why):
    if not truth:
        raise Wrong(why)


# --- deposits -----------------------------------------------------------------------------------------------------


class Deposit:
    """A bag in a tar, and what must come back."""

    def __init__(self, folder, bag, files, version=1):
        os.makedirs(folder, exist_ok=True)
        self.bag, self.version = bag, version
        self.tar = os.path.join(folder, f"{bag}.tar")
        members = bags.bag_files(files)
        # Written once: a tar with another time is another deposit.
        if not os.path.exists(self.tar):
            bags.write_tar(self.tar, bag, members)
        self.sha512 = {path: hashlib.sha512(data).hexdigest() for path, data in members.items()}

    @property
    def object(self):
        return f"strongroom:{DEPOSITOR}/{self.bag}"


def tiny_deposits(folder, seed=1):
    """Two small bags (12 payload files), and a second deposit of the first."""
    rng = random.Random(seed)
    letters = {"1891/an Käthe.txt": rng.randbytes(900), "1891/copy of it.txt": b"", "1891/unsent.txt": b"unsent\n",
               "scans/page 1.bin": rng.randbytes(9_000), "scans/page 2.bin": rng.randbytes(4_096),
               "scans/twin.bin": b"", "register.csv": rng.randbytes(300)}
    letters["1891/copy of it.txt"] = letters["1891/an Käthe.txt"]
    photos = {f"p{n}.bin": rng.randbytes(1_000 * n + 1) for n in range(5)}
    again = dict(letters)
    again["register.csv"] = rng.randbytes(320)
    again["scans/page 3.bin"] = rng.randbytes(2_000)
    del again["scans/page 2.bin"]
    first = [Deposit(folder, "letters", letters), Deposit(folder, "photos", photos)]
    return first, Deposit(os.path.join(folder, "again"), "letters", again, version=2)


# --- the program --------------------------------------------------------------------------------------------------


def default_binary():
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(target, "release", "strongroom")


def config_text(data, retry="20 ms", extra=""):
    """Everything below one folder, no floor (the disks here are small), and pauses short enough for a test."""
    places = [f'data = "{data}"', "i_accept_copies_on_one_disk = true"]
    places += ["[[staging]]", 'name = "staging"', f'path = "{data}/staging"', 'floor = "0 B"']
    for name in TARGETS:
        places += ["[[target]]", f'name = "{name}"', f'path = "{data}/{name}"', 'floor = "0 B"']
    places += ["[retry]", f'first = "{retry}"', f'longest = "{retry}"']
    return "\n".join(places) + "\n" + extra


class Program:
    """The built binary over one data folder."""

    def __init__(self, binary, data, config):
        self.binary, self.data, self.config = binary, data, config
        with open(config, "w") as file:
            file.write(config_text(data))

    def command(self, *words):
        return [self.binary, "--config", self.config, "--log", "text", "--json", *words]

    def run(self, *words, before=()):
        try:
            return subprocess.run([*before, *self.command(*words)], capture_output=True, text=True,
                                  timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired as late:
            said = (late.stderr or b"").decode(errors="replace")
            raise Wrong(f"`{' '.join(words[:2])}` did not end within {RUN_SECONDS} s; it said last: {last_line(said)}")

    def ask(self, *words):
        """One JSON document."""
        done = self.run(*words)
        need(done.returncode == 0, f"`{' '.join(words)}` ended with {done.returncode}: {last_line(done.stderr)}")
        return document(done, words)

    def ingest(self, deposits, before=()):
        return self.run("ingest", *[deposit.tar for deposit in deposits], before=before)


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1][-300:] if lines else "nothing"


def document(done, words):
    """The JSON document that ends stdout."""
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        pass
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise Wrong(f"`{' '.join(words)}` printed no JSON: {last_line(done.stdout)}") from None


def panics(stderr):
    return [text for text in stderr.splitlines() if "panicked at" in text]


def within_sled(panic):
    """sled panics where it cannot go on. The ledger runs it in a thread of its own, takes that for an error, and makes the
    index anew from the journal; all that remains is the line on stderr."""
    return "thread 'index'" in panic and ("/sled-" in panic or "/library/std/src/sys/fs/" in panic)


def panicked(stderr):
    """The first line of a panic, if there is one that is not sled's."""
    return next((text for text in panics(stderr) if not within_sled(text)), None)


# --- what it leaves -----------------------------------------------------------------------------------------------

ROOT_FILES = {"0=ocfl_1.1", "ocfl_layout.json", "STRONGROOM.md"}
# A file beside the objects, which OCFL allows: opening a target tries there what its file system can do, and removes it.
PROBE = "strongroom-probe"


def sha512_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def check_root(root, at_rest=False):
    """Every object of a storage root, judged file by file: {object: [state of v1, state of v2, ...]}.

    A state is {logical path: sha512}. Nothing may lie in the root that is not part of a whole object.
    """
    objects = {}
    if not os.path.isdir(root):
        return objects
    for top, folders, names in os.walk(root):
        here = os.path.relpath(top, root)
        if here == ".":
            if "extensions" in folders:
                folders.remove("extensions")
            strange = set(names) - ROOT_FILES - (set() if at_rest else {PROBE})
            need(not strange, f"{root} holds {sorted(strange)}")
            declared = "0=ocfl_1.1" in names
            continue
        if "0=ocfl_object_1.1" in names:
            identity, states = check_object(top)
            need(identity not in objects, f"{identity} lies in {root} twice")
            objects[identity] = states
            folders.clear()
            continue
        need(not names, f"{top} holds {names[:3]} and is no object")
        need(folders, f"{top} is an empty folder in a storage root")
    need(declared or not objects, f"{root} has objects and no declaration")
    return objects


def check_inventory(folder):
    path = f"{folder}/inventory.json"
    try:
        with open(path, "rb") as file:
            data = file.read()
        with open(f"{path}.sha512") as file:
            sidecar = file.read()
    except FileNotFoundError as why:
        raise Wrong(f"{folder}: {why.filename} is not there") from None
    said = re.fullmatch(r"([0-9a-f]{128})[ \t]+inventory\.json\n?", sidecar)
    need(said and said[1] == hashlib.sha512(data).hexdigest(), f"{path} and its sidecar differ")
    return data, json.loads(data)


def check_object(folder):
    with open(f"{folder}/0=ocfl_object_1.1") as file:
        need(file.read() == "ocfl_object_1.1\n", f"{folder} has a false declaration")
    data, inventory = check_inventory(folder)
    head = int(inventory["head"][1:])
    versions = {f"v{number}" for number in range(1, head + 1)}
    need(set(inventory["versions"]) == versions, f"{folder}: the inventory's versions are not v1 to v{head}")
    allowed = versions | {"0=ocfl_object_1.1", "inventory.json", "inventory.json.sha512", "logs"}
    strange = set(os.listdir(folder)) - allowed
    need(not strange, f"{folder} holds {sorted(strange)}")
    for version in sorted(versions):
        need(os.path.isdir(f"{folder}/{version}"), f"{folder}: {version} is not there")
        its, _ = check_inventory(f"{folder}/{version}")
        need(version != inventory["head"] or its == data, f"{folder}: the inventory of the head is not the root's")
        strange = set(os.listdir(f"{folder}/{version}")) - {"content", "inventory.json", "inventory.json.sha512"}
        need(not strange, f"{folder}/{version} holds {sorted(strange)}")
    known = {}
    for digest, paths in inventory["manifest"].items():
        for path in paths:
            known[path] = digest.lower()
    found = set()
    for version in versions:
        for top, folders, names in os.walk(f"{folder}/{version}/content"):
            need(folders or names, f"{top} is empty")
            for name in names:
                path = os.path.relpath(os.path.join(top, name), folder)
                need(path in known, f"{folder}: {path} is not in the manifest")
                found.add(path)
                need(sha512_of(f"{folder}/{path}") == known[path], f"{folder}: {path} has another digest")
    missing = set(known) - found
    need(not missing, f"{folder}: {len(missing)} files of the manifest are not there: {sorted(missing)[:2]}")
    check_logs(folder)
    digests = {digest.lower() for digest in inventory["manifest"]}
    states = []
    for number in range(1, head + 1):
        state = {}
        for digest, paths in inventory["versions"][f"v{number}"]["state"].items():
            need(digest.lower() in digests, f"{folder}: v{number} names a digest that the manifest has not")
            state.update({path: digest.lower() for path in paths})
        states.append(state)
    return inventory["id"], states


def check_logs(folder):
    """Whole files only, each naming the digest of the one before."""
    for top, _, names in os.walk(f"{folder}/logs"):
        for name in names:
            need(not name.startswith(".new-") and not name.endswith(".part"), f"{top}/{name} is half a file")
            with open(f"{top}/{name}", "rb") as file:
                text = file.read()
            need(text.endswith(b"\n"), f"{top}/{name} ends in the middle of a line")
            for line in text.splitlines():
                json.loads(line)


def bag_of(state):
    """The files of the bag in a version's state."""
    return {path[len("bag/"):]: digest for path, digest in state.items() if path.startswith("bag/")}


def check_kept(objects, deposits, where):
    """Each deposit is there, as the version it was, byte for byte."""
    for deposit in deposits:
        states = objects.get(deposit.object)
        need(states, f"{where}: {deposit.object} is not there")
        need(len(states) >= deposit.version, f"{where}: {deposit.object} has no version {deposit.version}")
        stored = bag_of(states[deposit.version - 1])
        need(stored == deposit.sha512, f"{where}: version {deposit.version} of {deposit.object} is not what was deposited")


def check_roots(data, at_rest):
    return {name: check_root(f"{data}/{name}/ocfl", at_rest) for name in TARGETS}


def check_before(data, acknowledged):
    """What must hold at every instant, before anything is run again: whole objects only, and all that was acknowledged."""
    for name, objects in check_roots(data, at_rest=False).items():
        check_kept(objects, acknowledged, name)


def finish(program, deposits, tries=6):
    """Runs `ingest` until these deposits are kept; releases what is held by sending it back to work. Gives the answer."""
    for _ in range(tries):
        done = program.ingest(deposits)
        panic = panicked(done.stderr)
        need(not panic, f"a panic: {panic}")
        need(done.returncode in (EXIT_DONE, EXIT_WRONG), f"the next ingest ended with {done.returncode}: {last_line(done.stderr)}")
        answer = document(done, ["ingest"])
        standings = {item["id"]: item["standing"] for item in answer["items"]}
        need("refused" not in standings.values(), f"a good bag was refused: {answer['items']}")
        if done.returncode == EXIT_DONE:
            return answer
        held = [str(id) for id, standing in standings.items() if standing == "held"]
        need(held, f"ingest ended with 1 and nothing is held: {standings}")
        requeued = program.run("requeue", *held, "--yes")
        need(requeued.returncode == 0, f"requeue ended with {requeued.returncode}: {last_line(requeued.stderr)}")
    raise Wrong(f"not kept after {tries} tries")


def check_after(program, deposits, restore_to=None):
    """What must hold in the end, however it was reached."""
    items = {}
    for version in sorted({deposit.version for deposit in deposits}):
        these = [deposit for deposit in deposits if deposit.version == version]
        answer = finish(program, these)
        need(len(answer["items"]) == len(these), f"{len(these)} deposits became {len(answer['items'])} items")
        by_bag = {item["bag"]: item for item in answer["items"]}
        for deposit in these:
            item = by_bag[deposit.bag]
            told = (item["standing"], item["version"], item["object"], sorted(copy["target"] for copy in item["copies"]))
            wanted = ("kept", deposit.version, deposit.object, sorted(TARGETS))
            need(told == wanted, f"{deposit.bag} ended as {told}, not as {wanted}")
            items[(deposit.bag, deposit.version)] = item["id"]
    known = program.ask("item", "list", "--all")["items"]
    need(len(known) == len(deposits), f"{len(deposits)} deposits are {len(known)} items in the ledger")
    seen = set()
    for item in items.values():
        events = program.ask("item", "events", str(item))["events"]
        ids = [event["id"] for event in events]
        need(not seen & set(ids) and len(set(ids)) == len(ids), f"item {item} has an event twice")
        seen.update(ids)
        kinds = sorted(event["event_type"] for event in events)
        need(kinds == EVENTS, f"item {item} has the events {kinds}")
    roots = check_roots(program.data, at_rest=True)
    newest = {deposit.object: deposit.version for deposit in deposits}
    for name, objects in roots.items():
        check_kept(objects, deposits, name)
        versions = {identity: len(states) for identity, states in objects.items()}
        need(versions == newest, f"{name} holds {versions}, not {newest}")
    need(roots[TARGETS[0]] == roots[TARGETS[1]], "the targets differ")
    check_tidy(program.data)
    if restore_to:
        check_restored(program, deposits, restore_to)


def check_tidy(data):
    """No work in progress is left once everything is kept."""
    left = [name for name in os.listdir(f"{data}/staging") if re.search(r"-\d+$", name)]
    for target in TARGETS:
        work = f"{data}/{target}/work"
        left += [f"{target}/work/{name}" for name in os.listdir(work) if name not in ("lock", "tmp", "orphans")]
        left += [f"{target}/work/{sub}/{name}" for sub in ("tmp", "orphans") for name in os.listdir(f"{work}/{sub}")]
    need(not left, f"work was left behind: {left[:3]}")


def check_restored(program, deposits, to):
    newest = {}
    for deposit in deposits:
        newest[deposit.object] = deposit
    for deposit in newest.values():
        done = program.run("object", "restore", deposit.object, "--to", to)
        need(done.returncode == 0, f"restore ended with {done.returncode}: {last_line(done.stderr)}")
        folder = os.path.join(to, deposit.bag)
        given = {os.path.relpath(os.path.join(top, name), folder): sha512_of(os.path.join(top, name))
                 for top, _, names in os.walk(folder) for name in names}
        need(given == deposit.sha512, f"{deposit.bag} was not given back as it was deposited")
