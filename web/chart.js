// A chart of several lines, on uPlot: with the pointer or by keys, its values are read out.
import uPlot from 'uplot';
import { Mark, colourOf, dashOf, styleOf } from './marks.js';
import { ABSENT, loss, percent, short } from './numbers.js';
import { html, useEffect, useRef, useState } from './ui.js';

const AXES = { flops: 'training FLOPs', steps: 'step', tokens: 'tokens', seconds: 'seconds' };
export const axisName = (axis, clock) => (axis === 'seconds' && clock ? `${clock}, s` : AXES[axis]);
export const valueText = (chart, value) => (value == null ? 'not measured' : chart.percent ? percent(value) : loss(value));
const matchesOf = (chart) => chart.targets.flatMap((target) => target.matches.map((match) => ({ ...match, loss: target.loss })));

// Position on the chosen axis of a point given in FLOPs.
function fromFlops({ x }, axis, flops) {
  let i = x.flops.findIndex((value) => value >= flops);
  if (i < 0) i = x.flops.length - 1;
  if (i === 0) return x[axis][0];
  return x[axis][i - 1] + (x[axis][i] - x[axis][i - 1]) * (flops - x.flops[i - 1]) / (x.flops[i] - x.flops[i - 1]);
}

// The steep start would flatten everything else: by default the range ends at the curves' values after a tenth of the run.
function lossRange(chart, axis, whole) {
  let low = Infinity, high = -Infinity, end = 0;
  chart.series.forEach((s) => { end = Math.max(end, s.x[axis].at(-1)); });
  chart.series.forEach((s) => s.fit.forEach((fit, i) => {
    const values = [fit, ...(s.raw ? [s.raw[i]] : []), ...(s.high ? [s.low[i], s.high[i]] : [])];
    low = Math.min(low, ...values);
    if (whole || s.x[axis][i] >= end * 0.1) high = Math.max(high, ...values);
  }));
  if (chart.even !== undefined) { low = Math.min(low, chart.even); high = Math.max(high, chart.even); }
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  const matches = matchesOf(chart).length;  // room below for their labels
  return [low - margin * (matches ? 3 + Math.min(matches, 3) : 1), high + margin];
}

function drawLevel(u, value, stroke) {
  const ctx = u.ctx, { left, width } = u.bbox, px = devicePixelRatio, y = u.valToPos(value, 'y', true);
  ctx.lineWidth = 1.5 * px;
  ctx.strokeStyle = stroke;
  ctx.setLineDash([6 * px, 4 * px]);
  ctx.beginPath(); ctx.moveTo(left, y); ctx.lineTo(left + width, y); ctx.stroke();
}

// Labels stand left of the foot of their match where there is room, the lowest line that is free.
function placeLabels(u, chart, axis) {
  const { left } = u.bbox, px = devicePixelRatio, ends = [];
  return matchesOf(chart).map((match) => {
    const series = chart.series.find((s) => s.line === match.line), text = percent(match.part);
    const x = u.valToPos(fromFlops(series, axis, match.flops), 'x', true), width = u.ctx.measureText(text).width + 8 * px;
    return { match, text, x, begin: x - left > width ? x - width : x + 7 * px, width };
  }).sort((a, b) => a.begin - b.begin).map((label) => {
    let row = ends.findIndex((end) => end <= label.begin);
    if (row < 0) row = ends.length;
    ends[row] = label.begin + label.width;
    return { ...label, row };
  });
}

function drawMatch(u, { match, text, x, begin, row }) {
  const ctx = u.ctx, { top, height } = u.bbox, px = devicePixelRatio;
  const y = u.valToPos(match.loss, 'y', true), foot = top + height;
  ctx.lineWidth = 1.5 * px;
  ctx.strokeStyle = ctx.fillStyle = colourOf(match.line);
  ctx.setLineDash([2 * px, 3 * px]);
  ctx.beginPath(); ctx.moveTo(x, y); ctx.lineTo(x, foot); ctx.stroke();
  ctx.setLineDash([]);
  ctx.beginPath(); ctx.arc(x, y, 5 * px, 0, 7); ctx.fill();
  ctx.lineWidth = 2 * px; ctx.strokeStyle = styleOf('--paper'); ctx.stroke();
  // Below the line the chart is empty: curves come from above. Lines of other matches pass behind the text.
  ctx.lineWidth = 4 * px; ctx.textAlign = 'left'; ctx.textBaseline = 'bottom';
  ctx.strokeText(text, begin, foot - (4 + 15 * row) * px);
  ctx.fillText(text, begin, foot - (4 + 15 * row) * px);
}

