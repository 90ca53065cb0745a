/** The runs of a schedule, newest first: what each has, how it went, and its file. */
import { LitElement, html, nothing, type PropertyValues } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { attempt } from "../../core/attempt";
import type { Client, Problem } from "../../core/client";
import type { Run, Sending } from "../../core/sending";
import * as text from "../../core/text";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { messages as m } from "../../i18n/pages";
import { jobFrom } from "../exports/list";
import { inZone, windowWords } from "./schedules-words";
import { sendingStyles } from "./sending-styles";

const AGAIN_MS = 2000;
/** What a worker may take to notice that something is due, and more. */
const LATE_SECONDS = 300;
const s = m.sending.schedules;

@customElement("offtake-schedule-runs")
export class ScheduleRunsElement extends LitElement {
  static override styles = [shared, sendingStyles];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) sending!: Sending;
  @property() schedule = "";
  @property() zone = "UTC";
  @property({ type: Boolean }) mayDownload = false;
  /** Another number is a reason to look again. */
  @property({ type: Number }) times = 0;
  @state() private runs: readonly Run[] | null = null;
  @state() private problem: Problem | null = null;
  /** Why what was asked for did not work; looking again says nothing about that. */
  @state() private refused: Problem | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("schedule") || changed.has("times")) void this.load();
  }

  override render() {
    const { runs, problem } = this;
    const again = () => void this.load();
    return html`${problem ? html`<offtake-problem again .problem=${problem} @again=${again}></offtake-problem>` : nothing}
      ${this.refused ? html`<offtake-problem .problem=${this.refused}></offtake-problem>` : nothing}
      ${runs === null
        ? problem ? nothing : html`<p class="quiet">${m.loading}</p>`
        : runs.length === 0 ? html`<p class="quiet">${s.runs.none}</p>` : this.table(runs)}`;
  }

  private table(runs: readonly Run[]) {
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${s.runs.title}><table>
      <thead><tr><th scope="col">${s.runs.due}</th><th scope="col">${s.runs.status}</th><th scope="col">${s.runs.kind}</th>
        <th scope="col">${s.runs.window}</th><th scope="col">${s.runs.file}</th></tr></thead>
      <tbody>${repeat(runs, (run) => run.job_id, (run) => this.row(run))}</tbody>
    </table></div>`;
  }

  private row(run: Run) {
    const when = inZone(run.due_at, this.zone);
    const late = run.kind === "scheduled" ? (Date.parse(run.created_at) - Date.parse(run.due_at)) / 1000 : 0;
    const look = run.status === "completed" ? "good" : run.status === "failed" ? "bad" : "quiet";
    return html`<tr data-job=${run.job_id} data-status=${run.status}>
      <td><time datetime=${run.due_at}>${when}</time>${late > LATE_SECONDS ? html`<br /><span class="bad">${s.runs.late(text.seconds(late))}</span>` : nothing}</td>
      <td><span class="badge ${look}">${m.downloads.status[run.status]}</span></td>
      <td>${s.runs.kinds[run.kind]}</td>
      <td class="long">${windowWords(run.window_from, run.window_to)}</td>
      <td><a href=${jobFrom(location.hash, run.job_id)} aria-label=${m.sending.named(s.export, when)}>${s.export}</a>
        ${run.status === "completed" && this.mayDownload
        ? html`<a href=${this.client.downloadPath(run.job_id)} download aria-label=${m.sending.named(s.download, when)}>${s.download}</a>`
        : run.status === "failed"
          ? html`<button aria-label=${m.sending.named(s.retry, when)} @click=${() => this.retried(run)}>${s.retry}</button>`
          : nothing}</td>
    </tr>`;
  }

  private async retried(run: Run): Promise<void> {
    this.refused = await attempt(() => this.client.retry(run.job_id));
    if (!this.refused) await this.load();
  }

  private async load(): Promise<void> {
    clearTimeout(this.#timer);
    this.problem = await attempt(async () => {
      this.runs = await this.sending.runs(this.schedule);
    });
    const isMoving = this.runs?.some(({ status }) => status === "pending" || status === "processing") ?? false;
    if (isMoving && this.isConnected) this.#timer = setTimeout(() => void this.load(), AGAIN_MS);
  }
}
