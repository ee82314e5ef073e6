// The sections that only a page about a study has: its verdict beside the paper's figures, what is missing, models side by
// side, which projections to decouple, learning rates, every comparison and every run.
import { Amount, BarPlot, Code, DotPlot, Gain, Loss, Percent, Remark, RowName, Section, Table, scaleOf, setText } from './cells.js';
import { Marked } from './marks.js';
import { ABSENT, bytes, count, fixed, percent, scaled } from './numbers.js';
import { html } from './ui.js';

const some = (value, format) => (value === undefined ? ABSENT : format(value));
const verdictsOf = (page) => page.comparisons.filter(({ verdict }) => verdict);
const verdictRows = ({ rows, set }) => rows.filter((row) => row.set === set);
const same = (set, modality) => (each) => each.set === set && each.modality === modality;
const rowOf = (comparison, set, modality) => comparison?.rows.find(same(set, modality));
const comparisonOf = (page, group, arm) => page.comparisons.find((each) => each.group === group.name && each.arm === arm && each.rows.length);

const Cell = ({ label, kind = '', children }) => html`<td class=${kind || undefined} data-label=${label}>${children}</td>`;

const PaperCells = ({ figures = {} }) => html`<${Cell} label="paper: loss" kind="paper">${some(figures.loss, (loss) => fixed(loss, 4))}<//>
  <${Cell} label="paper: gain" kind="paper">${figures.gain === undefined && figures.remark ? html`<small>“${figures.remark}”</small>` : some(figures.gain, percent)}<//>
  <${Cell} label="paper: FLOPs to match" kind="paper">${some(figures.flops_to_match, percent)}<//>`;

function VerdictRows({ page, comparison, withPaper, scale }) {
  const rows = verdictRows(comparison), paper = comparison.paper ?? [], { seeds } = comparison;
  const figuresOf = (modality) => paper.find((each) => each.modality === modality);
  const parameters = rows.map(({ modality }) => figuresOf(modality)?.parameters).find(Boolean);
  return html`<tbody><tr class="group"><th scope="rowgroup" colspan="5">${comparison.group} <span class="set">${comparison.model}, ${seeds.length} ${seeds.length === 1 ? 'seed' : 'seeds'}; ${setText(page, comparison.set)}</span></th>
      ${withPaper && html`<td class="paper" colspan="3">${parameters ? `${parameters} parameters` : ABSENT}</td>`}</tr>
    ${rows.map((row) => html`<tr><th scope="row"><b>${row.modality}</b></th>
      <${Cell} label="baseline’s loss"><${Loss} amount=${row.baseline} /><//><${Cell} label="model’s loss"><${Loss} amount=${row.model} /><//>
      <${Cell} label="gain"><${Gain} amount=${row.gain} /><${BarPlot} amount=${row.gain} scale=${scale} /><//>
      <${Cell} label="FLOPs to match"><${Percent} amount=${row.flops_to_match} /><//>
      ${withPaper && html`<${PaperCells} figures=${figuresOf(row.modality)} />`}</tr>`)}</tbody>`;
}

