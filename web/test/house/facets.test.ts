/** Facets in a browser: what they count, what the table counts and the rows are the same; and what a toggled row costs. */
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { PAGE_SIZE } from "../../src/core/view";
import { House } from "./house";

let house: House;
beforeAll(async () => {
  house = await House.open();
});
afterAll(() => house?.close());

let open: Page | undefined;
afterEach(() => open?.context().close());

async function at(hash: string, options = {}): Promise<{ page: Page; trouble: string[] }> {
  const opened = await house.page(hash, options);
  open = opened.page;
  return opened;
}

const rows = (page: Page) => page.locator("offtake-table tbody tr");
const group = (page: Page, name: string) => page.locator("offtake-facets").getByRole("group", { name });
const number = (text: string | null) => Number(/([\d,]+)\s*$/.exec(text ?? "")![1]!.replaceAll(",", ""));
const countOf = async (box: Locator) => number(await box.locator("xpath=..").textContent());

/** The table says so many, and shows as many as go on a page. */
async function shows(page: Page, count: number): Promise<void> {
  const said = new RegExp(`^\\s*${count.toLocaleString("en")} (spans|traces|prompts)\\b`);
  await page.locator("offtake-table [role=status]").filter({ hasText: said }).waitFor();
  expect(await rows(page).count()).toBe(Math.min(count, PAGE_SIZE));
}

test.each(["spans", "traces", "prompts"])("what a facet of %s says is what the table counts and shows", async (name) => {
  const { page, trouble } = await at(`#/${name}`);
  const models = group(page, "Model").getByRole("checkbox");
  await models.first().waitFor();
  const [first, second] = [await countOf(models.nth(0)), await countOf(models.nth(1))];
  const statuses = group(page, "Status").getByRole("checkbox");
  const all = async () => Promise.all((await statuses.all()).map(countOf));
  const counted = (count: number) => expect.poll(async () => (await all()).reduce((sum, one) => sum + one, 0), { timeout: 15_000 }).toBe(count);
  await models.nth(0).check();
  await shows(page, first);
  // Its own filter hides none of its values, and the others are counted of what is left.
  await counted(first);
  expect(await countOf(models.nth(1))).toBe(second);
  await models.nth(1).check();
  await shows(page, first + second);
  expect(page.url()).toContain("f.model%5B%5D=");
  await counted(first + second);
  const last = (await all()).at(-1)!;
  await statuses.last().check();
  await shows(page, last);
  await statuses.last().uncheck();
  await models.nth(0).uncheck();
  await shows(page, second);
  expect(trouble).toEqual([]);
});

test("by keyboard, and the focus stays where it is", async () => {
  const { page } = await at("#/spans");
  const box = group(page, "Provider").getByRole("checkbox").nth(1);
  await box.waitFor();
  const count = await countOf(box);
  await box.focus();
  await page.keyboard.press("Space");
  await shows(page, count);
  const focused = () => page.evaluate(() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return [(element as HTMLInputElement).type, (element as HTMLInputElement).checked];
  });
  expect(await focused()).toEqual(["checkbox", true]);
  await page.keyboard.press("Space");
  await page.waitForURL((url) => !url.hash.includes("f.provider"));
});

test("facets that cannot be counted leave the table alone, and can be asked for again", async () => {
  const { page } = await at("");
  await rows(page).first().waitFor();
  await page.route("**/facets", (route) => route.fulfill({ status: 503, json: { title: "Too much is going on" } }));
  await page.goto(`${house.url}/#/spans`);
  await page.getByText("The values could not be counted: Too much is going on.").waitFor();
  expect(await rows(page).count()).toBe(PAGE_SIZE);
  expect(await page.getByRole("alert").count()).toBe(0);
  await page.unroute("**/facets");
  await page.locator("offtake-facets").getByRole("button", { name: "Try again" }).click();
  await group(page, "Model").getByRole("checkbox").first().waitFor();
});

