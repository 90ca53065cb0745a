/** Downloads in all their parts: the dialog, the panel, the page of exports, one export by its address. */
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

async function made(body: object = { format: "csv" }, dataset = "spans"): Promise<string> {
  const { job_id: id } = await client.create(dataset, body, crypto.randomUUID());
  const answer = await fetch(`${house.url}/api/v1/export/jobs/${id}?wait=30`, { headers: { authorization: `Bearer ${house.token}` } });
  expect(((await answer.json()) as { status: string }).status).toBe("completed");
  return id;
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
    await dialog.getByText("ada@example.org").waitFor();
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
    const id = await made({ format: "jsonl", compression: "gzip", fields: ["span_id"], provider: "openai", name: "again and again" });
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
    const id = await made({ format: "csv", name: "soon gone" });
    await page.route(/\/api\/v1\/export\/jobs\?/, async (route) => {
      const answer = await route.fetch();
      const body = (await answer.json()) as { jobs: { job_id: string; expires_at: string }[] };
      for (const job of body.jobs) if (job.job_id === id) job.expires_at = ends;
      await route.fulfill({ response: answer, json: body });
    });
    const ends = new Date(Date.now() + 6000).toISOString();
    await page.getByRole("button", { name: /^Downloads/ }).click();
    await page.evaluate(() => dispatchEvent(new Event("online")));
    const item = page.locator(`offtake-downloads li[data-job=${id}]`);
    await item.getByText(/file goes in \d second/).waitFor();
    await item.getByText("file is gone").waitFor();
  });
});

