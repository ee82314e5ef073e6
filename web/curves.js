// Panels of charts (docs/formats/page.md): which lines are drawn, and against what.
import { setText } from './cells.js';
import { Chart } from './chart.js';
import { Key } from './marks.js';
import { html, useEffect, useState } from './ui.js';

export const Choice = ({ name, options, value, set }) => html`<fieldset><legend>${name}</legend>
  ${Object.entries(options).map(([key, label]) => html`<button type="button" aria-pressed=${String(key === value)}
    onClick=${() => set(key)}>${label}</button>`)}</fieldset>`;

// Light or dark; on paper always light.
function useScheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)'), print = matchMedia('print');
  const now = () => (print.matches || !dark.matches ? 'light' : 'dark');
  const [scheme, setScheme] = useState(now());
  useEffect(() => {
    const update = () => setScheme(now());
    dark.addEventListener('change', update);
    print.addEventListener('change', update);
    return () => { dark.removeEventListener('change', update); print.removeEventListener('change', update); };
  }, []);
  return scheme;
}

const titleOf = (page, chart) => chart.title ?? `${chart.modality}: ${chart.set ? setText(page, chart.set) : 'training loss'}`;

export const axisOf = (panel, axis) => Object.fromEntries(Object.entries(panel.axes[axis]).map(([name, list]) => [name, panel.lists[list]]));

// Charts of one group with the visible lines that have this axis.
const chartsOf = (page, panel, group, shown, axis) => panel.charts.filter((chart) => chart.group === group).map((chart) => ({
  ...chart,
  title: titleOf(page, chart),
  series: chart.series.map((s) => ({ ...s, x: axisOf(panel, s.axis) })).filter((s) => shown.has(s.line) && s.x[axis]),
  targets: (chart.targets ?? []).filter((target) => shown.has(target.line))
    .map((target) => ({ ...target, matches: target.matches.filter((match) => shown.has(match.line)) })),
})).filter((chart) => chart.series.length);

const Charts = ({ panel, charts, axis, whole }) => {
  const scheme = useScheme();
  return html`<div class="charts">${charts.map((chart) => html`<${Chart} key=${panel.name + chart.group + chart.title}
    chart=${chart} labels=${panel.labels} clock=${panel.clock} axis=${axis} whole=${whole} scheme=${scheme} />`)}</div>`;
};

// With many lines, each can be shown or hidden.
const Legend = ({ labels, shown, toggle, children }) => html`<ul class="legend">${labels.map((label, line) => html`<li>${labels.length > 2
  ? html`<label><input type="checkbox" checked=${shown.has(line)} onChange=${() => toggle(line)} /><${Key} line=${line} />${label}</label>`
  : html`<${Key} line=${line} />${label}`}</li>`)}${children}</ul>`;

function Panel({ page, panel }) {
  const [axis, setAxis] = useState('flops');
  const [range, setRange] = useState('tail');
  const lines = [...panel.labels.keys()];
  const [shown, setShown] = useState(new Set(lines.filter((line) => !(panel.off ?? []).includes(line))));
  const toggle = (line) => setShown((before) => new Set(lines.filter((each) => before.has(each) !== (each === line))));
  const axes = { flops: 'FLOPs', steps: 'steps', tokens: 'tokens', ...(panel.axes.some(({ seconds }) => seconds !== undefined) && { seconds: 'time' }) };
  const held = chartsOf(page, panel, 'held-out', shown, axis), training = chartsOf(page, panel, 'training', shown, axis);
  const whole = range === 'whole';
  return html`
    <div class="controls">
      <${Choice} name="Across" options=${axes} value=${axis} set=${setAxis} />
      <${Choice} name="Loss" options=${{ tail: 'without the steep start', whole: 'all of it' }} value=${range} set=${setRange} />
    </div>
    <${Legend} labels=${panel.labels} shown=${shown} toggle=${toggle}>${held.some(({ targets }) => targets.length)
      && html`<li><span class="dash"></span>final loss of a baseline, and where others first reach it</li>`}<//>
    ${panel.charts.some(({ series }) => series.some(({ high }) => high)) && html`<p class="remark">Lines: mean over seeds; bands: their range.</p>`}
    ${held.length > 0 && html`<h3>Held-out loss</h3><p class="remark">Circles: evaluations. Line: smoothed; FLOPs to match are read from it.</p>
      <${Charts} panel=${panel} charts=${held} axis=${axis} whole=${whole} />`}
    ${training.length > 0 && html`<h3>Training loss, smoothed</h3><${Charts} panel=${panel} charts=${training} axis=${axis} whole=${whole} />`}
    ${!held.length && !training.length && html`<p>No curves: nothing is chosen, or the runs logged no losses.</p>`}`;
}

export function Curves({ page }) {
  const panels = page.panels.filter(({ charts }) => charts.length);
  const [name, setName] = useState(panels[0]?.name ?? '');
  const panel = panels.find((each) => each.name === name);
  if (!panel) return html`<p>No curves: the runs logged no losses.</p>`;
  return html`
    ${panels.length > 1 && html`<div class="controls"><${Choice} name="Runs" options=${Object.fromEntries(panels.map((each) => [each.name, each.name]))}
      value=${name} set=${setName} /></div>`}
    <${Panel} key=${name} page=${page} panel=${panel} />`;
}

export function ExpertCurves({ page }) {
  const panel = page.experts, lines = [...new Set(panel.charts.flatMap(({ series }) => series.map(({ line }) => line)))];
  return html`<ul class="legend">${lines.map((line) => html`<li><${Key} line=${line} />${panel.labels[line]}</li>`)}
      <li><span class="dash"></span>an even router</li></ul>
    <${Charts} panel=${panel} charts=${chartsOf(page, panel, 'experts', new Set(lines), 'steps')} axis="steps" whole=${true} />`;
}
