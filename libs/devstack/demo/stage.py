"""What every act of the demo needs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from libs.devstack.catchup import catch_up
from libs.devstack.demo.cast import Cast
from libs.devstack.demo.doors import Doors
from libs.devstack.demo.screen import Screen
from libs.devstack.stack import Stack

PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Stage:
    """The running stack, the terminal, the sources, the people."""

    stack: Stack
    screen: Screen
    doors: Doors
    cast: Cast

    def catch_up(self, show: Callable[[int, int], None] = lambda done, total: None) -> float:
        """Waits until everything sent is in the profiles; returns the seconds."""
        started = monotonic()
        asyncio.run(catch_up(self.stack, PATIENCE_SECONDS, show))
        return monotonic() - started
