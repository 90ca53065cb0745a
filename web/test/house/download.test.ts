/** Downloads: what the dialog asks and says, and the panel where they are. */
import { readFileSync } from "node:fs";
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../../src/core/client";
import { House, rowsOf } from "./house";

/** Mail is configured, and goes nowhere. */
const MAIL = '[mail]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\nfrom = "Offtake <offtake@example.org>"\n';

let house: House;
let client: Client;
beforeAll(async () => {
  house = await House.open({ spans: true, settings: MAIL });
  client = new Client({ base: house.url, token: () => house.token });
});
afterAll(() => house?.close());

const open: Page[] = [];
afterEach(async () => {
  for (const page of open.splice(0)) await page.context().close();
});

async function at(hash: string, options = {}): Promise<Page> {
  const { page } = await house.page(hash, options);
  open.push(page);
  return page;
}

/** The dialog, for the first rows of a page. */
async function asked(page: Page, rows: number): Promise<Locator> {
  const boxes = page.locator("offtake-table tbody input[type=checkbox]");
  for (let row = 0; row < rows; row += 1) await boxes.nth(row).check();
  await page.getByRole("button", { name: /^Download \d+ / }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The first rows").waitFor();
  return dialog;
}

describe("the dialog", () => {
  test("a few rows are a file at once, without the panel in between", async () => {
    const page = await at("#/spans");
    const dialog = await asked(page, 3);
    const fetched = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Start export" }).click();
    expect(rowsOf(readFileSync(await (await fetched).path(), "utf8"))).toBe(3);
    await page.getByText("The file is here.").waitFor();
    expect(await page.locator("aside.panel").isHidden()).toBe(true);
    await page.getByRole("button", { name: /^Downloads/ }).click();
    await page.locator("offtake-downloads li").first().getByText("3 rows").waitFor();
  });

  test("a preset is saved, used, changed, and not overwritten unseen", async () => {
    const page = await at("#/prompts");
    const dialog = await asked(page, 2);
    await dialog.getByRole("button", { name: "None" }).click();
    for (const name of ["Cost (USD)", "Model"]) await dialog.getByRole("checkbox", { name, exact: true }).check();
    await dialog.getByLabel("Header of Model").fill("Which");
    await dialog.getByLabel("Format").selectOption("excel");
    await dialog.getByRole("button", { name: "Save as preset…" }).click();
    await dialog.getByLabel("Name of the preset").fill("finance");
    await dialog.getByLabel("Name of the preset").press("Enter");
    await dialog.getByText("Saved as “finance”.").waitFor();
    const { body: saved } = await client.preset("finance");
    expect(saved).toMatchObject({ dataset: "prompts", format: "csv", dialect: "excel", fields: [{ name: "model", as: "Which" }, "cost_usd"] });

    await dialog.getByLabel("Compression").selectOption("gzip");
    await client.changePreset("finance", { fields: ["model"] }, null);
    await dialog.getByRole("button", { name: "Replace “finance”" }).click();
    await dialog.getByRole("alert").getByText("Somebody else changed “finance”").waitFor();
    expect((await client.preset("finance")).body.fields).toEqual(["model"]);
    await dialog.getByRole("button", { name: "Replace with mine" }).click();
    await dialog.getByText("“finance” is what you see here now.").waitFor();
    expect((await client.preset("finance")).body).toMatchObject({ compression: "gzip", fields: [{ name: "model", as: "Which" }, "cost_usd"] });

    await dialog.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: /^Download 2 / }).click();
    await dialog.getByLabel("Preset").selectOption("finance");
    await dialog.getByText("Columns and format are those of “finance”.").waitFor();
    await dialog.getByText(/^2 of \d+$/).waitFor();
    expect(await dialog.getByLabel("Header of Model").inputValue()).toBe("Which");
    await dialog.getByRole("button", { name: "Delete “finance”…" }).click();
    await page.getByRole("dialog", { name: "Delete the preset “finance”?" }).getByRole("button", { name: "Delete" }).click();
    await dialog.getByText("“finance” is deleted.").waitFor();
    expect(await client.presets()).toEqual([]);
  });

  test("says what to expect, and whoever wants a mail is told of one", async () => {
    const page = await at("#/traces");
    await page.getByLabel("Select the rows on this page").check();
    await page.getByRole("button", { name: /^Download \d+ / }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/^The file is kept until .+ and deleted then/).waitFor();
    await dialog.getByText("Numbers and dates for people").click();
    await dialog.getByLabel("Time zone").selectOption("Asia/Tokyo");
    await dialog.getByLabel("Send an e-mail when it is ready").check();
    await dialog.getByText("It goes to ada@example.org.").waitFor();
    await dialog.getByLabel("And to").fill("nobody@example.org");
    await dialog.getByRole("button", { name: "Start export" }).click();
    await dialog.getByText("is no address of somebody in your organization").waitFor();
    await dialog.getByLabel("And to").fill("");
    await dialog.getByRole("button", { name: "Start export" }).click();
    await page.getByText("Export started. You will receive an email when ready.").waitFor();
    const { jobs } = await client.jobs({ dataset: "traces", limit: "1" });
    expect(jobs[0]!.spec).toMatchObject({ notify: { email: true }, formats: { time_zone: "Asia/Tokyo" } });
  });
});

