/** What is said where somebody else changed meanwhile what a form is about. */
import { html } from "lit";
import type { Problem } from "../../core/client";
import { messages as m } from "../../i18n/pages";

const CHANGED_MEANWHILE = 412;
const words = m.sending.conflict;

export const isConflict = (problem: Problem | null): boolean => problem?.status === CHANGED_MEANWHILE;

/** Keeps what was entered until somebody asks for the newer one. */
export const conflict = (load: () => void) => html`<div class="why" role="alert"><strong>${words.title}</strong><p>${words.detail}</p>
  <button type="button" @click=${load}>${words.load}</button></div>`;
