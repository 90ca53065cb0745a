/** The alert rules of the organization, kept up to date while somebody looks. */
import type { Alert } from "./alerts";
import { attempt } from "./attempt";
import type { Client, Problem } from "./client";

/** Values move every five seconds at most, and states at once. */
const LOOK_MS = 2000;

export class AlertList extends EventTarget {
  alerts: readonly Alert[] | null = null;
  /** What went wrong with the last look, while that holds. */
  problem: Problem | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWanted = false;

  constructor(private readonly client: Client) {
    super();
  }

  start(): void {
    this.#isWanted = true;
    document.addEventListener("visibilitychange", this.#seen);
    void this.look();
  }

  stop(): void {
    this.#isWanted = false;
    document.removeEventListener("visibilitychange", this.#seen);
    clearTimeout(this.#timer);
  }

  readonly #seen = (): void => {
    if (document.visibilityState === "visible") void this.look();
  };

  async look(): Promise<void> {
    clearTimeout(this.#timer);
    this.problem = await attempt(async () => {
      this.alerts = (await this.client.call<{ alerts: Alert[] }>("alerts")).body.alerts;
    });
    this.dispatchEvent(new Event("change"));
    clearTimeout(this.#timer);
    if (this.#isWanted && document.visibilityState === "visible") this.#timer = setTimeout(() => void this.look(), LOOK_MS);
  }

  /** One, and its version. */
  one = (id: string): Promise<{ body: Alert; version: string | null }> => this.client.call<Alert>(`alerts/${id}`);

  make = (body: unknown): Promise<unknown> => this.#done("alerts", { method: "POST", body });

  change = (id: string, body: unknown, version: string | null): Promise<unknown> =>
    this.#done(`alerts/${id}`, { method: "PATCH", body, ...only(version) });

  delete = (id: string, version: string | null): Promise<unknown> => this.#done(`alerts/${id}`, { method: "DELETE", ...only(version) });

  async #done(path: string, call: { method: string; body?: unknown; headers?: Record<string, string> }): Promise<void> {
    await this.client.call(path, call);
    await this.look();
  }
}

/** Only if it is still this version. */
function only(version: string | null): { headers?: Record<string, string> } {
  return version ? { headers: { "if-match": version } } : {};
}
