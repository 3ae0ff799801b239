"""Profiles over HTTP: found by every identifier, only for a purpose, with nothing personal unless it may be shown."""

import asyncio
from datetime import UTC, datetime

import pytest

from libs.common.contracts.body import EventBody, Money
from libs.common.eventlog.base import LogUnavailable
from libs.common.ids import customer_text
from tests.integration.profile.api import REVEALER, Api
from tests.integration.profile.world import DAY, HOUR, NOON, Sent, customer, ids, track

WANG, LI, ZHAO = (customer(name) for name in ("wang", "li", "zhao"))
BROWSER, PHONE, CARD = ids(anonymous_id="b-1"), ids(phone="+8613912345678"), ids(member_card="M1")
NAMED = EventBody("identify", "", "app", traits={"level": "gold"}, personal={"name": "王小明", "city": "杭州"})


def order(minor: int, channel: str = "store") -> EventBody:
    return track("Order Completed", channel, message_id=f"order-{minor}", money=Money(minor, "CNY"))


@pytest.fixture
async def wang(api: Api) -> Api:
    """A person on three channels with three identifiers, and another one."""
    touched = track("View", medium="social", campaign={"source": "weibo", "name": "autumn"}, properties={"page": "/a"})
    api.world.send(Sent(WANG, BROWSER, touched), Sent(WANG, BROWSER, track(), at=NOON + HOUR))
    api.world.send(Sent(WANG, (*BROWSER, *PHONE), NAMED, at=NOON + 2 * HOUR), Sent(LI, ids(user_id="u-2"), order(1)))
    api.world.send(Sent(WANG, (*PHONE, *CARD), order(29_900), at=NOON + DAY, received=NOON + 2 * DAY))
    await api.tables.catch_up()
    return api


async def test_a_profile_is_the_sum_of_all_that_a_customers_bindings_saw(wang: Api) -> None:
    profile = await wang.profile(WANG)
    assert profile["customer_id"] == customer_text(WANG)
    assert profile["merged_into"] is None
    assert profile["traits"] == {"level": "gold"}
    assert profile["metrics"] == {
        "events": 4,
        "orders": 1,
        "revenue": {"CNY": 29_900},
        "sessions": 4,
        "active_days": 2,
        "first_seen": "2023-11-14T12:00:00.000000Z",
        "last_seen": "2023-11-15T12:00:00.000000Z",
    }
    assert profile["events"] == {"Order Completed": 1, "View": 2, "identify": 1}
    assert [(each["channel"], each["events"], each["orders"]) for each in profile["channels"]] == [
        ("app", 1, 0),
        ("store", 1, 1),
        ("web", 2, 0),
    ]
    web = profile["channels"][2]
    assert (web["first_touch"]["source"], web["first_touch"]["medium"]) == ("weibo", "social")
    assert profile["positions"] == [{"partition": 0, "position": 3, "clock": "2023-11-14T12:00:00.000003Z"}]


@pytest.mark.parametrize(
    ("kind", "value"), [("anonymous_id", "b-1"), ("phone", "139 1234 5678"), ("member_card", " M1 ")]
)
async def test_one_profile_is_found_by_any_identifier_however_it_is_written(wang: Api, kind: str, value: str) -> None:
    looked_up = await wang.post("/v1/profiles:lookup", {"kind": kind, "value": value})
    by_path = await wang.get(f"/v1/profiles/by/{kind}/{value}")
    assert looked_up.json() == by_path.json() == await wang.profile(WANG)
    assert looked_up.headers["cache-control"] == by_path.headers["cache-control"] == "no-store"


