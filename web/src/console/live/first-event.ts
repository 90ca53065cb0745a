/** A command that causes an event, to be copied. */
import { LitElement, css, html } from "lit";
import { customElement, property } from "lit/decorators.js";
import "../../elements/copy";
import { shared } from "../../elements/styles";

@customElement("offtake-first-event")
export class FirstEventElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; justify-items: start; max-inline-size: 100%; }
      pre { background: var(--_soft); padding: 10px 14px; border-radius: var(--_radius); border: 1px solid var(--_line); max-inline-size: 100%; }
    `,
  ];

  @property() org = "";

  /** The shell sees to it that each call is a trace of its own. */
  private get command(): string {
    const span = `{"traceId":"'$(openssl rand -hex 16)'","spanId":"'$(openssl rand -hex 8)'","name":"hello","startTimeUnixNano":"'$(date +%s)000000000'","endTimeUnixNano":"'$(date +%s)500000000'"}`;
    return [
      `curl -sS ${location.origin}/v1/traces -H "Content-Type: application/json" \\`,
      `  -H "Authorization: Bearer $(offtake token --org ${this.org} --sub exporter --permissions spans:write)" \\`,
      `  -d '{"resourceSpans":[{"scopeSpans":[{"spans":[${span}]}]}]}'`,
    ].join("\n");
  }

  override render() {
    return html`<pre tabindex="0">${this.command}</pre>
      <offtake-copy .text=${this.command}></offtake-copy>`;
  }
}
