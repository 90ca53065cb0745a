/**
 * Offtake as it is shipped, on SQLite and a folder, with genuine spans in it, and a browser that is signed in. `OFFTAKE_BIN`
 * names the binary.
 */
import { execFile, type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { Client, type Job } from "../../src/core/client";
import { Hold } from "./hold";
import { Wire } from "./wire";

const root = new URL("../../../", import.meta.url).pathname;
const binary = process.env["OFFTAKE_BIN"] ?? join(root, "target/debug/offtake");
/** The binary reads variables, and none of this shell's are meant for it. */
const ENVIRONMENT = { PATH: process.env["PATH"] ?? "" };
const BROWSERS = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];
const axe = readFileSync(join(root, "web/node_modules/axe-core/axe.min.js"), "utf8");
type State = Awaited<ReturnType<BrowserContext["storageState"]>>;
type Prepare = (page: Page) => Promise<unknown>;
const ran = promisify(execFile);

export type HouseOptions = {
  /** Whether the genuine spans are sent. */
  readonly spans: boolean;
  readonly origins?: readonly string[];
  /** Sections of the configuration. */
  readonly settings?: string;
  /** Whether browsers come by a wire that can be cut. */
  readonly wired?: boolean;
};

export class House {
  readonly #data = mkdtempSync(join(tmpdir(), "offtake-web-"));
  #config = "";
  #server: ChildProcess | undefined;
  #browser: Browser | undefined;
  readonly #states = new Map<string, State>();
  url = "";
  token = "";
  wire: Wire | undefined;

  static async open(options: HouseOptions = { spans: true }): Promise<House> {
    const house = new House();
    house.#config = join(house.#data, "offtake.toml");
    if (options.wired) house.wire = await Wire.laid();
    const front = house.wire ? `public_url = "${house.wire.url}"\n` : "";
    writeFileSync(house.#config, `[server]\nallowed_origins = ${JSON.stringify(options.origins ?? [])}\n${front}${options.settings ?? ""}`);
    await house.start("127.0.0.1:0");
    house.token = (await house.#offtake("token", "--org", "acme", "--sub", "ada", "--email", "ada@example.org", "--permissions", "all")).trim();
    if (options.spans) await house.#sendSpans();
    return house;
  }

  /** Starts the server, at the address of its former life if it had one. */
  async start(listen: string = new URL(this.url).host): Promise<void> {
    const server = spawn(binary, ["serve", "--data-dir", this.#data, "--config", this.#config, "--listen", listen], {
      stdio: ["ignore", "ignore", "pipe"], env: ENVIRONMENT,
    });
    this.#server = server;
    this.url = await new Promise<string>((resolve, reject) => {
      let said = "";
      server.stderr.setEncoding("utf8").on("data", (piece: string) => {
        said += piece;
        const found = /listening on (http:\S+)/.exec(said);
        if (found) resolve(found[1]!);
      });
      server.once("exit", () => reject(new Error(`the server ended: ${said}`)));
    });
    if (this.wire) this.wire.to = Number(new URL(this.url).port);
  }

  /** What can hold the database. */
  hold(): Hold {
    return new Hold(join(this.#data, "offtake.db"));
  }

  /** Where browsers come in. */
  get front(): string {
    return this.wire?.url ?? this.url;
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const server = this.#server;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill(signal);
    await ended;
  }

  async close(): Promise<void> {
    await this.#browser?.close();
    await this.stop();
    this.wire?.close();
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** A page that is signed in, at `hash`. What goes wrong in it fails the test by `trouble`. `prepare` has it before it goes there. */
  async page(hash = "", options: BrowserContextOptions = {}, prepare?: Prepare): Promise<{ page: Page; trouble: string[] }> {
    const browser = await this.#launched();
    const opened = await this.#opened(browser, { storageState: await this.signedIn(), ...options }, [this.front, this.front.replace("http", "ws")]);
    await prepare?.(opened.page);
    await opened.page.goto(`${this.front}/${hash}`);
    return opened;
  }

  /** Somebody else's page. */
  async guest(url: string, options: BrowserContextOptions = {}, prepare?: Prepare): Promise<{ page: Page; trouble: string[] }> {
    const opened = await this.#opened(await this.#launched(), options, [this.front, this.front.replace("http", "ws"), url]);
    await prepare?.(opened.page);
    await opened.page.goto(url);
    return opened;
  }

  async #launched(): Promise<Browser> {
    const executablePath = BROWSERS.find((path) => existsSync(path));
    if (!executablePath) throw new Error("no Chromium: apt-get install chromium-headless-shell");
    this.#browser ??= await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
    return this.#browser;
  }

  async #opened(browser: Browser, options: BrowserContextOptions, own: string[]): Promise<{ page: Page; trouble: string[] }> {
    const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, ...options });
    // So that a test says which step it waits for.
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    const trouble: string[] = [];
    page.on("pageerror", (error) => trouble.push(error.message));
    page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
    page.on("request", (request) => !own.some((url) => request.url().startsWith(url)) && trouble.push(`asked for ${request.url()}`));
    return { page, trouble };
  }

  /** What axe has against the page. */
  async violations(page: Page): Promise<string[]> {
    await page.evaluate(axe);
    return page.evaluate(async () => {
      const { violations } = await (globalThis as unknown as { axe: { run: () => Promise<{ violations: { id: string; nodes: { target: unknown[] }[] }[] }> } }).axe.run();
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.flat().join(" ")).join(", ")}`);
    });
  }

  /** A link that signs a browser in, once. */
  async signInLink(org = "acme"): Promise<string> {
    return /http:\S+/.exec(await this.#offtake("sign-in", "--org", org, "--sub", "ada", "--server", this.front))![0];
  }

  /** What a browser keeps that is signed in to an organization. */
  async signedIn(org = "acme"): Promise<State> {
    const state = this.#states.get(org) ?? (await this.#signIn(org));
    this.#states.set(org, state);
    return state;
  }

  async #signIn(org: string): Promise<State> {
    const link = await this.signInLink(org);
    const context = await (await this.#launched()).newContext();
    const page = await context.newPage();
    await page.goto(link);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("link", { name: "Go on" }).waitFor();
    const state = await context.storageState();
    await context.close();
    return state;
  }

  /** An export that is completed: its id. */
  async exported(body: object = { format: "csv" }, dataset = "spans"): Promise<string> {
    const client = new Client({ base: this.url, token: () => this.token });
    const { job_id: id } = await client.create(dataset, body, crypto.randomUUID());
    const { body: job } = await client.call<Job>(`export/jobs/${id}?wait=30`);
    if (job.status !== "completed") throw new Error(`the export is ${job.status}`);
    return id;
  }

  async #offtake(...args: string[]): Promise<string> {
    const { stdout } = await ran(binary, [...args, "--data-dir", this.#data, "--config", this.#config], { env: ENVIRONMENT });
    return stdout;
  }

  async #sendSpans(): Promise<void> {
    const folder = join(root, "testdata/otlp");
    for (const name of readdirSync(folder).filter((one) => one.endsWith(".otlp.pb"))) await this.#sendFile(join(folder, name));
  }

  async #sendFile(path: string): Promise<void> {
    await ran("python3", ["-B", join(root, "scripts/send-otlp.py"), `${this.url}/v1/traces`, this.token, path]);
  }
}

/** The lines of a CSV file without its header; quoted line ends are no ends. */
export function rowsOf(csv: string): number {
  let [rows, isQuoted] = [0, false];
  for (const char of csv) {
    if (char === '"') isQuoted = !isQuoted;
    else if (char === "\n" && !isQuoted) rows += 1;
  }
  return rows - 1;
}
