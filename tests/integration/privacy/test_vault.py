"""The vault's operations on real PostgreSQL and real key files."""

import asyncio

import pytest

from libs.common.clock import DAY, day_of
from libs.common.contracts.vault import (
    ERASED,
    LIVE,
    UNKNOWN,
    BindRequest,
    DayKeyReply,
    DayKeyRequest,
    Identifier,
    Key,
    WorkspaceRequest,
)
from libs.common.crypto import binding_id
from libs.common.errors import BadRequest, NotFound
from services.privacy.binding import FOREVER
from services.privacy.housekeeping import destroy_old_days
from tests.postgres import Database
from tests.vaults import NOON, WORKSPACE, VaultProcess, phone, user


async def test_the_same_identifiers_get_the_same_pseudonyms_and_key(vault: VaultProcess) -> None:
    first, again, alone = await vault.bind([phone(1), user(1)], [user(1), phone(1)], [phone(1)])
    assert again.binding == first.binding
    assert again.pseudonyms == first.pseudonyms[::-1]
    assert again.key == first.key
    assert alone.pseudonyms == first.pseudonyms[:1]
    assert alone.key != first.key
    assert first.binding == binding_id(WORKSPACE, first.pseudonyms)
    assert await vault.another().bind([phone(1), user(1)]) == [first]


async def test_pseudonyms_are_random_and_differ_between_kinds_with_the_same_value(vault: VaultProcess) -> None:
    as_user, as_card = await vault.bind([Identifier("user_id", "42")], [Identifier("member_card", "42")])
    assert as_user.pseudonyms != as_card.pseudonyms
    assert len(as_user.pseudonyms[0]) == 16
    assert len(as_user.key) == 32


async def test_both_suites_do_the_same_work(database: Database, vault: VaultProcess) -> None:
    gm = VaultProcess(await database("privacy", "vault"), vault.directory.parent / "gm")
    await gm.create("gm-v1")
    (bound,) = await gm.bind([phone(1)])
    assert len(bound.key) == 16
    assert await gm.another().keys(bound.binding) == [Key(LIVE, bound.key)]
    await gm.erase(bound)
    assert await gm.keys(bound.binding) == [Key(ERASED)]


async def test_many_processes_that_bind_the_same_at_once_agree(vault: VaultProcess) -> None:
    processes = [vault.another() for _ in range(4)]
    sets = [[phone(number), user(number % 7)] for number in range(100)]
    answers = await asyncio.gather(
        *(process.bind(*sets[start:], *sets[:start]) for start, process in enumerate(processes))
    )
    unrotated = [answer[100 - start :] + answer[: 100 - start] for start, answer in enumerate(answers)]
    assert all(answer == unrotated[0] for answer in unrotated)
    assert len({bound.binding for bound in unrotated[0]}) == 100


async def test_keys_are_live_or_unknown(vault: VaultProcess) -> None:
    one, two = await vault.bind([phone(1)], [phone(2)])
    assert await vault.keys(two.binding, b"?" * 16, one.binding, two.binding) == [
        Key(LIVE, two.key),
        Key(UNKNOWN),
        Key(LIVE, one.key),
        Key(LIVE, two.key),
    ]


async def test_find_creates_nothing(vault: VaultProcess) -> None:
    assert await vault.find(phone(1)) == [None]
    (bound,) = await vault.bind([phone(1)])
    assert await vault.find(phone(2), phone(1)) == [None, bound.pseudonyms[0]]


async def test_reveal_gives_back_what_was_bound(vault: VaultProcess) -> None:
    (bound,) = await vault.bind([phone(1), Identifier("wechat_openid", "名字")])
    found = await vault.reveal(*bound.pseudonyms, b"?" * 16)
    assert found == [phone(1), Identifier("wechat_openid", "名字"), None]


@pytest.mark.parametrize(
    "identifiers",
    [[], [Identifier("shoe_size", "42")], [Identifier("phone", "")], [Identifier("user_id", "x" * 257)]],
)
async def test_what_is_no_set_of_identifiers_is_refused(vault: VaultProcess, identifiers: list[Identifier]) -> None:
    with pytest.raises(BadRequest):
        await vault.bind(identifiers)


