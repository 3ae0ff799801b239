"""The unmodified @segment/analytics-node against the whole stack, through refusals and lost connections."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.accounted import account, balance, new_source
from tests.e2e.moody import CUT, LOSE, PASS, REFUSE_429, REFUSE_503, moody_door
from tests.stack import RunningStack

pytestmark = pytest.mark.stack

PACKAGE = "@segment/analytics-node@3.1.0"
MOODS = [REFUSE_429, PASS, LOSE, REFUSE_503, PASS, CUT, LOSE]
SCRIPT = """
const { Analytics } = require('@segment/analytics-node')
const [, , writeKey, host, count] = process.argv
const analytics = new Analytics({ writeKey, host, maxEventsInBatch: 10, maxRetries: 10, flushInterval: 100 })
const ids = [], failed = []
analytics.on('error', (error) => failed.push(String(error.code)))
const keep = (error, ctx) => { if (ctx) ids.push(ctx.event.messageId); if (error) failed.push(String(error)) }
for (let i = 0; i < Number(count); i++) {
  const userId = 'node-' + (i % 5)
  analytics.track({ userId, event: 'Order Completed', properties: { revenue: i, order: i } }, keep)
}
analytics.identify({ userId: 'node-0', traits: { email: 'node@example.com', name: 'Han Meimei' } }, keep)
analytics.page({ anonymousId: 'node-browser', name: 'Home' }, keep)
analytics.screen({ userId: 'node-0', name: 'Main' }, keep)
analytics.group({ userId: 'node-0', groupId: 'club' }, keep)
analytics.alias({ userId: 'node-0', previousId: 'node-browser' }, keep)
analytics.closeAndFlush({ timeout: 60000 }).then(() => console.log(JSON.stringify({ ids, failed })))
"""


def unavailable(reason: str) -> None:
    """Skips on a newcomer's machine; in CI a missing tool is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the SDK installed from its registry, and the script."""
    folder = tmp_path_factory.mktemp("node")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        unavailable("node and npm are not on this machine")
    (folder / "package.json").write_text('{"private": true}')
    (folder / "send.js").write_text(SCRIPT)
    command = [str(npm), "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    if installed.returncode != 0:
        unavailable(f"npm could not install {PACKAGE}: {installed.stderr[-300:]}")
    return folder


def test_every_event_arrives_once_through_refusals_cuts_and_lost_answers(stack: RunningStack, node: Path) -> None:
    source = new_source(stack, "node")
    with moody_door(stack.url("ingest"), MOODS) as door:
        arguments = ["node", "send.js", source.key, door.url, "100"]
        done = subprocess.run(arguments, cwd=node, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["failed"] == []
    assert len(said["ids"]) == 105
    assert door.seen[LOSE] == 2
    found = account(stack, source, said["ids"])
    assert (found.missing, found.unknown, found.rejected) == ([], 0, 0)
    doubled = sum(found.stored.values()) - len(found.stored)
    assert doubled > 0
    stack.catchup()
    assert balance(stack, source)["accepted"] == 105 + doubled
    assert stack.wanliu("reconcile").returncode == 0
