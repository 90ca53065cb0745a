/** Says that an export is ready, or failed, to those who do not see it. There all the time: a region that comes with its words is not read out. */
import { LitElement, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { keyed } from "lit/directives/keyed.js";
import { asked } from "../core/asked";
import type { Job } from "../core/client";
import { Endings } from "../core/endings";
import type { Jobs } from "../core/jobs";
import { messages as m } from "../i18n";
import { shared } from "./styles";

@customElement("offtake-endings")
export class EndingsElement extends LitElement {
  static override styles = shared;

  @property({ attribute: false }) jobs: Jobs | undefined;
  @state() private ended: readonly Job[] = [];
  #jobs: Jobs | undefined;
  #stop: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watch(undefined);
  }

  protected override willUpdate(): void {
    this.#watch(this.jobs);
  }

  /** The same words once more are read out if what they stand in is another. */
  override render() {
    const { ended } = this;
    return html`<div role="status" class="unseen">${keyed(ended, ended.length > 0 ? html`<p>${ended.map(said).join(" ")}</p>` : nothing)}</div>`;
  }

  #watch(jobs: Jobs | undefined): void {
    if (jobs === this.#jobs) return;
    this.#stop?.();
    this.#jobs = jobs;
    this.ended = [];
    const endings = new Endings(asked.isFetched);
    this.#stop = jobs?.subscribe((state) => {
      const ended = endings.heard(state);
      if (ended.length > 0) this.ended = ended;
    });
  }
}

function said({ name, status, error }: Job): string {
  return status === "failed" ? m.downloads.failedSaid(name, error?.message ?? "") : m.downloads.readySaid(name);
}
