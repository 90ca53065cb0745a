/** What the pages of what is sent by itself share: cards with facts and a state, tables inside them, dialogs with a form. */
import { css } from "lit";

export const sendingStyles = css`
  :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; min-inline-size: 0; }
  ul.cards { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
  ul.cards > li {
    border: 1px solid var(--_line); border-radius: calc(var(--_radius) * 1.5); padding: 14px 16px; display: grid;
    grid-template-columns: minmax(0, 1fr); gap: 10px; min-inline-size: 0;
  }
  .name { font-weight: 600; overflow-wrap: anywhere; font-size: 1.05em; }
  .badge { border: 1px solid currentColor; border-radius: 999px; padding: 0 9px; font-size: 0.86em; font-weight: 600; white-space: nowrap; }
  .good { color: var(--_good); } .bad { color: var(--_bad); }
  .tag { background: var(--_soft); border: 1px solid var(--_line); border-radius: var(--_radius); padding: 1px 8px; font-size: 0.92em; overflow-wrap: anywhere; }
  dl.facts { display: flex; flex-wrap: wrap; gap: 8px 32px; margin: 0; }
  dl.facts > div { display: grid; gap: 1px; min-inline-size: 0; }
  dt { color: var(--_quiet); font-size: 0.88em; } dd { margin: 0; overflow-wrap: anywhere; }
  .why { border-inline-start: 3px solid var(--_bad); padding: 4px 12px; overflow-wrap: anywhere; }
  .nothing { border: 1px dashed var(--_line); border-radius: calc(var(--_radius) * 1.5); padding: 36px 20px; text-align: center; display: grid; gap: 6px; justify-items: center; }
  .note { background: var(--_tint); border-radius: var(--_radius); padding: 8px 12px; }
  details > summary { cursor: pointer; padding: 4px 0; inline-size: fit-content; }
  details > .inside { padding-block-start: 8px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px; min-inline-size: 0; }
  .scroll { position: relative; overflow: auto; border: 1px solid var(--_line); border-radius: var(--_radius); }
  table { border-collapse: collapse; min-inline-size: 100%; }
  th, td { padding: 6px 10px; text-align: start; border-block-end: 1px solid var(--_line); white-space: nowrap; vertical-align: top; }
  td.long { white-space: normal; min-inline-size: 220px; overflow-wrap: anywhere; }
  tbody tr:last-child > td { border-block-end: 0; }
  th { background: var(--_soft); font-weight: 600; }
  pre.code { background: var(--_soft); border: 1px solid var(--_line); border-radius: var(--_radius); padding: 10px 12px; overflow: auto; max-block-size: 320px; }
  dialog form, dialog .form { display: grid; grid-template-columns: minmax(0, 1fr); }
  dialog header, dialog footer { padding: 14px 20px; }
  dialog footer { border-block-start: 1px solid var(--_line); display: flex; gap: 8px; justify-content: end; flex-wrap: wrap; position: sticky; inset-block-end: 0; background: var(--_surface); }
  dialog .body { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; padding: 2px 20px 16px; min-inline-size: 0; }
`;
