"""From the blocks of a catalog to its text: what is stated once, and what stands in each block."""

from collections.abc import Sequence
from dataclasses import dataclass

from toolhone.compression.conventions import Conventions
from toolhone.compression.definitions import Block, Parameter
from toolhone.compression.notation import written_name
from toolhone.compression.parts import PLACEHOLDER, Kind, Parts, choose
from toolhone.tokens import count_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Tools as text, not yet checked."""

    preamble: tuple[str, ...]
    """One entry a statement; a shared text may have several lines."""
    blocks: tuple[str, ...]
    structure: str
    """All of it without names' heads and prose: what a legend looks for marks in."""

    @property
    def preamble_lines(self) -> list[str]:
        """Every line of the preamble."""
        return "\n".join(self.preamble).split("\n") if self.preamble else []


def assemble(blocks: Sequence[Block], parts: Parts, conventions: Conventions, *, share: bool) -> Written:
    """Decide what is stated once, and put the text together."""
    chosen: set[int] = set()
    if share:
        for block in blocks:
            for text in _templates(block):
                parts.use(text)
            for line in block.lines:
                if isinstance(line, Parameter):
                    parts.items[line.part].uses += 1
        chosen = choose(parts, count_tokens)
    unlabelled = frozenset(number for number in chosen if parts.items[number].kind is not Kind.PARAMETER)
    labels = {number: label for label, number in enumerate(_used(blocks, parts, unlabelled), 1)}
    preamble = [conventions.line] if conventions.line else []
    structure = list(preamble)
    # Smallest parts first: a statement uses only what was stated before it.
    for number in sorted(labels):
        part = parts.items[number]
        mark = "%" if part.kind is Kind.EXPRESSION else "\\"
        preamble.append(f"{mark}{labels[number]} {parts.expand(part.text, labels)}")
        if part.kind is Kind.EXPRESSION:
            structure.append(part.text)
    for number in sorted(chosen):
        part = parts.items[number]
        if part.kind is Kind.PARAMETER:
            preamble.append(f"& {written_name(part.raw)}{parts.expand(part.text, labels)}")
            structure.append("&" + part.text)
    for block in blocks:
        structure.extend(line for line in block.lines if isinstance(line, str))
        structure.extend(
            f" name{'?' if line.optional else ''}{parts.items[line.part].text}"
            for line in block.lines
            if isinstance(line, Parameter)
        )
        structure.extend(f"##{flag}" for flag in block.flags)
    return Written(
        preamble=tuple(preamble),
        blocks=tuple(_block(block, parts, chosen, labels) for block in blocks),
        structure=parts.expand_structure("\n".join(structure), labels),
    )


def _templates(block: Block) -> list[str]:
    texts = [block.head, *(line for line in block.lines if isinstance(line, str))]
    return texts if block.text is None else [*texts, block.text]


def _used(blocks: Sequence[Block], parts: Parts, chosen: frozenset[int]) -> list[int]:
    """The chosen parts that the text really refers to, smallest first."""
    seen: set[int] = set()
    stack = [text for block in blocks for text in _templates(block)]
    stack += [
        parts.items[line.part].text for block in blocks for line in block.lines if isinstance(line, Parameter)
    ]
    while stack:
        for kind, found in PLACEHOLDER.findall(stack.pop()):
            number = int(found)
            # A text in quotes stands for itself, whatever its lines are.
            if number not in seen and (kind != "q" or number in chosen):
                seen.add(number)
                stack.append(parts.items[number].text)
    return sorted(seen & chosen)


def _block(block: Block, parts: Parts, chosen: set[int], labels: dict[int, int]) -> str:
    lines = [parts.expand(block.head, labels)]
    if block.text is not None:
        lines.append(parts.expand(block.text, labels))
    shared: list[str] = []
    own: list[str] = []

    def flush() -> None:
        if shared:
            lines.append("& " + " ".join(shared))
        if own:
            lines.append(" " + (", " if block.joined else "\n ").join(own))
        shared.clear()
        own.clear()

    for line in block.lines:
        if not isinstance(line, Parameter):
            flush()
            lines.append(parts.expand(line, labels))
            continue
        name = written_name(line.name) + ("?" if line.optional else "")
        if line.part in chosen and block.joined:
            own.append(f"&{name}")
        elif line.part in chosen:
            if own:
                flush()
            shared.append(name)
        else:
            if shared:
                flush()
            own.append(name + parts.expand(parts.items[line.part].text, labels))
    flush()
    return "\n".join(lines)
