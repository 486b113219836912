"""What the pages say about training is typed, with a model small enough to be trained meanwhile."""

from pathlib import Path

from documentation.blocks import Block, blocks
from documentation.shell import Shell

DOCS = Path(__file__).parents[3] / "docs"


def of(page: str, *languages: str) -> list[Block]:
    return [block for block in blocks(DOCS / page) if block.needs == "torch" and block.language in languages]


def test_the_way_from_the_first_snapshot_to_a_model_in_use(tiny_base: Path, tmp_path: Path) -> None:
    shell, given = Shell(tmp_path, patience=400), {"./my-model": str(tiny_base)}

    typed = shell.type(of("finetuning.md", "sh", "console"), given=given)
    assert typed.code == 0, typed.printed
    assert typed.wrong == (), "\n".join(typed.wrong)
    code, printed = shell.python(of("finetuning.md", "python"), given=given)
    assert code == 0, printed
    _, models = shell.run(["toolhone", "models", "aliases", "--json"])
    assert "production" in models


def test_an_encoder_of_your_own_is_exported_and_used(tiny_model: Path, tmp_path: Path) -> None:
    typed = Shell(tmp_path).type(of("selection.md", "sh", "console"), given={"FOLDER": str(tiny_model)})

    assert typed.code == 0, typed.printed
    assert typed.wrong == (), "\n".join(typed.wrong)
