/** Whatever is chosen on a page, the server takes the same rows. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../../src/core/client";
import { View } from "../../src/core/view";
import { House } from "./house";

let house: House;
let client: Client;
beforeAll(async () => {
  house = await House.open();
  client = new Client({ base: house.url, token: () => house.token });
});
afterAll(() => house?.close());

test("sixty walks through a selection", { timeout: 120_000 }, async () => {
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
