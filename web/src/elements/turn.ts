/** Which opening of a dialog something belongs to: what comes back after another one has begun is not for that one. */
export class Turn {
  #now = 0;

  constructor(private readonly host: { readonly isConnected: boolean }) {}

  /** Begins another one. Says, whenever asked, whether it still lasts. */
  begin(): () => boolean {
    this.#now += 1;
    return this.hold();
  }

  /** Whether the one of now still lasts, whenever asked. */
  hold(): () => boolean {
    const mine = this.#now;
    return () => mine === this.#now && this.host.isConnected;
  }
}
