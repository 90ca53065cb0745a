/** One's exports: how far they are, and what can be done with each. Draws `Jobs`. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { asked } from "../core/asked";
import { type Client, type ClientOptions, type Job, Problem } from "../core/client";
import { isActive, type Jobs } from "../core/jobs";
import { jobsOf } from "../core/shared";
import * as text from "../core/text";
import { messages as m } from "../i18n";
import "./problem";
import { shared } from "./styles";

@customElement("offtake-downloads")
export class DownloadsElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: block; }
      ul { list-style: none; margin: 0; padding: 0; display: grid; }
      li { display: grid; gap: 4px; padding: 10px 0; border-block-end: 1px solid var(--_line); }
      li:last-child { border-block-end: 0; }
      .name { font-weight: 600; overflow-wrap: anywhere; }
      .failed { color: var(--_bad); }
      .completed { color: var(--_good); }
      .actions button, .actions a { font-size: 0.93em; }
      a.button {
        display: inline-flex; align-items: center; min-height: 32px; padding: 4px 10px; border-radius: var(--_radius);
        background: var(--_accent); color: var(--_on-accent); font-weight: 600; text-decoration: none;
      }
      .nothing { padding: 24px 0; text-align: center; display: grid; gap: 4px; }
    `,
  ];

  /** The exports to show; without, those that `server` and `token` lead to, once there is a token. */
  @property({ attribute: false }) jobs: Jobs | undefined;
  /** Where Offtake is; the page's own origin by default. */
  @property() server = "";
  /** Gives a bearer token for each call. */
  @property({ attribute: false }) token: ClientOptions["token"];
  @property({ type: Number }) most = 20;
  @state() private said = "";
  @state() private problem: Problem | null = null;
  @state() private now = Date.now();
  #jobs: Jobs | undefined;
  #stop: (() => void) | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#clock = setInterval(() => (this.now = Date.now()), 15_000);
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#clock);
    this.#watch(undefined);
  }

  protected override willUpdate(): void {
    this.#watch(this.jobs ?? (this.token && jobsOf(this.server, this.token)));
  }

  get #client(): Client {
    return this.#jobs!.client;
  }

  #watch(jobs: Jobs | undefined): void {
    if (jobs === this.#jobs) return;
    this.#stop?.();
    this.#jobs = jobs;
    this.#stop = jobs?.subscribe(() => {
      this.requestUpdate();
      this.fetchAsked(jobs);
    });
  }

  override render() {
    if (!this.#jobs) return nothing;
    const { jobs, problem } = this.#jobs.state;
    return html`
      <span role="status" class="unseen">${this.said}</span>
      ${problem || this.problem ? html`<offtake-problem again .problem=${this.problem ?? problem} @again=${this.again}></offtake-problem>` : nothing}
      ${jobs.length === 0 && !problem
        ? html`<div class="nothing"><strong>${m.downloads.none}</strong><span class="quiet">${m.downloads.noneDetail}</span></div>`
        : html`<ul>${repeat(jobs.slice(0, this.most), (job) => job.job_id, (job) => this.item(job))}</ul>`}`;
  }

  private item(job: Job) {
    return html`<li data-job=${job.job_id} data-status=${job.status}>
      <span class="name">${job.name}</span>
      ${isActive(job) ? this.progress(job) : this.outcome(job)}
      <div class="row actions">${this.actions(job)}</div>
    </li>`;
  }

  private progress(job: Job) {
    const percent = job.progress_percent;
    const facts = [
      job.expected_rows != null ? m.downloads.progress(text.number(job.row_count ?? 0), text.number(job.expected_rows)) : null,
      job.rows_per_second ? m.downloads.rate(text.about(job.rows_per_second)) : null,
      job.eta_seconds != null ? m.downloads.eta(text.seconds(job.eta_seconds)) : null,
    ].filter((fact) => fact !== null);
    return html`<progress max="100" aria-label=${job.name} .value=${percent ?? 0}></progress>
      <span class="quiet number">${m.downloads.phase[job.phase]}${percent != null ? ` ${text.percent(Math.floor(percent))}` : ""}${facts.length > 0 ? ` · ${facts.join(" · ")}` : ""}</span>`;
  }

  private outcome(job: Job) {
    const facts = [
      job.row_count != null && job.status !== "failed" ? m.downloads.rows(job.row_count, text.number(job.row_count)) : null,
      job.file_size_bytes != null ? text.bytes(job.file_size_bytes) : null,
      job.format + (job.compression === "none" ? "" : `, ${job.compression}`),
      job.expires_at && job.status === "completed" ? m.downloads.expires(text.fromNow(job.expires_at, this.now)) : null,
      job.limited ? m.downloads.limited : null,
    ].filter((fact) => fact !== null);
    return html`<span class="number"><span class=${job.status}>${m.downloads.status[job.status]}</span> <span class="quiet">${facts.join(" · ")}</span></span>
      ${job.error ? html`<span>${job.error.message}</span>` : nothing}`;
  }

  private actions(job: Job) {
    const { can_cancel, can_download, can_retry } = job.metadata;
    const named = (action: string) => m.downloads.named(action, job.name);
    return html`
      ${can_download
        ? html`${this.downloadAction(job, named(m.downloads.download))}
            <button aria-label=${named(m.downloads.copyLink)} @click=${() => this.act(() => this.copyLink(job))}>${m.downloads.copyLink}</button>
            <button class="receipt" aria-label=${named(m.downloads.receipt)} @click=${() => this.dispatchEvent(new CustomEvent<Job>("receipt", { detail: job }))}>${m.downloads.receipt}</button>`
        : nothing}
      ${can_cancel ? html`<button aria-label=${named(m.downloads.cancel)} @click=${() => this.act(() => this.#client.cancel(job.job_id))}>${m.downloads.cancel}</button>` : nothing}
      ${can_retry
        ? html`<button aria-label=${named(m.downloads.retry)} @click=${() => this.act(() => this.#client.retry(job.job_id))}>${m.downloads.retry}</button>
            ${job.row_count ? html`<span class="quiet">${m.downloads.retryHint(text.number(job.row_count))}</span>` : nothing}`
        : nothing}`;
  }

  private downloadAction(job: Job, label: string) {
    return this.#client.fetchesByClick
      ? html`<a class="button" href=${this.#client.downloadUrl(job)} download aria-label=${label} @click=${() => asked.take(job.job_id)}>${m.downloads.download}</a>`
      : html`<button class="primary" aria-label=${label} @click=${() => this.act(() => this.fetch(job))}>${m.downloads.download}</button>`;
  }

  private async act(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      this.problem = null;
      await this.#jobs?.look();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    }
  }

  private async copyLink(job: Job): Promise<void> {
    const { url } = await this.#client.oneTimeToken(job.job_id);
    await navigator.clipboard.writeText(new URL(url, location.href).href);
    this.said = m.downloads.linkCopied;
  }

  private readonly again = (): void => {
    this.problem = null;
    void this.#jobs?.look();
  };

  /** Fetches what this tab asked for and is looked at; elsewhere it waits for a click. */
  private fetchAsked(jobs: Jobs): void {
    for (const job of jobs.state.jobs) {
      if (isActive(job) || !asked.has(job.job_id)) continue;
      if (!job.metadata.can_download) asked.take(job.job_id);
      else if (document.visibilityState === "visible" && asked.take(job.job_id)) void this.act(() => this.fetch(job));
    }
  }

  private async fetch(job: Job): Promise<void> {
    const client = this.#client;
    asked.take(job.job_id);
    const link = document.createElement("a");
    link.href = client.fetchesByClick ? client.downloadUrl(job) : await client.link(job);
    link.download = "";
    link.click();
  }
}
