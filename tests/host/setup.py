"""Stories of fitting the host to the configuration: drop-ins, what the doctor sees of them, credentials by systemd.

Each takes the Host of `run` after its role has been applied, and leaves the machine as it found it.
"""
import json

from host import TOP, holds

CONFIG = "/etc/strongroom/strongroom.toml"
DROP_IN = "/etc/systemd/system/strongroom.service.d/volumes.conf"
NEW = "/srv/third \"Tresor\" ä 100%"
AS_A_LINE = 'ReadWritePaths="/srv/third \\"Tresor\\" ä 100%%"'


def doctor(m):
    """What the doctor says: exit code, and checks by their level."""
    said = m.ssh("strongroom doctor --json", check=False)
    checks = json.loads(said.stdout.strip().splitlines()[-1])["checks"]
    return said.returncode, {level: [c for c in checks if c["level"] == level] for level in ("ok", "warn", "fail")}


def failures(m):
    code, checks = doctor(m)
    return code, "\n".join(f"{c['text']}\n{c['detail']}" for c in checks["fail"])


def well(m, what):
    """The doctor finds no failure."""
    code, told = failures(m)
    holds(what, code == 0, told)


def more(m, text):
    """Adds to the configuration."""
    place = m.root / CONFIG.lstrip("/")
    place.write_text(place.read_text() + "\n" + text)


def restart(m, check=True):
    m.ssh("systemctl reset-failed strongroom", check=False)
    return m.ssh("systemctl daemon-reload && systemctl restart strongroom", check=check)


def saved(m):
    m.ssh(f"cp -a {CONFIG} /root/setup-before.toml && cp -a {DROP_IN} /root/setup-before.conf")


def put_back(m):
    m.ssh(f"cp -a /root/setup-before.toml {CONFIG} && cp -a /root/setup-before.conf {DROP_IN}")
    m.ssh("rm -rf /etc/systemd/system/strongroom-job@.service.d")
    restart(m)


def story_volume(host):
    """A target that the unit does not let be written, from the configuration to the doctor's word that all is well."""
    m = host.machine
    saved(m)
    well(m, "the role's drop-in lets everything be used that the configuration names")
    said = m.ssh("strongroom setup unit --check", check=False)
    holds("and setup agrees with the role", "ok    strongroom.service covers the configuration" in said.stdout, said.stdout + said.stderr)
    m.ssh(f"install -d -o strongroom -g strongroom -m 0750 '{NEW}'")
    more(m, f"[[target]]\nname = 'third'\npath = '{NEW}'\n")
    checked = m.ssh(f"strongroom check-config {CONFIG}", check=False)
    holds("check-config takes it with a warning that has the drop-in", checked.returncode == 0 and
          f"warn  target third: {NEW} is read-only for the service (ProtectSystem=strict)" in checked.stdout and
          AS_A_LINE in checked.stdout, checked.stdout + checked.stderr)
    code, told = failures(m)
    holds("the doctor fails before anything is restarted, and says what to put where", code == 1 and
          f"target third: {NEW} is read-only for the service (ProtectSystem=strict)" in told and DROP_IN in told and
          AS_A_LINE in told, told)
    restart(m, check=False)
    m.until("the daemon ends", lambda: m.out("systemctl show strongroom -p ActiveState --value") == "failed")
    state = m.out("systemctl show strongroom -p ExecMainStatus -p NRestarts")
    holds("started without the drop-in it ends with 78, and systemd leaves it at that", "ExecMainStatus=78" in state, state)
    journal = m.out("journalctl -u strongroom --no-pager -o cat -n 40")
    holds("its last words say what to type", "ProtectSystem=strict" in journal and "strongroom setup unit --write" in journal and
          AS_A_LINE in journal, journal)
    code, told = failures(m)
    holds("the doctor says the same without a daemon", code == 1 and "third" in told and "setup unit --write" in told, told)
    holds("and left nothing in the folder that only root could use", m.out(f"find '{NEW}' -mindepth 1") == "", None)
    checked = m.ssh("strongroom setup unit --check", check=False)
    holds("setup --check shows the lines that lack", checked.returncode == 1 and '+' + AS_A_LINE in checked.stdout, checked.stdout)
    denied = m.ssh("strongroom --config /etc/strongroom/strongroom.toml setup unit --write", check=False, user="anna")
    holds("only root writes it", denied.returncode == 77 and "become root" in denied.stderr, denied.stdout + denied.stderr)
    said = m.out("strongroom setup unit --write")
    holds("setup writes it, and says what comes next", "next: systemctl daemon-reload; systemctl restart strongroom" in said, said)
    restart(m)
    shown = m.out("systemctl show strongroom -p ReadWritePaths -p RequiresMountsFor")
    # systemd shows what is not plain with a backslash.
    plain = shown.encode("latin1", "backslashreplace").decode("unicode_escape")
    plain = plain.encode("latin1", "replace").decode("utf-8", "replace") if "ä" not in plain else plain
    holds("systemd has read the paths as they are", all(NEW in line and "/srv/east" in line for line in plain.splitlines()), (shown, plain))
    well(m, "the doctor is well")
    code, checks = doctor(m)
    holds("having written to the third target and read it back", any("target third at" in c["text"] and "written and read back" in c["text"] for c in checks["ok"]), checks)