test("where nothing more may be asked for, and no mail is sent, both are said at once", async () => {
  const strict = await House.open({ spans: true, settings: "[limits]\nexports_per_hour = 1\n" });
  try {
    await new Client({ base: strict.url, token: () => strict.token }).create("spans", { format: "csv" }, "the-only-one");
    const { page } = await strict.page("#/spans");
    const dialog = await asked(page, 1);
    await dialog.getByRole("alert").getByText("It would be refused now.").waitFor();
    expect(await dialog.getByRole("button", { name: "Start export" }).isDisabled()).toBe(true);
    expect(await dialog.getByLabel("Send an e-mail when it is ready").isDisabled()).toBe(true);
    await dialog.getByText("This installation sends no mail").waitFor();
  } finally {
    await strict.close();
  }
});

describe("the panel", () => {
  test("an export is run again as it was asked for, and every tab shows it", async () => {
    const id = await house.exported({ format: "jsonl", compression: "gzip", fields: ["span_id"], provider: "openai", name: "again and again" });
    const page = await at("#/exports");
    const other = await page.context().newPage();
    await other.goto(`${house.url}/#/exports`);
    await other.getByRole("button", { name: /^Downloads/ }).click();
    await page.getByRole("button", { name: /^Downloads/ }).click();
    const downloads: string[] = [];
    other.on("download", () => downloads.push("other"));
    const fetched = page.waitForEvent("download");
    await page.locator(`offtake-downloads li[data-job=${id}]`).getByRole("button", { name: /^Run again/ }).click();
    await fetched;
    await other.locator("offtake-downloads li", { hasText: "again and again" }).nth(1).getByText("Ready").waitFor();
    expect(downloads, "the tab that asked fetches it, and no other").toEqual([]);
    const [now, then] = (await client.jobs({ limit: "2" })).jobs;
    expect(then!.job_id).toBe(id);
    const { as_of: _, ...asked } = then!.spec as Record<string, unknown>;
    expect(now!.spec).toMatchObject(asked);
  });

  test("a file's end is counted down to, and then it is gone", async () => {
    const page = await at("#/exports");
    const id = await house.exported({ format: "csv", name: "soon gone" });
    let ends: string | undefined;
    await page.route(/\/api\/v1\/export\/jobs\?/, async (route) => {
      const answer = await route.fetch();
      const body = (await answer.json()) as { jobs: { job_id: string; expires_at: string }[] };
      // From when it is shown on, however long that took.
      ends ??= new Date(Date.now() + 9000).toISOString();
      for (const job of body.jobs) if (job.job_id === id) job.expires_at = ends;
      await route.fulfill({ response: answer, json: body });
    });
    await page.getByRole("button", { name: /^Downloads/ }).click();
    await page.evaluate(() => dispatchEvent(new Event("online")));
    const item = page.locator(`offtake-downloads li[data-job=${id}]`);
    await item.getByText(/file goes in \d second/).waitFor();
    await item.getByText("file is gone").waitFor();
  });
});

const looks = [["light", 1360, 860], ["dark", 1360, 860], ["light", 320, 640]] as const;

test("axe has nothing against the dialog with everything unfolded", { timeout: 60_000 }, async () => {
  const page = await at("#/spans");
  const dialog = await asked(page, 2);
  await dialog.getByRole("button", { name: "Save as preset…" }).click();
  await dialog.getByText("Numbers and dates for people").click();
  await dialog.getByLabel("Send an e-mail when it is ready").check();
  for (const [colorScheme, width, height] of looks) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    expect(await house.violations(page), `${colorScheme} ${width}`).toEqual([]);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow, "nothing scrolls sideways but tables").toBeLessThanOrEqual(0);
  }
});
