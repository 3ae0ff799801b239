"""The demo: real input through the running stack, told as a story, every claim of it checked."""

from libs.devstack.demo.story import run

__all__ = ["run"]
