// The sections that only a page about runs has: verdict, results, models and what they cost.
import { Gain, Loss, MatchBar, Percent, Remark, RowName, Section, Small, Table, setText } from './cells.js';
import { Marked } from './marks.js';
import { ABSENT, bytes, count, loss, percent, scaled } from './numbers.js';
import { html } from './ui.js';

export const runColumn = (page, run) => ({ text: page.runs[run].label, cell: html`<${Marked} line=${run} label=${page.runs[run].label} />` });
export const runColumns = (page, first) => [first, ...page.runs.map((_, run) => runColumn(page, run))];

const Summary = ({ page, run }) => html`<p class="verdict">${run.model}, ${run.step} steps in the setting ${run.setting}.${run.losses
  .map(({ set, modality, loss: value }) => html` Held-out ${modality} loss, ${setText(page, set)}: <b>${loss(value)}</b>.`)}</p>`;

export function RunsVerdict({ page }) {
  if (!page.comparisons.length) return html`${page.runs.map((run) => html`<${Summary} page=${page} run=${run} />`)}
    <${Remark}>No verdict: that takes runs of two backbones.<//>`;
  return html`${page.verdicts.map((text) => html`<p class=${`verdict${page.verdicts.length > 2 ? ' one-of-many' : ''}`}>${text}</p>`)}
    ${page.seeds.length === 1 && html`<${Remark}>One seed (${page.seeds[0]}): differences between seeds are not measured here.<//>`}`;
}

// The final losses of all runs, the lowest in bold: three or more runs are hard to see together in pairs.
function AllRuns({ page }) {
  const rows = page.comparisons[0].rows.map(({ set, modality }) => {
    const losses = page.runs.map((run) => run.losses.find((each) => each.set === set && each.modality === modality)?.loss);
    const lowest = Math.min(...losses.filter((each) => each !== undefined));
    return [html`<${RowName} page=${page} set=${set} modality=${modality} />`, ...losses.map((each) => (each === undefined ? ABSENT
      : each === lowest ? html`<${Small} value=${html`<b>${loss(each)}</b>`}>lowest<//>` : loss(each)))];
  });
  return html`<h3>All runs</h3><${Table} head=${runColumns(page, 'Held-out loss')} rows=${rows} label="All runs" />`;
}

