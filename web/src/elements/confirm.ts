/** Asks before something is done that cannot be undone, does it, and says what went wrong. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { attempt } from "../core/attempt";
import type { Problem } from "../core/client";
import { messages as m } from "../i18n";
import "./problem";
import { shared } from "./styles";
import { Turn } from "./turn";

export type Question = {
  readonly title: string;
  /** What becomes of it. */
  readonly detail: string;
  /** What the button says. */
  readonly act: string;
  readonly work: () => Promise<unknown>;
  /** Where the focus goes afterwards, if what was pressed goes with what is deleted. */
  readonly next?: () => HTMLElement | null;
};

@customElement("offtake-confirm")
export class ConfirmElement extends LitElement {
  static override styles = [
    shared,
    css`
      dialog { inline-size: min(480px, calc(100vw - 24px)); }
      .body { padding: 18px 20px; display: grid; gap: 14px; }
      .actions { justify-content: end; }
      button.danger { background: var(--_bad); border-color: var(--_bad); color: var(--_surface); font-weight: 600; }
      button.danger:hover:not(:disabled) { background: var(--_bad); filter: brightness(1.08); }
    `,
  ];

  @state() private question: Question | null = null;
  @state() private problem: Problem | null = null;
  @state() private isBusy = false;
  @query("dialog") private dialog!: HTMLDialogElement;
  readonly #turn = new Turn(this);

  /** Asks; the answer is done before the dialog closes. */
  async ask(question: Question): Promise<void> {
    this.#turn.begin();
    this.isBusy = false;
    this.question = question;
    this.problem = null;
    await this.updateComplete;
    this.dialog.showModal();
  }

  override render() {
    return html`<dialog aria-labelledby="title" aria-describedby="detail"><div class="body">
      <h2 id="title">${this.question?.title}</h2>
      <p id="detail">${this.question?.detail}</p>
      ${this.problem ? html`<offtake-problem .problem=${this.problem}></offtake-problem>` : nothing}
      <div class="row actions">
        <button autofocus @click=${() => this.dialog.close()}>${m.confirm.no}</button>
        <button class="danger" ?disabled=${this.isBusy} @click=${this.agreed}>${this.question?.act}</button>
      </div>
    </div></dialog>`;
  }

  private readonly agreed = async (): Promise<void> => {
    const isStill = this.#turn.hold();
    const { work, next } = this.question!;
    this.isBusy = true;
    const problem = await attempt(work);
    if (!isStill()) return;
    this.problem = problem;
    this.isBusy = false;
    if (problem) return;
    this.dialog.close();
    // Once what was deleted is gone from the page.
    if (next) setTimeout(() => next()?.focus());
  };
}
