/**
 * How long a page takes from its navigation to 50 rows, the count and the facets on the screen, and a row of 10,000 exceptions
 * to be toggled. `node scripts/first-view.mjs BINARY DATA_DIR ORG ROUNDS` prints it as JSON. For bench/run.py; needs Chromium.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const [binary, data, org, rounds = "5"] = process.argv.slice(2);
const env = { PATH: process.env.PATH ?? "" };
const PAGES = {
  traces: "#/traces", spans: "#/spans", prompts: "#/prompts",
  "traces by cost": "#/traces?sort=-cost_usd", "spans by cost": "#/spans?sort=-cost_usd", "traces by duration": "#/traces?sort=-duration_ms",
  "spans of one provider": "#/spans?f.provider=openai", "spans with errors": "#/spans?f.status_code=ERROR",
};

function started() {
  const server = spawn(binary, ["serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--otlp-grpc", ""], { stdio: ["ignore", "ignore", "pipe"], env });
  const url = new Promise((resolve, reject) => {
    let said = "";
    server.stderr.setEncoding("utf8").on("data", (piece) => {
      said += piece;
      const found = /listening on (http:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    server.once("exit", () => reject(new Error(said)));
  });
  return { server, url };
}

/** Watches from before the page's own script on, and writes down when each thing was first to be seen. */
function watch() {
  const seen = (globalThis.seen = {});
  const deep = (...path) => path.reduce((root, name) => root?.querySelector(name)?.shadowRoot, document);
  const page = () => deep("offtake-console", "offtake-rows-page");
  const look = () => {
    const table = page()?.querySelector("offtake-table")?.shadowRoot;
    const now = performance.now();
    const mark = (name, is) => is && (seen[name] ??= now);
    mark("rows", (table?.querySelectorAll("tbody tr").length ?? 0) >= 50);
    mark("count", /^\s*[\d,]+ /.test(table?.querySelector("[role=status]")?.textContent ?? ""));
    mark("facets", page()?.querySelector("offtake-facets")?.shadowRoot?.querySelector("rect"));
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** All rows are chosen but 10,000; then a row is toggled by clicks, and each time is that to the next paint. */
async function toggle(page) {
  return page.evaluate(async () => {
    const root = document.querySelector("offtake-console").shadowRoot.querySelector("offtake-rows-page").shadowRoot;
    const table = root.querySelector("offtake-table");
    table.view.chooseAll();
    const some = table.view.state.rows[0];
    for (let n = 0; n < 9_999; n += 1) table.view.toggle({ ...some, span_id: n.toString(16).padStart(16, "0") });
    const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    await table.updateComplete;
    await painted();
    const box = table.shadowRoot.querySelector("tbody input[type=checkbox]");
    const times = [];
    for (let n = 0; n < 11; n += 1) {
      const began = performance.now();
      box.click();
      await painted();
      times.push(performance.now() - began);
    }
    return { named: table.view.state.selection.ids.size, times };
  });
}

const middle = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const { server, url: listening } = started();
try {
  const url = await listening;
  const browser = await chromium.launch({ executablePath: ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find(existsSync), args: ["--no-sandbox", "--disable-gpu"] });
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 } });
  const page = await context.newPage();
  const link = execFileSync(binary, ["sign-in", "--org", org, "--sub", "bench", "--server", url, "--data-dir", data], { env, encoding: "utf8" });
  await page.goto(/http:\S+/.exec(link)[0]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Go on" }).waitFor();
  await page.close();
  const found = {};
  for (const [name, hash] of Object.entries(PAGES)) {
    const each = { rows: [], count: [], facets: [] };
    for (let round = 0; round <= Number(rounds); round += 1) {
      const opened = await context.newPage();
      await opened.addInitScript(watch);
      await opened.goto(`${url}/${hash}`);
      await opened.waitForFunction(() => globalThis.seen.rows && globalThis.seen.count, undefined, { timeout: 60_000 });
      await opened.waitForFunction(() => globalThis.seen.facets, undefined, { timeout: 4_000 }).catch(() => undefined);
      const seen = await opened.evaluate(() => globalThis.seen);
      // The first round warms up.
      if (round > 0) for (const what of Object.keys(each)) if (seen[what]) each[what].push(seen[what]);
      if (name === "spans" && round === Number(rounds)) found.toggle = await toggle(opened);
      await opened.close();
    }
    found[name] = Object.fromEntries(Object.entries(each).map(([what, times]) => [what, times.length ? Math.round(middle(times)) : null]));
  }
  found.toggle = { named: found.toggle.named, middle: Math.round(middle(found.toggle.times)), longest: Math.round(Math.max(...found.toggle.times)) };
  console.log(JSON.stringify(found));
  await browser.close();
} finally {
  server.kill("SIGTERM");
}
