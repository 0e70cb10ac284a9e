"""The artefacts: a tarball with an installer, a deb, an rpm; the same bytes for the same source."""
import datetime, hashlib, io, os, pathlib, re, shutil, tarfile

from tools import cargo, clean, run
from tree import Tree, gz, units

DEB_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
MAINTAINER = os.environ.get("STRONGROOM_MAINTAINER", "the strongroom authors <strongroom@example.org>")


class Release:
    """What every package of one build shares."""

    def __init__(self, top, version, triple, epoch, program, share, sample, licences, words):
        self.top, self.version, self.triple, self.epoch = top, version, triple, epoch
        self.arch = triple.split("-")[0]
        self.program, self.share, self.sample, self.licences, self.words = program, share, sample, licences, words
        self.own = top / ".package"

    def manual(self, tree, below):
        for name, data in self.share["man"].items():
            tree.put(f"{below}/{name}.gz", gz(data))


def tarball(release, to):
    """Everything for a machine without a package manager that we know."""
    name = f"strongroom-{release.version}-{release.arch}-linux"
    tree = Tree()
    tree.put("bin/strongroom", release.program.read_bytes(), 0o755)
    release.manual(tree, "share/man")
    for place, data in release.share["completions"].items():
        tree.put(f"share/{place}", data)
    for path in sorted((release.top / "systemd").rglob("*")):
        if path.is_file():
            tree.put(f"systemd/{path.relative_to(release.top / 'systemd')}", path.read_bytes())
    tree.put("etc/strongroom.toml", (release.own / "strongroom.toml").read_bytes())
    tree.put("etc/strongroom.every-key.toml", release.sample)
    for file in ("LICENSE", "README.md"):
        tree.put(file, (release.top / file).read_bytes())
    tree.put("THIRD-PARTY.txt", release.licences)
    for script in ("install", "uninstall"):
        tree.put(script, (release.own / script).read_bytes(), 0o755)
    tree.put("VERSION", release.version + "\n")
    tree.put("ARCH", release.arch + "\n")
    tree.put("SHA256SUMS", sums({place: data for place, (data, _) in tree.files.items()}))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folders = sorted({str(parent) for place in tree.files for parent in pathlib.PurePath(place).parents})
        for folder in folders:
            entry = tarfile.TarInfo(name if folder == "." else f"{name}/{folder}")
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, release.epoch
            entry.uname = entry.gname = "root"
            tar.addfile(entry)
        for place, (data, mode) in sorted(tree.files.items()):
            entry = tarfile.TarInfo(f"{name}/{place}")
            entry.size, entry.mode, entry.mtime = len(data), mode, release.epoch
            entry.uname = entry.gname = "root"
            tar.addfile(entry, io.BytesIO(data))
    (to / f"{name}.tar.gz").write_bytes(gz(packed.getvalue()))
    return to / f"{name}.tar.gz"


def sums(files):
    """Lines for sha256sum -c."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {place}\n" for place, data in sorted(files.items()))


def installed(release):
    """Files where a distribution's package has them; what deb and rpm do differently is added by them."""
    tree = Tree()
    tree.put("usr/bin/strongroom", release.program.read_bytes(), 0o755)
    for name, data in units(release.top).items():
        tree.put(f"usr/lib/systemd/system/{name}", data)
    tree.put("usr/lib/sysusers.d/strongroom.conf", (release.top / "systemd/strongroom.sysusers").read_bytes())
    tree.put("usr/lib/tmpfiles.d/strongroom.conf", (release.top / "systemd/strongroom.tmpfiles").read_bytes())
    release.manual(tree, "usr/share/man")
    tree.put("etc/strongroom/strongroom.toml", (release.own / "strongroom.toml").read_bytes())
    doc = "usr/share/doc/strongroom"
    tree.put(f"{doc}/README.md.gz", gz((release.top / "README.md").read_bytes()))
    tree.put(f"{doc}/THIRD-PARTY.txt.gz", gz(release.licences.encode()))
    tree.put(f"{doc}/examples/strongroom.every-key.toml", release.sample)
    tree.put(f"{doc}/examples/cron.d/strongroom", (release.top / "systemd/cron.d/strongroom").read_bytes())
    return tree


def shells(release, tree, zsh):
    """Completions; distributions differ only about zsh."""
    places = {"bash-completion/completions": "usr/share/bash-completion/completions", "zsh/vendor-completions": zsh,
              "fish/vendor_completions.d": "usr/share/fish/vendor_completions.d"}
    for place, data in release.share["completions"].items():
        folder, name = place.rsplit("/", 1)
        tree.put(f"{places[folder]}/{name}", data)


