"""Tensors in, the bytes of a `.linr` file out, and back: quantisation, entropy coding, the container.

    tensors --quantise--> codes, step sizes --payload.encode--> sections --container.assemble--> bytes
    tensors <-dequantise- codes, step sizes <-payload.decode--- sections <-container.parse------ bytes, or a file

    container     preamble, header, index and sections; `byte_source` says where the bytes lie
    payload       a section: all its tensors in one string of bytes
      channels      its side information: levels and step sizes; small integers by `side_info`
      grids         planes of features, coarse to fine; `lattice` says in which order and from which neighbours,
                    `zero_blocks` where nothing but zeros is
      sequences     latents, predicted from their neighbours in time
      range_coder   integers around predictions, with the tables of `distributions`

Needs numpy, constriction and the standard library only, so that a `.linr` file can be read anywhere.
"""

from __future__ import annotations

from .byte_source import FileSource, MemorySource, Source
from .container import (
    GROUP,
    MAGIC,
    MAX_DEPTH,
    PRIOR,
    SEMANTIC,
    Entry,
    Section,
    assemble,
    check_notes,
    head,
    parse,
    read_section,
)
from .payload import Layout, Quantised, decode, encode, measure
from .quantisation import dequantise, peak_step_sizes, quantise, round_step_sizes
from .version import VERSION

__all__ = [
    "GROUP",
    "MAGIC",
    "PRIOR",
    "MAX_DEPTH",
    "SEMANTIC",
    "VERSION",
    "Entry",
    "FileSource",
    "Layout",
    "MemorySource",
    "Quantised",
    "Section",
    "Source",
    "assemble",
    "check_notes",
    "decode",
    "dequantise",
    "encode",
    "head",
    "measure",
    "parse",
    "peak_step_sizes",
    "quantise",
    "read_section",
    "round_step_sizes",
]
