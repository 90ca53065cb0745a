/** What the stream of events looks like. */
import { css } from "lit";

export const eventStyles = css`
  .types { display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 6px 12px 10px; }
  .types label { display: inline-flex; gap: 6px; align-items: center; font-weight: 400; min-block-size: 28px; cursor: pointer; }
  .dot { inline-size: 8px; block-size: 8px; border-radius: 50%; flex: none; background: var(--_quiet); }
  .dot.trace_created { background: light-dark(#0b6bcb, #6db3f2); }
  .dot.trace_updated { background: light-dark(#5a8fc4, #3f78ab); }
  .dot.export_job_status { background: light-dark(#7a3fc0, #c39bf0); }
  .dot.metric_threshold { background: light-dark(#c0391b, #ff9a7a); }
  .dot.cost_threshold { background: light-dark(#b27a00, #e8be5a); }
  .dot.system_alert { background: light-dark(#4a5563, #b6c2cf); }
  .filters { border: 1px solid var(--_line); border-radius: var(--_radius); }
  .filters > summary { padding: 7px 12px; cursor: pointer; font-weight: 600; }
  .filters form { display: grid; gap: 12px; padding: 4px 12px 12px; }
  .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(200px, 100%), 1fr)); gap: 12px; }
  .badge { background: var(--_tint); border-radius: 9px; padding: 0 7px; font-weight: 400; }
  .controls { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 6px 24px; align-items: center; }
  .controls .standing { grid-column: 1; }
  .standing > span { display: inline-flex; gap: 8px; align-items: center; }
  .lamp { inline-size: 10px; block-size: 10px; border-radius: 50%; background: var(--_quiet); flex: none; }
  .open .lamp { background: var(--_good); }
  .broken .lamp, .refused .lamp { background: var(--_bad); }
  .paused .lamp { background: light-dark(#b27a00, #e8be5a); }
  @media (prefers-reduced-motion: no-preference) { .open .lamp { animation: beat 2.4s ease-in-out infinite; } }
  @keyframes beat { 50% { opacity: 0.35; } }
  .notice { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; background: var(--_tint); border-radius: var(--_radius); padding: 8px 12px; }
  .notice.bad { border: 1px solid var(--_bad); background: none; }
  .nothing { border: 1px dashed var(--_line); border-radius: calc(var(--_radius) * 2); padding: 28px 20px; display: grid; gap: 10px; justify-items: start; }
  .log { border: 1px solid var(--_line); border-radius: var(--_radius); min-inline-size: 0; }
  .log ul { list-style: none; margin: 0; padding: 0; }
  .log li { display: grid; grid-template-columns: auto minmax(104px, auto) minmax(0, 1fr) auto; gap: 2px 14px; padding: 5px 12px; align-items: baseline; border-block-end: 1px solid var(--_line); }
  .log li:last-child { border-block-end: 0; }
  .log li:hover { background: var(--_soft); }
  .log time { color: var(--_quiet); font-variant-numeric: tabular-nums; }
  .kind { display: inline-flex; gap: 7px; align-items: center; font-weight: 600; white-space: nowrap; }
  .what { overflow-wrap: anywhere; color: inherit; text-decoration-color: var(--_line); text-underline-offset: 3px; }
  .what:hover { text-decoration-color: currentColor; }
  .bad .what { color: var(--_bad); }
  .good .what { color: var(--_good); }
  .log details { min-inline-size: 0; }
  .log summary { cursor: pointer; color: var(--_quiet); list-style-position: inside; white-space: nowrap; }
  .log details[open] { grid-column: 1 / -1; }
  .log pre { background: var(--_soft); border-radius: var(--_radius); padding: 8px 12px; margin-block: 4px; }
  @media (max-width: 640px) {
    .controls { grid-template-columns: minmax(0, 1fr); }
    .log li { grid-template-columns: auto minmax(0, 1fr) auto; }
    .log .what { grid-column: 1 / -1; grid-row: 2; }
    .log details[open] { grid-row: 3; }
  }
`;
