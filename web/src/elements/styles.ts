/** What all elements look like. Colours and sizes are custom properties, which pages may set. */
import { css } from "lit";

export const shared = css`
  :host {
    font: var(--offtake-font, 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
    color: var(--offtake-text, light-dark(#16202c, #e6ebf1));
    --_line: var(--offtake-line, light-dark(#d8dee6, #2f3a47));
    --_soft: var(--offtake-soft, light-dark(#f4f6f9, #1a222c));
    --_quiet: var(--offtake-quiet, light-dark(#566577, #9eacbb));
    --_surface: var(--offtake-surface, light-dark(#ffffff, #11171e));
    --_accent: var(--offtake-accent, light-dark(#0b5cab, #7cb8f2));
    --_on-accent: var(--offtake-on-accent, light-dark(#ffffff, #06203a));
    --_tint: var(--offtake-tint, light-dark(#e4effa, #16304a));
    --_bad: var(--offtake-bad, light-dark(#b3261e, #ff9a92));
    --_good: var(--offtake-good, light-dark(#1b6e3c, #7fd8a2));
    --_radius: var(--offtake-radius, 6px);
  }
  *, ::before, ::after { box-sizing: border-box; }
  :host([hidden]), [hidden] { display: none !important; }
  button, select, input { font: inherit; color: inherit; }
  button, select, input:not([type="checkbox"], [type="radio"]) {
    min-height: 32px; padding: 4px 10px; border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_surface);
  }
  input[type="checkbox"] { inline-size: 16px; block-size: 16px; margin: 0; accent-color: var(--_accent); }
  button { cursor: pointer; white-space: nowrap; }
  @media (max-width: 560px) { button { white-space: normal; overflow-wrap: anywhere; } }
  button:hover:not(:disabled) { background: var(--_soft); }
  button:disabled { opacity: 0.55; cursor: default; }
  button.primary { background: var(--_accent); color: var(--_on-accent); border-color: var(--_accent); font-weight: 600; }
  button.primary:hover:not(:disabled) { background: var(--_accent); filter: brightness(1.08); }
  button.link, a { color: var(--_accent); }
  button.link { border: 0; background: none; padding: 4px; text-decoration: underline; text-underline-offset: 2px; }
  :focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
  .quiet { color: var(--_quiet); }
  .number { font-variant-numeric: tabular-nums; }
  .row { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
  .push { margin-inline-start: auto; }
  .unseen {
    position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
  }
  h1, h2, h3 { line-height: 1.2; margin: 0; text-wrap: balance; }
  h1 { font-size: 1.35rem; } h2 { font-size: 1.1rem; } h3 { font-size: 1rem; }
  p { margin: 0; text-wrap: pretty; }
  code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.92em; }
  pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
  dialog {
    color: inherit; background: var(--_surface); border: 1px solid var(--_line); border-radius: calc(var(--_radius) * 2);
    padding: 0; inline-size: min(720px, calc(100vw - 24px)); max-block-size: calc(100dvh - 24px);
  }
  dialog::backdrop { background: rgb(0 0 0 / 45%); }
  progress { inline-size: 100%; block-size: 6px; appearance: none; border: 0; border-radius: 3px; overflow: hidden; background: var(--_line); }
  progress::-webkit-progress-bar { background: var(--_line); }
  progress::-webkit-progress-value { background: var(--_accent); }
  progress::-moz-progress-bar { background: var(--_accent); }
  @media (prefers-reduced-motion: no-preference) { progress::-webkit-progress-value { transition: inline-size 0.4s; } }
  /* On paper nothing scrolls and nothing can be pressed. */
  @media print {
    :host { font-size: 9pt; }
    button, select, input, textarea { display: none; }
    :host .scroll, :host pre { overflow: visible; max-block-size: none; }
    :host .scroll { border: 0; }
    thead { display: table-header-group; }
    :host thead th { position: static; }
    tr, li, article, figure, dt { break-inside: avoid; }
    :host th, :host td { white-space: normal; overflow-wrap: anywhere; padding: 3px 6px; }
    :host td.number, time { white-space: nowrap; }
    :host td .cut { max-inline-size: none; overflow: visible; }
    :host dialog { position: absolute; inset: 0 0 auto; margin: 0; inline-size: 100%; max-inline-size: none; block-size: auto; max-block-size: none; overflow: visible; border: 0; }
    details::details-content { content-visibility: visible; block-size: auto; }
  }
`;
