/**
 * What the organization asks for again and again: takes a preset for the draft, keeps the draft as one, replaces and deletes.
 * Fires `draft` with the draft that a preset makes.
 */
import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { attempt } from "../../core/attempt";
import { type Client, type Dataset, type Preset, Problem } from "../../core/client";
import { type Draft, isOf, toPreset, withPreset } from "../../core/draft";
import * as text from "../../core/text";
import { messages as m } from "../../i18n";
import "../confirm";
import type { ConfirmElement } from "../confirm";
import { valueOf } from "../field";
import "../problem";
import { shared } from "../styles";
import { parts } from "./styles";

const FORBIDDEN = 403;
const CHANGED = 412;

@customElement("offtake-export-presets")
export class ExportPresetsElement extends LitElement {
  static override styles = [
    shared,
    parts,
    css`
      :host { display: grid; gap: 8px; }
      offtake-confirm { display: contents; }
      .row { align-items: end; }
      label.field { flex: 1 1 200px; }
      .changed { border: 1px solid var(--_line); border-inline-start: 3px solid var(--_bad); border-radius: var(--_radius); padding: 8px 12px; display: grid; gap: 8px; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) of!: Dataset;
  @property({ attribute: false }) draft!: Draft;
  /** `null` until they are known, and where one may not see them. */
  @state() private presets: readonly Preset[] | null = null;
  @state() private chosen: Preset | null = null;
  @state() private isNaming = false;
  /** The chosen preset as somebody else made it since it was chosen. */
  @state() private theirs: Preset | null = null;
  @state() private problem: Problem | null = null;
  @state() private said = "";
  @query("offtake-confirm") private confirm!: ConfirmElement;
  @query("#name") private nameField!: HTMLInputElement | null;
  #version: string | null = null;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("of")) return;
    [this.presets, this.chosen, this.theirs, this.isNaming, this.said] = [null, null, null, false, ""];
    this.again();
  }

  override render() {
    const { presets, chosen, isNaming } = this;
    if (!presets) return this.problem ? html`<offtake-problem again .problem=${this.problem} @again=${this.again}></offtake-problem>` : nothing;
    const isChanged = chosen !== null && !isOf(this.draft, this.of, chosen);
    return html`
      <div class="row">
        <label class="field">${m.presets.title}
          <select ?disabled=${presets.length === 0} @change=${(event: Event) => void this.choose(valueOf(event))}>
            <option value="" ?selected=${chosen === null} .selected=${chosen === null}>${presets.length === 0 ? m.presets.noneYet : m.presets.none}</option>
            ${presets.map(({ name }) => html`<option value=${name} .selected=${name === chosen?.name}>${name}${name === chosen?.name && isChanged ? m.presets.changed : ""}</option>`)}
          </select>
        </label>
        ${isNaming
          ? nothing
          : html`<button type="button" @click=${this.asksName}>${m.presets.save}</button>
              ${isChanged ? html`<button type="button" @click=${() => this.replace(this.#version)}>${m.presets.replace(chosen.name)}</button>` : nothing}
              ${chosen ? html`<button type="button" @click=${this.asksDelete}>${m.presets.delete(chosen.name)}</button>` : nothing}`}
      </div>
      ${isNaming ? this.naming() : nothing}
      ${this.theirs ? this.conflict(this.theirs) : nothing}
      ${this.problem ? html`<offtake-problem .problem=${this.problem}></offtake-problem>` : nothing}
      ${chosen?.filters && Object.keys(chosen.filters).length > 0 ? html`<span class="quiet">${m.presets.filters}</span>` : nothing}
      <span role="status" class=${this.said ? "quiet" : "unseen"}>${this.said}</span>
      <offtake-confirm></offtake-confirm>`;
  }

  private naming() {
    return html`<div class="row">
      <label class="field">${m.presets.name}
        <input type="text" id="name" maxlength="100" @keydown=${this.typed} />
      </label>
      <button type="button" class="primary" @click=${this.save}>${m.presets.saveNamed}</button>
      <button type="button" @click=${() => (this.isNaming = false)}>${m.dialog.cancel}</button>
    </div>
    <span class="quiet">${m.presets.what}</span>`;
  }

  private conflict(theirs: Preset) {
    return html`<div class="changed" role="alert">
      <p><strong>${m.presets.conflict(theirs.name)}</strong> ${m.presets.conflictDetail(text.at(theirs.updated_at))}</p>
      <div class="row">
        <button type="button" @click=${() => this.take(theirs)}>${m.presets.takeTheirs}</button>
        <button type="button" @click=${() => this.replace(this.#version)}>${m.presets.replaceAnyway}</button>
      </div>
    </div>`;
  }

  private readonly again = (): void => {
    this.problem = null;
    void this.load();
  };

  private async load(): Promise<void> {
    // Who may not see presets has none.
    const problem = await attempt(async () => {
      const presets = await this.client.presets();
      this.presets = presets.filter((preset) => preset.dataset === this.of.name);
    });
    if (problem?.status === FORBIDDEN) this.presets = null;
    else if (problem) this.problem = problem;
  }

  private async choose(name: string): Promise<void> {
    this.problem = this.theirs = this.chosen = null;
    if (!name) return;
    this.problem = await attempt(async () => this.take(await this.fresh(name)));
  }

  /** The preset as it is now; from here on this is the version that is known. */
  private async fresh(name: string): Promise<Preset> {
    const { body, version } = await this.client.preset(name);
    this.#version = version;
    return body;
  }

  private take(preset: Preset): void {
    this.chosen = preset;
    this.theirs = null;
    this.said = m.presets.taken(preset.name);
    this.dispatchEvent(new CustomEvent("draft", { detail: withPreset(this.draft, this.of, preset) }));
  }

  private readonly asksName = async (): Promise<void> => {
    this.isNaming = true;
    await this.updateComplete;
    this.nameField?.focus();
  };

  private readonly typed = (event: KeyboardEvent): void => {
    if (event.key === "Enter") void this.save();
    if (event.key !== "Escape") return;
    // Closes this and not the dialog around it.
    event.preventDefault();
    event.stopPropagation();
    this.isNaming = false;
  };

  private readonly save = async (): Promise<void> => {
    const name = this.nameField?.value.trim() ?? "";
    const said = Object.fromEntries(Object.entries(toPreset(this.draft)).filter(([, value]) => value !== null));
    this.problem = await attempt(async () => this.kept(await this.client.savePreset({ ...said, name, dataset: this.of.name }), m.presets.saved(name)));
    if (!this.problem) this.isNaming = false;
  };

  private async replace(version: string | null): Promise<void> {
    const { name } = this.chosen!;
    const problem = await attempt(async () => this.kept(await this.client.changePreset(name, toPreset(this.draft), version), m.presets.replaced(name)));
    this.problem = problem;
    if (problem?.status !== CHANGED) return;
    this.problem = await attempt(async () => (this.theirs = await this.fresh(name)));
  }

  private async kept({ body, version }: { body: Preset; version: string | null }, said: string): Promise<void> {
    this.#version = version;
    [this.chosen, this.theirs, this.said] = [body, null, said];
    await this.load();
  }

  private readonly asksDelete = (): void => {
    const { name } = this.chosen!;
    void this.confirm.ask({
      title: m.presets.deleteTitle(name),
      detail: m.presets.deleteDetail,
      act: m.presets.deleteAct,
      work: async () => {
        await this.client.deletePreset(name, this.#version);
        [this.chosen, this.said] = [null, m.presets.deleted(name)];
        await this.load();
      },
      next: () => this.renderRoot.querySelector("select:enabled, button"),
    });
  };
}
