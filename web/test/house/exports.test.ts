/** The page of exports, and one export by its address. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../../src/core/client";
import { House, rowsOf } from "./house";

let house: House;
let client: Client;
beforeAll(async () => {
  house = await House.open();
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
    await house.exported();
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
    const id = await house.exported({ format: "csv", provider: "openai", name: "with a receipt" });
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
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await dialog.locator("tr[data-state=spent]").waitFor();
    await dialog.getByRole("button", { name: "Make another" }).click();
    const listed = dialog.locator("tr[data-state=live]");
    await listed.getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog", { name: "Revoke this link?" }).getByRole("button", { name: "Revoke" }).click();
    await listed.waitFor({ state: "detached" });
    expect(await client.oneTimeTokens(id)).toEqual([]);

    await page.keyboard.press("Escape");
    await page.waitForURL((where) => !where.hash.includes("job="));
  });

  test("whoever must sign in first arrives there all the same", async () => {
    const id = await house.exported({ format: "csv", name: "from a mail" });
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

  test("its file can be deleted, once one said so", async () => {
    const id = await house.exported({ format: "csv", name: "to be deleted" });
    const page = await at(`#/exports?job=${id}`);
    const dialog = page.getByRole("dialog", { name: "to be deleted", exact: true });
    const question = page.getByRole("dialog", { name: "Delete the file of “to be deleted”?" });
    await dialog.getByRole("button", { name: "Delete file…" }).click();
    await question.getByRole("button", { name: "Cancel" }).click();
    await question.waitFor({ state: "hidden" });
    expect((await client.job(id)).metadata.can_download).toBe(true);
    await dialog.getByRole("button", { name: "Delete file…" }).click();
    await question.getByRole("button", { name: "Delete file" }).click();
    await dialog.getByText("The file is gone.").waitFor();
    await dialog.getByText("Expired", { exact: true }).waitFor();
    expect(await dialog.getByRole("button", { name: "Delete file…" }).count()).toBe(0);
    expect((await client.job(id)).metadata).toMatchObject({ can_download: false, is_expired: true });
    await page.waitForFunction(() => {
      let element = document.activeElement;
      while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
      return element?.id === "close";
    });
  });

  test("one that is absent, somebody else's or over says so", async () => {
    const id = await house.exported({ format: "csv", name: "over" });
    await client.deleteFile(id);
    const page = await at(`#/exports?job=${id}`);
    const dialog = page.getByRole("dialog", { name: "over" });
    await dialog.getByText("The file is gone.").waitFor();
    await dialog.getByText("Expired", { exact: true }).waitFor();
    expect(await dialog.getByRole("link", { name: /^Download/ }).count()).toBe(0);
    await page.goto(`${house.url}/#/exports?job=job_0199c0ffee0070008000000000000001`);
    await page.getByRole("alert").getByText("There is no such export").waitFor();
    const { page: foreign } = await house.page("", { storageState: await house.signedIn("globex") });
    open.push(foreign);
    await foreign.goto(`${house.url}/#/exports?job=${id}`);
    await foreign.getByRole("alert").getByText("There is no such export").waitFor();
  });
});
