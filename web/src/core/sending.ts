/**
 * The calls about what is sent by itself: schedules, webhooks and what they were sent, destinations. Not responsible for when they
 * are made.
 */
import type { Answer, Client, Dataset } from "./client";
import { EVERYTHING, type Filters, type FilterValue, offered, toBody } from "./filters";
import type { components } from "./schema";

type Schemas = components["schemas"];
/** What an export is asked with. */
export type Request = Readonly<Record<string, unknown>>;
export type Schedule = Omit<Schemas["ScheduleResponse"], "request"> & { readonly request: Request };
export type Run = Schemas["ScheduleRunResponse"];
export type Webhook = Schemas["WebhookResponse"];
export type Delivery = Schemas["DeliveryResponse"];
export type Deliveries = Schemas["DeliveryListResponse"];
export type Destination = Schemas["DestinationResponse"];

const MOST_RUNS = 50;

export class Sending {
  constructor(private readonly client: Client) {}

  schedules = async (): Promise<Schedule[]> => (await this.#get<{ schedules: Schedule[] }>("schedules")).schedules;
  /** One, with the version that a change must be made to. */
  schedule = (id: string): Promise<Answer<Schedule>> => this.client.call(`schedules/${id}`);
  createSchedule = (body: Request): Promise<Schedule> => this.#post("schedules", body);
  changeSchedule = (id: string, version: string | null, body: Request): Promise<Answer<Schedule>> => this.#patch(`schedules/${id}`, version, body);
  deleteSchedule = (id: string): Promise<unknown> => this.#delete(`schedules/${id}`);
  pause = (id: string): Promise<Schedule> => this.#post(`schedules/${id}/pause`);
  resume = (id: string): Promise<Schedule> => this.#post(`schedules/${id}/resume`);
  run = (id: string): Promise<Run> => this.#post(`schedules/${id}/run`);
  backfill = (id: string, from: string, to: string): Promise<Run> => this.#post(`schedules/${id}/backfill`, { from, to });
  runs = async (id: string): Promise<Run[]> => (await this.#get<{ runs: Run[] }>(`schedules/${id}/runs?limit=${MOST_RUNS}`)).runs;
  /** When a schedule that is yet to be made would run. */
  ahead = async (cron: string, zone: string, signal: AbortSignal): Promise<string[]> => {
    const body = { cron, time_zone: zone };
    return (await this.client.call<{ next_runs: string[] }>("schedules/preview", { method: "POST", body, signal })).body.next_runs;
  };

  webhooks = async (): Promise<Webhook[]> => (await this.#get<{ webhooks: Webhook[] }>("webhooks")).webhooks;
  webhook = (id: string): Promise<Webhook> => this.#get(`webhooks/${id}`);
  createWebhook = (body: Request): Promise<Webhook> => this.#post("webhooks", body);
  changeWebhook = async (id: string, body: Request): Promise<Webhook> => (await this.client.call<Webhook>(`webhooks/${id}`, { method: "PATCH", body })).body;
  deleteWebhook = (id: string): Promise<unknown> => this.#delete(`webhooks/${id}`);
  rotateWebhook = (id: string, body: Request): Promise<Webhook> => this.#post(`webhooks/${id}/rotate`, body);
  testWebhook = (id: string): Promise<Delivery> => this.#post(`webhooks/${id}/test`);
  deliveries = (id: string, query: Record<string, string>): Promise<Deliveries> => this.#get(`webhooks/${id}/deliveries?${new URLSearchParams(query)}`);
  delivery = (id: string, delivery: string): Promise<Delivery> => this.#get(`webhooks/${id}/deliveries/${delivery}`);
  replay = (id: string, delivery: string): Promise<Delivery> => this.#post(`webhooks/${id}/deliveries/${delivery}/replay`);

  destinations = async (): Promise<Destination[]> => (await this.#get<{ destinations: Destination[] }>("destinations")).destinations;
  /** One, with the version that a change must be made to. */
  destination = (id: string): Promise<Answer<Destination>> => this.client.call(`destinations/${id}`);
  createDestination = (body: Request): Promise<Destination> => this.#post("destinations", body);
  changeDestination = async (id: string, version: string | null, body: Request): Promise<Destination> =>
    (await this.#patch<Destination>(`destinations/${id}`, version, body)).body;
  probe = (id: string): Promise<Destination> => this.#post(`destinations/${id}/probe`);
  /** A file whose delivery failed, once more. */
  deliverAgain = (job: string): Promise<unknown> => this.#post(`export/jobs/${job}/deliver`);
  deleteDestination = (id: string): Promise<unknown> => this.#delete(`destinations/${id}`);

  async #get<T>(path: string): Promise<T> {
    return (await this.client.call<T>(path)).body;
  }

  async #post<T>(path: string, body: Request = {}): Promise<T> {
    return (await this.client.call<T>(path, { method: "POST", body })).body;
  }

  #patch<T>(path: string, version: string | null, body: Request): Promise<Answer<T>> {
    return this.client.call(path, { method: "PATCH", body, ...(version && { headers: { "if-match": version } }) });
  }

  #delete(path: string): Promise<unknown> {
    return this.client.call(path, { method: "DELETE" });
  }
}

/** The dataset without its window: a schedule's runs have windows of their own. */
export function withoutWindow(dataset: Dataset): Dataset {
  const { time, ...rest } = dataset;
  return { ...rest, filters: dataset.filters.filter((filter) => !(filter.op === "range" && time && filter.columns[0] === time)) };
}

/** What a request asks of a dataset's filters, as the filters' form has it. */
export function filtersOf(dataset: Dataset, request: Request): Filters {
  const filters: Record<string, FilterValue> = {};
  for (const { name } of dataset.filters) {
    const value = request[name];
    if (value === undefined || value === null) continue;
    if (Array.isArray(value)) filters[name] = value.map(String);
    else if (typeof value === "object") filters[name] = Object.fromEntries(Object.entries(value).map(([end, one]) => [end, String(one)]));
    else filters[name] = String(value);
  }
  return filters;
}

/** A request with these filters instead of those it has; what else it says stays. */
export function withFilters(dataset: Dataset, request: Request, filters: Filters): Request {
  const spoken = new Set(offered(dataset).map((filter) => filter.name));
  const rest = Object.fromEntries(Object.entries(request).filter(([name]) => !spoken.has(name)));
  return { ...rest, ...toBody(dataset, { ...EVERYTHING, filters }, new Date(0)) };
}

/** Where the files of a request go, if it says. */
export function destinationOf(request: Request): { readonly id: string; readonly key?: string } | null {
  const to = request["destination"];
  return typeof to === "object" && to !== null && "id" in to && typeof to.id === "string" ? (to as { id: string; key?: string }) : null;
}

/** Of what is said, what is not so already. */
export function differing(said: Request, present: Request): Request {
  return Object.fromEntries(Object.entries(said).filter(([name, value]) => sorted(value) !== sorted(present[name])));
}

/** The same text for the same JSON, in whichever order its members stand. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === "object" && one !== null && !Array.isArray(one) ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1))) : one);
}
