#!/usr/bin/env python3
"""The packages: installed, upgraded, rolled back and taken away again, on real machines booted with systemd.

What .package/build makes is tried as people use it: the deb by dpkg, the tarball by its own scripts, the rpm into a folder
of its own. Kept copies and the ledger must outlive all of it.

usage: packages.py [--suite NAME]... [--only STORY]... [--packages DIR]
"""
import argparse, concurrent.futures, os, pathlib, re, shutil, subprocess, sys, tarfile, tempfile, threading, time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE))
from host import holds, say
import newcomer
from machine import CACHE, CannotBoot, Failed, Machine, needs

PORTS = {"bookworm": 22642, "trixie": 22643}


def skipped(what, why):
    say(f"  skipped: {what}: {why}")


def run(*command, check=True, **how):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, **how)
    if check and done.returncode:
        raise Failed(f"{command}: exit {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done


class Packages:
    """The artefacts of one version."""

    def __init__(self, folder):
        self.folder = folder
        self.deb, self.tarball, self.rpm = (self.one(f"*{end}") for end in (f"_{arch_of_debian()}.deb", f"-{os.uname().machine}-linux.tar.gz", f".{os.uname().machine}.rpm"))
        self.version = re.match(r"strongroom-(.+)-\w+-linux\.tar\.gz", self.tarball.name)[1]

    def one(self, pattern):
        found = sorted(self.folder.glob(pattern))
        if len(found) != 1:
            raise Failed(f"{self.folder} holds {len(found)} of {pattern}; try: .package/build")
        return found[0]


def arch_of_debian():
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def packed(folder, scratch):
    """The packages, and the same program packed as a second version."""
    if not (folder / "SHA256SUMS").exists():
        print(f"building packages into {folder}", flush=True)
        if subprocess.run([TOP / ".package/build", "--to", folder]).returncode:
            raise Failed("the packages cannot be built; what .package/build printed stands above")
    first = Packages(folder)
    with tarfile.open(first.tarball) as tar:
        tar.extract(next(name for name in tar.getnames() if name.endswith("/bin/strongroom")), scratch)
    program = next(scratch.glob("*/bin/strongroom"))
    run(TOP / ".package/build", "--to", scratch / "second", "--version-suffix", "+2", "--program", program)
    return first, Packages(scratch / "second")


class Packed:
    """A machine, and the two versions that it gets."""

    def __init__(self, machine, first, second):
        self.machine, self.first, self.second = machine, first, second
        for packages in (first, second):
            for file in (packages.deb, packages.tarball):
                shutil.copy(file, machine.root / "root")

    def bag(self, name, seed):
        m = self.machine
        self.make(name)
        m.ssh(f"strongroom submit /srv/in/{name}.tar")
        m.until(f"{name} is kept", lambda: name in self.kept())

    def kept(self):
        items = self.machine.json("strongroom item list --all --json")["items"]
        return {item["bag"] for item in items if item["standing"] == "kept"}

    def make(self, name):
        self.machine.ssh(f"mkdir -p /srv/in/{name} && head -c 300000 /dev/urandom > /srv/in/{name}/payload && cd /srv/in && strongroom bag make {name} --tar >/dev/null && chown -R strongroom: /srv/in")

    def pid(self):
        return int(self.machine.out("systemctl show strongroom -p MainPID --value"))

    def active(self):
        return self.machine.out("systemctl is-active strongroom", check=False)


def story_newcomer(host):
    newcomer.newcomer(host.machine, host.first.deb)


# --- the deb, on a booted machine -------------------------------------------------------------------------------------------


def story_deb_install(host):
    m = host.machine
    done = m.ssh(f"apt-get install -y --no-install-recommends -o Dpkg::Use-Pty=0 /root/{host.first.deb.name}")
    m.until("the service runs when the package is installed", lambda: host.active() == "active")
    holds("the doctor finds no failure", m.json("strongroom doctor --json")["failures"] == 0, done.stderr)
    owners = m.out("stat -c '%U:%G %a %n' /etc/strongroom /etc/strongroom/strongroom.toml /var/lib/strongroom /run/strongroom/admin.sock")
    holds("folders and socket belong to the service, and others cannot look", owners.split("\n")[:3] == [
        "root:strongroom 750 /etc/strongroom", "root:strongroom 640 /etc/strongroom/strongroom.toml", "strongroom:strongroom 750 /var/lib/strongroom"], owners)
    timers = m.out("systemctl list-timers --no-legend 'strongroom-*'").splitlines()
    holds("the jobs' timers run", len(timers) == 7, timers)
    holds("nothing on the machine failed", m.out("systemctl --failed --no-legend") == "")
    pages = m.out("dpkg -L strongroom | grep /usr/share/man/ | grep -c gz")
    holds(f"the manual is there: {pages} pages", int(pages) >= 1)


def story_deb_unit(host):
    m = host.machine
    # A minimal machine has no man; the pages are looked up by story_unit_and_its_pages.
    done = m.ssh("systemd-analyze verify --man=no /usr/lib/systemd/system/strongroom.service /usr/lib/systemd/system/strongroom-*.timer 2>&1", check=False)
    holds("systemd-analyze verify has nothing to say", done.returncode == 0 and done.stdout.strip() == "", done.stdout)
    done = m.ssh("systemd-analyze security --offline=true --threshold=15 --no-pager /usr/lib/systemd/system/strongroom.service | tail -1")
    holds(f"exposure: {done.stdout.strip()[2:]}", True)


def story_deb_bag(host):
    host.bag("first", 1)
    holds("a bag is kept", host.kept() == {"first"})
    m = host.machine
    m.ssh("useradd -m anna && usermod -aG strongroom anna")
    holds("a member of the group asks as herself", m.ssh("strongroom item list", user="anna").returncode == 0)
    m.ssh("useradd -m carl")
    told = m.ssh("cd && strongroom item list; echo $?; ls", user="carl", check=False)
    holds("who is no member hears so, and gets no data folder of his own unaware", "usermod -aG strongroom" in told.stderr and told.stdout.split() == ["78"], told.stdout + told.stderr)


def story_deb_upgrade(host):
    m = host.machine
    was = host.pid()
    m.ssh(f"dpkg -i /root/{host.second.deb.name}")
    holds("the upgrade drained and restarted", host.pid() not in (0, was))
    holds("and is the newer version", m.out("dpkg-query -W -f '${Version}' strongroom") == f"{host.second.version}-1")
    host.bag("second", 2)
    holds("what was kept is kept", host.kept() == {"first", "second"})


def story_deb_refused_configuration(host):
    m = host.machine
    was = host.pid()
    m.ssh("cp -p /etc/strongroom/strongroom.toml /root/good.toml && sed -i '1i nonsense = 1' /etc/strongroom/strongroom.toml")
    done = m.ssh(f"dpkg -i --force-confold /root/{host.first.deb.name}", check=False)
    holds("a release that does not take the configuration is no success, and says why", done.returncode != 0 and "nonsense" in done.stderr and "goes on running" in done.stderr, done.stderr)
    holds("the one before goes on", host.pid() == was)
    m.ssh("cp -p /root/good.toml /etc/strongroom/strongroom.toml && dpkg --configure strongroom")
    m.until("mended, it is whole and restarted", lambda: host.pid() not in (0, was) and m.out("dpkg-query -W -f '${Status}' strongroom") == "install ok installed")


def story_deb_stays_stopped(host):
    m = host.machine
    m.ssh("systemctl stop strongroom && systemctl disable --now strongroom-report.timer")
    m.ssh(f"dpkg -i --force-confold /root/{host.second.deb.name}")
    holds("an upgrade starts nothing that was stopped", host.active() == "inactive")
    holds("and enables nothing that was disabled", m.out("systemctl is-enabled strongroom-report.timer", check=False) == "disabled")
    # Verbs work without a daemon, too; what root does then must not lock the service out.
    m.ssh("strongroom status && strongroom doctor", check=False)
    m.ssh("systemctl start strongroom")
    strange = m.out("find /var/lib/strongroom ! -user strongroom")
    holds("what root asks meanwhile leaves nothing of root's in the ledger", strange == "" and host.active() == "active", strange)


def story_deb_purge(host):
    m = host.machine
    copies = m.out("cd /var/lib/strongroom && find vault-a vault-b -type f | sort | xargs sha256sum")
    m.ssh("dpkg -r strongroom")
    holds("removed: no service, no program", host.active() in ("inactive", "failed", "unknown") and m.ssh("test -e /usr/bin/strongroom", check=False).returncode != 0)
    done = m.ssh("dpkg -P strongroom")
    holds("purge says what stays", "/var/lib/strongroom stays" in done.stderr, done.stderr)
    holds("the configuration is gone", m.ssh("test -e /etc/strongroom/strongroom.toml", check=False).returncode != 0)
    holds("ledger and every copy are untouched", m.ssh("test -d /var/lib/strongroom/ledger").returncode == 0 and m.out("cd /var/lib/strongroom && find vault-a vault-b -type f | sort | xargs sha256sum") == copies)
    holds("nothing of the units is left", m.out("find /etc/systemd /usr/lib/systemd /var/lib/systemd/deb-systemd-helper-* -name '*strongroom*'") == "", m.out("find /etc/systemd /usr/lib/systemd /var/lib/systemd/deb-systemd-helper-* -name '*strongroom*'"))


# --- the tarball, on the same machine: what the deb kept is taken over -------------------------------------------------------


def unpack(host, packages):
    host.machine.ssh(f"cd /root && tar -xzf {packages.tarball.name}")
    return f"/root/{packages.tarball.name.removesuffix('.tar.gz')}"


def links(m):
    return [m.out(f"readlink /opt/strongroom/{link}", check=False).rsplit("/", 1)[-1] for link in ("current", "previous")]


def story_tarball_install(host):
    m = host.machine
    folder = unpack(host, host.first)
    before = m.out("find /etc /usr /opt /var/lib -xdev | sort | sha256sum")
    told = m.out(f"{folder}/install --check")
    holds("--check says what would be done, and does nothing", "would put the release" in told and m.out("find /etc /usr /opt /var/lib -xdev | sort | sha256sum") == before, told)
    m.ssh(f"{folder}/install")
    holds("the service runs", host.active() == "active" and links(m) == [host.first.version, ""])
    holds("what another installation kept is there", host.kept() == {"first", "second"})
    told = m.out(f"{folder}/install")
    holds("a second run changes nothing", "write" not in told and "switch" not in told, told)
    holds("the verb is on everybody's path", m.out("readlink -f /usr/local/bin/strongroom") == f"/opt/strongroom/releases/{host.first.version}/strongroom")
    holds("systemd-analyze verify has nothing to say", m.ssh("systemd-analyze verify --man=no /etc/systemd/system/strongroom.service 2>&1", check=False).stdout.strip() == "")


def story_tarball_upgrade(host):
    m = host.machine
    was = host.pid()
    folder = unpack(host, host.second)
    told = m.out(f"{folder}/install --check")
    holds("--check of an upgrade has the new program read configuration and ledger", f"would switch current from /opt/strongroom/releases/{host.first.version} to" in told and host.pid() == was, told)
    m.ssh(f"{folder}/install")
    holds("current is the new release, previous the old one", links(m) == [host.second.version, host.first.version] and host.pid() not in (0, was), links(m))
    host.bag("third", 3)


def spoiled(host, name, text):
    """A release of the tarball whose program is this script."""
    m = host.machine
    folder = f"/root/{name}"
    m.ssh(f"cp -a /root/{host.second.tarball.name.removesuffix('.tar.gz')} {folder} && echo {name} > {folder}/VERSION")
    m.put(f"{folder}/bin/strongroom", text.replace("REAL", f"/opt/strongroom/releases/{host.second.version}/strongroom"), 0o755)
    m.ssh(f"cd {folder} && sed -i 's/#.*//' SHA256SUMS && cut -d' ' -f3- SHA256SUMS | xargs sha256sum > SUMS && mv SUMS SHA256SUMS")
    return folder


def story_tarball_flips_back(host):
    m = host.machine
    was = links(m)
    folder = spoiled(host, "9.1", "#!/bin/sh\ncase \"$*\" in *serve*) exit 3;; esac\nexec REAL \"$@\"\n")
    done = m.ssh(f"{folder}/install --tries 3", check=False)
    holds("a release that does not work is an error, and the one before runs again", done.returncode == 1 and "runs again" in done.stderr, done.stderr)
    holds("both links are as before", links(m) == was and host.active() == "active", links(m))
    pid = host.pid()
    folder = spoiled(host, "9.2", "#!/bin/sh\ncase \"$*\" in *version) exit 0;; esac\necho 'error: made by a newer release' >&2\nexit 78\n")
    done = m.ssh(f"{folder}/install", check=False)
    holds("one that refuses is never switched to", done.returncode == 1 and "newer release" in done.stderr and host.pid() == pid and links(m) == was, done.stderr)
    m.ssh(f"cd /root && cp -a {folder} damaged && echo >> damaged/systemd/strongroom.service")
    done = m.ssh("/root/damaged/install", check=False)
    holds("a damaged tarball is refused", done.returncode == 1 and "not what was packed" in done.stderr, done.stderr)


def story_tarball_rollback(host):
    m = host.machine
    was = links(m)
    m.ssh("/opt/strongroom/current/install --rollback")
    holds("one command goes back", links(m) == was[::-1] and host.active() == "active", links(m))
    holds("and everything is there", host.kept() == {"first", "second", "third"})
    m.ssh("/opt/strongroom/current/install --rollback")
    holds("and forth", links(m) == was)


def story_tarball_drop_ins(host):
    m = host.machine
    m.ssh("mkdir /srv/vault-c && chown strongroom: /srv/vault-c && printf '\\n[[target]]\\nname = \"vault-c\"\\npath = \"/srv/vault-c\"\\n' >> /etc/strongroom/strongroom.toml")
    told = m.out(f"/root/{host.second.tarball.name.removesuffix('.tar.gz')}/install")
    holds("a folder that the unit could not write gets its drop-in by the installer", "write drop-ins" in told and "/srv/vault-c" in m.out("systemctl show strongroom -p ReadWritePaths"), told)
    holds("and the doctor is content", m.json("strongroom doctor --json")["failures"] == 0 and m.ssh("test -e /srv/vault-c/strongroom-target.json").returncode == 0)


def story_tarball_uninstall(host):
    m = host.machine
    done = m.ssh("/opt/strongroom/current/uninstall")
    holds("uninstalled: says what stays", "/var/lib/strongroom/ledger" in done.stdout and m.ssh("test -e /etc/strongroom/strongroom.toml -a -d /var/lib/strongroom/ledger").returncode == 0, done.stdout)
    left = m.out("find /etc/systemd /opt /usr/local -name '*strongroom*' ! -path '*.service.d*'")
    holds("nothing else is left", left == "", left)
    m.ssh(f"/root/{host.second.tarball.name.removesuffix('.tar.gz')}/install")
    holds("installed again, it knows what it kept", host.kept() == {"first", "second", "third"})
    host.make("fourth")
    m.ssh("systemctl stop strongroom && runuser -u strongroom -- sh -c 'cd / && strongroom submit /srv/in/fourth.tar'")
    done = m.ssh("/opt/strongroom/current/uninstall --purge", check=False)
    holds("no purge while an item is neither kept nor given up", done.returncode == 1 and "1 items are neither" in done.stderr and m.ssh("test -d /opt/strongroom/current").returncode == 0, done.stderr)
    m.ssh("runuser -u strongroom -- sh -c 'cd / && strongroom item cancel 4'")
    copies = m.out("cd /var/lib/strongroom && find vault-a vault-b -type f | sort | xargs sha256sum")
    m.ssh("/opt/strongroom/current/uninstall --purge")
    holds("a purge takes ledger and configuration", m.ssh("test -e /var/lib/strongroom/ledger -o -e /etc/strongroom", check=False).returncode != 0)
    holds("and no target: every copy is untouched", m.out("cd /var/lib/strongroom && find vault-a vault-b -type f | sort | xargs sha256sum") == copies)
    holds("not the one elsewhere either", m.ssh("test -e /srv/vault-c/strongroom-target.json").returncode == 0)
    left = m.out("find /etc /opt /usr/local -name '*strongroom*'")
    holds("nothing is left of units and settings", left == "", left)


ON_MACHINE = [story_newcomer, story_deb_install, story_deb_unit, story_deb_bag, story_deb_upgrade, story_deb_refused_configuration, story_deb_stays_stopped,
              story_deb_purge, story_tarball_install, story_tarball_upgrade, story_tarball_flips_back, story_tarball_rollback, story_tarball_drop_ins, story_tarball_uninstall]


# --- without a booted machine -------------------------------------------------------------------------------------------------


def story_lintian(first, second, scratch):
    if not shutil.which("lintian"):
        return skipped("lintian", "it is not installed")
    done = run("lintian", "--fail-on", "error", "--tag-display-limit", "0", first.deb, check=False)
    for line in done.stdout.splitlines():
        say(f"    {line}")
    holds("lintian finds no error", done.returncode == 0, done.stdout + done.stderr)


def story_scripts(first, second, scratch):
    own = TOP / ".package"
    scripts = [own / "install", own / "uninstall", *sorted((own / "deb").iterdir()), *sorted((own / "rpm").iterdir())]
    for script in scripts:
        run("sh", "-n", script)
    holds(f"sh can read all {len(scripts)} scripts", len(scripts) == 11)
    if not shutil.which("shellcheck"):
        return skipped("shellcheck", "it is not installed")
    run("shellcheck", "-s", "sh", *scripts)
    holds("shellcheck has nothing to say", True)


def story_unit_and_its_pages(first, second, scratch):
    if not all(map(shutil.which, ("systemd-analyze", "dpkg-deb", "man"))):
        return skipped("the unit's pages", "systemd-analyze, dpkg-deb and man are not all here")
    root = scratch / "deb"
    run("dpkg-deb", "-x", first.deb, root)
    unit = scratch / "strongroom.service"
    text = (root / "usr/lib/systemd/system/strongroom.service").read_text()
    unit.write_text(text.replace("/usr/bin/strongroom", str(root / "usr/bin/strongroom")))
    done = run("systemd-analyze", "verify", "--man=yes", unit, check=False, env={**os.environ, "MANPATH": str(root / "usr/share/man")})
    holds("systemd-analyze verify has nothing to say, and finds every page that the unit names", done.returncode == 0 and not done.stderr.strip(), done.stderr)
    pages = sorted((root / "usr/share/man").rglob("*.gz"))
    warned = [f"{page.name}: {told}" for page in pages if (told := run("man", "--warnings", "-l", "-Tutf8", page, env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}).stderr)]
    holds(f"man --warnings has nothing to say of {len(pages)} packed pages", not warned, warned)


