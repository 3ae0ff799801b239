"""deploy/k8s/base/processes.yaml: a Deployment per process and a Service per API.

A service with a volume (the vault's key files, the history of insights) becomes one StatefulSet whose processes
share it. Engines,
the provision job, network policies and the kustomization are plain files beside it.
"""

from typing import Any

from libs.devstack.deployment import addresses
from libs.devstack.deployment.addresses import DIRECTORIES, TOKEN_PUBLIC_KEY, USER_ID
from libs.devstack.table import SERVICES, Process, Service, processes

PASSWORDS, TOKEN_KEY = "wanliu-passwords", "wanliu-token"
PART_OF = {"app.kubernetes.io/part-of": "wanliu"}
RESOURCES = {"requests": {"cpu": "100m", "memory": "192Mi"}, "limits": {"memory": "768Mi"}}
LARGE = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}
"""Of a process with an engine inside."""
GRACE_SECONDS = 20


def documents() -> list[dict[str, Any]]:
    """All objects of the service processes."""
    found: list[dict[str, Any]] = []
    for service in SERVICES:
        own = [process for process in processes() if process.service == service]
        if service.volume:
            found.append(_stateful(service, service.volume, own))
        else:
            found += [_deployment(process) for process in own]
        found += [_service(process) for process in own if process.serves]
    return found


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, **PART_OF}


def _deployment(process: Process) -> dict[str, Any]:
    labels = _labels(process.name)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": process.name, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod([process])},
        },
    }


def _stateful(service: Service, volume: str, own: list[Process]) -> dict[str, Any]:
    labels = _labels(service.name)
    claim = {
        "metadata": {"name": volume},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": service.name, "labels": labels},
        "spec": {
            "serviceName": service.name,
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(own)},
            "volumeClaimTemplates": [claim],
        },
    }


def _pod(own: list[Process]) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(process) for process in own],
        "volumes": [{"name": "token", "secret": {"secretName": TOKEN_KEY, "defaultMode": 0o440}}],
    }


def _container(process: Process) -> dict[str, Any]:
    port = addresses.port(process)
    mounts = [{"name": "token", "mountPath": TOKEN_PUBLIC_KEY, "subPath": "token_public.pem", "readOnly": True}]
    if volume := process.service.volume:
        mounts.append({"name": volume, "mountPath": DIRECTORIES[volume]})
    return {
        "name": process.name,
        "image": addresses.image(process.service.extra),
        "command": addresses.command(process),
        "env": _environment(process),
        "ports": [{"name": "http" if process.serves else "worker", "containerPort": port}],
        "startupProbe": {**_probe("/healthz", port), "periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": {**_probe("/healthz", port), "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {**_probe("/readyz", port), "periodSeconds": 5, "timeoutSeconds": 5},
        "resources": LARGE if process.service.alone else RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _environment(process: Process) -> list[dict[str, Any]]:
    """Passwords from the secret first: the URLs after them refer to them."""
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": PASSWORDS, "key": name}}}
        for name in addresses.passwords_of(process)
    ]
    told = addresses.environment(process, lambda variable: f"$({variable})")
    return secret + [{"name": name, "value": value} for name, value in told.items()]


def _probe(path: str, port: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port}}


def _service(process: Process) -> dict[str, Any]:
    labels = _labels(process.service.name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": process.service.name, "labels": labels},
        "spec": {
            "selector": labels,
            "ports": [{"name": "http", "port": addresses.port(process), "targetPort": "http"}],
        },
    }
