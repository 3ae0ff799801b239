"""The demo on a running stack. It checks its own story; here we check that it does."""

import asyncio
import io
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from libs.devstack.demo import figures, marketing, run
from libs.devstack.demo.checks import StoryBroken
from libs.devstack.demo.doors import Doors
from libs.devstack.demo.reading import check_history
from libs.devstack.demo.shop import Purchase, invent, read_cdnow
from tests.stack import WANLIU, RunningStack

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[2]
PORTS = re.compile(r"http://127\.0\.0\.1:81(\d\d)")


def written(path: Path, purchases: tuple[Purchase, ...]) -> Path:
    """A history in CDNOW's format."""
    lines = [f"{one.customer} {one.day:%Y%m%d} {one.quantity} {one.cents / 100:.2f}" for one in purchases]
    path.write_text("customer_id date number_of_cds dollar_value\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("history") / "master.txt", invent(customers=150, seed=7).purchases)


def play(stack: RunningStack, history: Path) -> str:
    """What the demo prints."""
    screen = io.StringIO()
    run(stack, Console(file=screen, width=120), cdnow=history)
    return screen.getvalue()


def test_the_demo_tells_a_true_story_and_its_commands_work_when_pasted(stack: RunningStack, history: Path) -> None:
    told = play(stack, history)
    said = " ".join(told.split())
    assert "All eight lead to cus_" in said
    assert "Refused by rule `user_id limit 1`, held out: anonymous_id" in said
    assert "Equal to the cent." in said
    assert "later she is in (" in said
    assert "credited to web · social · weibo · autumn-coats" in said
    assert "withheld (`consent_withdrawn`)" in said
    assert "all six confirmed" in said
    assert "With one digit changed" in said
    assert "Every claim above was checked." in said
    pasted = told[told.index("TOKEN=") : told.index("Every claim")]
    assert pasted.count("curl") == 3
    if shutil.which("curl") is None:
        pytest.skip("the story is true; pasting its commands needs curl")
    shell = subprocess.run(["bash", "-eu", "-c", pasted], capture_output=True, text=True, timeout=60, check=True)
    profile, timeline, success = shell.stdout.partition('{"success":true}')[0], "Product Viewed", '{"success":true}'
    assert '"customer_id":"cus_' in profile
    assert timeline in shell.stdout
    assert success in shell.stdout


def test_run_again_or_cut_off_and_run_again_the_demo_doubles_nothing(stack: RunningStack, history: Path) -> None:
    play(stack, history)
    assert "nothing to send" in play(stack, history)
    # As if the run before had been cut off just before its end.
    Doors(stack).note_orders(f"Demo store {read_cdnow(history).prefix}", 0)
    told = play(stack, history)
    assert "nothing to send" not in told
    assert "Equal to the cent." in told


def test_the_demo_fails_when_a_customer_is_not_as_the_history_says(stack: RunningStack, history: Path) -> None:
    play(stack, history)
    true = read_cdnow(history)
    last = true.purchases[-1]
    false = replace(true, purchases=(*true.purchases[:-1], last._replace(cents=last.cents + 1)))
    with pytest.raises(StoryBroken, match=rf"\(orders, cents\) of {true.card(last.customer)} is"):
        asyncio.run(check_history(stack, false, lambda: None))


def test_the_demo_fails_when_insights_says_something_else_than_was_sent(
    stack: RunningStack, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "REVENUE", figures.REVENUE + 1)
    with pytest.raises(StoryBroken, match="the revenue that her campaign is credited with is"):
        play(stack, history)


def test_the_demo_fails_when_a_withdrawal_is_not_effective(
    stack: RunningStack, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = marketing.decide
    grants = {"grant": decide, "withdraw": lambda *_: None}
    monkeypatch.setattr(marketing, "decide", lambda stage, what, *who: grants[what](stage, what, *who))
    with pytest.raises(StoryBroken, match="she has left the segment within 5 s"):
        play(stack, history)


def pasted_from(readme: str) -> list[str]:
    """The commands of the story in a README, block by block."""
    text = (ROOT / readme).read_text()
    story = text[text.index("<!-- story -->") : text.index("<!-- /story -->")]
    return re.findall(r"```sh\n(.*?)```", story, re.DOTALL)


def paste(stack: RunningStack, blocks: list[str], place: Path) -> list[str]:
    """What each block prints in one bash that stops at the first failure, pasted against this stack."""
    between = "\n--- next block ---\n"
    script = f"printf '{between}'\n".join(blocks).replace(".venv/bin/wanliu", " ".join(WANLIU))
    script = PORTS.sub(lambda found: f"http://127.0.0.1:{stack.port_base + int(found[1])}", script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANLIU_DATA": str(stack.layout.root)}
    shell = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=place,
        env=environment,
    )
    assert shell.returncode == 0, shell.stderr + shell.stdout
    return shell.stdout.split(between)


def answers(text: str) -> list[Any]:
    """The JSON documents that stand one after the other in a text; lines that are none are left out."""
    found, decoder, rest = [], json.JSONDecoder(), text.lstrip()
    while rest:
        if rest.startswith("{"):
            document, end = decoder.raw_decode(rest)
            found.append(document)
            rest = rest[end:].lstrip()
        else:
            rest = rest.partition("\n")[2].lstrip()
    return found


@pytest.mark.skipif(shutil.which("curl") is None, reason="pasting needs curl")
def test_every_curl_command_of_the_readme_works_when_pasted(stack: RunningStack, tmp_path: Path) -> None:
    blocks = pasted_from("README.md")
    assert blocks == pasted_from("README.zh-CN.md")
    _, sent, entered, figures, left, forgotten = (answers(text) for text in paste(stack, blocks, tmp_path))
    accepted, profile = sent
    assert accepted == {"success": True}
    assert (profile["metrics"]["orders"], profile["metrics"]["revenue"]) == (2, {"CNY": 75_750})
    customer = profile["customer_id"]
    granted, members = entered
    assert granted["outcomes"] == ["recorded"]
    assert customer in {each["customer_id"] for each in members["members"]}
    before, attribution = figures
    [credit] = [each for each in attribution["credits"] if each["campaign"] == "autumn"]
    assert (credit["channel"], credit["source"], credit["revenue"]) == ("web", "weibo", {"CNY": 75_750})
    _, members, withheld = left
    assert customer not in {each["customer_id"] for each in members["members"]}
    assert {each["reason"] for each in withheld["withheld"]} == {"consent_withdrawn"}
    _, receipt, nobody, after = forgotten
    assert receipt["erased"]["insights"]["events"] == 4
    assert nobody["code"] == "not_found"
    differences = {what: before["total"][what] - after["total"][what] for what in ("events", "customers", "orders")}
    assert differences == {"events": 4, "customers": 1, "orders": 2}
    assert before["total"]["revenue"]["CNY"] - after["total"]["revenue"].get("CNY", 0) == 75_750
