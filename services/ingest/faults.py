"""What may be logged of an unforeseen error: its type and place. Its message may hold what a person sent."""

from pathlib import Path


def describe(error: BaseException) -> str:
    """`ValueError at money.py:81 < normalise.py:60 < pipeline.py:97`: innermost first."""
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} at {' < '.join(reversed(places[-6:]))}"