async def test_what_is_not_there_is_404_and_the_answer_does_not_repeat_the_identifier(wang: Api) -> None:
    answers = [
        await wang.get(f"/v1/profiles/{customer_text(ZHAO)}"),
        await wang.get(f"/v1/profiles/{customer_text(ZHAO)}/timeline"),
        await wang.post("/v1/profiles:lookup", {"kind": "phone", "value": "13900000001"}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "13900000001" not in answer.text


@pytest.mark.parametrize(
    ("kind", "value"),
    [("phone", "not a phone"), ("email", "no one"), ("shoe_size", "43"), ("user_id", "unknown")],
)
async def test_what_is_no_identifier_is_400_and_is_not_repeated(wang: Api, kind: str, value: str) -> None:
    answer = await wang.post("/v1/profiles:lookup", {"kind": kind, "value": value})
    assert answer.status_code == 400
    assert value not in answer.json()["detail"]


async def test_nothing_is_said_without_token_scope_or_purpose(wang: Api) -> None:
    path = f"/v1/profiles/{customer_text(WANG)}"
    assert (await wang.client.get(path, params={"purpose": "service"})).status_code == 401
    assert (await wang.get(path, scopes=("segments:read",))).status_code == 403
    assert (await wang.get(path, purpose="analytics")).status_code == 403
    headers = wang.headers(("profiles:read",), ("service",))
    assert (await wang.client.get(path, headers=headers)).status_code == 400
    elsewhere = wang.headers(("profiles:read",), ("service",), workspace="other")
    assert (await wang.client.get(path, headers=elsewhere, params={"purpose": "service"})).status_code == 403


async def test_the_documentation_names_the_parameters_of_every_question(wang: Api) -> None:
    paths = (await wang.client.get("/openapi.json")).json()["paths"]
    for path in ("/v1/profiles:lookup", "/v1/profiles/{customer_id}", "/v1/profiles/{customer_id}/timeline"):
        (operation,) = paths[path].values()
        assert {"purpose", "at_least", "at", "reveal"} <= {each["name"] for each in operation["parameters"]}


async def test_a_purpose_that_stands_on_consent_sees_nothing_without_consent(wang: Api) -> None:
    profile = await wang.profile(WANG, scopes=REVEALER, purpose="marketing")
    for part in ("traits", "personal", "computed", "identifiers", "channels", "events"):
        assert not profile[part]
    assert profile["metrics"] is None
    assert {each["what"] for each in profile["withheld"]} >= {"traits", "personal", "identifiers", "metrics"}
    assert {each["reason"] for each in profile["withheld"]} == {"no_consent"}
    timeline = (await wang.get(f"/v1/profiles/{customer_text(WANG)}/timeline", purpose="marketing")).json()
    assert (timeline["events"], timeline["withheld"]) == ([], [{"what": "timeline", "reason": "no_consent"}])
    assert await wang.audit() == []


async def test_without_the_scope_nothing_personal_is_shown_and_no_audit_entry_is_written(wang: Api) -> None:
    profile = await wang.profile(WANG)
    assert profile["personal"] == {}
    assert profile["identifiers"] == [
        {"kind": kind, "count": 1, "values": None} for kind in ("anonymous_id", "member_card", "phone")
    ]
    assert profile["withheld"] == [
        {"what": "personal", "reason": "no_scope"},
        {"what": "identifiers", "reason": "no_scope"},
    ]
    assert await wang.audit() == []


async def test_a_reveal_is_in_the_log_before_the_answer_and_says_what_but_no_value(wang: Api) -> None:
    profile = await wang.profile(WANG, scopes=REVEALER)
    assert profile["personal"] == {"city": "杭州", "name": "王小明"}
    assert {each["kind"]: each["values"] for each in profile["identifiers"]} == {
        "anonymous_id": ["b-1"],
        "member_card": ["M1"],
        "phone": ["+8613912345678"],
    }
    assert profile["withheld"] == []
    (entry,) = await wang.audit()
    assert (entry.caller, entry.customer, entry.purpose, entry.appended_at) == ("alice", WANG, "service", NOON)
    assert entry.names == [
        *("identifiers.anonymous_id", "identifiers.member_card", "identifiers.phone"),
        *("personal.city", "personal.name"),
    ]


async def test_a_caller_may_ask_for_less_than_it_is_allowed(wang: Api) -> None:
    profile = await wang.profile(WANG, scopes=REVEALER, reveal="personal.city,identifiers.phone")
    assert profile["personal"] == {"city": "杭州"}
    assert [each["kind"] for each in profile["identifiers"] if each["values"]] == ["phone"]
    assert {each["reason"] for each in profile["withheld"]} == {"not_asked"}
    assert [entry.names for entry in await wang.audit()] == [["identifiers.phone", "personal.city"]]
    assert (await wang.profile(WANG, scopes=REVEALER, reveal="none"))["personal"] == {}
    assert len(await wang.audit()) == 1
    answer = await wang.get(f"/v1/profiles/{customer_text(WANG)}", REVEALER, reveal="everything")
    assert answer.status_code == 400


async def test_a_log_that_takes_no_audit_entry_reveals_nothing(wang: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> int:
        raise LogUnavailable("away")

    monkeypatch.setattr(wang.events_log, "append", away)
    answer = await wang.get(f"/v1/profiles/{customer_text(WANG)}", REVEALER)
    assert answer.status_code == 503
    assert "王小明" not in answer.text


async def test_audit_entries_are_read_back_from_the_projection_by_whoever_audits(wang: Api) -> None:
    wang.world.reveal(WANG, "personal.name")
    wang.world.reveal(LI, "identifiers.phone")
    await wang.tables.catch_up()
    answer = (await wang.get("/v1/reveals", ("audit:read",), customer_id=customer_text(WANG))).json()
    assert answer["next"] is None
    (found,) = answer["reveals"]
    assert (found["position"], found["caller"], found["names"]) == (4, "alice", ["personal.name"])
    first = (await wang.get("/v1/reveals", ("audit:read",), limit="1")).json()
    second = (await wang.get("/v1/reveals", ("audit:read",), limit="1", after=str(first["next"]))).json()
    assert second["reveals"][0]["customer_id"] == customer_text(LI)
    assert (await wang.get("/v1/reveals")).status_code == 403


async def test_the_id_of_a_merged_customer_answers_with_the_customer_it_is_now(wang: Api) -> None:
    wang.world.merge(LI, WANG)
    await wang.tables.catch_up()
    now, old = await wang.profile(LI), await wang.profile(WANG)
    assert (now["merged_into"], old["merged_into"]) == (None, customer_text(LI))
    assert old == now | {"merged_into": customer_text(LI)}
    assert now["metrics"]["events"] == 5
    timeline = (await wang.get(f"/v1/profiles/{customer_text(WANG)}/timeline")).json()
    assert (timeline["merged_into"], len(timeline["events"])) == (customer_text(LI), 5)


async def test_an_erased_customer_is_not_found_by_id_old_id_or_identifier(wang: Api) -> None:
    wang.world.merge(LI, WANG)
    wang.world.erase(LI, WANG)
    await wang.tables.catch_up()
    for text in map(customer_text, (WANG, LI)):
        assert (await wang.get(f"/v1/profiles/{text}")).status_code == 404
    assert (await wang.post("/v1/profiles:lookup", {"kind": "phone", "value": "13912345678"})).status_code == 404
    accounts = (await wang.get("/v1/accounting")).json()
    assert accounts == {"positions": {"0": 5}, "sources": [{"source": "source-a", "stored": 0, "erased": 5}]}


async def test_a_customer_whose_keys_are_destroyed_is_gone_before_the_rows_are(wang: Api) -> None:
    wang.world.vault.erase([b for b, c in wang.world.customers.items() if c == WANG], [])
    assert (await wang.get(f"/v1/profiles/{customer_text(WANG)}")).status_code == 404


async def test_what_is_left_of_a_customer_answers_while_one_binding_is_being_forgotten(wang: Api) -> None:
    browser = wang.world.vault.bind(BROWSER).id
    wang.world.vault.erase([browser], [])
    profile = await wang.profile(WANG, scopes=REVEALER)
    assert profile["metrics"]["events"] == 2
    timeline = (await wang.get(f"/v1/profiles/{customer_text(WANG)}/timeline")).json()
    assert len(timeline["events"]) == 2


async def test_an_identifier_of_several_customers_is_a_conflict_that_names_them(wang: Api) -> None:
    tablet = ids(device_id="tablet")
    wang.world.send(Sent(WANG, (*CARD, *tablet)), Sent(LI, (*ids(user_id="u-2"), *tablet)))
    await wang.tables.catch_up()
    answer = await wang.post("/v1/profiles:lookup", {"kind": "device_id", "value": "tablet"})
    assert answer.status_code == 409
    assert customer_text(WANG) in answer.json()["detail"]
    assert customer_text(LI) in answer.json()["detail"]


async def test_a_batch_answers_in_order_and_lists_what_is_missing(wang: Api) -> None:
    asked = [customer_text(each) for each in (LI, ZHAO, WANG)]
    answer = (await wang.post("/v1/profiles:batchGet", {"customer_ids": asked})).json()
    assert [each["customer_id"] for each in answer["profiles"]] == [asked[0], asked[2]]
    assert answer["missing"] == [asked[1]]
    assert answer["profiles"][1] == await wang.profile(WANG)


async def test_the_timeline_pages_through_all_events_newest_first_without_personal_attributes(wang: Api) -> None:
    path, pages, before = f"/v1/profiles/{customer_text(WANG)}/timeline", [], ""
    while True:
        page = (await wang.get(path, limit="1", before=before)).json()
        pages += page["events"]
        before = page["next"]
        if before is None:
            break
    whole = (await wang.get(path, limit="4")).json()
    assert (pages, whole["next"]) == (whole["events"], None)
    assert [each["event"] or each["type"] for each in pages] == ["Order Completed", "identify", "View", "View"]
    assert pages[0]["money"] == {"minor": 29_900, "currency": "CNY"}
    assert (pages[0]["message_id"], pages[0]["position"]) == ("order-29900", "0:3")
    assert pages[3]["properties"] == {"page": "/a"}
    assert "王小明" not in str(pages)
    assert (await wang.get(path, before="yesterday")).status_code == 400


async def test_events_of_one_instant_keep_their_order_over_pages(api: Api) -> None:
    api.world.send(*(Sent(WANG, ids(user_id=f"u{n % 2}"), track(f"e{n}")) for n in range(7)))
    await api.tables.catch_up()
    path, seen, before = f"/v1/profiles/{customer_text(WANG)}/timeline", [], "9223372036854775807.0.0"
    while before:
        page = (await api.get(path, limit="2", before=before)).json()
        seen += [each["event"] for each in page["events"]]
        before = page["next"]
    assert seen == [f"e{n}" for n in reversed(range(7))]


async def test_as_of_a_day_the_profile_is_what_had_happened_by_its_end(wang: Api) -> None:
    then = await wang.profile(WANG, at="2023-11-14")
    assert then["as_of"] == "2023-11-14T23:59:59.999999Z"
    assert (then["metrics"]["events"], then["metrics"]["orders"], then["traits"]) == (3, 0, {"level": "gold"})
    instant = datetime.fromtimestamp(NOON / 1_000_000, UTC).isoformat()
    assert (await wang.profile(WANG, at=instant))["metrics"]["events"] == 1
    now = await wang.profile(WANG, at="2030-01-01T00:00:00+08:00")
    assert now | {"as_of": None} == await wang.profile(WANG)
    timeline = (await wang.get(f"/v1/profiles/{customer_text(WANG)}/timeline", at="2023-11-14")).json()
    assert len(timeline["events"]) == 3
    for wrong in ("tuesday", "2023-11-14T12:00:00", "9999-12-31", "0001-01-01T00:00:00+08:00"):
        assert (await wang.get(f"/v1/profiles/{customer_text(WANG)}", at=wrong)).status_code == 400


async def test_as_of_refuses_a_customer_with_more_events_than_it_may_evaluate(api: Api) -> None:
    api.world.send(*(Sent(WANG, BROWSER) for _ in range(51)))
    await api.tables.catch_up()
    answer = await api.get(f"/v1/profiles/{customer_text(WANG)}", at="2030-01-01")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_reading_your_own_writes_waits_for_the_position_or_says_where_profiles_stand(wang: Api) -> None:
    path = f"/v1/profiles/{customer_text(WANG)}"
    assert (await wang.get(path, at_least="0:3")).status_code == 200
    late = await wang.get(path, at_least="0:4")
    assert late.status_code == 503
    assert "0:3 of EVENTS" in late.json()["detail"]
    wang.world.send(Sent(WANG, BROWSER))
    waiting = asyncio.create_task(wang.get(path, at_least="0:4"))
    await wang.tables.catch_up()
    assert (await waiting).json()["metrics"]["events"] == 5
    assert (await wang.get(path, at_least="1:1")).status_code == 400
    assert (await wang.get(path, at_least="soon")).status_code == 400


async def test_a_vault_that_is_away_is_503_and_never_half_an_answer(wang: Api) -> None:
    await wang.profile(WANG)
    wang.world.vault.away = True
    assert (await wang.get(f"/v1/profiles/{customer_text(WANG)}")).status_code == 503
    assert (await wang.client.get("/readyz")).status_code == 503
    assert (await wang.client.get("/healthz")).status_code == 200


async def test_a_binding_that_the_vault_neither_knows_nor_erased_is_a_fault_not_an_empty_profile(wang: Api) -> None:
    wang.world.vault.data_keys.clear()
    answer = await wang.get(f"/v1/profiles/{customer_text(WANG)}")
    assert (answer.status_code, answer.json()["code"]) == (500, "vault_fault")


async def test_a_deleted_trait_is_not_shown(wang: Api) -> None:
    wang.world.send(Sent(WANG, CARD, EventBody("identify", "", "store", traits={"level": None}), at=NOON + 3 * HOUR))
    await wang.tables.catch_up()
    assert (await wang.profile(WANG))["traits"] == {}


async def test_a_database_that_dropped_its_connections_is_asked_again_and_one_that_is_gone_is_503(wang: Api) -> None:
    before = await wang.profile(WANG)
    await wang.tables.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert await wang.profile(WANG) == before
    wang.opened.pool.terminate()
    answer = await wang.get(f"/v1/profiles/{customer_text(WANG)}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
