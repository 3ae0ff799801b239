"""The questions, in ClickHouse's SQL. Customers are joined here, at query time: a merge restates every figure.

Every query is bound to one workspace, one generation and one committed position. A row counts if its binding has a
living customer there; rows of erased bindings have none.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

_FROM = """
FROM {database}.events AS e INNER JOIN (
    SELECT binding, argMax(customer, (entry, seq)) AS customer, argMax(erased, (entry, seq)) AS gone
    FROM {database}.links WHERE partition = {{partition:UInt16}} AND entry <= {{position:UInt64}}
    GROUP BY binding HAVING NOT gone
) AS l ON e.binding = l.binding
WHERE workspace = {{workspace:String}} AND partition = {{partition:UInt16}} AND entry <= {{position:UInt64}}
"""
_DAY = "toString(toDate32(fromUnixTimestamp64Micro(at, {{timezone:String}})))"
_IN_SPAN = "AND at >= {{start:Int64}} AND at < {{end:Int64}}"
_FIGURES = """
count() AS events, uniqExact(customer) AS customers, countIf(sign = 1) AS orders,
sumMapIf(map(currency, minor), sign != 0) AS revenue
"""
_CHANNELS = f"SELECT channel, {{day}} AS day, {_FIGURES} {_FROM} {_IN_SPAN} GROUP BY channel, day ORDER BY day, channel"
_TOTAL = f"SELECT {_FIGURES} {_FROM} {_IN_SPAN}"
# The running maximum of (at, position, idx, what) is the latest touch with what it was.
_LAST_TOUCH = f"""
SELECT touched.4 AS channel, touched.5 AS medium, touched.6 AS source, touched.7 AS campaign,
uniqExact(customer) AS customers, countIf(sign = 1) AS orders, sumMap(map(currency, minor)) AS revenue
FROM (
    SELECT customer, sign, currency, minor, at, max(if(
        medium != '' OR campaign_source != '' OR campaign != '',
        (at, position, idx, toString(channel), toString(medium), toString(campaign_source), toString(campaign)),
        {{nothing}}
    )) OVER (PARTITION BY customer ORDER BY at, position, idx ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS last,
    if(at - last.1 <= {{{{window:Int64}}}}, last, {{nothing}}) AS touched
    FROM (
        SELECT customer, sign, currency, minor, at, position, idx, channel, medium, campaign_source, campaign
        {_FROM} AND at >= {{{{start:Int64}}}} - {{{{window:Int64}}}} AND at < {{{{end:Int64}}}}
        AND (sign != 0 OR medium != '' OR campaign_source != '' OR campaign != '')
    )
) WHERE sign != 0 AND at >= {{{{start:Int64}}}}
GROUP BY channel, medium, source, campaign ORDER BY channel, medium, source, campaign
"""  # noqa: S608 - constants
_NOTHING = "(toInt64(-9000000000000000000), toUInt64(0), toUInt32(0), 'direct', '', '', '')"


@dataclass(frozen=True)
class Scope:
    """What a question is about: microseconds from `start`, before `end`."""

    database: str
    partition: int
    position: int
    workspace: str
    timezone: str
    start: int
    end: int

    def parameters(self, **more: Any) -> dict[str, Any]:
        """For the driver."""
        bound = {
            name: getattr(self, name) for name in ("partition", "position", "workspace", "timezone", "start", "end")
        }
        return {**bound, **more}


class Sums(NamedTuple):
    """Figures of a group."""

    events: int
    customers: int
    orders: int
    revenue: dict[str, int]


class Cell(NamedTuple):
    """A channel's figures; `day` is empty when not asked by day."""

    channel: str
    day: str
    sums: Sums


class Credited(NamedTuple):
    """Orders credited to one touch point."""

    channel: str
    medium: str
    source: str
    campaign: str
    customers: int
    orders: int
    revenue: dict[str, int]


def channels(client: Client, scope: Scope, by_day: bool) -> list[Cell]:
    """By day and channel."""
    text = _CHANNELS.format(database=scope.database, day=_DAY.format() if by_day else "''")
    rows = client.query(text, parameters=scope.parameters()).result_rows
    return [Cell(row[0], row[1], _sums(row[2:])) for row in rows]


def total(client: Client, scope: Scope) -> Sums:
    """Over everything in the span."""
    return _sums(client.query(_TOTAL.format(database=scope.database), parameters=scope.parameters()).result_rows[0])


def last_touch(client: Client, scope: Scope, window: int) -> list[Credited]:
    """Each order, and each refund, to the customer's last touch at most `window` microseconds before it."""
    text = _LAST_TOUCH.format(database=scope.database, nothing=_NOTHING)
    rows = client.query(text, parameters=scope.parameters(window=window)).result_rows
    return [Credited(row[0], row[1], row[2], row[3], row[4], row[5], _revenue(row[6])) for row in rows]


def _sums(row: Any) -> Sums:
    return Sums(row[0], row[1], row[2], _revenue(row[3]))


def _revenue(by_currency: dict[str, int]) -> dict[str, int]:
    return dict(sorted(by_currency.items()))
