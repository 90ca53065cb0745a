/** The whole story with its mail: from the sign-in link to the file behind the mail's link, by pointer and by keyboard alone. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Frame, keepFrames } from "./frames";
import { House, rowsOf } from "./house";
import { Mail } from "./mail";
import { Reader, watchSpeech } from "./spoken";

const LONG = 120_000;
const number = (text: string) => Number(text.replaceAll(",", ""));

let mail: Mail;
let house: House;
let mails = 0;
beforeAll(async () => {
  mail = await Mail.open();
  house = await House.open({ spans: true, wired: true, settings: mail.settings });
}, LONG);
afterAll(async () => {
  await house?.close();
  mail?.close();
});

const open: Page[] = [];
afterEach(async () => {
  for (const page of open.splice(0)) await page.context().close();
});

async function fresh(url: string, prepare?: (page: Page) => Promise<unknown>): Promise<{ page: Page; trouble: string[] }> {
  const opened = await house.guest(url, {}, prepare);
  open.push(opened.page);
  return opened;
}

async function linkInMail(): Promise<string> {
  const text = await mail.text(mails);
  mails += 1;
  const link = /http:\S+\/d\/\S+/.exec(text)?.[0];
  expect(link, text).toContain(house.front);
  return link!;
}

const banner = (page: Page) => page.locator("offtake-banner [role=status]");
const boxes = (page: Page) => page.locator("offtake-table tbody input[type=checkbox]");
const counted = (page: Page) => page.locator("offtake-table [role=status]").filter({ hasText: /^\s*[\d,]+ spans/ }).waitFor();

/** The first, so that nothing else is in the panel. */
test("by keyboard alone, and what is heard of it", { timeout: LONG }, async () => {
  const { page, trouble } = await fresh(await house.signInLink(), (one) => one.addInitScript(watchSpeech));
  const reader = await Reader.on(page);
  reader.chapter("Sign in");
  await reader.until("Tab", /^Sign in$/);
  await reader.press("Enter", () => page.getByRole("link", { name: "Go on" }).waitFor());
  await page.keyboard.press("Enter");
  await page.waitForURL(/#\/traces/);

  reader.chapter("Filter");
  await reader.until("Tab", /^Spans$/);
  await reader.press("Enter", () => counted(page));
  await reader.until("Tab", /^Provider$/);
  await reader.type("openai");
  await reader.press("Enter", async () => {
    await page.waitForURL(/f\.provider=openai/);
    await counted(page);
  });

  reader.chapter("Choose");
  await reader.until("Tab", /^Select the rows on this page$/);
  await reader.press("Space", () => banner(page).getByText("selected").waitFor());
  await reader.until("Shift+Tab", /^Select all [\d,]+ matching/);
  await reader.press("Enter", () => banner(page).getByText("All ").waitFor());
  const out: string[] = [];
  await reader.until("Tab", /^Select the rows on this page$/);
  for (const left of [1, 2]) {
    await reader.until("Tab", /^Select [0-9a-f]+ /);
    out.push(await focused(page));
    await reader.press("Space", () => banner(page).getByText(`but ${left}`).waitFor());
  }
  const said = (await banner(page).textContent())!;
  const [, chosen] = /^\s*([\d,]+) spans selected/.exec(said)!;

  reader.chapter("Turn the page, sort");
  await reader.until("Tab", /^Next page$/);
  await reader.press("Enter", () => page.getByText("Page 2").waitFor());
  await reader.until("Shift+Tab", /^Duration/);
  await reader.press("Enter", async () => {
    await page.waitForURL(/sort=duration_ms/);
    await page.getByText("Page 1").waitFor();
  });
  expect(await banner(page).textContent()).toBe(said);

  reader.chapter("Ask for the file");
  await reader.until("Shift+Tab", /^Download [\d,]+ spans$/);
  await reader.press("Enter", () => page.getByRole("dialog").getByText("The first rows").waitFor());
  await reader.until("Tab", /e-mail/);
  await reader.press("Space");
  await reader.until("Tab", /^Start export$/);
  const fetched = page.waitForEvent("download");
  await reader.press("Enter", () => page.locator("offtake-downloads").getByText("Ready").waitFor());
  const csv = readFileSync(await (await fetched).path(), "utf8");
  expect(rowsOf(csv)).toBe(number(chosen!));
  for (const id of out) expect(csv).not.toContain(id);

  reader.chapter("The panel");
  await reader.until("Tab", /^Receipt/);
  await reader.press("Enter", () => page.getByRole("dialog").getByText("SHA-256").waitFor());
  await reader.press("Escape");
  expect(trouble).toEqual([]);
  await expect(reader.transcript).toMatchFileSnapshot("heard/story.txt");

  const letter = await fresh(await linkInMail());
  const again = letter.page.waitForEvent("download");
  await letter.page.keyboard.press("Tab");
  await letter.page.keyboard.press("Enter");
  expect(readFileSync(await (await again).path(), "utf8") === csv).toBe(true);
  expect(letter.trouble).toEqual([]);
});

test("by pointer: the file has what the banner said, and comes by the panel and by the mail", { timeout: LONG }, async () => {
  let frames: Frame[] = [];
  const { page, trouble } = await fresh(await house.signInLink(), async (one) => {
    frames = keepFrames(one);
  });
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Go on" }).click();
  await page.getByRole("link", { name: "Spans" }).click();
  await page.getByRole("textbox", { name: "Provider" }).fill("openai");
  await page.getByRole("textbox", { name: "Provider" }).press("Enter");
  await page.waitForURL(/f\.provider=openai/);
  await counted(page);
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
  const [, chosen, all] = /^\s*([\d,]+) spans selected: all ([\d,]+) but 2\s*$/.exec((await banner(page).textContent())!)!;
  expect(number(all!) - 2).toBe(number(chosen!));

  await page.getByRole("button", { name: `Download ${chosen} spans` }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The first rows").waitFor();
  await dialog.getByLabel("Send an e-mail when it is ready").check();
  const fetched = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Start export" }).click();
  await page.getByText("Export started. You will receive an email when ready.").waitFor();
  const csv = readFileSync(await (await fetched).path(), "utf8");
  expect(rowsOf(csv)).toBe(number(chosen!));
  for (const id of out) expect(csv).not.toContain(id);
  await page.locator("offtake-downloads").getByText("Ready").first().waitFor();
  expect(frames.map((frame) => frame.status)).toEqual(["pending", "processing", "completed"]);
  expect(new Set(frames.map((frame) => frame.job)).size).toBe(1);

  const reader = await fresh(await linkInMail());
  await reader.page.getByRole("heading", { name: "Your file is ready" }).waitFor();
  await reader.page.getByText(chosen!, { exact: true }).waitFor();
  const again = reader.page.waitForEvent("download");
  await reader.page.getByRole("button", { name: "Download" }).click();
  expect(readFileSync(await (await again).path(), "utf8") === csv).toBe(true);
  expect([...trouble, ...reader.trouble]).toEqual([]);
});

/** The last part of the name of what has the focus: the id of a span. */
const focused = (page: Page): Promise<string> => page.evaluate(() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element!.getAttribute("aria-label")!.split(" ").at(-1)!;
});
