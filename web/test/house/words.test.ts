/** A second language is a folder: no word of a page stands anywhere else, and words that are longer find their place. */
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../../src/core/client";
import { type Built, built, pseudo, standIn } from "./built";
import { House } from "./house";
import { furnish, reached, screens } from "./screens";

const mine = screens.filter((screen) => !screen.isServers).map((screen) => [screen.name, screen] as const);

let house: House;
let files: Built;
/** What comes from the server and is shown as it is: names of datasets, columns, filters. */
let data: string[];
beforeAll(async () => {
  house = await House.open();
  [files] = await Promise.all([built(pseudo), furnish(house)]);
  const datasets = await new Client({ base: house.url, token: () => house.token }).datasets();
  const names = datasets.flatMap((one) => [one.title, ...one.columns.flatMap((column) => [column.label, column.name]), ...one.filters.map((filter) => filter.name)]);
  data = [...new Set([...names, "csv", "gzip", "zstd", "SHA-256"])].sort((a, b) => b.length - a.length);
}, 120_000);
afterAll(() => house?.close());

let open: Page | undefined;
afterEach(() => open?.context().close());

/** What is data through and through, wherever it stands. */
const DATA = "tbody td, time, code, pre, .name, dd, figcaption .number, [role=alert] strong, [role=alert] p, [role=alert] ul, section[aria-label] > h3:first-child";

/** Every text that is seen or read out, and where. */
function texts(without: string): { text: string; at: string }[] {
  const found: { text: string; at: string }[] = [];
  const walk = (node: Node, path: string): void => {
    if (node instanceof Text) {
      if (node.data.trim()) found.push({ text: node.data.trim(), at: path });
      return;
    }
    if (node instanceof Element) {
      if (node.matches("style, script, noscript, title")) return;
      if (!node.matches("option") && !node.checkVisibility()) return;
      const here = `${path} ${node.localName}`;
      const isData = node.matches(without);
      for (const name of isData ? [] : ["aria-label", "placeholder", "title", "alt", "aria-description"]) {
        const said = node.getAttribute(name);
        if (said?.trim()) found.push({ text: said.trim(), at: `${here}[${name}]` });
      }
      if (isData) return;
      for (const child of node.shadowRoot?.childNodes ?? []) walk(child, here);
      for (const child of node.childNodes) walk(child, here);
      return;
    }
    for (const child of node.childNodes) walk(child, path);
  };
  walk(document.body, "");
  return found;
}

/** What is left of a text without what was looked up, what is data, and what `Intl` wrote. */
function unsaid(text: string): string {
  let left = text;
  for (let before = ""; before !== left; ) {
    before = left;
    left = left.replace(/⟦[^⟦⟧]*⟧/g, " ");
  }
  for (const name of data) left = left.replaceAll(name, " ");
  return left.replace(/\p{Script=Arabic}+|\d[\d.,]*\s*(byte|kB|MB|ms|sec|min|hr|days?)\b/gu, " ").match(/\p{L}{2,}/gu)?.join(" ") ?? "";
}

/** What goes the other way is looked at where it is most crowded. */
const crowded = mine.filter(([name]) => ["a selection", "the dialog", "a trace", "downloads"].includes(name));

describe.each([["en-XA", "ltr", mine], ["ar-XB", "rtl", crowded]] as const)("%s", (locale, direction, some) => {
  test.each(some)("%s has no word of its own, and room for longer ones", async (_, screen) => {
    const { page, trouble } = await reached(house, screen, { locale, viewport: { width: 320, height: 640 } }, (one) => standIn(one, files, house.front));
    open = page;
    expect(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir])).toEqual([locale, direction]);
    const words = (await page.evaluate(texts, DATA)).map(({ text, at }) => ({ said: unsaid(text), at })).filter(({ said }) => said !== "");
    expect(words).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), "nothing scrolls sideways but tables").toBeLessThanOrEqual(0);
    // A page that stands in for the server's own may open no socket, and one of the screens is an error.
    expect(trouble.filter((one) => !/^WebSocket|status of 4/.test(one))).toEqual([]);
  });
});

test.each([["en-XA", true], ["fr-FR", false]])("who wants %s loads a language: %s", async (locale, isThere) => {
  const asked: string[] = [];
  const { page } = await house.page("#/traces", { locale }, async (one) => {
    await standIn(one, files, house.front);
    one.on("request", (request) => asked.push(request.url()));
  });
  open = page;
  await page.getByRole("link", { name: "Exports" }).waitFor();
  expect(asked.some((url) => url.includes("/words-"))).toBe(isThere);
  expect(await page.evaluate(() => document.documentElement.lang)).toBe(isThere ? locale : "en");
});
