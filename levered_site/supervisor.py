"""Runs several programs in one terminal: one that dies is started again, and all end together."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

STEADY_SECONDS = 10.0  # a program that ran this long may start again at once
MAX_DELAY = 30.0
STOP_SECONDS = 10.0


@dataclass
class Program:
    """A command that should always run; `once` when a success needs no repetition."""

    name: str
    command: Sequence[str]
    once: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    due_at: float = 0.0
    delay: float = field(default=1.0)

    def start(self, environment: Mapping[str, str]) -> None:
        # a group of its own: its children get our signals through us, in order, and only once
        self.process = subprocess.Popen(self.command, env=dict(environment), process_group=0)  # noqa: S603
        self.started_at = time.monotonic()

    def signal(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def supervise(programs: Sequence[Program], environment: Mapping[str, str]) -> None:
    """Returns when SIGINT or SIGTERM has ended everything."""
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    waiting = list(programs)
    while not stopping:
        now = time.monotonic()
        for program in list(waiting):
            if program.process is None and now >= program.due_at:
                program.start(environment)
            elif program.process is not None and (code := program.process.poll()) is not None:
                program.signal(signal.SIGKILL)  # whatever children it left behind hold its port
                program.process = None
                if program.once and code == 0:
                    waiting.remove(program)
                    continue
                program.delay = 1.0 if now - program.started_at > STEADY_SECONDS else min(2 * program.delay, MAX_DELAY)
                program.due_at = now + program.delay
                print(f"{program.name} ended with {code}; again in {program.delay:.0f} s", file=sys.stderr)  # noqa: T201
        time.sleep(0.2)
    _end(programs)


def _end(programs: Sequence[Program]) -> None:
    for program in programs:
        program.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for program in programs:
        if program.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.process.wait(max(0.0, deadline - time.monotonic()))
    for program in programs:
        program.signal(signal.SIGKILL)
