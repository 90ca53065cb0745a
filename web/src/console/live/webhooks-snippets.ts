/** How a message is verified, in three languages. Each has the body as bytes and the headers of the request at hand. */
const HMAC = {
  JavaScript: `// npm install standardwebhooks
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.OFFTAKE_SECRET);
const event = webhook.verify(body, headers); // throws unless it holds`,
  Python: `# pip install standardwebhooks
import os
from standardwebhooks import Webhook

webhook = Webhook(os.environ["OFFTAKE_SECRET"])
event = webhook.verify(body, headers)  # raises unless it holds`,
  Rust: `// cargo add standardwebhooks
let webhook = standardwebhooks::Webhook::new(&std::env::var("OFFTAKE_SECRET")?)?;
webhook.verify(&body, &headers)?; // an error unless it holds`,
};

const ED25519 = {
  JavaScript: `import { createPublicKey, verify } from "node:crypto";

const bytes = Buffer.from(process.env.OFFTAKE_KEY.slice("whpk_".length), "base64");
const jwk = { kty: "OKP", crv: "Ed25519", x: bytes.toString("base64url") };
const key = createPublicKey({ key: jwk, format: "jwk" });

const at = headers["webhook-timestamp"];
const signed = Buffer.concat([Buffer.from(\`\${headers["webhook-id"]}.\${at}.\`), body]);
const isFresh = Math.abs(Date.now() / 1000 - Number(at)) < 300;
const holds = isFresh && headers["webhook-signature"].split(" ").some((one) =>
  one.startsWith("v1a,") && verify(null, signed, key, Buffer.from(one.slice(4), "base64")));`,
  Python: `# pip install cryptography
import base64, os, time
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

raw = base64.b64decode(os.environ["OFFTAKE_KEY"].removeprefix("whpk_"))
key = Ed25519PublicKey.from_public_bytes(raw)

at = headers["webhook-timestamp"]
if abs(time.time() - int(at)) > 300:
    raise ValueError("too old")
signed = f'{headers["webhook-id"]}.{at}.'.encode() + body
given = [one[4:] for one in headers["webhook-signature"].split() if one.startswith("v1a,")]
key.verify(base64.b64decode(given[0]), signed)  # raises unless it holds`,
  Rust: `// cargo add ed25519-dalek base64
use base64::{Engine as _, prelude::BASE64_STANDARD};

let raw = BASE64_STANDARD.decode(&public_key["whpk_".len()..])?;
let key = ed25519_dalek::VerifyingKey::try_from(raw.as_slice())?;
let mut signed = format!("{id}.{timestamp}.").into_bytes();
signed.extend_from_slice(&body);
let given = signature.split(' ').find_map(|one| one.strip_prefix("v1a,")).ok_or("unsigned")?;
let given = ed25519_dalek::Signature::from_slice(&BASE64_STANDARD.decode(given)?)?;
key.verify_strict(&signed, &given)?; // an error unless it holds; refuse old timestamps too`,
};

export const snippets = (signing: "hmac" | "ed25519"): Record<string, string> => (signing === "hmac" ? HMAC : ED25519);