def story_volume_lost(host):
    """The drop-in goes while the ledger knows the target: the daemon starts, and the doctor hears it from within."""
    m = host.machine
    m.ssh(f"cp -a {DROP_IN} /root/setup-good.conf && sed -i '/third/d' {DROP_IN}")
    restart(m)
    m.until("the daemon answers", lambda: m.ssh("strongroom status", check=False).returncode in (0, 1))
    told = m.json("strongroom doctor --json")
    fails = [c for c in told["checks"] if c["level"] == "fail"]
    text = "\n".join(f"{c['text']}\n{c['detail']}" for c in fails)
    asked = any("daemon answers" in c["text"] for c in told["checks"])
    holds("asked of the daemon the doctor says it, too", asked and f"target third: {NEW} is read-only for the service (ProtectSystem=strict)" in text, text)
    journal = m.out("journalctl -u strongroom --no-pager -o cat -n 40")
    holds("the daemon said so when it started", f"{NEW} is read-only for the service" in journal, journal)
    m.ssh(f"cp -a /root/setup-good.conf {DROP_IN}")
    code, told = failures(m)
    holds("the unit is mended but not read: the doctor names the restart", code == 1 and "daemon-reload; systemctl restart strongroom" in told, told)
    restart(m)
    well(m, "after it all is well")
    m.ssh(f"systemctl stop strongroom && mv '{NEW}' /srv/aside")
    holds("systemd starts no unit with a folder that is not there", restart(m, check=False).returncode != 0)
    code, told = failures(m)
    holds("the doctor knows why, and how to make it", code == 1 and f"target third: {NEW} is not there, so that the unit cannot start" in told and
          f"install -d -o strongroom -g strongroom -m 0750 '{NEW}'" in told, told)
    m.ssh(f"mv /srv/aside '{NEW}'")
    put_back(m)


def story_own_folders(host):
    """Ledger, mirror, staging and data folder where the unit forbids them: the daemon's last words name the folder each time."""
    m = host.machine
    saved(m)
    m.ssh("install -d -o strongroom -g strongroom -m 0750 /srv/fast /srv/fast/ledger /srv/fast/mirror /srv/fast/staging /srv/fast/data /home/data")
    before = (m.root / CONFIG.lstrip("/")).read_text()
    for what, text, why in [
        ("the ledger", "[ledger]\npath = '/srv/fast/ledger'\n", "/srv/fast/ledger is read-only for the service (ProtectSystem=strict)"),
        ("the ledger's mirror", "[ledger]\nmirror = '/srv/fast/mirror'\n", "/srv/fast/mirror is read-only for the service (ProtectSystem=strict)"),
        ("staging volume new", "[[staging]]\nname = 'new'\npath = '/srv/fast/staging'\n", "/srv/fast/staging is read-only for the service (ProtectSystem=strict)"),
        ("the data folder", None, "/home/data is hidden from the service (ProtectHome=yes)"),
    ]:
        whole = f"{before}\n{text}" if text else before.replace('data = "/var/lib/strongroom"', 'data = "/home/data"')
        (m.root / CONFIG.lstrip("/")).write_text(whole)
        m.ssh("journalctl --rotate -q && journalctl --vacuum-time=1s -q", check=False)
        restart(m, check=False)
        m.until("the daemon ends", lambda: m.out("systemctl show strongroom -p ActiveState --value") == "failed")
        journal = m.out("journalctl -u strongroom --no-pager -o cat -n 20")
        status = m.out("systemctl show strongroom -p ExecMainStatus --value")
        holds(f"{what}: ends with 78 and names it", status == "78" and f"{what}: {why}" in journal and "setup unit --write" in journal, (status, journal))
        m.ssh("strongroom setup unit --write")
        restart(m)
        well(m, "and runs with the drop-in")
        m.ssh("systemctl stop strongroom")
    m.ssh("rm -rf /srv/fast /home/data")
    put_back(m)


