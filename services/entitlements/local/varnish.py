"""One real Varnish before the HTTP API, from Debian's packages: what a CDN does, on this machine."""

import shutil
import signal
from pathlib import Path
from typing import Final

from entitlements.local.errors import LocalServerError
from entitlements.local.folder import HOST, accepts_connections
from entitlements.local.packages import unpacked
from entitlements.local.server import LocalServer

#: Varnish, and the libraries of it that not every machine has.
PACKAGES: Final = ("varnish", "libvarnishapi3", "libjemalloc2")
#: What compiles its configuration, which becomes C, where the machine has no gcc.
COMPILER: Final = ("tcc", "libc6-dev")
MEMORY: Final = "malloc,64m"
#: How the installation is to be cached, whoever runs Varnish: {origin_host} and {origin_port} are filled in.
VCL: Final = Path(__file__).with_name("varnish.vcl")


class LocalVarnish(LocalServer):
    """A Varnish in a folder, before an HTTP server of this machine. Raises NoSuchPackages where Debian's cannot be had."""

    name = "Varnish"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path | str, origin_port: int) -> None:
        """origin_port: where the HTTP API listens."""
        super().__init__(folder)
        self._origin_port = origin_port
        self._root = Path()
        self._compiler: list[str] = []

    @property
    def url(self) -> str:
        """Its address: "http://127.0.0.1:port"."""
        return f"http://{HOST}:{self.port}"

    def _prepare(self) -> None:
        self._root = unpacked(*PACKAGES)
        self._compiler = [] if shutil.which("gcc") else ["-p", f"cc_command={_tcc(unpacked(*COMPILER))}"]
        vcl = VCL.read_text().replace("{origin_host}", HOST).replace("{origin_port}", str(self._origin_port))
        (self.folder / "cache.vcl").write_text(vcl)

    def _command(self) -> list[str]:
        libraries = self._libraries()
        options = ["-F", "-j", "none", "-n", str(self.folder / "work"), "-f", str(self.folder / "cache.vcl")]
        program = [f"LD_LIBRARY_PATH={libraries}", str(self._root / "usr/sbin/varnishd")]
        listens = ["-a", f"{HOST}:{self.port}", "-s", MEMORY]
        return ["/usr/bin/env", *program, *options, *listens, *self._compiler]

    def _libraries(self) -> str:
        found = {str(path.parent) for path in self._root.rglob("*.so*") if "vmods" not in path.parts}
        if not found:
            raise LocalServerError(f"{self._root} has no libraries.")
        return ":".join(sorted(found))

    def _answers(self) -> bool:
        return accepts_connections(self.port)


def _tcc(root: Path) -> str:
    """The command by which Varnish compiles; %s and %o are its own words."""
    built_in = next(root.rglob("libtcc1.a")).parent
    headers = " ".join(f"-I{path}" for path in (root / "usr/include", *(root / "usr/include").glob("*-linux-gnu")))
    return f"{root}/usr/bin/tcc -B{built_in} {headers} -nostdlib -shared -o %o %s"