describe("the page of exports", () => {
  test("an export of any dataset is asked for by its filters", async () => {
    const page = await at("#/exports");
    await page.getByRole("button", { name: "New export" }).click();
    const form = page.locator("offtake-new-export");
    await form.getByLabel("Dataset").selectOption("prompts");
    await page.waitForURL(/new=prompts/);
    await form.getByRole("textbox", { name: "Provider" }).fill("openai");
    await form.getByRole("textbox", { name: "Provider" }).press("Enter");
    await page.waitForURL(/f\.provider=openai/);
    const { count } = await client.count("prompts", { provider: "openai" });
    await form.getByText(`${count} prompts`, { exact: true }).waitFor();
    await form.getByRole("button", { name: "Columns and format…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("heading", { name: `Download ${count} prompts` }).waitFor();
    await dialog.getByText("The first rows").waitFor();
    const fetched = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Start export" }).click();
    expect(rowsOf(readFileSync(await (await fetched).path(), "utf8"))).toBe(count);
  });

  test("what is listed stands in the address, by request id as well", async () => {
    await fetch(`${house.url}/api/v1/export/spans`, {
      method: "POST", body: JSON.stringify({ format: "csv", name: "the one" }),
      headers: { authorization: `Bearer ${house.token}`, "content-type": "application/json", "x-request-id": "req-of-this-test" },
    });
    const page = await at("#/exports");
    await page.getByLabel("Request id").fill("req-of-this-test");
    await page.getByLabel("Request id").press("Enter");
    await page.waitForURL(/request_id=req-of-this-test/);
    await page.getByText("1 export", { exact: true }).waitFor();
    await page.reload();
    await page.getByText("1 export", { exact: true }).waitFor();
    expect(await page.getByLabel("Request id").inputValue()).toBe("req-of-this-test");
    await page.locator("offtake-exports-page").getByLabel("Status").selectOption("failed");
    await page.getByText("No exports").waitFor();
    await page.goBack();
    await page.getByRole("link", { name: "the one" }).first().waitFor();
  });

  test("the figures are there as pictures and as a table", async () => {
    await made();
    const page = await at("#/exports");
    const timings = page.locator("offtake-timings");
    for (const name of ["Wait for a worker", "Rows per second", "Duration", "Time of a frame", "Size of the file"]) await timings.getByRole("img", { name: new RegExp(`^${name}: `) }).waitFor();
    await timings.getByText("As a table").click();
    await timings.getByRole("columnheader", { name: "Frame P95" }).waitFor();
    expect(await timings.getByRole("row").count()).toBeGreaterThan(1);
  });
});

describe("one export by its address", () => {
  test("shows its receipt for people, and a link that works once and can be revoked", async () => {
    const id = await made({ format: "csv", provider: "openai", name: "with a receipt" });
    const page = await at(`#/exports?job=${id}`);
    const dialog = page.getByRole("dialog", { name: "with a receipt" });
    const { sha256, rows_written: rows, file_name: file } = await client.receipt(id);
    await dialog.getByText(`Complete: ${rows} of ${rows} expected rows are in the file.`).waitFor();
    await dialog.getByText(sha256, { exact: true }).first().waitFor();
    await dialog.getByText(`offtake verify ${file}`, { exact: true }).waitFor();
    await dialog.getByText("Nothing: no row is left out").waitFor();
    const saved = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Save receipt" }).click();
    expect((await saved).suggestedFilename()).toBe(`${file}.receipt.json`);
    expect(JSON.parse(readFileSync(await (await saved).path(), "utf8"))).toMatchObject({ sha256, job_id: id });

    await dialog.getByRole("button", { name: "Make a link" }).click();
    const url = (await dialog.locator("offtake-links code").textContent())!;
    const { page: stranger } = await house.guest(url);
    open.push(stranger);
    const fetched = stranger.waitForEvent("download");
    await stranger.getByRole("button", { name: "Download" }).click();
    expect(rowsOf(readFileSync(await (await fetched).path(), "utf8"))).toBe(rows);
    await dialog.getByRole("button", { name: "Make another" }).click();
    await dialog.locator("tr[data-state=live]").getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog", { name: "Revoke this link?" }).getByRole("button", { name: "Revoke" }).click();
    await dialog.locator("tr[data-state=live]").waitFor({ state: "detached" });
    expect(await client.oneTimeTokens(id)).toEqual([]);

    await page.keyboard.press("Escape");
    await page.waitForURL((where) => !where.hash.includes("job="));
  });

  test("whoever must sign in first arrives there all the same", async () => {
    const id = await made({ format: "csv", name: "from a mail" });
    const page = await at(`#/exports?job=${id}`, { storageState: { cookies: [], origins: [] } });
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goto(await house.signInLink());
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("link", { name: "Go on" }).click();
    await page.waitForURL((where) => where.hash.includes(id));
    const fetched = page.waitForEvent("download");
    await page.getByRole("dialog", { name: "from a mail" }).getByRole("link", { name: /^Download/ }).click();
    expect(rowsOf(readFileSync(await (await fetched).path(), "utf8"))).toBeGreaterThan(0);
  });

  test("one that is absent, somebody else's or over says so", async () => {
    const id = await made({ format: "csv", name: "over" });
    await client.deleteFile(id);
    const page = await at(`#/exports?job=${id}`);
    const dialog = page.getByRole("dialog", { name: "over" });
    await dialog.getByText("The file is gone.").waitFor();
    await dialog.getByText("Expired", { exact: true }).waitFor();
    expect(await dialog.getByRole("link", { name: /^Download/ }).count()).toBe(0);
    await page.goto(`${house.url}/#/exports?job=job_0199c0ffee0070008000000000000001`);
    await page.getByRole("alert").getByText("There is no such export").waitFor();
    const { page: foreign } = await house.page("", { storageState: await signedInTo("globex") });
    open.push(foreign);
    await foreign.goto(`${house.url}/#/exports?job=${id}`);
    await foreign.getByRole("alert").getByText("There is no such export").waitFor();
  });
});

async function signedInTo(org: string) {
  const { page } = await house.guest(await house.signInLink(org));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Go on" }).waitFor();
  const state = await page.context().storageState();
  await page.context().close();
  return state;
}

const screens: [string, (page: Page) => Promise<void>][] = [
  ["a dialog with everything in it", async (page) => {
    await page.goto(`${house.url}/#/spans`);
    const dialog = await asked(page, 2);
    await dialog.getByRole("button", { name: "Save as preset…" }).click();
    await dialog.getByText("Numbers and dates for people").click();
    await dialog.getByLabel("Send an e-mail when it is ready").check();
  }],
  ["a new export", (page) => page.locator("offtake-new-export").getByText(/^[\d,]+ spans$/).waitFor()],
  ["an export, whole", async (page) => {
    await page.goto(`${house.url}/#/exports?new=spans&job=${await made()}`);
    const dialog = page.locator("offtake-export-detail").getByRole("dialog");
    await dialog.getByText("Complete: ").waitFor();
    await dialog.getByRole("button", { name: "Make a link" }).click();
    await dialog.locator("tr[data-state=live]").waitFor();
    for (const name of ["The receipt as JSON", "The request as JSON"]) await dialog.getByText(name).click();
  }],
];
const looks: [string, object][] = [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["small", { colorScheme: "light", viewport: { width: 320, height: 640 } }],
];

describe.each(looks)("%s", (_, options) => {
  test.each(screens)("axe has nothing against %s", async (_, reach) => {
    const page = await at("#/exports?status=completed&new=spans", options);
    await reach(page);
    expect(await house.violations(page)).toEqual([]);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow, "nothing scrolls sideways but tables").toBeLessThanOrEqual(0);
  });
});
