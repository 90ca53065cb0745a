/** How exports performed lately: rows a second, and the time of a frame, as pictures; the figures beside them. */
import { LitElement, css, html, nothing, svg } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { type Client, Problem, type Timings } from "../core/client";
import * as text from "../core/text";
import "../elements/problem";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";

type Point = Timings["jobs"][number];

const [WIDTH, HEIGHT] = [600, 120];
const MOST = 60;

@customElement("offtake-timings")
export class TimingsElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: block; }
      .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 16px; margin-block-start: 8px; }
      figure { margin: 0; border: 1px solid var(--_line); border-radius: var(--_radius); padding: 10px 14px; }
      svg { inline-size: 100%; block-size: 120px; }
      rect { fill: var(--_accent); } rect.back { fill: var(--_tint); stroke: var(--_accent); stroke-width: 0.5; }
      summary { cursor: pointer; color: var(--_accent); padding-block: 8px; inline-size: fit-content; }
      .scroll { overflow: auto; border: 1px solid var(--_line); border-radius: var(--_radius); }
      table { border-collapse: collapse; min-inline-size: 100%; }
      th, td { padding: 4px 10px; text-align: start; white-space: nowrap; border-block-end: 1px solid var(--_line); }
      th { background: var(--_soft); } th.number, td.number { text-align: end; }
      figcaption { display: flex; justify-content: space-between; gap: 8px; flex-wrap: wrap; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @state() private timings: Timings | null = null;
  @state() private problem: Problem | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  override render() {
    const { timings, problem } = this;
    if (problem) return html`<offtake-problem .problem=${problem}></offtake-problem>`;
    if (!timings || timings.jobs.length === 0) return nothing;
    const jobs = timings.jobs.slice(0, MOST).reverse();
    const { queued_ms, duration_ms, rows_per_second, file_size_bytes } = timings.percentiles;
    return html`<section><h2>${m.exports.timings}</h2><div class="charts">
      ${chart(m.timings.queued, jobs.filter((job) => job.queued_ms != null), (job) => [job.queued_ms ?? 0], text.milliseconds, queued_ms)}
      ${chart(m.timings.rate, jobs, (job) => [job.rows_per_second], (value) => text.about(value), rows_per_second)}
      ${chart(m.timings.duration, jobs, (job) => [job.duration_ms], text.milliseconds, duration_ms)}
      ${chart(m.timings.frame, jobs, (job) => [job.frame_ms.p50, job.frame_ms.p95], text.milliseconds)}
      ${chart(m.timings.size, jobs, (job) => [job.file_size_bytes], text.bytes, file_size_bytes)}
    </div>
    <details><summary>${m.timings.table}</summary>${table(timings.jobs.slice(0, MOST))}</details></section>`;
  }

  private async load(): Promise<void> {
    try {
      this.timings = await this.client.timings();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    }
  }
}

/** The same, for who cannot see the pictures or wants the figures. */
function table(jobs: readonly Point[]) {
  const { columns, queued, rate, duration, size } = m.timings;
  const figures = (job: Point) => [
    text.number(job.row_count), text.about(job.rows_per_second), job.queued_ms == null ? "–" : text.milliseconds(job.queued_ms), text.milliseconds(job.duration_ms),
    text.milliseconds(job.frame_ms.p50), text.milliseconds(job.frame_ms.p95), text.bytes(job.file_size_bytes),
  ];
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${m.exports.timings}><table>
    <thead><tr>${[columns.at, columns.dataset, columns.format].map((one) => html`<th scope="col">${one}</th>`)}
      ${[columns.rows, rate, queued, duration, columns.frameP50, columns.frameP95, size].map((one) => html`<th scope="col" class="number">${one}</th>`)}</tr></thead>
    <tbody>${jobs.map((job) => html`<tr><td><time datetime=${job.completed_at}>${text.at(job.completed_at)}</time></td><td>${job.dataset}</td><td>${job.format}</td>
      ${figures(job).map((one) => html`<td class="number">${one}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/** Bars, oldest first; a second value of a job stands behind its first. */
function chart(title: string, jobs: readonly Point[], values: (job: Point) => number[], say: (value: number) => string, spread?: { p50: number; p95: number } | null) {
  const most = Math.max(...jobs.flatMap(values), Number.MIN_VALUE);
  const step = WIDTH / Math.max(jobs.length, 12);
  const facts = spread ? m.timings.spread(say(spread.p50), say(spread.p95)) : m.timings.both;
  const bar = (job: Point, index: number) =>
    values(job).map((value, which) => ({ value, which })).reverse().map(({ value, which }) => {
      const height = Math.max((value / most) * (HEIGHT - 6), 1);
      return svg`<rect class=${which === 0 ? "" : "back"} x=${index * step + 1} y=${HEIGHT - height} width=${Math.max(step - 3, 1)} height=${height}>
        <title>${`${text.at(job.completed_at)}: ${say(value)}`}</title></rect>`;
    });
  return html`<figure>
    <figcaption><strong>${title}</strong><span class="quiet number">${facts}</span></figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title}: ${facts}">${jobs.map(bar)}</svg>
  </figure>`;
}
