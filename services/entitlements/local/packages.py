"""Programs of Debian's packages without installing them: downloaded by apt-get, unpacked into a folder of this account."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from entitlements.local.errors import NoSuchPackages

APT_SECONDS_MAX: Final = 120


def unpacked(*packages: str) -> Path:
    """The folder in which packages of Debian are unpacked together, made at the first call. Raises NoSuchPackages."""
    folder = cache_folder() / "-".join(packages)
    if folder.exists():
        return folder
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NoSuchPackages(f"{', '.join(packages)}: apt-get and dpkg are not installed.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:  # apt-get refuses to run twice at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _unpack(packages, folder)
    return folder


def _unpack(packages: tuple[str, ...], folder: Path) -> None:
    """Make the folder beside its place, then move it there: what is there is whole."""
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "debs").mkdir(parents=True)
    try:
        _download(packages, new / "debs")
        for package in sorted((new / "debs").glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(new)], new)
        shutil.rmtree(new / "debs")
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def cache_folder() -> Path:
    """Where what was downloaded is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "entitlements" / "packages"


def _download(packages: tuple[str, ...], into: Path) -> None:
    command = ["apt-get", "download", "-q", *packages]
    try:
        _run(command, into)
    except NoSuchPackages:  # A new machine has no lists yet, and an old one's may name what is no more.
        _run(["apt-get", "update", "-q"], into)
        _run(command, into)


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=APT_SECONDS_MAX,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NoSuchPackages(f"{' '.join(command)} took longer than {APT_SECONDS_MAX} s.") from error
    if done.returncode != 0:
        raise NoSuchPackages(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
