#!/usr/bin/env python3
"""What two validators that we did not write say of OCFL storage roots, and two rules that neither checks.

usage: oracles.py [--require] [--xsd PREMIS.XSD] ROOT...

- rocfl over the whole root: exit 0, and no warning or error printed.
- ocfl-py over each object: given a root, its tools exit 0 although an object in it is corrupt.
- Each object lies where layout 0003 puts its id (E083); no file has a second name (E090).
- metadata/premis.xml in each version is valid by the PREMIS schema, when xmllint and the schema are there.

The tools are found on PATH, or by STRONGROOM_ROCFL, STRONGROOM_OCFL_PY (ocfl-validate.py) and STRONGROOM_PREMIS_XSD.
A tool that is missing is told as 'skipped: ...'; with --require it is an error. Exit 0: sound, 1: not, 2: usage.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

OBJECTS_AT_ONCE = 200


def tool(variable, *names):
    given = os.environ.get(variable)
    if given:
        return given if os.path.exists(given) else None
    return next((found for found in map(shutil.which, names) if found), None)


def objects_of(root):
    """Object folders below a root, relative, sorted."""
    found = []
    for folder, folders, files in os.walk(root):
        if any(name.startswith("0=ocfl_object_") for name in files):
            found.append(os.path.relpath(folder, root))
            folders.clear()
        elif folder == root and "extensions" in folders:
            folders.remove("extensions")
    return sorted(found)


def layout_path(object_id):
    digest = hashlib.sha256(object_id.encode()).hexdigest()
    safe = re.compile(rb"[A-Za-z0-9_-]")
    name = "".join(
        chr(byte) if safe.match(bytes([byte])) else "%%%02x" % byte for byte in object_id.encode()
    )
    if len(name) > 100:
        name = name[:100] + "-" + digest
    return "/".join([digest[0:3], digest[3:6], digest[6:9], name])


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def check_root(root, objects, faults, skip):
    rocfl = tool("STRONGROOM_ROCFL", "rocfl", os.path.expanduser("~/.cargo/bin/rocfl"))
    if not rocfl:
        return skip("rocfl is not installed")
    code, told = run(rocfl, "-S", "-r", root, "validate")
    told, passed_over = without_escaped(root, objects, told)
    if passed_over:
        print(f"note: rocfl cannot read paths that JSON escapes; passed over in {passed_over} objects")
    named = re.findall(r"\b[EW]\d{3}\b", told)
    if named or code != 0 and not (passed_over and code == 2):
        faults.append(f"rocfl exits {code} on {root}, naming {sorted(set(named))}:\n{told}")
    counted = re.search(r"Total objects:\s*(\d+)", told)
    if counted and int(counted.group(1)) != len(objects):
        faults.append(f"rocfl counts {counted.group(1)} objects in {root}, we count {len(objects)}")
    print(f"rocfl: {root}: exit {code}, {len(objects)} objects")


def without_escaped(root, objects, told):
    """What rocfl says, less one complaint: it calls a path that JSON must escape (a quote, a backslash, a line feed)
    no string (E051 in a state, E092 in a manifest). Such an object is looked at by the other validator alone; told are the rest, and how many."""
    complaint = re.compile(r"^ *\d+\. \[(E051|E092)\].*must reference an array of strings$")
    escaped = set()
    for path in objects:
        with open(os.path.join(root, path, "inventory.json"), "rb") as file:
            text = file.read()
        if b"\\" in text:
            escaped.add(json.loads(text)["id"])
    rest, current, passed_over = [], None, set()
    for line in told.splitlines():
        began = re.match(r"^Object (.*) is (valid|invalid)", line)
        current = began.group(1) if began else current
        if current in escaped and complaint.match(line):
            passed_over.add(current)
        else:
            rest.append(line)
    counted = re.search(r"Invalid objects:\s*(\d+)", told)
    if counted and int(counted.group(1)) > len(passed_over):
        return told, 0
    return "\n".join(rest), len(passed_over)


def check_objects(root, objects, faults, skip):
    validate = tool("STRONGROOM_OCFL_PY", "ocfl-validate.py")
    if not validate:
        return skip("ocfl-py is not installed")
    for start in range(0, len(objects), OBJECTS_AT_ONCE):
        some = [os.path.join(root, path) for path in objects[start : start + OBJECTS_AT_ONCE]]
        code, told = run(validate, *some)
        named = re.findall(r"\b[EW]\d{3}[a-z]?\b", told)
        valid = len(re.findall(r"is VALID", told))
        if code != 0 or named or valid != len(some):
            faults.append(f"ocfl-py exits {code}, {valid} of {len(some)} valid, naming {sorted(set(named))}:\n{told}")
    print(f"ocfl-py: {root}: {len(objects)} objects looked at")


def check_rules_of_ours(root, objects, faults):
    for path in objects:
        with open(os.path.join(root, path, "inventory.json"), "rb") as file:
            object_id = json.load(file)["id"]
        if layout_path(object_id) != path:
            faults.append(f"{object_id} lies at {path}, not at {layout_path(object_id)} (E083)")
    for folder, _, files in os.walk(root):
        for name in files:
            file = os.path.join(folder, name)
            if os.path.islink(file) or os.lstat(file).st_nlink != 1:
                faults.append(f"{file} is linked (E090)")


def check_premis(root, xsd, faults, skip):
    found = []
    for folder, _, files in os.walk(root):
        if folder.endswith("/content/metadata") and "premis.xml" in files:
            found.append(os.path.join(folder, "premis.xml"))
    if not found:
        return
    xmllint = shutil.which("xmllint")
    if not xmllint or not xsd or not os.path.exists(xsd):
        return skip("xmllint or the PREMIS schema is missing")
    for file in found:
        code, told = run(xmllint, "--nonet", "--noout", "--schema", xsd, file)
        if code != 0:
            faults.append(f"xmllint exits {code}:\n{told}")
    print(f"xmllint: {root}: {len(found)} premis.xml")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--require", action="store_true", help="a missing tool is an error")
    parser.add_argument("--xsd", default=os.environ.get("STRONGROOM_PREMIS_XSD"))
    parser.add_argument("root", nargs="+")
    asked = parser.parse_args()
    faults = []

    def skip(why):
        print(f"skipped: {why}")
        if asked.require:
            faults.append(why)

    for root in asked.root:
        root = os.path.abspath(root)
        if not os.path.isfile(os.path.join(root, "0=ocfl_1.1")):
            faults.append(f"{root} is no OCFL 1.1 storage root")
            continue
        objects = objects_of(root)
        check_root(root, objects, faults, skip)
        check_objects(root, objects, faults, skip)
        check_rules_of_ours(root, objects, faults)
        check_premis(root, asked.xsd, faults, skip)
        print(f"objects: {root}: {len(objects)}")
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
