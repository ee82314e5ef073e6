// What was run, on what, how to run it again, and what the numbers mean.
import { Code, Pre, Section, Table } from './cells.js';
import { Marked } from './marks.js';
import { ABSENT, fixed } from './numbers.js';
import { html } from './ui.js';

// Recipe keys by run. With more runs than keys, the rows are runs.
function Differences({ keys, recipes, nameOf }) {
  const names = recipes.map(({ name }, i) => ({ text: name, cell: nameOf(name, i) }));
  const code = (text) => html`<${Code} text=${text} />`;
  return names.length > keys.length
    ? html`<${Table} head=${['run', ...keys.map((key) => ({ text: key, cell: code(key) }))]} rows=${recipes.map(({ values }, i) => [names[i].cell, ...values.map(code)])} label="Recipe" />`
    : html`<${Table} head=${['key', ...names]} rows=${keys.map((key, i) => [code(key), ...recipes.map(({ values }) => code(values[i]))])} label="Recipe" />`;
}

const Texts = ({ recipes, words }) => recipes.filter(({ text }) => text !== undefined).map(({ name, text }) => html`<details><summary>${words} <${Code} text=${name} /></summary><${Pre} text=${text} /></details>`);

export function Recipes({ page }) {
  const study = page.kind === 'study';
  const nameOf = (name, i) => (study ? html`<${Code} text=${name} />` : html`<${Marked} line=${i} label=${page.runs[i].label} />`);
  return page.recipes.length > 0 && html`<${Section} id="recipe" title=${study ? 'Recipes' : 'Recipe'}>${page.recipes.map(({ title, keys, recipes }) => html`${title && html`<h3><${Code} text=${title} /></h3>`}
    ${keys.length > 0 ? html`<p>${study ? 'Its runs differ only in these keys and the seed:' : 'The runs differ only in these keys:'}</p><${Differences} keys=${keys} recipes=${recipes} nameOf=${nameOf} />`
      : recipes.length > 1 && html`<p>The recipes are equal.</p>`}
    <${Texts} recipes=${recipes} words=${study ? 'All of' : 'recipe.toml of'} />`)}<//>`;
}

const codeRows = (values) => Object.entries(values).map(([key, value]) => [html`<${Code} text=${key} />`, value]);

// What is the same in all runs, and what differs.
function RunMachines({ page }) {
  const keys = [...new Set(page.environments.flatMap(({ values }) => Object.keys(values)))].sort();
  const rows = keys.map((key) => [key, ...page.environments.map(({ values }) => values[key] ?? ABSENT)]);
  const equal = ([, first, ...others]) => others.every((value) => value === first);
  const same = rows.filter(equal), different = rows.filter((row) => !equal(row));
  return html`${same.length > 0 && html`<${Table} head=${['', page.runs.length > 1 ? 'same in all runs' : 'value']} rows=${same.map(([key, value]) => [html`<${Code} text=${key} />`, value])} numeric=${false} label="Data and machine" />`}
    ${different.length > 0 && html`<${Table} head=${['differs', ...page.environments.map((_, i) => ({ text: page.runs[i].label, cell: html`<${Marked} line=${i} label=${page.runs[i].label} />` }))]}
      rows=${different.map(([key, ...values]) => [html`<${Code} text=${key} />`, ...values])} numeric=${false} label="Data and machine: what differs" />`}`;
}

const StudyMachines = ({ page: { environments } }) => environments.map(({ runs, values }) => html`${environments.length > 1 && html`<h3>${runs.length} runs</h3><p class="remark">${runs.join(', ')}</p>`}
  <${Table} head=${['', 'value']} rows=${codeRows(values)} numeric=${false} label="Data, machine and versions" />`);

// Older studies have the environments of the runs that are shown only.
export function Machine({ page }) {
  const known = page.environments.some(({ values }) => Object.keys(values).length);
  const ofRuns = page.environments.length === page.runs.length && page.environments.every(({ runs }, i) => runs.length === 1 && runs[0] === page.runs[i].name);
  return known && html`<${Section} id="machine" title=${ofRuns ? 'Data and machine' : 'Data, machine and versions'}>${ofRuns ? html`<${RunMachines} page=${page} />` : html`<${StudyMachines} page=${page} />`}<//>`;
}

export const Reproduce = ({ page: { commands } }) => html`<${Section} id="reproduce" title="Run it again">
  ${commands.runs && html`<p>The recipes hold every setting and the seed; the same build on the same machine gives the same numbers.</p><${Pre} text=${commands.runs.join('\n')} />`}
  ${commands.study && html`<p>The study; after a kill or a stop, the same command continues it:</p><${Pre} text=${commands.study} />`}
  <p>This page:</p><${Pre} text=${commands.page} /><//>`;

const overallText = (trained) => (trained ? `${trained.tokens} loss + ${fixed(trained.weight, Number.isInteger(trained.weight) ? 0 : 2)} × ${trained.latents} loss, the sum that is trained (objective.image_weight in the recipe). `
  + 'The paper does not print its formula for overall loss; this one fits the size of its numbers.' : 'the mean over all tokens of the set.');

const definitions = (page) => ({
  Loss: 'Tokens (text, codes of images and speech): nats per token, counted to the modality of the token that is predicted. Images as latents: mean squared error of the predicted noise. Lower is better.',
  Gain: '(baseline − run) / baseline, from the final held-out losses, after as many steps and tokens. Above zero the run is better than its baseline.',
  'FLOPs to match': 'The training FLOPs after which the run first has its baseline’s final loss, as a part of the baseline’s FLOPs. What a step costs more or less is in it. ‘Not reached’: it never had that loss in this training.',
  'By slope': 'For every loss on the baseline’s curve, the FLOPs y at which the run has it against the FLOPs x at which the baseline has it; the slope of y on x through the origin. It looks at the whole training, not at the end only.',
  Overall: overallText(page.trained),
  Smoothing: 'FLOPs to match are read from smoothed held-out curves, linear between evaluations: at each evaluation a least-squares line over up to two evaluations on either side, against the logarithm of the FLOPs, and then the nearest '
    + 'curve that never rises. Gain uses losses as measured. Training curves are exponential averages with a half-life of 2% of the steps.',
  FLOPs: 'Analytic, forward and backward, one multiply-add = 2, summed over the tokens really trained on.',
});

export const Definitions = ({ page }) => html`<${Section} id="definitions" title="What the numbers mean"><dl>${Object.entries(definitions(page)).map(([term, text]) => html`<dt>${term}</dt><dd>${text}</dd>`)}</dl><//>`;

export const Notes = ({ page }) => page.notes.length > 0 && html`<${Section} id="notes" title="Not on this page"><ul>${page.notes.map((note) => html`<li>${note}.</li>`)}</ul><//>`;
