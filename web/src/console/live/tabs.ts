/** The parts of the page of what happens now: each is an element that is given the client and the session. */
import type { TemplateResult } from "lit";
import type { Client, Dataset, Session } from "../../core/client";

export type Tab = {
  /** In the address. */
  readonly name: string;
  readonly title: string;
  /** One of these is needed to look at it. */
  readonly needs: readonly string[];
  readonly draw: (given: { client: Client; session: Session; datasets: readonly Dataset[] }) => TemplateResult;
};

export const tabs: readonly Tab[] = [];
