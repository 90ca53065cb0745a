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
    const { duration_ms, rows_per_second, file_size_bytes } = timings.percentiles;
    return html`<section><h2>${m.exports.timings}</h2><div class="charts">
      ${chart(m.timings.rate, jobs, (job) => [job.rows_per_second], (value) => text.about(value), rows_per_second)}
      ${chart(m.timings.duration, jobs, (job) => [job.duration_ms], text.milliseconds, duration_ms)}
      ${chart(m.timings.frame, jobs, (job) => [job.frame_ms.p50, job.frame_ms.p95], text.milliseconds)}
      ${chart(m.timings.size, jobs, (job) => [job.file_size_bytes], text.bytes, file_size_bytes)}
    </div></section>`;
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

/** Bars, oldest first; a second value of a job stands behind its first. */
function chart(title: string, jobs: readonly Point[], values: (job: Point) => number[], say: (value: number) => string, spread?: { p50: number; p95: number } | null) {
  const most = Math.max(...jobs.flatMap(values), Number.MIN_VALUE);
  const step = WIDTH / Math.max(jobs.length, 12);
  const facts = spread ? `P50 ${say(spread.p50)} · P95 ${say(spread.p95)}` : m.timings.both;
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
