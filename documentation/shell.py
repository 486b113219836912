"""What the pages tell to type, typed into the shell of somebody who has nothing but toolhone."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from documentation.blocks import Block, Step, as_shown, steps

ROOT = Path(__file__).parents[1]
STAGES = ROOT / "tests" / "documentation" / "stages"
"""By the name of a page: files that its reader has already."""

PATIENCE = 180.0
"""Seconds after which a page is given up. The machine may be busy."""

PORTS = ("127.0.0.1:8000", "127.0.0.1:4318")
"""As pages have them. They may be taken here, so others stand for them."""

_MARK = "\036"
_ASSIGNED = re.compile(r"^ *(?:export )?([A-Z][A-Z_]+)=", re.MULTILINE)
_SERVES = re.compile(r"^toolhone serve\b[^\n&|<>]*--http (?P<address>\S+)[^\n&|<>]*$", re.MULTILINE)

_PROGRAMS = {
    # What uvx and npx would fetch is installed already.
    "uvx": '#!/bin/sh\nprogram=$1; shift\nexec "{bin}/$program" "$@"\n',
    "npx": '#!/bin/sh\npackage=${{1%@*}}; shift\nexec "{node}/mcp-${{package##*/}}" "$@"\n',
    # For notes: `… --json | pick 0 id`.
    "pick": "#!{python}\nimport json, sys\nvalue = json.load(sys.stdin)\nfor key in sys.argv[1:]:\n"
    "    value = value[int(key) if isinstance(value, list) else key]\nprint(value)\n",
}


_RUNNER = """
import ast, inspect, sys
import anyio

async def main():
    namespace = {"__name__": "__page__"}
    for file in sys.argv[1:]:
        code = compile(open(file).read(), file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        done = eval(code, namespace)
        if inspect.iscoroutine(done):
            await done

anyio.run(main)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What came of a page."""

    code: int
    printed: str
    wrong: tuple[str, ...]
    """The steps that did not print what their page shows, with what they printed."""


class Shell:
    """A folder, and a user of the machine who has nothing but it."""

    def __init__(self, folder: Path, *, patience: float = PATIENCE) -> None:
        self.patience = patience
        self.folder = folder
        self.home = folder / "home"
        self.work = folder / "work"
        tools = folder / "bin"
        for one in (self.home, self.work, tools):
            one.mkdir()
        venv = Path(sys.executable).parent
        node = ROOT / "tests" / "node" / "node_modules" / ".bin"
        for name, text in _PROGRAMS.items():
            (tools / name).write_text(text.format(bin=venv, node=node, python=sys.executable))
            (tools / name).chmod(0o755)
        own = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHONE_")}
        self.environ = {
            **own,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_DATA_HOME": str(self.home / ".local" / "share"),
            "PATH": f"{tools}:{venv}:{own['PATH']}",
            "COLUMNS": "100",
            # For notes alone.
            "CHECKOUT": str(ROOT),
        }

    def run(self, arguments: list[str]) -> tuple[int, str]:
        """(exit code, all that was printed); the code is that of `timeout` if it was given up.

        Nothing that was started stays.
        """
        printed = self.folder / "printed"
        with printed.open("w") as output:
            # Whoever is asked agrees.
            consent = subprocess.Popen(["yes"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            process = subprocess.Popen(
                arguments,
                cwd=self.work,
                env=self.environ,
                stdin=consent.stdout,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(self.patience)
            except subprocess.TimeoutExpired:
                code = 124
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                consent.kill()
                consent.communicate()
        return code, printed.read_text(encoding="utf-8")

    def type(self, blocks: Iterable[Block], *, given: Mapping[str, str] | None = None) -> Typed:
        """Type the blocks of a page in their order, in one shell.

        Args:
            given: Words of the page and what stands for them here, besides the ports.
        """
        todo = list(blocks)
        stage = STAGES / todo[0].page.stem
        if stage.exists():
            shutil.copytree(stage, self.work, dirs_exist_ok=True)
        here = {port: f"127.0.0.1:{free_port()}" for port in PORTS} | dict(given or {})
        typed = list(_scripts(todo))
        script = "set -euo pipefail\n" + "\n".join(
            f"printf '{_MARK}{number}{_MARK}\\n'\n{one}" for number, (_, _, one) in enumerate(typed)
        )
        for word, meant in here.items():
            script = script.replace(word, meant)

        code, printed = self.run(["bash", "-c", script])

        for word, meant in here.items():
            printed = printed.replace(meant, word)
        said = re.split(f"{_MARK}(\\d+){_MARK}\n", printed)[2::2]
        wrong = tuple(
            f"{block.page.name}:{block.line}\n$ {step.script}\n{text}"
            for (block, step, _), text in zip(typed, said, strict=False)
            if step is not None and step.shown is not None and not as_shown(text, step.shown)
        )
        return Typed(code=code, printed=printed, wrong=wrong)

    def python(self, blocks: Iterable[Block], *, given: Mapping[str, str] | None = None) -> tuple[int, str]:
        """(exit code, all that was printed) of the blocks of a page, which share their names."""
        files: list[str] = []
        for block in blocks:
            text = block.text
            for word, meant in (given or {}).items():
                text = text.replace(word, meant)
            file = self.folder / f"line_{block.line}.py"
            file.write_text(text)
            files.append(str(file))
        return self.run([sys.executable, "-c", _RUNNER, *files])


def _scripts(blocks: Iterable[Block]) -> Iterator[tuple[Block, Step | None, str]]:
    """(block, its step or `None` for a note, what is typed for it)."""
    names: set[str] = set()
    for block in blocks:
        names |= set(_ASSIGNED.findall(block.before))
        if block.before:
            yield block, None, _waiting(block.before)
        for step in steps(block):
            yield block, step, _waiting(_filled(step.script, names))
        if block.after:
            yield block, None, block.after


def _filled(script: str, names: set[str]) -> str:
    """The script with names as pages have them, as in `show JOB_ID`, in the place of which a value stands."""
    if not names:
        return script
    return re.sub(rf"(?<![\w$/{{.-])({'|'.join(sorted(names))})(?![\w=.])", r'"$\1"', script)


def _waiting(script: str) -> str:
    """The script with servers left running, once they are ready, in the place of one that never ends."""
    return _SERVES.sub(
        lambda found: f"{found[0]} 2> served.log &\n{ready(found['address'])}",
        script,
    )


def ready(address: str) -> str:
    """A script that ends when the server at this address is ready."""
    url = shlex.quote(f"http://{address}/ready")
    return f"curl -s -f --retry 60 --retry-connrefused --retry-delay 1 -o ready.json {url}"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
