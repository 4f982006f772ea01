"""parallel-ssh, 50 greenlets, each with a host's whole update; order and answer as in bare.py."""

import json
import sys

from gevent.pool import Pool
from pssh.clients.native import SSHClient

TOGETHER = 50
LIMIT = 120


def main() -> None:
    order = json.load(sys.stdin)
    lines = Pool(TOGETHER).map(lambda host: _update(host, order), order["hosts"])
    print(json.dumps({"hosts": len(lines), "lines": sum(lines)}))


def _update(host, order):
    client = SSHClient(
        host["address"],
        port=host["port"],
        user=order["user"],
        pkey=order["key"],
        timeout=LIMIT,
        keepalive_seconds=0,
    )
    try:
        return sum(_step(client, step, order["payload"]) for step in order["steps"])
    finally:
        client.disconnect()


def _step(client, step, payload):
    if step["upload"]:
        client.copy_file(payload, "incoming.tar")
        return 0
    output = client.run_command(step["run"])
    lines = sum(1 for _ in output.stdout)
    client.wait_finished(output)
    if output.exit_code or lines != step["lines"]:
        raise SystemExit(f"{step['name']}: status {output.exit_code}, {lines} lines")
    return lines


main()
