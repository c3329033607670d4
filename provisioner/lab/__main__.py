"""The lab's process: `python -m provisioner.lab FOLDER DESCRIPTOR`. It says on the descriptor when it serves."""

import os
import sys


def main() -> None:
    """Leave the caller, so that nobody waits for us or is left with a zombie, then serve."""
    folder, descriptor = sys.argv[1], int(sys.argv[2])
    if os.fork():
        os._exit(0)
    # Only now: a process that forks is best young.
    from provisioner.lab.process import daemon

    daemon.main(folder, descriptor)


main()
