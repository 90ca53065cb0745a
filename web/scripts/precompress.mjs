// Writes a .gz and a .br beside every file of the build that gets smaller by it, so that the server never compresses them.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const bytes = readFileSync(path);
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
  for (const [ending, packed] of [["gz", gzipSync(bytes, { level: 9 })], ["br", brotli]]) {
    if (packed.length < bytes.length * 0.9) writeFileSync(`${path}.${ending}`, packed);
  }
}
