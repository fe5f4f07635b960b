"""How root runs a program as somebody without rights: Postgres refuses to run as root, rightly."""

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Final

from entitlements.local import supervisor
from entitlements.local.errors import LocalServerError
from entitlements.local.server import Identity

# The first of these that the machine has.
USERS: Final = ("postgres", "nobody")


def identity_for(program: Path, folder: Path) -> Identity | None:
    """Say as whom program can run with its data in folder: None is ourselves, unless we are root.

    Where the program or the folder lies behind a closed door, such as /root, that identity may pass closed doors (the
    capability CAP_DAC_OVERRIDE) and has no other right. Raises LocalServerError where the system does not allow that.
    """
    if os.geteuid() != 0:
        return None
    user = _somebody()
    plain = Identity(uid=user.pw_uid, gid=user.pw_gid)
    if _can_run(plain, program, folder):
        return plain
    entering = Identity(uid=user.pw_uid, gid=user.pw_gid, enter_any_folder=True)
    if sys.platform == "linux" and _can_run(entering, program, folder):
        return entering
    raise LocalServerError(
        f"Postgres does not run as root, and the user {user.pw_name} cannot reach {program} or {folder}. "
        "Use folders that all users can access, or do not run as root."
    )


def run_as(
    identity: Identity | None, command: list[str], *, cwd: Path, reaching: tuple[Path, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as identity. It dies with us.

    reaching: exit code 126 when the identity may not enter one of these.
    """
    become = supervisor.before_exec(None if identity is None else vars(identity))

    def prepare() -> None:
        become()
        if not all(os.access(path, os.R_OK | os.X_OK) for path in reaching):
            os._exit(126)

    # preexec_fn is unsafe beside threads that hold locks; what runs there takes none of ours.
    return subprocess.run(
        command, preexec_fn=prepare, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def _somebody() -> pwd.struct_passwd:
    for name in USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user
    raise LocalServerError(f"Postgres does not run as root, and no such user exists: {' or '.join(USERS)}.")


def _can_run(identity: Identity, program: Path, folder: Path) -> bool:
    """Try it: permissions have too many sources (modes, access lists, mounts, modules) to be computed."""
    try:
        tried = run_as(identity, [str(program), "--version"], cwd=folder, reaching=(program, folder))
    except (OSError, subprocess.SubprocessError):
        return False
    return tried.returncode == 0
