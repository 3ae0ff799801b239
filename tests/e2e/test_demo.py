"""The demo on a running stack. It checks its own story; here we check that it does."""

import asyncio
import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from libs.devstack.demo import run
from libs.devstack.demo.checks import StoryBroken
from libs.devstack.demo.doors import Doors
from libs.devstack.demo.reading import check_history
from libs.devstack.demo.shop import Purchase, invent, read_cdnow
from tests.stack import RunningStack

pytestmark = pytest.mark.stack


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
    assert "All eight lead to cus_" in told
    assert "Refused by rule `user_id limit 1`, held out: anonymous_id" in told
    assert "Equal to the cent." in told
    assert "Every claim above was checked." in told
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
