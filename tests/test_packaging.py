"""What is shipped: the wheel holds the package and its demo, the source archive all it takes to test, and both run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("hatchling", reason="building needs hatchling (requirements-dev.txt)")

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CACHES = {"__pycache__", ".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


def _built(kind: str, source: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(_built("sdist", ROOT, folder)) as archive:
        archive.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return source


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _kept(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if not CACHES.intersection(path.parts)}


def test_the_wheel_holds_the_package_and_its_demo_and_nothing_else(wheel: Path) -> None:
    names = set(_contents(wheel))
    package = {f"detkit/{name}" for name in _kept(ROOT / "src" / "detkit")}
    demo = {f"detkit/_demo/{name}" for name in _kept(ROOT / "fixtures" / "demo")}
    assert package <= names
    assert demo <= names
    assert "detkit/py.typed" in names
    described = {name for name in names if re.match(r"detkit-[^/]+\.dist-info/", name)}
    assert names - package - demo - described == set()
    assert {name.rpartition("/")[2] for name in described} == {
        *("METADATA", "WHEEL", "RECORD", "LICENSE", "entry_points.txt")
    }


def test_the_wheel_states_command_version_and_extras(wheel: Path) -> None:
    contents = _contents(wheel)
    (metadata,) = (text.decode() for name, text in contents.items() if name.endswith("/METADATA"))
    (points,) = (text.decode() for name, text in contents.items() if name.endswith("/entry_points.txt"))
    assert points.split() == ["[console_scripts]", "detkit", "=", "detkit.cli:main"]
    assert re.findall(r"^Provides-Extra: (.+)$", metadata, re.MULTILINE) == sorted(PROJECT["optional-dependencies"])
    (version,) = re.findall(r"^Version: (.+)$", metadata, re.MULTILINE)
    assert f'"{version}"' in (ROOT / "src" / "detkit" / "_version.py").read_text(encoding="utf-8")


def test_nothing_that_a_machine_left_behind_is_shipped(wheel: Path, unpacked: Path) -> None:
    left = re.compile(r"(^|/)(__pycache__|\.venv[^/]*|\.git|\.hypothesis|\.cache|site|dist)/|\.pyc$|\.egg-info")
    assert [name for name in (*_contents(wheel), *_kept(unpacked)) if left.search(name)] == []


def test_the_source_archive_makes_the_same_wheel(wheel: Path, unpacked: Path, tmp_path: Path) -> None:
    assert _contents(_built("wheel", unpacked, tmp_path)) == _contents(wheel)


def test_the_source_archive_holds_what_the_tests_need(unpacked: Path) -> None:
    for folder in ("tests", "fixtures", "docs", "tools", "benchmarks"):
        assert _kept(unpacked / folder) == _kept(ROOT / folder), folder
    shipped = {path.name for path in unpacked.iterdir()}
    assert shipped >= {"Makefile", "constraints.txt", "requirements-dev.txt", "zensical.toml", "action.yml", "LICENSE"}


def test_the_installed_wheel_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(target), str(wheel)], capture_output=True, text=True)
    if done.returncode and "No module named pip" in done.stderr:
        pytest.skip("this environment has no pip")
    assert done.returncode == 0, done.stderr
    env = {**os.environ, "PYTHONPATH": str(target), "NO_COLOR": "1", "COLUMNS": "80"}
    where = [sys.executable, "-c", "import detkit; print(detkit.__file__)"]
    place = subprocess.run(where, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
    assert Path(place.strip()) == target / "detkit" / "__init__.py"
    demo = subprocess.run(
        [str(target / "bin" / "detkit"), "demo"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "detkit stats installed/detkit/_demo/data.yaml" in demo.stdout  # its own copy, not the checkout's
    assert "demo done" in demo.stdout


# --- the list of dependencies


@pytest.fixture(scope="module")
def make_dependencies() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_dependencies", ROOT / "tools" / "make_dependencies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_dependency_is_listed_with_its_reason(
    make_dependencies: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(make_dependencies.REASONS) == set(make_dependencies.required())
    assert make_dependencies.main(["--check"]) == 0, "run: python tools/make_dependencies.py"
    assert (
        "unknown" not in make_dependencies.known_licences(make_dependencies.PAGE.read_text(encoding="utf-8")).values()
    )


def test_a_dependency_that_is_not_listed_is_noticed(
    make_dependencies: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "dependencies.md"
    text = make_dependencies.PAGE.read_text(encoding="utf-8")
    page.write_text(re.sub(r"^\| `numpy.*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    monkeypatch.setattr(make_dependencies, "PAGE", page)
    monkeypatch.setattr(make_dependencies, "ROOT", tmp_path.parent)
    (tmp_path.parent / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert make_dependencies.main(["--check"]) == 1
    assert "dependencies.md: out of date" in capsys.readouterr().out
