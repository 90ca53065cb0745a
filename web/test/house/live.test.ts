/** What happens now: events in a browser, rules and budgets made there, and what becomes of them on genuine spans. */
import { randomBytes } from "node:crypto";
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../../src/core/client";
import { House } from "./house";

let house: House;
let client: Client;
beforeAll(async () => {
  house = await House.open({ spans: false, settings: '[worker]\nalerts = "100ms"\n' });
  client = new Client({ base: house.url, token: () => house.token });
});
afterAll(() => house?.close());

let open: Page | undefined;
afterEach(() => open?.context().close());

async function at(hash: string, options = {}): Promise<{ page: Page; trouble: string[] }> {
  const opened = await house.page(hash, options);
  open = opened.page;
  return opened;
}

/** At the stream of events, and told of them. */
async function listening(options = {}): Promise<{ page: Page; trouble: string[] }> {
  const opened = await at("#/live", options);
  await connected(opened.page);
  return opened;
}

const connected = (page: Page) => page.getByText("Connected: events appear as they happen").waitFor();
const lines = (page: Page) => page.getByRole("log").getByRole("listitem");
const card = (page: Page, name: string) => page.getByRole("article", { name });

type Sent = { readonly model: string; readonly provider?: string; readonly cost?: number; readonly failed?: boolean };

