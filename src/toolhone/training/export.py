"""Exports an encoder as the folder that the server loads without torch, and checks it by the original."""

import datetime
import hashlib
import importlib
import json
import logging
import tempfile
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toolhone.exceptions import InvalidRequestError, TrainingFailedError
from toolhone.models import JsonObject
from toolhone.training.int8 import with_int8_weights
from toolhone.training.sources import EQUAL, TRANSPOSED, EncoderParts, required

FORMAT = 1
TEXT_TOKENS = 128
LATE_TOKENS = 48

LEAST_COSINE = 0.99
"""What a vector of the export must have with the original's; int8 weights of MiniLM give 0.998 or more."""
LEAST_TOKEN_COSINE = 0.95
LEAST_AGREEMENT = 0.9

NEIGHBOURS = 5

PRIVATE = 0o700
"""An encoder that was trained on a log may have learned it by heart."""

CHECKED = (
    "List the open pull requests of a repository.",
    "get_weather: Current weather and forecast for a city. city: name of the city; days: how many days ahead",
    "Send an e-mail to the customer, then add the ticket number to the spreadsheet and remind me on Friday.",
    "search_issues: Search issues and pull requests. query, state, labels, sort, per_page",
    "Convert 200 euros to Japanese yen",
    "read_file: Read the complete contents of a file from the file system. path",
    "Wie wird das Wetter morgen in Köln?",
    "create_invoice: Creates a draft invoice for a customer with line items, taxes and a due date.",
    "把这个文件翻译成英文",
    "delete_branch: Delete a git branch, locally or on the remote. branch_name, force, remote",
    "Which of our servers have been restarted since yesterday, and why?",
    "resize_image: Scale an image to a width and height, keeping its proportions. image, width, height",
    "What is the derivative of x squared times sine x?",
    "play_music: Plays a song, an album or a playlist on the speaker. song; artist; album; volume",
    "Book a table for four at an Italian restaurant near the station tonight at eight.",
    "run_query: Run a read-only SQL query against the database and return the rows as JSON. sql, limit",
    "find cheap flights from Berlin to Lisbon in May",
    "get_stock_price: Latest price of a stock by its ticker symbol. symbol, currency, exchange",
    "a",
    "Summarise the discussion in the channel, list the decisions with who took them, write the summary to "
    "the wiki page of the project, and post a link to it in the channel. Leave out what is only chat. "
    "If a decision has a date, create a calendar entry for it and invite the people who were named.",
)
"""Tasks and tools of many kinds; what an export is checked with unless the caller has better texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCheck:
    """How near the export is to the original, over the texts it was checked with."""

    texts: int
    least_cosine: float
    """Between the pooled vectors of a text: the worst text."""
    least_token_cosine: float | None
    """Between the vectors of a token: the worst token. `None` without token vectors."""
    largest_weight_error: float | None
    agreement: float
    """Of the five texts that the original finds most similar to a text, the share that the export finds."""

    @property
    def passed(self) -> bool:
        return (
            self.least_cosine >= LEAST_COSINE
            and (self.least_token_cosine is None or self.least_token_cosine >= LEAST_TOKEN_COSINE)
            and self.agreement >= LEAST_AGREEMENT
        )

    def described(self) -> str:
        token = "" if self.least_token_cosine is None else f", of a token {self.least_token_cosine:.4f}"
        return f"least cosine of a text {self.least_cosine:.4f}{token}, same neighbours {self.agreement:.0%}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A bundle that was written."""

    folder: Path
    sha256: str
    """Of its encoder.json, which has the hashes of the other files."""
    size: int
    check: ExportCheck


