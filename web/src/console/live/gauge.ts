/** A bar of how much there is, with ticks at what it is held against. */
import { css, html, svg } from "lit";

export type Tick = { readonly at: number; readonly label: string };
export type Gauge = {
  readonly value: number;
  readonly ticks: readonly Tick[];
  /** Where it may be by the end. */
  readonly ghost?: number | null;
  readonly tone: "bad" | "near" | "plain";
  /** All of it in words. */
  readonly label: string;
};

/** Of the width, so far apart stand two labels at least. */
const LABEL = 0.2;

export const gaugeStyles = css`
  .gauge { margin: 0; display: grid; gap: 4px; }
  .gauge svg { inline-size: 100%; block-size: 34px; overflow: visible; direction: ltr; }
  .gauge .track { fill: var(--_soft); stroke: var(--_line); }
  .gauge .fill { fill: var(--_accent); }
  .gauge .bad { fill: var(--_bad); }
  .gauge .near { fill: light-dark(#b27a00, #e8be5a); }
  .gauge .ghost { fill: none; stroke: var(--_quiet); stroke-dasharray: 3 3; }
  .gauge line { stroke: light-dark(#16202c, #e6ebf1); stroke-width: 2; }
  .gauge text { fill: var(--_quiet); font-size: 12px; }
  .gauge .value { font-weight: 600; font-size: 1.05rem; }
`;

export function gauge({ value, ticks, ghost, tone, label }: Gauge, said: unknown) {
  const most = Math.max(value, ...ticks.map(({ at }) => at)) || 1;
  // A tick at the very end looks like the end. What may be is not allowed to make what is look like nothing.
  const whole = Math.max(most * 1.08, Math.min(ghost ?? 0, most * 1.5));
  const share = (amount: number) => `${Math.min((Math.max(amount, 0) / whole) * 100, 100).toFixed(2)}%`;
  return html`<figure class="gauge">
    <figcaption class="value number">${said}</figcaption>
    <svg role="img" aria-label=${label}>
      ${svg`<rect class="track" x="0" y="2" width="100%" height="12" rx="3"></rect>
      ${ghost ? svg`<rect class="ghost" x="0" y="2" width=${share(ghost)} height="12" rx="3"></rect>` : ""}
      <rect class="fill ${tone}" x="0" y="3" width=${share(value)} height="10" rx="2"></rect>
      ${ticks.map(({ at }) => svg`<line x1=${share(at)} x2=${share(at)} y1="0" y2="16"></line>`)}
      ${labelled(ticks, whole).map(({ at, label: words }) => svg`<text x=${share(at)} y="30" text-anchor=${anchor(at / whole)} aria-hidden="true">${words}</text>`)}`}
    </svg>
  </figure>`;
}

/** Those with room for a label; the last ones matter most. */
function labelled(ticks: readonly Tick[], whole: number): Tick[] {
  const shown: Tick[] = [];
  for (const tick of [...ticks].sort((a, b) => b.at - a.at)) {
    const next = shown.at(-1);
    if (!next || (next.at - tick.at) / whole >= LABEL) shown.push(tick);
  }
  return shown;
}

function anchor(place: number): "start" | "middle" | "end" {
  if (place < 0.15) return "start";
  return place > 0.85 ? "end" : "middle";
}
