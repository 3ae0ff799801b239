"""Children: launched closed-mouthed and tied to us, restarted, and their failures told in one message."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from libs.devstack.child import Child, NotReady, Spec, launch_command
from libs.devstack.errors import StackError
from libs.devstack.privileges import Identity, closed_to_others, postgres_identity

TELL = """
import os, resource, signal
open("made", "w").close()
print(os.stat("made").st_mode & 0o777, resource.getrlimit(resource.RLIMIT_CORE)[0], os.getuid(), flush=True)
"""


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def spec(tmp_path: Path, text: str, probe: Callable[[], bool] = lambda: True) -> Spec:
    async def asked() -> None:
        if not probe():
            raise NotReady("the test says no")

    return Spec("x", program(text), dict(os.environ), 1, tmp_path, tmp_path / "x.log", asked)


def test_a_child_writes_no_core_dump_and_only_closed_files(tmp_path: Path) -> None:
    command = launch_command(program(TELL), signal.SIGTERM, Identity())
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert told == [str(0o600), "0", str(os.getuid())]


def test_a_child_does_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    child = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    supervisor = (
        "import signal, subprocess, sys\n"
        "from libs.devstack.child import launch_command\n"
        "from libs.devstack.privileges import Identity\n"
        f"subprocess.Popen(launch_command((sys.executable, '-c', {child!r}), signal.SIGTERM, Identity()))\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(program(supervisor), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        orphan = psutil.Process(int(process.stdout.readline()))
        process.kill()
        assert psutil.wait_procs([orphan], timeout=10)[1] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_as_root_a_child_becomes_another_user_who_may_only_pass_through(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "secret").write_text("readable through the one capability")
    (closed / "secret").chmod(0o600)
    identity = postgres_identity([closed / "secret"])
    assert closed_to_others(closed / "secret") is not None
    secret, new = str(closed / "secret"), str(closed / "new")
    text = f"import os; print(os.getuid(), os.access({secret!r}, os.R_OK), open({secret!r}).read()); open({new!r}, 'w')"
    done = subprocess.run(
        launch_command(program(text), signal.SIGTERM, identity), capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{identity.uid} True readable through the one capability\n"
    assert "PermissionError" in done.stderr
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_path_that_everybody_may_pass_needs_no_capability(tmp_path: Path) -> None:
    assert closed_to_others(Path("/usr/bin/env")) is None


async def test_a_child_that_ends_while_starting_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = Child(spec(tmp_path, "print('the reason'); raise SystemExit(3)", probe=lambda: False), lambda: None)
    await child.start()
    with pytest.raises(StackError, match=r"x ended with exit code 3 while starting(.|\n)*the reason"):
        await child.until_ready(20)


async def test_a_child_that_never_answers_is_reported_with_what_the_probe_said(tmp_path: Path) -> None:
    child = Child(spec(tmp_path, "import signal; signal.pause()", probe=lambda: False), lambda: None)
    await child.start()
    with pytest.raises(StackError, match="x is not ready after 0 s: the test says no"):
        await child.until_ready(0.2)
    await child.stop(5)


async def test_a_child_that_dies_is_started_again_and_its_new_pid_is_known(tmp_path: Path) -> None:
    changed = asyncio.Event()
    child = Child(spec(tmp_path, "import signal; signal.pause()"), changed.set)
    await child.start()
    assert child.state is not None
    first = child.state.pid
    keeping = asyncio.create_task(child.keep_alive())
    changed.clear()
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(20):
        await changed.wait()
    assert child.state is not None
    assert (child.state.restarts, child.state.pid != first) == (1, True)
    await child.stop(5)
    await keeping
    assert not psutil.pid_exists(child.state.pid)


async def test_a_child_is_kept_alive_although_a_start_failed(tmp_path: Path) -> None:
    """A full disk makes `start` fail; what is started only when there is room again must not be given up."""
    starts: asyncio.Queue[int] = asyncio.Queue()

    def changed() -> None:
        assert child.state is not None
        starts.put_nowait(child.state.pid)
        if child.state.restarts == 1:
            raise OSError("No space left on device")

    child = Child(spec(tmp_path, "import signal; signal.pause()"), changed)
    await child.start()
    keeping = asyncio.create_task(child.keep_alive())
    async with asyncio.timeout(20):
        for _ in range(2):
            os.kill(await starts.get(), signal.SIGKILL)
        await starts.get()
    await child.stop(5)
    await keeping


async def test_a_child_that_does_not_want_to_stop_is_stopped(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    child = Child(spec(tmp_path, deaf, probe=lambda: "deaf" in (tmp_path / "x.log").read_text()), lambda: None)
    await child.start()
    await child.until_ready(20)
    await child.stop(0.2)
    assert child.state is not None
    assert not psutil.pid_exists(child.state.pid)
