/** Holds the server's database, so that an export stands still where it is for as long as a test needs: others may read and not write. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";

const SCRIPT = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
for line in sys.stdin:
    database.execute(line)
    print("done", flush=True)
`;

export class Hold {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  constructor(database: string) {
    this.#process = spawn("python3", ["-c", SCRIPT, database], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface(this.#process.stdout);
  }

  take = (): Promise<void> => this.#said("BEGIN IMMEDIATE");
  release = (): Promise<void> => this.#said("ROLLBACK");

  close(): void {
    this.#process.kill("SIGKILL");
  }

  async #said(statement: string): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#lines.once("line", () => resolve());
      this.#process.once("exit", () => reject(new Error(`no ${statement}`)));
    });
    this.#process.stdin.write(`${statement}\n`);
    await done;
  }
}
