/** Makes a destination, which is probed before it is kept. Fires `saved` with it. The secret leaves this form once, and never comes back. */
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import { attempt } from "../../core/attempt";
import type { Problem } from "../../core/client";
import type { Destination, Sending } from "../../core/sending";
import { besides, control, type Field, field, forms, refusal, toRefused, valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Turn } from "../../elements/turn";
import { messages as m } from "../../i18n/pages";
import { sendingStyles } from "./sending-styles";

const NAMES = ["name", "bucket", "region", "endpoint", "prefix", "access_key", "secret_key"] as const;
type Name = (typeof NAMES)[number];
const EMPTY: Readonly<Record<Name, string>> = { name: "", bucket: "", region: "", endpoint: "", prefix: "", access_key: "", secret_key: "" };
const GRANTS = ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:DeleteObject"];
const d = m.sending.destinations;

@customElement("offtake-destination-form")
export class DestinationFormElement extends LitElement {
  static override styles = [shared, sendingStyles, forms];

  @property({ attribute: false }) sending!: Sending;
  @state() private said: Readonly<Record<Name, string>> = EMPTY;
  @state() private isPathStyle = false;
  @state() private problem: Problem | null = null;
  @state() private isBusy = false;
  @query("dialog") private dialog!: HTMLDialogElement;
  readonly #turn = new Turn(this);

  async open(): Promise<void> {
    this.#turn.begin();
    this.isBusy = false;
    this.said = EMPTY;
    this.isPathStyle = false;
    this.problem = null;
    await this.updateComplete;
    this.dialog.showModal();
  }

  override render() {
    const { problem } = this;
    // What the probe says is about no field in particular.
    const probe = problem?.errors.filter((error) => error.pointer === "") ?? [];
    const left = problem && probe.length > 0 ? null : besides(problem, [...NAMES.map((name) => `/${name}`), "/path_style"]);
    return html`<dialog aria-labelledby="title" @close=${() => (this.said = EMPTY)}><form method="dialog" @submit=${this.submitted} novalidate autocomplete="off">
      <header><h2 id="title">${d.form.create}</h2></header>
      <div class="body">
        ${left ? html`<offtake-problem .problem=${left}></offtake-problem>` : nothing}
        ${probe.length > 0 ? html`<div class="why" role="alert"><strong>${d.form.refused}</strong>${probe.map((error) => html`<p>${error.detail}</p>`)}</div>` : nothing}
        ${this.text("name", d.form.name)}
        <div class="pair">${this.text("bucket", d.form.bucket)}${this.text("region", d.form.region, d.form.regionHint)}</div>
        ${this.text("endpoint", d.form.endpoint, d.form.endpointHint)}
        ${this.said.endpoint.trim()
          ? html`<label class="check"><input type="checkbox" .checked=${live(this.isPathStyle)} @change=${() => (this.isPathStyle = !this.isPathStyle)} />${d.form.pathStyle}</label>`
          : nothing}
        ${this.text("prefix", d.form.prefix, `${m.sending.optional} ${d.form.prefixHint}`)}
        <div class="pair">${this.text("access_key", d.form.accessKey)}${this.text("secret_key", d.form.secretKey, d.form.secretHint)}</div>
        <p class="hint">${d.form.grants}: ${GRANTS.map((grant) => html`<code>${grant}</code> `)}</p>
        ${this.isBusy ? html`<div role="status"><progress aria-label=${d.form.make}></progress><p class="quiet">${d.probing}</p></div>` : nothing}
      </div>
      <footer>
        <button type="button" @click=${() => this.dialog.close()}>${m.sending.cancel}</button>
        <button class="primary" ?disabled=${this.isBusy}>${d.form.make}</button>
      </footer>
    </form></dialog>`;
  }

  private text(name: Name, label: string, hint?: string) {
    const of: Field = { id: name, label, hint, error: refusal(this.problem, `/${name}`) };
    const type = name === "secret_key" ? "password" : "text";
    return field(of, html`<input ${control(of)} type=${type} autocomplete=${type === "password" ? "new-password" : "off"} spellcheck="false"
      .value=${live(this.said[name])} @input=${(event: Event) => this.changed(name, valueOf(event))} />`);
  }

  private changed(name: Name, value: string): void {
    // Stores that are not Amazon's mostly have the bucket in the path.
    if (name === "endpoint" && !this.said.endpoint.trim() && value.trim()) this.isPathStyle = true;
    this.said = { ...this.said, [name]: value };
  }

  private readonly submitted = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (this.isBusy) return;
    const { endpoint, prefix, ...needed } = this.said;
    const body = {
      ...Object.fromEntries(Object.entries(needed).map(([name, value]) => [name, value.trim()])),
      ...(endpoint.trim() && { endpoint: endpoint.trim(), path_style: this.isPathStyle }),
      ...(prefix.trim() && { prefix: prefix.trim() }),
    };
    const isStill = this.#turn.hold();
    this.isBusy = true;
    this.problem = null;
    const problem = await attempt(async () => {
      const saved = await this.sending.createDestination(body);
      if (isStill()) this.dialog.close();
      this.dispatchEvent(new CustomEvent<Destination>("saved", { detail: saved }));
    });
    if (!isStill()) return;
    this.problem = problem;
    this.isBusy = false;
    await this.updateComplete;
    if (problem) toRefused(this.renderRoot);
  };
}
