#!/usr/bin/env python3
"""Replays power cuts: records every block that a program's file system writes, and rebuilds the disk as a cut after each
write would have left it.

usage: powerloss.py WORKDIR --run 'PROG ... {mnt} ... {dev}' --check 'CHECK ... {mnt} ... {acked}'
                    [--disk-mib 64] [--every 1] [--states-max 0] [--policies strict,half,torn] [--seed 7]

{mnt}    the mounted file system (ext4, 4 MiB smaller than the disk)
{dev}    the block device: the program acknowledges number A by writing 512 bytes, "SRMARK!!" and A as little-endian u64,
         with O_DIRECT into the last 4 MiB of it, so that acknowledgements and writes lie in one row
{acked}  the highest number acknowledged before the cut
CHECK    exits 0 when all is well on the disk that is left

A cut keeps all that a flush covered. Of what was written after the last flush, `strict` keeps nothing, `half` keeps every
second write at random, `torn` keeps every second page (4 KiB) at random. States that would be equal are checked once.

Prints the violations and one summary line. Exit: 0 none, 1 some, 2 the program itself failed, 77 skipped (says why).
Needs root, qemu-storage-daemon with blklogwrites and FUSE export, FUSE, loop devices, mkfs.ext4. WORKDIR should lie in
memory (/dev/shm). What it mounts and attaches it takes down again, also when it is interrupted.
"""
import argparse
import mmap
import os
import random
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time

MIB = 1 << 20
PAGE = 4096
MARK = b"SRMARK!!"
MARKS_BYTES = 4 * MIB
FLUSH, FUA, DISCARD = 1, 2, 4
CHECK_SECONDS = 120


