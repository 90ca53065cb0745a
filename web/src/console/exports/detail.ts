/**
 * One export, whole: how it stands, its file, its receipt, links to it, what was asked for. Fires `close`. An export that is
 * absent or somebody else's is said to be so.
 */
import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { attempt } from "../../core/attempt";
import type { Client, Job, Problem } from "../../core/client";
import { type Jobs, isActive } from "../../core/jobs";
import * as text from "../../core/text";
import "../../elements/confirm";
import type { ConfirmElement } from "../../elements/confirm";
import "../../elements/copy";
import "../../elements/download";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Watching } from "../../elements/watching";
import { messages as m } from "../../i18n/pages";
import "../receipt";
import "./links";

const ABSENT = 404;
/** Somebody else's export is not among one's own, which are watched; it is looked at so often while it runs. */
const AGAIN_MS = 2000;

@customElement("offtake-export-detail")
export class ExportDetailElement extends LitElement {
  static override styles = [
    shared,
    css`
      dialog { inline-size: min(820px, calc(100vw - 24px)); }
      .body { padding: 16px 20px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
      .head { display: flex; gap: 12px; align-items: start; justify-content: space-between; }
      h2 { overflow-wrap: anywhere; }
      section { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; border-block-start: 1px solid var(--_line); padding-block-start: 14px; }
      dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 16px; margin: 0; }
      dt { color: var(--_quiet); } dd { margin: 0; overflow-wrap: anywhere; min-inline-size: 0; }
      summary { cursor: pointer; color: var(--_accent); }
      .gone { border-inline-start: 3px solid var(--_bad); padding: 6px 12px; background: var(--_soft); border-radius: var(--_radius); }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) jobs!: Jobs;
  /** The export that is open; none while it is empty. */
  @property() job = "";
  /** Whether the file can be deleted before its time. */
  @property({ attribute: false }) mayDelete = false;
  @state() private shown: Job | null = null;
  @state() private problem: Problem | null = null;
  @state() private failure: Problem | null = null;
  @state() private said = "";
  @state() private now = Date.now();
  @query("dialog") private dialog!: HTMLDialogElement;
  @query("offtake-confirm") private question!: ConfirmElement;
  protected readonly watching = new Watching(this, () => this.jobs);
  #timer: ReturnType<typeof setTimeout> | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("job")) {
      this.shown = this.problem = this.failure = null;
      this.said = "";
      if (this.job) void this.load();
    }
    // One's own are told of as they go on.
    const own = this.jobs.state.jobs.find((job) => job.job_id === this.job);
    if (own && own !== this.shown && !this.problem) this.shown = own;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has("job")) return;
    if (this.job && !this.dialog.open) this.dialog.showModal();
    if (!this.job && this.dialog.open) this.dialog.close();
  }

  override render() {
    return html`<dialog aria-labelledby="title" @close=${this.closed}><div class="body">
      <div class="head"><h2 id="title">${this.shown?.name ?? m.detail.title}</h2><button id="close" @click=${() => this.dialog.close()}>${m.dialog.close}</button></div>
      ${this.problem ? this.trouble(this.problem) : this.shown ? this.whole(this.shown) : html`<p class="quiet">${m.loading}</p>`}
    </div><offtake-confirm></offtake-confirm></dialog>`;
  }

  private trouble(problem: Problem) {
    return problem.status === ABSENT
      ? html`<div class="gone" role="alert"><strong>${m.detail.absent}</strong><p>${m.detail.absentDetail}</p></div>`
      : html`<offtake-problem again .problem=${problem} @again=${() => void this.load()}></offtake-problem>`;
  }

  private whole(job: Job) {
    const hasFile = job.metadata.can_download;
    const isKept = job.status === "completed" && !job.metadata.is_expired;
    return html`
      <offtake-download .job=${job} .jobs=${this.jobs} .now=${this.now} .isNamed=${false} .hasReceipt=${false}
        @problem=${this.failed} @said=${(event: CustomEvent<string>) => (this.said = event.detail)}></offtake-download>
      <span role="status" class=${this.said ? "quiet" : "unseen"}>${this.said}</span>
      ${this.failure ? html`<offtake-problem .problem=${this.failure}></offtake-problem>` : nothing}
      ${isKept && this.mayDelete ? html`<div class="row"><button @click=${() => this.asksDelete(job)}>${m.file.delete}</button></div>` : nothing}
      ${job.metadata.is_expired ? html`<p class="gone" role="status"><strong>${m.detail.expired}</strong> ${m.detail.expiredDetail}</p>` : nothing}
      ${hasFile
        ? html`<section aria-label=${m.links.title}><h3>${m.links.title}</h3><offtake-links .client=${this.client} .job=${job}></offtake-links></section>`
        : nothing}
      ${isKept
        ? html`<section aria-label=${m.receipt.title}><h3>${m.receipt.title}</h3><offtake-receipt .client=${this.client} .job=${job.job_id}></offtake-receipt></section>`
        : nothing}
      <section aria-label=${m.detail.asked}><h3>${m.detail.asked}</h3>
        <dl>
          ${fact(m.detail.dataset, job.dataset)} ${fact(m.detail.by, job.owner)} ${fact(m.detail.at, text.at(job.created_at))}
          ${job.started_at ? fact(m.detail.waited, text.milliseconds(Math.max(0, time(job.started_at) - time(job.created_at)))) : nothing}
          ${job.started_at && job.completed_at ? fact(m.detail.took, text.milliseconds(Math.max(0, time(job.completed_at) - time(job.started_at)))) : nothing}
          ${fact(m.detail.attempts, text.number(job.attempt))}
          ${fact(m.detail.job, html`<code>${job.job_id}</code> <offtake-copy .text=${job.job_id} .what=${m.detail.job}></offtake-copy>`)}
          ${job.request_id ? fact(m.detail.request, html`<code>${job.request_id}</code> <offtake-copy .text=${job.request_id} .what=${m.detail.request}></offtake-copy>`) : nothing}
        </dl>
        <details><summary>${m.detail.spec}</summary><pre tabindex="0">${JSON.stringify(job.spec, null, 2)}</pre></details>
      </section>`;
  }

  private async load(): Promise<void> {
    clearTimeout(this.#timer);
    const id = this.job;
    const problem = await attempt(async () => {
      const job = await this.client.job(id);
      if (id === this.job) this.shown = job;
    });
    if (id !== this.job) return;
    this.problem = problem;
    this.now = Date.now();
    if (this.shown && isActive(this.shown)) this.#timer = setTimeout(() => void this.load(), AGAIN_MS);
  }

  private asksDelete({ job_id: id, name }: Job): void {
    const work = async () => {
      await this.client.deleteFile(id);
      // The list behind this, and the other tabs.
      await this.jobs.changed();
      if (id === this.job) await this.load();
    };
    void this.question.ask({ title: m.file.deleteTitle(name), detail: m.file.deleteDetail, act: m.file.deleteAct, work, next: () => this.renderRoot.querySelector("#close") });
  }

  private readonly failed = (event: CustomEvent<Problem | null>): void => {
    this.failure = event.detail;
    if (!event.detail) void this.load();
  };

  private readonly closed = (): void => {
    clearTimeout(this.#timer);
    this.dispatchEvent(new Event("close"));
  };
}

function fact(name: string, value: unknown) {
  return html`<dt>${name}</dt><dd>${value}</dd>`;
}

function time(at: string): number {
  return new Date(at).getTime();
}