def story_rpm(first, second, scratch):
    if not shutil.which("rpm"):
        return skipped("rpm", "it is not installed")
    root = scratch / "rpm-root"
    run("rpm", "--root", root, "--initdb")
    # This machine's packages are no rpms, so nothing that is needed is known to be there.
    run("rpm", "--root", root, "-i", "--nodeps", "--noscripts", "--ignorearch", first.rpm)
    listed = run("rpm", "-qlp", first.rpm).stdout.split()
    lacks = [path for path in listed if not (root / path.lstrip("/")).exists()]
    holds(f"the rpm lays out {len(listed)} files", not lacks and "/usr/bin/strongroom" in listed, lacks)
    holds("its program runs there", "strongroom" in run(root / "usr/bin/strongroom", "--version").stdout)
    holds("the configuration is one that is never overwritten", "/etc/strongroom/strongroom.toml" in run("rpm", "-qcp", first.rpm).stdout)
    config = root / "etc/strongroom/strongroom.toml"
    config.write_text(config.read_text() + "# mine\n")
    run("rpm", "--root", root, "-U", "--nodeps", "--noscripts", "--ignorearch", second.rpm)
    holds("an upgrade leaves it alone", config.read_text().endswith("# mine\n"))
    scripts = run("rpm", "-qp", "--qf", "%{PREIN}\n(none)\n%{POSTIN}\n(none)\n%{PREUN}\n(none)\n%{POSTUN}\n(none)\n%{POSTTRANS}\n", first.rpm).stdout.split("(none)\n")
    holds("it has five scripts, which sh can read", len(scripts) == 5 and all(text.strip() and run("sh", "-n", "-c", text) for text in scripts), scripts)
    run("rpm", "--root", root, "-e", "--noscripts", "strongroom")
    holds("erased, it leaves nothing but the changed configuration", not (root / "usr/bin/strongroom").exists() and list((root / "etc/strongroom").iterdir()), None)


