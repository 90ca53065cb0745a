/** Where there are no spans yet: how the first one gets here, to be copied. */
import { LitElement, css, html } from "lit";
import { customElement } from "lit/decorators.js";
import "../elements/copy";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";

@customElement("offtake-empty")
export class EmptyElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; gap: 12px; max-inline-size: 720px; padding: 24px 0; }
      pre { background: var(--_soft); padding: 12px 14px; border-radius: var(--_radius); border: 1px solid var(--_line); }
    `,
  ];

  private get commands(): string {
    const { origin } = location;
    return [
      `export OTEL_EXPORTER_OTLP_ENDPOINT=${origin}`,
      `export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`,
      `export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$(offtake token --org ORG --sub exporter --permissions spans:write)"`,
    ].join("\n");
  }

  override render() {
    return html`<h2>${m.empty.title}</h2>
      <p>${m.empty.lead}</p>
      <pre tabindex="0">${this.commands}</pre>
      <div><offtake-copy .text=${this.commands}></offtake-copy></div>`;
  }
}
