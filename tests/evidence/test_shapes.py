"""The script and the shape of its answer, a file a section: both are whole, and read when they are wanted."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import fastjsonschema
import jsonschema
import pytest

from provisioner import fleet, resources
from provisioner.evidence import answer, shapes
from provisioner.evidence.question import PARTS, SECTIONS
from tests.fixtures.evidence import SHAPE


def test_what_lies_there_is_sent_and_each_section_has_its_shape() -> None:
    assert sorted(PARTS) == sorted(path.stem for path in resources.script().iterdir())
    assert sorted((*SECTIONS, "answer")) == sorted(path.stem for path in resources.schema().iterdir())


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_is_read_in_the_file_of_its_name(name: str) -> None:
    text = (resources.script() / f"{name}.ps1").read_text("ascii").lower()
    assert text.count("function read-") == text.count(f"function read-{name}") == 1


def test_the_shapes_are_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SHAPE)
    frame = {**shapes._frame(), "$schema": "https://json-schema.org/draft/2020-12/schema"}
    jsonschema.validate({"version": 1, "sections": {"disk": {"ms": 1, "error": "x", "data": None}}}, frame)


def test_a_shape_is_compiled_once_however_many_threads_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer._compile.cache_clear()
    compiled, compile_one = [], fastjsonschema.compile

    def compile(shape: Any, **given: Any) -> Any:
        compiled.append(shape)
        return compile_one(shape, **given)

    monkeypatch.setattr(fastjsonschema, "compile", compile)
    together = threading.Barrier(50)

    def parse() -> None:
        together.wait()
        disk = {"ms": 1, "error": None, "data": {"drive": "C:", "free_bytes": 5, "total_bytes": 9}}
        document = json.dumps({"version": 1, "sections": {"disk": disk}})
        answer.parse(f"#evidence begin\n{document}\n#evidence end\n".encode())

    threads = [threading.Thread(target=parse) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(compiled) == 1


OPENED = """
import sys
from provisioner.cli import main
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
sys.argv = ["provisioner", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print([path for path in opened if "evidence" in path and path.endswith((".yml", ".ps1"))], file=sys.stderr)
"""


@pytest.mark.parametrize("words", [["--help"], ["validate"]])
def test_what_asks_no_gateway_reads_neither(words: list[str], tmp_path: Path) -> None:
    for name, text in fleet.starter().items():
        (tmp_path / name).write_text(text, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", OPENED, *words], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ran.stderr.splitlines()[-1] == "[]"
