// What a browser loads may weigh so much and no more, gzipped.
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGETS = [
  { what: "scripts of the console", folder: "assets/", ending: ".js", most: 105_000 },
  { what: "styles of the console", folder: "assets/", ending: ".css", most: 20_000 },
  { what: "the elements for other pages", folder: "embed/", ending: ".js", most: 35_000 },
];
const dist = new URL("../dist/", import.meta.url);
for (const { what, folder, ending, most } of BUDGETS) {
  const names = readdirSync(new URL(folder, dist)).filter((name) => name.endsWith(ending));
  const weight = names.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(folder + name, dist)), { level: 9 }).length, 0);
  if (process.argv.includes("--print")) console.log(`${what}: ${weight} of ${most} bytes`);
  if (weight <= most) continue;
  console.error(`${what}: ${weight} bytes gzipped, ${most} are allowed`);
  process.exitCode = 1;
}
