"""What `sudo -l` says, compared with what a recipe declares."""

from pathlib import Path

import pytest

from deploy_tasks import commands, sudo
from deploy_tasks.commands import Variables
from tests.host_shell import SHELLS, HostShell

RULES = """\
Matching Defaults entries for game on eu-1:
    !requiretty, env_reset

User game may run the following commands on eu-1:
    (root) NOPASSWD: /usr/bin/systemctl stop game@1.service, /usr/bin/systemctl start game@1.service
    (root) /usr/sbin/reboot, NOPASSWD: /usr/bin/df, PASSWD: /usr/bin/mount *
"""


def answer(*said: str, rules: str = RULES) -> str:
    return "\n".join([*said, "", "rules", rules])


def test_what_is_allowed_without_a_password_is_no_problem() -> None:
    said = ["asked systemctl stop game@1.service", "may /usr/bin/systemctl stop game@1.service"]
    assert sudo.problems(answer(*said, "asked df", "may /usr/bin/df")) == []


def test_what_no_rule_allows_is_named() -> None:
    assert sudo.problems(answer("asked systemctl stop sshd", "no ")) == [
        "sudo does not allow “systemctl stop sshd”: no rule for it"
    ]


@pytest.mark.parametrize("command", ["/usr/sbin/reboot", "/usr/bin/mount /srv"])
def test_what_would_ask_for_a_password_is_named(command: str) -> None:
    assert sudo.problems(answer(f"asked {command}", f"may {command}")) == [
        f"sudo would ask for a password: “{command}”"
    ]


def test_the_last_rule_that_fits_decides() -> None:
    rules = "    (ALL : ALL) ALL\n    (root) NOPASSWD: /usr/bin/df\n"
    assert sudo.problems(answer("asked df", "may /usr/bin/df", rules=rules)) == []
    assert sudo.problems(answer("asked id", "may /usr/bin/id", rules=rules)) != []


def test_a_host_without_sudo_allows_nothing() -> None:
    said = ["asked systemctl stop x", "no sh: 1: sudo: not found"]
    assert sudo.problems(answer(*said)) == [
        "sudo does not allow “systemctl stop x”: sh: 1: sudo: not found"
    ]


def test_what_is_asked_has_the_hosts_own_variables_and_nothing_is_run(tmp_path: Path) -> None:
    """The script itself, under sh, with a sudo that only tells what it was asked."""
    told = tmp_path / "told"
    fake = tmp_path / "sudo"
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>{told}\n'
        'case $* in *game@*) echo "/usr/bin/systemctl stop game@1";; *--*) exit 1;; '
        "*) echo '    (root) NOPASSWD: ALL';; esac\n"
    )
    fake.chmod(0o755)
    declared = ['systemctl stop "$unit"', "reboot"]
    program, mark = commands.sudo_rules(declared, Variables(plain={"unit": "game@1"}))
    (tmp_path / "home").mkdir()
    host = HostShell(tmp_path / "home", SHELLS[0])
    host.env["PATH"] = f"{tmp_path}:{host.env['PATH']}"
    said = host.run(program).partition(mark)[2].partition(b"\n")[2].decode()
    assert sudo.problems(said) == ["sudo does not allow “reboot”: no rule for it"]
    assert told.read_text().splitlines() == [
        "-n -l -- systemctl stop game@1",
        "-n -l -- reboot",
        "-n -l",
    ]
