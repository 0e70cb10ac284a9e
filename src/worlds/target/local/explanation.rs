//! What lies in a storage root, for somebody who has nothing of strongroom but this.
//!
//! - Every command in it works as it stands, in a storage root of ours; `tests/recovery.rs` types them.

/// Text of `STRONGROOM.md`.
pub const EXPLANATION: &str = r#"# What lies here

This folder is an OCFL 1.1 storage root (https://ocfl.io/1.1/spec/), written by strongroom. Everything in it can be read
and checked without strongroom: `inventory.json` in each object's folder lists every file with its SHA-512.

- An object is one bag (RFC 8493) of one depositor: its id is `strongroom:<depositor>/<bag>`. Each new deposit of the
  same bag is a new version. Objects lie where layout extension 0003 puts them (see `extensions/`): three folders of three
  digits, then the id with everything but letters, digits, `-` and `_` as `%` and two hexadecimal digits.
- `bag/` in the state of a version is the bag as it was deposited, byte for byte, with its own manifests.
- `metadata/` beside it holds what was known when the version was made: `strongroom.json` and `premis.xml` (PREMIS 3.0).
- An object with nothing but `metadata/tombstone.json` and `metadata/premis.xml` stands in the place of one that was deleted:
  they say who asked for it, who approved it, when and why.
- `logs/premis/` in an object's folder holds what happened to it, one JSON object a line. Each file names the SHA-256 of
  the file before it, so that a missing or changed one is noticed.
- A content path below `.mapped/` holds a file whose own path some file systems would not keep; its path is in the state.

## Which objects are here

```sh
find . -name 0=ocfl_object_1.1
```

## Is an object whole

In the object's folder: first the list of its files, then every file of every version.

```sh
sha512sum -c inventory.json.sha512
```

```sh
sed 's/.*"manifest":{\(.*\)},"versions".*/\1/' inventory.json | tr '"' '\n' |
  awk 'length($0) == 128 && /^[0-9a-f]*$/ {digest = $0} /^v[0-9]*\/content\// {print digest "  " $0}' |
  sha512sum -c --quiet
```

## Getting a bag out

In the object's folder; the newest version goes to a folder elsewhere.

```sh
python3 -c '
import json, os, shutil, sys
to = sys.argv[1]
inventory = json.load(open("inventory.json"))
for digest, names in inventory["versions"][inventory["head"]]["state"].items():
    for name in names:
        os.makedirs(os.path.dirname(os.path.join(to, name)), exist_ok=True)
        shutil.copyfile(inventory["manifest"][digest][0], os.path.join(to, name))
' /somewhere/else
```

`/somewhere/else/bag` is then the bag. It holds its own manifests, so any BagIt tool can check it, or:

```sh
cd /somewhere/else/bag && sha256sum -c --quiet manifest-sha256.txt
```
"#;
