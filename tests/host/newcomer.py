"""A newcomer's way: from an empty machine to the first kept bag, by nothing but the commands that the README gives."""
import re, time

from host import TOP, holds, say

MARK = re.compile(r"<!-- newcomer: (\w+) -->\n```sh\n(.*?)```", re.S)


def commands(part):
    """The README's lines of this part."""
    found = [text for name, text in MARK.findall((TOP / "README.md").read_text()) if name == part]
    if not found:
        raise SystemExit(f"README.md has no commands marked 'newcomer: {part}'")
    return "".join(found)


def newcomer(machine, deb):
    """Installs the deb on a bare machine and walks the tour; says how long it took."""
    machine.ssh("mkdir -p /root/tour")
    machine.put(f"/root/tour/{deb.name}", "")
    (machine.root / f"root/tour/{deb.name}").write_bytes(deb.read_bytes())
    began = time.monotonic()
    install = commands("install").replace("strongroom_0.1.0-1_amd64.deb", deb.name)
    machine.ssh(f"cd /root/tour && set -e\nexport DEBIAN_FRONTEND=noninteractive\n{install}")
    installed = time.monotonic()
    # Somebody without rights, in an empty folder: nothing but the program is needed.
    machine.ssh("useradd -m newcomer")
    machine.put("/home/newcomer/tour.sh", "set -e\n" + commands("tour"))
    first = machine.out("mkdir /home/newcomer/tour && chown newcomer: /home/newcomer/tour && runuser -u newcomer -- sh -c 'cd /home/newcomer/tour && sh ../tour.sh 2>&1'")
    holds("the README's tour keeps a bag", "kept  item 1  local/letters" in first, first)
    holds("finds the damage, and puts it right", "1 copy put right (1 file" in first and first.count("exit code 1") == 2, first)
    holds("and gives back what was put in", first.rstrip().endswith("Dear Ada,"), first)
    say(f"  from the empty machine: installed after {installed - began:.1f} s, toured after {time.monotonic() - began:.1f} s")
