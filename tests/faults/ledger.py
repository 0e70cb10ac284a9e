#!/usr/bin/env python3
"""The ledger alone, under every fault: kills, failing calls, power cuts, rot.

usage: ledger.py [--quick] [--only NAME[,NAME]] [--jobs 2] [--probe FILE] [--seed 7]

kills    the process is killed at entry and at exit of every system call that matters: in its first run, in the restart of a
         ledger that was killed, and in the start that mends a damaged one
errors   each of these calls fails once with EIO, once with ENOSPC, does half of its write, or fails from there on
power    power cuts behind every write of the disk, also across a kill and a restart; two negative controls must fail
upgrade  a ledger of schema 1 is brought to today's under the first three
rot      one flipped bit in a journal copy or in sled's files, for a ledger that was killed and for one that was closed

After each: every acknowledged record is there and whole, nothing else is, the ledger opens and goes on. `--quick` takes every
few points of the same sweeps (for CI). One summary line for each sweep; exit 0 when none is violated, else 1.
What this machine cannot do is skipped, and said.
"""
import argparse
import concurrent.futures
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import upgrade  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
EXIT_OK, EXIT_WRONG, EXIT_IO, EXIT_LOADER, EXIT_KILLED = 0, 1, 74, 127, 137
RUN_SECONDS = 60
# Small, so that every run compacts a few times.
COMPACT = ["--compact", "6000"]
COUNT = 12
SHOWN = 10


class Tools:
    def __init__(self, a, work):
        self.work, self.jobs, self.quick, self.seed = work, a.jobs, a.quick, a.seed
        self.probe = os.path.abspath(a.probe) if a.probe else build_probe()
        self.sweep = None

    def compile_sweep(self):
        """The sweeper, or why there is none."""
        if not shutil.which("gcc"):
            return "gcc is not installed"
        self.sweep = f"{self.work}/sweep"
        done = run(["gcc", "-O2", "-o", self.sweep, f"{HERE}/sweep.c"])
        if done.returncode:
            return "sweep.c does not compile here: " + done.stderr.strip().splitlines()[0]
        done = run([self.sweep, "0", "count", "true"])
        if done.returncode:
            return f"this machine does not let a process trace another (sweep gave {done.returncode})"
        return None

    def stride(self, points, quick_points):
        return max(1, points // quick_points) if self.quick else 1


def run(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
        return subprocess.CompletedProcess(command, -1, said, f"did not end within {RUN_SECONDS} s")


def build_probe():
    command = ["cargo", "build", "--quiet", "--example", "ledger_probe", "--example", "upgrade_probe"]
    subprocess.run(command, cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(target, "debug", "examples", "ledger_probe")


def last_number(text, otherwise):
    numbers = [int(line) for line in text.split("\n")[:-1] if line.isdigit()]
    return max(numbers, default=otherwise)


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1][-300:] if lines else ""


class Sweep:
    """Counts the outcomes of one sweep, and prints them."""

    def __init__(self, name):
        self.name, self.total, self.reached, self.begin = name, 0, 0, time.monotonic()
        self.violations, self.counts = [], {}

    def count(self, outcome):
        self.counts[outcome] = self.counts.get(outcome, 0) + 1

    def violate(self, outcome, where, why):
        self.count(outcome)
        self.violations.append(f"{where}: {outcome}: {why}")

    def check(self, tools, ledger, acked, where):
        """Opens the ledger again; True when all is well."""
        done = run([tools.probe, "check", ledger, str(acked)])
        if done.returncode == EXIT_OK:
            self.count("mended" if "mended: 0" not in done.stdout.splitlines()[0] else "whole")
            return True
        refused = done.returncode != EXIT_WRONG or "WRONG: damaged" in done.stderr
        self.violate("REFUSED" if refused else "LOST", where, f"exit {done.returncode}: {last_line(done.stderr)}")
        return False

    def end(self, unit="points"):
        for violation in self.violations[:SHOWN]:
            print(f"  {violation}")
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.counts.items()))
        lost = self.counts.get("LOST", 0)
        refused = self.counts.get("REFUSED", 0)
        seconds = time.monotonic() - self.begin
        print(f"{self.name}: {self.total} {unit}, {lost} lost, {refused} refused to open, "
              f"{len(self.violations)} violations ({counts}; {seconds:.0f} s)", flush=True)
        return not self.violations


def each(tools, sweep, points, work_one):
    """Does all points, a few at a time; each in a folder of its own."""
    def one(point):
        folder = tempfile.mkdtemp(dir=tools.work)
        try:
            work_one(point, folder)
        finally:
            shutil.rmtree(folder)
    with concurrent.futures.ThreadPoolExecutor(tools.jobs) as pool:
        for done in [pool.submit(one, point) for point in points]:
            done.result()
    sweep.total = len(points)


