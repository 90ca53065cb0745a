/** A mail server (aiosmtpd, as the other tests use it), and what it took. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { eventually } from "./wait";

const root = new URL("../../../", import.meta.url).pathname;

export class Mail {
  readonly #folder = mkdtempSync(join(tmpdir(), "offtake-mail-"));
  #port = 0;
  #process: ChildProcess | undefined;

  static async open(): Promise<Mail> {
    const mail = new Mail();
    const python = join(root, "target/testenv/bin/python");
    const server = spawn(python, ["-B", join(root, "crates/offtake-testkit/python/mail_server.py"), "0", mail.#folder], { stdio: ["ignore", "pipe", "inherit"] });
    mail.#process = server;
    mail.#port = await new Promise<number>((resolve, reject) => {
      server.once("error", reject);
      server.once("exit", () => reject(new Error("the mail server ended")));
      createInterface(server.stdout).once("line", (said) => resolve(Number(/^port (\d+)/.exec(said)?.[1])));
    });
    return mail;
  }

  /** What of the configuration leads here. */
  get settings(): string {
    return `[mail]\nhost = "127.0.0.1"\nport = ${this.#port}\ntls = "none"\nfrom = "Offtake <offtake@example.org>"\nretry_after = "200ms"\n`;
  }

  /** The text of the mail that comes after `before` others, for people without HTML. */
  async text(before: number): Promise<string> {
    return eventually("a mail", async () => {
      const name = readdirSync(this.#folder).find((one) => one === `${before + 1}.eml`);
      return name ? plain(readFileSync(join(this.#folder, name), "utf8")) : undefined;
    });
  }

  close(): void {
    this.#process?.kill("SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The plain part of a mail, decoded. */
function plain(mail: string): string {
  const part = mail.split(/^--.*$/m).find((one) => /content-type: text\/plain/i.test(one)) ?? mail;
  const [head = "", ...rest] = part.trimStart().split(/\r?\n\r?\n/);
  const body = rest.join("\n\n");
  if (/encoding: base64/i.test(head)) return Buffer.from(body, "base64").toString("utf8");
  if (!/encoding: quoted-printable/i.test(head)) return body;
  return body.replace(/=\r?\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
