"""Renders the kustomizations of a directory, and holds what comes out against the schemas of Kubernetes.

    kubernetes.py SOURCE SCRATCH

Custom resources are written to SCRATCH/custom.json, for others to look at. Debian's kubectl has a kustomize that knows
neither directories among `resources` nor `patches`: what it is given is a copy with their older names.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import kubernetes_validate
import yaml

VERSION = "1.33"
CORE = ("v1", "apps/v1", "batch/v1", "autoscaling/v2", "networking.k8s.io/v1", "policy/v1")


def older(kustomization):
    """The same in the words of kustomize 2.0."""
    text = yaml.safe_load(kustomization.read_text())
    resources = text.get("resources", [])
    text["bases"] = [name for name in resources if name.startswith("..")]
    text["resources"] = [name for name in resources if not name.startswith("..")]
    text["patchesStrategicMerge"] = [patch["path"] for patch in text.pop("patches", [])]
    kustomization.write_text(yaml.safe_dump(text))


def main(source, scratch):
    copy = scratch / "kubernetes"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    kustomizations = sorted(copy.rglob("kustomization.yaml"))
    for kustomization in kustomizations:
        older(kustomization)
    custom, problems, seen = [], [], 0
    for kustomization in kustomizations:
        where = kustomization.parent.relative_to(copy)
        rendered = subprocess.run(
            ["kubectl", "kustomize", kustomization.parent], capture_output=True, text=True, check=False
        )
        if rendered.returncode:
            problems.append(f"{where}: {rendered.stderr}")
            continue
        for document in yaml.safe_load_all(rendered.stdout):
            seen += 1
            what = f"{where}: {document['kind']} {document['metadata']['name']}"
            if document["apiVersion"] not in CORE:
                custom.append(document)
                continue
            try:
                kubernetes_validate.validate(document, VERSION, strict=True)
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{what}: {error.message}")
    (scratch / "custom.json").write_text(json.dumps(custom))
    print(f"{seen} resources of {len(kustomizations)} kustomizations, {len(custom)} of them custom")
    sys.exit("\n".join(problems) or 0)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
