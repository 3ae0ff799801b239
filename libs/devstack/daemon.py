"""The supervisor without a terminal: `wanliu up --detach` starts this module and reads what it reports.

Reports are lines of JSON on a pipe: {"progress": ...} any number of times, then {"ready": true} or
{"error": ...}. The pipe closing without either means that it died.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from libs.devstack.credentials import Credentials
from libs.devstack.errors import StackError
from libs.devstack.layout import Layout
from libs.devstack.logs import rotate, tail
from libs.devstack.specs import CODE
from libs.devstack.stack import Stack
from libs.devstack.supervisor import running


def start_detached(stack: Stack, report: Callable[[str], None]) -> None:
    """Starts a supervisor that outlives us; returns when the stack is ready. Raises StackError if it is not."""
    stack.layout.create()
    log = stack.layout.log("supervisor")
    rotate(log)
    ours, theirs = os.pipe()
    choices = [str(stack.layout.root), str(stack.port_base), str(stack.partitions), stack.workspace, stack.log_level]
    with log.open("ab") as output:
        subprocess.Popen(  # noqa: S603 - our own program and arguments
            [sys.executable, "-P", "-m", __name__, str(theirs), *choices],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(theirs,),
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(CODE)},
        )
    os.close(theirs)
    with os.fdopen(ours) as reports:
        _follow(reports, report, log)


def _follow(reports: IO[str], report: Callable[[str], None], log: Path) -> None:
    for line in reports:
        message = json.loads(line)
        if message.get("ready"):
            return
        if "error" in message:
            raise StackError(message["error"])
        report(message["progress"])
    raise StackError(f"the supervisor died while starting. Its log {log} ends with:\n{tail(log)}")


async def _supervise(stack: Stack, tell: Callable[[dict[str, object]], None]) -> None:
    async with running(stack, lambda text: tell({"progress": text})) as end:
        tell({"ready": True})
        await end.wait()


def main(arguments: list[str]) -> int:
    """Supervises until a signal comes."""
    descriptor, root, port_base, partitions, workspace, log_level = arguments

    def tell(message: dict[str, object]) -> None:
        with suppress(BrokenPipeError):  # whoever asked for us may be gone
            os.write(int(descriptor), json.dumps(message).encode() + b"\n")

    layout = Layout(Path(root))
    stack = Stack(layout, Credentials(layout), int(port_base), int(partitions), workspace, log_level)
    try:
        asyncio.run(_supervise(stack, tell))
    except StackError as error:
        tell({"error": str(error)})
        return 1
    except BaseException as error:
        tell({"error": f"{type(error).__name__}: {error}; more in {layout.log('supervisor')}"})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
