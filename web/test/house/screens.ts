/** Every screen there is, and how one gets there. What is promised of all of them is tested of all: a new screen is a line here. */
import type { BrowserContextOptions, Page } from "playwright-core";
import type { House } from "./house";

export type Screen = {
  readonly name: string;
  /** The address, behind the server's own. */
  readonly at: string | ((house: House) => Promise<string>);
  /** Goes on from there, until it is drawn. Words are found within others: languages differ. */
  readonly reach: (page: Page) => Promise<void>;
  /** Whose eyes: somebody with spans, unless it is said otherwise. */
  readonly as?: "newcomer" | "stranger";
  /** A page that the server draws, in English alone. */
  readonly isServers?: true;
};

const rows = (page: Page) => page.locator("offtake-table tbody tr").first().waitFor();

async function chosen(page: Page): Promise<void> {
  await rows(page);
  await page.getByLabel("Select the rows on this page").check();
  await page.locator("offtake-banner [role=status]").getByText("selected").waitFor();
}

async function asked(page: Page): Promise<void> {
  await chosen(page);
  await page.getByRole("button", { name: /Download 50/ }).click();
  await page.getByRole("dialog").getByText("The first rows").first().waitFor();
}

async function panel(page: Page): Promise<void> {
  await page.locator("offtake-exports-page td").getByText("Ready").first().waitFor();
  await page.getByRole("button", { name: "Downloads" }).first().click();
  await page.locator("offtake-downloads li").getByText("Ready").first().waitFor();
}

export const screens: readonly Screen[] = [
  { name: "traces", at: "#/traces", reach: rows },
  { name: "prompts", at: "#/prompts?when=last-604800&f.provider=openai", reach: (page) => page.locator("offtake-table [role=status]").getByText("prompts").waitFor() },
  { name: "a selection", at: "#/spans", reach: chosen },
  { name: "a selection that was dropped", at: "#/spans", reach: async (page) => {
    await chosen(page);
    await page.getByRole("textbox", { name: "Provider" }).fill("openai");
    await page.getByRole("textbox", { name: "Provider" }).press("Enter");
    await page.getByText("The filters changed").waitFor();
  } },
  { name: "the choice of columns", at: "#/spans", reach: async (page) => {
    await rows(page);
    await page.locator("offtake-table summary").click();
    await page.locator("offtake-table .menu label").first().waitFor();
  } },
  { name: "nothing that passes", at: "#/spans?f.provider=nobody", reach: (page) => page.getByText("Nothing passes these filters").waitFor() },
  { name: "the dialog", at: "#/spans", reach: asked },
  { name: "a trace", at: "#/traces?sort=-span_count", reach: async (page) => {
    await page.locator("offtake-table tbody button").first().click();
    await page.getByRole("dialog").getByText("16 spans").waitFor();
  } },
  { name: "downloads", at: "#/exports", reach: panel },
  { name: "a receipt", at: "#/exports", reach: async (page) => {
    await panel(page);
    await page.locator("offtake-downloads button.receipt").first().click();
    await page.getByRole("dialog").getByText("offtake verify").first().waitFor();
  } },
  { name: "a link to a file", at: "#/exports", reach: async (page) => {
    await panel(page);
    await page.locator("offtake-downloads button.receipt").first().click();
    await page.getByRole("button", { name: "Make a link" }).click();
    await page.locator("offtake-links tr[data-state=live]").waitFor();
  } },
  { name: "a new export", at: "#/exports", reach: async (page) => {
    await page.getByRole("button", { name: "New export" }).click();
    await page.locator("offtake-new-export [role=status]").getByText(/\d/).waitFor();
  } },
  { name: "an error", at: "#/spans?f.trace_id=nonsense", reach: (page) => page.getByRole("alert").first().waitFor() },
  { name: "live", at: "#/live", reach: (page) => page.locator("offtake-live-page h1").waitFor() },
  { name: "alert rules", at: "#/live/alerts", reach: (page) => page.getByRole("article", { name: "Slow" }).waitFor() },
  { name: "the form of an alert rule", at: "#/live/alerts", reach: async (page) => {
    await page.getByRole("button", { name: "New alert rule" }).click();
    await page.getByRole("dialog").locator("summary").click();
  } },
  { name: "budgets", at: "#/live/budgets", reach: (page) => page.getByRole("article", { name: "November" }).locator("svg").waitFor() },
  { name: "the form of a budget", at: "#/live/budgets", reach: async (page) => {
    await page.getByRole("button", { name: "New budget" }).click();
    await page.getByRole("dialog").getByLabel("Name").waitFor();
  } },
  { name: "schedules", at: "#/live/schedules", reach: async (page) => {
    await page.locator("offtake-schedules li .name").first().waitFor();
    await page.locator("offtake-schedules li > details > summary").first().click();
    await page.locator("offtake-schedule-runs tbody tr").first().waitFor();
  } },
  { name: "a new schedule", at: "#/live/schedules", reach: async (page) => {
    await page.locator("offtake-schedules button.primary").first().click();
    await page.locator("offtake-schedule-timing select").first().selectOption("weekly");
    await page.locator("offtake-schedule-form summary").click();
    await page.locator("offtake-schedule-timing ol li").first().waitFor();
  } },
  { name: "webhooks", at: "#/live/webhooks", reach: async (page) => {
    await page.locator("offtake-webhooks li > details > summary").first().click();
    await page.locator("offtake-webhook-log select").waitFor();
  } },
  { name: "a new webhook", at: "#/live/webhooks", reach: async (page) => {
    await page.locator("offtake-webhooks button.primary").first().click();
    await page.locator("offtake-webhook-form input[type=url]").waitFor();
  } },
  { name: "how to verify a message", at: "#/live/webhooks", reach: async (page) => {
    await page.locator("offtake-webhooks li .key").first().click();
    await page.locator("offtake-webhook-secret pre").first().waitFor();
  } },
  { name: "a new destination", at: "#/live/destinations", reach: async (page) => {
    await page.locator("offtake-destinations button.primary").first().click();
    await page.locator("offtake-destination-form input[type=password]").waitFor();
  } },
  { name: "no spans yet", at: "#/traces", as: "newcomer", reach: (page) => page.getByText("No spans yet").waitFor() },
  { name: "signing in", at: "", as: "stranger", reach: (page) => page.getByRole("heading", { name: "Sign in" }).waitFor() },
  { name: "the page behind a sign-in link", at: "sign-in#none", as: "stranger", isServers: true, reach: (page) => page.getByRole("button", { name: "Sign in" }).waitFor() },
  { name: "the page behind a mail's link", at: oneTime, as: "stranger", isServers: true, reach: (page) => page.getByRole("button", { name: "Download" }).waitFor() },
];

