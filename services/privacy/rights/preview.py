"""What a deletion would take: customers, identifiers by kind, evidence, weak links, rows. Pure but for one query."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg
import msgspec

from libs.common.ids import customer_text

WEAK = frozenset({"device_id", "anonymous_id"})
"""Kinds that a browser or a tablet has rather than a person: what only they join may be two people."""
MAX_EVIDENCE = 100

_BINDINGS = """
SELECT binding, customer, kinds, events, first_position FROM bindings WHERE workspace = $1 AND customer IN (
    SELECT known.customer FROM pseudonyms p JOIN bindings known USING (binding)
    WHERE p.pseudonym = ANY($2::bytea[]) AND known.workspace = $1)
ORDER BY first_position, binding
"""
_CONSENTS = "SELECT count(*) FROM consents WHERE workspace = $1 AND pseudonym = ANY($2::bytea[])"


class Part(NamedTuple):
    """One binding: the evidence that its identifiers belong together. `kinds` is kind by pseudonym."""

    binding: bytes
    customer: bytes
    kinds: dict[str, str]
    events: int
    first_position: int


class Found(NamedTuple):
    """All that is known of the people whom the seeds lead to, the seeds included."""

    parts: list[Part]
    kinds: dict[str, str]
    consents: int


async def find(pool: asyncpg.Pool, workspace: str, seeds: dict[str, str]) -> Found:
    """What the seeds (kind by pseudonym) lead to now."""
    rows = await pool.fetch(_BINDINGS, workspace, [bytes.fromhex(seed) for seed in seeds])
    decode = msgspec.json.Decoder(dict[str, str]).decode
    parts = [Part(row[0], row[1], decode(row[2]), row[3], row[4]) for row in rows]
    kinds = dict(seeds)
    for part in parts:
        kinds |= part.kinds
    consents = await pool.fetchval(_CONSENTS, workspace, [bytes.fromhex(each) for each in kinds])
    return Found(parts, kinds, consents)


def summary(found: Found) -> dict[str, Any]:
    """Counts only: what a receipt may say."""
    return {
        "customers": len({part.customer for part in found.parts}),
        "identifiers": dict(sorted(Counter(found.kinds.values()).items())),
        "bindings": len(found.parts),
        "events": sum(part.events for part in found.parts),
    }


def preview(found: Found) -> dict[str, Any]:
    """The whole of it, for whoever decides about the request."""
    by_customer: defaultdict[bytes, list[Part]] = defaultdict(list)
    for part in found.parts:
        by_customer[part.customer].append(part)
    return {
        **summary(found),
        "customers": [_customer(customer, parts) for customer, parts in sorted(by_customer.items())],
        "rows": _rows(found),
    }


def _rows(found: Found) -> dict[str, dict[str, int]]:
    """How much each service would delete."""
    customers, bindings = len({part.customer for part in found.parts}), len(found.parts)
    events, owned = sum(part.events for part in found.parts), {each for part in found.parts for each in part.kinds}
    return {
        "identity": {"customers": customers, "bindings": bindings, "pseudonyms": len(owned)},
        "profile": {"bindings": bindings, "events": events},
        "privacy": {"bindings": bindings, "consents": found.consents},
        "vault": {"bindings": bindings, "identifiers": len(found.kinds)},
    }


def _customer(customer: bytes, parts: Sequence[Part]) -> dict[str, Any]:
    kinds = {pseudonym: kind for part in parts for pseudonym, kind in part.kinds.items()}
    return {
        "customer_id": customer_text(customer),
        "identifiers": dict(sorted(Counter(kinds.values()).items())),
        "bindings": len(parts),
        "events": sum(part.events for part in parts),
        "evidence": [_evidence(part) for part in parts[:MAX_EVIDENCE]],
        "weak_links": weak_links(parts),
    }


def _evidence(part: Part) -> dict[str, Any]:
    return {
        "binding": part.binding.hex(),
        "kinds": sorted(part.kinds.values()),
        "events": part.events,
        "first_position": part.first_position,
    }


def weak_links(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Devices and browsers without which the customer would fall apart, and into how many pieces."""
    links = []
    weak = {each: kind for part in parts for each, kind in part.kinds.items() if kind in WEAK}
    for pseudonym, kind in sorted(weak.items()):
        carrying = [part for part in parts if pseudonym in part.kinds]
        groups = _groups([set(part.kinds) - {pseudonym} for part in parts])
        touched = [group for group in groups if any(set(part.kinds) & group for part in carrying)]
        if len(touched) > 1:
            bindings = [part.binding.hex() for part in carrying]
            links.append({"kind": kind, "joins": len(touched), "bindings": bindings[:MAX_EVIDENCE]})
    return links


def _groups(sets: Iterable[set[str]]) -> list[set[str]]:
    """The connected sets."""
    groups: list[set[str]] = []
    for each in sets:
        if each:
            touching = [group for group in groups if group & each]
            groups = [group for group in groups if not group & each]
            groups.append(each.union(*touching))
    return groups
