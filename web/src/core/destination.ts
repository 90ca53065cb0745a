/** What the form of a destination says, and the bodies made of it. */
import { type Destination, differing, type Request } from "./sending";

export const NAMES = ["name", "bucket", "region", "endpoint", "prefix", "access_key", "secret_key"] as const;
export type Name = (typeof NAMES)[number];
export type Said = Readonly<Record<Name, string>> & { readonly path_style: boolean };

export const EMPTY: Said = { name: "", bucket: "", region: "", endpoint: "", prefix: "", access_key: "", secret_key: "", path_style: false };

/** The form of one that is there. Its secret never comes back. */
export function saidOf({ name, bucket, region, endpoint, prefix, access_key, path_style }: Destination): Said {
  return { name, bucket, region, endpoint: endpoint ?? "", prefix, access_key, secret_key: "", path_style };
}

/** The form with something else in one field. */
export function withName(said: Said, name: Name, value: string): Said {
  const changed = { ...said, [name]: value };
  if (name !== "endpoint") return changed;
  // Stores that are not Amazon's mostly have the bucket in the path.
  const [was, is] = [said.endpoint.trim() !== "", value.trim() !== ""];
  return was === is ? changed : { ...changed, path_style: is };
}

/** The body that makes it. What makes no sense goes along: the server says what is wrong with it. */
export function bodyOf({ path_style, ...texts }: Said): Request {
  const { endpoint, secret_key, ...rest } = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, text.trim()]));
  return { ...rest, endpoint: endpoint || null, path_style, ...(secret_key && { secret_key }) };
}

/** The body that changes `present` into it: what is the same is not said, and a secret only if one is given. */
export function changeOf(said: Said, present: Destination): Request {
  return differing(bodyOf(said), bodyOf(saidOf(present)));
}

/** Whether it is about another bucket or key, to which a secret has to be given anew. */
export function isAnotherPlace(said: Said, present: Destination): boolean {
  return Object.keys(changeOf(said, present)).some((name) => !["name", "prefix", "secret_key"].includes(name));
}
