/** How many events there were lately: a number, and a picture of the last minutes. */
import { css, html, svg } from "lit";
import type { Rate } from "../../core/rate";
import { BARS, BAR_MS } from "../../core/stream";
import * as text from "../../core/text";
import { messages as m } from "../../i18n";

const words = m.live.events;
const [WIDTH, HEIGHT] = [240, 36];

export const paceStyles = css`
  .pace { display: flex; gap: 14px; align-items: end; margin: 0; grid-row: 1 / span 2; grid-column: 2; }
  .pace strong { font-size: 1.1rem; white-space: nowrap; }
  .pace figcaption { display: grid; text-align: end; }
  .pace svg { inline-size: ${WIDTH}px; block-size: ${HEIGHT}px; border-block-end: 1px solid var(--_line); max-inline-size: 100%; min-inline-size: 0; }
  .pace rect { fill: var(--_accent); }
  @media (max-width: 640px) { .pace { grid-row: auto; grid-column: 1; } .pace figcaption { text-align: start; } }
`;

export function pace(rate: Rate, now: number) {
  const bars = rate.bars(now);
  const most = Math.max(...bars, 1);
  const step = WIDTH / BARS;
  const minutes = text.seconds((BARS * BAR_MS) / 1000);
  const bar = (count: number, index: number) => {
    const height = (count / most) * (HEIGHT - 2);
    return svg`<rect x=${index * step} y=${HEIGHT - height} width=${step - 1} height=${height}></rect>`;
  };
  return html`<figure class="pace">
    <figcaption><strong class="number">${words.rate(text.about(rate.perSecond(now)))}</strong><span class="quiet">${words.chartTitle(minutes)}</span></figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${words.chart(minutes, text.number(Math.max(...bars)))}>
      ${bars.map(bar)}</svg>
  </figure>`;
}