function VerdictTable({ page }) {
  const verdicts = verdictsOf(page), withPaper = verdicts.some(({ paper }) => paper);
  if (!verdicts.length) return null;
  const scale = scaleOf(verdicts.flatMap((each) => verdictRows(each).map(({ gain }) => gain)), true);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Verdict table"><table class="numbers verdicts"><thead>
      <tr><th scope="col" rowspan="2">Held-out data</th><th scope="colgroup" colspan="4">This study</th>
        ${withPaper && html`<th scope="colgroup" colspan="3" class="paper">The paper: another scale, other data, training losses</th>`}</tr>
      <tr>${['baseline’s loss', 'model’s loss', 'gain', 'FLOPs to match'].map((text) => html`<th scope="col">${text}</th>`)}
        ${withPaper && ['loss', 'gain', 'FLOPs to match'].map((text) => html`<th scope="col" class="paper">${text}</th>`)}</tr></thead>
      ${verdicts.map((comparison) => html`<${VerdictRows} page=${page} comparison=${comparison} withPaper=${withPaper} scale=${scale} />`)}</table></div>
    ${withPaper && html`<${Remark}>The paper’s figures are those printed for Mixture-of-Mamba against dense Mamba (Mixture-of-Mamba, arXiv 2501.16295): models of 1.4 to 1.5 billion parameters on the authors’ data,
      training losses, no intervals. They say what was claimed there; runs of this size neither confirm nor refute them. A dash: no figure found.<//>`}`;
}

// What brackets mean, once.
function Seeds({ page }) {
  const number = page.seeds.length;
  if (!number) return null;
  const text = number === 1 ? 'One seed: differences between seeds are not measured here, so there are no intervals, and a small difference may be chance.'
    : number <= 3 ? `In brackets: the range over the ${number} seeds, which is all an interval of so few can be. If no model were better, all ${number} would agree on the sign by chance in one case of ${number === 2 ? 2 : 4}.`
      : `In brackets: the central 95% of 10,000 bootstrap means over the ${number} seeds.`;
  return html`<${Remark}>${text}${verdictsOf(page).length > 0 && ' A gain below zero: the baseline is better; undecided: the brackets hold both signs.'}<//>`;
}

export function StudyVerdict({ page }) {
  const sentences = page.verdicts.length ? page.verdicts : ['No verdict: no two models of one group have finished with the same seed.'];
  return html`${sentences.map((text) => html`<p class=${`verdict${sentences.length > 1 ? ' one-of-many' : ''}`}>${text}</p>`)}
    <${VerdictTable} page=${page} /><${Seeds} page=${page} />`;
}

export const Missing = ({ page }) => {
  const missing = page.study_runs.filter(({ state }) => state !== 'finished');
  return missing.length > 0 && html`<${Section} id="missing" title="Missing runs"><p>Nothing of them is in the tables.</p><ul>
    ${missing.map(({ name, state, error }) => html`<li><${Code} text=${name} /> ${state === 'failed' ? `failed: ${error}` : 'is not finished'}</li>`)}</ul><//>`;
};

export const Unequal = ({ page }) => {
  const warnings = page.comparisons.flatMap((each) => each.warnings.map((warning) => `${each.group}, ${each.arm}: ${warning}`));
  return warnings.length > 0 && html`<${Section} id="unequal" title="What differs"><ul>${warnings.map((text) => html`<li>${text}</li>`)}</ul><//>`;
};

// Partial subsets have a table of their own.
const shownModels = (group) => group.models.map((model, line) => ({ ...model, line })).filter(({ partial }) => !partial);
const lossOf = (losses, set, modality) => losses.find(same(set, modality))?.loss ?? { words: 'not measured' };
// (set, modality) of final losses; "overall" only beside two others.
const measured = (losses) => losses.filter(({ set, modality }) => modality !== 'overall' || losses.filter((each) => each.set === set).length > 2);

const Costs = ({ models }) => html`<${Table} head=${['Model', 'parameters', 'training FLOPs per token', 'tokens/s', 'tokens per CPU second', 'peak memory']} rows=${models.map(({ label, line, costs }) => [
  html`<${Marked} line=${line} label=${label} />`, some(costs.parameters, count), some(costs.flops_per_token, scaled), some(costs.tokens_per_s, count), some(costs.tokens_per_cpu_s, count), some(costs.peak_rss_bytes, bytes)])} />`;

// All models on one modality of a set, from the lowest loss to the highest.
function Dots({ page, group, models, set, modality }) {
  const rows = models.map((model) => ({ ...model, loss: lossOf(model.losses, set, modality), comparison: comparisonOf(page, group, model.arm) }))
    .filter(({ loss }) => loss.mean !== undefined).sort((a, b) => a.loss.mean - b.loss.mean);
  const scale = scaleOf(rows.map(({ loss }) => loss), false);
  return html`<table class="dots"><caption>${modality}: ${setText(page, set)}</caption><thead><tr><th scope="col">model</th><th scope="col">loss</th><th scope="col">gain</th></tr></thead><tbody>
    ${rows.map(({ label, line, loss, comparison }) => { const row = rowOf(comparison, set, modality); return html`<tr><th scope="row"><${Marked} line=${line} label=${label} /></th>
      <td><${Loss} amount=${loss} /><${DotPlot} amount=${loss} scale=${scale} line=${line} /></td><td>${row ? html`<${Gain} amount=${row.gain} />` : comparison ? ABSENT : 'baseline'}</td></tr>`; })}</tbody></table>`;
}

