"""The yardstick: paramiko, 50 threads, a channel for each step; stores and shows nothing.

Standard input: the order, JSON (see ``Workload.order``). Standard output: ``{"hosts", "lines"}``
that ended well. Needs nothing but paramiko.
"""

import base64
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

THREADS = 50
LIMIT = 120


def main() -> None:
    order = json.load(sys.stdin)
    key = paramiko.Ed25519Key.from_private_key_file(order["key"])
    done = {"hosts": 0, "lines": 0}
    lock = threading.Lock()

    def carry(host):
        lines = _update(host, order, key)
        with lock:
            done["hosts"] += 1
            done["lines"] += lines

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(carry, order["hosts"]))
    print(json.dumps(done))


def _update(host, order, key):
    client = paramiko.SSHClient()
    kind, text = host["host_key"].split()[:2]
    pinned = paramiko.Ed25519Key(data=base64.b64decode(text))
    client.get_host_keys().add(f"[{host['address']}]:{host['port']}", kind, pinned)
    try:
        client.connect(
            host["address"],
            host["port"],
            order["user"],
            pkey=key,
            look_for_keys=False,
            allow_agent=False,
            timeout=LIMIT,
            banner_timeout=LIMIT,
            auth_timeout=LIMIT,
        )
        return sum(_step(client, step, order["payload"]) for step in order["steps"])
    finally:
        client.close()


def _step(client, step, payload):
    if step["upload"]:
        with client.open_sftp() as sftp, Path(payload).open("rb") as file:
            sftp.putfo(file, "incoming.tar", confirm=False)
        return 0
    channel = client.get_transport().open_session()
    channel.exec_command(step["run"])
    lines = 0
    while data := channel.recv(65536):
        lines += data.count(b"\n")
    status = channel.recv_exit_status()
    channel.close()
    if status or lines != step["lines"]:
        raise SystemExit(f"{step['name']}: status {status}, {lines} lines")
    return lines


main()
