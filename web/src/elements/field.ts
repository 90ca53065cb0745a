/**
 * Parts of forms: a field with its label, a hint, and what the server has against it. Drawn into the form's own root, so that
 * labels and descriptions find their controls.
 */
import { css, html, nothing } from "lit";
import { Directive, type ElementPart, type PartInfo, PartType, directive } from "lit/directive.js";
import { Problem } from "../core/client";

export type Field = {
  /** Unique in the form. */
  readonly id: string;
  readonly label: string;
  readonly hint?: unknown;
  /** What is wrong with it. */
  readonly error?: string | undefined;
};

export function field(of: Field, control: unknown) {
  return html`<div class="field">
    <label for=${of.id}>${of.label}</label>
    ${control}
    ${of.hint ? html`<p class="hint" id="${of.id}-hint">${of.hint}</p>` : nothing}
    ${of.error ? html`<p class="error" id="${of.id}-error">${of.error}</p>` : nothing}
  </div>`;
}

class Control extends Directive {
  constructor(part: PartInfo) {
    super(part);
    if (part.type !== PartType.ELEMENT) throw new Error("a control is an element");
  }

  override render(_: Field) {
    return nothing;
  }

  override update({ element }: ElementPart, [of]: [Field]) {
    const described = [of.hint && `${of.id}-hint`, of.error && `${of.id}-error`].filter(Boolean).join(" ");
    element.id = of.id;
    if (described) element.setAttribute("aria-describedby", described);
    else element.removeAttribute("aria-describedby");
    if (of.error) element.setAttribute("aria-invalid", "true");
    else element.removeAttribute("aria-invalid");
    return nothing;
  }
}

/** Makes an input, select or textarea the control of a field: `<input ${control(of)} />`. */
export const control = directive(Control);

/** What the server has against what stands at this JSON pointer, or below it. */
export function refusal(problem: Problem | null, pointer: string): string | undefined {
  const found = problem?.errors.filter((error) => error.pointer === pointer || error.pointer.startsWith(`${pointer}/`)) ?? [];
  return found.length > 0 ? found.map((error) => error.detail).join("; ") : undefined;
}

/** What is left to say of a problem when what is wrong with these places is said there; null when all of it is. */
export function besides(problem: Problem | null, pointers: readonly string[]): Problem | null {
  if (!problem || problem.errors.length === 0) return problem;
  const left = problem.errors.filter(({ pointer }) => !pointers.some((one) => pointer === one || pointer.startsWith(`${one}/`)));
  const { status, code, title, detail, requestId, retryAfter } = problem;
  return left.length === 0 ? null : new Problem(status, code, title, detail, left, requestId, retryAfter);
}

/** Brings whoever fills in a form to the first field with something wrong, or to what is said of the whole. */
export function toRefused(root: ParentNode): void {
  const found = refused(root);
  if (found) found.focus();
  else root.querySelector("dialog")?.scrollTo({ top: 0 });
}

/** The first of them, also within elements of the form. */
function refused(root: ParentNode): HTMLElement | null {
  for (const element of root.querySelectorAll<HTMLElement>("*")) {
    const found = element.matches("[aria-invalid=true]") ? element : element.shadowRoot && refused(element.shadowRoot);
    if (found) return found;
  }
  return null;
}

/** What a select offers. The attribute alone does not move a select that was used before, so that it shows what is said. */
export function options(all: readonly (readonly [string, unknown])[], now: string) {
  return all.map(([value, said]) => html`<option value=${value} ?selected=${value === now} .selected=${value === now}>${said}</option>`);
}

export function valueOf(event: Event): string {
  return (event.target as HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement).value;
}

export const forms = css`
  .field { display: grid; gap: 4px; min-inline-size: 0; align-content: start; }
  .field > label, legend { font-weight: 600; }
  .field > input:not([type="checkbox"]), .field > select, textarea { inline-size: 100%; min-inline-size: 0; }
  textarea { font: inherit; color: inherit; padding: 6px 10px; border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_surface); }
  [aria-invalid="true"] { border-color: var(--_bad) !important; }
  .hint { color: var(--_quiet); font-size: 0.93em; overflow-wrap: anywhere; }
  .error { color: var(--_bad); font-size: 0.93em; overflow-wrap: anywhere; }
  .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(220px, 100%), 1fr)); gap: 14px; }
  .check { display: flex; gap: 8px; align-items: start; }
  .check input { margin-block-start: 2px; flex: none; }
  fieldset { border: 1px solid var(--_line); border-radius: var(--_radius); padding: 10px 14px; margin: 0; min-inline-size: 0; display: grid; gap: 10px; }
`;
