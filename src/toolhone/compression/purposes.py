"""What a tool is for, in a few words of its own description."""

import re

from toolhone.compression.notation import UNSAFE

_MARKUP = re.compile(r"[*_`#>]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}|<[^<>\s]{1,40}>")
_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\([^()\s]{1,500}\)")
_END = re.compile(
    r"(?<=[^\s.][.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<! vs\.)(?=[\s\"')]|$)|(?<=[\u3002\uff01\uff1f])"
)
_LEAD = re.compile(
    r"(?:this|the|a|an)\s+(?:tool|function|method|endpoint|command)s?\s+"
    r"(?:that\s+|to\s+|is used to\s+|can\s+)?"
    r"|(?:use this (?:tool|function) to|used to|tools? for|tool to|a tool to)\s+",
    re.IGNORECASE,
)
_ARTICLES = frozenset({"a", "an", "the"})
_LOOSE = re.compile(
    r"(?:all|and|any|are|as|at|be|been|by|can|for|from|has|have|how|in|including|into|is|its|may|must|of|on|"
    r"optional|optionally|or|specific|that|their|this|to|use|used|using|via|was|were|when|where|which|while|"
    r"will|with|within|your)",
    re.IGNORECASE,
)
"""Words that no phrase ends with."""
_PAUSE = re.compile(r"[,;:)]$")
_FEWEST = 4
"""Words that a purpose has before it may end at a comma."""
_LONGEST_PURPOSE = 48
_LONGEST = 2_000
"""Characters of a description that are looked at."""


def first_sentence(text: str) -> str:
    """The first sentence of a text, on one line."""
    lines = [line.strip() for line in UNSAFE.sub(" ", text[:_LONGEST]).split("\n")]
    spoken = [line for line in lines if any(map(str.isalnum, line))]
    # A heading says nothing yet.
    prose = [line for line in spoken if not line.startswith("#") and len(line.split()) > 2] or spoken
    if not prose:
        return ""
    end = _END.search(prose[0])
    return prose[0][: end.end()] if end and end.end() > 3 else prose[0]


def purpose(text: str, words: int) -> str:
    """At most `words` words that say what a tool is for: no articles, no half phrase at the end."""
    plain = _MARKUP.sub("", _LINK.sub(r"\1", text[:_LONGEST])).strip()
    said = first_sentence(plain)
    lead = _LEAD.match(said)
    if lead and lead.end() < len(said):
        said = said[lead.end()].upper() + said[lead.end() + 1 :]
    found = said.split()
    kept = [word for word in found if word.lower() not in _ARTICLES] or found
    if len(kept) > words:
        kept = kept[:words]
        pause = next((at for at, word in enumerate(kept, 1) if at >= _FEWEST and _PAUSE.search(word)), 0)
        kept = kept[: pause or words]
    while len(kept) > 2 and len(" ".join(kept)) > _LONGEST_PURPOSE:
        kept.pop()
    while len(kept) > 2 and _LOOSE.fullmatch(kept[-1].strip(".,:;()")):
        kept.pop()
    if sum(word.count("(") - word.count(")") for word in kept) > 0:
        opened = next(at for at, word in enumerate(kept) if "(" in word)
        kept = kept[:opened] or kept
    return " ".join(kept)[: 2 * _LONGEST_PURPOSE].rstrip(" .,:;-(\u2013\u2014")
