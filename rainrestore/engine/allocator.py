"""How the C library keeps freed memory."""

import ctypes

#: mallopt's names of its options, in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process keep what tensors give back, for those of the next step.

    glibc hands a large block back to the kernel when it is freed; the next one of that size is then mapped and cleared
    page by page, again and again, since a step of training frees all its activations. Kept, they cost nothing the
    second time, and the process holds its peak until it ends. It is the whole process's setting, so a command sets it
    and a library call does not.

    Returns:
        Whether it was done: not where the C library is another one (macOS, Windows, musl).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):
        # no such function; no C library to be named so (Windows)
        return False
    done = [mallopt(option, value) for option, value in ((M_TRIM_THRESHOLD, -1), (M_MMAP_MAX, 0))]
    return all(done)
