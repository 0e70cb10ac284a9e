"""What goes into every package, laid out once: program, manual, completions, units, samples, licences."""
import gzip, json, os, pathlib, shutil

from tools import Cannot, clean, run

JOBS = ["fixity", "repair", "spot-test", "reconcile", "retention", "state-backup", "report"]


def gz(data):
    """Packed without name or date, so that the same bytes make the same bytes."""
    return gzip.compress(data, compresslevel=9, mtime=0)


class Tree:
    """Files by their place; the source of each is bytes, so that nothing of this machine's file system is packed."""

    def __init__(self):
        self.files = {}

    def put(self, place, data, mode=0o644):
        if place in self.files:
            raise Cannot(f"{place} is packed twice")
        self.files[place] = (data if isinstance(data, bytes) else data.encode(), mode)

    def write(self, folder, date):
        """Lays the files out below this folder, dated like the release."""
        shutil.rmtree(folder, ignore_errors=True)
        for place, (data, mode) in sorted(self.files.items()):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(mode)
            os.utime(path, (date, date))


def share(program, scratch):
    """Manual and completions, as the program makes them of itself: {manual, completions}, place to bytes."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    environment = {**clean(), "HOME": "/nonexistent", "STRONGROOM_DATA": str(scratch / "no-data")}
    made = {}
    for verb in ("man", "completions"):
        run([program, verb, "--to", scratch / verb], env=environment)
        made[verb] = {str(path.relative_to(scratch / verb)): path.read_bytes() for path in sorted((scratch / verb).rglob("*")) if path.is_file()}
        if not made[verb]:
            raise Cannot(f"{program} {verb} made nothing")
    return made


def sample(program, scratch):
    """Every key with its default, as the program prints it."""
    return run([program, "config", "show", "--sample"], env={**clean(), "STRONGROOM_DATA": str(scratch / "no-data")})


def third_party(top, triple):
    """The crates that the program is made of, their licences, and the texts of these."""
    told = json.loads(run(["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", triple], cwd=top, env=clean()))
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    within, open_ends = set(), [told["resolve"]["root"]]
    while open_ends:
        one = open_ends.pop()
        if one in within:
            continue
        within.add(one)
        # What only tests and build scripts use does not become part of the program.
        open_ends += [link["pkg"] for link in nodes[one]["deps"] if any(kind["kind"] is None for kind in link["dep_kinds"])]
    lines = ["strongroom is made with these crates. Where a licence offers a choice, either may be taken.", ""]
    texts = {}
    for package in sorted((packages[one] for one in within if one != told["resolve"]["root"]), key=lambda package: (package["name"], package["version"])):
        lines.append(f"{package['name']} {package['version']}  {package['license'] or 'see its text'}  {package['repository'] or ''}".rstrip())
        folder = pathlib.Path(package["manifest_path"]).parent
        for file in sorted(folder.iterdir()):
            if file.is_file() and file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")):
                text = file.read_text(errors="replace").strip()
                texts.setdefault(text, []).append(f"{package['name']} {package['version']} ({file.name})")
    for text, users in sorted(texts.items(), key=lambda pair: pair[1]):
        lines += ["", "=" * 100, *users, "-" * 100, text]
    return "\n".join(lines) + "\n"


def units(top):
    """Units of systemd: name below the folder of units, to text."""
    names = ["strongroom.service", "strongroom-job@.service", "strongroom-job@fixity.service.d/idle.conf", *(f"strongroom-{job}.timer" for job in JOBS)]
    there = {str(path.relative_to(top / "systemd")) for path in (top / "systemd").rglob("*") if path.suffix in (".service", ".timer", ".conf")}
    if there != set(names):
        raise Cannot(f"systemd/ and the packages do not agree about units: {sorted(there ^ set(names))}\ntry: name them in .package/tree.py and in the scripts of .package/deb and .package/rpm")
    return {name: (top / "systemd" / name).read_bytes() for name in names}
