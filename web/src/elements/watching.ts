/** Draws an element anew whenever what it looks at says that it changed. */
import type { ReactiveController, ReactiveControllerHost } from "lit";

export class Watching implements ReactiveController {
  #watched: EventTarget | undefined;

  constructor(private readonly host: ReactiveControllerHost, private readonly target: () => EventTarget | undefined) {
    host.addController(this);
  }

  hostUpdate(): void {
    const target = this.target();
    if (target === this.#watched) return;
    this.hostDisconnected();
    this.#watched = target;
    target?.addEventListener("change", this.#changed);
  }

  hostDisconnected(): void {
    this.#watched?.removeEventListener("change", this.#changed);
    this.#watched = undefined;
  }

  readonly #changed = (): void => this.host.requestUpdate();
}