def story_tarball_without_systemd(first, second, scratch):
    root = scratch / "plain root"
    for packages in (first, second):
        run("tar", "-C", scratch, "-xzf", packages.tarball)
    one, two = (scratch / packages.tarball.name.removesuffix(".tar.gz") for packages in (first, second))
    done = run(one / "install", "--root", root, "--prefix", "/opt/strong room", check=False)
    holds("a prefix that would break the units is refused, and nothing is laid out", done.returncode == 1 and "a unit would read otherwise" in done.stderr and not root.exists(), done.stderr)
    run(one / "install", "--root", root)
    run(two / "install", "--root", root)
    at = root / "opt/strongroom"
    holds("an upgrade flips the links", [os.readlink(at / link).rsplit("/")[-1] for link in ("current", "previous")] == [second.version, first.version])
    holds("a link on the path leads through current", os.readlink(root / "usr/local/bin/strongroom") == "/opt/strongroom/current/strongroom")
    run(at / "releases" / second.version / "install", "--root", root, "--rollback")
    holds("a rollback flips them back", os.readlink(at / "current").endswith(f"/{first.version}"))
    holds("no half-made link is left", not [path for path in at.iterdir() if path.name.endswith(".new")])
    data = root / "var/lib/strongroom"
    for folder in ("staging", "vault-a/ocfl", "disks/retired/ocfl"):
        (data / folder).mkdir(parents=True)
    for folder in ("vault-a", "disks/retired"):
        (data / folder / "strongroom-target.json").write_text("{}")
    # An inbox and a source below the data folder, with what a depositor put there and nobody has taken in yet.
    config = root / "etc/strongroom/strongroom.toml"
    lies = "/var/lib/strongroom"
    config.write_text(config.read_text() + f'\n[serve]\ninbox = "{lies}/inbox"\n[[depositor]]\nname = "uva"\n[[source]]\nname = "drop"\npath = "{lies}/receiving/uva"\ndepositor = "uva"\n')
    for folder in ("inbox/uva", "receiving/uva"):
        (data / folder).mkdir(parents=True)
        (data / folder / "letters.tar").write_text("the only copy")
    run(at / "releases" / first.version / "uninstall", "--root", root, "--purge")
    deposits = [data / folder / "letters.tar" for folder in ("inbox/uva", "receiving/uva")]
    holds("a purge spares what depositors put down", all(path.exists() for path in deposits))
    for path in deposits:
        path.unlink()
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
    holds("a purge spares what was ever a target, and nothing else", left == ["var/lib/strongroom/disks/retired/strongroom-target.json", "var/lib/strongroom/vault-a/strongroom-target.json"], left)
    done = run(one / "uninstall", "--root", root, "--prefix", "/usr", check=False)
    holds("a folder that is no installation is not emptied", done.returncode == 1 and "there is no strongroom" in done.stderr, done.stderr)


