"""The list of what the program is made of (CycloneDX), without a date, a number drawn by lot or a place of this machine."""
import json, pathlib

from tools import Cannot, cargo, clean, run


def make(top, triple, version, scratch):
    """The SBOM as text."""
    name = "strongroom.cdx"
    left = top / f"{name}.json"
    left.unlink(missing_ok=True)
    try:
        # It writes beside Cargo.toml and nowhere else.
        run([cargo("cargo-cyclonedx"), "cyclonedx", "--format", "json", "--spec-version", "1.5", "--target", triple, "--no-build-deps",
             "--override-filename", name], cwd=top, env=clean(SOURCE_DATE_EPOCH=0))
        told = json.loads(left.read_text())
    finally:
        left.unlink(missing_ok=True)
    told.pop("serialNumber", None)
    told["metadata"].pop("timestamp", None)
    names = {}
    own = told["metadata"]["component"]
    for component in [own, *own.get("components", []), *told["components"]]:
        # What lies here has a place of this machine in its name; crates of the registry are named by their address.
        if "path+file" in component["bom-ref"]:
            names[component["bom-ref"]] = f"pkg:cargo/{component['name']}@{component['version']}" + ("#" + component["type"] if component is not own else "")
        if "path+file" in component.get("purl", "") or "file://" in component.get("purl", ""):
            component["purl"] = f"pkg:cargo/{component['name']}@{component['version']}"
    text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
    for was, becomes in sorted(names.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(json.dumps(was)[1:-1], becomes)
    if str(top) in text or str(pathlib.Path.home()) in text or "file://" in text:
        raise Cannot("the SBOM names places of this machine")
    told = json.loads(text)
    own = told["metadata"]["component"]
    own["version"] = version
    # Packed the same way every time, whatever order the tool finds crates in.
    told["components"].sort(key=lambda component: component["bom-ref"])
    told["dependencies"].sort(key=lambda one: one["ref"])
    for one in told["dependencies"]:
        one.get("dependsOn", []).sort()
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
