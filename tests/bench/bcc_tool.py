"""Runs one of bcc's Python tools: bcc_tool.py TOOL ARGUMENTS...

Debian's python3-bpfcc calls the library's bpf_attach_uprobe without its last argument, the offset of
a reference counter, so whatever lies on the stack is taken for it and the kernel may refuse the
probe. Here the argument is a zero.
"""

import ctypes
import runpy
import sys

import bcc

call = bcc.lib.bpf_attach_uprobe
call.argtypes = list(call.argtypes[:6]) + [ctypes.c_uint32]


class Patched:
    """The library with one function completed."""

    def __getattr__(self, name):
        return getattr(library, name)

    @staticmethod
    def bpf_attach_uprobe(*arguments):
        return call(*arguments[:6], 0)


library = bcc.lib
bcc.lib = Patched()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