# Debian 10 has glibc 2.28, the oldest that the program is made for, and lies in archives only. Debian 11 has 2.31.
OLD = ("buster", "bullseye")


def oldest_root():
    """The oldest Debian that can be had, as a tar that is made once."""
    for suite in OLD:
        tar = CACHE / f"{suite}-plain.tar"
        if not tar.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            part = tar.with_suffix(".part.tar")
            made = run("mmdebstrap", "-q", "--variant=essential", "--include=passwd", suite, part, check=False)
            if made.returncode:
                part.unlink(missing_ok=True)
                skipped(suite, "its root cannot be made here; symbols are checked by .package/build")
                continue
            part.rename(tar)
        return tar
    return None


def story_oldest_glibc(first, second, scratch):
    if os.geteuid() or not shutil.which("mmdebstrap"):
        return skipped("an old Debian", "making its root needs root and mmdebstrap")
    tar = oldest_root()
    if not tar:
        return
    root = scratch / "old"
    root.mkdir()
    run("tar", "-C", root, "-xf", tar)
    run("tar", "-C", root / "root", "--no-same-owner", "-xzf", first.tarball)
    shutil.copy(TOP / "fixtures/good/letters.tar", root / "tmp")
    told = run("chroot", root, "ldd", "--version").stdout.splitlines()[0]
    done = run("chroot", root, f"/root/{first.tarball.name.removesuffix('.tar.gz')}/install", check=False)
    holds(f"with {told}, the installer goes all the way, without systemd", done.returncode == 0 and "nothing was started. By hand" in done.stdout, done.stdout + done.stderr)
    # As the farewell says, in the foreground: without a daemon a verb does the work itself.
    run("chroot", root, "install", "-d", "-o", "strongroom", "-g", "strongroom", "-m", "0750", "/run/strongroom")
    done = run("chroot", root, "su", "-s", "/bin/sh", "strongroom", "-c", "cd / && /usr/local/bin/strongroom ingest /tmp/letters.tar", check=False)
    holds("and the program keeps a bag", "1 kept" in done.stdout + done.stderr, done.stdout + done.stderr)
    run("chroot", root, "/opt/strongroom/current/uninstall")
    holds("uninstalled, the copies are there", len(list((root / "var/lib/strongroom").glob("vault-*/ocfl/0=ocfl_1.1"))) == 2)
    shutil.copy(first.deb, root / "tmp")
    run("chroot", root, "dpkg", "-i", "--force-confold", f"/tmp/{first.deb.name}")
    done = run("chroot", root, "su", "-s", "/bin/sh", "strongroom", "-c", "cd / && strongroom object list")
    holds("the deb is taken there, too, and knows what is kept", "letters" in done.stdout, done.stdout + done.stderr)


