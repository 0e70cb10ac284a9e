"""A machine with strongroom on it, and what an administrator and depositors do there."""
import os, pathlib, re, subprocess, threading

from machine import CACHE, Failed

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ANSIBLE = CACHE / "ansible"
VARS = """
strongroom_targets:
  - {name: east, path: /srv/east}
  - {name: west, path: /srv/west}
strongroom_settings: |SETTINGS
strongroom_depositors: [uva.edu]
strongroom_people: [anna]
"""


def say(text):
    """A line about the machine that this thread looks after."""
    print(f"{threading.current_thread().name}: {text}", flush=True)


def holds(what, true, found=None):
    if not true:
        raise Failed(f"{what}: it is not so: {found!r}"[:3000])
    say(f"  {what}")


class Host:
    """A machine, and the role that is applied to it."""

    def __init__(self, machine, binary, packages=None):
        self.machine, self.binary, self.packages = machine, binary, packages
        self.machine.ssh("useradd -m anna")

    def play(self, book, version, *more, binary=None, schedule="none", settings=""):
        """Applies a playbook; gives what it said and its counts."""
        m = self.machine
        (m.top / "vars.yml").write_text(VARS.replace("SETTINGS", "\n  ".join(["", "i_accept_copies_on_one_disk = true", *settings.splitlines()])))
        inventory = m.top / "inventory.ini"
        common = " ".join(m.options()[2:])
        inventory.write_text(
            f"[strongroom]\nbox ansible_host=127.0.0.1 ansible_port={m.port} ansible_user=root ansible_ssh_private_key_file={m.key} "
            f"ansible_ssh_common_args='{common}' ansible_python_interpreter=/usr/bin/python3\n"
            f"[strongroom:vars]\nstrongroom_version={version}\nstrongroom_binary_src={binary or self.binary}\n"
            f"strongroom_schedule={schedule}\nstrongroom_verify_tries=5\n")
        command = [ANSIBLE / "bin/ansible-playbook", "-i", inventory, "-e", f"@{m.top / 'vars.yml'}", TOP / "ansible" / book, *more]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment, cwd=m.top)
        counts = dict(re.findall(r"(\w+)=(\d+)", done.stdout.splitlines()[-2] if "RECAP" in done.stdout else ""))
        return done, {name: int(count) for name, count in counts.items()}

    def bag(self, name, size, seed):
        m = self.machine
        m.ssh(f"mkdir -p /srv/in && cd /srv/in && strongroom make-bag {name}.tar --seed {seed} --size {size} >/dev/null && chown strongroom: {name}.tar")

    def standings(self):
        items = self.machine.json("strongroom item list --all --json")["items"]
        return {item["bag"]: item["standing"] for item in items}

    def kept(self, *names, seconds=90):
        self.machine.until(f"{names} are kept", lambda: all(self.standings().get(name) == "kept" for name in names), seconds)
