// Every number of a page as CSV: links that save a file, also from a page on disk.
//
//   runs.csv, study.csv   table,group,arm,set,modality,metric,statistic,value
//                         statistic: "seed 1", "mean", "low" and "high" (the interval), or "value"
//   curves-PANEL.csv      panel,line,set,modality,step,tokens,flops,seconds,loss,low,high
import { intervalOf } from './cells.js';
import { axisOf } from './curves.js';
import { html, useMemo } from './ui.js';

const field = (value) => { const text = String(value ?? ''); return /[,"\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
const csv = (lines) => lines.map((cells) => `${cells.map(field).join(',')}\n`).join('');

// One line per seed, then mean and interval where there are any.
function amountLines(place, metric, amount, seeds) {
  if (!amount) return [];
  const line = (statistic, value) => [...place, metric, statistic, value], interval = intervalOf(amount);
  return [...(amount.values ?? (amount.mean === undefined ? [] : [amount.mean])).map((value, i) => line(`seed ${seeds?.[i] ?? '?'}`, value)),
    ...(amount.mean === undefined ? [] : [line('mean', amount.mean)]),
    ...(interval ? [line('low', interval[0]), line('high', interval[1])] : [])];
}

const METRICS = { baseline: 'dense_loss', model: 'mix_loss', gain: 'gain', flops_to_match: 'flops_to_match', slope: 'flops_to_match_slope',
  tokens_to_match: 'tokens_to_match', seconds_to_match: 'seconds_to_match', cpu_seconds_to_match: 'cpu_seconds_to_match' };
const RUN_METRICS = ['steps', 'tokens', 'flops', 'parameters', 'train_cpu_seconds', 'train_seconds', 'process_seconds', 'tokens_per_s', 'peak_rss_bytes'];

const comparisonLines = (comparison, group, arm) => comparison.rows.flatMap((row) => Object.entries(METRICS)
  .flatMap(([key, metric]) => amountLines(['comparison', group, arm, row.set, row.modality], metric, row[key], comparison.seeds)));

const paperLines = ({ group, arm, paper = [] }) => paper.flatMap((figures) => Object.entries({ mix_loss: figures.loss, gain: figures.gain, flops_to_match: figures.flops_to_match })
  .filter(([, value]) => value !== undefined)
  .map(([metric, value]) => ['paper', group, arm, `training, ${figures.parameters} parameters`, figures.modality, metric, 'value', value]));

const modelLines = (group) => group.models.flatMap(({ arm, losses, seeds }) => losses
  .flatMap(({ set, modality, loss }) => amountLines(['model', group.name, arm, set, modality], 'final_loss', loss, seeds)));

const studyRunLines = (run) => RUN_METRICS.filter((metric) => run[metric] !== undefined)
  .map((metric) => ['run', run.name, run.arm, '', '', metric, `seed ${run.seed}`, run[metric]]);

function studyLines(page) {
  return [...page.comparisons.flatMap((each) => comparisonLines(each, each.group, each.arm)),
    ...page.groups.flatMap(({ name, seeds, interaction = [] }) => interaction
      .flatMap(({ set, modality, amount }) => amountLines(['interaction', name, '', set, modality], 'interaction', amount, seeds))),
    ...page.groups.flatMap(modelLines),
    ...page.study_runs.flatMap(studyRunLines),
    ...page.comparisons.flatMap(paperLines)];
}

const runLines = (run) => [...run.losses.map(({ set, modality, loss }) => ['run', run.name, run.model, set, modality, 'final_loss', `seed ${run.seed}`, loss]),
  ...Object.entries({ steps: run.step, tokens: run.tokens, flops: run.flops, tokens_per_s: run.tokens_per_s }).filter(([, value]) => value !== undefined)
    .map(([metric, value]) => ['run', run.name, run.model, '', '', metric, `seed ${run.seed}`, value])];

const runsLines = (page) => [...page.comparisons.flatMap((each) => comparisonLines(each, page.runs[each.baseline_run].name, page.runs[each.run].name)),
  ...page.runs.flatMap(runLines)];

function curveLines(panel) {
  const lines = [];
  for (const { group, set, modality, title, series } of panel.charts)
    for (const s of series) {
      const x = axisOf(panel, s.axis);
      s.fit.forEach((loss, i) => lines.push([panel.name, panel.labels[s.line], set ?? group, modality ?? title, x.steps[i], x.tokens[i], x.flops[i],
        x.seconds?.[i], loss, s.low?.[i], s.high?.[i]]));
    }
  return lines;
}

// [{name, text}] of a page.
export function csvFiles(page) {
  const study = page.kind === 'study', panels = [...page.panels, ...(page.experts ? [page.experts] : [])];
  return [
    { name: study ? 'study.csv' : 'runs.csv', text: csv([['table', 'group', 'arm', 'set', 'modality', 'metric', 'statistic', 'value'], ...(study ? studyLines : runsLines)(page)]) },
    ...panels.map((panel) => ({ name: `curves-${(panel.name || 'runs').replace(/[ ,:]/g, '-')}.csv`,
      text: csv([['panel', 'line', 'set', 'modality', 'step', 'tokens', 'flops', 'seconds', 'loss', 'low', 'high'], ...curveLines(panel)]) }))];
}

export function Downloads({ page }) {
  const files = useMemo(() => csvFiles(page), [page]);
  return html`<p class="downloads">Every number of this page: ${files.map(({ name, text }, i) => html`${i ? ', ' : ''}<a download=${name}
    href=${`data:text/csv;charset=utf-8,${encodeURIComponent(text)}`}>${name}</a>`)}</p>`;
}
