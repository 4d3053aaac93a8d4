"""What a C program sees of a network that was compiled ahead of time: the header, and the functions behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from graphnn.arena import ALIGN
from graphnn.types import Shape, TensorType

from .constants import HEAD
from .kernel import literal
from .source import harmless

__all__ = ["Interface", "Scaling"]

Scaling = tuple[Sequence[float], Sequence[float]]

_CRC = """/* CRC-32 as zlib has it, four bits at a time. */
static uint32_t crc32_of(const unsigned char *p, size_t n) {
  static const uint32_t table[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  uint32_t c = 0xffffffff;
  while (n--) {
    c ^= *p++;
    c = c >> 4 ^ table[c & 15];
    c = c >> 4 ^ table[c & 15];
  }
  return ~c;
}
"""
_LITTLE = """#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file of weights is little-endian"
#endif
"""


@dataclass(frozen=True)
class Interface:
    """Name, inputs, outputs and memory of a compiled network.

    `parts` are the bytes of the parts of the workspace, `head` the first bytes of the block of weights where there is
    one. `scaling` are the mean and the deviation by channel that images are scaled by before they are data.
    """

    name: str
    inputs: tuple[tuple[str, TensorType], ...]
    outputs: Sequence[TensorType]
    parts: tuple[int, ...]
    lanes: int
    weight_bytes: int
    head: bytes | None
    scaling: Scaling | None = None

    @property
    def workspace_bytes(self) -> int:
        """Give what any pointer is enough for: the function takes the first multiple of 64 behind it."""
        return max(1, sum(self.parts) + ALIGN - 1)

    @property
    def workspace_offsets(self) -> list[int]:
        return list(accumulate(self.parts, initial=0))[:-1]

    @staticmethod
    def numbered(name: str, count: int) -> list[str]:
        """Give the names of parameters: `data` alone, or `data0`, `data1`, ..."""
        return [name] if count == 1 else [f"{name}{k}" for k in range(count)]

    @property
    def _data(self) -> list[str]:
        return self.numbered("data", len(self.inputs))

    @property
    def _out(self) -> list[str]:
        return self.numbered("out", len(self.outputs))

    def prototype(self) -> str:
        """Write the function's head."""
        parameters = [f"const float *{x}" for x in self._data] + [f"float *{y}" for y in self._out]
        parameters += ["void *workspace"] + ["const void *weights"] * (self.head is not None)
        return f"int {self.name}_run({', '.join(parameters)})"

    def comment(self) -> str:
        """Say what the file is, what memory it takes and how to compile it."""
        where = "in a file beside it" if self.head is not None else "in it"
        used = f"{self.workspace_bytes} bytes of workspace, {self.weight_bytes} bytes of weights {where}"
        return f"""/* {self.name}: a network, written by graphnn-compile for vectors of {self.lanes} floats.
 *
 * Memory: {used}, a few KB of stack.
 * Nothing is allocated, and nothing is written but the outputs and the workspace.
 *
 * C99 with GNU's vectors: gcc 12 or newer or clang, such as
 *     cc -std=c99 -O2 -march=native -ffp-contract=fast -fno-math-errno -c FILE.c
 * and -lm to link. Without -march=native it runs on every machine of the kind, but slower. */
"""

    def header(self) -> str:
        """Write the header."""
        up = self.name.upper()
        lines = [f"#ifndef {up}_RUN_H", f"#define {up}_RUN_H", "", "#include <stddef.h>", ""]
        lines += [f"#define {up}_WORKSPACE_BYTES {self.workspace_bytes}"]
        lines += [f"#define {up}_WEIGHT_BYTES {self.weight_bytes}"]
        for kind, types in (("INPUT", [t for _, t in self.inputs]), ("OUTPUT", self.outputs)):
            for end, t in zip(self.numbered(kind, len(types)), types, strict=True):
                lines += [f"#define {up}_{end}_SHAPE {_braces(t.shape)}", f"#define {up}_{end}_SIZE {t.size}"]
        if self.scaling:
            lines += ["", "/* By channel: data is (pixel / 255 - mean) / std. */"]
            for word, values in zip(("MEAN", "STD"), self.scaling, strict=True):
                lines.append(f"#define {up}_{word} {{{', '.join(map(literal, values))}}}")
        lines += ["", "#ifdef __cplusplus", 'extern "C" {', "#endif", *self._declarations()]
        lines += ["#ifdef __cplusplus", "}", "#endif", "", "#endif"]
        return "\n".join(lines) + "\n"

    def _declarations(self) -> list[str]:
        """Write the functions with what they take and give."""
        up = self.name.upper()
        names = [
            f"{x}: {harmless(n, 'an input')} {_braces(t.shape)}"
            for x, (n, t) in zip(self._data, self.inputs, strict=True)
        ]
        names += [f"{y}: {_braces(t.shape)}" for y, t in zip(self._out, self.outputs, strict=True)]
        text = f"""
/* Run the network once. Arrays are in C's order; outputs overlap nothing else.
 *     {"; ".join(names)}
 *     workspace: {up}_WORKSPACE_BYTES bytes, whatever is in them, of this call alone
"""
        if self.head is None:
            return [f"{text} * Gives 0, or 1 for a null pointer. */\n{self.prototype()};\n"]
        text += f""" *     weights: the file of weights, {up}_WEIGHT_BYTES bytes, never changed
 *         on a multiple of 4 (of 64 it is faster)
 * Gives 0, 1 for a null pointer, or 2 for weights that are not this network's. */
{self.prototype()};

/* Check a whole file of weights, once it is loaded: 0, or 2 where a byte is not as it was written. */
int {self.name}_check(const void *weights, size_t bytes);
"""
        return [text]

    def functions(self, table: Sequence[str]) -> str:
        """Write the functions; `table` are the pointers that body0 takes."""
        pointers = [*self._data, *self._out, "workspace", *(["weights"] if self.head is not None else [])]
        text = self._check() if self.head is not None else ""
        text += f"EXPORT {self.prototype()} {{\n  if ({' || '.join(f'!{p}' for p in pointers)}) return 1;\n"
        if self.head is not None:
            text += "  if (memcmp(weights, head, sizeof head) != 0) return 2;\n"
        text += f"  char *at = (char *)workspace + (-(uintptr_t)workspace & {ALIGN - 1});\n"
        text += "  void *const table[] = {\n    " + ",\n    ".join(table) + "};\n"
        return text + "  body0(table, 0, 1);\n  return 0;\n}\n"

    def _check(self) -> str:
        """Write what knows the block of weights."""
        head = self.head or b""
        text = _LITTLE + f"static const unsigned char head[{len(head)}] = {{{', '.join(map(str, head))}}};\n" + _CRC
        text += f"EXPORT int {self.name}_check(const void *weights, size_t bytes) {{\n"
        text += "  const unsigned char *p = (const unsigned char *)weights;\n"
        text += f"  if (!p || bytes != {self.weight_bytes} || memcmp(p, head, sizeof head) != 0) return 2;\n"
        text += f"  uint32_t crc = crc32_of(p + {HEAD}, bytes - {HEAD});\n"
        text += "  return crc == ((uint32_t)p[12] | (uint32_t)p[13] << 8 | (uint32_t)p[14] << 16"
        return text + " | (uint32_t)p[15] << 24) ? 0 : 2;\n}\n"


def _braces(shape: Shape) -> str:
    """Write a shape as C initialises an array; that of a single number is {1}."""
    return f"{{{', '.join(map(str, shape or (1,)))}}}"
