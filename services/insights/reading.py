"""Answers: as of one committed position, with small cells withheld."""

from collections.abc import Callable
from typing import TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from libs.common.clock import DAY
from libs.common.errors import Unavailable
from services.insights import queries
from services.insights.asking import Ask
from services.insights.engine import unavailable
from services.insights.queries import Cell, Credited, Scope, Sums
from services.insights.schemas import Attribution, ChannelCell, Channels, Credit, Figures, Standing

T = TypeVar("T")
EMPTY = Sums(0, 0, 0, {})


async def channels(asked: Ask, by_day: bool) -> Channels:
    """Channel performance."""

    def question(client: Client, scope: Scope) -> tuple[list[Cell], Sums]:
        return queries.channels(client, scope, by_day), queries.total(client, scope)

    nothing: tuple[list[Cell], Sums] = ([], EMPTY)
    (cells, total), standing = await _answer(asked, question, nothing)
    return Channels(
        **_common(asked), cells=[_cell(asked, cell) for cell in cells], total=_figures(total), position=standing
    )


async def last_touch(asked: Ask, window_days: int) -> Attribution:
    """Credits; what they leave over would be a fault, so none is answered then."""

    def question(client: Client, scope: Scope) -> tuple[list[Credited], Sums]:
        return queries.last_touch(client, scope, window_days * DAY), queries.total(client, scope)

    nothing: tuple[list[Credited], Sums] = ([], EMPTY)
    (credits, total), standing = await _answer(asked, question, nothing)
    _must_reconcile(credits, total)
    return Attribution(
        **_common(asked),
        model="last_touch",
        window_days=window_days,
        credits=[_credit(asked, each) for each in credits],
        total=_figures(total),
        position=standing,
    )


def _must_reconcile(credits: list[Credited], total: Sums) -> None:
    credited: dict[str, int] = {}
    for each in credits:
        for currency, minor in each.revenue.items():
            credited[currency] = credited.get(currency, 0) + minor
    if credited != total.revenue or sum(each.orders for each in credits) != total.orders:
        raise RuntimeError("credited revenue is not the revenue there is")


async def _answer(asked: Ask, question: Callable[[Client, Scope], T], nothing: T) -> tuple[T, Standing]:
    """Asked again once when a replay has swapped the history meanwhile."""
    opened = asked.opened
    opened.must_be_whole()
    partition = await opened.partition()
    for last_try in (False, True):
        known = await opened.standing()
        position = known.positions.get(partition, 0) if known else 0
        standing = Standing(partition=partition, position=position)
        if known is None or position <= 0:
            return nothing, standing
        scope = Scope(
            known.generation, partition, position, asked.caller.workspace, asked.timezone, asked.start, asked.end
        )
        try:
            return await opened.engine.read(lambda client, scope=scope: question(client, scope)), standing  # type: ignore[misc]
        except ClickHouseError as error:
            if last_try or await opened.standing() == known:
                raise unavailable(error) from error
    raise Unavailable("the history was just replaced: ask again")


def _common(asked: Ask) -> dict[str, str]:
    days = {"from": asked.first.isoformat(), "to": asked.last.isoformat()}
    return {"purpose": asked.purpose, "timezone": asked.timezone, **days}


def _cell(asked: Ask, cell: Cell) -> ChannelCell:
    shown = _figures(cell.sums) if _large(asked, cell.sums.customers) else None
    return ChannelCell(channel=cell.channel, day=cell.day or None, figures=shown)


def _credit(asked: Ask, each: Credited) -> Credit:
    where = {"channel": each.channel, "medium": each.medium, "source": each.source, "campaign": each.campaign}
    if not _large(asked, each.customers):
        return Credit(**where, customers=None, orders=None, revenue=None)
    return Credit(**where, customers=each.customers, orders=each.orders, revenue=each.revenue)


def _large(asked: Ask, customers: int) -> bool:
    return customers >= asked.opened.settings.insights_smallest_cell


def _figures(sums: Sums) -> Figures:
    return Figures(events=sums.events, customers=sums.customers, orders=sums.orders, revenue=sums.revenue)
