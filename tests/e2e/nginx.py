"""A real nginx of our own: no service, no root, and killed when a test says so."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

from tests.waiting import until

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MAIN = """
daemon off;
master_process off;
pid {at}/nginx.pid;
error_log {at}/error.log;
events {{}}
http {{
    log_format ends '$status $uri';
    access_log {at}/access.log ends;
    client_body_temp_path {at}/body;
    proxy_temp_path {at}/proxy;
    fastcgi_temp_path {at}/fastcgi;
    uwsgi_temp_path {at}/uwsgi;
    scgi_temp_path {at}/scgi;
    include {at}/patchwave.conf;
}}
"""


class Nginx:
    """``at`` holds its files, and ``site`` is what it serves: a part of a configuration."""

    def __init__(self, at: Path, site: str, *, address: str, port: int) -> None:
        self.at, self.address, self.port = at, address, port
        (at / "patchwave.conf").write_text(site)
        self._main = at / "nginx.conf"
        self._main.write_text(MAIN.format(at=at) + ("user root;\n" if os.getuid() == 0 else ""))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        assert NGINX is not None
        command = [NGINX, "-p", str(self.at), "-c", str(self._main)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            until(self._listens, f"nginx listens: {self.at}")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(10)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0
