"""Weights and latents to bytes and back: quantisation, entropy coding, the `.linr` container.

    tensors --quantise--> codes, scales --entropy.encode--> sections --bitstream.assemble--> bytes
    tensors <-dequantise- codes, scales <-entropy.decode--- sections <-bitstream.parse------ bytes

Needs numpy and the standard library only, so that a `.linr` file can be read anywhere.
"""

from __future__ import annotations

from .container import compress, decompress, read_file, read_header, sections, write_file
from .quantisation import TensorCoding, dequantise, optimal_scales, quantise, round_scales

__all__ = [
    "TensorCoding",
    "compress",
    "decompress",
    "dequantise",
    "optimal_scales",
    "quantise",
    "read_file",
    "read_header",
    "round_scales",
    "sections",
    "write_file",
]
