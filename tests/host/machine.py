"""A Debian machine booted under systemd-nspawn, reached by ssh as an administrator would."""
import json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time

CACHE = pathlib.Path(os.environ.get("STRONGROOM_HOST_CACHE", pathlib.Path.home() / ".cache/strongroom-host"))
PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,python3,cron,ca-certificates,util-linux"


class CannotBoot(Exception):
    """This machine cannot boot containers; what was tried stands in it."""


class Failed(Exception):
    """A command on the machine did not end as it must."""


def needs():
    """Raises CannotBoot unless this machine can boot containers."""
    if os.geteuid() != 0:
        raise CannotBoot("not root")
    for program in ("systemd-nspawn", "mmdebstrap", "ssh", "ssh-keygen"):
        if not shutil.which(program):
            raise CannotBoot(f"{program} is not installed")


def image(suite):
    """The machine's files as a tar, made once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    tar = CACHE / f"{suite}.tar"
    if not tar.exists():
        part = tar.with_suffix(".part.tar")
        made = subprocess.run(["mmdebstrap", "-q", "--variant=minbase", f"--include={PACKAGES}", suite, part], capture_output=True, text=True)
        if made.returncode:
            raise CannotBoot(f"mmdebstrap {suite}: {made.stderr[-400:]}")
        part.rename(tar)
    return tar


def groups(name):
    """Control groups of a machine's own, below ours, in each hierarchy systemd counts processes by. Two machines in one
    group would share each other's units: the one removes a group of that name while the other starts something in it."""
    made = []
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, hierarchy, ours = line.split(":", 2)
        for top in {"": ["unified", "."], "name=systemd": ["systemd"]}.get(hierarchy, []):
            top = pathlib.Path("/sys/fs/cgroup", top)
            if (top / "cgroup.procs").exists():
                made.append(group(top, ours, name))
                break
    return made


def group(top, ours, name):
    """A control group below ours, or at the top where the tree does not show ours."""
    for parent in (top / ours.lstrip("/"), top):
        try:
            (parent / name).mkdir()
            return parent / name
        except OSError as error:
            why = error
    raise CannotBoot(f"no control group below {top}: {why}")


class Machine:
    """A booted machine; gone when it is closed."""

    def __init__(self, suite, port):
        self.suite, self.port = suite, port
        self.top = pathlib.Path(tempfile.mkdtemp(prefix=f"strongroom-host-{suite}-"))
        self.root, self.key, self.process, self.groups = self.top / "root", self.top / "key", None, []
        try:
            self.boot()
        except BaseException:
            self.close()
            raise

    def boot(self):
        self.root.mkdir()
        subprocess.run(["tar", "-C", self.root, "-xf", image(self.suite)], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        ssh = self.root / "root/.ssh"
        ssh.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(self.key.with_suffix(".pub"), ssh / "authorized_keys")
        (self.root / "etc/ssh/sshd_config.d").mkdir(exist_ok=True)
        (self.root / "etc/ssh/sshd_config.d/host.conf").write_text(f"Port {self.port}\nListenAddress 127.0.0.1\n")
        # The machine shares our network: its own port only, and nothing else of it may listen.
        units = self.root / "etc/systemd/system"
        for unit in ("ssh.socket", "systemd-networkd.service", "systemd-resolved.service"):
            (units / unit).unlink(missing_ok=True)
            (units / unit).symlink_to("/dev/null")
        wants = units / "multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / "ssh.service").unlink(missing_ok=True)
        (wants / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
        self.log = open(self.top / "boot.log", "wb")
        self.groups = groups(self.top.name)
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-q", "--register=no", "--keep-unit", "-b", "-D", self.root],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=lambda: [(group / "cgroup.procs").write_text("0") for group in self.groups])
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if self.ssh("true", check=False).returncode == 0:
                return
            time.sleep(0.3)
        raise CannotBoot(f"{self.suite} did not come up: {(self.top / 'boot.log').read_text(errors='replace')[-400:]}")

    def options(self):
        return ["-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5"]

    def ssh(self, command, check=True, user="root", timeout=180):
        """Runs a line of shell on the machine, as this user."""
        if user != "root":
            command = "runuser -u %s -- sh -c '%s'" % (user, command.replace("'", "'\\''"))
        done = subprocess.run(["ssh", *self.options(), "-p", str(self.port), "root@127.0.0.1", command],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout)
        if check and done.returncode:
            raise Failed(f"{command}: exit {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done

    def out(self, command, **how):
        return self.ssh(command, **how).stdout.strip()

    def json(self, command, **how):
        """What the program printed as one JSON document; its exit code does not matter."""
        return json.loads(self.ssh(command, check=False, **how).stdout.strip().splitlines()[-1])

    def put(self, path, text, mode=0o644):
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def until(self, what, holds, seconds=60):
        """Waits until `holds()` is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = holds()
            if found:
                return found
            time.sleep(0.3)
        told = self.out("journalctl -u 'strongroom*' --no-pager -n 40", check=False)
        raise Failed(f"not within {seconds} s: {what}\n{told}")

    def close(self):
        if self.process and self.process.poll() is None:
            self.ssh("systemctl poweroff", check=False)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
        for group in self.groups:
            for inner in sorted(group.glob("**/"), reverse=True):
                try:
                    inner.rmdir()
                except OSError:
                    pass  # Something in it is still ending; an empty group costs nothing.
        shutil.rmtree(self.top, ignore_errors=True)
