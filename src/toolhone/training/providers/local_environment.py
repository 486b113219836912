"""What a child that trains gets of our environment: what it needs to run, nothing that may be a secret."""

from collections.abc import Mapping

_PASSED_ON = frozenset(
    {"PATH", "HOME", "TMPDIR", "TEMP", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH"}
    | {"VIRTUAL_ENV", "USER", "LOGNAME"}
)
_PASSED_ON_FAMILIES = ("CUDA", "NVIDIA", "HIP_", "ROCR_", "HSA_", "PYTORCH_", "TORCH_")


def child_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """The child's whole environment: offline, and bound to so many threads."""
    kept = {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_FAMILIES)
    }
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONUNBUFFERED": "1"}
    bound = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    return {**kept, **offline, **quiet, **bound}
