"""Bags for the lanes: made here with Python's own tarfile and hashlib, so that the program under test has no say."""
import hashlib, io, os, random, tarfile


def bag_files(files):
    """Payload files {path: bytes} with the tag files of a BagIt 1.0 bag around them."""
    members = {f"data/{path}": data for path, data in files.items()}
    size = sum(map(len, members.values()))
    bag = dict(members)
    bag["bagit.txt"] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    bag["bag-info.txt"] = f"Source-Organization: Example University\nPayload-Oxum: {size}.{len(members)}\n".encode()
    for name in ("sha256", "sha512"):
        lines = [f"{hashlib.new(name, data).hexdigest()}  {path}\n" for path, data in sorted(members.items())]
        bag[f"manifest-{name}.txt"] = "".join(lines).encode()
    tags = sorted(path for path in bag if not path.startswith("data/"))
    bag["tagmanifest-sha256.txt"] = "".join(f"{hashlib.sha256(bag[p]).hexdigest()}  {p}\n" for p in tags).encode()
    return bag


def write_tar(path, name, bag):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in bag.items():
            info = tarfile.TarInfo(f"{name}/{member}")
            info.size, info.mtime, info.mode = len(data), 1_700_000_000, 0o644
            tar.addfile(info, io.BytesIO(data))


def make(folder, name, count, size, seed):
    """One bag of `count` files of about `size` bytes as a tar; gives {bag path: sha256}."""
    rng = random.Random(seed)
    files = {f"{n % 97:02d}/file-{n:06d}.bin": rng.randbytes(rng.randint(size // 2, size)) for n in range(count)}
    bag = bag_files(files)
    write_tar(os.path.join(folder, f"{name}.tar"), name, bag)
    return {path: hashlib.sha256(data).hexdigest() for path, data in bag.items()}


def digests(folder):
    """{path below folder: sha256} of everything in it."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
