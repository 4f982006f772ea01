"""ansible-core, 50 forks, pipelining; order and answer as in bare.py, without lines."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 280

CONFIGURATION = """
[defaults]
forks = 50
gathering = explicit
retry_files_enabled = False
interpreter_python = /usr/bin/python3
timeout = 60
[ssh_connection]
pipelining = True
ssh_args = -F /dev/null -o UserKnownHostsFile={known} -o ControlMaster=auto -o ControlPersist=30s
control_path_dir = {directory}/c
"""


def main() -> None:
    order = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="ba-", dir="/tmp") as name:  # a short path for sockets
        directory = Path(name)
        hosts = order["hosts"]
        known = directory / "known_hosts"
        known.write_text(
            "".join(f"[{one['address']}]:{one['port']} {one['host_key']}\n" for one in hosts)
        )
        (directory / "ansible.cfg").write_text(
            CONFIGURATION.format(known=known, directory=directory)
        )
        way = {"ansible_user": order["user"], "ansible_ssh_private_key_file": order["key"]}
        inventory = {
            one["name"]: {**way, "ansible_host": one["address"], "ansible_port": one["port"]}
            for one in hosts
        }
        (directory / "inventory.json").write_text(json.dumps({"all": {"hosts": inventory}}))
        tasks = [_task(step, order["payload"]) for step in order["steps"]]
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        (directory / "play.yml").write_text(json.dumps(play))
        run = subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                *("-i", "inventory.json", "play.yml"),
            ],
            cwd=directory,
            env={**os.environ, "ANSIBLE_CONFIG": "ansible.cfg", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    if run.returncode:
        raise SystemExit(f"ansible ended {run.returncode}: {(run.stdout + run.stderr)[-2000:]}")
    print(json.dumps({"hosts": len(hosts)}))


def _task(step, payload):
    if step["upload"]:
        return {"name": step["name"], "copy": {"src": payload, "dest": "incoming.tar"}}
    return {"name": step["name"], "shell": step["run"]}


main()
