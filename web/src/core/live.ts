/**
 * Events as they happen, by WebSocket, for as long as somebody listens: connected again after every break, sooner or later.
 * Nothing depends on it. Who listens is told when events come and when they may have been missed, and looks for himself, or asks
 * for what comes behind the numbers he knows. Not responsible for what an event means.
 *
 * Who listens for different things has a socket each: an event does not say which subscription it came by, and a stream of traces that
 * is too fast for its reader would take the progress of exports with it.
 */
export type LiveEvent = { readonly event_type: string; readonly data: Readonly<Record<string, unknown>>; readonly timestamp: string; readonly seq: number };

/** Numbers of the two streams, behind which something is told. */
export type After = { readonly traces?: number; readonly organization?: number };

export type Wanted = {
  readonly events: readonly string[];
  readonly filters?: Readonly<Record<string, unknown>>;
  readonly after?: After;
};

/** So many were left out; behind these numbers they are told again. */
export type Lag = { readonly missed: number; readonly after: After };

/** Why a subscription was refused. */
export type Refusal = { readonly code: string; readonly detail: string; readonly errors: readonly { readonly pointer: string; readonly detail: string }[] };

export type LiveListener = {
  readonly event: (event: LiveEvent) => void;
  /** Connected (anew), or told that some were left out: whatever happened before may have been missed. */
  readonly missed: (lag?: Lag) => void;
  readonly connected: (isConnected: boolean) => void;
  /** Told is what comes behind these numbers. */
  readonly begun?: (after: After) => void;
  readonly refused?: (refusal: Refusal) => void;
};

type Message =
  | { readonly type: "subscribed"; readonly after?: After }
  | ({ readonly type: "lagged" } & Lag)
  | ({ readonly type: "event" } & LiveEvent)
  | ({ readonly type: "error" } & Refusal)
  | { readonly type: "pong" | "unsubscribed" };

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** Who says nothing between two of these is gone. */
const PING_MS = 15_000;

export class Live {
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pings: ReturnType<typeof setInterval> | undefined;
  #failures = 0;
  #isWanted = false;
  /** Grows with each start and stop: what was begun before means nothing any more. */
  #turn = 0;
  /** What the open socket was asked for. */
  #asked: readonly string[] = [];
  /** How often it is yet to be said that something is not told any more: what comes before is of what was asked for before. */
  #stale = 0;
  #heardAt = 0;

  constructor(
    private readonly url: () => Promise<string> | string,
    private readonly wanted: readonly string[] | (() => Wanted),
    private readonly listener: LiveListener,
  ) {}

  /** Until when everything that was told is known to have arrived, in milliseconds since the epoch. */
  get heardAt(): number {
    return this.#heardAt;
  }

  start(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#turn += 1;
    globalThis.addEventListener?.("online", this.hurry);
    void this.#connect();
  }

  stop(): void {
    const socket = this.#socket;
    this.#isWanted = false;
    this.#turn += 1;
    globalThis.removeEventListener?.("online", this.hurry);
    clearTimeout(this.#timer);
    clearInterval(this.#pings);
    [this.#timer, this.#socket] = [undefined, undefined];
    if (!socket) return;
    if (socket.readyState === WebSocket.OPEN) this.#heardAt = Date.now();
    socket.close();
    this.listener.connected(false);
  }

  /** Connects now, if it waits for that. */
  readonly hurry = (): void => {
    if (!this.#isWanted || this.#timer === undefined) return;
    clearTimeout(this.#timer);
    void this.#connect();
  };

  /** Asks for what is wanted by now. */
  again(): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (this.#asked.length > 0) {
      this.#stale += 1;
      say(socket, { type: "unsubscribe", events: this.#asked });
    }
    const { events, filters, after } = typeof this.wanted === "function" ? this.wanted() : { events: this.wanted };
    this.#asked = events;
    if (events.length > 0) say(socket, { type: "subscribe", events, filters: filters ?? {}, ...(after && { after }) });
  }

  async #connect(): Promise<void> {
    this.#timer = undefined;
    const turn = this.#turn;
    let socket: WebSocket;
    try {
      const url = await this.url();
      if (turn !== this.#turn) return;
      socket = new WebSocket(url);
    } catch {
      if (turn === this.#turn) this.#later();
      return;
    }
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (this.#socket !== socket) return socket.close();
      this.#heardAt = Date.now();
      [this.#asked, this.#stale] = [[], 0];
      this.again();
      this.#pings = setInterval(() => this.#ping(socket), PING_MS);
    });
    socket.addEventListener("message", ({ data }) => {
      if (this.#socket !== socket) return;
      this.#heardAt = Date.now();
      this.#heard(JSON.parse(String(data)) as Message);
    });
    socket.addEventListener("close", () => {
      if (this.#socket === socket) this.#heardAt = Date.now();
      this.#gone(socket);
    });
  }

  /** A cut cable closes nothing: a socket that does not even answer is given up. */
  #ping(socket: WebSocket): void {
    if (Date.now() - this.#heardAt < PING_MS * 2) return say(socket, { type: "ping" });
    this.#gone(socket);
    socket.close();
  }

  #gone(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    clearInterval(this.#pings);
    this.#socket = undefined;
    this.listener.connected(false);
    this.#later();
  }

  #heard(message: Message): void {
    if (message.type === "unsubscribed") this.#stale -= 1;
    if (this.#stale > 0) return;
    if (message.type === "subscribed") {
      this.#failures = 0;
      if (message.after) this.listener.begun?.(message.after);
      this.listener.connected(true);
      this.listener.missed();
    } else if (message.type === "error") this.listener.refused?.(message);
    else if (message.type === "lagged") this.listener.missed(message);
    else if (message.type === "event") this.listener.event(message);
  }

  #later(): void {
    if (!this.#isWanted) return;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#connect(), pause * (0.5 + Math.random() / 2));
  }
}

function say(socket: WebSocket, message: unknown): void {
  socket.send(JSON.stringify(message));
}