ANYWHERE = [story_scripts, story_lintian, story_unit_and_its_pages, story_rpm, story_tarball_without_systemd, story_oldest_glibc]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.strip().splitlines()[-1].removeprefix("usage: "))
    parser.add_argument("--suite", action="append")
    parser.add_argument("--only", action="append", help="a part of a story's name; stories on a machine build on those before")
    parser.add_argument("--packages", type=pathlib.Path, default=TOP / "target/package")
    given = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="strongroom-packages-"))

    def wanted(stories):
        return [story for story in stories if not given.only or any(part in story.__name__ for part in given.only)]

    try:
        first, second = packed(given.packages.resolve(), scratch)
        for story in wanted(ANYWHERE):
            threading.current_thread().name = "packages"
            say(story.__name__.removeprefix("story_"))
            story(first, second, scratch)
        stories = wanted(ON_MACHINE)
        suites = (given.suite or list(PORTS)) if stories else []
        if suites:
            needs()
            with concurrent.futures.ThreadPoolExecutor(len(suites)) as pool:
                ends = list(pool.map(lambda suite: lived(suite, stories, first, second), suites))
            if not all(ends):
                sys.exit(1)
    except CannotBoot as why:
        print(f"skipped: no machine can be booted here: {why}")
    except Failed as wrong:
        sys.exit(f"wrong: {wrong}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def lived(suite, stories, first, second):
    """One machine's life; True when all of it held."""
    threading.current_thread().name = suite
    began = time.monotonic()
    try:
        machine = Machine(suite, PORTS[suite])
    except CannotBoot as why:
        say(f"skipped: no machine can be booted here: {why}")
        return True
    try:
        host = Packed(machine, first, second)
        for story in stories:
            say(f"{story.__name__.removeprefix('story_')} ({time.monotonic() - began:.0f} s)")
            story(host)
        say(f"well, {time.monotonic() - began:.0f} s")
        return True
    except Failed as wrong:
        say(f"wrong: {wrong}")
        return False
    finally:
        machine.close()


if __name__ == "__main__":
    main()