/** A link to the file of an export that is there. */
async function oneTime(house: House): Promise<string> {
  const headers = { authorization: `Bearer ${house.token}`, "content-type": "application/json" };
  const listed = await fetch(`${house.url}/api/v1/export/jobs?status=completed&limit=1`, { headers });
  const { jobs } = (await listed.json()) as { jobs: { job_id: string }[] };
  const made = await fetch(`${house.url}/api/v1/export/jobs/${jobs[0]!.job_id}/token`, { method: "POST", headers, body: "{}" });
  return new URL(((await made.json()) as { url: string }).url, house.front).pathname.slice(1);
}

const RULES = [
  { kind: "metric", name: "Slow", metric: "latency_p95", window_seconds: 900, direction: "above", threshold: 2000, clear_threshold: 1500, min_traces: 5, filters: { environment: ["production"], provider: ["openai", "anthropic"] } },
  { kind: "budget", name: "November", amount_usd: "125.50", period: "month", provider: "openai", time_zone: "Europe/Berlin" },
];

/** What is there for the screens that show it: an export, a rule, a budget, a schedule that ran, a webhook that is told nothing. */
export async function furnish(house: House): Promise<void> {
  const headers = { authorization: `Bearer ${house.token}`, "content-type": "application/json" };
  const asked = await fetch(`${house.url}/api/v1/export/prompts`, { method: "POST", headers, body: JSON.stringify({ format: "csv" }) });
  const { job_id: id } = (await asked.json()) as { job_id: string };
  await fetch(`${house.url}/api/v1/export/jobs/${id}?wait=30`, { headers });
  const make = (path: string, body: unknown) => fetch(`${house.url}/api/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  for (const rule of RULES) await make("alerts", rule);
  const schedule = await make("schedules", { name: "Nightly", dataset: "prompts", cron: "30 2 * * 1-5", request: { format: "csv" } });
  await make(`schedules/${((await schedule.json()) as { id: string }).id}/run`, {});
  await make("webhooks", { url: "https://hooks.example.org/offtake", events: ["system_alert"], signing: "ed25519", enabled: false });
}

/** The screen, drawn. */
export async function reached(house: House, screen: Screen, options: BrowserContextOptions, prepare?: (page: Page) => Promise<unknown>): Promise<{ page: Page; trouble: string[] }> {
  const storageState = screen.as === "stranger" ? { cookies: [], origins: [] } : await house.signedIn(screen.as === "newcomer" ? "empty" : "acme");
  const at = typeof screen.at === "string" ? screen.at : await screen.at(house);
  const opened = await house.page(at, { storageState, ...options }, prepare);
  await screen.reach(opened.page);
  return opened;
}
