"""Fine-tunes a sentence-transformers encoder to find tools: one pass trains all that the selector scores.

For a task the selector compares a tool with the whole task and with its best sentence, once by pooled
vectors and once token by token (late interaction, Khattab and Zaharia, "ColBERT", 2020). Both scores are
trained as they are used, each with the contrastive loss InfoNCE (van den Oord et al., 2018): the right tools
of a task against the other tools of the batch and its hard negatives. Other right tools are masked. The word
embeddings stay as they are, so words that no task of the training had keep their meaning, and the trained
weights may be averaged with those from before (Wortsman et al., "Robust fine-tuning", 2022), which keeps more
of what was known about tools that no task of the training had.

torch is imported when training starts, never before.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from toolhone.exceptions import InvalidRequestError
from toolhone.selection.sentences import sentence_spans
from toolhone.training.sources import EncoderParts, required

SCALE = 20.0
"""Inverse temperature of both losses."""

NEAR_COPY = 0.92
"""A tool whose text is this similar to a right one is no negative: it may be as right."""

TRAINABLE = ("bert", "roberta", "xlm-roberta")
"""Kinds of transformers whose layers can be run one by one on states; others can be exported, not trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTask:
    """A task, the tools that are right for it and those that may be."""

    text: str
    right: tuple[int, ...]
    """Places in the tool texts of its `TrainingSet`."""
    also: tuple[int, ...] = ()
    """Tools that would do as well; never used as negatives."""
    wrong: tuple[int, ...] = ()
    """Tools that are known not to do: negatives before all others."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Tasks over one catalog. Negatives of a task come from its own catalog."""

    name: str
    tools: Sequence[str]
    """What the encoder reads of each tool."""
    groups: Sequence[str]
    """The server of each tool; tools of one server are the hardest to tell apart."""
    tasks: Sequence[TrainingTask]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train."""

    epochs: int = 3
    batch: int = 32
    negatives: int = 24
    """Hard negatives a batch, shared by its tasks."""
    learning_rate: float = 5e-5
    task_tokens: int = 96
    tool_tokens: int = 72
    frozen_layers: int | None = None
    """The lowest layers that stay as they are; `None`: half of them. They know the language already, and
    what they make of a text is computed once."""
    token_dimensions: int = 128
    late_share: float = 1.0
    """Weight of the token loss against the pooled loss."""
    kept: float = 0.0
    """Share of the weights from before in the result."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained encoder, and the loss of each step."""

    parts: EncoderParts
    losses: list[float]


