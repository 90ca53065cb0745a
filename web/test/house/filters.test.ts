/** For every filter of every built-in dataset: the rows on the screen, the count and the file are the rows that pass. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client, type Dataset, type Filter, type Row } from "../../src/core/client";
import { offered } from "../../src/core/filters";
import { PAGE_SIZE } from "../../src/core/view";
import { House, rowsOf } from "./house";
import { send } from "./otlp";

const LONG = 180_000;
const MANY = '[limits]\nactive_jobs = 0\n[worker]\nslots = 3\n';
/** What a product says of its own spans; the genuine ones say none of it. */
const OWN = ["project_id", "document_uuid", "commit_uuid", "experiment_uuid", "test_deployment_id"];

let house: House;
let client: Client;
beforeAll(async () => {
  house = await House.open({ spans: true, settings: MANY });
  client = new Client({ base: house.url, token: () => house.token });
  await send(house, Array.from({ length: 6 }, (_, number) => ({
    number, name: `own ${number}`,
    attributes: {
      "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 100 + number, "gen_ai.usage.output_tokens": 10 + number,
      "session.id": `session-${number % 3}`, "user.id": `user-${number % 2}`,
      ...Object.fromEntries(OWN.map((name) => [`offtake.${name}`, `0199c0ff-ee00-7000-8000-00000000000${number % 3}`])),
    },
  })));
}, LONG);
afterAll(() => house?.close());

let open: Page | undefined;
afterEach(() => open?.context().close());

type Asked = { readonly values: readonly string[]; readonly passes: (row: Row) => boolean };

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** Something to ask of a filter that some rows pass, and which those are. */
function askedOf(filter: Filter, rows: readonly Row[]): Asked | null {
  const of = (row: Row) => filter.columns.map((column) => row[column]).filter((value) => value !== null && value !== undefined && value !== "");
  const all = rows.flatMap(of);
  if (all.length === 0) return null;
  const passing = (test: (value: unknown) => boolean) => (row: Row) => of(row).some(test);
  const middle = all.map(Number).sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
  const part = textOf(all[Math.floor(all.length / 2)]).slice(0, 12).toLowerCase();
  const several = [...new Set(all.map(textOf))].filter((value) => !value.includes(",")).slice(0, 2);
  switch (filter.op) {
    case "in":
      return { values: several, passes: passing((value) => several.includes(textOf(value))) };
    case "min":
      return { values: [String(middle)], passes: passing((value) => Number(value) >= middle) };
    case "max":
      return { values: [String(middle)], passes: passing((value) => Number(value) <= middle) };
    case "contains":
      return { values: [part], passes: passing((value) => textOf(value).toLowerCase().includes(part)) };
    default:
      throw new Error(`nobody says what ${filter.op} is`);
  }
}

/** Asks it on the page, as one does who looks for it. */
async function fill(page: Page, filter: Filter, { values }: Asked): Promise<void> {
  const field = page.locator(`offtake-filters [name="f.${filter.name}"]`);
  if ((await field.count()) === 0) await page.locator("offtake-filters select[name=add]").selectOption(filter.name);
  await field.fill(values.join(", "));
  await field.press("Enter");
}

type Counted = { readonly body: Record<string, unknown>; readonly count: number; readonly as_of: string };

/** What the page asks and is told when it counts with this filter. */
async function counting(page: Page, of: string, isAsked: (body: Record<string, unknown>) => boolean): Promise<Counted> {
  const answer = await page.waitForResponse((one) => one.url().endsWith(`/datasets/${of}/count`) && isAsked(one.request().postDataJSON() as Record<string, unknown>));
  return { body: answer.request().postDataJSON() as Record<string, unknown>, ...((await answer.json()) as { count: number; as_of: string }) };
}

/** The rows of the file that is asked for as of the same moment. */
async function fileOf({ name, key }: Dataset, { body, as_of }: Counted): Promise<number> {
  const { job_id: id } = await client.create(name, { ...body, as_of, selection: { mode: "all" }, format: "csv", fields: key }, crypto.randomUUID());
  const authorization = `Bearer ${house.token}`;
  const waited = await fetch(`${house.url}/api/v1/export/jobs/${id}?wait=30`, { headers: { authorization } });
  expect(((await waited.json()) as { status: string }).status).toBe("completed");
  return rowsOf(await (await fetch(`${house.url}/api/v1/export/jobs/${id}/download`, { headers: { authorization } })).text());
}

