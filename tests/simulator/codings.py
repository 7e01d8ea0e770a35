"""Content codings as streams. Brotli and zstd come from the C libraries that curl brings along; the
standard library has none of them."""

import ctypes
import ctypes.util
import zlib


class _Zlib:
    def __init__(self, wbits: int):
        self._coder = zlib.compressobj(wbits=wbits)

    def add(self, data: bytes) -> bytes:
        return self._coder.compress(data) + self._coder.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._coder.flush()


class _Brotli:
    _FLUSH, _FINISH = 1, 2

    def __init__(self):
        self._library = _library("brotlienc", "libbrotlienc.so.1")
        self._library.BrotliEncoderCreateInstance.restype = ctypes.c_void_p
        self._library.BrotliEncoderHasMoreOutput.argtypes = [ctypes.c_void_p]
        self._library.BrotliEncoderCompressStream.argtypes = [
            ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 5]
        self._library.BrotliEncoderSetParameter.argtypes = [ctypes.c_void_p, ctypes.c_int,
                                                            ctypes.c_uint32]
        self._library.BrotliEncoderDestroyInstance.argtypes = [ctypes.c_void_p]
        self._state = self._library.BrotliEncoderCreateInstance(None, None, None)
        self._library.BrotliEncoderSetParameter(self._state, 1, 4)   # quality, as servers choose it

    def _run(self, operation: int, data: bytes) -> bytes:
        source = ctypes.create_string_buffer(data, len(data) or 1)
        in_left, next_in = ctypes.c_size_t(len(data)), ctypes.c_void_p(ctypes.addressof(source))
        out = []
        while True:
            buffer = ctypes.create_string_buffer(1 << 16)
            out_left = ctypes.c_size_t(len(buffer))
            next_out = ctypes.c_void_p(ctypes.addressof(buffer))
            if not self._library.BrotliEncoderCompressStream(
                    self._state, operation, ctypes.byref(in_left), ctypes.byref(next_in),
                    ctypes.byref(out_left), ctypes.byref(next_out), None):
                raise RuntimeError("brotli failed")
            out.append(buffer.raw[:len(buffer) - out_left.value])
            if not in_left.value and not self._library.BrotliEncoderHasMoreOutput(self._state):
                return b"".join(out)

    def add(self, data: bytes) -> bytes:
        return self._run(self._FLUSH, data)

    def end(self) -> bytes:
        return self._run(self._FINISH, b"")

    def __del__(self):
        self._library.BrotliEncoderDestroyInstance(self._state)


class _ZstdBuffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t)]


class _Zstd:
    _FLUSH, _END = 1, 2

    def __init__(self):
        self._library = _library("zstd", "libzstd.so.1")
        self._library.ZSTD_createCCtx.restype = ctypes.c_void_p
        self._library.ZSTD_compressStream2.argtypes = [ctypes.c_void_p, ctypes.c_void_p,
                                                       ctypes.c_void_p, ctypes.c_int]
        self._library.ZSTD_compressStream2.restype = ctypes.c_size_t
        self._library.ZSTD_freeCCtx.argtypes = [ctypes.c_void_p]
        self._state = self._library.ZSTD_createCCtx()

    def _run(self, operation: int, data: bytes) -> bytes:
        source = ctypes.create_string_buffer(data, len(data) or 1)
        before = _ZstdBuffer(ctypes.addressof(source), len(data), 0)
        out = []
        while True:
            buffer = ctypes.create_string_buffer(1 << 16)
            after = _ZstdBuffer(ctypes.addressof(buffer), len(buffer), 0)
            left = self._library.ZSTD_compressStream2(self._state, ctypes.byref(after),
                                                      ctypes.byref(before), operation)
            if left > 1 << 62:
                raise RuntimeError("zstd failed")
            out.append(buffer.raw[:after.pos])
            if not left:
                return b"".join(out)

    def add(self, data: bytes) -> bytes:
        return self._run(self._FLUSH, data)

    def end(self) -> bytes:
        return self._run(self._END, b"")

    def __del__(self):
        self._library.ZSTD_freeCCtx(self._state)


class _Secret:
    """A coding that nobody here decodes: the bytes turned round."""

    def add(self, data: bytes) -> bytes:
        return bytes(b ^ 0x55 for b in data)

    def end(self) -> bytes:
        return b""


def _library(name: str, file: str):
    return ctypes.CDLL(ctypes.util.find_library(name) or file)


# 31: gzip wrapper; 15: zlib wrapper, which is what HTTP calls deflate.
CODERS = {"gzip": lambda: _Zlib(31), "deflate": lambda: _Zlib(15), "br": _Brotli, "zstd": _Zstd,
          "compress": _Secret}


def encode_whole(data: bytes, coding: str) -> bytes:
    coder = CODERS[coding]()
    return coder.add(data) + coder.end()
