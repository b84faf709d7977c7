"""Run commands in a Python without the functions that Windows lacks: signal masks, opening folders, fork.

The arguments are the words of one or several commands, two words each.
"""

import errno
import multiprocessing
import os
import shutil
import signal
import sys
from multiprocessing import resource_tracker
from typing import Any

#: SIGKILL is kept: multiprocessing ends a process by it here, and by another call on Windows.
LACKING = ('pthread_sigmask', 'sigwait', 'SIGCHLD', 'SIGHUP', 'SIG_BLOCK', 'SIG_UNBLOCK')


def take_away() -> None:
    """Remove these functions from this process."""
    from torch.utils.data._utils import signal_handling

    # torch checks the platform before it uses SIGCHLD.
    signal_handling._set_SIGCHLD_handler = lambda: None
    for name in LACKING:
        if hasattr(signal, name):
            delattr(signal, name)
    del os.O_DIRECTORY
    del os.sched_getaffinity
    del os.getloadavg
    opened = os.open

    def refusing(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if isinstance(path, (str, bytes, os.PathLike)) and os.path.isdir(path):
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return opened(path, flags, *rest, **more)

    os.open = refusing
    # These modules looked for the functions at their import.
    shutil._use_fd_functions = False
    resource_tracker._HAVE_SIGMASK = False
    multiprocessing.set_start_method('spawn')


if __name__ == '__main__':
    take_away()
    from rainrestore.cli.main import main

    sys.exit(max(main(list(words)) for words in zip(sys.argv[1::2], sys.argv[2::2], strict=True)))
