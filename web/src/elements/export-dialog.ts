/**
 * Asks what the file is to be, shows how it begins, and asks for it. Fires `started` with what was asked for.
 * Not responsible for which rows: it is given the body that says so.
 */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { attempt } from "../core/attempt";
import type { Client, Created, Dataset, Preview, Problem, Session } from "../core/client";
import { type Draft, type DraftField, draftOf, isCompressible, toRequest } from "../core/draft";
import * as text from "../core/text";
import { messages as m } from "../i18n";
import "./export/columns";
import "./export/form";
import "./export/notify";
import "./export/presets";
import "./export/sample";
import "./export/terms";
import { besides, refusal } from "./field";
import "./problem";
import { shared } from "./styles";
import { Turn } from "./turn";

/** An export that was asked for. */
export type Started = {
  readonly id: string;
  /** Leads to the file, where the rows were so few that it is there already. */
  readonly link: string | null;
  /** Whether a mail tells when it is ready. */
  readonly isMailed: boolean;
};

@customElement("offtake-export-dialog")
export class ExportDialogElement extends LitElement {
  static override styles = [
    shared,
    css`
      dialog { inline-size: min(820px, calc(100vw - 24px)); }
      form { display: grid; grid-template-columns: minmax(0, 1fr); }
      header, footer { padding: 14px 20px; }
      header { display: grid; gap: 4px; }
      footer { border-block-start: 1px solid var(--_line); display: flex; flex-wrap: wrap; gap: 8px; align-items: center; position: sticky; inset-block-end: 0; background: var(--_surface); z-index: 1; }
      .body { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; padding: 0 20px 16px; min-inline-size: 0; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @state() private of: Dataset | null = null;
  @state() private draft: Draft | null = null;
  @state() private session: Session | null = null;
  @state() private sample: Preview | null = null;
  @state() private problem: Problem | null = null;
  @state() private isAsking = false;
  @query("dialog") private dialog!: HTMLDialogElement;

  #rows: Record<string, unknown> = {};
  #count = 0;
  #countedAt: Date | null = null;
  /** One for each thing that is asked for, however often the button is pressed. */
  #key = "";
  #looking = new AbortController();
  readonly #turn = new Turn(this);

  /** Opens with the rows that `rows` names, which are `count`. */
  async open(dataset: Dataset, rows: Record<string, unknown>, count: number, countedAt: Date | null): Promise<void> {
    const { draft } = this;
    this.#turn.begin();
    this.isAsking = false;
    this.#rows = rows;
    this.#count = count;
    this.#countedAt = countedAt;
    this.of = dataset;
    // The form of a file is a habit; its columns and its name belong to the rows.
    this.draft = { ...draftOf(dataset), ...(draft && { format: draft.format, compression: draft.compression, isMailed: draft.isMailed }) };
    this.sample = this.problem = null;
    await this.updateComplete;
    this.dialog.showModal();
    void attempt(async () => (this.session = await this.client.session()));
    await this.anew();
  }

  override render() {
    const { of, draft, sample } = this;
    if (!of || !draft) return html`<dialog></dialog>`;
    const noun = m.noun(of.title, this.#count);
    const problem = besides(this.problem, ["/notify"]);
    const changes = (event: CustomEvent<Partial<Draft>>) => this.change(event.detail);
    return html`<dialog aria-labelledby="title" @close=${this.closed}>
      <form method="dialog" @submit=${this.submitted}>
        <header><h2 id="title">${m.dialog.title(text.number(this.#count), noun)}</h2>
          ${this.#countedAt ? html`<p class="quiet">${m.dialog.moment(text.at(this.#countedAt.toISOString()))}</p>` : nothing}
        </header>
        <div class="body">
          ${problem ? html`<offtake-problem .problem=${problem}></offtake-problem>` : nothing}
          <offtake-export-terms .of=${of} .sample=${sample}></offtake-export-terms>
          <offtake-export-presets .client=${this.client} .of=${of} .draft=${draft} @draft=${changes}></offtake-export-presets>
          <offtake-export-form .draft=${draft} @draft=${changes}></offtake-export-form>
          <offtake-export-notify .draft=${draft} .session=${this.session} .refused=${refusal(this.problem, "/notify") ?? ""} @draft=${changes}></offtake-export-notify>
          <offtake-export-columns .fields=${draft.fields} @fields=${(event: CustomEvent<readonly DraftField[]>) => this.change({ fields: event.detail })}></offtake-export-columns>
          ${sample ? html`<offtake-export-sample .sample=${sample}></offtake-export-sample>` : this.problem || !this.hasColumns ? nothing : html`<p class="quiet">${m.loading}</p>`}
        </div>
        <footer>
          <span class="quiet">${this.isAsking ? m.dialog.asking : ""}</span><span class="push"></span>
          <button type="button" @click=${() => this.dialog.close()}>${m.dialog.cancel}</button>
          <button class="primary" aria-busy=${this.isAsking} ?disabled=${this.isAsking || !this.hasColumns || Boolean(sample?.refusal)}>${m.dialog.start}</button>
        </footer>
      </form>
    </dialog>`;
  }

  private get hasColumns(): boolean {
    return this.draft?.fields.some((field) => field.wanted) ?? false;
  }

  private change(change: Partial<Draft>): void {
    this.draft = { ...this.draft!, ...change };
    if (!isCompressible(this.draft.format)) this.draft = { ...this.draft, compression: "none" };
    // What it is called and who is told change nothing of the file.
    if (Object.keys(change).every((name) => ["name", "isMailed", "others"].includes(name))) this.#key = crypto.randomUUID();
    else void this.anew();
  }

  /** What is asked for is something else now. */
  private async anew(): Promise<void> {
    this.#key = crypto.randomUUID();
    this.#looking.abort();
    this.#looking = new AbortController();
    const { signal } = this.#looking;
    if (!this.of || !this.draft || !this.hasColumns) return;
    // What the preview shows does not depend on who is told.
    const body = toRequest({ ...this.draft, name: "", isMailed: false, others: [] }, this.#rows);
    const problem = await attempt(async () => {
      const sample = await this.client.preview(this.of!.name, body, signal);
      if (!signal.aborted) this.sample = sample;
    }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return null;
    });
    if (signal.aborted) return;
    this.problem = problem;
    if (problem) this.sample = null;
  }

  private readonly submitted = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!this.of || !this.draft || this.isAsking) return;
    this.isAsking = true;
    const { of, draft } = this;
    const isStill = this.#turn.hold();
    const problem = await attempt(async () => {
      const created = await this.client.create(of.name, toRequest(draft, this.#rows), this.#key);
      if (isStill()) this.dialog.close();
      this.started(created, draft.isMailed);
    });
    if (!isStill()) return;
    this.problem = problem;
    this.isAsking = false;
    if (problem) void this.updateComplete.then(() => this.renderRoot.querySelector("offtake-problem")?.scrollIntoView({ block: "nearest" }));
  };

  private readonly closed = (): void => {
    this.#looking.abort();
    this.of = null;
  };

  private started({ job_id: id, link }: Created, isMailed: boolean): void {
    const detail: Started = { id, link: link ? this.client.resolved(link) : null, isMailed };
    this.dispatchEvent(new CustomEvent<Started>("started", { detail }));
  }
}
