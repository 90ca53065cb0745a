/** One's exports, newest first. Draws `Jobs`; what this tab asked for it fetches when it is ready. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { asked } from "../core/asked";
import { attempt } from "../core/attempt";
import type { ClientOptions, Job, Problem } from "../core/client";
import { isActive, type Jobs } from "../core/jobs";
import { jobsOf } from "../core/shared";
import { messages as m } from "../i18n";
import "./download";
import { fetchFile } from "./download";
import "./endings";
import "./problem";
import { shared } from "./styles";

const TICK_MS = 1000;
/** How often the words are looked over when no file is about to go. */
const SELDOM_MS = 15_000;
/** Before a file goes its seconds are counted. */
const SOON_MS = 120_000;

@customElement("offtake-downloads")
export class DownloadsElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: block; }
      ul { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: minmax(0, 1fr); }
      li { padding: 10px 0; border-block-end: 1px solid var(--_line); }
      li:last-child { border-block-end: 0; }
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
  /** Whether it says what ended; not where somebody else does, because this may be hidden. */
  @property({ attribute: false }) saysEnds = true;
  @state() private said = "";
  @state() private problem: Problem | null = null;
  @state() private now = Date.now();
  #jobs: Jobs | undefined;
  #stop: (() => void) | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#clock = setInterval(this.ticked, TICK_MS);
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
    return html`${this.saysEnds ? html`<offtake-endings .jobs=${this.#jobs}></offtake-endings>` : nothing}${this.#jobs ? this.list(this.#jobs) : nothing}`;
  }

  private list({ state: { jobs, problem } }: Jobs) {
    return html`
      <span role="status" class="unseen">${this.said}</span>
      ${problem || this.problem ? html`<offtake-problem again .problem=${this.problem ?? problem} @again=${this.again}></offtake-problem>` : nothing}
      ${jobs.length === 0 && !problem
        ? html`<div class="nothing"><strong>${m.downloads.none}</strong><span class="quiet">${m.downloads.noneDetail}</span></div>`
        : html`<ul @problem=${this.failed} @said=${this.done}>${repeat(jobs.slice(0, this.most), (job) => job.job_id, (job) => this.item(job))}</ul>`}`;
  }

  private item(job: Job) {
    return html`<li data-job=${job.job_id} data-status=${job.status}>
      <offtake-download .job=${job} .jobs=${this.#jobs} .now=${this.now}></offtake-download>
    </li>`;
  }

  private readonly failed = (event: CustomEvent<Problem | null>): void => {
    event.stopPropagation();
    this.problem = event.detail;
  };

  private readonly done = (event: CustomEvent<string>): void => {
    event.stopPropagation();
    this.said = event.detail;
  };

  private readonly again = (): void => {
    this.problem = null;
    void this.#jobs?.look();
  };

  private readonly ticked = (): void => {
    const ends = (this.#jobs?.state.jobs ?? []).filter((job) => job.status === "completed" && job.expires_at).map((job) => new Date(job.expires_at!).getTime());
    const [before, now] = [this.now, Date.now()];
    const isCounted = ends.some((end) => end > now && end - now < SOON_MS);
    if (isCounted || now - before >= SELDOM_MS) this.now = now;
    if (!ends.some((end) => end > before && end <= now)) return;
    // A file has just gone.
    this.now = now;
    void this.#jobs?.look();
  };

  /** Fetches what this tab asked for and is looked at; elsewhere it waits for a click. */
  private fetchAsked(jobs: Jobs): void {
    for (const job of jobs.state.jobs) {
      if (isActive(job) || !asked.has(job.job_id)) continue;
      if (!job.metadata.can_download) asked.take(job.job_id);
      else if (document.visibilityState === "visible" && asked.take(job.job_id)) void attempt(() => fetchFile(jobs.client, job)).then((problem) => (this.problem = problem));
    }
  }
}
