/** What one does in a browser: look, choose, ask, watch, fetch. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../../src/core/client";
import { House, rowsOf } from "./house";

let house: House;
beforeAll(async () => {
  house = await House.open();
  await new Client({ base: house.url, token: () => house.token }).create("prompts", { format: "csv" }, "one-that-is-there");
});
afterAll(() => house?.close());

let open: Page | undefined;
afterEach(() => open?.context().close());

async function at(hash: string, options = {}): Promise<{ page: Page; trouble: string[] }> {
  const opened = await house.page(hash, options);
  open = opened.page;
  return opened;
}

const banner = (page: Page) => page.locator("offtake-banner [role=status]");
const boxes = (page: Page) => page.locator("offtake-table tbody input[type=checkbox]");
const counted = (page: Page, noun: string) => page.locator("offtake-table [role=status]").filter({ hasText: new RegExp(`^\\s*[\\d,]+ ${noun}`) }).waitFor();

describe("in a browser", () => {
  test("all but two are chosen, asked for and fetched, and the file has what the banner said", async () => {
    const { page, trouble } = await at("#/spans");
    await counted(page, "spans");
    await page.getByLabel("Select the rows on this page").check();
    await page.getByRole("button", { name: /^Select all [\d,]+ matching/ }).click();
    const out: string[] = [];
    for (const index of [1, 3]) {
      out.push((await boxes(page).nth(index).getAttribute("aria-label"))!.split(" ").at(-1)!);
      await boxes(page).nth(index).uncheck();
    }
    await page.getByRole("button", { name: "Next page" }).click();
    await page.getByText("Page 2").waitFor();
    await page.getByRole("button", { name: /^Duration/ }).click();
    await page.waitForURL(/sort=duration_ms/);
    await page.getByText("Page 1").waitFor();
    const said = (await banner(page).textContent())!;
    const [, chosen, all] = /^\s*([\d,]+) spans selected: all ([\d,]+) but 2\s*$/.exec(said)!;
    expect(Number(all!.replace(",", "")) - 2).toBe(Number(chosen!.replace(",", "")));

    await page.getByRole("button", { name: `Download ${chosen} spans` }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("The first rows").waitFor();
    await dialog.getByLabel("Header of Cost (USD)").fill("Cost");
    const fetched = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Start export" }).click();
    await page.getByText("Export started.").waitFor();
    const csv = readFileSync(await (await fetched).path(), "utf8");
    expect(rowsOf(csv)).toBe(Number(chosen!.replace(",", "")));
    expect(csv.split("\n", 1)[0]!.split(",")).toContain("Cost");
    for (const id of out) expect(csv).not.toContain(id);
    await page.getByText("Ready").first().waitFor();
    expect(trouble).toEqual([]);
  });

  test("other filters drop the choice, and undo brings both back", async () => {
    const { page } = await at("#/traces");
    await counted(page, "traces");
    await boxes(page).first().check();
    expect(await banner(page).textContent()).toContain("1 trace selected");
    await page.getByRole("textbox", { name: "Provider" }).fill("openai");
    await page.getByRole("textbox", { name: "Provider" }).press("Enter");
    await page.getByText("The filters changed").waitFor();
    await page.waitForURL(/f\.provider=openai/);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.locator("offtake-banner").getByText("1 trace selected").waitFor();
    expect(page.url()).not.toContain("f.provider");
  });

  test("the keyboard is enough", async () => {
    const { page } = await at("#/prompts");
    await counted(page, "prompts");
    await page.getByLabel("Select the rows on this page").focus();
    await page.keyboard.press("Space");
    await banner(page).waitFor();
    await focusBy(page, "Shift+Tab", /^Download \d+ prompts$/);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText("The first rows").waitFor();
    await focusBy(page, "Tab", /^Start export$/);
    const fetched = page.waitForEvent("download");
    await page.keyboard.press("Enter");
    expect(rowsOf(readFileSync(await (await fetched).path(), "utf8"))).toBe(50);
  });

  test("a trace is a tree of spans, and closes by Escape", async () => {
    const { page, trouble } = await at("#/traces?sort=-span_count");
    await page.locator("offtake-table tbody button").first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("16 spans").waitFor();
    expect(await dialog.getByRole("list").getByRole("button").count()).toBe(16);
    await page.waitForURL(/trace=/);
    await page.keyboard.press("Escape");
    await page.waitForURL((url) => !url.hash.includes("trace="));
    expect(trouble).toEqual([]);
  });

  test("a filter the server refuses is told with what and where, and the rest stays", async () => {
    const { page } = await at("#/spans?f.trace_id=nonsense");
    await page.getByRole("alert").getByText("/trace_id").waitFor();
    await page.getByRole("button", { name: "Clear all" }).click();
    await counted(page, "spans");
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  test("a server that goes away and comes back is noticed both times", async () => {
    const { page } = await at("#/exports");
    await page.getByRole("button", { name: /^Downloads/ }).click();
    await house.stop();
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await page.locator("offtake-downloads").getByText("The server does not answer").waitFor();
    await house.start();
    await page.locator("offtake-downloads").getByText("The server does not answer").waitFor({ state: "hidden" });
  });

  test("a stranger is told how to sign in", async () => {
    const { page } = await at("", { storageState: { cookies: [], origins: [] } });
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.getByText("offtake sign-in").waitFor();
  });
});

async function focusBy(page: Page, key: string, name: RegExp): Promise<void> {
  for (let pressed = 0; pressed < 200; pressed += 1) {
    const focused = await page.evaluate(() => {
      let element = document.activeElement;
      while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
      return element?.textContent?.replace(/\s+/g, " ").trim() ?? "";
    });
    if (name.test(focused)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${key} never leads to ${name}`);
}