export function SideBySide({ page }) {
  const groups = page.groups.map((group) => ({ group, models: shownModels(group) })).filter(({ models }) => models.length > 2);
  return groups.length > 0 && html`<${Section} id="models" title="All models side by side"><p>Held-out losses at the end of training, the lowest first; gain against the baseline with the same seed. Not all models cost
      the same: training FLOPs per token are in the first table, FLOPs to match <a href="#comparisons">below</a>.</p>
    ${groups.map(({ group, models }) => html`<h3>${group.name}</h3><${Costs} models=${models} /><div class="dot-tables">
      ${measured(models[0].losses).map(({ set, modality }) => html`<${Dots} page=${page} group=${group} models=${models} set=${set} modality=${modality} />`)}</div>`)}<//>`;
}

// Filled where decoupled.
const Subset = ({ page, subset, modalities, comparison, projections, scale }) => html`<tr><th scope="row">${comparison ? subset.name : `none, ${page.baseline}`}</th>
  ${projections.map((each) => { const on = subset.projections.includes(each); return html`<td class="mark"><span aria-hidden="true">${on ? '●' : '○'}</span><span class="unseen">${on ? 'decoupled' : 'shared'}</span></td>`; })}
  ${modalities.map((modality) => { const row = rowOf(comparison, comparison?.set, modality); return html`<td>${row ? html`<${Gain} amount=${row.gain} /><${BarPlot} amount=${row.gain} scale=${scale} />` : comparison ? 'not measured' : '0.0%'}</td>`; })}</tr>`;

function Subsets({ page, group }) {
  const { arm, order, rows, projections } = group.subsets, leading = comparisonOf(page, group, arm);
  const modalities = verdictRows(leading).map(({ modality }) => modality);
  const results = rows.map((subset) => ({ subset, comparison: subset.arm && comparisonOf(page, group, subset.arm) }));
  const scale = scaleOf(results.flatMap(({ comparison }) => modalities.map((modality) => rowOf(comparison, comparison?.set, modality)?.gain).filter(Boolean)), true);
  const interaction = (group.interaction ?? []).filter(({ set }) => set === leading.set);
  return html`<h3>${group.name}</h3><p>Held-out data: ${setText(page, leading.set)}, ordered by the gain on ${order}; ${rows.length - 1} of 15 subsets measured.</p>
    <div class="scroll" tabindex="0" role="region" aria-label=${`Subsets of ${group.name}`}><table class="subsets"><thead><tr><th scope="col">decoupled</th>${projections.map((each) => html`<th scope="col" class="mark">${each.split('_')[0]}</th>`)}
      ${modalities.map((modality) => html`<th scope="col">gain, ${modality}</th>`)}</tr></thead><tbody>
      ${results.map(({ subset, comparison }) => html`<${Subset} page=${page} subset=${subset} modalities=${modalities} comparison=${comparison} projections=${projections} scale=${scale} />`)}</tbody></table></div>
    ${group.interaction ? html`<h4>Are four together better than the sum of each alone?</h4><ul>${interaction.map(({ modality, words }) => html`<li><b>${modality}:</b> ${words}.</li>`)}</ul>`
      : html`<${Remark}>No interaction: that takes all four together and each alone, with the same seeds.<//>`}`;
}

export function Ablation({ page }) {
  const groups = page.groups.filter(({ subsets }) => subsets);
  return groups.length > 0 && html`<${Section} id="ablation" title="Which projections to decouple"><p>A filled circle: the projection has weights of its own for each modality; an empty one: all modalities share it. Gains are
      against none, which is dense Mamba. Interaction: the gain of all four minus the sum of the four single gains; above 0 they do more together than each alone.</p>
    ${groups.map((group) => html`<${Subsets} page=${page} group=${group} />`)}<//>`;
}

