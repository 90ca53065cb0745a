"""Opens a file through its compression; every member and every frame of it."""
import gzip
import io

import zstandard


def binary(path, compression):
    if compression == "gzip":
        return gzip.open(path, "rb")
    if compression == "zstd":
        return io.BufferedReader(
            zstandard.ZstdDecompressor().stream_reader(open(path, "rb"), read_across_frames=True, closefd=True), 1 << 20
        )
    if compression == "none":
        return open(path, "rb")
    raise SystemExit(f"unknown compression {compression}")
