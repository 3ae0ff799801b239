"""What the API answers and refuses."""

from pathlib import Path
from typing import Any

from tests.integration.insights.api import SPAN, open_api
from tests.integration.insights.history import History
from tests.integration.insights.test_insights_history import ANN, shop


async def test_figures_name_the_position_that_they_are_of(history: History, tmp_path: Path) -> None:
    shop(history.world)
    async with open_api(history, tmp_path) as api:
        empty = await api.get("/v1/channels")
        assert (empty["cells"], empty["total"]["events"], empty["position"]["position"]) == ([], 0, 0)
        await history.catch_up()
        found = await api.get("/v1/channels")
    assert found["position"] == {"partition": 0, "position": 2}
    assert [(cell["channel"], cell["day"]) for cell in found["cells"]] == [
        ("web", "2023-11-14"),
        ("app", "2023-11-15"),
        ("web", "2023-11-15"),
    ]
    assert found["total"] == {"events": 6, "customers": 2, "orders": 3, "revenue": {"CNY": 2_500, "USD": 200}}


async def test_credits_add_up_to_the_total(history: History, tmp_path: Path) -> None:
    shop(history.world)
    await history.catch_up()
    async with open_api(history, tmp_path) as api:
        found = await api.get("/v1/attribution", window_days="30")
    assert [credit["channel"] for credit in found["credits"]] == ["direct", "web"]
    assert sum(credit["orders"] for credit in found["credits"]) == found["total"]["orders"] == 3


async def test_a_cell_about_too_few_people_is_withheld(history: History, tmp_path: Path) -> None:
    shop(history.world)
    await history.catch_up()
    async with open_api(history, tmp_path, insights_smallest_cell=2) as api:
        found = await api.get("/v1/channels", by="total")
        credits = (await api.get("/v1/attribution"))["credits"]
    assert {cell["channel"]: cell["figures"] is None for cell in found["cells"]} == {"web": False, "app": True}
    assert {credit["revenue"] for credit in credits} == {None}


async def test_no_answer_names_a_customer_or_a_binding(history: History, tmp_path: Path) -> None:
    shop(history.world)
    await history.catch_up()
    async with open_api(history, tmp_path) as api:
        texts = [str(await api.get(path)) for path in ("/v1/channels", "/v1/attribution", "/v1/accounting")]
    for binding in history.world.customers:
        assert not any(binding.hex() in text or ANN.hex() in text for text in texts)


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("/v1/channels", {"scopes": ("profiles:read",)}, 403, "insights:read"),
    ("/v1/channels", {"purposes": ()}, 403, "purpose"),
    ("/v1/channels", {"purposes": ("analytics",), "purpose": "analytics"}, 403, "consent"),
    ("/v1/channels", {"workspace": "other"}, 403, "workspace"),
    ("/v1/channels", {"from": "2023-12-01"}, 400, "in order"),
    ("/v1/channels", {"from": "1999-01-01"}, 400, "at most"),
    ("/v1/channels", {"timezone": "../../etc/passwd"}, 400, "IANA"),
    ("/v1/channels", {"to": "tomorrow"}, 422, "to"),
    ("/v1/attribution", {"model": "shapley"}, 422, "last_touch"),
    ("/v1/attribution", {"window_days": "0"}, 422, "window_days"),
]


async def test_what_is_refused_is_a_problem_that_says_why(history: History, tmp_path: Path) -> None:
    async with open_api(history, tmp_path) as api:
        for path, change, status, why in REFUSED:
            answer = await api.call("GET", path, **{**SPAN, **change})
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), change
            assert why in answer.json()["detail"]
        assert (await api.call("POST", "/v1/replay")).status_code == 403


async def test_a_history_that_stopped_fitting_the_log_answers_nothing(history: History, tmp_path: Path) -> None:
    async with open_api(history, tmp_path) as api:
        api.consumers.running[0].progress.error = "InsightsFault: the history holds 3 events"
        answer = await api.call("GET", "/v1/channels", **SPAN)  # type: ignore[arg-type]
    assert answer.status_code == 503
    assert "holds 3 events" in answer.json()["detail"]


async def test_replay_over_http_gives_both_digests(history: History, tmp_path: Path) -> None:
    shop(history.world)
    await history.catch_up()
    async with open_api(history, tmp_path) as api:
        before = (await api.get("/v1/digest"))["digest"]
        done = await api.call("POST", "/v1/replay", scopes=("insights:write",))
        assert done.json() == {"before": before, "after": before}
        assert (await api.get("/v1/channels"))["total"]["events"] == 6


async def test_openapi_describes_every_call(history: History, tmp_path: Path) -> None:
    async with open_api(history, tmp_path) as api:
        described = (await api.client.get("/openapi.json")).json()
    names = ("channels", "attribution", "accounting", "digest", "replay")
    assert {f"/v1/{name}" for name in names} <= set(described["paths"])