def finetune(
    start: EncoderParts,
    sets: Sequence[TrainingSet],
    recipe: Recipe,
    *,
    report: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> Trained:
    """Train on the sets, from these parts on, which are changed. A projection they have is trained further.

    Args:
        report: Called after each step with its number, the number of all, and the loss, smoothed.

    Raises:
        InvalidRequestError: There are too few tasks, or the transformer is of a kind that cannot be trained.
    """
    torch = required("torch")
    transformer, tokenizer = start.transformer, start.tokenizer
    if transformer.config.model_type not in TRAINABLE:
        raise InvalidRequestError(
            f"A transformer of the kind {transformer.config.model_type!r} cannot be trained, only "
            f"{', '.join(TRAINABLE)}. Export it as it is, or start from another one."
        )
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    steps = count_steps(sets, recipe)
    if steps == 0:
        raise InvalidRequestError("There are too few tasks to train on: a batch needs two at least.")
    layers = list(transformer.encoder.layer)
    frozen = recipe.frozen_layers if recipe.frozen_layers is not None else len(layers) // 2
    read = [_read(torch, transformer, tokenizer, one, frozen, recipe) for one in sets]
    trained = [parameter for layer in layers[frozen:] for parameter in layer.parameters()]
    projection = start.projection or _projection(torch, layers[frozen:], read, recipe)
    # A new projection has everything to learn.
    haste = 1 if start.projection else 10
    optimizer = torch.optim.AdamW(
        [
            {"params": trained, "lr": recipe.learning_rate},
            {"params": projection.parameters(), "lr": recipe.learning_rate * haste},
        ],
        weight_decay=0.01,
    )
    averaged = [*trained, *(projection.parameters() if start.projection else ())]
    before = [parameter.detach().clone() for parameter in averaged]
    warmup = max(1, steps // 10)

    def share(step: int) -> float:
        return min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    for layer in layers[frozen:]:
        layer.train()
    losses: list[float] = []
    smooth = 0.0
    for _ in range(recipe.epochs):
        batches = [(one, batch) for one in read for batch in _batches(one.of, recipe, rng)]
        rng.shuffle(batches)
        for one, batch in batches:
            tools = _tools_of(one, [one.of.tasks[i] for i in batch], recipe, rng)
            loss = _loss(torch, layers[frozen:], projection, one, batch, tools, recipe)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            smooth = losses[0] if len(losses) == 1 else 0.95 * smooth + 0.05 * losses[-1]
            report(len(losses), steps, smooth)
    transformer.eval()
    with torch.no_grad():
        for parameter, old in zip(averaged, before, strict=True):
            parameter.lerp_(old, recipe.kept)
    return Trained(replace(start, projection=projection.eval()), losses)


def count_steps(sets: Sequence[TrainingSet], recipe: Recipe) -> int:
    """How many steps a training takes."""
    return recipe.epochs * sum(len(_batches(one, recipe, random.Random(0))) for one in sets)


@dataclass(slots=True)
class _Read:
    """A set with what the frozen layers make of it, computed once: it never changes."""

    of: TrainingSet
    pooled: Any
    """(tools, dimensions): unit vectors of the base model, to find hard negatives."""
    tools: list[Any]
    """(tokens, dimensions) a tool."""
    tasks: list[Any]
    parts: list[Any]
    """(parts, tokens) a task: which tokens belong to the whole and to each sentence."""


def _read(
    torch: Any, transformer: Any, tokenizer: Any, one: TrainingSet, frozen: int, recipe: Recipe
) -> _Read:
    tools, pooled, _ = _frozen_states(torch, transformer, tokenizer, one.tools, frozen, recipe.tool_tokens)
    texts = [task.text for task in one.tasks]
    tasks, _, offsets = _frozen_states(torch, transformer, tokenizer, texts, frozen, recipe.task_tokens)
    parts = [_parts(torch, text, spans) for text, spans in zip(texts, offsets, strict=True)]
    return _Read(one, torch.stack(pooled), tools, tasks, parts)


def _frozen_states(
    torch: Any, transformer: Any, tokenizer: Any, texts: Sequence[str], frozen: int, longest: int
) -> tuple[list[Any], list[Any], list[Any]]:
    """Of each text: token states after the frozen layers, the base model's vector, character offsets."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    states: list[Any] = [None] * len(texts)
    pooled: list[Any] = [None] * len(texts)
    offsets: list[Any] = [None] * len(texts)
    transformer.eval()
    with torch.no_grad():
        for start in range(0, len(order), 64):
            places = order[start : start + 64]
            encoded: Mapping[str, Any] = tokenizer(
                [texts[i] for i in places],
                truncation=True,
                max_length=longest,
                padding=True,
                return_tensors="pt",
                return_offsets_mapping=True,
            )
            mask = encoded["attention_mask"]
            output = transformer(
                input_ids=encoded["input_ids"], attention_mask=mask, output_hidden_states=True
            )
            vectors = _pool(torch, output.last_hidden_state, mask)
            for row, i in enumerate(places):
                length = int(mask[row].sum())
                states[i] = output.hidden_states[frozen][row, :length].clone()
                pooled[i] = vectors[row].clone()
                offsets[i] = encoded["offset_mapping"][row, :length]
    return states, pooled, offsets


def _through(torch: Any, layers: Sequence[Any], texts: Sequence[Any]) -> tuple[Any, Any]:
    """The states of texts, padded, after the layers that are trained; and their mask."""
    padded: Any = torch.nn.utils.rnn.pad_sequence(list(texts), batch_first=True)
    lengths = torch.tensor([len(text) for text in texts])
    mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]
    bias = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)[:, None, None, :]
    for layer in layers:
        output: Any = layer(padded, bias)
        padded = cast("Any", output[0]) if isinstance(output, tuple) else output
    return padded, mask


def _projection(torch: Any, layers: Sequence[Any], read: Sequence[_Read], recipe: Recipe) -> Any:
    """Token states to token vectors and one weight: begins as the principal components of real tokens."""
    texts = [states for one in read for states in [*one.tasks[:100], *one.tools[:100]]]
    random.Random(recipe.seed).shuffle(texts)
    with torch.no_grad():
        hidden, mask = _through(torch, layers, texts[:512])
        states = hidden[mask][:20_000]
        _, _, axes = torch.linalg.svd(states - states.mean(dim=0), full_matrices=False)
    layer = torch.nn.Linear(axes.shape[1], recipe.token_dimensions + 1)
    with torch.no_grad():
        layer.weight[:-1] = axes[: recipe.token_dimensions]
        layer.weight[-1] = 0.0
        layer.bias.zero_()
    return layer


def _batches(one: TrainingSet, recipe: Recipe, rng: random.Random) -> list[list[int]]:
    """Places of tasks in random batches; half of the batches hold tasks about neighbouring servers."""
    places = list(range(len(one.tasks)))
    rng.shuffle(places)
    half = len(places) // 2
    near = sorted(places[:half], key=lambda place: one.groups[one.tasks[place].right[0]])
    batches = [
        part[start : start + recipe.batch]
        for part in (near, places[half:])
        for start in range(0, len(part), recipe.batch)
    ]
    return [batch for batch in batches if len(batch) > 1]


def _tools_of(one: _Read, tasks: Sequence[TrainingTask], recipe: Recipe, rng: random.Random) -> list[int]:
    """The right tools of the batch and hard negatives: neighbours, and tools of the same server."""
    right = {tool for task in tasks for tool in task.right}
    known = sorted({tool for task in tasks for tool in task.wrong} - right)
    chosen = right | set(rng.sample(known, min(len(known), recipe.negatives // 2)))
    groups = one.of.groups
    for tool in rng.sample(sorted(right), len(right)):
        if len(chosen) >= len(right) + recipe.negatives or len(chosen) == len(groups):
            break
        similar = one.pooled @ one.pooled[tool]
        near = [int(i) for i in similar.topk(min(30, len(groups))).indices if similar[i] < NEAR_COPY]
        if groups[tool]:
            near += [i for i, group in enumerate(groups) if group == groups[tool]][:30]
        fresh = [i for i in near if i not in chosen]
        if fresh:
            chosen.update(rng.sample(fresh, min(2, len(fresh))))
    return sorted(chosen)


def _loss(
    torch: Any,
    layers: Sequence[Any],
    projection: Any,
    one: _Read,
    batch: Sequence[int],
    tools: Sequence[int],
    recipe: Recipe,
) -> Any:
    tasks = [one.of.tasks[i] for i in batch]
    hidden, mask = _through(torch, layers, [one.tasks[i] for i in batch])
    tool_hidden, tool_mask = _through(torch, layers, [one.tools[i] for i in tools])
    owners = torch.tensor([row for row, i in enumerate(batch) for _ in one.parts[i]])
    parts = torch.stack(
        [
            torch.nn.functional.pad(part, (0, mask.shape[1] - len(part)))
            for i in batch
            for part in one.parts[i]
        ]
    )
    part_scores = _pool(torch, hidden[owners], parts) @ _pool(torch, tool_hidden, tool_mask).T

    tokens, weights = _tokens(torch, projection, hidden)
    tool_tokens, _ = _tokens(torch, projection, tool_hidden)
    similar = torch.einsum("qid,tjd->qitj", tokens, tool_tokens)
    similar = similar.masked_fill(~tool_mask[None, None], -1e4).amax(dim=-1)
    token_weights = weights[owners] * parts
    token_weights = token_weights / token_weights.sum(dim=1, keepdim=True)
    late = torch.einsum("pi,pit->pt", token_weights, similar[owners])

    place = {tool: column for column, tool in enumerate(tools)}
    right = torch.zeros(len(tasks), len(tools), dtype=torch.bool)
    unsure = torch.zeros_like(right)
    near = one.pooled[list(tools)] @ one.pooled.T
    for row, task in enumerate(tasks):
        for tool in task.right:
            right[row, place[tool]] = True
            unsure[row] |= near[:, tool] >= NEAR_COPY
        for tool in task.also:
            if tool in place:
                unsure[row, place[tool]] = True
    unsure &= ~right
    shares = torch.tensor([task.weight for task in tasks])
    total = 0.0
    for scores, share in ((part_scores, 1.0), (late, recipe.late_share)):
        whole = _whole_and_best(torch, scores, owners, len(tasks)) * SCALE
        total = total + share * _contrast(torch, whole, right, unsure, shares)
    return total


def _contrast(torch: Any, scores: Any, right: Any, unsure: Any, shares: Any) -> Any:
    """InfoNCE with several right tools: each against all that are not right."""
    scores = scores.masked_fill(unsure, -1e4)
    wrong = torch.logsumexp(scores.masked_fill(right, -1e4), dim=1, keepdim=True)
    each = torch.nn.functional.softplus(wrong - scores)
    loss = (each * right).sum(dim=1) / right.sum(dim=1)
    return (loss * shares).sum() / shares.sum()


def _whole_and_best(torch: Any, scores: Any, owners: Any, tasks: int) -> Any:
    """Half the score of the whole task (its first part), half that of its best sentence."""
    rows: list[Any] = []
    for task in range(tasks):
        own = scores[owners == task]
        rows.append(own[0] if len(own) == 1 else 0.5 * own[0] + 0.5 * own[1:].amax(dim=0))
    return torch.stack(rows)


def _parts(torch: Any, text: str, offsets: Any) -> Any:
    """Token masks of the whole task and, where it has several, of its sentences; shape (parts, tokens)."""
    first, last = offsets[:, 0], offsets[:, 1]
    parts = [torch.ones(len(offsets))]
    spans = sentence_spans(text)
    if len(spans) > 1:
        inside = [((first >= start) & (last <= end) & (last > first)).float() for start, end in spans]
        parts += [part for part in inside if part.sum() > 0]
    return torch.stack(parts)


def _pool(torch: Any, hidden: Any, mask: Any) -> Any:
    """Unit-length means of the token states."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-6)
    return torch.nn.functional.normalize(mean, dim=-1)


def _tokens(torch: Any, projection: Any, hidden: Any) -> tuple[Any, Any]:
    """Unit-length token vectors and the weight of each token, 0..1."""
    projected = projection(hidden)
    return torch.nn.functional.normalize(projected[..., :-1], dim=-1), torch.sigmoid(projected[..., -1])
