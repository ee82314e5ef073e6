// Draws the charts of the report page from the JSON block #report-data (written by mom/report/charts.cpp).
'use strict';
(() => {
  const { h, render } = preact;
  const { useEffect, useRef, useState } = preactHooks;
  const html = htm.bind(h);
  const data = JSON.parse(document.getElementById('report-data').textContent);

  const AXES = { flops: 'training FLOPs', steps: 'step', tokens: 'tokens', seconds: 'seconds' };
  const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'];
  // Runs differ in colour, in line style and in the shape of their markers (report.css).
  const DASHES = [[], [], [7, 3], [7, 3], [2, 3], [2, 3], [9, 3, 2, 3], [9, 3, 2, 3]];
  const COLOURS = DASHES.length;
  // Line styles and shapes shift by three each time the colours repeat.
  const shapeOf = (run) => (run + 3 * Math.floor(run / COLOURS)) % COLOURS;
  const dashOf = (run) => DASHES[shapeOf(run)];

  const scaled = (value, digits) => {
    let unit = 0;
    while (Math.abs(value) >= 999.5 && unit < PREFIXES.length - 1) { value /= 1000; unit++; }
    return `${+value.toPrecision(digits)}${unit ? '\u202f' + PREFIXES[unit] : ''}`;
  };
  const lossText = (value) => value.toFixed(Math.abs(value) < 1 ? 4 : 3);
  const percentText = (part) => `${(part * 100).toFixed(1)}%`;
  const valueText = (chart, value) => (chart.percent ? percentText(value) : lossText(value));
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const mark = (run) => html`<i class=${`swatch c${run % COLOURS} s${shapeOf(run)}`}></i>`;
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

  // The steep start would flatten everything else: by default the range ends at the curves' values after a tenth of the run.
  const lossRange = (chart, axis, whole) => {
    const held = chart.group === 'held-out';
    let low = Infinity, high = -Infinity, end = 0;
    chart.series.forEach((s) => { end = Math.max(end, s[axis][s[axis].length - 1]); });
    chart.series.forEach((s) => s.fit.forEach((fit, i) => {
      const values = [fit, ...(held ? [s.raw[i]] : []), ...(s.high ? [s.low[i], s.high[i]] : [])];
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

  // What of a series is drawn: its line, the rings of held-out evaluations, the range over seeds.
  const partsOf = (chart, s) => ['fit', ...(chart.group === 'held-out' ? ['raw'] : []), ...(s.high ? ['high', 'low'] : [])];

  // uPlot wants one x for all series.
  const joined = (chart, axis) => uPlot.join(chart.series.map((s) => [s[axis], ...partsOf(chart, s).map((part) => s[part])]));

  // The column of each series' line in what `joined` makes.
  const lineColumns = (chart) => {
    let next = 1;
    return chart.series.map((s) => { const here = next; next += partsOf(chart, s).length; return here; });
  };

  const partOptions = {
    fit: (stroke, run) => ({ stroke, width: 2, dash: dashOf(run), spanGaps: true, points: { show: false } }),
    raw: (stroke) => ({ stroke, width: 0, spanGaps: true, paths: () => null, points: { show: true, size: 5, width: 1, fill: style('--paper'), stroke } }),
    high: () => ({ stroke: 'transparent', width: 0, spanGaps: true, points: { show: false } }),
    low: () => ({ stroke: 'transparent', width: 0, spanGaps: true, points: { show: false } }),
  };
  const seriesOptions = (chart) => chart.series.flatMap((s) => partsOf(chart, s).map((part) => partOptions[part](colour(s.run), s.run)));

  const bandOptions = (chart) => {
    const columns = lineColumns(chart);
    return chart.series.flatMap((s, i) => {
      const high = columns[i] + partsOf(chart, s).indexOf('high');
      return s.high ? [{ series: [high, high + 1], fill: colour(s.run) + '2e' }] : [];
    });
  };

  const axisName = (axis, clock) => (axis === 'seconds' && clock ? `${clock}, s` : AXES[axis]);

  const axisOptions = (chart, axis, clock) => {
    const ink = style('--quiet'), grid = { stroke: style('--line'), width: 1 };
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return [
      { stroke: ink, grid: { show: false }, ticks: grid, font, size: 44, label: axisName(axis, clock), labelSize: 18, labelFont: font,
        space: 64, values: (u, ticks) => ticks.map((t) => scaled(t, 4)) },
      { stroke: ink, grid, ticks: { show: false }, font, size: 52, values: (u, ticks) => ticks.map((t) => (chart.percent ? `${+(t * 100).toPrecision(4)}%` : +t.toPrecision(6))) },
    ];
  };

  // The cursor of a chart: a row of its values, moved by the pointer or, with the focus on the chart, by keys.
  const KEYS = { ArrowLeft: (row) => row - 1, ArrowRight: (row) => row + 1, Home: () => 0, End: (row, last) => last };

  function Chart({ panel, chart, axis, whole, scheme }) {
    const box = useRef(null), plot = useRef(null);
    const [index, setIndex] = useState(null);
    const values = joined(chart, axis), columns = lineColumns(chart), last = values[0].length - 1;
    const runs = chart.series.map((s) => s.run).join();
    useEffect(() => {
      const size = () => ({ width: box.current.clientWidth, height: Math.round(Math.max(220, box.current.clientWidth * 0.52)) });
      plot.current = new uPlot({
        ...size(),
        scales: { x: { time: false, range: (u, low, high) => [Math.min(0, low), high * 1.02] }, y: { range: () => lossRange(chart, axis, whole) } },
        legend: { show: false },
        cursor: { drag: { x: true, y: false }, points: { show: false }, y: false },
        axes: axisOptions(chart, axis, panel.clock),
        series: [{}, ...seriesOptions(chart)],
        bands: bandOptions(chart),
        hooks: { draw: [drawLevels(chart, axis)], setCursor: [(u) => setIndex(u.cursor.idx ?? null)] },
      }, values, box.current);
      const watcher = new ResizeObserver(() => plot.current.setSize(size()));
      watcher.observe(box.current);
      return () => { watcher.disconnect(); plot.current.destroy(); };
    }, [axis, whole, scheme, runs]);
    const row = Math.min(index ?? last, last);
    const rowOf = (i) => {  // the newest value of series i at or before the cursor
      let at = row;
      while (at > 0 && values[columns[i]][at] == null) at--;
      return at;
    };
    const at = (i) => values[columns[i]][rowOf(i)];
    const rangeAt = (i) => {
      const s = chart.series[i], high = columns[i] + partsOf(chart, s).indexOf('high');
      return s.high && values[high][rowOf(i)] != null ? ` (${valueText(chart, values[high + 1][rowOf(i)])}–${valueText(chart, values[high][rowOf(i)])})` : '';
    };
    const move = (event) => {
      if (!KEYS[event.key]) return;
      event.preventDefault();
      const to = Math.max(0, Math.min(last, KEYS[event.key](row, last)));
      plot.current.setCursor({ left: plot.current.valToPos(values[0][to], 'x'), top: 0 });
    };
    const where = index === null ? 'end' : `at ${scaled(values[0][row], 3)}`;
    const words = chart.series.map((s, i) => `${panel.runs[s.run]} ${at(i) == null ? 'not measured' : valueText(chart, at(i)) + rangeAt(i)}.`);
    return html`<div class="chart">
      <h4>${chart.title} <span>(${chart.unit})</span></h4>
      <p class="readout">${where}: ${chart.series.map((s, i) => html`
        <span class="value">${mark(s.run)}<b>${at(i) == null ? '–' : valueText(chart, at(i))}</b>${index !== null && rangeAt(i)}</span>${' '}`)}</p>
      ${(chart.targets || []).map((target) => html`<p class="readout">${marked(target)}</p>`)}
      <div ref=${box} class="plotbox" role="slider" tabindex="0" onKeyDown=${move} aria-orientation="horizontal"
        aria-label=${`${chart.title}, against ${axisName(axis, panel.clock)}. ${(chart.targets || []).map(inWords(panel)).join(' ')}`}
        aria-valuemin="0" aria-valuemax=${last} aria-valuenow=${row} aria-valuetext=${`${where}: ${words.join(' ')}`}></div>
    </div>`;
  }

  // A baseline's final loss, and the fraction of its FLOPs at which others reach it: with markers, and in words.
  const marked = (target) => html`${mark(target.run)}final ${lossText(target.loss)} ${target.matches.length
    ? html`reached at ${target.matches.map((m) => html`<span class="value">${mark(m.run)}${percentText(m.part)}</span> `)}of its FLOPs` : 'not reached by others'}`;
  const inWords = (panel) => (target) => `Final loss of ${panel.runs[target.run]}, ${lossText(target.loss)}: ${target.matches.length
    ? target.matches.map((m) => `${panel.runs[m.run]} reaches it after ${percentText(m.part)} of its FLOPs`).join(', ') : 'not reached by others'}.`;

  const Choice = ({ name, options, value, set }) => html`<fieldset><legend>${name}</legend>
    ${Object.entries(options).map(([key, label]) => html`<button type="button" aria-pressed=${String(key === value)}
      onClick=${() => set(key)}>${label}</button>`)}</fieldset>`;

  // Light or dark; on paper always light.
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

  // A run's line and marker, as in the charts.
  const Key = ({ run }) => html`<svg aria-hidden="true"><line x1="0" y1="50%" x2="100%" y2="50%" stroke=${`var(--c${run % COLOURS})`} stroke-width="2"
    stroke-dasharray=${dashOf(run).join(' ')} /></svg>${mark(run)}`;

  // Charts of one group with the visible runs that have this axis.
  const chartsOf = (panel, group, shown, axis) => panel.charts.filter((chart) => chart.group === group).map((chart) => ({
    ...chart,
    series: chart.series.filter((s) => shown.has(s.run) && s[axis]),
    targets: (chart.targets || []).filter((target) => shown.has(target.run))
      .map((target) => ({ ...target, matches: target.matches.filter((match) => shown.has(match.run)) })),
  })).filter((chart) => chart.series.length);
  const cells = (panel, charts, axis, whole, scheme) => charts.map((chart) => html`<${Chart} key=${panel.name + chart.group + chart.title} panel=${panel}
    chart=${chart} axis=${axis} whole=${whole} scheme=${scheme} />`);

  // The runs of a panel: with many of them, each can be shown or hidden.
  const Legend = ({ panel, shown, toggle, level }) => html`<ul class="legend">${panel.runs.map((label, run) => html`<li>${panel.runs.length > 2
    ? html`<label><input type="checkbox" checked=${shown.has(run)} onChange=${() => toggle(run)} /><${Key} run=${run} />${label}</label>`
    : html`<${Key} run=${run} />${label}`}</li>`)}${level}</ul>`;

  function Panel({ panel, scheme }) {
    const [axis, setAxis] = useState('flops');
    const [range, setRange] = useState('tail');
    const [shown, setShown] = useState(new Set([...panel.runs.keys()].filter((run) => !(panel.off || []).includes(run))));
    const toggle = (run) => setShown((before) => new Set([...panel.runs.keys()].filter((each) => before.has(each) !== (each === run))));
    const timed = panel.charts.some((chart) => chart.series.some((s) => s.seconds));
    const axes = { flops: 'FLOPs', steps: 'steps', tokens: 'tokens', ...(timed && { seconds: 'time' }) };
    const held = chartsOf(panel, 'held-out', shown, axis), training = chartsOf(panel, 'training', shown, axis);
    const draw = (charts) => cells(panel, charts, axis, range === 'whole', scheme);
    const banded = panel.charts.some((chart) => chart.series.some((s) => s.high));
    return html`
      <div class="controls">
        <${Choice} name="Across" options=${axes} value=${axis} set=${setAxis} />
        <${Choice} name="Loss" options=${{ tail: 'without the steep start', whole: 'all of it' }} value=${range} set=${setRange} />
      </div>
      <${Legend} panel=${panel} shown=${shown} toggle=${toggle}
        level=${held.some((chart) => chart.targets.length) && html`<li><span class="dash"></span>final loss of a baseline, and where others first reach it</li>`} />
      ${banded && html`<p class="remark">Lines: mean over seeds; bands: their range.</p>`}
      ${held.length > 0 && html`<h3>Held-out loss</h3><p class="remark">Circles: evaluations. Line: smoothed; FLOPs to match are read from it.</p>
        <div class="charts">${draw(held)}</div>`}
      ${training.length > 0 && html`<h3>Training loss, smoothed</h3><div class="charts">${draw(training)}</div>`}
      ${!held.length && !training.length && html`<p>No curves: nothing is chosen, or the runs logged no losses.</p>`}`;
  }

  function Charts() {
    const scheme = useScheme();
    const panels = data.panels.filter((panel) => panel.charts.length);
    const [name, setName] = useState(panels.length ? panels[0].name : '');
    const panel = panels.find((each) => each.name === name);
    if (!panel) return html`<p>No curves: the runs logged no losses.</p>`;
    return html`
      ${panels.length > 1 && html`<div class="controls"><${Choice} name="Runs" options=${Object.fromEntries(panels.map((each) => [each.name, each.name]))}
        value=${name} set=${setName} /></div>`}
      <${Panel} key=${name} panel=${panel} scheme=${scheme} />`;
  }

  function ExpertCharts() {
    const panel = data.experts, runs = [...new Set(panel.charts.flatMap((chart) => chart.series.map((s) => s.run)))];
    return html`<ul class="legend">${runs.map((run) => html`<li><${Key} run=${run} />${panel.runs[run]}</li>`)}
        <li><span class="dash"></span>an even router</li></ul>
      <div class="charts">${cells(panel, chartsOf(panel, 'experts', new Set(runs), 'steps'), 'steps', true, useScheme())}</div>`;
  }

  const expertCharts = document.getElementById('expert-charts');
  if (expertCharts) render(html`<${ExpertCharts} />`, expertCharts);
  render(html`<${Charts} />`, document.getElementById('charts'));
})();
