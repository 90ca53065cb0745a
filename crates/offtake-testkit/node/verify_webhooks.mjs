// What npm's standardwebhooks says of each message of a JSON list: "ok", or why not.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const messages = JSON.parse(readFileSync(process.argv[2], "utf8"));
const verdict = ({ secret, headers, body }) => {
  try {
    const told = new Webhook(secret).verify(body, headers);
    return JSON.stringify(told) === JSON.stringify(JSON.parse(body)) ? "ok" : "another body";
  } catch (error) {
    return error.message;
  }
};
process.stdout.write(JSON.stringify(messages.map(verdict)));