const drawLevels = (chart, axis) => (u) => {
  const ctx = u.ctx, { left, top, width, height } = u.bbox;
  ctx.save();
  ctx.beginPath(); ctx.rect(left, top, width, height); ctx.clip();
  ctx.font = `600 ${12 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  if (chart.even !== undefined) drawLevel(u, chart.even, styleOf('--quiet'));
  chart.targets.forEach((target) => drawLevel(u, target.loss, colourOf(target.line)));
  placeLabels(u, chart, axis).forEach((label) => drawMatch(u, label));
  ctx.restore();
};

// What of a series is drawn: its line, the rings of held-out evaluations, the range over seeds.
const partsOf = (s) => ['fit', ...(s.raw ? ['raw'] : []), ...(s.high ? ['high', 'low'] : [])];

// uPlot wants one x for all series.
const joined = (chart, axis) => uPlot.join(chart.series.map((s) => [s.x[axis], ...partsOf(s).map((part) => s[part])]));

// The column of each series' line in what `joined` makes.
function lineColumns(chart) {
  let next = 1;
  return chart.series.map((s) => { const here = next; next += partsOf(s).length; return here; });
}

const hidden = { stroke: 'transparent', width: 0, spanGaps: true, points: { show: false } };
const partOptions = {
  fit: (stroke, line) => ({ stroke, width: 2, dash: dashOf(line), spanGaps: true, points: { show: false } }),
  raw: (stroke) => ({ stroke, width: 0, spanGaps: true, paths: () => null, points: { show: true, size: 5, width: 1, fill: styleOf('--paper'), stroke } }),
  high: () => hidden,
  low: () => hidden,
};
const seriesOptions = (chart) => chart.series.flatMap((s) => partsOf(s).map((part) => partOptions[part](colourOf(s.line), s.line)));

function bandOptions(chart) {
  const columns = lineColumns(chart);
  return chart.series.flatMap((s, i) => {
    const high = columns[i] + partsOf(s).indexOf('high');
    return s.high ? [{ series: [high, high + 1], fill: `${colourOf(s.line)}2e` }] : [];
  });
}

function axisOptions(chart, axis, clock) {
  const ink = styleOf('--quiet'), grid = { stroke: styleOf('--line'), width: 1 };
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return [
    { stroke: ink, grid: { show: false }, ticks: grid, font, size: 44, label: axisName(axis, clock), labelSize: 18, labelFont: font,
      space: 64, values: (u, ticks) => ticks.map((t) => short(t, 4)) },
    { stroke: ink, grid, ticks: { show: false }, font, size: 52, values: (u, ticks) => ticks.map((t) => (chart.percent ? `${+(t * 100).toPrecision(4)}%` : +t.toPrecision(6))) },
  ];
}

// The cursor of a chart: a row of its values, moved by the pointer or, with the focus on the chart, by keys.
const KEYS = { ArrowLeft: (row) => row - 1, ArrowRight: (row) => row + 1, Home: () => 0, End: (row, last) => last };

// A baseline's final loss, and the fraction of its FLOPs at which others reach it: with markers, and in words.
const Target = ({ target }) => html`<p class="readout"><${Mark} line=${target.line} />final ${loss(target.loss)} ${target.matches.length
  ? html`reached at ${target.matches.map((m) => html`<span class="value"><${Mark} line=${m.line} />${percent(m.part)}</span> `)}of its FLOPs` : 'not reached by others'}</p>`;
const inWords = (labels) => (target) => `Final loss of ${labels[target.line]}, ${loss(target.loss)}: ${target.matches.length
  ? target.matches.map((m) => `${labels[m.line]} reaches it after ${percent(m.part)} of its FLOPs`).join(', ') : 'not reached by others'}.`;

// The numbers behind a chart, made when it is opened: rows at up to twelve places.
function Numbers({ chart, labels, axis, clock, values, columns }) {
  const [open, setOpen] = useState(false), last = values[0].length - 1, most = Math.min(last, 11);
  const rows = open ? [...new Set(Array.from({ length: most + 1 }, (_, i) => Math.round(i * last / (most || 1))))] : [];
  return html`<details class="behind" onToggle=${(event) => setOpen(event.target.open)}><summary>Numbers</summary>${open && html`<div class="scroll" tabindex="0" role="region"
    aria-label=${`Numbers of ${chart.title}`}><table class="small"><thead><tr><th scope="col">${axisName(axis, clock)}</th>${chart.series.map((s) => html`<th scope="col">${labels[s.line]}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr><th scope="row">${short(values[0][row], 4)}</th>${columns.map((column) => html`<td>${values[column][row] == null ? ABSENT : valueText(chart, values[column][row])}</td>`)}</tr>`)}</tbody></table></div>`}</details>`;
}

// `chart`: with title, targets, and series whose `x` has the chosen axis.
export function Chart({ chart, labels, clock, axis, whole, scheme }) {
  const box = useRef(null), plot = useRef(null);
  const [index, setIndex] = useState(null);
  const values = joined(chart, axis), columns = lineColumns(chart), last = values[0].length - 1;
  const drawn = chart.series.map((s) => `${s.line}:${s.fit.length}`).join();
  useEffect(() => {
    const size = () => ({ width: box.current.clientWidth, height: Math.round(Math.max(220, box.current.clientWidth * 0.52)) });
    plot.current = new uPlot({
      ...size(),
      scales: { x: { time: false, range: (u, low, high) => [Math.min(0, low), high * 1.02] }, y: { range: () => lossRange(chart, axis, whole) } },
      legend: { show: false },
      cursor: { drag: { x: true, y: false }, points: { show: false }, y: false },
      axes: axisOptions(chart, axis, clock),
      series: [{}, ...seriesOptions(chart)],
      bands: bandOptions(chart),
      hooks: { draw: [drawLevels(chart, axis)], setCursor: [(u) => setIndex(u.cursor.idx ?? null)] },
    }, values, box.current);
    const watcher = new ResizeObserver(() => plot.current.setSize(size()));
    watcher.observe(box.current);
    return () => { watcher.disconnect(); plot.current.destroy(); };
  }, [axis, whole, scheme, drawn]);
  const row = Math.min(index ?? last, last);
  const newest = (column) => {  // at or before the cursor
    let at = row;
    while (at > 0 && values[column][at] == null) at--;
    return values[column][at];
  };
  const at = (i) => newest(columns[i]);
  const rangeAt = (i) => {
    const high = columns[i] + partsOf(chart.series[i]).indexOf('high');
    return chart.series[i].high && newest(high) != null ? ` (${valueText(chart, newest(high + 1))}–${valueText(chart, newest(high))})` : '';
  };
  const move = (event) => {
    if (!KEYS[event.key]) return;
    event.preventDefault();
    const to = Math.max(0, Math.min(last, KEYS[event.key](row, last)));
    plot.current.setCursor({ left: plot.current.valToPos(values[0][to], 'x'), top: 0 });
  };
  const where = index === null ? 'end' : `at ${short(values[0][row], 3)}`;
  const words = chart.series.map((s, i) => `${labels[s.line]} ${valueText(chart, at(i))}${rangeAt(i)}.`);
  return html`<div class="chart">
    <h4>${chart.title} <span>(${chart.unit})</span></h4>
    <p class="readout">${where}: ${chart.series.map((s, i) => html`
      <span class="value"><${Mark} line=${s.line} /><b>${at(i) == null ? ABSENT : valueText(chart, at(i))}</b>${index !== null && rangeAt(i)}</span>${' '}`)}</p>
    ${chart.targets.map((target) => html`<${Target} target=${target} />`)}
    <div ref=${box} class="plotbox" role="slider" tabindex="0" onKeyDown=${move} aria-orientation="horizontal"
      aria-label=${`${chart.title}, against ${axisName(axis, clock)}. ${chart.targets.map(inWords(labels)).join(' ')}`}
      aria-valuemin="0" aria-valuemax=${last} aria-valuenow=${row} aria-valuetext=${`${where}: ${words.join(' ')}`}></div>
    <${Numbers} chart=${chart} labels=${labels} axis=${axis} clock=${clock} values=${values} columns=${columns} />
  </div>`;
}
