/**
 * Events as they happen, by WebSocket, for as long as somebody listens: connected again after every break, sooner or later.
 * Nothing depends on it. Who listens is told when events come and when they may have been missed, and looks for himself.
 * Not responsible for what an event means.
 */
export type LiveEvent = { readonly event_type: string; readonly data: Readonly<Record<string, unknown>>; readonly timestamp: string; readonly seq: number };

export type LiveListener = {
  readonly event: (event: LiveEvent) => void;
  /** Connected (anew), or told that some were left out: whatever happened before may have been missed. */
  readonly missed: () => void;
  readonly connected: (isConnected: boolean) => void;
};

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** The server speaks at least every so often; who says nothing is gone. */
const PING_MS = 25_000;

export class Live {
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pings: ReturnType<typeof setInterval> | undefined;
  #failures = 0;
  #isWanted = false;

  constructor(private readonly url: () => Promise<string> | string, private readonly events: readonly string[], private readonly listener: LiveListener) {}

  start(): void {
    this.#isWanted = true;
    void this.#connect();
  }

  stop(): void {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  async #connect(): Promise<void> {
    let socket: WebSocket;
    try {
      socket = new WebSocket(await this.url());
    } catch {
      this.#later();
      return;
    }
    if (!this.#isWanted) return socket.close();
    this.#socket = socket;
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "subscribe", events: this.events, filters: {} }));
      this.#pings = setInterval(() => socket.send(JSON.stringify({ type: "ping" })), PING_MS);
    });
    socket.addEventListener("message", ({ data }) => this.#heard(String(data)));
    socket.addEventListener("close", () => {
      clearInterval(this.#pings);
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.listener.connected(false);
      this.#later();
    });
  }

  #heard(text: string): void {
    const message = JSON.parse(text) as { type: string } & Partial<LiveEvent>;
    if (message.type === "subscribed") {
      this.#failures = 0;
      this.listener.connected(true);
      this.listener.missed();
    } else if (message.type === "lagged") this.listener.missed();
    else if (message.type === "event") this.listener.event(message as LiveEvent);
  }

  #later(): void {
    if (!this.#isWanted) return;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#connect(), pause * (0.5 + Math.random() / 2));
  }
}