async def test_an_unknown_workspace_is_refused(vault: VaultProcess) -> None:
    with pytest.raises(NotFound, match="'nobody'"):
        await vault.vault.bind(BindRequest("nobody", [[phone(1)]]))


async def test_a_workspace_keeps_its_event_id_key(vault: VaultProcess) -> None:
    first = await vault.vault.workspace(WorkspaceRequest(WORKSPACE))
    await vault.ring.ensure(WORKSPACE, 0, vault.ring._trees[WORKSPACE].suite)
    assert await vault.another().vault.workspace(WorkspaceRequest(WORKSPACE)) == first
    assert (first.partition, first.suite, len(first.event_id_key)) == (0, "intl-v1", 32)


async def day_key(vault: VaultProcess, day: str) -> DayKeyReply:
    return await vault.vault.day_key(DayKeyRequest(WORKSPACE, day))


async def test_day_keys_are_made_for_today_and_yesterday_only(vault: VaultProcess) -> None:
    today, yesterday = await day_key(vault, day_of(NOON)), await day_key(vault, day_of(NOON - DAY))
    assert {today.state, yesterday.state} == {LIVE}
    assert today.key != yesterday.key
    assert await day_key(vault.another(), day_of(NOON)) == today
    assert (await day_key(vault, day_of(NOON - 2 * DAY))).state == UNKNOWN
    assert (await day_key(vault, day_of(NOON + DAY))).state == UNKNOWN
    assert (await day_key(vault, day_of(NOON - 31 * DAY))).state == ERASED
    with pytest.raises(BadRequest):
        await day_key(vault, "yesterday")


async def test_day_keys_are_destroyed_after_thirty_days(vault: VaultProcess) -> None:
    day = day_of(NOON)
    before = await day_key(vault, day)
    slots = vault.directory / WORKSPACE
    file = next(slots.glob("slots.*"))
    old = file.read_bytes()
    vault.clock.at += 30 * DAY
    await destroy_old_days(vault.ring, WORKSPACE)
    assert await day_key(vault, day) == before
    vault.clock.at += DAY
    await destroy_old_days(vault.ring, WORKSPACE)
    assert (await day_key(vault, day)).state == ERASED
    assert old[-64:] not in file.read_bytes()
    assert (await vault.bind([phone(1)]))[0].suppressed_until == 0


async def test_an_erased_person_is_gone_and_others_stay(vault: VaultProcess) -> None:
    one, other = await vault.bind([phone(1), user(1)], [phone(2), user(2)])
    await vault.erase(one)
    for process in (vault, vault.another()):
        assert await process.keys(one.binding, other.binding) == [Key(ERASED), Key(LIVE, other.key)]
        assert await process.find(phone(1), phone(2)) == [None, other.pseudonyms[0]]
        assert await process.reveal(*one.pseudonyms, *other.pseudonyms) == [None, None, phone(2), user(2)]
        assert await process.bind([phone(2), user(2)]) == [other]


async def test_an_erased_identifier_starts_a_new_person_and_its_past_stays_suppressed(vault: VaultProcess) -> None:
    (old,) = await vault.bind([phone(1)])
    await vault.erase(old)
    vault.clock.at += DAY
    new, mixed, other = await vault.bind([phone(1)], [phone(3), phone(1)], [phone(2)])
    assert new.pseudonyms != old.pseudonyms
    assert new.binding != old.binding
    assert (new.suppressed_until, mixed.suppressed_until, other.suppressed_until) == (NOON, NOON, 0)
    await vault.erase(new)
    assert (await vault.bind([phone(1)]))[0].suppressed_until == NOON + DAY


async def test_an_erased_binding_of_a_surviving_identifier_is_never_opened_again(vault: VaultProcess) -> None:
    pair, single = await vault.bind([phone(1), user(1)], [user(1)])
    only_the_binding = type(pair)(pair.binding, [], b"", 0)
    await vault.erase(only_the_binding)
    again, still = await vault.bind([phone(1), user(1)], [user(1)])
    assert again.binding == pair.binding
    assert again.suppressed_until == FOREVER
    assert again.key != pair.key
    assert still == single
    assert await vault.keys(pair.binding) == [Key(ERASED)]