def story_mount_missing(host):
    """A volume on a disk of its own: the service brings its mount with it, and without it does not fill the folder below."""
    m = host.machine
    saved(m)
    m.ssh("install -d -o strongroom -g strongroom -m 0750 /srv/backing && install -d /srv/disk")
    m.ssh("echo '/srv/backing /srv/disk none bind 0 0' >> /etc/fstab && systemctl daemon-reload && systemctl start srv-disk.mount")
    more(m, "[[target]]\nname = 'disk'\npath = '/srv/disk'\n")
    m.ssh("strongroom setup unit --write")
    restart(m)
    needs = m.out("systemctl show strongroom -p Requires -p After")
    holds("the unit requires the volume's mount, and comes after it", needs.count("srv-disk.mount") == 2, needs)
    m.ssh("systemctl stop strongroom srv-disk.mount && ! mountpoint -q /srv/disk && systemctl start strongroom")
    holds("a start brings the mount with it", m.ssh("mountpoint -q /srv/disk", check=False).returncode == 0)
    well(m, "and all is well")
    m.ssh("systemctl stop srv-disk.mount")
    holds("without its disk the service does not run on", m.out("systemctl show strongroom -p ActiveState --value") != "active")
    # As if the disk came up under another name: the folder is there, and may be written, but it is not the volume.
    m.ssh("cp /etc/fstab /root/fstab && sed -i '/backing/d' /etc/fstab && chown strongroom: /srv/disk")
    restart(m)
    code, told = failures(m)
    holds("an empty folder in its place is not taken for it", code == 1 and "target disk at /srv/disk" in told, told)
    host.bag("unmounted", "1MiB", 60)
    m.ssh("strongroom submit /srv/in/unmounted.tar")
    m.until("a deposit waits or is kept elsewhere", lambda: host.standings().get("unmounted") not in (None, "ready", "working"))
    holds("and is not filled", m.out("find /srv/disk -mindepth 1") == "")
    m.ssh("systemctl stop strongroom && cp /root/fstab /etc/fstab && systemctl daemon-reload")
    restart(m)
    well(m, "with the disk back it is well")
    m.ssh("strongroom requeue --stage store", check=False)
    host.kept("unmounted")
    m.ssh("systemctl stop strongroom && sed -i '/backing/d' /etc/fstab && systemctl stop srv-disk.mount")
    put_back(m)


def story_home(host):
    """A deposit folder below /home, which ProtectHome hides: it is bound, and everything else stays hidden."""
    m = host.machine
    saved(m)
    m.ssh("install -d -m 0755 /home/anna && install -d -o strongroom -g strongroom -m 0770 /home/anna/drop && echo secret > /home/anna/diary && chmod 0644 /home/anna/diary")
    more(m, "[[source]]\nname = 'drop'\npath = '/home/anna/drop'\nafter_kept = 'delete'\nstill_for = '1 s'\n")
    restart(m)
    code, told = failures(m)
    holds("the doctor says what hides it", code == 1 and "source drop: /home/anna/drop is hidden from the service (ProtectHome=yes)" in told and "BindPaths=/home/anna/drop" in told, told)
    m.ssh("strongroom setup unit --write")
    restart(m)
    well(m, "bound it is well")
    m.ssh("cd /home/anna/drop && strongroom make-bag /root/from-home.tar --seed 77 >/dev/null && mv /root/from-home.tar . && chown strongroom: from-home.tar && sleep 2 && strongroom source scan drop")
    host.kept("from-home")
    m.ssh("strongroom source scan drop")
    m.until("the kept deposit is deleted from it", lambda: m.ssh("test -e /home/anna/drop/from-home.tar", check=False).returncode != 0)
    pid = m.out("systemctl show strongroom -p MainPID --value")
    seen = m.out(f"ls /proc/{pid}/root/home/anna")
    holds("and nothing else of the home is seen", seen == "drop", seen)
    put_back(m)


