/**
 * One export: how far it is, and what can be done with it. Fires `receipt` with the job, `problem` with what went wrong, `said`
 * with what was done. Not responsible for which exports are shown.
 */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { anew } from "../core/again";
import { asked } from "../core/asked";
import { attempt } from "../core/attempt";
import { intoClipboard } from "../core/clipboard";
import type { Client, Job } from "../core/client";
import { type Jobs, isActive } from "../core/jobs";
import { save } from "../core/save";
import * as text from "../core/text";
import { messages as m } from "../i18n";
import { shared } from "./styles";

/** Formats whose files go on where they broke off. */
const RESUMED = ["csv", "jsonl", "json"];

@customElement("offtake-download")
export class DownloadElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; gap: 4px; min-inline-size: 0; }
      .name { font-weight: 600; overflow-wrap: anywhere; }
      .failed { color: var(--_bad); }
      .completed { color: var(--_good); }
      .row button, .row a { font-size: 0.93em; }
      .soon { color: var(--_bad); font-weight: 600; }
      a.button {
        display: inline-flex; align-items: center; min-height: 32px; padding: 4px 10px; border-radius: var(--_radius);
        background: var(--_accent); color: var(--_on-accent); font-weight: 600; text-decoration: none;
      }
    `,
  ];

  @property({ attribute: false }) job!: Job;
  @property({ attribute: false }) jobs!: Jobs;
  /** The present moment, as whoever draws it keeps it. */
  @property({ type: Number }) now = Date.now();
  /** Whether the name is said; not where it is the heading. */
  @property({ type: Boolean }) isNamed = true;
  /** Whether its receipt can be asked for; not where it is shown. */
  @property({ type: Boolean }) hasReceipt = true;

  override render() {
    const { job } = this;
    return html`${this.isNamed ? html`<span class="name">${job.name}</span>` : nothing}
      ${isActive(job) ? this.progress(job) : this.outcome(job)}
      <div class="row">${this.actions(job)}</div>`;
  }

  private progress(job: Job) {
    const percent = job.progress_percent;
    const facts = [
      job.expected_rows != null ? m.downloads.progress(text.number(job.row_count ?? 0), text.number(job.expected_rows)) : null,
      job.rows_per_second ? m.downloads.rate(text.about(job.rows_per_second)) : null,
      job.eta_seconds != null ? m.downloads.eta(text.seconds(job.eta_seconds)) : null,
      job.error ? m.downloads.waitsAfter(job.error.message) : null,
    ].filter((fact) => fact !== null);
    return html`<progress max="100" aria-label=${job.name} .value=${percent ?? 0}></progress>
      <span class="quiet number">${m.downloads.phase[job.phase]}${percent != null ? ` ${text.percent(Math.floor(percent))}` : ""}${facts.length > 0 ? ` · ${facts.join(" · ")}` : ""}</span>`;
  }

  private outcome(job: Job) {
    const facts = [
      job.row_count != null && job.status !== "failed" ? m.downloads.rows(job.row_count, text.number(job.row_count)) : null,
      job.file_size_bytes ? text.bytes(job.file_size_bytes) : null,
      job.format + (job.compression === "none" ? "" : `, ${job.compression}`),
      job.limited ? m.downloads.limited : null,
    ].filter((fact) => fact !== null);
    const status = statusOf(job);
    return html`<span class="number"><span class=${status}>${m.downloads.status[status]}</span> <span class="quiet">${facts.join(" · ")}</span>${this.expiry(job)}</span>
      ${job.error ? html`<span>${job.error.message}</span>` : nothing}
      ${job.delivery ? html`<span class="quiet">${m.downloads.delivery[job.delivery.state]}</span>` : nothing}`;
  }

  /** Counts down to the moment at which the file goes. */
  private expiry(job: Job) {
    if (!job.expires_at || statusOf(job) !== "completed") return nothing;
    const left = (new Date(job.expires_at).getTime() - this.now) / 1000;
    if (left <= 0) return html` · <span class="soon">${m.downloads.gone}</span>`;
    return html` · <time class=${left < HOUR ? "soon" : "quiet"} datetime=${job.expires_at} title=${text.at(job.expires_at)}>${m.downloads.expires(text.fromNow(job.expires_at, this.now))}</time>`;
  }

  private actions(job: Job) {
    const { can_cancel: canCancel, can_download: canDownload, can_retry: canRetry } = job.metadata;
    const button = (title: string, work: () => Promise<unknown>) =>
      html`<button aria-label=${m.downloads.named(title, job.name)} @click=${() => this.act(work)}>${title}</button>`;
    return html`
      ${canDownload
        ? html`${this.downloadAction(job)}
            ${button(m.downloads.copyLink, () => this.copyLink(job))}
            ${this.hasReceipt
              ? html`<button class="receipt" aria-label=${m.downloads.named(m.downloads.receipt, job.name)} @click=${() => this.tell("receipt", job)}>${m.downloads.receipt}</button>`
              : nothing}`
        : nothing}
      ${canCancel ? button(m.downloads.cancel, () => this.client.cancel(job.job_id)) : nothing}
      ${canRetry ? html`${button(m.downloads.retry, () => this.client.retry(job.job_id))} <span class="quiet">${whence(job)}</span>` : nothing}
      ${isActive(job) ? nothing : html`<button aria-label=${m.downloads.named(m.downloads.anew, job.name)} title=${m.downloads.anewHint} @click=${() => this.act(() => this.again(job))}>${m.downloads.anew}</button>`}`;
  }

  private downloadAction(job: Job) {
    const label = m.downloads.named(m.downloads.download, job.name);
    return this.client.fetchesByClick
      ? html`<a class="button" href=${this.client.downloadUrl(job)} download aria-label=${label} @click=${() => asked.take(job.job_id)}>${m.downloads.download}</a>`
      : html`<button class="primary" aria-label=${label} @click=${() => this.act(() => fetchFile(this.client, job))}>${m.downloads.download}</button>`;
  }

  private get client(): Client {
    return this.jobs.client;
  }

  private async act(work: () => Promise<unknown>): Promise<void> {
    const problem = await attempt(work);
    this.tell("problem", problem);
    if (!problem) await this.jobs.changed();
  }

  private async copyLink(job: Job): Promise<void> {
    const { url } = await this.client.oneTimeToken(job.job_id);
    const link = this.client.resolved(url);
    this.tell("said", (await intoClipboard(link)) ? m.downloads.linkCopied : m.downloads.linkShown(link));
  }

  /** The same columns, filters and form, of the rows as they are now. */
  private async again(job: Job): Promise<void> {
    const { job_id: id, link } = await this.client.create(job.dataset, anew(job), crypto.randomUUID());
    asked.fetchOrAdd(id, link ? this.client.resolved(link) : null);
    this.tell("said", m.downloads.anewSaid);
  }

  private tell(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

const HOUR = 3600;

/** How it stands for people: a file whose time is over is gone, though nobody has swept it yet. */
export function statusOf(job: Job): string {
  return job.status === "completed" && job.metadata.is_expired ? "expired" : job.status;
}

/** Where a retry begins. */
function whence(job: Job): string {
  const goesOn = RESUMED.includes(job.format) && Boolean(job.row_count);
  return goesOn ? m.downloads.retryHint(text.number(job.row_count)) : m.downloads.retryAnew;
}

/** Fetches a file, by a click of its own if need be. */
export async function fetchFile(client: Client, job: Job): Promise<void> {
  asked.take(job.job_id);
  save(client.fetchesByClick ? client.downloadUrl(job) : await client.link(job));
}
