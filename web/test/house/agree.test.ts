/** What a page shows, what it counts and what the file has are the same rows, for every filter there is. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client, type Dataset, type Row } from "../../src/core/client";
import { offered, type Query } from "../../src/core/filters";
import { PAGE_SIZE, View } from "../../src/core/view";
import { House, rowsOf } from "./house";

let house: House;
let client: Client;
beforeAll(async () => {
  house = await House.open();
  client = new Client({ base: house.url, token: () => house.token });
});
afterAll(() => house?.close());

/** The rows of the file that is asked for as the pages ask for it. */
async function fileOf(view: View): Promise<number> {
  const body = { ...view.request(), format: "csv", fields: view.dataset.key };
  const { job_id: id } = await client.create(view.dataset.name, body, crypto.randomUUID());
  const authorization = `Bearer ${house.token}`;
  const waited = await fetch(`${house.url}/api/v1/export/jobs/${id}?wait=30`, { headers: { authorization } });
  expect(((await waited.json()) as { status: string }).status).toBe("completed");
  const file = await fetch(`${house.url}/api/v1/export/jobs/${id}/download`, { headers: { authorization } });
  return rowsOf(await file.text());
}

/** A value that some rows pass and, often, some do not. */
function valueFor(op: string, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return op === "contains" ? text.slice(0, 12) : text;
}

describe.each(["traces", "spans", "prompts"])("%s", (name) => {
  test("page, count and file agree for every filter", { timeout: 120_000 }, async () => {
    const dataset: Dataset = (await client.datasets()).find((one) => one.name === name)!;
    const { rows } = await client.rows(name, { limit: 200 });
    const asked: string[] = [];
    for (const filter of offered(dataset)) {
      const column = filter.columns[0]!;
      const values = rows.map((row: Row) => valueFor(filter.op, row[column])).filter((value) => value !== null);
      const value = values[Math.floor(values.length / 2)];
      if (value === undefined || filter.op === "range") continue;
      const query: Query = { filters: { [filter.name]: value }, window: { kind: "all" } };
      const view = new View(client, dataset, query);
      await view.refresh();
      const { count, problem, rows: shown } = view.state;
      expect(problem, filter.name).toBeNull();
      expect(count, filter.name).toBeGreaterThan(0);
      expect(shown.length, filter.name).toBe(Math.min(count!, PAGE_SIZE));
      view.chooseAll();
      expect(view.chosen).toBe(count);
      // A view is free, a file is a job: only the first of each kind is fetched whole.
      if (!asked.includes(filter.op)) {
        expect(await fileOf(view), filter.name).toBe(count);
        view.toggle(shown[0]!);
        expect(await fileOf(view), filter.name).toBe(view.chosen);
      }
      asked.push(filter.op);
    }
    expect(asked.length).toBeGreaterThan(8);
  });
});

test("whatever is chosen, the server takes the same rows", { timeout: 120_000 }, async () => {
  const dataset = (await client.datasets()).find((one) => one.name === "spans")!;
  const view = new View(client, dataset);
  await view.refresh();
  let random = 42;
  const next = (below: number) => (random = (random * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let round = 0; round < 60; round += 1) {
    for (let step = 0; step < 8; step += 1) {
      const what = next(10);
      if (what === 0) view.chooseAll();
      else if (what === 1) view.chooseNone();
      else if (what === 2) view.togglePage();
      else if (what === 3) await view.turn(next(2) === 0 ? 1 : -1);
      else view.toggle(view.state.rows[next(view.state.rows.length)]!);
    }
    expect(view.state.problem).toBeNull();
    if (view.state.selection.mode === "none") continue;
    const { count } = await client.count("spans", view.request());
    expect(count).toBe(view.chosen);
  }
});
