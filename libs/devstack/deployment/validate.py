"""Offline checks of the deployment files: published schemas, and references that no schema sees."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from libs.devstack.deployment.addresses import nats_passwords, postgres_passwords
from libs.devstack.deployment.kubernetes import PASSWORDS, TOKEN_KEY

KUBERNETES = "1.34"
KEYS = {PASSWORDS: {*nats_passwords(), *postgres_passwords()}, TOKEN_KEY: {"token_public.pem"}}


def objects(base: Path) -> list[dict[str, Any]]:
    """All objects of a kustomize base."""
    listed = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    return [found for name in listed for found in yaml.safe_load_all((base / name).read_text())]


def schema_faults(root: Path) -> Iterator[str]:
    """What the published schemas of Compose and Kubernetes say. Raises ImportError without their packages."""
    import kubernetes_validate
    from check_jsonschema.builtin_schemas import get_builtin_schema
    from jsonschema import Draft7Validator

    compose = yaml.safe_load((root / "docker-compose.yml").read_text())
    for fault in Draft7Validator(get_builtin_schema("vendor.compose-spec")).iter_errors(compose):
        yield f"docker-compose.yml: {fault.json_path}: {fault.message}"
    for found in objects(root / "deploy/k8s/base"):
        try:
            kubernetes_validate.validate(found, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as fault:
            yield f"{name_of(found)}: {fault.message}"


def name_of(found: Mapping[str, Any]) -> str:
    """`Deployment ingest`."""
    return f"{found['kind']} {found['metadata']['name']}"


def reference_faults(found: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Names that point at nothing: secret keys, service and policy selectors, named ports."""
    known = list(found)
    pods = [template for each in known if (template := each.get("spec", {}).get("template"))]
    labels = [pod["metadata"]["labels"] for pod in pods]
    for each in known:
        for reference in _all(each, "secretKeyRef"):
            if reference["key"] not in KEYS.get(reference["name"], ()):
                yield f"{name_of(each)}: secret {reference['name']} has no key {reference['key']}"
        for selector in _selectors(each):
            if selector and not any(selector.items() <= pod.items() for pod in labels):
                yield f"{name_of(each)}: no pod has the labels {selector}"
        if each["kind"] == "Service":
            yield from _port_faults(each, pods)


def _selectors(each: Mapping[str, Any]) -> list[dict[str, str]]:
    spec = each.get("spec", {})
    if each["kind"] == "Service":
        return [spec["selector"]]
    return [selector["matchLabels"] for selector in _all(each, "podSelector") if "matchLabels" in selector]


def _port_faults(service: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    selector = service["spec"]["selector"]
    served = {
        key
        for pod in pods
        if selector.items() <= pod["metadata"]["labels"].items()
        for port in _all(pod, "ports")
        for each in port
        for key in (each["name"], each["containerPort"])
    }
    for port in service["spec"]["ports"]:
        if port.get("targetPort", port["port"]) not in served:
            yield f"{name_of(service)}: its pods have no port {port.get('targetPort', port['port'])}"


def _all(tree: Any, name: str) -> Iterator[Any]:
    """Every value under a key of that name, however deep."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key == name:
                yield value
            yield from _all(value, name)
    elif isinstance(tree, list):
        for value in tree:
            yield from _all(value, name)
