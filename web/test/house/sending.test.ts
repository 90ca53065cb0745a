/** What is sent by itself, as a person sets it up: schedules, webhooks with what they were sent, destinations. */
import { createRequire } from "node:module";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../../src/core/client";
import { Sending } from "../../src/core/sending";
import { ACCESS_KEY, Bucket } from "./bucket";
import { House, rowsOf } from "./house";

const SETTINGS = '[webhooks]\nallow = ["127.0.0.0/8"]\nallow_http = true\n[destinations]\nallow = ["127.0.0.0/8"]\nallow_http = true\n';
const published = createRequire(new URL("../../../target/testenv/node/package.json", import.meta.url));
type Message = { readonly headers: IncomingHttpHeaders; readonly body: Buffer };

/** Somebody who is told, and answers as the test says. */
class Receiver {
  readonly messages: Message[] = [];
  status = 204;
  answer = "";
  #server: Server | undefined;
  url = "";

  static async open(): Promise<Receiver> {
    const receiver = new Receiver();
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        receiver.messages.push({ headers: request.headers, body: Buffer.concat(pieces) });
        response.writeHead(receiver.status, { connection: "close" });
        response.end(receiver.answer);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    receiver.#server = server;
    receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`;
    return receiver;
  }

  async first(wanted: (told: { data: Record<string, unknown> }) => boolean): Promise<Message> {
    let found: Message | undefined;
    await expect.poll(() => (found = this.messages.find((message) => wanted(JSON.parse(message.body.toString())))), { timeout: 15_000 }).toBeTruthy();
    return found!;
  }

  close(): void {
    this.#server?.close();
  }
}

let house: House;
let bucket: Bucket;
let client: Client;
let sending: Sending;
const receivers: Receiver[] = [];
beforeAll(async () => {
  bucket = await Bucket.open();
  house = await House.open({ spans: true, settings: SETTINGS });
  client = new Client({ base: house.url, token: () => house.token });
  sending = new Sending(client);
});
afterAll(async () => {
  for (const receiver of receivers) receiver.close();
  bucket?.close();
  await house?.close();
});

let open: Page | undefined;
afterEach(() => open?.context().close());

async function at(hash: string, options = {}, prepare?: (page: Page) => Promise<unknown>): Promise<{ page: Page; trouble: string[] }> {
  const opened = await house.page(hash, options, prepare);
  open = opened.page;
  return opened;
}

async function receiver(): Promise<Receiver> {
  const one = await Receiver.open();
  receivers.push(one);
  return one;
}

const card = (page: Page, name: string) => page.getByRole("listitem").filter({ has: page.locator(".name", { hasText: name }) });
const button = (page: Page, action: string, name: string) => page.getByRole("button", { name: `${action}: ${name}`, exact: true });

/** The rows of the file that a link leads to. */
async function rowsBehind(page: Page, href: string | null): Promise<number> {
  const answer = await page.request.get(new URL(href!, house.url).href);
  expect(answer.status()).toBe(200);
  return rowsOf(await answer.text());
}

/** What the dialog says to verify with. */
async function shown(page: Page): Promise<string> {
  await page.getByRole("heading", { name: /^The (secret|public key) of this webhook$/ }).waitFor();
  return page.getByRole("dialog").getByLabel(/^(Secret|Public key)$/).inputValue();
}

/** Makes a webhook by the form, and comes back with what it says to verify with. */
async function made(page: Page, url: string, signing?: string): Promise<string> {
  await page.getByRole("button", { name: "New webhook" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("URL").fill(url);
  if (signing) await dialog.getByLabel("Signature").selectOption(signing);
  await dialog.getByRole("button", { name: "Create webhook" }).click();
  return shown(page);
}

describe("schedules", () => {
  test("one that a form made runs, and its file has what passes its filters", async () => {
    const { page, trouble } = await at("#/live/schedules");
    await page.getByRole("button", { name: "New schedule" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox", { name: "Name" }).fill("OpenAI weekly");
    await dialog.getByLabel("Dataset").selectOption("spans");
    await dialog.getByRole("textbox", { name: "Provider" }).fill("openai");
    // What is offered beside a filter moves what stands below.
    await dialog.getByRole("textbox", { name: "Provider" }).press("Tab");
    await dialog.getByLabel("Repeats").selectOption("weekly");
    await dialog.getByLabel("Friday").check();
    await dialog.getByLabel("Time zone").selectOption("Europe/Berlin");
    await dialog.getByRole("listitem").filter({ hasText: /^Fri, .*02:30/ }).first().waitFor();
    await dialog.getByRole("button", { name: "Create schedule" }).click();
    const one = card(page, "OpenAI weekly");
    await one.getByText("On Monday and Friday at 02:30").waitFor();
    await one.getByText("in Europe/Berlin").waitFor();
    await button(page, "Edit", "OpenAI weekly").click();
    await expect.poll(() => dialog.getByLabel("Time zone").inputValue()).toBe("Europe/Berlin");
    expect(await dialog.getByLabel("Repeats").inputValue()).toBe("weekly");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    // The same form, of something else.
    await page.getByRole("button", { name: "New schedule" }).click();
    await expect.poll(() => dialog.getByLabel("Repeats").inputValue()).toBe("daily");
    await dialog.getByRole("button", { name: "Cancel" }).click();

    await button(page, "Run now", "OpenAI weekly").click();
    const link = one.getByRole("link", { name: "Download" });
    await link.waitFor();
    expect(await one.getByRole("link", { name: "Export" }).getAttribute("href")).toMatch(/^#\/exports\?job=job_/);
    const { count } = await client.count("spans", { provider: "openai" });
    expect(count).toBeGreaterThan(10);
    expect(await rowsBehind(page, await link.getAttribute("href"))).toBe(count);
    // Nothing has come since.
    await button(page, "Run now", "OpenAI weekly").click();
    await page.getByRole("alert").getByText("there are no rows since the last run").waitFor();
    expect(trouble.filter((one) => !one.includes("409"))).toEqual([]);
  });

  test("one is paused, resumed, and run over a window of the past", async () => {
    const { name } = await sending.createSchedule({ name: "Past", dataset: "spans", cron: "0 3 1 1 *", window: "full", request: { format: "csv" } });
    const { rows } = await client.rows("spans", { limit: 1, sort: { column: "started_at" } });
    const begins = new Date(String(rows[0]!["started_at"]));
    const { page } = await at("#/live/schedules", { timezoneId: "UTC" });
    const one = card(page, name);
    await button(page, "Pause", name).click();
    await one.getByText("Paused", { exact: true }).waitFor();
    await one.getByText("none while it is paused").waitFor();
    await button(page, "Resume", name).click();
    await one.getByText("Active", { exact: true }).waitFor();

    await button(page, "Backfill…", name).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("From").fill(begins.toISOString().slice(0, 16));
    await dialog.getByLabel("To").fill("2000-01-01T00:00");
    await dialog.getByRole("button", { name: "Begin backfill" }).click();
    await dialog.locator("#to-error").waitFor();
    const ends = new Date(Math.min(begins.getTime() + 300 * 86_400_000, Date.now()));
    await dialog.getByLabel("To").fill(ends.toISOString().slice(0, 16));
    const said = await dialog.getByText(/^This makes one export, of [\d,]+ rows/).textContent();
    await dialog.getByRole("button", { name: "Begin backfill" }).click();
    const row = one.getByRole("row").filter({ hasText: "as a backfill" });
    const link = row.getByRole("link", { name: /^Download/ });
    await link.waitFor();
    const count = await rowsBehind(page, await link.getAttribute("href"));
    expect(count).toBeGreaterThan(0);
    expect(said).toContain(`of ${new Intl.NumberFormat("en-US").format(count)} rows`);
  });

  test("a change keeps what the form says nothing of, and who came second loads the newer one", async () => {
    const fields = ["span_id", { name: "cost_usd", as: "Cost" }];
    const { id, name } = await sending.createSchedule({ name: "Twice", dataset: "spans", cron: "0 3 * * *", request: { format: "csv", delimiter: ";", fields, model: ["a", "b"] } });
    const { page } = await at("#/live/schedules");
    await button(page, "Edit", name).click();
    const dialog = page.getByRole("dialog");
    await expect.poll(() => dialog.getByRole("textbox", { name: "Name" }).inputValue()).toBe("Twice");
    expect(await dialog.getByRole("textbox", { name: "Model" }).inputValue()).toBe("a, b");
    await sending.changeSchedule(id, null, { cron: "0 4 * * *" });
    await dialog.getByRole("textbox", { name: "Name" }).fill("Thrice");
    await dialog.getByRole("button", { name: "Save changes" }).click();
    await dialog.getByRole("alert").getByText("Somebody changed it meanwhile").waitFor();
    await dialog.getByRole("button", { name: "Load the newer one" }).click();
    await expect.poll(() => dialog.getByLabel("At", { exact: true }).inputValue()).toBe("04:00");
    await dialog.getByRole("textbox", { name: "Name" }).fill("Thrice");
    await dialog.getByLabel("Compression").selectOption("gzip");
    await dialog.getByRole("button", { name: "Save changes" }).click();
    await card(page, "Thrice").waitFor();
    const { body } = await sending.schedule(id);
    expect(body.cron).toBe("0 4 * * *");
    expect(body.request).toEqual({ format: "csv", delimiter: ";", fields, model: ["a", "b"], compression: "gzip" });
    await button(page, "Edit", "Thrice").click();
    await dialog.getByLabel("Format", { exact: true }).selectOption("parquet");
    await dialog.getByRole("button", { name: "Save changes" }).click();
    await expect.poll(async () => (await sending.schedule(id)).body.request).toEqual({ format: "parquet", fields, model: ["a", "b"] });
    await dialog.waitFor({ state: "hidden" });
    await button(page, "Delete", "Thrice").click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await card(page, "Thrice").waitFor({ state: "detached" });
    await expect.poll(() => focused(page)).toBe("New schedule");
  });

  test("one that cannot be had is not opened, and not made a second time", async () => {
    const { id, name } = await sending.createSchedule({ name: "Away", dataset: "spans", cron: "0 3 * * *", request: { format: "csv" } });
    const { page } = await at("#/live/schedules");
    await page.route(`**/api/v1/schedules/${id}`, (route) => route.abort());
    await button(page, "Edit", name).click();
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("dialog").count()).toBe(0);
    await page.unroute(`**/api/v1/schedules/${id}`);
    await button(page, "Edit", name).click();
    await page.getByRole("dialog").getByRole("button", { name: "Save changes" }).waitFor();
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  test("what the server has against it stands at its field, and one is brought there", async () => {
    const { page } = await at("#/live/schedules");
    await page.getByRole("button", { name: "New schedule" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox", { name: "Name" }).fill("Wrong");
    await dialog.getByLabel("Repeats").selectOption("written");
    await dialog.getByLabel("Cron expression").fill("61 * * * *");
    await dialog.getByText("is five fields: minute, hour").waitFor();
    await dialog.getByLabel("Send mail").selectOption("others");
    await dialog.getByLabel("Addresses").fill("nobody");
    await dialog.getByRole("button", { name: "Create schedule" }).click();
    await expect.poll(() => dialog.getByLabel("Cron expression").evaluate((field) => (field.getRootNode() as ShadowRoot).activeElement === field)).toBe(true);
    expect(await dialog.getByLabel("Addresses").getAttribute("aria-invalid")).toBe("true");
  });
});

describe("webhooks", () => {
  test("one that a form made is told, and the published library believes it", async () => {
    const told = await receiver();
    const { page } = await at("#/live/webhooks");
    const secret = await made(page, told.url);
    await page.getByRole("button", { name: "I have copied it" }).click();
    expect(await page.locator("offtake-webhooks").innerHTML()).not.toContain(secret);
    const { job_id: job } = await client.create("spans", { format: "csv", limit: 3 }, crypto.randomUUID());
    const { headers, body } = await told.first(({ data }) => data["job_id"] === job && data["status"] === "completed");
    const { Webhook } = published("standardwebhooks") as { Webhook: new (secret: string) => { verify: (body: Buffer, headers: unknown) => unknown } };
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({ type: "export_job_status", data: { job_id: job } });
    expect(() => new Webhook(secret).verify(Buffer.from(body.toString().replace("completed", "cancelled")), headers)).toThrow();
  });

  test("a key pair is verified as the page says", async () => {
    const told = await receiver();
    const { page } = await at("#/live/webhooks");
    const key = await made(page, told.url, "ed25519");
    expect(key).toMatch(/^whpk_/);
    const snippet = await page.getByRole("dialog").locator("pre").first().textContent();
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await button(page, "Send test", told.url).click();
    const { headers, body } = await told.first(() => true);
    const holds = async (given: Buffer): Promise<boolean> => {
      const said = JSON.stringify({ key, headers, body: given.toString("base64") });
      const source = `${snippet}\nexport default holds;`;
      const around = `const { key: OFFTAKE_KEY, headers, body: encoded } = ${said}; const process = { env: { OFFTAKE_KEY } }; const body = Buffer.from(encoded, "base64");\n`;
      const module = source.replace(/^(import .*\n)/, `$1${around.replaceAll("$", "$$$$")}`);
      const { default: result } = (await import(/* @vite-ignore */ `data:text/javascript;base64,${Buffer.from(module).toString("base64")}`)) as { default: boolean };
      return result;
    };
    expect(await holds(body)).toBe(true);
    expect(await holds(Buffer.concat([body, Buffer.from(" ")]))).toBe(false);
  });

  test("what an endpoint refused is in its log with the answer, and a replay delivers it", async () => {
    const told = await receiver();
    told.status = 503;
    told.answer = "being moved";
    const { page } = await at("#/live/webhooks");
    await made(page, told.url);
    await page.getByRole("button", { name: "I have copied it" }).click();
    await button(page, "Send test", told.url).click();
    const one = card(page, told.url);
    const row = one.getByRole("row").filter({ hasText: "system_alert" }).first();
    await row.getByText("Failed", { exact: true }).waitFor();
    await row.getByText("503: being moved").waitFor();
    await row.getByRole("button", { name: /^Details/ }).click();
    await one.getByText("Payload").click();
    const payload = JSON.parse((await one.locator("pre").textContent())!) as unknown;
    expect(payload).toEqual(JSON.parse(told.messages[0]!.body.toString()));
    await page.setViewportSize({ width: 320, height: 640 });
    expect(await house.violations(page)).toEqual([]);

    told.status = 204;
    told.answer = "";
    await row.getByRole("button", { name: /^Replay/ }).click();
    await row.getByText("Delivered", { exact: true }).waitFor();
    expect(new Set(told.messages.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    await one.getByLabel("State").selectOption("failed");
    await one.getByText("Nothing is in this state.").waitFor();
  });

  test("another URL is said to have another key before it is saved; rotating shows the next", async () => {
    const [first, second] = [await receiver(), await receiver()];
    const { page } = await at("#/live/webhooks");
    const secret = await made(page, first.url);
    await page.getByRole("button", { name: "I have copied it" }).click();
    await button(page, "Edit", first.url).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("URL").fill("http://10.1.2.3/told");
    await dialog.getByText("Another URL gets another key").waitFor();
    await dialog.getByRole("button", { name: "Save changes" }).click();
    await dialog.locator("#url-error").waitFor();
    await dialog.getByLabel("URL").fill(second.url);
    await dialog.getByRole("button", { name: "Save changes" }).click();
    const moved = await shown(page);
    await page.getByRole("button", { name: "I have copied it" }).click();
    await button(page, "Rotate key…", second.url).click();
    // However often one presses: each rotation would void the key before.
    let rotations = 0;
    page.on("request", (request) => (rotations += Number(request.url().endsWith("/rotate"))));
    await page.getByRole("button", { name: "Rotate key", exact: true }).evaluate((button: HTMLButtonElement) => [button.click(), button.click()]);
    const rotated = await shown(page);
    expect(rotations).toBe(1);
    expect(new Set([secret, moved, rotated]).size).toBe(3);
    await page.getByRole("button", { name: "I have copied it" }).click();
    await card(page, second.url).getByText("the key before signs along until").waitFor();
  });

  test("who changes something else leaves another's URL as it is, and its key", async () => {
    const [first, second] = [await receiver(), await receiver()];
    const { id } = await sending.createWebhook({ url: first.url, events: ["system_alert"] });
    const { page } = await at("#/live/webhooks");
    await button(page, "Edit", first.url).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Description").fill("Ours");
    await sending.changeWebhook(id, { url: second.url });
    await dialog.getByRole("button", { name: "Save changes" }).click();
    await card(page, second.url).getByText("Ours").waitFor();
    expect(await dialog.count()).toBe(0);
  });

  test("the keyboard is enough", async () => {
    const told = await receiver();
    const { page } = await at("#/live/webhooks");
    await page.getByRole("button", { name: "New webhook" }).waitFor();
    await press(page, "Tab", "New webhook");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.type(told.url);
    await press(page, "Tab", "Create webhook");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "The secret of this webhook" }).waitFor();
    await press(page, "Tab", "I have copied it");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await card(page, told.url).waitFor();
    await press(page, "Tab", "Delete");
  });
});

describe("destinations", () => {
  test("one is renamed as it is, pointed elsewhere with its secret alone, and never over what somebody else changed", async () => {
    const made = { name: "pond", bucket: "files", region: "us-east-1", endpoint: bucket.url, access_key: ACCESS_KEY, secret_key: "not-the-secret" };
    const { id } = await sending.createDestination(made);
    const { page } = await at("#/live/destinations");
    const dialog = page.getByRole("dialog");
    const [save, field] = [dialog.getByRole("button", { name: "Probe and save" }), (name: string) => dialog.getByRole("textbox", { name, exact: true })];
    await button(page, "Edit", "pond").click();
    await field("Name").fill("pool");
    await save.click();
    await page.getByText("pool is saved.").waitFor();

    await button(page, "Edit", "pool").click();
    await dialog.getByText("Left empty, it stays as it is.").waitFor();
    await field("Bucket").fill("others");
    await dialog.getByText("sent nowhere else").waitFor();
    await save.click();
    await dialog.locator("#secret_key-error").waitFor();
    await field("Secret key").fill("another-secret");
    await sending.changeDestination(id, null, { prefix: "meanwhile" });
    await save.click();
    await dialog.getByText("Somebody changed it meanwhile").waitFor();
    await dialog.getByRole("button", { name: "Load the newer one" }).click();
    await expect.poll(() => field("Prefix").inputValue()).toBe("meanwhile");
    await field("Bucket").fill("others");
    await field("Secret key").fill("another-secret");
    await save.click();
    await page.getByText("pool takes what it must.").waitFor();
    await card(page, "pool").getByText("s3://others/meanwhile").waitFor();
    await sending.deleteDestination(id);
  });

  test("a probe that is over late leaves the form that was opened since", async () => {
    const { page } = await at("#/live/destinations");
    let letGo!: () => void;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    await page.route("**/api/v1/destinations", async (route) => {
      if (route.request().method() !== "POST") return route.continue();
      await held;
      return route.fulfill({ status: 201, json: { id: "dst_late", name: "late" } });
    });
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "New destination" }).click();
    await dialog.getByRole("button", { name: "Probe and keep" }).click();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "New destination" }).click();
    await dialog.getByRole("textbox", { name: "Name", exact: true }).fill("second");
    letGo();
    await page.getByText("late takes what it must.").waitFor();
    expect(await dialog.getByRole("textbox", { name: "Name", exact: true }).inputValue()).toBe("second");
    expect(await dialog.getByRole("button", { name: "Probe and keep" }).isEnabled()).toBe(true);
  });

  test("one is kept only once its bucket takes what it must, and then files go there", async () => {
    const { page } = await at("#/live/destinations");
    await page.getByRole("button", { name: "New destination" }).click();
    const dialog = page.getByRole("dialog");
    const said = { Bucket: "files", Region: "us-east-1", Endpoint: bucket.url, Prefix: "out", "Access key": "AKIANOBODY", "Secret key": "not-the-secret" };
    for (const [label, value] of Object.entries(said)) await dialog.getByRole("textbox", { name: label, exact: true }).fill(value);
    await dialog.getByRole("button", { name: "Probe and keep" }).click();
    await dialog.locator("#name-error").waitFor();
    await dialog.getByRole("textbox", { name: "Name", exact: true }).fill("lake");
    await dialog.getByRole("button", { name: "Probe and keep" }).click();
    await dialog.locator("#access_key-error").getByText("the store does not know the access key; correct it").waitFor();
    expect((await sending.destinations()).length).toBe(0);
    await dialog.getByRole("textbox", { name: "Access key", exact: true }).fill(ACCESS_KEY);
    await dialog.getByRole("button", { name: "Probe and keep" }).click();
    await card(page, "lake").getByText("none yet").waitFor();
    expect(await page.locator("offtake-destinations").innerHTML()).not.toContain("not-the-secret");
    await button(page, "Probe", "lake").click();
    await page.getByText("lake takes what it must.").waitFor();

    await page.goto(`${house.url}/#/live/schedules`);
    await page.getByRole("button", { name: "New schedule" }).click();
    await dialog.getByRole("textbox", { name: "Name" }).fill("To the lake");
    await dialog.getByLabel("Put the file into").selectOption("lake");
    await dialog.getByRole("button", { name: "Create schedule" }).click();
    await card(page, "To the lake").getByText("to lake").waitFor();
    await button(page, "Run now", "To the lake").click();
    await card(page, "To the lake").getByText("Ready", { exact: true }).waitFor();
    await expect.poll(() => [...bucket.objects.keys()].filter((key) => key.startsWith("/files/out/traces/")).length, { timeout: 15_000 }).toBe(2);
    await page.goto(`${house.url}/#/live/destinations`);
    await card(page, "lake").getByText("Delivered", { exact: true }).waitFor();
    expect(await house.violations(page)).toEqual([]);
    await button(page, "Delete", "lake").click();
    await page.getByRole("dialog").getByText("These schedules deliver there and will fail: To the lake.").waitFor();
  });
});

test("who may not is told which permission is needed", async () => {
  const { page } = await at("#/live/webhooks", {}, (page) => page.route("**/api/v1/session", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), permissions: ["exports:read", "traces:read"] } });
  }));
  await page.getByText("This needs the permission admin").waitFor();
  await page.getByRole("link", { name: "Schedules" }).click();
  await page.getByText("This needs the permission exports:create").waitFor();
  await card(page, "OpenAI weekly").waitFor();
  expect(await page.getByRole("button", { name: "New schedule" }).isDisabled()).toBe(true);
  expect(await button(page, "Run now", "OpenAI weekly").count()).toBe(0);
});

/** What the button says that has the focus. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element?.textContent?.replace(/\s+/g, " ").trim() ?? "";
  });
}

/** Presses a key until a button of this name has the focus. */
async function press(page: Page, key: string, name: string): Promise<void> {
  for (let pressed = 0; pressed < 100; pressed += 1) {
    if ((await focused(page)) === name) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${key} never leads to ${name}`);
}
