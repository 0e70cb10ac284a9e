"""The role, deposits, faults, upgrades and the way back."""
import re, time

from host import holds, say


def role(host):
    m = host.machine
    done, counts = host.play("site.yml", "1", "--check", "--diff")
    holds("check mode on the bare machine ends well", done.returncode == 0 and counts["failed"] == 0, done.stdout[-2000:])
    holds("and changed nothing there", m.ssh("test -e /opt/strongroom -o -e /etc/strongroom", check=False).returncode != 0)
    done, counts = host.play("site.yml", "1")
    holds("first run", done.returncode == 0 and counts["changed"] > 5, done.stdout[-2000:])
    done, counts = host.play("site.yml", "1")
    holds("second run changes nothing", done.returncode == 0 and counts["changed"] == 0, done.stdout[-2000:])
    holds("the doctor finds no failure", m.json("strongroom doctor --json")["failures"] == 0)
    state = m.out("systemctl show strongroom -p ActiveState -p NRestarts -p StateDirectory -p ReadWritePaths")
    holds("the unit is as it was written", "ActiveState=active" in state and "/srv/east /srv/west" in state and "StateDirectory=strongroom" in state, state)
    score = m.out("systemd-analyze security strongroom.service --no-pager | tail -1")
    figure = float(re.search(r"\d+\.\d", score)[0])
    holds(f"exposure {figure}, at most 1.5", figure <= 1.5, score)


def deposits(host):
    m = host.machine
    for number, name in enumerate(("one", "two", "three")):
        host.bag(name, "2MiB", number)
        m.ssh(f"strongroom submit /srv/in/{name}.tar", user="anna" if number == 2 else "root")
    host.kept("one", "two", "three")
    asked = {item["bag"]: item["asked_by"] for item in m.json("strongroom item list --all --json")["items"]}
    holds("three bags are kept; who asked is known from the socket", asked == {"one": "root", "two": "root", "three": "anna"}, asked)


def main_pid(m):
    return int(m.out("systemctl show strongroom -p MainPID --value"))


def killed(host):
    m = host.machine
    host.bag("killed", "150MiB", 10)
    m.ssh("strongroom submit /srv/in/killed.tar")
    time.sleep(0.5)
    was = main_pid(m)
    m.ssh(f"kill -9 {was}")
    m.until("systemd brought it back", lambda: main_pid(m) not in (0, was))
    host.kept("killed")
    holds("killed, back, and its item went on", int(m.out("systemctl show strongroom -p NRestarts --value")) >= 1)


def frozen(host):
    m = host.machine
    m.ssh("mkdir -p /run/systemd/system/strongroom.service.d && printf '[Service]\\nWatchdogSec=4\\n' > /run/systemd/system/strongroom.service.d/quick.conf && systemctl daemon-reload && systemctl restart strongroom")
    was = main_pid(m)
    m.ssh(f"kill -STOP {was}")
    m.until("the watchdog ends what does not move, and systemd starts it again", lambda: main_pid(m) not in (0, was), 40)
    told = m.out("journalctl -u strongroom --no-pager -n 60")
    holds("the journal names the watchdog", "Watchdog timeout" in told or "watchdog" in told.lower(), told[-600:])
    m.ssh("rm /run/systemd/system/strongroom.service.d/quick.conf && systemctl daemon-reload && systemctl restart strongroom")


def reloaded(host):
    m = host.machine
    m.ssh("cp /etc/strongroom/strongroom.toml /root/good.toml && echo 'nonsense = 1' >> /etc/strongroom/strongroom.toml")
    m.ssh("sed -i '1i nonsense = 1' /etc/strongroom/strongroom.toml && systemctl reload strongroom")
    m.until("a bad configuration is told", lambda: "reload failed" in m.out("systemctl show strongroom -p StatusText") or "the former one holds" in m.out("journalctl -u strongroom --no-pager -n 20"))
    holds("the service works on with the former one", m.json("strongroom --config /root/good.toml status --json") is not None)
    m.ssh("cp /root/good.toml /etc/strongroom/strongroom.toml && systemctl reload strongroom")
    m.until("a good one is taken", lambda: "reloaded" in m.out("journalctl -u strongroom --no-pager -n 10"))


def upgraded(host):
    m = host.machine
    names = [f"load-{number}" for number in range(4)]
    for number, name in enumerate(names):
        host.bag(name, "60MiB", 20 + number)
    for name in names:
        m.ssh(f"strongroom submit /srv/in/{name}.tar")
    done, counts = host.play("site.yml", "2")
    holds("upgraded while deposits are taken in", done.returncode == 0, done.stdout[-2000:])
    holds("current is the new release, previous the old one", [m.out(f"readlink /opt/strongroom/{link}").rsplit("/", 1)[-1] for link in ("current", "previous")] == ["2", "1"])
    host.kept(*names, seconds=180)
    say("  every deposit of the load is kept")


