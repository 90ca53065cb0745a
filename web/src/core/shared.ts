/** One client, and one list of exports, for all elements of a page that speak to the same Offtake with the same token. */
import { Client, type ClientOptions } from "./client";
import { Jobs } from "./jobs";

type Token = ClientOptions["token"];

const known = new Map<string, Map<Token, Jobs>>();

export function jobsOf(server: string, token: Token): Jobs {
  const ofServer = known.get(server) ?? new Map<Token, Jobs>();
  known.set(server, ofServer);
  const jobs = ofServer.get(token) ?? new Jobs(new Client({ base: server, ...(token && { token }) }));
  ofServer.set(token, jobs);
  return jobs;
}
