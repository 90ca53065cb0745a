/** All exports one may see, and how long they took lately. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { type Client, type Dataset, type Job, type JobPage, Problem } from "../core/client";
import type { Jobs } from "../core/jobs";
import * as text from "../core/text";
import "../elements/problem";
import { shared } from "../elements/styles";
import { Watching } from "../elements/watching";
import { messages as m } from "../i18n";
import "./timings";

const PAGE = "25";

@customElement("offtake-exports-page")
export class ExportsPageElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; min-inline-size: 0; }
      label { display: inline-flex; gap: 6px; align-items: center; }
      .scroll { position: relative; overflow: auto; border: 1px solid var(--_line); border-radius: var(--_radius); }
      table { border-collapse: collapse; min-inline-size: 100%; }
      th, td { padding: 6px 10px; text-align: start; border-block-end: 1px solid var(--_line); white-space: nowrap; }
      th { background: var(--_soft); }
      td.name { white-space: normal; min-inline-size: 220px; overflow-wrap: anywhere; }
      .number { text-align: end; }
      .failed { color: var(--_bad); } .completed { color: var(--_good); }
      .nothing { padding: 28px; text-align: center; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) jobs!: Jobs;
  @property({ attribute: false }) datasets: readonly Dataset[] = [];
  @state() private page: JobPage | null = null;
  @state() private problem: Problem | null = null;
  @state() private status = "";
  @state() private of = "";
  @state() private isMine = false;
  #cursor: string | null = null;
  /** One's own exports moving is a reason to look again. */
  protected readonly watching = new Watching(this, () => this.jobs);
  #seen = "";

  protected override willUpdate(changed: Map<string, unknown>): void {
    const now = this.jobs.state.jobs.map((job) => `${job.job_id} ${job.status}`).join();
    const isAsked = ["status", "of", "isMine", "client"].some((name) => changed.has(name));
    if (!isAsked && now === this.#seen) return;
    this.#seen = now;
    void this.load();
  }

  override render() {
    const { page, problem } = this;
    return html`<h1>${m.exports.title}</h1>
      <div class="row">
        <label>${m.exports.status}<select @change=${(event: Event) => this.chose({ status: value(event) })}>
          <option value="">${m.exports.any}</option>
          ${Object.entries(m.downloads.status).map(([name, title]) => html`<option value=${name}>${title}</option>`)}
        </select></label>
        <label>${m.exports.dataset}<select @change=${(event: Event) => this.chose({ of: value(event) })}>
          <option value="">${m.exports.any}</option>
          ${this.datasets.map((dataset) => html`<option value=${dataset.name}>${dataset.title}</option>`)}
        </select></label>
        <label><input type="checkbox" @change=${(event: Event) => this.chose({ isMine: (event.target as HTMLInputElement).checked })} />${m.exports.mine}</label>
      </div>
      ${problem ? html`<offtake-problem again .problem=${problem} @again=${() => void this.load()}></offtake-problem>` : nothing}
      ${page ? this.table(page) : problem ? nothing : html`<p class="quiet">${m.loading}</p>`}
      <offtake-timings .client=${this.client}></offtake-timings>`;
  }

  private table(page: JobPage) {
    const { columns } = m.exports;
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${m.exports.title}><table>
        <thead><tr><th scope="col">${columns.name}</th><th scope="col">${columns.status}</th><th scope="col" class="number">${columns.rows}</th>
          <th scope="col" class="number">${columns.size}</th><th scope="col">${columns.created}</th><th scope="col">${columns.owner}</th><th scope="col"><span class="unseen">${columns.actions}</span></th></tr></thead>
        <tbody>${page.jobs.map((job) => this.row(job))}</tbody>
      </table>
      ${page.jobs.length === 0 ? html`<div class="nothing"><strong>${m.exports.none}</strong><p class="quiet">${m.exports.noneDetail}</p></div>` : nothing}
      </div>
      <div class="row">
        <button ?disabled=${this.#cursor === null} @click=${() => this.turn(null)}>${m.exports.newer}</button>
        <button ?disabled=${!page.pagination.next_cursor} @click=${() => this.turn(page.pagination.next_cursor ?? null)}>${m.exports.more}</button>
        <span class="quiet number">${text.number(page.pagination.total)}</span>
      </div>`;
  }

  private row(job: Job) {
    return html`<tr>
      <td class="name">${job.name}</td>
      <td><span class=${job.status}>${m.downloads.status[job.status]}</span>${job.status === "processing" && job.progress_percent != null ? ` ${text.percent(Math.floor(job.progress_percent))}` : ""}</td>
      <td class="number">${job.row_count == null ? "–" : text.number(job.row_count)}</td>
      <td class="number">${job.file_size_bytes == null ? "–" : text.bytes(job.file_size_bytes)}</td>
      <td><time datetime=${job.created_at}>${text.at(job.created_at)}</time></td>
      <td>${job.owner}</td>
      <td>${job.metadata.can_download
        ? html`<a href=${this.client.downloadUrl(job)} download aria-label=${m.downloads.named(m.downloads.download, job.name)}>${m.downloads.download}</a>
            <button class="link" aria-label=${m.downloads.named(m.downloads.receipt, job.name)} @click=${() => this.dispatchEvent(new CustomEvent<Job>("receipt", { detail: job }))}>${m.downloads.receipt}</button>`
        : nothing}</td>
    </tr>`;
  }

  private chose(change: { status?: string; of?: string; isMine?: boolean }): void {
    this.status = change.status ?? this.status;
    this.of = change.of ?? this.of;
    this.isMine = change.isMine ?? this.isMine;
    this.#cursor = null;
  }

  private turn(cursor: string | null): void {
    this.#cursor = cursor;
    void this.load();
  }

  private async load(): Promise<void> {
    try {
      this.page = await this.client.jobs({
        limit: PAGE,
        ...(this.status && { status: this.status }),
        ...(this.of && { dataset: this.of }),
        ...(this.isMine && { mine: "true" }),
        ...(this.#cursor && { cursor: this.#cursor }),
      });
      this.problem = null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    }
  }
}

function value(event: Event): string {
  return (event.target as HTMLSelectElement).value;
}
