"""Settings: where each comes from, which one wins, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.project import Lengths, Project, Sampling, Settings, open_project
from tests.helpers import refusal


def opened(folder: Path, text: str = "{}\n", environ: dict[str, str] | None = None, **flags: Any) -> Project:
    """Open a project with this synth.yaml, environment and flags."""
    (folder / "synth.yaml").write_text(text)
    return open_project(flags, folder, environ or {})


def test_what_is_not_set_has_its_default(tmp_path: Path) -> None:
    """An empty mapping is a whole project: everything has a default."""
    assert opened(tmp_path) == Project(tmp_path, Settings())


def test_flag_before_environment_before_file_before_default(tmp_path: Path) -> None:
    """Each source lies over the next; a flag that was not given (None) lies over nothing."""
    text = "model: file/f\nuser_model: file/f\nseed: 1\ntakes: 2\n"
    environ = {"SYNTH_MODEL": "environment/e", "SYNTH_SEED": "3", "HOME": "/nowhere"}
    project = opened(tmp_path, text, environ, model="flag/f", seed=None)
    assert project.settings == Settings(model="flag/f", user_model="file/f", seed=3, takes=2)


def test_settings_in_the_environment_are_yaml(tmp_path: Path) -> None:
    """Numbers, lists and mappings can be set; an empty variable sets nothing."""
    environ = {"SYNTH_TURNS": "{min: 6, max: 10}", "SYNTH_TOPICS": "[a, b]", "SYNTH_VALID": "0.2", "SYNTH_MODEL": ""}
    expected = Settings(turns=Lengths(min=6, max=10), topics=["a", "b"], valid=0.2)
    assert opened(tmp_path, "{}\n", environ).settings == expected


def test_the_base_url_of_openai_counts_less_than_our_own(tmp_path: Path) -> None:
    """The variable that other tools use is taken, before the file and behind our own variable."""
    text, theirs, own = "base_url: http://f\n", {"OPENAI_BASE_URL": "http://o"}, {"SYNTH_BASE_URL": "http://s"}
    found = [opened(tmp_path, text, environ).settings.base_url for environ in ({}, theirs, own | theirs)]
    assert found == ["http://f", "http://o", "http://s"]


def test_paths_lie_beside_the_settings(tmp_path: Path) -> None:
    """All that a project names is found from its own folder."""
    project = opened(tmp_path, "persona: people/tim.yaml\ndata: out\n")
    assert project.persona_path == tmp_path / "people" / "tim.yaml"
    assert project.templates.folder == tmp_path / "people"
    assert (project.data, project.store_path, project.dataset_path) == (
        tmp_path / "out",
        tmp_path / "out" / "synth.db",
        tmp_path / "out" / "dataset",
    )


def test_a_project_reads_what_it_names(project_dir: Path) -> None:
    """Persona and topics are read on first use, and once."""
    project = open_project({}, project_dir, {})
    assert project.persona.name == "Tim"
    assert len(project.topics) == 9
    assert project.topics is project.topics


def test_the_folder_one_stands_in_is_the_project(project_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder, the current one is opened."""
    monkeypatch.chdir(project_dir)
    assert open_project({}, environ={}) == Project(Path(), Settings(model="scripted/demo"))