class Seed:
    """A ledger to start from, what was acknowledged of it, the command that goes on with it, and who judges what came of it."""

    def __init__(self, name, folder=None, acked=0, command=None, judge=Sweep.check):
        self.name, self.folder, self.acked, self.judge = name, folder, acked, judge
        self.command = command or (lambda tools, ledger: [tools.probe, "write", ledger, str(COUNT), *COMPACT])

    def copy(self, to):
        if self.folder:
            shutil.copytree(self.folder, to)
        return to


def make_seeds(tools):
    write = [tools.probe, "write"]
    fresh = Seed("first run")
    points = count_points(tools, fresh)
    killed = Seed("restart", f"{tools.work}/seed-killed")
    # Of another sweep: a first run it must be.
    shutil.rmtree(killed.folder, ignore_errors=True)
    # A kill in the middle of the first run, right after something was written.
    done = run([tools.sweep, str(points * 6 // 10), "kill-exit", *write, killed.folder, str(COUNT), *COMPACT])
    killed.acked = last_number(done.stdout, 0)
    killed.acked = held_by(tools, killed)
    damaged = Seed("mending", f"{tools.work}/seed-damaged")
    shutil.rmtree(damaged.folder, ignore_errors=True)
    done = run([*write, damaged.folder, str(COUNT), *COMPACT])
    damaged.acked = last_number(done.stdout, 0)
    damage(damaged.folder)
    return [fresh, killed, damaged]


def held_by(tools, seed):
    """The newest commit in it: the one under way may be there, and then a later one may be under way."""
    copy = seed.copy(f"{tools.work}/looked-at")
    done = run([tools.probe, "check", copy, str(seed.acked)])
    if done.returncode:
        raise RuntimeError(f"{seed.name} is not well to begin with: {done.stderr}")
    shutil.rmtree(copy)
    return int(done.stdout.split()[1].rstrip(","))


def damage(ledger):
    """A snapshot is gone, a segment has a flipped bit in its middle, the index too: all that a start can mend."""
    for copy, prefix in (("journal-b", "snapshot-"), ("journal-a", "segment-")):
        name = next(name for name in sorted(os.listdir(f"{ledger}/{copy}")) if name.startswith(prefix))
        path = f"{ledger}/{copy}/{name}"
        if copy == "journal-b":
            os.remove(path)
        else:
            flip(path, os.path.getsize(path) // 2, 3)
    flip(f"{ledger}/index/db", 2000, 3)


def flip(path, place, bit):
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def count_points(tools, seed):
    folder = tempfile.mkdtemp(dir=tools.work)
    ledger = seed.copy(f"{folder}/ledger")
    done = run([tools.sweep, "0", "count", *seed.command(tools, ledger)])
    shutil.rmtree(folder)
    if done.returncode:
        raise RuntimeError(f"the undisturbed {seed.name} fails: {done.stderr}")
    return int(done.stdout.strip().splitlines()[-1])


def struck(tools, seed, mode, good_ends, name, quick_points):
    """One mode at every point of one kind of run."""
    sweep = Sweep(f"{name}, {seed.name}")
    points = count_points(tools, seed)
    # A run may have a point more or less, for threads race; those behind the end are not counted.
    chosen = range(1, points + 3, tools.stride(points, quick_points))

    def one(point, folder):
        ledger = seed.copy(f"{folder}/ledger")
        done = run([tools.sweep, str(point), mode, *seed.command(tools, ledger)])
        if "sweep: point" not in done.stderr:
            return sweep.count("behind its end")
        sweep.reached += 1
        where = f"point {point}"
        if done.returncode not in good_ends:
            sweep.violate("UNCLEAN END", where, f"exit {done.returncode}: {last_line(done.stderr)}")
        seed.judge(sweep, tools, ledger, last_number(done.stdout, seed.acked), where)

    each(tools, sweep, chosen, one)
    sweep.total = sweep.reached
    return sweep.end()


def kills(tools):
    why = tools.compile_sweep()
    if why:
        print(f"kills: skipped: {why}")
        return True
    good = (EXIT_OK, EXIT_KILLED)
    return all([struck(tools, seed, f"kill-{moment}", good, f"kill at {moment}", 40)
                for seed in make_seeds(tools) for moment in ("entry", "exit")])


def errors(tools):
    why = tools.compile_sweep()
    if why:
        print(f"errors: skipped: {why}")
        return True
    good = (EXIT_OK, EXIT_IO, EXIT_LOADER)
    modes = (("err=5", "EIO once"), ("err=28", "ENOSPC once"), ("err+=28", "ENOSPC from there on"),
             ("err+=5", "EIO from there on"), ("short", "short write"))
    return all([struck(tools, seed, mode, good, name, 25) for seed in make_seeds(tools) for mode, name in modes])


def power(tools):
    """Power cuts; and that the same sweep fails when syncing is left out."""
    check = f"{tools.probe} check {{mnt}}/ledger {{acked}} "
    def write(count, *more):
        return f"{tools.probe} write {{mnt}}/ledger {count} --marks {{dev}} " + " ".join(more)
    again = write(20, "--compact", "20000")
    eight = ("--threads", "8")
    plans = [("power cuts, first run", write(30, "--compact", "20000"), (), True),
             ("power cuts, across a clean stop and a restart", f"sh -c '{again}; {again}'", (), True),
             ("power cuts, eight commits at a time", write(120, "--compact", "90000", *eight), eight, True),
             ("power cuts without any sync (negative control)", write(30, "--compact", "20000", "--no-sync"), (), False),
             ("power cuts without syncing commits (negative control)",
              write(30, "--compact", "200000", "--no-commit-sync"), (), False)]
    if not tools.compile_sweep():
        plans.insert(2, ("power cuts, across a kill and a restart",
                         f"sh -c '{tools.sweep} 500 kill-exit {again}; {again}'", (), True))
    good = True
    for name, program, more, well in plans:
        work = tempfile.mkdtemp(dir=tools.work)
        command = [sys.executable, f"{HERE}/powerloss.py", work, "--run", program]
        command += ["--check", check + " ".join(more)]
        command += ["--seed", str(tools.seed)]
        if tools.quick:
            command += ["--every", "11"] if well else ["--every", "11", "--states-max", "60"]
        done = subprocess.run(command, capture_output=True, text=True)
        shutil.rmtree(work, ignore_errors=True)
        if done.returncode == 77:
            print(f"power: {last_line(done.stdout)}")
            return good
        if done.returncode == (0 if well else 1):
            verdict = "as it must be" if well else "fails, as it must"
        else:
            good, verdict = False, f"VIOLATED (exit {done.returncode})\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        print(f"{name}: {last_line(done.stdout)}: {verdict}", flush=True)
    return good


def rot(tools):
    """One flipped bit in bytes that say something; controls without a flip first."""
    trials = 40 if tools.quick else 300
    good = True
    killed = Seed("killed ledger", f"{tools.work}/rot-killed")
    write = [tools.probe, "write", killed.folder, "60", "--compact", "20000"]
    if tools.compile_sweep():
        print("rot: the ledger was stopped by a signal at a random moment: no sweeper here")
        command = ["timeout", "-s", "KILL", "0.02", *write]
    else:
        points = int(last_line(run([tools.sweep, "0", "count", *write]).stdout))
        shutil.rmtree(killed.folder)
        command = [tools.sweep, str(points - 40), "kill-exit", *write]
    killed.acked = last_number(run(command).stdout, 0)
    closed = Seed("closed ledger", f"{tools.work}/rot-closed")
    closed.acked = last_number(run([tools.probe, "write", closed.folder, "60", "--compact", "20000"]).stdout, 0)
    for seed in (killed, closed):
        for part, folders in (("journal", ("journal-a", "journal-b")), ("sled", ("index",)),
                              ("journal and sled", ("journal-a", "journal-b", "index"))):
            count = trials if part == "journal and sled" else trials // 3
            good &= rot_of(tools, seed, part, folders, count)
        shutil.rmtree(seed.folder)
    return good


def rot_of(tools, seed, part, folders, trials):
    sweep = Sweep(f"one flipped bit, {part}, {seed.name}")
    control = seed.copy(f"{tools.work}/control")
    Sweep("control").check(tools, control, seed.acked, "no flip") or sweep.violate("REFUSED", "control", "without a flip")
    shutil.rmtree(control)
    places = []
    for folder in folders:
        for at, _, names in os.walk(f"{seed.folder}/{folder}"):
            for name in names:
                path = os.path.join(at, name)
                with open(path, "rb") as file:
                    size = sum(byte != 0 for byte in file.read())
                if size:
                    places.append((size, os.path.relpath(path, seed.folder)))
    rng = random.Random(f"{tools.seed}/{part}/{seed.name}")

    def one(trial, folder):
        _, name, nth, bit = trial
        ledger = seed.copy(f"{folder}/ledger")
        path = f"{ledger}/{name}"
        with open(path, "rb") as file:
            telling = [place for place, byte in enumerate(file.read()) if byte]
        flip(path, telling[nth], bit)
        sweep.check(tools, ledger, seed.acked, f"bit {bit} of byte {telling[nth]} of {name}")

    chosen = []
    for number in range(trials):
        size, name = rng.choices(places, weights=[size for size, _ in places])[0]
        chosen.append((number, name, rng.randrange(size), rng.randrange(8)))
    each(tools, sweep, chosen, one)
    return sweep.end("flips")


def upgrades(tools):
    return upgrade.sweeps(tools, sys.modules[__name__])


SWEEPS = {"kills": kills, "errors": errors, "power": power, "rot": rot, "upgrade": upgrades}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--only", type=lambda text: text.split(","), default=list(SWEEPS))
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--probe")
    p.add_argument("--seed", type=int, default=7)
    a = p.parse_args()
    unknown = [name for name in a.only if name not in SWEEPS]
    if unknown:
        p.error(f"no sweep is named {unknown[0]}; there are {', '.join(SWEEPS)}")
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="strongroom-faults-", dir=place) as work:
        tools = Tools(a, work)
        good = all([SWEEPS[name](tools) for name in a.only])
    print("ledger sweeps: " + ("nothing violated" if good else "VIOLATED"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
