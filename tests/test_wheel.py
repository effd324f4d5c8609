"""The wheel, as an index would serve it: everything that a project is made from is inside."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.helpers import ROOT


def test_a_wheel_makes_projects(tmp_path: Path) -> None:
    """`synth init` works from the unpacked wheel alone, with the example project's templates."""
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*wheel, "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        archive.extractall(tmp_path / "site")
    code = "import synth; print(synth.__file__); from synth.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "init", "new"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert ended.stdout.splitlines()[0] == str(tmp_path / "site" / "synth" / "__init__.py")
    written = {path.name: path.read_bytes() for path in (tmp_path / "new" / "prompts").glob("*.j2")}
    assert written == {path.name: path.read_bytes() for path in (ROOT / "prompts").glob("*.j2")}
    assert (tmp_path / "new" / "schemas" / "topics.json").is_file()
