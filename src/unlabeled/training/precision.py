"""Which number format a step computes in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from unlabeled.errors import OptionError

PRECISIONS = ("32", "bf16")


def resolve_precision(asked: str, device: torch.device) -> str:
    """ "32" or "bf16"; "auto" is bfloat16 where the processor computes in it."""
    if asked == "auto":
        return "bf16" if has_bfloat16(device) else "32"
    names = {
        "32": "32",
        "32-true": "32",
        "float32": "32",
        "bf16": "bf16",
        "bf16-mixed": "bf16",
        "bfloat16": "bf16",
    }
    if str(asked) not in names:
        raise OptionError(f"precision must be 'auto', '32' or 'bf16', not {asked!r}")
    return names[str(asked)]


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 by itself (without, it is slower than float32)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        try:
            with open("/proc/cpuinfo") as file:
                flags = next((line for line in file if line.startswith("flags")), "")
        except OSError:
            return False
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """What Lightning's precision plugin does around a step."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def lightning_name(precision: str) -> str:
    return {"32": "32-true", "bf16": "bf16-mixed"}[precision]
