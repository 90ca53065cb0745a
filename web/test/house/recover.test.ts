/** An export while the server is killed and the network is cut: what is shown never goes back, and ends with the whole file. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Frame, keepFrames } from "./frames";
import type { Hold } from "./hold";
import { House, rowsOf } from "./house";
import { send } from "./otlp";
import { eventually } from "./wait";
import { type Shown, shown, untilShown, watchExports } from "./watched";

const SPANS = 8_000;
const TRIES = 5;
/** Each frame and each part is as small as can be, with a checkpoint after it: hundreds of them, at one of which it can be held. */
const SETTINGS = '[worker]\nframe = "64KiB"\npart = "64KiB"\nmax_frame_rows = 64\nin_flight = 1\n';
const LONG = 120_000;

let house: House;
let hold: Hold;
beforeAll(async () => {
  house = await House.open({ spans: false, wired: true, settings: SETTINGS });
  const attributes = { "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", note: "n".repeat(6000) };
  const all = Array.from({ length: SPANS }, (_, number) => ({ number, name: `chat ${number}`, attributes }));
  for (let from = 0; from < SPANS; from += 2000) await send(house, all.slice(from, from + 2000));
  hold = house.hold();
}, LONG);
afterAll(async () => {
  hold?.close();
  await house?.close();
});

let open: Page | undefined;
afterEach(async () => {
  await hold.release();
  await open?.context().close();
});

type Standing = { readonly page: Page; readonly id: string; readonly file: Promise<string>; readonly frames: Frame[] };

/** Asks for all spans, as a user does, and gives the page back while the export stands still in the middle and that is seen. */
async function standing(): Promise<Standing> {
  for (let left = TRIES; left > 0; left--) {
    const one = await asked();
    await eventually("a percent of the rows in the file", async () => ((await job(one.id)).row_count >= SPANS / 50 ? true : undefined));
    await hold.take();
    if ((await job(one.id)).status === "processing") {
      await untilShown(one.page, { percent: 1 });
      return one;
    }
    // It was over before it could be held.
    await hold.release();
    await one.page.context().close();
  }
  throw new Error(`an export was over ${TRIES} times before it could be held`);
}

async function asked(): Promise<Standing> {
  let frames: Frame[] = [];
  const { page } = await house.page("#/spans", {}, async (one) => {
    frames = keepFrames(one);
    await one.addInitScript(watchExports);
  });
  open = page;
  await page.getByLabel("Select the rows on this page").check();
  await page.getByRole("button", { name: /^Select all [\d,]+ matching/ }).click();
  await page.getByRole("button", { name: /^Download [\d,]+ spans/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The first rows").waitFor();
  await dialog.getByRole("button", { name: "All", exact: true }).click();
  const file = page.waitForEvent("download", { timeout: LONG }).then(async (one) => readFileSync(await one.path(), "utf8"));
  // Whoever waits for it is told; here it is only not let loose.
  file.catch(() => undefined);
  const answer = page.waitForResponse((answer) => answer.request().method() === "POST" && answer.url().endsWith("/api/v1/export/spans"));
  await dialog.getByRole("button", { name: "Start export" }).click();
  const { job_id: id } = (await (await answer).json()) as { job_id: string };
  return { page, id, file, frames };
}

const ready = (page: Page, id: string): Promise<void> =>
  page.locator(`offtake-downloads li[data-job="${id}"]`).getByText("Ready").waitFor({ timeout: LONG });

type Job = { readonly status: string; readonly row_count: number; readonly completed_at: string; readonly attempt: number };

async function job(id: string): Promise<Job> {
  const answer = await fetch(`${house.url}/api/v1/export/jobs/${id}`, { headers: { authorization: `Bearer ${house.token}` } });
  return (await answer.json()) as Job;
}

const rowsIn = ({ text }: Shown): number => Number(/([\d,]+) of [\d,]+ rows/.exec(text)?.[1]?.replaceAll(",", "") ?? 0);

/** What was shown, from beginning to end, was onwards all the time; it said that it is there only once it was. */
async function onlyOnwards(page: Page, id: string): Promise<void> {
  const all = (await shown(page)).filter((one) => one.job === id);
  const going = all.filter((one) => one.status === "pending" || one.status === "processing");
  for (const [index, one] of going.entries()) {
    const before = going[index - 1];
    expect(one.percent!, JSON.stringify([before, one])).toBeGreaterThanOrEqual(before?.percent ?? 0);
    expect(rowsIn(one), JSON.stringify([before, one])).toBeGreaterThanOrEqual(before ? rowsIn(before) : 0);
    expect(one.percent!).toBeLessThan(100);
    expect(one.text).not.toContain("100%");
  }
  const last = all.at(-1)!;
  expect(last.status).toBe("completed");
  const first = all.find((one) => one.status === "completed")!;
  expect(all.indexOf(first)).toBe(going.length);
  const done = await job(id);
  expect(done).toMatchObject({ status: "completed", row_count: SPANS });
  expect(first.at).toBeGreaterThanOrEqual(Math.floor(Date.parse(done.completed_at)));
}

test("the network is cut, the server is killed and started again: the panel goes on by itself", { timeout: LONG }, async () => {
  const { page, id, file, frames } = await standing();
  // How far it is may be known by looking before it is told: then the database is held already.
  await eventually("word by WebSocket that it goes on", async () => frames.find((frame) => frame.job === id && frame.status === "processing"));
  const panel = page.locator("offtake-downloads");
  const said = panel.getByText("The server does not answer");

  house.wire!.cut();
  await page.context().setOffline(true);
  await said.waitFor({ timeout: 60_000 });
  house.wire!.mend();
  await page.context().setOffline(false);
  await said.waitFor({ state: "hidden", timeout: 60_000 });

  await house.stop("SIGKILL");
  await said.waitFor({ timeout: 60_000 });
  await hold.release();
  await house.start();
  await ready(page, id);
  expect(rowsOf(await file)).toBe(SPANS);
  await onlyOnwards(page, id);
  expect((await job(id)).attempt).toBeGreaterThan(1);
});

test("without any WebSocket the panel asks", { timeout: LONG }, async () => {
  house.wire!.refusesSockets = true;
  const { page, id, file, frames } = await standing();
  expect(frames).toEqual([]);
  await hold.release();
  await ready(page, id);
  expect(rowsOf(await file)).toBe(SPANS);
  await onlyOnwards(page, id);
});
