"""The tools that packing needs, at pinned versions, in a folder of their own: nothing of the machine is changed."""
import os, pathlib, shutil, subprocess, sys

CACHE = pathlib.Path(os.environ.get("STRONGROOM_PACKAGE_CACHE", pathlib.Path.home() / ".cache/strongroom-package"))
FROM_PYPI = pathlib.Path(__file__).resolve().parent / "requirements.txt"
FROM_CARGO = {"cargo-deb": "3.8.0", "cargo-generate-rpm": "0.21.1", "cargo-cyclonedx": "0.5.9"}


class Cannot(Exception):
    """A step that cannot be done; what was tried and what to do stand in it."""


def say(text):
    print(text, flush=True)


def run(command, **how):
    """Runs a command that must succeed; what it printed is in the error."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **how)
    if done.returncode:
        raise Cannot(f"{' '.join(str(part) for part in command)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def needed():
    """Fails with everything that is missing at once."""
    missing = [name for name in ("cargo", "rustc", "git", "cc", "readelf") if not shutil.which(name)]
    if missing:
        raise Cannot(f"not there: {', '.join(missing)}\ntry: Rust from https://rustup.rs, and: apt-get install git gcc binutils (dnf install git gcc binutils)")


def zig():
    """The folder with cargo-zigbuild and zig, which link against an old glibc wherever they run."""
    venv = CACHE / "venv"
    note, pinned = venv / "pinned", FROM_PYPI.read_text()
    if not note.exists() or note.read_text() != pinned:
        say(f"installing zig and cargo-zigbuild into {venv}")
        try:
            run([sys.executable, "-m", "venv", venv])
        except Cannot as why:
            raise Cannot(f"{why}\ntry: apt-get install python3-venv") from None
        run([venv / "bin/pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes", "-r", FROM_PYPI])
        note.write_text(pinned)
    return venv / "bin"


def cargo(name):
    """The path of a cargo subcommand at its pinned version."""
    place = CACHE / "tools" / f"{name}-{FROM_CARGO[name]}"
    program = place / "bin" / name
    if not program.exists():
        say(f"installing {name} {FROM_CARGO[name]} into {place}")
        run(["cargo", "install", "-q", "--locked", "--root", place, f"{name}@{FROM_CARGO[name]}"], env=clean())
    return program


def clean(**more):
    """The environment without what would change a build."""
    taken = ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTC_WRAPPER", "CFLAGS", "MAKEFLAGS")
    return {**{name: value for name, value in os.environ.items() if name not in taken and not name.startswith("CARGO_PROFILE_")},
            "LC_ALL": "C", "TZ": "UTC", **{name: str(value) for name, value in more.items()}}
