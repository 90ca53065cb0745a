/** Which exports are listed, as the address bar keeps it and as a request says it. */
import { inZoneOf, locationOf } from "../route";

export type Listed = {
  readonly status: string;
  readonly dataset: string;
  readonly requestId: string;
  readonly isMine: boolean;
};

const NAMES = { status: "status", dataset: "dataset", requestId: "request_id", isMine: "mine" } as const;

export const EVERY: Listed = { status: "", dataset: "", requestId: "", isMine: false };

export function fromHash(hash: string): Listed {
  const { params } = locationOf(hash);
  const text = (name: string) => params.get(name) ?? "";
  return { status: text(NAMES.status), dataset: text(NAMES.dataset), requestId: text(NAMES.requestId), isMine: params.get(NAMES.isMine) === "true" };
}

/** The address with these instead, and whatever else stands in it. */
export function toHash(hash: string, listed: Listed): string {
  const { path, params } = locationOf(hash);
  for (const [key, name] of Object.entries(NAMES)) {
    const value = listed[key as keyof Listed];
    if (value === "" || value === false) params.delete(name);
    else params.set(name, String(value));
  }
  const search = params.toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

export function toRequest({ status, dataset, requestId, isMine }: Listed): Record<string, string> {
  return { ...(status && { status }), ...(dataset && { dataset }), ...(requestId && { request_id: requestId }), ...(isMine && { mine: "true" }) };
}

/** The export that the address opens. */
export function jobIn(hash: string): string | null {
  return locationOf(hash).params.get("job");
}

/** The address with this export open, or none. */
export function withJob(hash: string, id: string | null): string {
  const { path, params } = locationOf(hash);
  if (id === null) params.delete("job");
  else params.set("job", id);
  const search = params.toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

/** The address of an export, for a link on another page. */
export function jobFrom(here: string, id: string): string {
  return withJob(inZoneOf(here, "#/exports"), id);
}
