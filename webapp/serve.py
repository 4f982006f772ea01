"""``bin/serve``: the whole product on one machine, in the foreground, until it is told to stop."""

import argparse
import contextlib
import errno
import fcntl
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from deploy_tasks import owner
from webapp import processes
from webapp.env import BASE, PROGRAMS, Env, env, for_programs, is_loopback, site_of
from webapp.words import _

READY_WITHIN = 90.0  # seconds; a first start on a slow disk takes about ten
STOP_WITHIN = 30.0


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen = _arguments()
    try:
        with only_one(chosen.home, port=chosen.port):
            serve(chosen)
    except KeyboardInterrupt:
        print(_("Stopped."), flush=True)


def serve(chosen: Env) -> None:
    """Prepare, start, say where, and stay. Raises KeyboardInterrupt when told to stop."""
    _refuse_lonely_programs(chosen)
    make_run_dir(chosen.run_dir)
    processes.end(processes.recorded(chosen.run_dir), within=STOP_WITHIN)
    if "web" in chosen.runs:
        refuse_taken_port(chosen.bind, chosen.port)
    url = chosen.url or site_of(chosen.bind, chosen.port, chosen.names)
    programs = for_programs(
        DJANGO_SETTINGS_MODULE="webapp.settings",
        PATCHWAVE_HOME=str(chosen.home),
        PATCHWAVE_RUN_DIR=str(chosen.run_dir),
        PATCHWAVE_BIND=chosen.bind,
        PATCHWAVE_PORT=str(chosen.port),
        PATCHWAVE_URL=url,
        **_autostarts(chosen),
        PYTHONUNBUFFERED="1",
    )
    prepare = [sys.executable, str(BASE / "manage.py"), "prepare"]
    if subprocess.run(prepare, env=programs, check=False, process_group=0).returncode:
        raise SystemExit(_("%s could not be prepared; the reason is above.") % chosen.home)
    with _supervisor(chosen, programs) as supervisor:
        _wait_until_ready(chosen, supervisor)
        if "web" in chosen.runs:
            (chosen.run_dir / "url").write_text(url)
            print(_("Patchwave is ready: %s") % url)
        else:
            print(_("Patchwave is ready, with its %s on this machine.") % chosen.programs)
        print(_("Logs are in %s. Ctrl-C stops it.") % _logs(chosen), flush=True)
        supervisor.wait()
        raise SystemExit(_("The supervisor ended by itself; see %s.") % _logs(chosen))


@contextlib.contextmanager
def only_one(home: Path, *, port: int = 0) -> Iterator[None]:
    """Hold the home's lock, which the kernel frees whatever happens to us. Raises SystemExit."""
    path = home / "serve.lock"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = path.open("a+")
    except OSError as error:
        raise SystemExit(
            _("PATCHWAVE_HOME: %(home)s cannot be written: %(reason)s")
            % {"home": home, "reason": error.strerror}
        )
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _colon, port_there = path.read_text().partition(":")
            raise SystemExit(
                _("Patchwave already runs on %(home)s (process %(pid)s, port %(port)s).")
                % {"home": home, "pid": pid, "port": port_there}
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}:{port}")
        lock.flush()
        yield


