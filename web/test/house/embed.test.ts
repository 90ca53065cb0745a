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

async function exported(page: Page, press: string): Promise<number> {
  await page.getByRole("button", { name: press }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The first rows").waitFor();
  const fetched = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Start export" }).click();
  return rowsOf(readFileSync(await (await fetched).path(), "utf8"));
}

describe.each(["light", "dark"] as const)("%s", (colorScheme) => {
  test("a page without a framework", async () => {
    const { page, trouble } = await house.guest(urls["html"]!, { colorScheme });
    await page.getByLabel("Choose two rows").check();
    await page.getByText("2 spans selected").waitFor();
    expect(await exported(page, "Download 2 spans")).toBe(2);
    await page.getByRole("button", { name: "Clear selection" }).click();
    await page.getByText("2 spans selected").waitFor({ state: "hidden" });
    expect(await house.violations(page)).toEqual([]);
    expect(trouble).toEqual([]);
    await page.context().close();
  });

  test.each(["react", "vue"])("a page of %s", async (name) => {
    const { page, trouble } = await house.guest(urls[name]!, { colorScheme });
    const rows = await exported(page, "Export OpenAI");
    expect(rows).toBeGreaterThan(100);
    await page.locator("#said").getByText(`ready: ${rows}`).waitFor();
    await page.getByRole("button", { name: "Clear selection" }).click();
    await page.getByRole("button", { name: "Clear selection" }).waitFor({ state: "hidden" });
    expect(await house.violations(page)).toEqual([]);
    expect(trouble).toEqual([]);
    await page.context().close();
  });
});
