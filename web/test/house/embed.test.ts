/** The elements in other people's pages: of another origin, under a strict policy, with and without a framework. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join } from "node:path";
import type { AddressInfo } from "node:net";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { House, rowsOf } from "./house";

const pages = new URL("../pages/", import.meta.url).pathname;
const script = new URL("../../dist/embed/offtake.js", import.meta.url).pathname;
const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** A page's own server, as strict as can be: scripts and styles from itself alone. */
async function serve(files: Map<string, string>, house: () => House): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url!, "http://x").pathname.slice(1) || "index.html";
    const said = path === "token" ? house().token : path === "server" ? house().url : files.get(path);
    response.setHeader("content-security-policy", `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ${house().url} ${house().url.replace("http", "ws")}`);
    response.setHeader("content-type", TYPES[extname(path)] ?? "text/plain");
    response.statusCode = said === undefined ? 404 : 200;
    response.end(said);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function bundled(page: string): Promise<string> {
  const entry = page === "react" ? "page.jsx" : "page.js";
  const built = await build({
    configFile: false, logLevel: "error", mode: "production", root: join(pages, page),
    define: { "process.env.NODE_ENV": '"production"', __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
    oxc: { jsx: { runtime: "automatic", development: false } },
    resolve: { alias: { offtake: script } },
    build: { write: false, target: "es2023", lib: { entry: join(pages, page, entry), formats: ["es"], fileName: () => "page.js" } },
  });
  const [output] = Array.isArray(built) ? built : [built];
  return (output as { output: { code: string }[] }).output[0]!.code;
}

const files = (page: string, more: [string, string][]) =>
  new Map([...["index.html", "page.css"].map((name): [string, string] => [name, readFileSync(join(pages, page, name), "utf8")]), ...more]);

let house: House;
const servers: Server[] = [];
const urls: Record<string, string> = {};

beforeAll(async () => {
  const code = readFileSync(script, "utf8");
  const found: [string, Map<string, string>][] = [
    ["html", files("html", [["offtake.js", code], ["page.js", readFileSync(join(pages, "html/page.js"), "utf8")]])],
    ["react", files("react", [["page.js", await bundled("react")]])],
    ["vue", files("vue", [["page.js", await bundled("vue")]])],
  ];
  for (const [name, page] of found) {
    const { server, url } = await serve(page, () => house);
    servers.push(server);
    urls[name] = url;
  }
  house = await House.open({ spans: true, origins: Object.values(urls) });
}, 120_000);
afterAll(async () => {
  for (const server of servers) server.close();
  await house?.close();
});

/** What the page says the accent is, and what everything else is by itself. */
const COLOURS = {
  light: { accent: "rgb(122, 31, 162)", text: "rgb(22, 32, 44)", page: "rgb(255, 255, 255)" },
  dark: { accent: "rgb(225, 166, 255)", text: "rgb(230, 235, 241)", page: "rgb(17, 17, 17)" },
};

async function exported(page: Page, press: string, theme: keyof typeof COLOURS): Promise<number> {
  await page.getByRole("button", { name: press }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The first rows").waitFor();
  const start = dialog.getByRole("button", { name: "Start export" });
  expect({
    accent: await start.evaluate((button) => getComputedStyle(button).backgroundColor),
    text: await dialog.evaluate((element) => getComputedStyle(element).color),
    page: await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
  }).toEqual(COLOURS[theme]);
  const fetched = page.waitForEvent("download");
  await start.click();
  return rowsOf(readFileSync(await (await fetched).path(), "utf8"));
}

describe.each(["light", "dark"] as const)("%s", (colorScheme) => {
  test("a page without a framework", async () => {
    const { page, trouble } = await house.guest(urls["html"]!, { colorScheme });
    await page.getByLabel("Choose two rows").check();
    await page.getByText("2 spans selected").waitFor();
    expect(await exported(page, "Download 2 spans", colorScheme)).toBe(2);
    await page.getByRole("button", { name: "Clear selection" }).click();
    await page.getByText("2 spans selected").waitFor({ state: "hidden" });
    expect(await house.violations(page)).toEqual([]);
    expect(trouble).toEqual([]);
    await page.context().close();
  });

  test.each(["react", "vue"])("a page of %s", async (name) => {
    const { page, trouble } = await house.guest(urls[name]!, { colorScheme });
    const rows = await exported(page, "Export OpenAI", colorScheme);
    expect(rows).toBeGreaterThan(100);
    await page.locator("#said").getByText(`ready: ${rows}`).waitFor();
    await page.getByRole("button", { name: "Clear selection" }).click();
    await page.getByRole("button", { name: "Clear selection" }).waitFor({ state: "hidden" });
    expect(await house.violations(page)).toEqual([]);
    expect(trouble).toEqual([]);
    await page.context().close();
  });
});

describe("who may ask", () => {
  const asked = async (origin: string, method: string, headers: Record<string, string>) => {
    const answer = await fetch(`${house.url}/api/v1/datasets`, { method, headers: { origin, ...headers } });
    return { allowed: answer.headers.get("access-control-allow-origin"), cookies: answer.headers.get("access-control-allow-credentials"), varies: answer.headers.get("vary") };
  };
  const preflight = { "access-control-request-method": "GET", "access-control-request-headers": "authorization" };

  test.each(["html", "react", "vue"])("a page of an origin that is named: %s", async (name) => {
    const origin = urls[name]!;
    for (const [method, headers] of [["OPTIONS", preflight], ["GET", { authorization: `Bearer ${house.token}` }]] as const) {
      const { allowed, cookies, varies } = await asked(origin, method, headers);
      expect([allowed, cookies]).toEqual([origin, null]);
      expect(varies!.toLowerCase()).toContain("origin");
    }
  });

  test("no other", async () => {
    const { port } = new URL(urls["html"]!);
    for (const origin of [`https://127.0.0.1:${port}`, `http://localhost:${port}`, `http://127.0.0.1:${port}.evil.test`, `http://127.0.0.1:${port}0`, "http://127.0.0.1", "null"]) {
      for (const [method, headers] of [["OPTIONS", preflight], ["GET", { authorization: `Bearer ${house.token}` }]] as const) {
        expect((await asked(origin, method, headers)).allowed, origin).toBeNull();
      }
    }
  });

  test("in a browser a page of another origin gets nothing", async () => {
    const { server, url } = await serve(files("html", [["page.js", ""]]), () => house);
    servers.push(server);
    const { page } = await house.guest(url);
    const got = await page.evaluate(async ([at, token]) => fetch(`${at}/api/v1/datasets`, { headers: { authorization: `Bearer ${token}` } }).then(() => "an answer", () => "nothing"), [house.url, house.token] as const);
    expect(got).toBe("nothing");
    await page.context().close();
  });
});
