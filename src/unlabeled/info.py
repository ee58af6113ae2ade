"""Which versions and which machine: what a bug report needs, and what a run can expect."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = {
    "torch": "",
    "lightning": "",
    "numpy": "",
    "scipy": "",
    "scikit-learn": "",
    "threadpoolctl": "",
    "pyarrow": "",
    "safetensors": "",
    "jaxtyping": "",
    "pyyaml": "",
    "jsonargparse": "",
    "pillow": "",
    "matplotlib": "",
    "jinja2": "",
    "tqdm": "",
    "timm": "image",
    "huggingface-hub": "image",
    "tifffile": "image",
    "soundfile": "audio",
    "torch-geometric": "graph",
    "networkx": "graph",
    "tokenizers": "text",
    "transformers": "text",
    "tensorboard": "tensorboard",
    "umap-learn": "map",
    "usearch": "neighbours",
    "optuna": "select",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
}
"""what the library uses → the extra that brings it (empty: the base install)"""


def info() -> dict[str, str]:
    """Versions, devices, precision, cores and memory, each as a line a person can read."""
    import torch

    from unlabeled import __version__

    lines = {
        "unlabeled": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    for package, extra in PACKAGES.items():
        try:
            lines[package] = version(package)
        except PackageNotFoundError:
            lines[package] = f"missing: pip install 'unlabeled[{extra}]'" if extra else "missing"
    lines["cores"] = f"{_cores()} usable of {os.cpu_count()}; torch uses {torch.get_num_threads()}"
    lines["memory"] = _memory()
    lines["cpu"] = f"{torch.backends.cpu.get_cpu_capability()}, bf16 {_cpu_bf16()}"
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        bf16 = "yes" if device.major >= 8 else "slow"
        lines[f"cuda:{number}"] = f"{device.name}, {_gib(device.total_memory)}, bf16 {bf16}"
    if torch.backends.mps.is_available():
        lines["mps"] = "available"
    if "mps" not in lines and not torch.cuda.device_count():
        lines["accelerator"] = "none found"
    return lines


def _cores() -> int:
    """Cores this process may use, which a container or a batch system may have cut."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    try:
        return _gib(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows has no such names
        return "unknown"


def _cpu_bf16() -> str:
    import torch

    # asked of the instruction set, because every processor can emulate it slowly
    capabilities = torch.cpu.get_capabilities()
    return "fast" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "slow"


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
