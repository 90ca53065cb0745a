/** The parts of the page of what happens now: each is an element that is given the client and the session. */
import { type TemplateResult, html } from "lit";
import type { Client, Dataset, Session } from "../../core/client";
import { TYPES } from "../../core/stream";
import { messages as m } from "../../i18n";
import "./alerts";
import "./events";
import "./destinations";
import "./schedules";
import "./webhooks";

export type Tab = {
  /** In the address. */
  readonly name: string;
  readonly title: string;
  /** One of these is needed to look at it. */
  readonly needs: readonly string[];
  readonly draw: (given: { client: Client; session: Session; datasets: readonly Dataset[] }) => TemplateResult;
};

/** One line each. */
export const tabs: readonly Tab[] = [
  { name: "events", title: m.live.events.tab, needs: Object.values(TYPES).flat(), draw: ({ client, session }) => html`<offtake-events .client=${client} .session=${session}></offtake-events>` },
  { name: "alerts", title: m.live.rules.tab, needs: ["alerts:read"], draw: ({ client, session }) => html`<offtake-alerts kind="metric" .client=${client} .session=${session}></offtake-alerts>` },
  { name: "budgets", title: m.live.budgets.tab, needs: ["alerts:read"], draw: ({ client, session }) => html`<offtake-alerts kind="budget" .client=${client} .session=${session}></offtake-alerts>` },
  { name: "schedules", title: m.sending.schedules.tab, needs: [], draw: ({ client, session, datasets }) => html`<offtake-schedules .client=${client} .session=${session} .datasets=${datasets}></offtake-schedules>` },
  { name: "webhooks", title: m.sending.webhooks.tab, needs: [], draw: ({ client, session }) => html`<offtake-webhooks .client=${client} .session=${session}></offtake-webhooks>` },
  { name: "destinations", title: m.sending.destinations.tab, needs: [], draw: ({ client, session }) => html`<offtake-destinations .client=${client} .session=${session}></offtake-destinations>` },
];