test("a small screen has them behind a click, and asks for none before", async () => {
  const { page } = await at("", { viewport: { width: 320, height: 640 } });
  await rows(page).first().waitFor();
  let asked = 0;
  page.on("request", (request) => void (request.url().endsWith("/facets") && (asked += 1)));
  await page.goto(`${house.url}/#/spans`);
  await page.locator("offtake-table [role=status]").filter({ hasText: /\d spans/ }).waitFor();
  expect(asked).toBe(0);
  await page.getByText("Narrow down").click();
  await group(page, "Model").getByRole("checkbox").first().waitFor();
  expect(asked).toBe(1);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
  expect(await house.violations(page)).toEqual([]);
});

test.each(["light", "dark"] as const)("axe finds nothing in the %s", async (colorScheme) => {
  const { page } = await at("#/spans?f.provider=openai&f.model=none-of-this-name", { colorScheme });
  const box = page.locator("offtake-facets").getByRole("checkbox", { name: /^none-of-this-name/ });
  await box.waitFor();
  expect([await box.isChecked(), await countOf(box)]).toEqual([true, 0]);
  expect(await house.violations(page)).toEqual([]);
});

test("moments are in the zone that is chosen, which stands in the address", async () => {
  const { page } = await at("#/spans", { timezoneId: "Asia/Kolkata" });
  const moment = page.locator("offtake-table tbody time").first();
  const exact = new Date((await moment.getAttribute("datetime"))!);
  const hours = (timeZone: string) => new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone }).format(exact);
  expect(await moment.textContent()).toContain(hours("Asia/Kolkata"));
  await page.getByLabel("Time zone").selectOption("UTC");
  await page.waitForURL(/tz=UTC/);
  await moment.filter({ hasText: hours("UTC") }).waitFor();
  await page.locator("select[name=window]").selectOption("between");
  await page.locator("input[name=from]").fill("2020-01-01T10:00:00");
  await page.waitForURL(/when=2020-01-01T10%3A00%3A00.000Z%2F/);
  await page.getByRole("link", { name: "Traces" }).click();
  await page.waitForURL(/#\/traces\?tz=UTC/);
  await page.getByLabel("Time zone").selectOption("");
  await page.waitForURL((url) => !url.hash.includes("tz="));
});

test("a row that is toggled among 10,000 exceptions is the only one that is drawn anew", async () => {
  const { page } = await at("#/spans");
  await rows(page).first().waitFor();
  const found = await page.evaluate(async () => {
    const root = document.querySelector("offtake-console")!.shadowRoot!.querySelector("offtake-rows-page")!.shadowRoot!;
    type Table = HTMLElement & { updateComplete: Promise<unknown>; view: { state: { rows: object[]; selection: { ids: Map<string, unknown> } }; chooseAll(): void; toggle(row: object): void } };
    const table = root.querySelector("offtake-table") as Table;
    table.view.chooseAll();
    const [some] = table.view.state.rows;
    for (let n = 0; n < 10_000; n += 1) table.view.toggle({ ...some, span_id: n.toString(16).padStart(16, "0") });
    await table.updateComplete;
    const drawn = new Set<unknown>();
    const observer = new MutationObserver((changes) => {
      for (const { target } of changes) drawn.add((target instanceof Element ? target : target.parentElement)?.closest("tr, li, form, option"));
    });
    observer.observe(table.shadowRoot!.querySelector("tbody")!, { subtree: true, childList: true, attributes: true, characterData: true });
    for (const name of ["offtake-facets", "offtake-filters"]) {
      observer.observe(root.querySelector(name)!.shadowRoot!, { subtree: true, childList: true, attributes: true, characterData: true });
    }
    table.shadowRoot!.querySelector<HTMLElement>("tbody input[type=checkbox]")!.click();
    await table.updateComplete;
    for (const change of observer.takeRecords()) drawn.add((change.target as Element).closest("tr, li, form, option"));
    return { named: table.view.state.selection.ids.size, drawn: [...drawn].map((row) => (row as HTMLTableRowElement | null)?.rowIndex ?? -1) };
  });
  expect(found).toEqual({ named: 10_001, drawn: [1] });
});
