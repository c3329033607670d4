"""A run that dies: in a child process, by kill -9, as it comes by one of the points that execute names."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from provisioner.execute import failpoints
from provisioner.execute.failpoints import Point


def dies(run: Callable[[], object], point: Point, nth: int) -> bool:
    """Run it in a child that is killed at the nth passing of the point; whether it got that far."""
    child = os.fork()
    if child == 0:
        passed = 0

        def reach(point_: Point) -> None:
            nonlocal passed
            passed += point_ is point
            if point_ is point and passed == nth:
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.__dict__["reach"] = reach
        with suppress(BaseException):
            run()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
