/** A store that speaks as much of S3 as a delivery needs, with one access key, in memory. */
import { createServer, type Server, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export const ACCESS_KEY = "AKIAOFFTAKETEST";

export class Bucket {
  readonly objects = new Map<string, { readonly bytes: Buffer; readonly told: Record<string, string> }>();
  #server: Server | undefined;
  url = "";

  static async open(): Promise<Bucket> {
    const bucket = new Bucket();
    const server = createServer((request, response) => {
      void bucket.#answer(request).then(({ status, body = "", headers = {} }) => {
        response.writeHead(status, { etag: '"1"', "content-length": Buffer.byteLength(body), ...headers });
        response.end(request.method === "HEAD" ? undefined : body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    bucket.#server = server;
    bucket.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return bucket;
  }

  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body?: string | Buffer; headers?: Record<string, string> }> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { pathname, searchParams } = new URL(request.url!, this.url);
    if (!request.headers.authorization?.includes(`Credential=${ACCESS_KEY}/`)) {
      return { status: 403, body: "<Error><Code>InvalidAccessKeyId</Code><Message>unknown key</Message></Error>" };
    }
    if (request.method === "POST" && searchParams.has("uploads")) {
      return { status: 200, body: "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u1</UploadId></InitiateMultipartUploadResult>" };
    }
    if (request.method === "POST" && searchParams.has("delete")) {
      const keys = [...Buffer.concat(pieces).toString().matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key]) => key!);
      for (const key of keys) this.objects.delete(`${pathname.replace(/\/$/, "")}/${key}`);
      return { status: 200, body: `<DeleteResult>${keys.map((key) => `<Deleted><Key>${key}</Key></Deleted>`).join("")}</DeleteResult>` };
    }
    if (request.method === "DELETE") {
      if (!searchParams.has("uploadId")) this.objects.delete(pathname);
      return { status: 204 };
    }
    if (request.method === "PUT") {
      const told = Object.entries(request.headers).filter(([name]) => name.startsWith("x-amz-meta-")).map(([name, value]) => [name, String(value)]);
      this.objects.set(pathname, { bytes: Buffer.concat(pieces), told: Object.fromEntries(told) as Record<string, string> });
      return { status: 200 };
    }
    const found = this.objects.get(pathname);
    if (!found) return { status: 404, body: "<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>" };
    return { status: 200, body: found.bytes, headers: { "last-modified": new Date(0).toUTCString(), ...found.told } };
  }
}
