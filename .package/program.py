"""The program for every Linux with glibc 2.28 (Debian 10, EL 8, Ubuntu 18.10) or newer, and the proof that it is one."""
import os, pathlib, re, subprocess

from tools import Cannot, clean, run, say, zig

GLIBC = (2, 28)
# What every glibc system has; anything else would have to be installed beside the program.
SHARED = re.compile(r"^(libc|libm|libpthread|libdl|librt|libutil|libgcc_s|ld-linux[-\w]*)\.so\.\d+$")


def triples():
    """The machine's own target, and aarch64 where rustup has its standard library."""
    host = re.search(r"host: (\S+)", run(["rustc", "-vV"]))[1]
    if not host.endswith("-unknown-linux-gnu"):
        raise Cannot(f"packing needs Linux with glibc to run the program; this is {host}")
    _, sysroot = homes()
    others = ["aarch64-unknown-linux-gnu"]
    found = [other for other in others if other != host and (sysroot / "lib/rustlib" / other / "lib").is_dir()]
    for other in others:
        if other != host and other not in found:
            say(f"skipped: {other}, whose standard library is not here (try: rustup target add {other})")
    return [host, *found]


def homes():
    """Where crates and the compiler lie: places of this machine that a compiler likes to write down."""
    return pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")), pathlib.Path(run(["rustc", "--print", "sysroot"]).strip())


def build(top, triple, folder, epoch):
    """Compiles for this target; the same source makes the same bytes wherever it lies."""
    home, sysroot = homes()
    # The last that fits wins: the folder of the build lies below the source.
    remap = [(home, "/cargo"), (sysroot, "/rust"), (top, "/strongroom"), (folder, "/build")]
    environment = clean(
        SOURCE_DATE_EPOCH=epoch, CARGO_TARGET_DIR=folder, CARGO_INCREMENTAL=0,
        # Symbols stay out: a panic names file and line without them, and the program is a tenth of the size.
        CARGO_PROFILE_RELEASE_DEBUG="none", CARGO_PROFILE_RELEASE_STRIP="symbols",
        CARGO_ENCODED_RUSTFLAGS="\x1f".join(f"--remap-path-prefix={what}={by}" for what, by in remap))
    environment["PATH"] = f"{zig()}:{environment['PATH']}"
    glibc = ".".join(str(part) for part in GLIBC)
    command = ["cargo", "zigbuild", "--release", "--locked", "--target", f"{triple}.{glibc}", "--bin", "strongroom"]
    if subprocess.run(command, cwd=top, env=environment).returncode:
        raise Cannot(f"{' '.join(command)} failed; what it printed stands above")
    return folder / triple / "release/strongroom"


def prove(program, triple, top):
    """Reads the program's own tables: which glibc and which libraries it needs, and that it names no place of this machine."""
    versions = {tuple(int(part) for part in found.split(".")) for found in re.findall(r"GLIBC_(\d+(?:\.\d+)+)", run(["readelf", "-VW", program]))}
    if not versions:
        raise Cannot(f"{program} needs no versions of glibc at all: that is not what was meant")
    if max(versions) > GLIBC:
        raise Cannot(f"{program} needs glibc {max(versions)}, more than {GLIBC}")
    needs = re.findall(r"\(NEEDED\).*\[(.+)\]", run(["readelf", "-dW", program]))
    strange = [name for name in needs if not SHARED.match(name)]
    if strange:
        raise Cannot(f"{program} needs {', '.join(strange)}, which not every machine has")
    data = pathlib.Path(program).read_bytes()
    told = [str(place) for place in (top, *homes()) if str(place).encode() in data]
    if told:
        raise Cannot(f"{program} names places of this machine: {', '.join(told)}")
    say(f"{triple}: needs glibc {'.'.join(str(part) for part in max(versions))} or newer and {', '.join(sorted(needs))}; {len(data) / 2**20:.1f} MiB")
