// Draws the charts of the report page from the JSON block #report-data (written by mom/report/charts.cpp).
'use strict';
(() => {
  const { h, render } = preact;
  const { useEffect, useRef, useState } = preactHooks;
  const html = htm.bind(h);
  const data = JSON.parse(document.getElementById('report-data').textContent);

  const AXES = { flops: 'training FLOPs', steps: 'step', tokens: 'tokens' };
  const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'];
  // Runs differ in colour and in line, and in the shape of their marks (report.css).
  const DASHES = [[], [], [7, 3], [7, 3], [2, 3], [2, 3], [9, 3, 2, 3], [9, 3, 2, 3]];
  const COLOURS = DASHES.length;

  const scaled = (value, digits) => {
    let unit = 0;
    while (Math.abs(value) >= 999.5 && unit < PREFIXES.length - 1) { value /= 1000; unit++; }
    return `${+value.toPrecision(digits)}${unit ? '\u202f' + PREFIXES[unit] : ''}`;
  };
  const lossText = (value) => value.toFixed(Math.abs(value) < 1 ? 4 : 3);
  const percentText = (part) => `${(part * 100).toFixed(1)}%`;
  const valueText = (chart, value) => (chart.percent ? percentText(value) : lossText(value));
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const mark = (run) => html`<i class=${'swatch c' + run % COLOURS}></i>`;
  const matchesOf = (chart) => (chart.targets || []).flatMap((target) => target.matches.map((match) => ({ ...match, loss: target.loss })));
  const colour = (run) => style(`--c${run % COLOURS}`);

  // Position on the chosen axis of a point given in FLOPs.
  const fromFlops = (series, axis, flops) => {
    const x = series.flops, y = series[axis];
    let i = x.findIndex((value) => value >= flops);
    if (i < 0) i = x.length - 1;
    if (i === 0) return y[0];
    return y[i - 1] + (y[i] - y[i - 1]) * (flops - x[i - 1]) / (x[i] - x[i - 1]);
  };

  // The steep start would flatten all that matters: by default the range ends where the curves are after a tenth of the run.
  const lossRange = (chart, axis, whole) => {
    const held = chart.group === 'held-out';
    let low = Infinity, high = -Infinity, end = 0;
    chart.series.forEach((s) => { end = Math.max(end, s[axis][s[axis].length - 1]); });
    chart.series.forEach((s) => s.fit.forEach((fit, i) => {
      const values = held ? [fit, s.raw[i]] : [fit];
      low = Math.min(low, ...values);
      if (whole || s[axis][i] >= end * 0.1) high = Math.max(high, ...values);
    }));
    if (chart.even !== undefined) { low = Math.min(low, chart.even); high = Math.max(high, chart.even); }
    const margin = (high - low || Math.abs(high) || 1) * 0.06;
    const matches = matchesOf(chart).length;  // room below for their labels
    return [low - margin * (matches ? 3 + Math.min(matches, 3) : 1), high + margin];
  };

  const drawLevel = (u, value, stroke) => {
    const ctx = u.ctx, { left, width } = u.bbox, px = devicePixelRatio, y = u.valToPos(value, 'y', true);
    ctx.lineWidth = 1.5 * px;
    ctx.strokeStyle = stroke;
    ctx.setLineDash([6 * px, 4 * px]);
    ctx.beginPath(); ctx.moveTo(left, y); ctx.lineTo(left + width, y); ctx.stroke();
  };

  // Labels stand left of the foot of their match where there is room, the lowest line that is free.
  const placeLabels = (u, chart, axis) => {
    const { left } = u.bbox, px = devicePixelRatio, ends = [];
    return matchesOf(chart).map((match) => {
      const series = chart.series.find((s) => s.run === match.run), text = percentText(match.part);
      const x = u.valToPos(fromFlops(series, axis, match.flops), 'x', true), width = u.ctx.measureText(text).width + 8 * px;
      return { match, text, x, begin: x - left > width ? x - width : x + 7 * px, width };
    }).sort((a, b) => a.begin - b.begin).map((label) => {
      let line = ends.findIndex((end) => end <= label.begin);
      if (line < 0) line = ends.length;
      ends[line] = label.begin + label.width;
      return { ...label, line };
    });
  };

  const drawMatch = (u, { match, text, x, begin, line }) => {
    const ctx = u.ctx, { top, height } = u.bbox, px = devicePixelRatio;
    const y = u.valToPos(match.loss, 'y', true), foot = top + height;
    ctx.lineWidth = 1.5 * px;
    ctx.strokeStyle = ctx.fillStyle = colour(match.run);
    ctx.setLineDash([2 * px, 3 * px]);
    ctx.beginPath(); ctx.moveTo(x, y); ctx.lineTo(x, foot); ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath(); ctx.arc(x, y, 5 * px, 0, 7); ctx.fill();
    ctx.lineWidth = 2 * px; ctx.strokeStyle = style('--paper'); ctx.stroke();
    // Below the line the chart is empty: curves come from above. Lines of other matches pass behind the text.
    ctx.lineWidth = 4 * px; ctx.textAlign = 'left'; ctx.textBaseline = 'bottom';
    ctx.strokeText(text, begin, foot - (4 + 15 * line) * px);
    ctx.fillText(text, begin, foot - (4 + 15 * line) * px);
  };

  const drawLevels = (chart, axis) => (u) => {
    const ctx = u.ctx, { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath(); ctx.rect(left, top, width, height); ctx.clip();
    ctx.font = `600 ${12 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
    if (chart.even !== undefined) drawLevel(u, chart.even, style('--quiet'));
    (chart.targets || []).forEach((target) => drawLevel(u, target.loss, colour(target.run)));
    placeLabels(u, chart, axis).forEach((label) => drawMatch(u, label));
    ctx.restore();
  };

  // uPlot wants one x for all series: join the runs, raw dots and smoothed line a run.
  const joined = (chart, axis) => {
    const held = chart.group === 'held-out';
    return uPlot.join(chart.series.map((s) => (held ? [s[axis], s.fit, s.raw] : [s[axis], s.fit])));
  };

  const seriesOptions = (chart) => chart.series.flatMap((s) => {
    const stroke = colour(s.run);
    const line = { stroke, width: 2, dash: DASHES[s.run % COLOURS], spanGaps: true, points: { show: false } };
    if (chart.group !== 'held-out') return [line];
    return [line, { stroke, width: 0, spanGaps: true, paths: () => null, points: { show: true, size: 5, width: 1, fill: style('--paper'), stroke } }];
  });

  const axisOptions = (chart, axis) => {
    const ink = style('--quiet'), grid = { stroke: style('--line'), width: 1 };
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return [
      { stroke: ink, grid: { show: false }, ticks: grid, font, size: 44, label: AXES[axis], labelSize: 18, labelFont: font,
        space: 64, values: (u, ticks) => ticks.map((t) => scaled(t, 4)) },
      { stroke: ink, grid, ticks: { show: false }, font, size: 52, values: (u, ticks) => ticks.map((t) => (chart.percent ? `${+(t * 100).toPrecision(4)}%` : +t.toPrecision(6))) },
    ];
  };

  function Chart({ chart, axis, whole, scheme }) {
    const box = useRef(null);
    const [index, setIndex] = useState(null);
    const values = joined(chart, axis);
    useEffect(() => {
      const size = () => ({ width: box.current.clientWidth, height: Math.round(Math.max(220, box.current.clientWidth * 0.52)) });
      const plot = new uPlot({
        ...size(),
        scales: { x: { time: false, range: (u, low, high) => [Math.min(0, low), high * 1.02] }, y: { range: () => lossRange(chart, axis, whole) } },
        legend: { show: false },
        cursor: { drag: { x: true, y: false }, points: { show: false }, y: false },
        axes: axisOptions(chart, axis),
        series: [{}, ...seriesOptions(chart)],
        hooks: { draw: [drawLevels(chart, axis)], setCursor: [(u) => setIndex(u.cursor.idx ?? null)] },
      }, values, box.current);
      const watcher = new ResizeObserver(() => plot.setSize(size()));
      watcher.observe(box.current);
      return () => { watcher.disconnect(); plot.destroy(); };
    }, [axis, whole, scheme]);
    const stride = chart.group === 'held-out' ? 2 : 1;
    const at = (i) => {  // the value of series i nearest before the cursor
      let row = index === null ? values[0].length - 1 : index;
      while (row > 0 && values[i * stride + 1][row] == null) row--;
      return values[i * stride + 1][row];
    };
    const x = values[0][index === null ? values[0].length - 1 : index];
    return html`<div class="chart">
      <h4>${chart.title} <span>(${chart.unit})</span></h4>
      <p class="readout">${index === null ? 'end' : 'at ' + scaled(x, 3)}: ${chart.series.map((s, i) => html`
        <span class="value">${mark(s.run)}<b>${at(i) == null ? '–' : valueText(chart, at(i))}</b></span>${' '}`)}</p>
      ${(chart.targets || []).map((target) => html`<p class="readout">${marked(target)}</p>`)}
      <div ref=${box} role="img" aria-label=${`${chart.title}, against ${AXES[axis]}. ${summary(chart, at)}`}></div>
    </div>`;
  }

  // A baseline's final loss, and after which part of its FLOPs others have it: with marks, and in words.
  const marked = (target) => html`${mark(target.run)}final ${lossText(target.loss)} ${target.matches.length
    ? html`reached at ${target.matches.map((m) => html`<span class="value">${mark(m.run)}${percentText(m.part)}</span> `)}of its FLOPs` : 'not reached by others'}`;
  const inWords = (target) => `Final loss of ${data.runs[target.run]}, ${lossText(target.loss)}: ${target.matches.length
    ? target.matches.map((m) => `${data.runs[m.run]} has it after ${percentText(m.part)} of its FLOPs`).join(', ') : 'not reached by others'}.`;
  const summary = (chart, at) => chart.series.map((s, i) => `${data.runs[s.run]} ${at(i) == null ? 'not measured' : valueText(chart, at(i))}.`)
    .concat((chart.targets || []).map(inWords)).join(' ');

  const Choice = ({ name, options, value, set }) => html`<fieldset><legend>${name}</legend>
    ${Object.entries(options).map(([key, label]) => html`<button type="button" aria-pressed=${String(key === value)}
      onClick=${() => set(key)}>${label}</button>`)}</fieldset>`;

  // Light or dark, and light on paper whatever the screen is.
  const useScheme = () => {
    const dark = matchMedia('(prefers-color-scheme: dark)'), print = matchMedia('print');
    const now = () => (print.matches || !dark.matches ? 'light' : 'dark');
    const [scheme, setScheme] = useState(now());
    useEffect(() => {
      const update = () => setScheme(now());
      dark.addEventListener('change', update);
      print.addEventListener('change', update);
    }, []);
    return scheme;
  };

  // A run's line and mark, as in the charts.
  const Key = ({ run }) => html`<svg aria-hidden="true"><line x1="0" y1="50%" x2="100%" y2="50%" stroke=${`var(--c${run % COLOURS})`} stroke-width="2"
    stroke-dasharray=${DASHES[run % COLOURS].join(' ')} /></svg>${mark(run)}`;

  const group = (name) => data.charts.filter((chart) => chart.group === name && chart.series.length);
  const cellsOf = (axis, whole, scheme) => (charts) => charts.map((chart) => html`<${Chart} key=${chart.title} chart=${chart} axis=${axis} whole=${whole} scheme=${scheme} />`);

  function Charts() {
    const [axis, setAxis] = useState('flops');
    const [range, setRange] = useState('tail');
    const scheme = useScheme();
    const cells = cellsOf(axis, range === 'whole', scheme);
    const held = group('held-out'), training = group('training');
    if (!held.length && !training.length) return html`<p>No curves: the runs logged no losses.</p>`;
    return html`
      <div class="controls">
        <${Choice} name="Across" options=${{ flops: 'FLOPs', steps: 'steps', tokens: 'tokens' }} value=${axis} set=${setAxis} />
        <${Choice} name="Loss" options=${{ tail: 'without the steep start', whole: 'all of it' }} value=${range} set=${setRange} />
      </div>
      <ul class="legend">${data.runs.map((label, i) => html`<li><${Key} run=${i} />${label}</li>`)}
        ${held.some((chart) => chart.targets.length) && html`<li><span class="dash"></span>final loss of a baseline, and where others first have it</li>`}</ul>
      ${held.length > 0 && html`<h3>Held-out loss</h3><p class="remark">Rings: evaluations. Line: smoothed, from which FLOPs to match are read.</p>
        <div class="charts">${cells(held)}</div>`}
      ${training.length > 0 && html`<h3>Training loss, smoothed</h3><div class="charts">${cells(training)}</div>`}`;
  }

  function ExpertCharts() {
    const charts = group('experts');
    const runs = [...new Set(charts.flatMap((chart) => chart.series.map((s) => s.run)))];
    return html`<ul class="legend">${runs.map((run) => html`<li><${Key} run=${run} />${data.runs[run]}</li>`)}
        <li><span class="dash"></span>an even router</li></ul>
      <div class="charts">${cellsOf('steps', true, useScheme())(charts)}</div>`;
  }

  const expertCharts = document.getElementById('expert-charts');
  if (expertCharts) render(html`<${ExpertCharts} />`, expertCharts);
  render(html`<${Charts} />`, document.getElementById('charts'));
})();
