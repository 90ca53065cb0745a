/** What lies between a browser and the server: a wire that can be cut, and one that lets no WebSocket through. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Wire {
  readonly #open = new Set<Socket>();
  #isCut = false;
  /** Where it leads. */
  to = 0;
  /** Whether connections that become WebSockets are broken off. */
  refusesSockets = false;

  private constructor(private readonly server: Server) {
    server.on("connection", (near) => this.#join(near));
  }

  static async laid(): Promise<Wire> {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Wire(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Breaks everything that is open, and lets nothing new through. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  #join(near: Socket): void {
    if (this.#isCut) return void near.destroy();
    const far = connect({ port: this.to, host: "127.0.0.1", allowHalfOpen: true });
    for (const [one, other] of [[near, far], [far, near]] as const) {
      this.#open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#open.delete(one);
        other.destroy();
      });
    }
    near.on("data", (bytes) => {
      if (this.refusesSockets && /^upgrade: websocket/im.test(bytes.toString("latin1"))) near.destroy();
    });
    near.pipe(far);
    far.pipe(near);
  }
}
