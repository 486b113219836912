"""Prose as lines of a signature text, cut where parts of it may repeat in other tools."""

from toolhone.compression.notation import MUST_ESCAPE, UNSAFE, minified
from toolhone.compression.parts import Kind, Parts

_SHORTEST = 24
"""Characters from which a line may be worth stating once."""
_MOST_LINES = 2_000
"""Longer texts are shared as a whole or not at all."""


def text_part(parts: Parts, text: str, mark: str = "t") -> str:
    """A placeholder for `text`; with the mark `q` it stands as a JSON string where it is not shared."""
    whole = escaped(text)
    if len(text) < _SHORTEST:
        return whole if mark == "t" else minified(text)
    if "\n" in whole and text.count("\n") < _MOST_LINES:
        *paragraphs, last = whole.split("\n\n")
        pieces = [_paragraph(parts, paragraph) for paragraph in paragraphs]
        whole = "\n\n".join([*pieces, _paragraph(parts, last)])
    return f"\x00{mark}{parts.add(Kind.TEXT, whole, text)}\x00"


def _paragraph(parts: Parts, paragraph: str) -> str:
    lines = [
        f"\x00t{parts.add(Kind.TEXT, line, plain)}\x00"
        if len(plain := unescaped_line(line)) >= _SHORTEST
        else line
        for line in paragraph.split("\n")
    ]
    if len(lines) < 2:
        return lines[0]
    raw = "\n".join(unescaped_line(line) for line in paragraph.split("\n"))
    written = "\n".join(lines)
    return f"\x00t{parts.add(Kind.TEXT, written, raw)}\x00" if raw[-1:] else written


def escaped(text: str) -> str:
    """`text` as lines that the reader knows as text; as a JSON string where it holds odd characters."""
    if UNSAFE.search(text) is not None:
        return "\\" + minified(text)
    *lines, last = text.split("\n")
    written = [f"\\{line}" if line and MUST_ESCAPE.match(line) else line for line in lines]
    written.append(f"\\{last}" if MUST_ESCAPE.match(last) else last)
    return "\n".join(written)


def unescaped_line(line: str) -> str:
    """What one line says that is neither a JSON string nor a reference."""
    return line[1:] if line.startswith("\\") else line
