"""What a host's sudoers file needs: the commands its recipe declares, and nothing more."""

import pytest
from django.core.management import CommandError, call_command

from deploy_tasks import sudo, sudoers
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Host
from tests import factories

pytestmark = pytest.mark.django_db


def host(*commands: str, **vars: str) -> Host:
    declared = "".join(f"  - {command}\n" for command in commands)
    head = "vars:\n  unit: {type: string, default: 'game@a.service'}\n"
    head += f"sudo:\n{declared}" if declared else ""
    text = factories.RECIPE.replace("current:", f"{head}current:")
    return factories.host(factories.game(text=text), "eu-1", vars=vars)


def test_each_command_is_a_line_with_this_hosts_values() -> None:
    told = sudoers.lines(host("'systemctl stop \"$unit\"'", "/sbin/ip link", unit="game@b.service"))
    assert told.splitlines() == [
        "# /etc/sudoers.d/patchwave on eu-1",
        "Defaults:game !requiretty, env_reset",
        "game ALL=(root) NOPASSWD: /usr/bin/systemctl stop game@b.service, \\",
        "    /sbin/ip link",
    ]


def test_what_is_special_in_a_sudoers_file_is_escaped_and_no_wildcard() -> None:
    told = sudoers.lines(host("'systemctl stop \"$unit\"'", unit="a,b=c*:d e"))
    assert r"systemctl stop a\,b\=c\*\:d\ e" in told


def test_a_command_without_arguments_allows_none() -> None:
    assert sudoers.lines(host("reboot")).endswith('/usr/bin/reboot ""\n')


def test_what_only_the_hosts_shell_knows_is_refused_in_words() -> None:
    host("systemctl stop $(cat unit)")
    with pytest.raises(CommandError, match="by hand"):
        call_command("sudoers", "eu-1")


@pytest.mark.parametrize("unit", ["^a.*$", "a\nALL ALL=(ALL) NOPASSWD: ALL", "a\x1b[2Jb"])
def test_a_value_that_would_be_more_than_a_word_is_refused(unit: str) -> None:
    one = host("'systemctl stop \"$unit\"'")
    one.vars = {"unit": unit}
    with pytest.raises(InvalidInput, match="by hand"):
        sudoers.lines(one)


def test_a_recipe_without_sudo_needs_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    host()
    call_command("sudoers", "eu-1")
    assert "declares no command" in capsys.readouterr().out


def test_the_check_before_a_job_is_content_with_these_lines() -> None:
    """As `sudo -l` would print them."""
    words = sudoers.commands_of(host("'systemctl stop \"$unit\"'"))[0]
    command = " ".join(["/usr/bin/systemctl", *words[1:]])
    rules = f"    (root) NOPASSWD: {command}\n"
    assert sudo.problems(f"asked systemctl stop\nmay {command}\n\nrules\n{rules}") == []
