// Draws the charts of the report page from the JSON block #report-data (written by mom/report/charts.cpp).
'use strict';
(() => {
  const { h, render } = preact;
  const { useEffect, useRef, useState } = preactHooks;
  const html = htm.bind(h);
  const data = JSON.parse(document.getElementById('report-data').textContent);

  const AXES = { flops: 'training FLOPs', steps: 'step', tokens: 'tokens' };
  const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'];
  // Runs differ in colour and in line: solid, dashed, dotted ... with dots or squares in the legend.
  const DASHES = [[], [], [7, 3], [7, 3], [2, 3], [2, 3]];

  const scaled = (value, digits) => {
    let unit = 0;
    while (Math.abs(value) >= 999.5 && unit < PREFIXES.length - 1) { value /= 1000; unit++; }
    return `${+value.toPrecision(digits)}${unit ? '\u202f' + PREFIXES[unit] : ''}`;
  };
  const lossText = (value) => value.toFixed(Math.abs(value) < 1 ? 4 : 3);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (run) => style(`--c${run % 6}`);

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
    const margin = (high - low || Math.abs(high) || 1) * 0.06;
    // Room below for the label of the match.
    return [low - margin * (chart.matches ? 3 + chart.matches.length : 1), high + margin];
  };

  const drawTarget = (chart, axis) => (u) => {
    if (!chart.target) return;
    const ctx = u.ctx, { left, top, width, height } = u.bbox, px = devicePixelRatio;
    const y = u.valToPos(chart.target.loss, 'y', true);
    ctx.save();
    ctx.beginPath(); ctx.rect(left, top, width, height); ctx.clip();
    ctx.lineWidth = 1.5 * px;
    ctx.strokeStyle = colour(chart.target.run);
    ctx.setLineDash([6 * px, 4 * px]);
    ctx.beginPath(); ctx.moveTo(left, y); ctx.lineTo(left + width, y); ctx.stroke();
    ctx.font = `600 ${12 * px}px ${getComputedStyle(document.body).fontFamily}`;
    (chart.matches || []).forEach((match, i) => {
      const series = chart.series.find((s) => s.run === match.run);
      const x = u.valToPos(fromFlops(series, axis, match.flops), 'x', true);
      ctx.strokeStyle = ctx.fillStyle = colour(match.run);
      ctx.setLineDash([2 * px, 3 * px]);
      ctx.beginPath(); ctx.moveTo(x, y); ctx.lineTo(x, top + height); ctx.stroke();
      ctx.setLineDash([]);
      ctx.beginPath(); ctx.arc(x, y, 5 * px, 0, 7); ctx.fill();
      ctx.lineWidth = 2 * px; ctx.strokeStyle = style('--paper'); ctx.stroke(); ctx.lineWidth = 1.5 * px;
      // Below the line and to the left of its foot the chart is empty: curves come from above.
      const text = `${(match.part * 100).toFixed(1)}%`;
      const room = ctx.measureText(text).width + 8 * px;
      ctx.textAlign = x - left > room ? 'right' : 'left';
      ctx.textBaseline = 'bottom';
      ctx.fillText(text, x + (x - left > room ? -7 : 7) * px, top + height - (4 + 15 * i) * px);
    });
    ctx.restore();
  };

  // uPlot wants one x for all series: join the runs, raw dots and smoothed line a run.
  const joined = (chart, axis) => {
    const held = chart.group === 'held-out';
    return uPlot.join(chart.series.map((s) => (held ? [s[axis], s.fit, s.raw] : [s[axis], s.fit])));
  };

  const seriesOptions = (chart) => chart.series.flatMap((s) => {
    const stroke = colour(s.run);
    const line = { stroke, width: 2, dash: DASHES[s.run % 6], spanGaps: true, points: { show: false } };
    if (chart.group !== 'held-out') return [line];
    return [line, { stroke, width: 0, spanGaps: true, paths: () => null, points: { show: true, size: 5, width: 1, fill: style('--paper'), stroke } }];
  });

  const axisOptions = (axis) => {
    const ink = style('--quiet'), grid = { stroke: style('--line'), width: 1 };
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return [
      { stroke: ink, grid: { show: false }, ticks: grid, font, size: 44, label: AXES[axis], labelSize: 18, labelFont: font,
        space: 64, values: (u, ticks) => ticks.map((t) => scaled(t, 4)) },
      { stroke: ink, grid, ticks: { show: false }, font, size: 52, values: (u, ticks) => ticks.map((t) => +t.toPrecision(6)) },
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
        axes: axisOptions(axis),
        series: [{}, ...seriesOptions(chart)],
        hooks: { draw: [drawTarget(chart, axis)], setCursor: [(u) => setIndex(u.cursor.idx ?? null)] },
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
        <i class=${'swatch c' + s.run % 6}></i><b>${at(i) == null ? '–' : lossText(at(i))}</b>${' '}`)}${chart.target ? html`
        <span>${summary(chart)}</span>` : ''}</p>
      <div ref=${box} role="img" aria-label=${`${chart.title}, against ${AXES[axis]}. ${summary(chart)}`}></div>
    </div>`;
  }

  const summary = (chart) => {
    if (!chart.target) return '';
    if (!chart.matches) return `dense final ${lossText(chart.target.loss)} not reached`;
    return `dense final ${lossText(chart.target.loss)} reached at ${chart.matches.map((m) => (m.part * 100).toFixed(1) + '%').join(', ')}`;
  };

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

  function Charts() {
    const [axis, setAxis] = useState('flops');
    const [range, setRange] = useState('tail');
    const scheme = useScheme();
    const group = (name) => data.charts.filter((chart) => chart.group === name && chart.series.length);
    const cells = (charts) => charts.map((chart) => html`<${Chart} key=${chart.title} chart=${chart} axis=${axis} whole=${range === 'whole'} scheme=${scheme} />`);
    const held = group('held-out'), training = group('training');
    if (!held.length && !training.length) return html`<p>No curves: the runs logged no losses.</p>`;
    return html`
      <div class="controls">
        <${Choice} name="Across" options=${{ flops: 'FLOPs', steps: 'steps', tokens: 'tokens' }} value=${axis} set=${setAxis} />
        <${Choice} name="Loss" options=${{ tail: 'without the steep start', whole: 'all of it' }} value=${range} set=${setRange} />
      </div>
      <ul class="legend">${data.runs.map((label, i) => html`<li><i class=${'swatch c' + i % 6}></i>${label}</li>`)}
        ${held.some((chart) => chart.target) && html`<li><span class="dash"></span>final loss of the dense run, and where others first have it</li>`}</ul>
      ${held.length > 0 && html`<h3>Held-out loss</h3><p class="remark">Rings: evaluations. Line: smoothed, from which FLOPs to match are read.</p>
        <div class="charts">${cells(held)}</div>`}
      ${training.length > 0 && html`<h3>Training loss, smoothed</h3><div class="charts">${cells(training)}</div>`}`;
  }

  render(html`<${Charts} />`, document.getElementById('charts'));
})();