/** Sends a model call that has just ended; the id of its trace. */
async function send({ model, provider = "openai", cost = 0.25, failed = false }: Sent): Promise<string> {
  const traceId = randomBytes(16).toString("hex");
  const now = BigInt(Date.now()) * 1_000_000n;
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const span = {
    traceId, spanId: randomBytes(8).toString("hex"), name: `chat ${model}`, kind: 3, startTimeUnixNano: String(now - 200_000_000n), endTimeUnixNano: String(now),
    status: { code: failed ? 2 : 1 },
    attributes: [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", model), text("gen_ai.provider.name", provider), { key: "gen_ai.usage.cost", value: { doubleValue: cost } }],
  };
  const answer = await fetch(`${house.url}/v1/traces`, {
    method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${house.token}` },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
  });
  expect(answer.status).toBe(200);
  return traceId;
}

async function sendAll(model: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let sent = 0; sent < count; sent += 1) ids.push(await send({ model }));
  return ids;
}

/** Traces that are listed as new, oldest first. */
async function listedTraces(page: Page): Promise<string[]> {
  const links = await lines(page).filter({ hasText: "New trace" }).locator("a").evaluateAll((found) => found.map((link) => (link as HTMLAnchorElement).hash));
  return links.map((hash) => hash.replace("#/traces?trace=", "")).reverse();
}

async function rules(): Promise<{ id: string; name: string }[]> {
  return (await client.call<{ alerts: { id: string; name: string }[] }>("alerts")).body.alerts;
}

const make = async (body: Record<string, unknown>) => (await client.call<{ id: string }>("alerts", { method: "POST", body })).body.id;
const RULE = { kind: "metric", metric: "cost", window_seconds: 3600, direction: "above", threshold: 1000 };

describe("events", () => {
  test("who waits is told how to cause one", async () => {
    const { page } = await listening();
    await page.getByText("Waiting for the first event").waitFor();
    expect(await page.locator("offtake-first-event pre").textContent()).toContain(`${house.url}/v1/traces`);
    // As on a page that came unencrypted: what is to be copied is shown, and selected.
    await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
    await page.getByRole("button", { name: "Copy", exact: true }).click();
    const shown = page.getByRole("textbox", { name: "The browser allows no copying here" });
    expect(await shown.inputValue()).toContain(`${house.url}/v1/traces`);
    await expect.poll(() => shown.evaluate((area: HTMLTextAreaElement) => area.selectionEnd - area.selectionStart)).toBe((await shown.inputValue()).length);
  });

  test("a span that is sent is a line that leads to its trace, and shows its JSON", async () => {
    const { page, trouble } = await listening();
    const id = await send({ model: "gpt-4o", failed: true });
    const line = lines(page).filter({ hasText: "New trace" });
    await line.getByText("gpt-4o · openai").waitFor();
    expect(await line.locator("a").textContent()).toBe("gpt-4o · openai · 200 ms · $0.25 · failed");
    await line.locator("summary").click();
    expect(JSON.parse((await line.locator("pre").textContent())!)).toMatchObject({ event_type: "trace_created", data: { trace_id: id, status_code: "ERROR" } });
    expect(await page.getByRole("log").getAttribute("aria-live")).toBe("off");
    await line.locator("a").click();
    await page.getByRole("dialog").getByText("1 span", { exact: false }).first().waitFor();
    expect(trouble).toEqual([]);
  });

  test("types and filters say what is told, and what is wrong with them stands at the field", async () => {
    const { page } = await listening();
    await page.getByText("Filters", { exact: true }).click();
    await page.getByLabel("Cost at least (USD)").fill("much");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText("min_cost is a number from 0 on").waitFor();
    await page.getByText("Nothing is told: the filters above are not taken").waitFor();
    expect(await page.getByLabel("Cost at least (USD)").getAttribute("aria-invalid")).toBe("true");
    await page.getByLabel("Cost at least (USD)").fill("0.5");
    await page.getByLabel("Provider").fill("anthropic, mistral");
    await page.getByLabel("Provider").press("Enter");
    await connected(page);
    await send({ model: "another-provider", cost: 9 });
    await send({ model: "too-cheap", provider: "mistral", cost: 0.4 });
    await send({ model: "just-right", provider: "anthropic", cost: 0.5 });
    await lines(page).filter({ hasText: "just-right" }).waitFor();
    expect(await lines(page).count()).toBe(1);
    // What is wanted stands in the address bar, and holds for a reload.
    await page.waitForURL(/f\.min_cost=0\.5&f\.provider=anthropic/);
    await page.reload();
    await connected(page);
    await send({ model: "another-provider", cost: 9 });
    await send({ model: "just-right", provider: "anthropic", cost: 0.5 });
    await lines(page).filter({ hasText: "just-right" }).waitFor();
    expect(await lines(page).count()).toBe(1);
    await page.getByRole("checkbox", { name: "New trace" }).uncheck();
    await page.getByRole("checkbox", { name: "Trace grew" }).uncheck();
    await page.getByText("Only what passes the types and filters above appears here.").waitFor();
  });

  test("an address that nothing comes of says so, and does not wait for ever", async () => {
    const { page } = await at("#/live/events?f.min_cost=much");
    await page.getByText("Nothing is told: the filters above are not taken").waitFor();
    await page.evaluate(() => (location.hash = "#/live/events?f.type="));
    await page.getByText("Nothing is told: no type is chosen").waitFor();
    await page.evaluate(() => (location.hash = "#/live/events"));
    await connected(page);
  });

  test("moments stay in the zone that was chosen, on every part of the page and behind its links", async () => {
    const { page } = await at("#/live?tz=UTC", { timezoneId: "Asia/Tokyo" });
    await connected(page);
    expect(page.url()).toMatch(/#\/live\/events\?tz=UTC$/);
    await send({ model: "gpt-4o" });
    const line = lines(page).filter({ hasText: "New trace" });
    expect(await line.locator("a").getAttribute("href")).toContain("tz=UTC");
    await page.getByRole("navigation", { name: "What happens now" }).getByRole("link", { name: "Alert rules" }).click();
    await page.waitForURL(/#\/live\/alerts\?tz=UTC$/);
  });

  test("a pause holds what comes, counts it, and shows it when asked", async () => {
    const { page } = await listening();
    await sendAll("before", 1);
    await lines(page).filter({ hasText: "before" }).waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await sendAll("meanwhile", 3);
    await page.getByRole("button", { name: "Show 3 more events" }).click();
    await lines(page).filter({ hasText: "meanwhile" }).nth(2).waitFor();
    expect(await focused(page.getByRole("button", { name: "Resume" }))).toBe(true);
    await sendAll("later", 1);
    await page.getByRole("button", { name: "Show 1 more event" }).waitFor();
    expect(await lines(page).filter({ hasText: "later" }).count()).toBe(0);
    await page.getByRole("button", { name: "Resume" }).click();
    await lines(page).filter({ hasText: "later" }).waitFor();
    expect(await lines(page).first().textContent()).toContain("later");
    expect(await lines(page).count()).toBe(5);
    await page.getByRole("button", { name: "Clear list" }).click();
    await page.getByText("Waiting for the first event").waitFor();
  });

  test("after a restart of the server none is missing and none comes twice", async () => {
    const { page } = await listening();
    const sent = await sendAll("one-life", 3);
    await lines(page).nth(2).waitFor();
    await house.stop();
    await page.getByText("The connection is lost.").waitFor();
    await house.start();
    // Before the page is back, and after.
    sent.push(...(await sendAll("between", 4)));
    await page.getByText("The connection is lost.").waitFor({ state: "hidden" });
    sent.push(...(await sendAll("next-life", 3)));
    await lines(page).filter({ hasText: "next-life" }).nth(2).waitFor();
    expect(await listedTraces(page)).toEqual(sent);
    // Nor is anything missing of what happened while one looked at another page.
    await page.getByRole("link", { name: "Budgets" }).click();
    await page.getByText("No budgets yet").waitFor();
    sent.push(...(await sendAll("not-looked", 2)));
    await page.getByRole("link", { name: "Events" }).click();
    await lines(page).filter({ hasText: "not-looked" }).nth(1).waitFor();
    expect(await listedTraces(page)).toEqual(sent);
  });
});

describe("alert rules", () => {
  test("one that is made by the keyboard alone fires on spans, here and in the stream", async () => {
    const { page, trouble } = await listening();
    await page.getByRole("link", { name: "Alert rules" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("No alert rules yet").waitFor();
    const press = async (to: RegExp) => {
      await focusBy(page, "Tab", to);
      await page.keyboard.press("Enter");
    };
    await press(/^New alert rule$/);
    await focusBy(page, "Tab", /^name$/);
    await page.keyboard.type("Failing");
    await focusBy(page, "Tab", /^metric$/);
    await page.keyboard.type("Error rate");
    await focusBy(page, "Tab", /^threshold$/);
    await page.keyboard.type("40");
    await focusBy(page, "Tab", /^Only some traces$/);
    await page.keyboard.press("Enter");
    await focusBy(page, "Tab", /^filters\/model$/);
    await page.keyboard.type("flaky");
    await press(/^Create$/);
    await card(page, "Failing").getByText("Fires when error rate over 15 min is above 40%, where model is flaky").waitFor();
    // The watch is over what comes from its first look on.
    await judged("Failing");
    await send({ model: "steady", failed: true });
    await send({ model: "flaky", failed: true });
    await card(page, "Failing").getByText("Firing", { exact: true }).waitFor();
    await card(page, "Failing").getByRole("img", { name: "100%, threshold 40%" }).waitFor();
    await page.getByRole("link", { name: "Events" }).click();
    const line = lines(page).filter({ hasText: "Failing: error rate is 100%, above 40%" });
    await line.waitFor();
    expect(await line.count()).toBe(1);
    expect(trouble).toEqual([]);
  });

  test("what is wrong stands at its field, and gets the focus", async () => {
    const { page } = await at("#/live/alerts");
    await page.getByRole("button", { name: "New alert rule" }).click();
    const form = page.getByRole("dialog");
    await form.getByLabel("Window", { exact: true }).fill("5");
    await form.getByLabel("Window: unit").selectOption("seconds");
    await form.getByLabel("Threshold").fill("2000");
    await form.getByLabel("Over again at").fill("3000");
    await form.getByRole("button", { name: "Create" }).click();
    await form.getByText("is at most the threshold").waitFor();
    const wrong = async (field: Locator) => {
      expect(await field.getAttribute("aria-invalid")).toBe("true");
      const described = (await field.getAttribute("aria-describedby"))!.split(" ").at(-1)!;
      return form.locator(`[id="${described}"]`).textContent();
    };
    expect(await wrong(form.getByLabel("Name"))).toContain("1 to 200 characters");
    expect(await wrong(form.getByLabel("Window", { exact: true }))).toContain("from 60 to 86400");
    expect(await form.getByLabel("Threshold").getAttribute("aria-invalid")).toBeNull();
    expect(await focused(form.getByLabel("Name"))).toBe(true);
    await form.getByLabel("Name").fill("Mended");
    await form.getByLabel("Window: unit").selectOption("minutes");
    await form.getByLabel("Over again at").fill("1500");
    await form.getByRole("button", { name: "Create" }).click();
    await card(page, "Mended").getByText("Fires when latency P95 over 5 min is above 2 sec, over again at 1.5 sec").waitFor();
  });

  test("who changes what somebody else changed meanwhile is told, and decides", async () => {
    const id = await make({ ...RULE, name: "Shared" });
    const { page } = await at("#/live/alerts");
    await page.getByRole("button", { name: "Edit: Shared" }).click();
    const form = page.getByRole("dialog");
    await form.getByLabel("Threshold").fill("500");
    await client.call(`alerts/${id}`, { method: "PATCH", body: { min_traces: 7 } });
    await form.getByRole("button", { name: "Save" }).click();
    await form.getByText("Somebody else changed it meanwhile").waitFor();
    expect(await form.getByLabel("Threshold").inputValue()).toBe("500");
    expect(await focused(form.getByRole("button", { name: "Show what is there now" }))).toBe(true);
    await form.getByRole("button", { name: "Save my changes over it" }).click();
    await form.waitFor({ state: "hidden" });
    // Mine is saved, and what I did not touch is theirs.
    expect((await client.call(`alerts/${id}`)).body).toMatchObject({ threshold: 500, clear_threshold: 500, min_traces: 7 });
  });

  test("one that cannot be had is not opened, and nothing closes while somebody types", async () => {
    const id = await make({ ...RULE, name: "Held" });
    const { page } = await at("#/live/alerts");
    await page.route(`**/api/v1/alerts/${id}`, (route) => route.abort());
    await page.getByRole("button", { name: "Edit: Held" }).click();
    await page.getByRole("alert").waitFor();
    const form = page.getByRole("dialog");
    expect(await form.count()).toBe(0);
    await page.unroute(`**/api/v1/alerts/${id}`);
    await page.getByRole("button", { name: "Edit: Held" }).click();
    await form.getByText("Only some traces").click();
    const model = form.getByLabel("Model", { exact: true });
    await model.fill("m");
    await model.fill("");
    await form.getByLabel("Threshold").fill("900");
    expect(await model.isVisible()).toBe(true);
  });

  test("switching off asks for nothing, deleting asks first", async () => {
    await make({ ...RULE, name: "Doomed" });
    const { page } = await at("#/live/alerts");
    await page.getByRole("button", { name: "Switch off: Doomed" }).click();
    await card(page, "Doomed").getByText("Off", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Delete: Doomed" }).click();
    await page.getByRole("dialog").getByText("Delete Doomed?").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    expect((await rules()).map(({ name }) => name)).toContain("Doomed");
    await page.getByRole("button", { name: "Delete: Doomed" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await card(page, "Doomed").waitFor({ state: "detached" });
    await expect.poll(() => focused(page.getByRole("button", { name: "New alert rule" }))).toBe(true);
    expect((await rules()).map(({ name }) => name)).not.toContain("Doomed");
  });

  test("without admin one looks and does not touch; without the right to events there are none", async () => {
    await make({ ...RULE, name: "Seen" });
    const { page } = await at("#/live/alerts");
    await page.route("**/api/v1/session", async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...(await answer.json()), permissions: ["alerts:read"] } });
    });
    await page.reload();
    await card(page, "Seen").waitFor();
    await page.getByText("Only who may administer the organization changes these.").waitFor();
    expect(await page.getByRole("button", { name: /New alert rule|Edit|Switch|Delete/ }).count()).toBe(0);
    await page.getByRole("link", { name: "Events" }).click();
    await connected(page);
    expect(await page.getByRole("group", { name: "Types of events" }).getByRole("checkbox").count()).toBe(1);
  });
});

describe("budgets", () => {
  test("one that is made by the form is spent by spans, here and in the stream", async () => {
    const { page, trouble } = await listening();
    await page.getByRole("link", { name: "Budgets" }).click();
    await page.getByRole("button", { name: "New budget" }).click();
    const form = page.getByRole("dialog");
    await form.getByLabel("Name").fill("Tests");
    await form.getByLabel("Provider").fill("the-tests");
    await form.getByLabel("Time zone").fill("UTC");
    await form.getByRole("button", { name: "Create" }).click();
    await form.getByText("is needed: a decimal above 0").waitFor();
    await form.getByLabel("Amount (USD)").fill("10");
    await form.getByLabel("Told at (percent)").fill("50 %, 100 %");
    await form.getByRole("button", { name: "Create" }).click();
    const budget = card(page, "Tests");
    await budget.getByText("$10.00 a month with the-tests, days as in UTC").waitFor();
    await judged("Tests");
    await send({ model: "m", provider: "the-tests", cost: 6 });
    await budget.getByText("Getting near").waitFor();
    await budget.getByText("$6.00 of $10.00 spent (60%)").waitFor();
    await send({ model: "m", provider: "the-tests", cost: 7 });
    await budget.getByText("Spent", { exact: true }).waitFor();
    await budget.getByText("$3.00 beyond the budget").waitFor();
    await page.getByRole("link", { name: "Events" }).click();
    for (const said of ["Tests: 50% of $10.00 is spent ($6.00, this month)", "Tests: 100% of $10.00 is spent ($13.00, this month)"]) {
      await lines(page).filter({ hasText: said }).waitFor();
    }
    expect(trouble.filter((one) => !one.includes("422"))).toEqual([]);
  });
});

const focused = (of: Locator) => of.evaluate((element) => (element.getRootNode() as ShadowRoot).activeElement === element);

/** Waits until the rule of this name is looked after. */
async function judged(name: string): Promise<void> {
  const isJudged = async () => {
    const { alerts } = (await client.call<{ alerts: { name: string; state: { judged_at: string | null } }[] }>("alerts")).body;
    return alerts.some((alert) => alert.name === name && alert.state.judged_at !== null);
  };
  await expect.poll(isJudged, { timeout: 15_000 }).toBe(true);
}

const looks: [string, object][] = [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["small", { colorScheme: "light", viewport: { width: 320, height: 640 } }],
  // What zooming to 200 % makes of the screen.
  ["zoomed", { colorScheme: "dark", viewport: { width: 680, height: 430 }, deviceScaleFactor: 2 }],
];

test.each(looks)("axe has nothing against events: %s", async (_, options) => {
  const { page } = await listening(options);
  const check = async (what: string) => {
    expect(await house.violations(page), what).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${what} does not scroll sideways`).toBeLessThanOrEqual(0);
  };
  await send({ model: "a-model-with-a-name-that-is-long-enough-to-be-broken-into-lines", failed: true });
  await lines(page).first().locator("summary").click();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Filters", { exact: true }).click();
  await check("events");
  await page.getByLabel("Cost at least (USD)").fill("much");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByText("min_cost is a number from 0 on").waitFor();
  await check("refused filters");
});

/** Presses a key until what has the focus is called so, or says so. */
async function focusBy(page: Page, key: string, name: RegExp): Promise<void> {
  for (let pressed = 0; pressed < 100; pressed += 1) {
    const focused = await page.evaluate(() => {
      let element = document.activeElement;
      while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
      const isField = element instanceof HTMLInputElement || element instanceof HTMLSelectElement;
      return isField ? element!.id : element?.textContent?.replace(/\s+/g, " ").trim() ?? "";
    });
    if (name.test(focused)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${key} never leads to ${name}`);
}
