"""Runs of the built program against an address, and what became of them.

- Every run has a data folder of its own and a configuration with short pauses; nothing of it is left behind.
- What counts as kept is looked at from outside: what is restored equals what was deposited, file by file, and the record
  names the digest of the very tar that lies at the source.
- What counts as refused left nothing on any target.
"""
import glob, hashlib, json, os, re, shutil, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lanes"))
import bags

CONFIG = """
data = "{data}"
i_accept_copies_on_one_disk = true
[retry]
first = "250 ms"
longest = "1 s"
[[target]]
name = "target-a"
[[target]]
name = "target-b"
"""


class Broken(Exception):
    """Something does not hold."""


class Deposit:
    """A bag in a tar: where it lies, its bytes, its digest and the digests of its files."""

    def __init__(self, path, files):
        self.path, self.files = path, files
        self.name = os.path.basename(path).removesuffix(".tar")
        self.bytes = os.path.getsize(path)
        with open(path, "rb") as tar:
            self.sha256 = hashlib.file_digest(tar, "sha256").hexdigest()


class Run:
    """One ingest (or several after one another) in one data folder."""

    def __init__(self, binary, folder, config="", environment=()):
        self.binary, self.folder, self.data = binary, folder, f"{folder}/data"
        os.makedirs(folder, exist_ok=True)
        self.config = f"{folder}/strongroom.toml"
        with open(self.config, "w") as out:
            out.write(CONFIG.format(data=self.data) + config)
        # Settings of who runs this must not reach the program.
        kept = {name: value for name, value in os.environ.items()
                if not name.lower().endswith("_proxy") and not name.startswith("AWS_")}
        self.environment = {**kept, **dict(environment)}
        self.log = ""

    def words(self, *words):
        return [self.binary, "--config", self.config, "--json", "-v", "-v", *words]

    def start(self, *words, log=subprocess.PIPE):
        # However the script ends, what it runs ends with it.
        tied = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        return subprocess.Popen([*tied, *self.words(*words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=log, text=True, env=self.environment)

    def ask(self, *words, limit=600):
        """(exit code, JSON document)"""
        process = self.start(*words)
        try:
            out, error = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            out, error = process.communicate()
            raise Broken(f"not at rest after {limit} s: {error[-800:]}") from None
        self.log += error
        if "panicked" in error:
            raise Broken(f"a panic: {error[-1500:]}")
        lines = out.strip().splitlines()
        try:
            return process.returncode, json.loads(lines[-1]) if lines else {}
        except ValueError:
            raise Broken(f"{words[0]} did not answer JSON (exit {process.returncode}): {out[-500:]} {error[-800:]}") from None

    def ingest(self, address, *words, limit=600):
        """What became of one address: "kept", a kind of trouble, or "not-taken"."""
        # Of a configured source the configuration says where it may lie.
        near = () if address.startswith("source:") else ("--allow-private",)
        return self.nearless(address, *near, *words, limit=limit)

    def nearless(self, address, *words, limit=600):
        """The same, without leave to ask private addresses."""
        began = time.monotonic()
        self.code, answer = self.ask("ingest", *words, address, limit=limit)
        self.seconds = time.monotonic() - began
        return self.outcome(answer)

    def outcome(self, answer):
        items = answer.get("items", [])
        if not items:
            self.item = None
            if self.code == 0:
                raise Broken(f"exit 0 and nothing was taken: {answer}")
            return "not-taken"
        self.item = items[0]
        if self.item["standing"] == "kept":
            if self.code != 0:
                raise Broken(f"kept, and exit {self.code}")
            return "kept"
        if self.code != 1 or not self.item["trouble"]:
            raise Broken(f"exit {self.code}: {self.item}")
        kind = self.item["trouble"]["kind"]
        _, troubles = self.ask("trouble", "list")
        listed = [row["trouble"]["kind"] for row in troubles["items"] if row["id"] == self.item["id"]]
        if listed != [kind]:
            raise Broken(f"`trouble list` tells {listed} and ingest told {kind}")
        return kind

    def check_kept(self, deposit):
        """What lies on the targets is the deposit."""
        if len(self.item["copies"]) != 2:
            raise Broken(f"kept with {len(self.item['copies'])} copies")
        to = f"{self.folder}/restored"
        shutil.rmtree(to, ignore_errors=True)
        code, _ = self.ask("object", "restore", self.item["object"], "--to", to)
        found = bags.digests(to)
        # The bag's folder, whatever the restored name is.
        found = {path.split("/", 1)[1]: digest for path, digest in found.items()}
        if code != 0 or found != deposit.files:
            wrong = [path for path in deposit.files if found.get(path) != deposit.files[path]]
            raise Broken(f"what is restored is not what was deposited: {wrong[:3]} of {len(wrong)}")
        shutil.rmtree(to)
        for copy in self.item["copies"]:
            found = glob.glob(f"{glob.escape(copy['root'] + '/' + copy['path'])}/v*/content/metadata/premis.xml")
            text = open(sorted(found)[-1]).read() if found else ""
            if deposit.sha256 not in text:
                raise Broken(f"the record on {copy['target']} does not name the sha256 of the tar at the source")
        if glob.glob(f"{self.data}/staging/*-*/"):
            raise Broken("staging was not cleared")

    def check_nothing_kept(self):
        found = glob.glob(f"{self.data}/target-*/ocfl/**/inventory.json", recursive=True)
        if found:
            raise Broken(f"not kept, and yet there is {found[0]}")

    def check_silent(self, *secrets):
        """No secret in what was printed, nor in any file of the ledger, nor in what it exports."""
        exported = ""
        if os.path.exists(f"{self.data}/ledger"):
            process = self.start("state", "export")
            exported, error = process.communicate(timeout=120)
            if process.returncode != 0:
                raise Broken(f"`state export` ends with {process.returncode}: {error[-400:]}")
        for secret in secrets:
            places = [path for path in glob.glob(f"{self.data}/**", recursive=True) if os.path.isfile(path)
                      and secret.encode() in open(path, "rb").read()]
            # A dump of what goes over the line would hide it from a search.
            dumped = re.search(r"(?:\b[0-9a-f]{4} ){4}", self.log)
            if places or dumped or secret in self.log or secret in exported:
                raise Broken(f"a secret is told in {places[:3] or 'the log, or the export'}")

