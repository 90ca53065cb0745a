/** What happens now, and who is told of it: a strip of parts, one of which is shown. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Client, Dataset, Session } from "../../core/client";
import { shared } from "../../elements/styles";
import { messages as m } from "../../i18n/pages";
import { may } from "../rows-page";
import { type Route, parse, print } from "../route";
import { tabs } from "./tabs";

@customElement("offtake-live-page")
export class LivePage extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
      nav { display: flex; gap: 2px; flex-wrap: wrap; border-block-end: 1px solid var(--_line); }
      nav a { padding: 6px 12px; text-decoration: none; color: inherit; border-block-end: 2px solid transparent; }
      nav a[aria-current] { border-color: var(--_accent); font-weight: 600; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) session!: Session;
  @property({ attribute: false }) datasets: readonly Dataset[] = [];
  @property({ attribute: false }) route!: Route;

  override render() {
    const mine = tabs.filter((tab) => tab.needs.length === 0 || tab.needs.some((one) => may(this.session, one)));
    const shown = mine.find((tab) => tab.name === this.route.tab) ?? mine[0];
    return html`
      <h1>${m.live.title}</h1>
      <nav aria-label=${m.live.tabs}>
        ${mine.map((tab) => html`<a href=${print({ ...parse(""), page: "live", tab: tab.name, zone: this.route.zone })} aria-current=${tab === shown ? "page" : nothing}>${tab.title}</a>`)}
      </nav>
      ${shown?.draw({ client: this.client, session: this.session, datasets: this.datasets }) ?? nothing}`;
  }
}
