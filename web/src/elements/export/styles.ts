/** What the parts of the export dialog share. */
import { css } from "lit";

export const parts = css`
  :host { display: block; min-inline-size: 0; }
  .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(200px, 100%), 1fr)); gap: 12px; }
  label.field { display: grid; gap: 3px; min-inline-size: 0; align-content: start; }
  select, input[type="text"], input[type="email"] { inline-size: 100%; min-inline-size: 0; }
  fieldset { border: 1px solid var(--_line); border-radius: var(--_radius); padding: 8px 12px 10px; margin: 0; min-inline-size: 0; }
  legend { padding-inline: 4px; font-weight: 600; }
  summary { cursor: pointer; color: var(--_accent); padding-block: 4px; inline-size: fit-content; }
  .check { display: flex; gap: 8px; align-items: start; }
  .check input { margin-block-start: 2px; flex: none; }
`;
