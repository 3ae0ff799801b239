"""Ending a stack from outside, whatever state it is in."""

import psutil

from libs.devstack.errors import StackError
from libs.devstack.layout import Layout
from libs.devstack.state import supervising, supervisor_pid, sweep

PATIENCE = 60.0


def shut_down(layout: Layout) -> bool:
    """Stops the supervisor and whatever a dead one left; whether there was anything. Nothing runs after it."""
    if not layout.root.is_dir():
        raise StackError(f"there is no stack in {layout.root}: --data (or WANLIU_DATA) names another directory")
    asked = _stop_supervisor(layout)
    with supervising(layout):
        return bool(sweep(layout)) or asked


def _stop_supervisor(layout: Layout) -> bool:
    pid = supervisor_pid(layout)
    if pid is None:
        return False
    try:
        supervisor = psutil.Process(pid)
        supervisor.terminate()
        supervisor.resume()  # a frozen process hears nothing else
        supervisor.wait(PATIENCE)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        supervisor.kill()
        supervisor.wait(PATIENCE)
    return True
