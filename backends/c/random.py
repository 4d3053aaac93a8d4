"""Random numbers: Philox 4x64-10, with the bits of numpy.random.Philox (Salmon et al., 2011)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphnn.ops import create
from graphnn.types import TensorType

from .kernel import Kernel, emits, fill, function, literal, share
from .toolchain import Target

__all__: list[str] = []

# Four words of 64 bits for a counter and a key; NumPy's generator counts before it draws, so the first counter is 1.
_PHILOX = function(
    "philox",
    "(uint64_t block, uint64_t call, uint64_t seed, uint64_t stream, uint64_t *c)",
    fill("""
        uint64_t k0 = seed, k1 = stream;
        c[0] = block + 1;
        c[1] = call;
        c[2] = c[3] = 0;
        for (int i = 0; i < 10; i++) {
          unsigned __int128 a = (unsigned __int128)0xD2E7470EE14C6C93u * c[0];
          unsigned __int128 b = (unsigned __int128)0xCA5A826395121157u * c[2];
          uint64_t c0 = (uint64_t)(b >> 64) ^ c[1] ^ k0, c2 = (uint64_t)(a >> 64) ^ c[3] ^ k1;
          c[1] = (uint64_t)b;
          c[3] = (uint64_t)a;
          c[0] = c0;
          c[2] = c2;
          k0 += 0x9E3779B97F4A7C15u;
          k1 += 0xBB67AE8584CAA73Bu;
        }
    """),
)


def _drawn(stream: int, n: int, value: str) -> Kernel:
    """Write y0[i] = value for the uniform number v in [0, 1), eight at a time."""
    text = fill(
        """
        $share {
          uint64_t c[4];
          $philox(u, x0[1], x0[0], ${stream}u, c);
          for (int k = 0; k < 8 && u * 8 + k < $n; k++) {
            float v = (float)((uint32_t)(c[k / 2] >> (k % 2 * 32)) >> 8) * (1.0f / 16777216.0f);
            y0[u * 8 + k] = $value;
          }
        }
        """,
        share=share(-(-n // 8), "u"),
        philox=_PHILOX[0],
        stream=stream,
        n=n,
        value=value,
    )
    return Kernel.of(text).calling((_PHILOX,))


@emits(create._dropout_mask, mixed=True)
def dropout_mask(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    if outs[0].dtype != "float32":
        return None
    return _drawn(op.stream, outs[0].size, f"v >= {literal(op.p)} ? {literal(1 / (1 - op.p))} : 0.0f")


@emits(create._uniform, mixed=True)
def uniform(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    if outs[0].dtype != "float32":
        return None
    return _drawn(op.stream, outs[0].size, f"v * {literal(op.high - op.low)} + {literal(op.low)}")
