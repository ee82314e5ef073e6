"""NumPy's .npy files with the standard library alone."""

import ast
import struct

FORMATS = {"<i2": "h", "<i4": "i", "<i8": "q", "|u1": "B", "<u2": "H", "<f2": "e", "<f4": "f", "<f8": "d"}


def npy_bytes(values, shape, dtype="<i4"):
    """Version 1.0; `values` in C order."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)


def read_npy(path):
    """(shape, values)"""
    content = path.read_bytes()
    (length,) = struct.unpack("<H", content[8:10])
    header = ast.literal_eval(content[10 : 10 + length].decode())
    code = FORMATS[header["descr"]]
    count = (len(content) - 10 - length) // struct.calcsize(code)
    return header["shape"], list(struct.unpack(f"<{count}{code}", content[10 + length :]))