/** The same from the page itself. */
async function fileByHand(page: Page, count: number): Promise<number> {
  await page.getByLabel("Select the rows on this page").check();
  if (count > PAGE_SIZE) await page.getByRole("button", { name: /^Select all [\d,]+ matching/ }).click();
  await page.getByRole("button", { name: /^Download [\d,]+/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The first rows").waitFor();
  const fetched = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Start export" }).click();
  const rows = rowsOf(readFileSync(await (await fetched).path(), "utf8"));
  // A few rows come at once, without it.
  const close = page.locator("aside.panel").getByRole("button", { name: "Close" });
  if (await close.isVisible()) await close.click();
  return rows;
}

const shows = (page: Page, count: number) => page.locator("offtake-table [role=status]").filter({ hasText: new RegExp(`^\\s*${count.toLocaleString("en")} `) }).waitFor();

describe.each(["traces", "spans", "prompts"])("%s", (name) => {
  test("every filter", { timeout: LONG }, async () => {
    const dataset = (await client.datasets()).find((one) => one.name === name)!;
    const { rows } = await client.rows(name, { limit: 1000 });
    const { page, trouble } = await house.page(`#/${name}`);
    open = page;
    await shows(page, rows.length);
    const files: Promise<void>[] = [];
    const [fetched, idle] = [new Set<string>(), [] as string[]];
    for (const filter of offered(dataset)) {
      const asked = askedOf(filter, rows);
      if (!asked) {
        idle.push(filter.name);
        continue;
      }
      const told = counting(page, name, (body) => filter.name in body);
      await fill(page, filter, asked);
      const counted = await told;
      expect(counted.count, filter.name).toBe(rows.filter(asked.passes).length);
      expect(counted.count, filter.name).toBeGreaterThan(0);
      await shows(page, counted.count);
      expect(await page.locator("offtake-table tbody tr").count(), filter.name).toBe(Math.min(counted.count, PAGE_SIZE));
      // By hand for the first of each kind; the others are asked for while the page goes on.
      if (!fetched.has(filter.op)) expect(await fileByHand(page, counted.count), filter.name).toBe(counted.count);
      else files.push(fileOf(dataset, counted).then((file) => expect(file, filter.name).toBe(counted.count)));
      fetched.add(filter.op);
      await page.getByRole("button", { name: "Clear all" }).click();
      await shows(page, rows.length);
    }
    await Promise.all(files);
    expect(idle, "every filter has something to find").toEqual([]);
    expect(trouble).toEqual([]);
  });

  test("a window between two moments", async () => {
    const dataset = (await client.datasets()).find((one) => one.name === name)!;
    const { rows } = await client.rows(name, { limit: 1000 });
    const times = rows.map((row) => String(row[dataset.time!])).sort();
    const [from, to] = [times[Math.floor(times.length / 4)]!, times[Math.floor(times.length / 2)]!].map((moment) => `${moment.slice(0, 19)}Z`) as [string, string];
    const { page } = await house.page(`#/${name}`, { timezoneId: "Europe/Berlin" });
    open = page;
    await shows(page, rows.length);
    const field = (name: string) => page.locator(`offtake-filters [name=${name}]`);
    await field("window").selectOption("between");
    const local = (moment: string) => new Date(Date.parse(moment)).toLocaleString("sv-SE", { timeZone: "Europe/Berlin" }).replace(" ", "T");
    await field("from").fill(local(from));
    const told = counting(page, name, (body) => "end_time" in body);
    await field("to").fill(local(to));
    await field("to").press("Enter");
    const counted = await told;
    expect(counted.count).toBe(times.filter((time) => Date.parse(time) >= Date.parse(from) && Date.parse(time) < Date.parse(to)).length);
    await shows(page, counted.count);
    expect(await fileOf(dataset, counted)).toBe(counted.count);
  });

  test("spellings that a page does not offer mean the same", async () => {
    const dataset = (await client.datasets()).find((one) => one.name === name)!;
    const { rows } = await client.rows(name, { limit: 1000 });
    const seen = offered(dataset).map((filter) => filter.name);
    for (const filter of dataset.filters.filter((one) => !seen.includes(one.name))) {
      const times = rows.map((row) => String(row[filter.columns[0]!])).sort();
      const [from, to] = [times[Math.floor(times.length / 4)]!, times[Math.floor(times.length / 2)]!];
      const isRange = filter.op === "range";
      const moment = (row: Row) => String(row[filter.columns[0]!]);
      const asked = isRange ? { values: { from, to }, passes: (row: Row) => moment(row) >= from && moment(row) < to } : askedOf(filter, rows)!;
      const { count } = await client.count(name, { [filter.name]: asked.values });
      expect(count, filter.name).toBe(rows.filter(asked.passes).length);
    }
  });
});
