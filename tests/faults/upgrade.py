"""Bringing a ledger of schema 1 up, under every fault: sweeps for `ledger.py`.

After each fault `upgrade_probe check` wants the one schema or the other, whole: schema 1 with all its rows, or today's with
what follows from them and a backup that holds the rows of then; and a next start that brings it up, or leaves it.
"""
import functools
import os
import shutil
import subprocess
import sys
import tempfile

COMMITS = 25


def probe(tools):
    """Beside the ledger's own probe; built with it."""
    path = os.path.join(os.path.dirname(tools.probe), "upgrade_probe")
    if not os.path.exists(path):
        raise RuntimeError(f"{path} is not there: cargo build --examples")
    return path


def seed(tools, ledger):
    """A ledger of schema 1 that was not closed."""
    folder = f"{tools.work}/seed-old"
    done = ledger.run([probe(tools), "old", folder, str(COMMITS)])
    if done.returncode:
        raise RuntimeError(f"no ledger of schema 1: {done.stderr}")
    up = lambda tools, place: [probe(tools), "up", place]
    return ledger.Seed("upgrade", folder, 1, up, functools.partial(judged, ledger))


def judged(ledger, sweep, tools, place, acked, where):
    """The one schema or the other, whole?"""
    done = ledger.run([probe(tools), "check", place, str(acked)])
    if done.returncode == ledger.EXIT_OK:
        return sweep.count(" ".join(done.stdout.split()[:2]).rstrip(","))
    sweep.violate("BETWEEN", where, f"exit {done.returncode}: {ledger.last_line(done.stderr)}")


def sweeps(tools, ledger):
    """Kills, failing calls, power cuts; `ledger` is the module that calls."""
    why = tools.compile_sweep()
    if why:
        print(f"upgrade: skipped: {why}")
        return True
    old = seed(tools, ledger)
    ends, failing = (ledger.EXIT_OK, ledger.EXIT_KILLED), (ledger.EXIT_OK, ledger.EXIT_IO, ledger.EXIT_LOADER)
    plans = [("kill-entry", ends, "kill at entry"), ("kill-exit", ends, "kill at exit"), ("err=5", failing, "EIO once"),
             ("err=28", failing, "ENOSPC once"), ("err+=28", failing, "ENOSPC from there on"),
             ("short", failing, "short write")]
    good = all([ledger.struck(tools, old, *plan, 60) for plan in plans])
    return power(tools, ledger) and good


def power(tools, ledger):
    """Power cuts; and that the same sweep fails when syncing is left out."""
    cuts = power_cuts(tools, ledger, "power cuts, upgrade", "", True)
    return cuts and power_cuts(tools, ledger, "power cuts, upgrade without any sync (negative control)", " --no-sync", False)


def power_cuts(tools, ledger, name, more, well):
    old, up = f"{probe(tools)} old {{mnt}}", f"{probe(tools)} up {{mnt}}"
    work = tempfile.mkdtemp(dir=tools.work)
    command = [sys.executable, f"{ledger.HERE}/powerloss.py", work, "--seed", str(tools.seed)]
    command += ["--run", f"sh -c '{old} {COMMITS} --marks {{dev}} && {up} --marks {{dev}}{more}'"]
    command += ["--check", f"{probe(tools)} check {{mnt}} {{acked}}"]
    command += ["--every", "5"] if tools.quick else []
    done = subprocess.run(command, capture_output=True, text=True)
    shutil.rmtree(work, ignore_errors=True)
    if done.returncode == 77:
        print(f"upgrade, power: {ledger.last_line(done.stdout)}")
        return True
    good = done.returncode == (0 if well else 1)
    verdict = "as it must be" if well else "fails, as it must"
    if not good:
        verdict = f"VIOLATED (exit {done.returncode})\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    print(f"{name}: {ledger.last_line(done.stdout)}: {verdict}", flush=True)
    return good