def story_credential(host):
    """A secret address, read by the service from systemd's hand; not there, the doctor says what hands it over."""
    m = host.machine
    saved(m)
    m.put("/root/hook.py", HOOK)
    port = m.port + 40
    m.ssh(f"systemd-run -q --unit=hook python3 /root/hook.py {port} /root/hook.out")
    more(m, "[notice]\nwebhook = 'systemd:hook-address'\nwebhook_credentials = 'systemd:hook-token'\nallow_private = true\n")
    restart(m)
    code, told = failures(m)
    holds("without it the doctor fails with the line that hands it over", code == 1 and
          "LoadCredential=hook-address:/etc/strongroom/credentials/hook-address" in told, told)
    said = m.ssh("strongroom setup unit --write")
    holds("setup says that the secret itself is not there yet", "install -m 0600 /dev/stdin '/etc/strongroom/credentials/hook-address'" in said.stderr, said.stderr)
    holds("and systemd starts nothing without it", restart(m, check=False).returncode != 0)
    code, told = failures(m)
    holds("the doctor knows why", code == 1 and "credential hook-address: /etc/strongroom/credentials/hook-address is not there, so that the unit cannot start" in told, told)
    m.ssh("install -d -m 0700 /etc/strongroom/credentials && cd /etc/strongroom/credentials && "
          f"printf 'http://127.0.0.1:{port}/s3cret-path' | install -m 0600 /dev/stdin hook-address && "
          "printf 'bearer t0ken' | install -m 0600 /dev/stdin hook-token")
    restart(m)
    code, checks = doctor(m)
    holds("with it the doctor has read both", code == 0 and any("2 credentials" in c["text"] for c in checks["ok"]), checks)
    sent = m.ssh("strongroom notice test", check=False)
    holds("the service posts to the secret address", sent.returncode == 0, sent.stdout + sent.stderr)
    got = m.out("cat /root/hook.out")
    holds("with the secret token", "POST /s3cret-path" in got and "Bearer t0ken" in got, got)
    shown = m.out("strongroom config show; journalctl -u strongroom --no-pager; systemctl show strongroom")
    holds("and neither is shown anywhere", "s3cret-path" not in shown and "t0ken" not in shown)
    m.ssh("systemctl stop hook; cd /etc/strongroom/credentials && rm hook-address hook-token")
    put_back(m)


HOOK = '''
import http.server, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        with open(sys.argv[2], "a") as out:
            out.write(f"POST {self.path} {self.headers.get('authorization')}\\n")
        self.send_response(204)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
'''