def make_run_dir(path: Path) -> None:
    """0700 and ours: whoever can write there could answer in our Valkey's place."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise SystemExit(_("%s must be a directory of your own; remove it.") % path)
    path.chmod(0o700)


def refuse_taken_port(bind: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            sentence = (
                _("Port %(port)s on %(bind)s is taken by another program; choose another: --port.")
                if error.errno == errno.EADDRINUSE
                else _("Cannot listen on %(bind)s, port %(port)s: %(reason)s")
            )
            names = {"bind": bind, "port": port, "reason": error.strerror}
            raise SystemExit(sentence % names)


def _arguments() -> Env:
    parser = argparse.ArgumentParser(prog="bin/serve", description=_("Start Patchwave."))
    parser.add_argument("--port", type=int, default=env.port, help=_("default: %(default)s"))
    parser.add_argument("--bind", default=env.bind, help=_("default: %(default)s"))
    given = parser.parse_args()
    if not 1 <= given.port <= 65535:
        parser.error(_("--port: give a number from 1 to 65535"))
    if not is_loopback(given.bind) and not env.names:
        raise SystemExit(
            _(
                "To listen on %s, name in PATCHWAVE_ALLOWED_HOSTS what people will type to get "
                "here, for example PATCHWAVE_ALLOWED_HOSTS=patchwave.example"
            )
            % given.bind
        )
    return env.model_copy(update={"bind": given.bind, "port": given.port})


def _refuse_lonely_programs(chosen: Env) -> None:
    if chosen.runs != list(PROGRAMS) and not (chosen.database_url and chosen.redis_url):
        raise SystemExit(
            _(
                "PATCHWAVE_PROGRAMS=%s leaves programs to other machines: set "
                "PATCHWAVE_DATABASE_URL and PATCHWAVE_REDIS_URL to what all of them share."
            )
            % chosen.programs
        )


def _autostarts(chosen: Env) -> dict[str, str]:
    """Which programs deploy/supervisord.conf starts."""
    starts = {name: name in chosen.runs for name in PROGRAMS} | {"valkey": not chosen.redis_url}
    return {f"PATCHWAVE_RUN_{name.upper()}": str(on).lower() for name, on in starts.items()}


@contextlib.contextmanager
def _supervisor(chosen: Env, programs: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The supervisor and its programs; when the block is left, none of them lives."""
    _allow_many_connections()
    deploy = BASE / "deploy"
    command = [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", "supervisord.conf"]
    supervisor = subprocess.Popen(
        [deploy / "program", "supervisor", *command],
        env=programs,
        cwd=deploy,
        stdin=subprocess.DEVNULL,
        # Ctrl-C reaches us alone; we tell the supervisor, and it the programs.
        process_group=0,
    )
    try:
        yield supervisor
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        supervisor.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(STOP_WITHIN)
        processes.end(processes.recorded(chosen.run_dir), within=2)
        if not chosen.run_dir.is_relative_to(chosen.home):
            shutil.rmtree(chosen.run_dir, ignore_errors=True)


def _allow_many_connections() -> None:
    """As many open files as we may have: each host and each watcher holds one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _wait_until_ready(chosen: Env, supervisor: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while (missing := _not_ready(chosen)) is not None:
        if supervisor.poll() is not None:
            _give_up(chosen, _("The supervisor could not start."), "supervisord")
        if time.monotonic() > deadline:
            late = _("Not ready after %(seconds)d s: %(missing)s.")
            _give_up(chosen, late % {"seconds": READY_WITHIN, "missing": missing}, "web")
        time.sleep(0.1)


def _not_ready(chosen: Env) -> str | None:
    """What is missed, by /readyz where that is here; None when nothing is."""
    if "web" not in chosen.runs:
        return _missing_programs(chosen)
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (we only ask there)
    host = anywhere.get(chosen.bind, chosen.bind)
    connection = http.client.HTTPConnection(host, chosen.port, timeout=5)
    try:
        # By a name that the site always answers to, whatever its public one is.
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        answer = connection.getresponse()
        if answer.status == 200:
            return None
        found = json.loads(answer.read(1000))
        # A worker that is left to other machines may come later.
        missing = {
            part: word
            for part, word in found.items()
            if word not in ("ok", "low") and (part != "worker" or part in chosen.runs)
        }
        return ", ".join(f"{part} {word}" for part, word in missing.items()) or None
    except (OSError, http.client.HTTPException, ValueError):
        return _("the web process does not answer")
    finally:
        connection.close()


def _missing_programs(chosen: Env) -> str | None:
    records = {name: chosen.run_dir / f"{name}.process" for name in chosen.runs}
    missing = [
        name
        for name, record in records.items()
        if not (record.exists() and owner.lives(record.read_text().strip()))
    ]
    return ", ".join(missing) or None


def _give_up(chosen: Env, what: str, program: str) -> NoReturn:
    """Say what and show the end of the log of the program that is most likely the cause."""
    log = _logs(chosen) / f"{program}.log"
    with contextlib.suppress(OSError):
        sys.stderr.write("".join(log.read_text(errors="replace").splitlines(True)[-15:]))
    raise SystemExit(f"{what} " + _("More in %s.") % log.parent)


def _logs(chosen: Env) -> Path:
    return chosen.home / "log"


if __name__ == "__main__":
    main()
