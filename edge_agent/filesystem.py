"""Which file system a folder is on."""

import os
from pathlib import Path

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "fuse.sshfs", "fuse.glusterfs", "virtiofs")
"""Where locks and syncs are another machine's, and its absence stops every write."""


def kind_of(path: Path) -> str:
    """Return the type as proc(5) names it in mountinfo, "" if it has none. Raises OSError."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == number:
            return kind.split()[0]
    return ""
