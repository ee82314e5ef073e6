// The live page about a folder of runs: what trains, how it goes, and the report of those that are chosen. Reads
// GET /api/runs and GET /api/page?run=ID (docs/formats/page.md); writes nothing.
import { setText } from './cells.js';
import { ABSENT, count, duration, loss, percent, scaled } from './numbers.js';
import { Report } from './page.js';
import { html, render, useEffect, useState } from './ui.js';

const LIST_MS = 3000, PAGE_MS = 20000, SILENT_S = 600;

// What a route answers, asked again after `ms` while the page is seen; `error` in words.
function useJson(url, ms) {
  const [state, setState] = useState({});
  useEffect(() => {
    if (!url) { setState({}); return undefined; }
    let timer, left = false;
    const ask = async () => {
      if (!document.hidden)
        try {
          const answer = await fetch(url), data = await answer.json();
          if (left) return;
          setState(answer.ok ? { url, data } : { url, error: data.error?.message ?? `${answer.status}` });
        } catch (error) {
          if (left) return;
          setState((before) => ({ ...before, error: `The server does not answer: ${error.message}` }));
        }
      timer = setTimeout(ask, ms);
    };
    ask();
    return () => { left = true; clearTimeout(timer); };
  }, [url, ms]);
  return state;
}

const chosenNow = () => new URLSearchParams(location.hash.slice(1)).getAll('run');

// Chosen ids live in the address, so that a view can be kept and shared. `choose(change)` gives `change` what the address
// holds now: what was last drawn may be a choice behind.
function useChosen() {
  const [chosen, setChosen] = useState(chosenNow());
  useEffect(() => {
    const update = () => setChosen(chosenNow());
    addEventListener('hashchange', update);
    return () => removeEventListener('hashchange', update);
  }, []);
  return [chosen, (change) => { location.hash = new URLSearchParams(change(chosenNow()).map((id) => ['run', id])).toString(); }];
}

const WIDTH = 90, HEIGHT = 22;

// A training curve without its steep start.
function Spark({ steps, loss: values }) {
  const from = Math.min(Math.floor(values.length / 10), values.length - 1), shown = values.slice(from), low = Math.min(...shown), high = Math.max(...shown);
  const x = (i) => (WIDTH * (steps[from + i] - steps[from])) / (steps.at(-1) - steps[from] || 1), y = (value) => HEIGHT - 2 - ((HEIGHT - 4) * (value - low)) / (high - low || 1);
  return html`<svg class="spark" aria-hidden="true" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}><polyline points=${shown.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(' ')} /></svg>`;
}

const STATES = { training: 'training', finished: 'finished', stopped: 'stopped', unreadable: 'unreadable' };
const silence = ({ state, updated }) => { const seconds = Date.now() / 1000 - updated; return state === 'training' && seconds > SILENT_S ? `no line for ${duration(seconds)}` : ''; };
const some = (value, format) => (value === undefined ? ABSENT : format(value));

function Run({ run, modalities, chosen, toggle }) {
  if (run.state === 'unreadable') return html`<tr><th scope="row">${run.id}</th><td colspan=${modalities.length + 5} class="warning">${run.error}</td></tr>`;
  const part = run.steps > 0 ? Math.min(run.step / run.steps, 1) : 0;
  return html`<tr class=${run.state}><th scope="row"><label><input type="checkbox" checked=${chosen} onChange=${() => toggle(run.id)} /> ${run.id}</label> <span class="set">${run.label}, ${run.setting}</span></th>
    <td data-label="state"><span class=${`state ${run.state}`}>${STATES[run.state]}</span> <small>${silence(run)}</small></td>
    <td data-label="step"><span>${count(run.step)} of ${count(run.steps)} <small>${percent(part)}</small></span><span class="bar" aria-hidden="true"><span class="c0" style=${{ width: `${part * 100}%` }}></span></span></td>
    ${modalities.map((modality) => { const curve = run.curves[modality]; return html`<td data-label=${`${modality} loss`}>${curve ? html`<span>${loss(curve.loss.at(-1))}</span><${Spark} ...${curve} />` : ABSENT}</td>`; })}
    <td data-label="tokens">${some(run.tokens, scaled)}</td><td data-label="tokens/s">${some(run.tokens_per_s, count)}</td><td data-label="time left">${some(run.seconds_left, duration)}</td></tr>`;
}

// What trains comes first; else in the order of their folders.
const trainingFirst = (runs) => runs.toSorted((a, b) => (b.state === 'training') - (a.state === 'training'));

function Runs({ runs, chosen, toggle }) {
  const modalities = [...new Set(runs.flatMap(({ curves = {} }) => Object.keys(curves)))].sort();
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Runs"><table class="numbers live"><thead><tr>${['run', 'state', 'step', ...modalities.map((each) => `${each} loss`), 'tokens', 'tokens/s', 'time left'].map((text) => html`<th scope="col">${text}</th>`)}</tr></thead>
    <tbody>${runs.map((run) => html`<${Run} key=${run.id} run=${run} modalities=${modalities} chosen=${chosen.includes(run.id)} toggle=${toggle} />`)}</tbody></table></div>`;
}

// The last held-out losses of the runs that train.
const HeldOut = ({ runs }) => runs.filter(({ state, losses }) => state === 'training' && losses.length).map((run) => html`<p class="remark">${run.id}, last evaluation: ${run.losses.map(({ set, modality, loss: value }, i) => html`${i ? '; ' : ''}${modality} ${loss(value)} on ${setText(run, set)}`)}.</p>`);

function Dashboard() {
  const [chosen, choose] = useChosen();
  const toggle = (id) => choose((ids) => (ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id]));
  const list = useJson('/api/runs', LIST_MS), url = chosen.length ? `/api/page?${new URLSearchParams(chosen.map((id) => ['run', id]))}` : null;
  const page = useJson(url, PAGE_MS), runs = trainingFirst(list.data?.runs ?? []), studies = list.data?.studies ?? [];
  const training = runs.filter(({ state }) => state === 'training').length;
  return html`<header><h1>Runs</h1><p role="status">${list.data ? `${runs.length} runs, ${training} training.` : 'Reading the runs.'}</p>${list.error && html`<p class="warning">${list.error}</p>`}</header>
    ${list.data && !runs.length && html`<p>There are no runs in this folder yet: they appear as mom train makes them.</p>`}
    ${runs.length > 0 && html`<${Runs} runs=${runs} chosen=${chosen} toggle=${toggle} /><${HeldOut} runs=${runs} />`}
    ${studies.length > 0 && html`<p>Studies: ${studies.map(({ id }, i) => html`${i ? ', ' : ''}<a href=${`#${new URLSearchParams([['run', id]])}`}>${id || 'this folder'}</a>`)}</p>`}
    ${runs.length > 0 && !chosen.length && html`<p class="remark">Choose runs to see their report, two or more to compare them.</p>`}
    ${page.error && html`<p class="warning">${page.error}</p>`}
    ${page.data && page.url === url && html`<div class="chosen"><div class="controls"><button type="button" onClick=${() => choose(() => [])}>Close the report</button></div><${Report} key=${url} page=${page.data} /></div>`}`;
}

render(html`<${Dashboard} />`, document.getElementById('page'));