function Comparison({ page, comparison }) {
  const { run, baseline_run: baseline } = comparison, title = `${page.runs[run].label} against ${page.runs[baseline].label}`;
  const rows = comparison.rows.map((row) => [html`<${RowName} page=${page} ...${row} />`, html`<${Loss} amount=${row.baseline} />`, html`<${Loss} amount=${row.model} />`,
    html`<${Gain} amount=${row.gain} />`, html`<${Percent} amount=${row.flops_to_match} />${row.flops_to_match.mean !== undefined && html`<${MatchBar} part=${row.flops_to_match.mean} line=${run} />`}`,
    html`<${Percent} amount=${row.slope} />`]);
  return html`${page.comparisons.length > 1 && html`<h3>${title}</h3>`}
    <${Table} head=${['Held-out loss', runColumn(page, baseline), runColumn(page, run), 'Gain', 'FLOPs to match', 'by slope']} rows=${rows} label=${title} />
    ${comparison.rows.filter((row) => row.flat).map((row) => html`<${Remark}>${row.modality}, ${setText(page, row.set)}: the smoothed curve of ${comparison.baseline} is
      flat at the end, or rises; it has its final value after ${percent(row.self_match)} of its own FLOPs, so compare FLOPs to match with that, not with 100%.<//>`)}
    ${comparison.step_flops && html`<${Remark}>${comparison.step_flops} Gain compares equal steps; FLOPs to match counts the FLOPs.<//>`}
    ${comparison.warnings.map((warning) => html`<p class="warning"><b>Not a clean comparison:</b> ${warning}.</p>`)}`;
}

export const Results = ({ page }) => page.comparisons.length > 0 && html`<${Section} id="results" title="Gain and FLOPs to match">
  ${page.runs.length > 2 && html`<${AllRuns} page=${page} />`}
  ${page.comparisons.map((comparison) => html`<${Comparison} page=${page} comparison=${comparison} />`)}
  <${Remark}>Losses: ${[...new Set(page.comparisons.map(({ source }) => source))].join(', or ')}. Gain and FLOPs to match are defined <a href="#definitions">below</a>.<//><//>`;

// What parameters.json says, as rows: start of the key, words, format.
const PARTS = [['parameters.total', 'parameters, total', count], ['parameters.embedding', 'parameters, embedding', count],
  ['parameters.active.', 'parameters active for ', count], ['flops_per_token.', 'forward FLOPs per token, ', scaled],
  ['sequence_tokens', 'longest sequence, tokens', count], ['state_bytes', 'state after such a sequence', bytes]];

const flat = (value, name = '') => (value !== null && typeof value === 'object' && !Array.isArray(value)
  ? Object.entries(value).flatMap(([key, inner]) => flat(inner, name ? `${name}.${key}` : key)) : [[name, value]]);

// Keys that are new to this page are left out: the file itself has them.
function parameterRows(runs) {
  const all = runs.map((run) => Object.fromEntries(flat(run.parameters ?? {})));
  const keys = [...new Set(all.flatMap(Object.keys))].sort();
  return PARTS.flatMap(([start, words, format]) => keys.filter((key) => key.startsWith(start)).map((key) => [words + key.slice(start.length),
    ...all.map((values) => { const value = values[key]; return value == null ? ABSENT : typeof value === 'number' ? format(value) : String(value); })]));
}

const trainingRows = (runs) => [['steps', ...runs.map((run) => count(run.step))],
  ...[['tokens trained on', 'tokens', scaled], ['training FLOPs', 'flops', scaled], ['tokens/s, median', 'tokens_per_s', count]]
    .map(([words, key, format]) => [words, ...runs.map((run) => (run[key] === undefined ? ABSENT : format(run[key])))])];

const TERMS = { gemm: 'projections', scan: 'state space', attention: 'attention', conv: 'convolution', router: 'router' };

// One row per run and modality: all FLOPs per token, and the fraction of each term that costs something in any of the runs.
function Terms({ page }) {
  const rows = page.runs.flatMap(({ parameters, label }, line) => Object.entries(parameters?.flops_per_token_by_term ?? {})
    .filter(([, terms]) => terms && typeof terms === 'object').map(([modality, terms]) => ({ label: `${label}, ${modality}`, line, terms })));
  const used = Object.keys(TERMS).filter((key) => rows.some(({ terms }) => terms[key] > 0));
  if (!used.length) return null;
  const cells = rows.map(({ label, line, terms }) => {
    const sum = used.reduce((total, key) => total + (terms[key] ?? 0), 0);
    return [html`<${Marked} line=${line} label=${label} />`, scaled(sum), ...used.map((key) => (terms[key] > 0 ? percent(terms[key] / sum) : ABSENT))];
  });
  return html`<h3>What the FLOPs of a token are spent on</h3><${Table} head=${['Forward FLOPs per token', 'all', ...used.map((key) => TERMS[key])]} rows=${cells} />`;
}

export const Models = ({ page }) => html`<${Section} id="models" title="Models and cost">
  <${Table} head=${runColumns(page, '')} rows=${[...parameterRows(page.runs), ...trainingRows(page.runs)]} label="Models and cost" />
  <${Remark}>Active: what one token of that modality passes through${page.runs.some(({ experts, weights }) => experts || weights === 'router' || weights === 'experts choose') ? ', of experts those it is sent to' : ''}.
    State: recurrent states, and keys and values of attention, of one sequence. Attention’s FLOPs are those of a token in the middle of the longest sequence.<//>
  <${Terms} page=${page} /><//>`;