def story_judged(host):
    """What is said of a unit is what systemd does with it: each line tried for real, and asked of setup."""
    m = host.machine
    m.ssh("mkdir -p /srv/probe/deep/disk '/srv/probe/sp ace' /home/probe/in /tmp/probe /root/probe/usr/lib/systemd/system")
    m.ssh("mount -t tmpfs none /srv/probe/deep/disk")
    base = ["ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes"]
    table = [
        ([], "/srv/probe", False),
        (["ReadWritePaths=/srv/probe"], "/srv/probe/deep", True),
        (["ReadWritePaths=/srv/probe"], "/srv/probe/deep/disk", True),
        (["ReadWritePaths=/srv/probe", "ReadOnlyPaths=/srv/probe/deep"], "/srv/probe/deep", False),
        (["ReadOnlyPaths=/srv/probe", "ReadWritePaths=/srv/probe"], "/srv/probe/deep", False),
        (["ReadWritePaths=/srv", "InaccessiblePaths=/srv/probe", "BindPaths=/srv/probe/deep"], "/srv/probe/deep", False),
        (['ReadWritePaths="/srv/probe/sp ace"'], "/srv/probe/sp ace", True),
        (["ReadWritePaths=/home/probe"], "/home/probe/in", False),
        (["ProtectHome=read-only", "ReadWritePaths=/home/probe"], "/home/probe/in", True),
        (["ProtectHome=tmpfs", "BindPaths=/home/probe/in"], "/home/probe/in", True),
        (["ProtectHome=tmpfs", "ReadWritePaths=/home/probe"], "/home/probe/in", False),
        (["ProtectHome=tmpfs", "BindReadOnlyPaths=/home/probe/in"], "/home/probe/in", False),
        (["BindPaths=/tmp/probe"], "/tmp/probe", True),
        (["BindPaths=/srv/probe"], "/srv/probe/deep", True),
        (["ProtectSystem=full"], "/srv/probe", True),
        (["StateDirectory=probing"], "/var/lib/probing", True),
    ]
    for settings, path, wanted in table:
        text = "\n".join(["[Service]", "Type=oneshot", f"ExecStart=/usr/bin/touch \"{path}/tried\"", *base, *settings])
        m.put("/etc/systemd/system/probe.service", text + "\n")
        m.ssh(f"rm -f '{path}/tried'; systemctl daemon-reload; systemctl start probe", check=False)
        written = m.ssh(f"test -e '{path}/tried'", check=False).returncode == 0
        m.put("/root/probe/usr/lib/systemd/system/strongroom.service", text + "\nStateDirectory=strongroom\n")
        m.put("/root/probe/x.toml", f"data = '/var/lib/strongroom'\ni_accept_copies_on_one_disk = true\n[[target]]\nname = 'a'\n[[target]]\nname = 'x'\npath = '{path}'\n")
        checks = m.json("strongroom --config /root/probe/x.toml setup unit --check --root /root/probe --json")["checks"]
        told = [c["text"] for c in checks if f": {path} is read-only" in c["text"] or f": {path} is hidden" in c["text"]]
        holds(f"{' '.join(settings) or 'nothing more'}: {path} is {'written' if wanted else 'not written'}, and said to be",
              written == wanted and bool(told) != wanted, (written, told, checks))
    m.ssh("umount /srv/probe/deep/disk; rm -rf /srv/probe /home/probe /tmp/probe /var/lib/probing /root/probe /etc/systemd/system/probe.service; systemctl reset-failed; systemctl daemon-reload")


def story_job(host):
    """A job whose timer strikes while no daemon runs writes to the targets by itself, if its unit lets it."""
    m = host.machine
    unit = "/etc/systemd/system/strongroom-job@.service"
    was_there = m.ssh(f"test -e {unit}", check=False).returncode == 0
    if not was_there:
        m.put(unit, (TOP / "systemd/strongroom-job@.service").read_text().replace("/usr/bin/strongroom", "/usr/local/bin/strongroom"))
    saved(m)
    # Due whenever it is started, whatever the daemon did by itself until now.
    m.ssh(f"printf '\n[jobs]\nstate_backup = \"1 s\"\n' >> {CONFIG}")
    m.ssh("rm -rf /etc/systemd/system/strongroom-job@.service.d && systemctl daemon-reload && systemctl stop strongroom")
    job = "strongroom-job@state-backup.service"
    m.ssh(f"systemctl start {job}", check=False)
    journal = m.out(f"journalctl -u {job} --no-pager -o cat -n 30")
    holds("without its drop-in the job fails", m.out(f"systemctl show {job} -p Result --value") != "success", journal)
    told = m.json("strongroom doctor --json")
    warned = [c for c in told["checks"] if c["level"] == "warn" and "strongroom-job@.service" in c["text"]]
    holds("and the doctor warns of it", len(warned) == 1 and "setup unit --write" in warned[0]["detail"], told)
    m.ssh("strongroom setup unit --write && systemctl daemon-reload")
    m.ssh(f"systemctl start {job}")
    found = m.out("find /srv/east /srv/west -name 'ledger-*.jsonl.gz' -newer /etc/systemd/system/strongroom-job@.service.d/volumes.conf | wc -l")
    holds("with it the backup lies on both targets", int(found) == 2, found)
    m.ssh("systemctl start strongroom")
    told = m.json("strongroom doctor --json")
    holds("and the doctor is content", told["failures"] == 0 and not any("strongroom-job@" in c["text"] for c in told["checks"]), told)
    put_back(m)
    if not was_there:
        m.ssh(f"rm {unit} && systemctl daemon-reload")


STORIES = [story_job, story_volume, story_volume_lost, story_own_folders, story_mount_missing, story_home, story_credential, story_judged]
