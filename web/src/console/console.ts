/** The frame around every page: who is signed in, which pages there are, and the downloads, which are always at hand. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { asked } from "../core/asked";
import { Client, type Dataset, type Job, Problem, type Session } from "../core/client";
import { isActive, Jobs } from "../core/jobs";
import * as text from "../core/text";
import "../elements/downloads";
import "../elements/endings";
import type { Started } from "../elements/export-dialog";
import "../elements/problem";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";
import "./exports-page";
import "./exports/detail";
import { jobIn, withJob } from "./exports/list";
import "./live/page";
import { type Route, parse, print } from "./route";
import { may } from "./rows-page";
import "./sign-in";
import { applyTheme, themes, theme } from "./theme";
import * as wanted from "./wanted";

/** What there is for traces comes first; other datasets follow by name. */
const FIRST = ["traces", "spans", "prompts"];
/** Pages that are of no dataset. */
const OTHERS = ["exports", "live"];

@customElement("offtake-console")
export class ConsoleElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; grid-template-rows: auto 1fr; min-block-size: 100dvh; }
      header { border-block-end: 1px solid var(--_line); padding: 8px 20px; display: flex; gap: 8px 20px; align-items: center; flex-wrap: wrap; }
      header strong { font-size: 1.1rem; }
      nav { display: flex; gap: 2px; flex-wrap: wrap; }
      nav a { padding: 6px 10px; border-radius: var(--_radius); text-decoration: none; color: inherit; }
      nav a:hover { background: var(--_soft); }
      nav a[aria-current] { background: var(--_tint); font-weight: 600; }
      main { padding: 16px 20px 32px; min-inline-size: 0; }
      .skip { position: absolute; inset-inline-start: -9999px; }
      .skip:focus { inset: 8px auto auto 8px; background: var(--_surface); padding: 8px; z-index: 10; }
      .panel {
        position: fixed; inset: 56px 16px auto auto; inline-size: min(440px, calc(100vw - 32px)); max-block-size: calc(100dvh - 80px);
        overflow: auto; background: var(--_surface); border: 1px solid var(--_line); border-radius: calc(var(--_radius) * 2);
        box-shadow: 0 8px 30px rgb(0 0 0 / 22%); padding: 12px 16px; z-index: 5;
      }
      .badge { background: var(--_accent); color: var(--_on-accent); border-radius: 9px; padding: 0 6px; margin-inline-start: 4px; font-size: 0.85em; }
      .toast { position: fixed; inset: auto auto 20px 20px; background: var(--_accent); color: var(--_on-accent); padding: 10px 14px; border-radius: var(--_radius); z-index: 6; }
      @media print {
        :host { display: block; }
        header, .panel, .toast, main:has(~ offtake-export-detail:not([job=""])) { display: none; }
        main { padding: 0; }
      }
    `,
  ];

  readonly #client = new Client();
  readonly #jobs = new Jobs(this.#client);
  @state() private session: Session | null = null;
  @state() private datasets: readonly Dataset[] = [];
  @state() private problem: Problem | null = null;
  @state() private route: Route = parse(location.hash);
  @state() private active = 0;
  @state() private isOpen = false;
  @state() private said = "";
  /** The export that is open over whatever page there is. */
  @state() private opened = "";
  #wasSignedIn = false;
  #stop: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    applyTheme();
    addEventListener("hashchange", this.moved);
    void this.begin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("hashchange", this.moved);
    this.#stop?.();
  }

  protected override willUpdate(): void {
    text.useTimeZone(this.route.zone);
  }

  override render() {
    if (this.problem?.isStranger) {
      return html`<main><offtake-sign-in .ended=${this.#wasSignedIn} @again=${() => void this.begin()}></offtake-sign-in></main>`;
    }
    if (this.problem) return html`<main><offtake-problem again .problem=${this.problem} @again=${() => void this.begin()}></offtake-problem></main>`;
    if (!this.session) return html`<main><p class="quiet">${m.loading}</p></main>`;
    return html`
      ${this.head(this.session)}
      <aside class="panel" aria-label=${m.downloads.title} ?hidden=${!this.isOpen} @keydown=${this.escaped}>
        <div class="row"><h2>${m.downloads.title}</h2><span class="push"></span>
          <button class="close" @click=${() => this.open(false)}>${m.dialog.close}</button></div>
        <offtake-downloads .jobs=${this.#jobs} .saysEnds=${false} @receipt=${this.receiptAsked}></offtake-downloads>
      </aside>
      <main id="content" tabindex="-1">${this.page(this.session)}</main>
      <offtake-export-detail .client=${this.#client} .jobs=${this.#jobs} .mayDelete=${may(this.session, "exports:delete")} job=${this.linked ?? this.opened} @close=${this.detailClosed}></offtake-export-detail>
      <offtake-endings .jobs=${this.#jobs}></offtake-endings>
      <div role="status">${this.said ? html`<div class="toast">${this.said}</div>` : nothing}</div>`;
  }

  private head(session: Session) {
    const current = (page: string) => (this.route.page === page ? "page" : nothing);
    const link = (page: string, title: string) => html`<a href=${print({ ...parse(""), page, zone: this.route.zone })} aria-current=${current(page)}>${title}</a>`;
    return html`<header>
      <button class="skip" @click=${this.skipped}>${m.skip}</button>
      <strong>${m.product}</strong>
      <nav aria-label=${m.nav.label}>
        ${this.datasets.map((dataset) => link(dataset.name, dataset.title))}
        ${link("exports", m.nav.exports)}
        ${link("live", m.nav.live)}
        <a href="docs/">${m.nav.api}</a>
      </nav>
      <span class="push"></span>
      <button id="downloads" aria-expanded=${this.isOpen} aria-label=${m.downloads.open(this.active)} @click=${this.downloadsPressed}>
        ${m.downloads.title}${this.active > 0 ? html`<span class="badge number">${text.number(this.active)}</span>` : nothing}
      </button>
      <select aria-label=${m.theme.label} @change=${(event: Event) => applyTheme((event.target as HTMLSelectElement).value)}>
        ${themes.map((name) => html`<option value=${name} ?selected=${name === theme()}>${m.theme[name]}</option>`)}
      </select>
      <span class="quiet">${m.signedIn(session.sub, session.org_id)}</span>
      ${session.via === "session" ? html`<button @click=${this.signedOut}>${m.signOut}</button>` : nothing}
    </header>`;
  }

  private page(session: Session) {
    const { route } = this;
    if (route.page === "exports") {
      return html`<offtake-exports-page .client=${this.#client} .jobs=${this.#jobs} .datasets=${this.datasets}
        .mayExport=${may(session, "exports:create")} .hash=${location.hash} @started=${this.started}></offtake-exports-page>`;
    }
    if (route.page === "live") {
      return html`<offtake-live-page .client=${this.#client} .route=${route} .session=${session} .datasets=${this.datasets}></offtake-live-page>`;
    }
    const dataset = this.datasets.find((one) => one.name === route.page);
    if (!dataset) return nothing;
    return html`<offtake-rows-page .client=${this.#client} .of=${dataset} .route=${route} .session=${session}
      @route=${(event: CustomEvent<Partial<Route>>) => this.go(event.detail)} @started=${this.started}></offtake-rows-page>`;
  }

  /** The export that the address opens. */
  private get linked(): string | null {
    return this.route.page === "exports" ? jobIn(location.hash) : null;
  }

  private readonly detailClosed = (): void => {
    this.opened = "";
    if (this.linked !== null) location.hash = withJob(location.hash, null);
  };

  private async begin(): Promise<void> {
    try {
      const [session, datasets] = await Promise.all([this.#client.session(), this.#client.datasets()]);
      this.session = session;
      if (wanted.take(location.hash)) this.moved();
      this.datasets = datasets.sort((a, b) => rank(a) - rank(b) || a.title.localeCompare(b.title));
      this.problem = null;
      this.#wasSignedIn = true;
      if (![...OTHERS, ...this.datasets.map((one) => one.name)].includes(this.route.page)) {
        history.replaceState(null, "", print({ ...this.route, page: this.datasets[0]?.name ?? "exports", tab: "" }));
        this.moved();
      }
      this.#stop ??= this.#jobs.subscribe(({ jobs, problem }) => {
        this.active = jobs.filter(isActive).length;
        if (problem?.isStranger) this.problem = problem;
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.isStranger) wanted.keep(location.hash);
      this.problem = error;
    }
  }

  private readonly moved = (): void => {
    this.route = parse(location.hash);
  };

  private go(change: Partial<Route>): void {
    const next = print({ ...this.route, ...change });
    if (next !== location.hash) location.hash = next;
  }

  private readonly started = (event: CustomEvent<Started>): void => {
    const { id, link, isMailed } = event.detail;
    const isFetched = asked.fetchOrAdd(id, link);
    if (!isFetched) this.open(true);
    this.say(isFetched ? m.dialog.fetched : isMailed ? m.dialog.startedByMail : m.dialog.started);
    void this.#jobs.changed();
  };

  private readonly receiptAsked = (event: CustomEvent<Job>): void => {
    this.opened = event.detail.job_id;
  };

  private say(words: string): void {
    this.said = words;
    setTimeout(() => {
      if (this.said === words) this.said = "";
    }, 6000);
  }

  private open(isOpen: boolean): void {
    this.isOpen = isOpen;
    if (!isOpen) this.renderRoot.querySelector<HTMLElement>("#downloads")?.focus();
  }

  /** Whoever opens the panel goes into it. */
  private readonly downloadsPressed = async (): Promise<void> => {
    this.open(!this.isOpen);
    await this.updateComplete;
    if (this.isOpen) this.renderRoot.querySelector<HTMLElement>(".panel .close")?.focus();
  };

  private readonly escaped = (event: KeyboardEvent): void => {
    if (event.key === "Escape") this.open(false);
  };

  private readonly skipped = (): void => {
    this.renderRoot.querySelector<HTMLElement>("#content")?.focus();
  };

  private readonly signedOut = async (): Promise<void> => {
    await this.#client.signOut().catch(() => undefined);
    this.#wasSignedIn = false;
    location.reload();
  };
}

function rank(dataset: Dataset): number {
  const place = FIRST.indexOf(dataset.name);
  return place === -1 ? FIRST.length : place;
}
