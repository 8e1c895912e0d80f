"""What dies is started again; what succeeds once is left alone; all end together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from levered_site.supervisor import Program, supervise
folder = sys.argv[1]
note = "import os,sys,time; open(os.path.join(sys.argv[1], sys.argv[2]), 'a').write(str(os.getpid()) + chr(10)); "
def program(name, then, **options):
    return Program(name, [sys.executable, "-c", note + then, folder, name], **options)
supervise([program("steady", "time.sleep(60)"), program("once", "pass", once=True)], os.environ)
"""


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def wait_for(condition: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.server
def test_programs_are_kept_running_and_end_together(tmp_path: Path) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: len(lines(tmp_path / "steady")) == 1 and len(lines(tmp_path / "once")) == 1)
        os.kill(int(lines(tmp_path / "steady")[0]), signal.SIGKILL)
        wait_for(lambda: len(lines(tmp_path / "steady")) == 2)
        supervisor.send_signal(signal.SIGTERM)
        _, said = supervisor.communicate(timeout=20)
    finally:
        supervisor.kill()
    assert supervisor.returncode == 0
    assert "steady ended with -9" in said
    assert len(lines(tmp_path / "once")) == 1
    assert not any(alive(pid) for pid in lines(tmp_path / "steady"))