def broken(host):
    """A release that takes configuration and ledger, and does not serve."""
    m = host.machine
    before = links(m)
    works = m.out("readlink /opt/strongroom/current")
    program = m.top / "broken"
    # It has a key that the one before does not know.
    file, known = "/etc/strongroom/strongroom.toml", "/run/known.toml"
    program.write_text(
        f"#!/bin/sh\ncase \"$*\" in *serve*) exit 3;; *doctor*) exit 1;; *check-config*) exit 0;; esac\n"
        f"grep -v ^later {file} >{known}\nexec {works}/strongroom $(echo \"$@\" | sed s,{file},{known},)\n")
    program.chmod(0o755)
    configured = m.out(f"cat {file}")
    done, counts = host.play("site.yml", "3", binary=program, settings="later.key = 1")
    holds("a release that does not work is an error, and the role says that the former one runs again", done.returncode != 0 and "runs again with the configuration before" in done.stdout, done.stdout[-1500:])
    holds("with the configuration that it had", m.out(f"cat {file}") == configured)
    holds("which it does", m.out("readlink /opt/strongroom/current") == works and m.json("strongroom doctor --json")["failures"] == 0)
    holds("and the links are as they were", links(m) == before, links(m))
    refuses = m.top / "refuses"
    refuses.write_text("#!/bin/sh\nexit 78\n")
    refuses.chmod(0o755)
    was = main_pid(m)
    done, counts = host.play("site.yml", "4", binary=refuses)
    holds("one that refuses the configuration is never flipped to", done.returncode != 0 and m.out("readlink /opt/strongroom/current") == works and main_pid(m) == was, done.stdout[-1500:])


def brought_up(host):
    """A release that does not work, and has brought the ledger to a schema that the one before cannot open."""
    m = host.machine
    works = m.out("readlink /opt/strongroom/current")
    older = m.top / "older"
    older.write_text(f"#!/bin/sh\ncase \"$*\" in *state*) [ ! -e /var/lib/strongroom/newer ] || {{ echo 'of a newer release: state restore' >&2; exit 78; }};; esac\nexec {works}/strongroom \"$@\"\n")
    older.chmod(0o755)
    done, _ = host.play("site.yml", "5", binary=older)
    holds("a release before", done.returncode == 0, done.stdout[-1500:])
    newer = m.top / "newer"
    newer.write_text(f"#!/bin/sh\ncase \"$*\" in *serve*) touch /var/lib/strongroom/newer; exit 3;; *doctor*) exit 1;; esac\nexec {works}/strongroom \"$@\"\n")
    newer.chmod(0o755)
    done, _ = host.play("site.yml", "6", binary=newer)
    holds("one that cannot be left any more stays current, and what leads back is said",
          done.returncode != 0 and links(m)[0] == "6" and "stays current" in done.stdout and "of a newer release" in done.stdout, done.stdout[-1500:])
    done, _ = host.play("rollback.yml", "6")
    holds("nor does the way back by hand lead there", done.returncode != 0 and links(m)[0] == "6" and "of a newer release" in done.stdout, done.stdout[-1500:])
    m.ssh("rm /var/lib/strongroom/newer")
    done, _ = host.play("site.yml", "7")
    holds("the next release takes its place", done.returncode == 0 and links(m) == ["7", "6"], done.stdout[-1500:])


def links(m):
    return [m.out(f"readlink /opt/strongroom/{link}", check=False).rsplit("/", 1)[-1] for link in ("current", "previous")]


def back(host):
    m = host.machine
    if not links(m)[1]:
        host.play("site.yml", "2")
    now, before = links(m)
    done, _ = host.play("rollback.yml", "2")
    holds("one command goes back", done.returncode == 0 and links(m) == [before, now], done.stdout[-1500:])
    host.bag("after", "1MiB", 40)
    m.ssh("strongroom submit /srv/in/after.tar")
    host.kept("after")
    holds("and it takes deposits", m.json("strongroom doctor --json")["failures"] == 0)
    # An older program that may not open the ledger: 78, as a real one says it.
    place = f"/opt/strongroom/releases/{now}/strongroom"
    m.ssh(f"mv {place} {place}.kept && printf '#!/bin/sh\\necho a ledger of a newer release >&2\\nexit 78\\n' > {place} && chmod 755 {place}")
    was = main_pid(m)
    done, _ = host.play("rollback.yml", "2")
    holds("a release that may not open the ledger is not gone back to", done.returncode != 0 and links(m) == [before, now] and main_pid(m) == was, done.stdout[-1500:])
    holds("and its own words are shown", "a ledger of a newer release" in done.stdout, done.stdout[-1500:])
    m.ssh(f"mv {place}.kept {place}")


def packed(host):
    """What was packed is what a release is made of, as well as the program alone."""
    if not host.packages:
        say("  skipped: the role with tarball and deb: there are none; try .package/build")
        return
    m = host.machine
    for version, pattern in (("8", "*.tar.gz"), ("9", "*.deb")):
        given = next(host.packages.glob(f"strongroom{pattern}"))
        done, counts = host.play("site.yml", version, binary=given)
        holds(f"a release made of {given.name}", done.returncode == 0 and links(m)[0] == version, done.stdout[-1500:])
        done, counts = host.play("site.yml", version, binary=given)
        holds("and nothing to do the second time", done.returncode == 0 and counts["changed"] == 0, done.stdout[-1500:])
    holds("the manual is on the machine", m.ssh("test -s /usr/local/share/man/man1/strongroom.1 -a -s /usr/local/share/bash-completion/completions/strongroom", check=False).returncode == 0)


STORIES = [role, deposits, killed, frozen, reloaded, upgraded, broken, back, brought_up, packed]