def crate(release, folder, tree, scripts, assets):
    """A crate without code: what cargo-deb and cargo-generate-rpm are pointed at."""
    shutil.rmtree(folder, ignore_errors=True)
    tree.write(folder / "root", release.epoch)
    words = {**release.words, "SEMVER": release.version, "MAINTAINER": MAINTAINER}
    text = re.sub(r"@([A-Z]+)@", lambda found: words[found[1]].replace('"', '\\"'), (release.own / "manifest.toml").read_text())
    head = {"deb": "[package.metadata.deb]\n", "rpm": "[package.metadata.generate-rpm]\n"}[scripts]
    text = text.replace(head, head + "assets = [\n" + "".join(f"    {{ {asset} }},\n" for asset in assets) + "]\n")
    (folder / "Cargo.toml").write_text(text)
    (folder / "nothing.rs").write_text("")
    (folder / scripts).mkdir()
    # cargo-generate-rpm wants its target folder to be there, empty or not.
    (folder / "target").mkdir()
    for script in sorted((release.own / scripts).iterdir()):
        shutil.copy(script, folder / scripts / script.name)
    (folder / "LICENSE").write_bytes((release.top / "LICENSE").read_bytes())
    when = datetime.datetime.fromtimestamp(release.epoch, datetime.timezone.utc)
    (folder / "changelog").write_text(
        f"strongroom ({release.version}-1) unstable; urgency=medium\n\n  * Release {release.version}.\n\n"
        f" -- {MAINTAINER}  {when:%a, %d %b %Y %H:%M:%S} +0000\n")


def copyright_file(release):
    """debian/copyright, as machines read it."""
    mit = (release.top / "LICENSE").read_text().split("MIT License\n", 1)[1].split("-" * 100)[0].strip()
    body = "\n".join(f" {line}" if line.strip() else " ." for line in mit.split("\n\n", 1)[1].splitlines())
    return (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: strongroom\n\n"
        "Files: *\nCopyright: 2026 the strongroom authors\nLicense: Apache-2.0 or Expat\nComment:\n"
        " The program contains crates of other authors: names, licences and their\n texts are in THIRD-PARTY.txt.gz beside this file.\n\n"
        "License: Apache-2.0\n On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.\n\n"
        f"License: Expat\n{body}\n")


def deb(release, to, scratch):
    """The package for Debian, Ubuntu and what comes of them."""
    tree = installed(release)
    shells(release, tree, "usr/share/zsh/vendor-completions")
    tree.put("usr/share/doc/strongroom/copyright", copyright_file(release))
    tree.put("usr/share/lintian/overrides/strongroom", (release.own / "lintian-overrides").read_bytes())
    assets = [f'source = "root/{place}", dest = "{place}", mode = "{mode:o}"' for place, (_, mode) in sorted(tree.files.items())]
    folder = scratch / "deb"
    crate(release, folder, tree, "deb", assets)
    file = to / f"strongroom_{release.version}-1_{DEB_ARCH[release.arch]}.deb"
    run([cargo("cargo-deb"), "--manifest-path", folder / "Cargo.toml", "--no-build", "--no-strip", "--offline", "--target", release.triple,
         "--deb-version", f"{release.version}-1", "--output", file], cwd=folder, env=clean(SOURCE_DATE_EPOCH=release.epoch, CARGO_TARGET_DIR=folder / "target"))
    return file


def rpm(release, to, scratch):
    """The package for EL, Fedora, SUSE and what comes of them."""
    tree = installed(release)
    shells(release, tree, "usr/share/zsh/site-functions")
    tree.put("usr/share/licenses/strongroom/LICENSE", (release.top / "LICENSE").read_bytes())
    # Folders cannot be told to cargo-generate-rpm 0.21 (it looks for their content): the script after the install owns them.
    assets = []
    for place, (_, mode) in sorted(tree.files.items()):
        more = ""
        if place.startswith("etc/"):
            more, mode = ', config = "noreplace", group = "strongroom"', 0o640
        elif place.startswith("usr/share/doc/"):
            more = ", doc = true"
        assets.append(f'source = "root/{place}", dest = "/{place}", mode = "{mode:o}"{more}')
    folder = scratch / "rpm"
    crate(release, folder, tree, "rpm", assets)
    file = to / f"strongroom-{release.version}-1.{release.arch}.rpm"
    run([cargo("cargo-generate-rpm"), "--target", release.triple, "--auto-req", "no", "--payload-compress", "gzip", "--output", file],
        cwd=folder, env=clean(SOURCE_DATE_EPOCH=release.epoch, CARGO_TARGET_DIR=folder / "target"))
    return file