def test_a_folder_without_settings_is_no_project(tmp_path: Path) -> None:
    """The message says how to get to one, or to make one."""
    assert refusal(open_project, {}, tmp_path, {}) == (
        f"{tmp_path}/synth.yaml: no synth.yaml here; go to a project's folder, or make one with: synth init DIR"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "synth.yaml: the file is empty"),
        ("modell: a/b\n", "synth.yaml:1:1: unknown field 'modell' (did you mean 'model'?)"),
        ("model: 4\n", "synth.yaml:1:8: model: expected text, and YAML reads 4 as something else; put it in quotes"),
        ("takes: 0\n", "synth.yaml:1:8: takes: Input should be greater than or equal to 1, not 0"),
        (
            "mode: duett\n",
            "synth.yaml:1:7: mode: Input should be 'auto', 'duet', 'transcript' or 'continue', not \"duett\"",
        ),
        ("valid: 0.6\n", "synth.yaml:1:8: valid: Input should be less than or equal to 0.5, not 0.6"),
        ("topics: []\n", "synth.yaml:1:9: topics: expected at least 1, not 0"),
        ("turns: {mx: 4}\n", "synth.yaml:1:9: unknown field 'mx' (did you mean 'max'?)"),
        ("turns: {min: 9, max: 4}\n", "synth.yaml:1:8: turns: min (9) is above max (4)"),
        ("turns: {min: 5, max: 5}\n", "synth.yaml:1:8: turns: there is no even number from min (5) to max (5)"),
        ("turns: {min: 1}\n", "synth.yaml:1:14: turns.min: Input should be greater than or equal to 2, not 1"),
        (
            "sampling:\n  temprature: 1\n",
            "synth.yaml:2:3: unknown field 'temprature' (did you mean 'temperature'?)",
        ),
        (
            "sampling: {temperature: .inf}\n",
            "synth.yaml:1:25: sampling.temperature: Input should be less than or equal to 2, not Infinity",
        ),
    ],
)
def test_wrong_settings_in_the_file_are_told(tmp_path: Path, text: str, expected: str) -> None:
    """A wrong setting gives its place, what was expected, and the nearest right name."""
    assert refusal(opened, tmp_path, text) == f"{tmp_path}/{expected}"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SYNTH_MODELL", "a/b", "no setting for SYNTH_MODELL in the environment (did you mean 'SYNTH_MODEL'?)"),
        ("SYNTH_TAKES", "0", "SYNTH_TAKES in the environment: Input should be greater than or equal to 1, not 0"),
        (
            "SYNTH_DATA",
            "2024",
            "SYNTH_DATA in the environment: expected text, and YAML reads 2024 as something else; put it in quotes",
        ),
        ("SYNTH_TURNS", "{mn: 2}", "SYNTH_TURNS in the environment: unknown field 'mn' (did you mean 'min'?)"),
        ("SYNTH_TURNS", "{min: 9}", "SYNTH_TURNS in the environment: min (9) is above max (8)"),
        ("SYNTH_MODEL", "[a", "SYNTH_MODEL in the environment: not YAML: did not find expected ',' or ']'"),
        (
            "SYNTH_THREADS",
            "999",
            "SYNTH_THREADS in the environment: Input should be less than or equal to 256, not 999",
        ),
    ],
)
def test_wrong_settings_in_the_environment_are_told(tmp_path: Path, name: str, value: str, expected: str) -> None:
    """The message names the variable, and the nearest right one."""
    assert refusal(opened, tmp_path, "{}\n", {name: value}) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"takes": 0}, "--takes: Input should be greater than or equal to 1, not 0"),
        ({"user_model": " "}, '--user-model: expected some text, not " "'),
        ({"modell": "a/b"}, "--modell: unknown field 'modell' (did you mean 'model'?)"),
    ],
)
def test_wrong_flags_are_told(tmp_path: Path, flags: dict[str, Any], expected: str) -> None:
    """The message names the flag as one writes it."""
    (tmp_path / "synth.yaml").write_text("{}\n")
    assert refusal(open_project, flags, tmp_path, {}) == expected


def test_sampling_is_laid_over_what_the_model_takes_by_default() -> None:
    """Only what is set in a project changes what suits its model."""
    default = Sampling(temperature=0.8, min_p=0.1)
    assert Sampling(temperature=0.0, top_p=0.9).over(default) == Sampling(temperature=0.0, top_p=0.9, min_p=0.1)
    assert Sampling().over(default) == default


@given(
    name=st.sampled_from([f"SYNTH_{field.upper()}" for field in Settings.model_fields])
    | st.text(min_size=1, max_size=9),
    value=st.text(max_size=30),
)
def test_any_environment_is_settings_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    """Whatever stands in the environment, the answer is settings or a line that names the variable."""
    folder = tmp_path_factory.getbasetemp()
    said = refusal(opened, folder, "{}\n", {name: value})
    assert said == "" or f"{name} in the environment" in said
