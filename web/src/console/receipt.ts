/** The receipt of a file, whole, as it is kept. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { type Client, type Job, Problem, type Receipt } from "../core/client";
import "../elements/problem";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";

@customElement("offtake-receipt")
export class ReceiptElement extends LitElement {
  static override styles = [
    shared,
    css`
      .body { padding: 16px 20px; display: grid; gap: 12px; }
      dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; }
      dt { color: var(--_quiet); } dd { margin: 0; overflow-wrap: anywhere; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @state() private job: Job | null = null;
  @state() private receipt: Receipt | null = null;
  @state() private problem: Problem | null = null;
  @query("dialog") private dialog!: HTMLDialogElement;

  async open(job: Job): Promise<void> {
    this.job = job;
    this.receipt = null;
    this.problem = null;
    this.dialog.showModal();
    try {
      this.receipt = await this.client.receipt(job.job_id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    }
  }

  override render() {
    return html`<dialog aria-labelledby="title"><div class="body">
      <h2 id="title">${m.receipt.title(this.job?.file_name ?? "")}</h2>
      <p class="quiet">${m.receipt.lead}</p>
      ${this.problem ? html`<offtake-problem .problem=${this.problem}></offtake-problem>` : nothing}
      <dl>${Object.entries(this.receipt ?? {}).map(([name, value]) => html`<dt>${name}</dt><dd><code>${typeof value === "string" ? value : JSON.stringify(value)}</code></dd>`)}</dl>
      <div><button @click=${() => this.dialog.close()}>${m.receipt.close}</button></div>
    </div></dialog>`;
  }
}