function Rates({ page, sweep }) {
  const rows = measured(sweep.rates[0].losses).map(({ set, modality }) => {
    const losses = sweep.rates.map((rate) => lossOf(rate.losses, set, modality)), scale = scaleOf(losses, false);
    const lowest = Math.min(...losses.map(({ mean }) => mean ?? Infinity));
    return [html`<${RowName} page=${page} set=${set} modality=${modality} />`, ...losses.map((amount, line) => html`<span><${Loss} amount=${amount} />${amount.mean === lowest && html` <small><b>lowest</b></small>`}</span>
      <${DotPlot} amount=${amount} scale=${scale} line=${line} />`)];
  });
  return html`<h3>${sweep.name}</h3><${Table} head=${['Final loss at learning rate', ...sweep.rates.map(({ text }) => text)]} rows=${rows} label=${sweep.name} />`;
}

export const Sweeps = ({ page }) => page.sweeps.length > 0 && html`<${Section} id="rates" title="Learning rates"><p>Final held-out losses of runs that differ in their learning rate only. A lowest loss at the first or last rate means
  that the best one may lie beyond it.</p>${page.sweeps.map((sweep) => html`<${Rates} page=${page} sweep=${sweep} />`)}<//>`;

// Time to match is CPU time where that is known: runs may have shared a machine.
function Comparison({ page, comparison }) {
  const cpu = comparison.rows.some(({ cpu_seconds_to_match: seconds }) => seconds?.values?.some((value) => value !== null));
  const rows = comparison.rows.map((row) => [html`<${RowName} page=${page} ...${row} />`, html`<${Loss} amount=${row.baseline} />`, html`<${Loss} amount=${row.model} />`, html`<${Gain} amount=${row.gain} />`,
    ...[row.flops_to_match, row.slope, row.tokens_to_match, cpu ? row.cpu_seconds_to_match : row.seconds_to_match].map((amount) => html`<${Amount} amount=${amount} format=${percent} />`)]);
  const title = `${comparison.group}: ${comparison.model} against ${comparison.baseline}`;
  return html`<details open=${comparison.verdict}><summary>${title}</summary><${Table} label=${title} rows=${rows}
    head=${['Held-out data', comparison.baseline, comparison.model, 'gain', 'FLOPs to match', 'by slope', 'tokens to match', cpu ? 'CPU time to match' : 'time to match']} /></details>`;
}

export const Comparisons = ({ page }) => {
  const shown = page.comparisons.filter(({ rows }) => rows.length);
  return shown.length > 0 && html`<${Section} id="comparisons" title="Every comparison"><p>All held-out sets. To match: what the model had spent when it first reached its baseline’s final loss, as a fraction of what the
    baseline spent in total.</p>${shown.map((comparison) => html`<${Comparison} page=${page} comparison=${comparison} />`)}<//>`;
};

export function StudyRuns({ page }) {
  const finished = page.study_runs.filter(({ state }) => state === 'finished');
  const rows = finished.map((run) => [html`<${Code} text=${run.name} />`, count(run.steps), scaled(run.tokens), scaled(run.flops), some(run.train_seconds, count), some(run.train_cpu_seconds, count),
    some(run.process_seconds, count), some(run.tokens_per_s, count), some(run.peak_rss_bytes, bytes)]);
  return finished.length > 0 && html`<${Section} id="runs" title="Runs"><details><summary>All ${finished.length} finished runs: steps, tokens, FLOPs, time, memory</summary>
    <${Table} head=${['run', 'steps', 'tokens', 'training FLOPs', 'training, s', 'CPU time, s', 'total, s', 'tokens/s', 'peak memory']} rows=${rows} />
    <${Remark}>Training: the steps alone; total: with evaluations, saves and the final evaluation. Runs side by side share a machine: their CPU times can be compared, wall-clock times only with care.<//></details><//>`;
}
