"""Where each promise of the security list is tested; what stands nowhere is told here too."""

import ast
import re

import pytest

from webapp.env import BASE

TESTS = BASE / "tests"

#: Id -> the tests that hold it, ``file::name``; those in this folder carry the id in their names.
ELSEWHERE = {
    "S01": ["test_doorman.py::test_without_a_login_it_closes_with_4401_and_asks_for_nothing"],
    "S03": [
        "test_doorman.py::test_a_cookie_from_another_origin_is_refused",
        "test_doorman.py::test_two_origins_are_none",
        "test_dangers.py::test_each_danger_is_said_and_stops_the_start",
    ],
    "S04": [
        "test_doorman.py::test_who_logs_out_sees_no_more",
        "test_doorman.py::test_who_changes_the_password_must_log_in_again",
        "test_doorman.py::test_who_loses_the_role_sees_no_more",
        "test_doorman.py::test_who_is_disabled_sees_no_more",
    ],
    "S06": ["test_doorman.py::test_what_is_no_job_closes_with_4404"],
    "S07": ["test_consumers.py::test_a_bad_frame_closes_with_4400"],
    "S08": ["test_watcher.py::test_a_watcher_that_goes_away_does_nothing_to_the_job"],
    "S10": ["test_proxies.py::test_s10_the_headers_themselves_go_no_further"],
    "S15": ["test_api_access.py::test_what_changes_something_is_never_asked_by_get"],
    "S23": [
        "test_yamlfile.py::test_an_alias_bomb_is_refused_before_it_goes_off",
        "test_yamlfile.py::test_a_tag_is_refused",
        "test_yamlfile.py::test_a_file_over_the_limit_is_not_read",
    ],
    "S25": ["test_host_scripts.py::test_a_script_cannot_forge_the_end_of_a_step"],
    "S26": ["test_shipped_recipes.py::test_an_archive_that_leads_out_is_refused"],
    "S33": [
        "test_masking.py::test_usual_forms_are_masked",
        "test_masking.py::test_cutting_the_stream_changes_nothing",
        "runner/test_telling.py::test_secrets_are_masked_before_they_are_stored",
    ],
    "S34": ["test_host_scripts.py::test_secrets_reach_the_script_and_no_file"],
    "S27": [
        "test_outside.py::test_an_address_that_only_the_server_reaches_is_refused",
        "test_outside.py::test_a_redirect_is_not_followed",
        "test_outside.py::test_public_addresses_and_those_allowed_may_be_reached",
        "test_outside.py::test_a_service_that_reads_a_file_of_the_worker_is_refused",
    ],
    "S35": [
        "test_host_scripts.py::test_s35_nothing_is_started_where_another_could_have_laid_it",
        "test_host_scripts.py::test_s35_a_look_tells_of_files_that_others_may_write",
        "security/test_planted.py::test_s33_s34_s35_s41_a_planted_secret_is_found_nowhere",
    ],
    "S36": ["test_vault.py::test_a_box_moved_to_another_row_does_not_open"],
    "S37": ["test_keys.py::test_two_instances_share_no_key"],
    "S38": ["test_ssh_handshake.py::test_a_changed_host_key_stops_us_before_the_log_in"],
    "S39": ["test_ssh_handshake.py::test_with_an_endless_banner_is_left"],
    "S40": ["runner/test_reaching.py::test_an_error_of_ours_leaves_the_host_to_a_person"],
    "S41": ["test_admin.py::test_a_secret_goes_in_and_never_comes_out"],
    "S43": [
        "test_audit.py::test_a_removed_entry_is_named",
        "test_audit.py::test_two_that_were_swapped_are_named",
        "test_audit.py::test_an_end_that_was_cut_off_is_seen",
    ],
    "S44": ["test_audit.py::test_what_must_be_possible_is_kept_aside_and_entered_later"],
}
#: Shown by the tests of the scripts (tests/js), which `test_javascript.py` runs.
IN_SCRIPTS = {"S29": "whatever else a terminal would obey is spelled out", "S30": "hostile input"}
IDS = [
    *("S01", "S03", "S04", "S05", "S06", "S07", "S08", "S10", "S11", "S12", "S13", "S14", "S15"),
    *("S17", "S18", "S19", "S20", "S21", "S23", "S24", "S25", "S26", "S27", "S28", "S29", "S30"),
    *("S33", "S34", "S35", "S36", "S37", "S38", "S39", "S40", "S41", "S43", "S44", "S45", "S46"),
]


def names_in(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def ids_here() -> set[str]:
    found: set[str] = set()
    for path in (TESTS / "security").glob("test_*.py"):
        for name in names_in(f"security/{path.name}"):
            found |= {one.upper() for one in re.findall(r"(?<![a-z])s\d\d(?=_)", name)}
    return found


@pytest.mark.parametrize("test", [test for tests in ELSEWHERE.values() for test in tests])
def test_every_test_that_is_named_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in names_in(file)


@pytest.mark.parametrize("name", IN_SCRIPTS.values())
def test_every_test_of_the_scripts_that_is_named_is_there(name: str) -> None:
    assert any(name in path.read_text() for path in (TESTS / "js").glob("*.mjs"))


@pytest.mark.parametrize("one", IDS)
def test_every_id_of_the_list_is_tested(one: str) -> None:
    assert one in {*ids_here(), *ELSEWHERE, *IN_SCRIPTS}
