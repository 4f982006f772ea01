"""pyinfra's own command, 50 hosts at a time; order and answer as in bare.py, without lines."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 280

DEPLOY = """
import json
from pathlib import Path
from pyinfra.operations import files, server
order = json.loads(Path({order!r}).read_text())
for step in order["steps"]:
    if step["upload"]:
        files.put(name=step["name"], src=order["payload"], dest="incoming.tar")
    else:
        server.shell(name=step["name"], commands=[step["run"]])
"""


def main() -> None:
    order = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="bench-pyinfra-") as name:
        directory = Path(name)
        hosts = order["hosts"]
        known = directory / "known_hosts"
        known.write_text(
            "".join(f"[{one['address']}]:{one['port']} {one['host_key']}\n" for one in hosts)
        )
        told = directory / "order.json"
        told.write_text(json.dumps(order))
        way = {
            "ssh_user": order["user"],
            "ssh_key": order["key"],
            "ssh_known_hosts_file": str(known),
            "ssh_look_for_keys": False,
            "ssh_allow_agent": False,
            "ssh_config_file": "/dev/null",
        }
        fleet = [(one["address"], {**way, "ssh_port": one["port"]}) for one in hosts]
        (directory / "inventory.py").write_text(f"fleet = {fleet!r}\n")
        (directory / "deploy.py").write_text(DEPLOY.format(order=str(told)))
        pyinfra = Path(sys.executable).with_name("pyinfra")
        run = subprocess.run(
            [pyinfra, "-y", "--parallel", "50", "inventory.py", "deploy.py"],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    if run.returncode:
        raise SystemExit(f"pyinfra ended {run.returncode}: {(run.stdout + run.stderr)[-2000:]}")
    print(json.dumps({"hosts": len(hosts)}))


main()
