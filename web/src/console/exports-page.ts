/** All exports one may see; asking for one of any dataset; how they performed lately. What is listed stands in the address. */
import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { attempt } from "../core/attempt";
import type { Client, Dataset, Job, JobPage, Problem } from "../core/client";
import { EVERYTHING, type Query, fromParams, toParams } from "../core/filters";
import type { Jobs } from "../core/jobs";
import * as text from "../core/text";
import type { Started } from "../elements/export-dialog";
import { statusOf } from "../elements/download";
import { valueOf } from "../elements/field";
import "../elements/problem";
import { shared } from "../elements/styles";
import { Watching } from "../elements/watching";
import { messages as m } from "../i18n";
import { type Listed, EVERY, fromHash, jobIn, toHash, toRequest, withJob } from "./exports/list";
import "./exports/new-export";
import { locationOf } from "./route";
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
      tbody tr:last-child td { border-block-end: 0; }
      tbody tr:hover { background: var(--_soft); }
      td.name { white-space: normal; min-inline-size: 220px; overflow-wrap: anywhere; }
      th.number, td.number { text-align: end; }
      .failed { color: var(--_bad); } .completed { color: var(--_good); }
      .nothing { padding: 28px; text-align: center; }
      input[type="search"] { inline-size: 230px; max-inline-size: 100%; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) jobs!: Jobs;
  @property({ attribute: false }) datasets: readonly Dataset[] = [];
  @property({ type: Boolean }) mayExport = true;
  /** The address, which says what is listed. */
  @property() hash = "";
  @state() private page: JobPage | null = null;
  @state() private problem: Problem | null = null;
  #listed: Listed = EVERY;
  #cursor: string | null = null;
  /** One's own exports moving is a reason to look again. */
  protected readonly watching = new Watching(this, () => this.jobs);
  #seen = "";

  protected override willUpdate(changed: PropertyValues<this>): void {
    const listed = fromHash(this.hash);
    // The export that was open may be another's, and not be as it was.
    const now = [jobIn(this.hash), ...this.jobs.state.jobs.map((job) => `${job.job_id} ${job.status}`)].join();
    const isOther = changed.has("client") || JSON.stringify(listed) !== JSON.stringify(this.#listed);
    if (!isOther && now === this.#seen) return;
    if (isOther) this.#cursor = null;
    this.#listed = listed;
    this.#seen = now;
    void this.load();
  }

  override render() {
    const { page, problem } = this;
    return html`<div class="row"><h1>${m.exports.title}</h1><span class="push"></span>
        ${this.mayExport && this.fresh === null ? html`<button class="primary" @click=${() => this.change({ new: this.datasets[0]?.name ?? null })}>${m.exports.new}</button>` : nothing}
      </div>
      ${this.mayExport && this.fresh !== null ? this.newExport(this.fresh) : nothing}
      ${this.filters(this.#listed)}
      ${problem ? html`<offtake-problem again .problem=${problem} @again=${() => void this.load()}></offtake-problem>` : nothing}
      ${page ? this.table(page) : problem ? nothing : html`<p class="quiet">${m.loading}</p>`}
      <offtake-timings .client=${this.client}></offtake-timings>`;
  }

  private filters(listed: Listed) {
    return html`<div class="row" role="search" aria-label=${m.exports.listed}>
      <label>${m.exports.status}<select @change=${(event: Event) => this.list({ status: valueOf(event) })}>
        <option value="">${m.exports.any}</option>
        ${Object.entries(m.downloads.status).map(([name, title]) => html`<option value=${name} .selected=${name === listed.status}>${title}</option>`)}
      </select></label>
      <label>${m.exports.dataset}<select @change=${(event: Event) => this.list({ dataset: valueOf(event) })}>
        <option value="">${m.exports.any}</option>
        ${this.datasets.map(({ name, title }) => html`<option value=${name} .selected=${name === listed.dataset}>${title}</option>`)}
      </select></label>
      <label>${m.exports.requestId}<input type="search" maxlength="128" spellcheck="false" .value=${listed.requestId} @change=${(event: Event) => this.list({ requestId: valueOf(event).trim() })} /></label>
      <label><input type="checkbox" .checked=${listed.isMine} @change=${(event: Event) => this.list({ isMine: (event.target as HTMLInputElement).checked })} />${m.exports.mine}</label>
      ${JSON.stringify(listed) === JSON.stringify(EVERY) ? nothing : html`<button class="link" @click=${() => this.list(EVERY)}>${m.filters.clear}</button>`}
    </div>`;
  }

  private newExport(of: string) {
    return html`<offtake-new-export .client=${this.client} .datasets=${this.datasets} of=${of} .query=${this.query}
      @of=${(event: CustomEvent<string>) => this.change({ new: event.detail }, EVERYTHING)}
      @query=${(event: CustomEvent<Query>) => this.change({}, event.detail)}
      @close=${() => this.change({ new: null }, EVERYTHING)}
      @started=${(event: CustomEvent<Started>) => this.dispatchEvent(new CustomEvent("started", { detail: event.detail }))}></offtake-new-export>`;
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
        <span class="quiet number">${m.exports.total(page.pagination.total, text.number(page.pagination.total))}</span>
      </div>`;
  }

  private row(job: Job) {
    return html`<tr>
      <td class="name"><a href=${withJob(this.hash, job.job_id)}>${job.name}</a></td>
      <td><span class=${statusOf(job)}>${m.downloads.status[statusOf(job)]}</span>${job.status === "processing" && job.progress_percent != null ? ` ${text.percent(Math.floor(job.progress_percent))}` : ""}</td>
      <td class="number">${job.row_count == null ? "–" : text.number(job.row_count)}</td>
      <td class="number">${job.file_size_bytes ? text.bytes(job.file_size_bytes) : "–"}</td>
      <td><time datetime=${job.created_at}>${text.at(job.created_at)}</time></td>
      <td>${job.owner}</td>
      <td>${job.metadata.can_download
        ? html`<a href=${this.client.downloadUrl(job)} download aria-label=${m.downloads.named(m.downloads.download, job.name)}>${m.downloads.download}</a>`
        : nothing}</td>
    </tr>`;
  }

  /** The dataset of which an export is about to be asked for. */
  private get fresh(): string | null {
    return locationOf(this.hash).params.get("new");
  }

  /** Which of its rows. */
  private get query(): Query {
    return fromParams(locationOf(this.hash).params);
  }

  private list(change: Partial<Listed>): void {
    location.hash = toHash(this.hash, { ...this.#listed, ...change });
  }

  /** Another address: the export that is about to be asked for, and of which rows. */
  private change(named: { new?: string | null }, query: Query = this.query): void {
    const { path, params } = locationOf(this.hash);
    const kept = [...params].filter(([name]) => !name.startsWith("f.") && name !== "when");
    const next = new URLSearchParams([...kept, ...toParams(query)]);
    for (const [name, value] of Object.entries(named)) {
      if (value === null) next.delete(name);
      else next.set(name, value);
    }
    const search = next.toString();
    location.hash = `#/${path}${search ? `?${search}` : ""}`;
  }

  private turn(cursor: string | null): void {
    this.#cursor = cursor;
    void this.load();
  }

  private async load(): Promise<void> {
    this.problem = await attempt(async () => {
      this.page = await this.client.jobs({ limit: PAGE, ...toRequest(this.#listed), ...(this.#cursor && { cursor: this.#cursor }) });
    });
  }
}
