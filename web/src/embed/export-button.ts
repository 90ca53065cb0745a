/**
 * A button for anybody's page: asks for an export of a dataset's rows. Fires `started` with the job's id, `ready` with the job
 * when its file is there, and `problem` when it cannot be asked for.
 */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { asked } from "../core/asked";
import { type ClientOptions, type Job, Problem } from "../core/client";
import { isActive } from "../core/jobs";
import type { SelectionRequest } from "../core/selection";
import { jobsOf } from "../core/shared";
import "../elements/export-dialog";
import type { ExportDialogElement, Started } from "../elements/export-dialog";
import "../elements/problem";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";

@customElement("offtake-export-button")
export class ExportButtonElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: inline-block; }
      .said { position: fixed; inset: auto auto 20px 20px; max-inline-size: min(480px, calc(100vw - 40px)); background: var(--_surface); border-radius: var(--_radius); z-index: 6; }
    `,
  ];

  /** The dataset whose rows are exported. */
  @property() of = "";
  /** Where Offtake is; the page's own origin by default. */
  @property() server = "";
  /** Gives a bearer token for each call. */
  @property({ attribute: false }) token: ClientOptions["token"];
  /** Filters and time window, as an export's body has them. */
  @property({ attribute: false }) filters: Readonly<Record<string, unknown>> = {};
  /** Which of the rows that pass; all by default. */
  @property({ attribute: false }) selection: SelectionRequest = { mode: "all" };
  @property({ type: Boolean }) disabled = false;
  @state() private problem: Problem | null = null;
  @state() private isBusy = false;
  @query("offtake-export-dialog") private dialog!: ExportDialogElement;
  readonly #waiting = new Set<string>();
  #stop: (() => void) | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
    this.#stop = undefined;
  }

  override render() {
    return html`<button part="button" ?disabled=${this.disabled || this.isBusy} aria-busy=${this.isBusy} @click=${this.pressed}><slot>${m.embed.export}</slot></button>
      <offtake-export-dialog .client=${this.jobs.client} @started=${this.started}></offtake-export-dialog>
      ${this.problem ? html`<div class="said"><offtake-problem .problem=${this.problem}></offtake-problem></div>` : nothing}`;
  }

  private get jobs() {
    return jobsOf(this.server, this.token);
  }

  private readonly pressed = async (): Promise<void> => {
    this.isBusy = true;
    this.problem = null;
    try {
      const { client } = this.jobs;
      const name = this.of;
      const [datasets, counted] = await Promise.all([client.datasets(), client.count(name, { ...this.filters, selection: this.selection })]);
      const found = datasets.find((one) => one.name === name);
      if (!found) throw new Problem(404, "not_found", m.embed.unknown(name), "", [], null, null);
      const moment = found.rows === "mutable" ? {} : { as_of: counted.as_of };
      const rows = { ...this.filters, ...moment, selection: this.selection };
      await this.dialog.open(found, rows, counted.count, new Date());
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
      this.fire("problem", error);
    } finally {
      this.isBusy = false;
    }
  };

  private readonly started = (event: CustomEvent<Started>): void => {
    event.stopPropagation();
    const { id, link } = event.detail;
    // A list of downloads on the page fetches it; without one the page is told when it is ready.
    if (document.querySelector("offtake-downloads")) asked.fetchOrAdd(id, link);
    this.#waiting.add(id);
    this.#stop ??= this.jobs.subscribe(({ jobs }) => this.looked(jobs));
    void this.jobs.changed();
    this.fire("started", id);
  };

  private looked(jobs: readonly Job[]): void {
    for (const job of jobs) {
      if (isActive(job) || !this.#waiting.delete(job.job_id)) continue;
      if (job.status === "completed") this.fire("ready", job);
    }
    if (this.#waiting.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  private fire(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
