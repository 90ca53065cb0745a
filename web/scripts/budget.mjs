// What a browser loads may weigh so much and no more, gzipped.
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMITS = { js: 105_000, css: 20_000 };
const assets = new URL("../dist/assets/", import.meta.url);
const weights = { js: 0, css: 0 };
for (const name of readdirSync(assets)) {
  const kind = name.split(".").at(-1);
  if (kind in weights) weights[kind] += gzipSync(readFileSync(new URL(name, assets)), { level: 9 }).length;
}
for (const [kind, weight] of Object.entries(weights)) {
  if (weight <= LIMITS[kind]) continue;
  console.error(`${kind}: ${weight} bytes gzipped, ${LIMITS[kind]} are allowed`);
  process.exitCode = 1;
}
if (process.argv.includes("--print")) console.log(weights);