def sh(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done


def missing():
    """Why this machine cannot do it, or None."""
    if os.geteuid() != 0:
        return "not root"
    for tool in ("qemu-storage-daemon", "losetup", "mkfs.ext4", "mount", "umount"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if not os.path.exists("/dev/fuse"):
        return "no /dev/fuse"
    if not os.path.exists("/dev/loop-control"):
        return "no loop devices"
    said = sh("qemu-storage-daemon", "--help", check=False).stdout
    if "fuse,id=" not in said:
        return "qemu-storage-daemon has no FUSE export"
    return None


class Attached:
    """An image as a block device, for as long as the block lasts."""

    def __init__(self, image):
        self.image = image

    def __enter__(self):
        self.device = sh("losetup", "-f", "--show", self.image).stdout.strip()
        return self.device

    def __exit__(self, *_):
        take_down(lambda: sh("losetup", "-d", self.device))


class Mounted:
    """A device at a folder, for as long as the block lasts."""

    def __init__(self, device, folder):
        self.device, self.folder = device, folder

    def __enter__(self):
        sh("mount", "-t", "ext4", self.device, self.folder)
        return self.folder

    def __exit__(self, *_):
        take_down(lambda: sh("umount", self.folder))


def take_down(action):
    # Something may hold it for a moment yet; what cannot be taken down must be heard of.
    for attempt in range(50):
        try:
            return action()
        except RuntimeError as why:
            last = why
            time.sleep(0.1)
    print(f"left behind: {last}", file=sys.stderr)


class Recorder:
    """A disk whose writes are all logged, as a file below `work`."""

    def __init__(self, work, mib):
        self.work, self.export = work, f"{work}/export"
        self.disk, self.log = f"{work}/disk.img", f"{work}/log.img"
        for path, size in ((self.disk, mib * MIB), (self.log, mib * 16 * MIB)):
            with open(path, "wb") as image:
                image.truncate(size)
        open(self.export, "ab").close()

    def __enter__(self):
        self.daemon = subprocess.Popen(
            ["qemu-storage-daemon",
             "--blockdev", f"driver=file,node-name=disk,filename={self.disk},cache.no-flush=off",
             "--blockdev", f"driver=file,node-name=log,filename={self.log}",
             "--blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size=512",
             "--export", f"type=fuse,id=export,node-name=logged,mountpoint={self.export},writable=on,growable=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(100):
            if self.daemon.poll() is not None:
                raise RuntimeError("qemu-storage-daemon: " + self.daemon.stderr.read().decode().strip())
            if os.path.getsize(self.export):
                return self.export
            time.sleep(0.1)
        self.__exit__()
        raise RuntimeError("qemu-storage-daemon did not export the disk within 10 s")

    def __exit__(self, *_):
        self.daemon.terminate()
        try:
            self.daemon.wait(20)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        if os.path.ismount(self.export):
            take_down(lambda: sh("umount", self.export))

    def entries(self):
        """Every write, in order: place, flags, bytes (none for a flush or a discard)."""
        with open(self.log, "rb") as log:
            sector = struct.unpack("<QQQI", log.read(28))[3]
            at = sector
            while True:
                log.seek(at)
                head = log.read(32)
                if len(head) < 32:
                    return
                place, count, flags, _ = struct.unpack("<QQQQ", head)
                if (place, count, flags) == (0, 0, 0):
                    return
                at += sector
                data = None
                if count and not flags & DISCARD:
                    log.seek(at)
                    data = log.read(count * sector)
                    at += count * sector
                yield place * sector, flags, data


def mark(device, number):
    """The mark of a number, as the program writes it."""
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        end = os.lseek(fd, 0, os.SEEK_END)
        block = mmap.mmap(-1, PAGE)
        block[:16] = MARK + struct.pack("<Q", number)
        os.pwritev(fd, [memoryview(block)[:512]], end - MARKS_BYTES)
    finally:
        os.close(fd)


def record(work, run, mib):
    """Runs the program on a logged disk; gives the log, and the program's exit code."""
    mnt = f"{work}/mnt"
    os.makedirs(mnt, exist_ok=True)
    recorder = Recorder(work, mib)
    with recorder as export, Attached(export) as device:
        lazy = "lazy_itable_init=0,lazy_journal_init=0"
        sh("mkfs.ext4", "-q", "-F", "-E", lazy, device, f"{mib - MARKS_BYTES // MIB}M")
        with Mounted(device, mnt):
            os.sync()
            # Number 0: from here on the disk is the program's.
            mark(device, 0)
            code = subprocess.run(shlex.split(run.format(mnt=mnt, dev=device)), stdout=subprocess.DEVNULL).returncode
    return list(recorder.entries()), code


def marked(data):
    return struct.unpack("<Q", data[8:16])[0] if data and data[:8] == MARK else None


class Disks:
    """The disk as cuts would have left it; `base` is what flushes covered so far."""

    def __init__(self, work, entries, mib):
        self.base, self.cut, self.entries = f"{work}/base.img", f"{work}/cut.img", entries
        with open(self.base, "wb") as image:
            image.truncate(mib * MIB)
        self.image = open(self.base, "r+b")
        self.covered = 0   # entries before it are in `base`

    def advance(self, upto):
        """Everything before entry `upto` is covered by a flush."""
        for place, _, data in self.entries[self.covered:upto]:
            if data:
                self.image.seek(place)
                self.image.write(data)
        self.image.flush()
        self.covered = max(self.covered, upto)

    def after(self, last, policy, rng):
        """The disk after a cut behind entry `last`; None when it equals what `strict` leaves."""
        pending = [entry for entry in self.entries[self.covered:last + 1] if entry[2]]
        kept = []
        for place, flags, data in pending:
            if flags & FUA:
                kept.append((place, data))
            elif policy == "half" and rng.random() < 0.5:
                kept.append((place, data))
            elif policy == "torn":
                pages = range(0, len(data), PAGE)
                kept += [(place + at, data[at:at + PAGE]) for at in pages if rng.random() < 0.5]
        if policy != "strict" and not kept:
            return None
        sh("cp", "--sparse=always", self.base, self.cut)
        with open(self.cut, "r+b") as image:
            for place, data in kept:
                image.seek(place)
                image.write(data)
        return self.cut


def judge(work, image, check, acked):
    """What is wrong with this disk, or None."""
    folder = f"{work}/left"
    os.makedirs(folder, exist_ok=True)
    with Attached(image) as device:
        try:
            with Mounted(device, folder):
                command = shlex.split(check.format(mnt=folder, acked=acked))
                try:
                    done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS)
                except subprocess.TimeoutExpired:
                    return f"the check did not end within {CHECK_SECONDS} s"
                if done.returncode == 0:
                    return None
                said = (done.stderr or done.stdout).strip().splitlines()
                return f"exit {done.returncode}: {said[-1][-200:] if said else ''}"
        except RuntimeError as why:
            return f"it does not mount: {why}"


def replay(work, entries, a):
    """Checks the states; gives their number by policy, and the violations."""
    start = next(i for i, (_, _, data) in enumerate(entries) if marked(data) == 0)
    disks = Disks(work, entries, a.disk_mib)
    disks.advance(start + 1)
    counts, violations, acked, seen = {p: 0 for p in a.policies}, [], 0, set()
    for last in range(start, len(entries)):
        _, flags, data = entries[last]
        acked = max(acked, marked(data) or 0)
        if flags & FLUSH:
            disks.advance(last + 1 if data is None or flags & FUA else last)
        if flags & DISCARD or (last - start) % a.every:
            continue
        for policy in a.policies:
            if a.states_max and sum(counts.values()) >= a.states_max:
                return counts, violations
            key = (disks.covered, acked)
            if policy == "strict" and key in seen:
                continue
            rng = random.Random(f"{a.seed}/{policy}/{last}")
            image = disks.after(last, policy, rng)
            if image is None:
                continue
            seen.add(key)
            counts[policy] += 1
            why = judge(work, image, a.check, acked)
            if why:
                violations.append(f"{policy}, cut behind write {last}, acknowledged {acked}: {why}")
    return counts, violations


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("work")
    p.add_argument("--run", required=True)
    p.add_argument("--check", required=True)
    p.add_argument("--disk-mib", type=int, default=64)
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--states-max", type=int, default=0)
    p.add_argument("--policies", type=lambda text: text.split(","), default=["strict", "half", "torn"])
    p.add_argument("--seed", type=int, default=7)
    return p.parse_args()


def main():
    a = arguments()
    why = missing()
    if why:
        print(f"skipped: {why}")
        return 77
    # An interrupt must unwind, so that everything is taken down.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    work = os.path.abspath(a.work)
    os.makedirs(work, exist_ok=True)
    entries, code = record(work, a.run, a.disk_mib)
    if code:
        print(f"the program ended with {code}; nothing was replayed")
        return 2
    begin = time.monotonic()
    counts, violations = replay(work, entries, a)
    for violation in violations[:20]:
        print(violation)
    states = sum(counts.values())
    rate = states / max(time.monotonic() - begin, 1e-9)
    by_policy = ", ".join(f"{count} {policy}" for policy, count in counts.items())
    print(f"power cuts: {states} states ({by_policy}), {len(violations)} violations, {rate:.1f} states/s")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
