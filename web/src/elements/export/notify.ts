/** Who is told when a file is ready, and why nobody can be where that is so. Fires `draft` with what changes. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { Session } from "../../core/client";
import type { Draft } from "../../core/draft";
import { messages as m } from "../../i18n";
import { valueOf } from "../field";
import { shared } from "../styles";
import { parts } from "./styles";

/** As many as a request may name. */
const MOST = 10;

@customElement("offtake-export-notify")
export class ExportNotifyElement extends LitElement {
  static override styles = [shared, parts, css`fieldset { display: grid; gap: 8px; } .others { padding-inline-start: 24px; } .hint { padding-inline-start: 24px; }`];

  @property({ attribute: false }) draft!: Draft;
  /** Who asks; `null` while that is not known. */
  @property({ attribute: false }) session: Session | null = null;
  /** What the server has against the addresses. */
  @property() refused = "";
  @state() private said = "";

  override render() {
    const { session, draft } = this;
    if (!session) return nothing;
    const { is_sent: isSent, address } = session.mail;
    const why = !isSent ? m.notify.notSent : !address ? m.notify.noAddress : "";
    return html`<fieldset>
      <legend>${m.notify.title}</legend>
      <label class="check"><input type="checkbox" .checked=${draft.isMailed} ?disabled=${why !== ""} aria-describedby=${why ? "why" : nothing}
        @change=${(event: Event) => this.tell({ isMailed: (event.target as HTMLInputElement).checked, others: [] })} />
        <span>${m.notify.mail}${address && isSent ? html` <span class="quiet">${address}</span>` : nothing}</span></label>
      ${why ? html`<p class="quiet hint" id="why">${why}</p>` : nothing}
      ${draft.isMailed ? this.others() : nothing}
    </fieldset>`;
  }

  private others() {
    return html`<label class="field others">${m.notify.others}
      <input type="text" inputmode="email" autocomplete="off" .value=${this.said} aria-describedby="others" aria-invalid=${this.refused ? "true" : nothing}
        @change=${(event: Event) => this.named(valueOf(event))} />
      <span class="quiet" id="others">${this.refused || m.notify.othersHint(MOST)}</span>
    </label>`;
  }

  /** Whoever names others is told besides, by address: a request says either or. */
  private named(said: string): void {
    this.said = said;
    const others = said.split(/[\s,;]+/).filter(Boolean);
    const own = this.session?.mail.address;
    this.tell({ others: others.length > 0 ? [...new Set([...(own ? [own] : []), ...others])].slice(0, MOST) : [] });
  }

  private tell(change: Partial<Draft>): void {
    if (change.isMailed === false) this.said = "";
    this.dispatchEvent(new CustomEvent("draft", { detail: change }));
  }
}
