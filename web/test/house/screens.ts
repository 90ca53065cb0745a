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
  { name: "a new export", at: "#/exports", reach: async (page) => {
    await page.getByRole("button", { name: "New export" }).click();
    await page.locator("offtake-new-export [role=status]").getByText(/\d/).waitFor();
  } },
  { name: "an error", at: "#/spans?f.trace_id=nonsense", reach: (page) => page.getByRole("alert").first().waitFor() },
  { name: "live", at: "#/live", reach: (page) => page.locator("offtake-live-page h1").waitFor() },
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

/** An export that is there, for the screens that show one. */
export async function furnish(house: House): Promise<void> {
  const headers = { authorization: `Bearer ${house.token}`, "content-type": "application/json" };
  const asked = await fetch(`${house.url}/api/v1/export/prompts`, { method: "POST", headers, body: JSON.stringify({ format: "csv" }) });
  const { job_id: id } = (await asked.json()) as { job_id: string };
  await fetch(`${house.url}/api/v1/export/jobs/${id}?wait=30`, { headers });
}

/** The screen, drawn. */
export async function reached(house: House, screen: Screen, options: BrowserContextOptions, prepare?: (page: Page) => Promise<unknown>): Promise<{ page: Page; trouble: string[] }> {
  const storageState = screen.as === "stranger" ? { cookies: [], origins: [] } : await house.signedIn(screen.as === "newcomer" ? "empty" : "acme");
  const at = typeof screen.at === "string" ? screen.at : await screen.at(house);
  const opened = await house.page(at, { storageState, ...options }, prepare);
  await screen.reach(opened.page);
  return opened;
}
