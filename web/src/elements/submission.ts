/**
 * What a dialog's form sends: whether it is under way, and what the server has against it. What comes back after the dialog was
 * opened anew is not for that one.
 */
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { attempt } from "../core/attempt";
import type { Problem } from "../core/client";
import { toRefused } from "./field";
import { Turn } from "./turn";

type Host = ReactiveControllerHost & { readonly isConnected: boolean; readonly renderRoot: ParentNode };

export class Submission implements ReactiveController {
  #problem: Problem | null = null;
  #isBusy = false;
  readonly #turn: Turn;

  constructor(private readonly host: Host) {
    this.#turn = new Turn(host);
    host.addController(this);
  }

  hostConnected(): void {}

  get problem(): Problem | null {
    return this.#problem;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** The dialog opens. Says, whenever asked, whether it is still about that. */
  begin(): () => boolean {
    this.#stands(null, false);
    return this.#turn.begin();
  }

  /** What was loaded for it meanwhile, and what is in the way of that; nothing if the dialog was opened anew. */
  async load<T>(ask: () => Promise<T>, take: (found: T) => void): Promise<Problem | null> {
    const isStill = this.#turn.hold();
    return attempt(async () => {
      const found = await ask();
      if (!isStill()) return;
      this.#stands(null, this.#isBusy);
      take(found);
    });
  }

  /** The same for a form that is open, where what is in the way is said. */
  async renew<T>(ask: () => Promise<T>, take: (found: T) => void): Promise<void> {
    const isStill = this.#turn.hold();
    const problem = await this.load(ask, take);
    if (problem && isStill()) this.#stands(problem, this.#isBusy);
  }

  /** Sends it, unless that is under way; `done` closes the dialog, if it is still that one. What is refused is brought into sight. */
  async send<T>(work: () => Promise<T>, dialog: HTMLDialogElement, done: (saved: T) => void): Promise<void> {
    if (this.#isBusy) return;
    const isStill = this.#turn.hold();
    this.#stands(null, true);
    const problem = await attempt(async () => {
      const saved = await work();
      if (isStill()) dialog.close();
      done(saved);
    });
    if (!isStill()) return;
    this.#stands(problem, false);
    await this.host.updateComplete;
    if (problem) toRefused(this.host.renderRoot);
  }

  #stands(problem: Problem | null, isBusy: boolean): void {
    [this.#problem, this.#isBusy] = [problem, isBusy];
    this.host.requestUpdate();
  }
}