def export_bundle(
    parts: EncoderParts,
    folder: Path,
    *,
    name: str,
    base: str,
    parent: str | None = None,
    training: JsonObject | None = None,
    check_texts: Sequence[str] = CHECKED,
) -> Exported:
    """Write the bundle, all of it or nothing.

    Args:
        name: What the encoder is called.
        base: The model it comes from.
        parent: The hash of the encoder whose place it may take.
        training: Figures of the training, for the record.
        check_texts: What original and export are compared on.

    Raises:
        InvalidRequestError: The folder exists.
        TrainingFailedError: The export differs too much from the original, or a library is missing.
    """
    if folder.exists():
        raise InvalidRequestError(f"{str(folder)!r} exists. Choose another name, or remove it first.")
    onnx = required("onnx")
    folder.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder.parent) as scratch:
        made = Path(scratch) / "bundle"
        made.mkdir()
        graph = with_int8_weights(_graph(parts))
        onnx.checker.check_model(graph)
        onnx.save(graph, str(made / "encoder.onnx"))
        (made / "tokenizer.json").write_text(_tokenizer_json(parts), encoding="utf-8")
        check = check_export(parts, made, check_texts)
        if not check.passed:
            raise TrainingFailedError(
                f"The export of {name!r} differs too much from the original: {check.described()}. "
                f"At least {LEAST_COSINE}, {LEAST_TOKEN_COSINE} and {LEAST_AGREEMENT:.0%} are asked for. Its "
                "weights do not bear int8; nothing was written.",
                data=asdict(check),
            )
        manifest = {
            "name": name,
            "base": base,
            "format": FORMAT,
            "dimensions": parts.dimensions,
            "token_dimensions": parts.token_dimensions,
            "task_tokens": parts.longest,
            "text_tokens": min(TEXT_TOKENS, parts.longest),
            "late_tokens": min(LATE_TOKENS, parts.longest),
            "files": {file: _sha256(made / file) for file in ("encoder.onnx", "tokenizer.json")},
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "parent": parent,
            "transformer": _config(parts),
            "padding": parts.tokenizer.pad_token,
            "check": asdict(check),
            "training": training or {},
        }
        (made / "encoder.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        made.rename(folder)
    return Exported(
        folder=folder,
        sha256=_sha256(folder / "encoder.json"),
        size=sum(file.stat().st_size for file in folder.iterdir()),
        check=check,
    )


def check_export(parts: EncoderParts, folder: Path, texts: Sequence[str] = CHECKED) -> ExportCheck:
    """Encode the texts with the original and with the files in `folder`, and compare."""
    import numpy as np

    torch = required("torch")
    runtime = importlib.import_module("onnxruntime")
    tokenizers = importlib.import_module("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer.enable_truncation(parts.longest)
    session = runtime.InferenceSession(str(folder / "encoder.onnx"), providers=["CPUExecutionProvider"])
    module = _outputs(torch, parts)
    pooled: tuple[list[Any], list[Any]] = ([], [])
    token_cosines: list[float] = []
    weight_errors: list[float] = []
    for text in texts:
        with torch.no_grad():
            # The original's own tokenizer, so that a difference between the two is found as well.
            ids = parts.tokenizer(text, truncation=True, max_length=parts.longest)["input_ids"]
            given = torch.tensor([ids])
            original = [one.numpy()[0] for one in module(given, torch.ones_like(given))]
        own = np.array([tokenizer.encode(text).ids], np.int64)
        exported = [
            one[0] for one in session.run(None, {"input_ids": own, "attention_mask": np.ones_like(own)})
        ]
        for side, states in zip(pooled, (original[0], exported[0]), strict=True):
            mean = states.mean(axis=0)
            side.append(mean / np.linalg.norm(mean))
        if len(original) == 3 and original[1].shape == exported[1].shape:
            token_cosines.append(float((original[1] * exported[1]).sum(axis=1).min()))
            weight_errors.append(float(np.abs(original[2] - exported[2]).max()))
    before, after = np.stack(pooled[0]), np.stack(pooled[1])
    return ExportCheck(
        texts=len(texts),
        least_cosine=float((before * after).sum(axis=1).min()),
        least_token_cosine=min(token_cosines, default=None),
        largest_weight_error=max(weight_errors, default=None),
        agreement=_agreement(before, after),
    )


def _agreement(before: Any, after: Any) -> float:
    import numpy as np

    neighbours: list[list[set[int]]] = []
    for vectors in (before, after):
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, -2.0)
        neighbours.append(
            [set(row) for row in np.argsort(-similar, axis=1, kind="stable")[:, :NEIGHBOURS].tolist()]
        )
    shared = [len(a & b) / len(a) for a, b in zip(*neighbours, strict=True)]
    return sum(shared) / len(shared)


def _graph(parts: EncoderParts) -> Any:
    """The float32 graph, for one text of any length."""
    torch = required("torch")
    required("onnxscript")
    module = _outputs(torch, parts)
    ids = torch.arange(1, 13)[None]
    tokens = torch.export.Dim("tokens", min=2, max=parts.longest)
    with _quiet():
        program = torch.onnx.export(
            module,
            (ids, torch.ones_like(ids)),
            dynamo=True,
            dynamic_shapes=({1: tokens}, {1: tokens}),
            input_names=["input_ids", "attention_mask"],
            output_names=["states"] if parts.projection is None else ["states", "tokens", "weights"],
            opset_version=21,
            verbose=False,
        )
    return _named_weights(_without_traces(program.model_proto), module)


def _without_traces(model: Any) -> Any:
    """The graph without the notes that say which line of which file on this machine made each node."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    return model


def _named_weights(model: Any, module: Any) -> Any:
    """Name each matrix after its parameter, so that training can go on from the bundle.

    The exporter keeps the names of all others; matrices it stores transposed, under numbers.
    """
    numpy_helper = importlib.import_module("onnx").numpy_helper
    names = {
        _identity(parameter.detach().numpy().T): f"{name}{TRANSPOSED}"
        for name, parameter in module.named_parameters()
        if parameter.ndim == 2
    }
    kept = {name for name, _ in module.named_parameters()}
    renamed: dict[str, str] = {}
    for one in model.graph.initializer:
        if one.name not in kept and len(one.dims) == 2:
            name = names.pop(_identity(numpy_helper.to_array(one)), None)
            if name is not None:
                renamed[one.name] = name
                one.name = name
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    _note_equals(model, module, {one.name: one for one in model.graph.initializer})
    return model


def _note_equals(model: Any, module: Any, stored: Mapping[str, Any]) -> None:
    """The exporter stores equal weights (biases of zeros, say) once: note which ones a parameter has."""
    numpy_helper = importlib.import_module("onnx").numpy_helper
    equals = {_identity(numpy_helper.to_array(one)): name for name, one in stored.items()}
    for name, parameter in module.named_parameters():
        if name not in stored and f"{name}{TRANSPOSED}" not in stored:
            equal = equals.get(_identity(parameter.detach().numpy()))
            if equal is not None:
                note = model.metadata_props.add()
                note.key, note.value = f"{EQUAL}{name}", equal


def _identity(values: Any) -> bytes:
    return hashlib.sha256(f"{values.dtype}{values.shape}".encode() + values.tobytes()).digest()


def _outputs(torch: Any, parts: EncoderParts) -> Any:
    """A module from (ids, mask) to what the bundle gives: states, and token vectors with their weights."""

    class Outputs(torch.nn.Module):
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            states = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            if self.projection is None:
                return (states,)
            projected = self.projection(states)
            vectors = torch.nn.functional.normalize(projected[..., :-1], dim=-1)
            return states, vectors, torch.sigmoid(projected[..., -1])

    outputs: Any = Outputs()
    outputs.transformer, outputs.projection = parts.transformer, parts.projection
    return outputs.eval()


def _config(parts: EncoderParts) -> JsonObject:
    """What the transformer is built from; not where it lay on this machine."""
    config = parts.transformer.config
    return {
        "model_type": config.model_type,
        **{k: v for k, v in config.to_diff_dict().items() if k[0] != "_"},
    }


def _tokenizer_json(parts: EncoderParts) -> str:
    tokenizer = parts.tokenizer.backend_tokenizer
    tokenizers = importlib.import_module("tokenizers")
    copy = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return str(copy.to_str())


@contextmanager
def _quiet() -> Generator[None]:
    """The exporter warns of packages it does not need and of its own internals."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
