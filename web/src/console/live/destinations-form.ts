/** Makes or changes a destination, which is probed before anything is kept. Fires `saved` with it. The secret leaves this form once, and never comes back. */
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import type { Answer, Problem } from "../../core/client";
import { bodyOf, changeOf, EMPTY, isAnotherPlace, type Name, NAMES, type Said, saidOf, withName } from "../../core/destination";
import type { Destination, Sending } from "../../core/sending";
import { besides, control, type Field, field, forms, refusal, valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Submission } from "../../elements/submission";
import { messages as m } from "../../i18n/pages";
import { conflict, isConflict } from "./conflict";
import { sendingStyles } from "./sending-styles";

const GRANTS = ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:DeleteObject"];
const PLACES = [...NAMES, "path_style"].map((name) => `/${name}`);
const d = m.sending.destinations;

@customElement("offtake-destination-form")
export class DestinationFormElement extends LitElement {
  static override styles = [shared, sendingStyles, forms];

  @property({ attribute: false }) sending!: Sending;
  /** What is changed; null: one is made. */
  @state() private present: Destination | null = null;
  @state() private said: Said = EMPTY;
  @query("dialog") private dialog!: HTMLDialogElement;
  #version: string | null = null;
  readonly #form = new Submission(this);

  /** Opens for a new one, or to change the one of this id, as it is now. Where that cannot be had it stays closed, and says why. */
  async open(id: string | null): Promise<Problem | null> {
    const isStill = this.#form.begin();
    this.present = null;
    this.said = EMPTY;
    const problem = id && (await this.#form.load(() => this.sending.destination(id), this.take));
    if (problem || !isStill()) return problem || null;
    await this.updateComplete;
    this.dialog.showModal();
    return null;
  }

  private readonly take = ({ body, version }: Answer<Destination>): void => {
    this.#version = version;
    this.present = body;
    this.said = saidOf(body);
  };

  private get problem(): Problem | null {
    return this.#form.problem;
  }

  override render() {
    const { present, said } = this;
    const isElsewhere = present !== null && isAnotherPlace(said, present);
    const secret = present ? (isElsewhere ? d.form.secretNeeded : d.form.secretKept) : d.form.secretHint;
    return html`<dialog aria-labelledby="title" @close=${() => (this.said = EMPTY)}><form method="dialog" @submit=${this.submitted} novalidate autocomplete="off">
      <header><h2 id="title">${present ? d.form.change(present.name) : d.form.create}</h2></header>
      <div class="body">
        ${this.trouble()}
        ${this.text("name", d.form.name)}
        <div class="pair">${this.text("bucket", d.form.bucket)}${this.text("region", d.form.region, d.form.regionHint)}</div>
        ${this.text("endpoint", d.form.endpoint, d.form.endpointHint)}
        ${said.endpoint.trim()
          ? html`<label class="check"><input type="checkbox" .checked=${live(said.path_style)} @change=${() => (this.said = { ...said, path_style: !said.path_style })} />${d.form.pathStyle}</label>`
          : nothing}
        ${this.text("prefix", d.form.prefix, `${m.sending.optional} ${d.form.prefixHint}`)}
        <div class="pair">${this.text("access_key", d.form.accessKey)}${this.text("secret_key", d.form.secretKey, secret)}</div>
        <p class="hint">${d.form.grants}: ${GRANTS.map((grant) => html`<code>${grant}</code> `)}</p>
        ${this.#form.isBusy ? html`<div role="status"><progress aria-label=${d.form.make}></progress><p class="quiet">${d.probing}</p></div>` : nothing}
      </div>
      <footer>
        <button type="button" @click=${() => this.dialog.close()}>${m.sending.cancel}</button>
        <button class="primary" ?disabled=${this.#form.isBusy}>${present ? d.form.save : d.form.make}</button>
      </footer>
    </form></dialog>`;
  }

  private trouble() {
    const { problem, present } = this;
    if (isConflict(problem) && present) return conflict(() => this.#form.renew(() => this.sending.destination(present.id), this.take));
    // What the probe says is about no field in particular.
    const probe = problem?.errors.filter((error) => error.pointer === "") ?? [];
    if (probe.length > 0) return html`<div class="why" role="alert"><strong>${d.form.refused}</strong>${probe.map((error) => html`<p>${error.detail}</p>`)}</div>`;
    const left = besides(problem, PLACES);
    return left ? html`<offtake-problem .problem=${left}></offtake-problem>` : nothing;
  }

  private text(name: Name, label: string, hint?: string) {
    const of: Field = { id: name, label, hint, error: refusal(this.problem, `/${name}`) };
    const type = name === "secret_key" ? "password" : "text";
    return field(of, html`<input ${control(of)} type=${type} autocomplete=${type === "password" ? "new-password" : "off"} spellcheck="false"
      .value=${live(this.said[name])} @input=${(event: Event) => (this.said = withName(this.said, name, valueOf(event)))} />`);
  }

  private readonly submitted = async (event: Event): Promise<void> => {
    event.preventDefault();
    const { present, said } = this;
    const work = () => (present ? this.sending.changeDestination(present.id, this.#version, changeOf(said, present)) : this.sending.createDestination(bodyOf(said)));
    await this.#form.send(work, this.dialog, (detail) => this.dispatchEvent(new CustomEvent<Destination>("saved", { detail })));
  };
}
