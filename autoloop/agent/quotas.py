"""Limits below that of the whole file system: those of btrfs' subvolumes. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer). Who is over such a limit is told
that the disk quota is exceeded, while the file system has room. The kernel's own counters are
read, which say at any moment what it goes by: `sysfs` has them for each quota group of a mounted
btrfs, https://docs.kernel.org/filesystems/btrfs.html.
"""

import contextlib
import fcntl
import glob
import os
import struct
import uuid

FILE_SYSTEMS = "/sys/fs/btrfs"
FS_INFO, INO_LOOKUP = 0x8400941F, 0xD0009412  # ioctls of linux/btrfs.h
TOP_OF_SUBVOLUME = 256
LIMITS = (("referenced", 1), ("exclusive", 2))  # what is limited, and its bit in limit_flags
ON_THE_WAY = ("rsv_data", "rsv_meta_pertrans", "rsv_meta_prealloc")  # written, not yet accounted


def quotas_of(path):
    """The limits that hold at *path*: rows of ``whose``, ``used`` and ``limit``, in bytes."""
    if not glob.glob(FILE_SYSTEMS + "/*-*"):
        return []
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return []
    try:
        return group_limits(*subvolume_of(handle))
    except OSError:  # not a btrfs
        return []
    finally:
        os.close(handle)


def subvolume_of(handle):
    """The identity of the btrfs that an open file is on, and the number of its subvolume."""
    about, where = bytearray(1024), bytearray(4096)
    fcntl.ioctl(handle, FS_INFO, about)
    where[8:16] = struct.pack("=Q", TOP_OF_SUBVOLUME)
    fcntl.ioctl(handle, INO_LOOKUP, where)
    return str(uuid.UUID(bytes=bytes(about[16:32]))), struct.unpack("=Q", where[:8])[0]


def group_limits(identity, subvolume):
    folder = "%s/%s/qgroups/0_%d" % (FILE_SYSTEMS, identity, subvolume)
    flags = number_in(folder, "limit_flags")
    coming = sum(number_in(folder, name) for name in ON_THE_WAY)
    return [
        {
            "whose": "subvolume %d" % subvolume,
            "used": number_in(folder, name) + coming,
            "limit": number_in(folder, "max_" + name),
        }
        for name, bit in LIMITS
        if flags & bit
    ]


def number_in(folder, name):
    """The number in a file; 0 where there is none: older kernels lack some, or all."""
    with contextlib.suppress(OSError, ValueError):
        with open(os.path.join(folder, name)) as source:
            return int(source.read(), 0)
    return 0
