// The live page that tries a model: a conversation of texts, images and sounds through the server's own API.
import { Remark } from './cells.js';
import { ask, asCurl, chat, joined, partOf, wavOf } from './chat.js';
import { drawWave, samplesOf } from './wave.js';
import { html, render, useEffect, useRef, useState } from './ui.js';

const NAMES = { text: 'text', image_url: 'image', input_audio: 'sound' };
const SETTINGS = [['max_tokens', 'most tokens', { min: 1, step: 1 }], ['temperature', 'temperature', { min: 0, step: 0.05 }], ['top_p', 'top p', { min: 0, max: 1, step: 0.05 }], ['top_k', 'top k', { min: 0, step: 1 }],
  ['repetition_penalty', 'repetition penalty', { min: 0.01, step: 0.05 }], ['guidance_scale', 'guidance', { min: 0, step: 0.5 }], ['num_inference_steps', 'denoising steps', { min: 1, step: 1 }]];

// A part, coloured by its modality and named for those who do not see the colour.
function Part({ part, onRemove, drawing }) {
  const name = NAMES[part.type] ?? part.type;
  return html`<div class=${`part ${name}${drawing ? ' drawing' : ''}`}><span class="unseen">${name}: </span>${part.type === 'text' ? html`<p>${part.text}</p>`
    : part.type === 'image_url' ? html`<img src=${part.image_url.url} alt=${drawing ? 'image being drawn' : onRemove ? 'attached image' : 'generated image'} />`
      : html`<${Sound} base64=${part.input_audio.data} label=${onRemove ? 'attached sound' : 'generated sound'} />`}
    ${onRemove && html`<button type="button" onClick=${onRemove}>Remove the ${name}</button>`}</div>`;
}

// A recording with its waveform.
function Sound({ base64, label }) {
  const canvas = useRef(null);
  useEffect(() => drawWave(canvas.current, samplesOf(base64)), [base64]);
  return html`<canvas ref=${canvas} class="wave" width="480" height="64" role="img" aria-label=${`waveform of the ${label}`}></canvas><audio controls src=${`data:audio/wav;base64,${base64}`} aria-label=${label}></audio>`;
}

const PREVIEWS = 8;
const FINISHES = { stop: 'ended', length: 'as many tokens as allowed', cancelled: 'stopped' };

function Answer({ answer, chosen, choose, only }) {
  return html`<article class=${`answer${chosen && !only ? ' chosen' : ''}`} aria-busy=${String(!answer.finish)}><header><small>${answer.model && `${answer.model}, `}seed ${answer.seed}${answer.finish && `, ${FINISHES[answer.finish] ?? answer.finish}`}</small>
    ${!only && html`<button type="button" aria-pressed=${String(chosen)} onClick=${choose}>Go on with this</button>`}</header>
    ${answer.parts.map((part) => html`<${Part} part=${part} />`)}${answer.preview && html`<${Part} part=${answer.preview} drawing=${true} />`}${!answer.parts.length && !answer.preview && html`<p class="remark">${answer.finish ? 'an empty answer' : '…'}</p>`}</article>`;
}

// `locked`: something is being written. Only the last turn is asked again: those behind it would be lost.
function Turn({ turn, locked, last, choose, again, branch, copy }) {
  return html`<section class="turn"><h2 class="unseen">Prompt</h2><div class="prompt">${turn.content.map((part) => html`<${Part} part=${part} />`)}</div>
    <h2 class="unseen">Answers</h2><div class="answers">${turn.answers.map((answer, i) => html`<${Answer} answer=${answer} chosen=${turn.chosen === i} only=${turn.answers.length === 1} choose=${() => choose(i)} />`)}</div>
    ${turn.errors.map((error) => html`<p class="warning" role="alert">${error}</p>`)}${turn.command && html`<pre>${turn.command}</pre>`}
    ${!locked && html`<div class="controls">${last && html`<button type="button" onClick=${again}>Again with new seeds</button>`}<button type="button" onClick=${branch}>Edit from here</button><button type="button" onClick=${copy}>Copy as curl</button></div>`}</section>`;
}

function Settings({ settings, set, latents }) {
  const shown = SETTINGS.filter(([key]) => settings[key] !== undefined && (latents || key !== 'num_inference_steps'));
  return html`<details class="settings"><summary>Sampling</summary><div class="fields">
    ${shown.map(([key, label, limits]) => html`<label>${label}<input type="number" ...${limits} value=${settings[key]} onInput=${(event) => set({ ...settings, [key]: event.target.value })} /></label>`)}
    <label>seed (empty: drawn)<input type="number" min="0" step="1" value=${settings.seed} onInput=${(event) => set({ ...settings, seed: event.target.value })} /></label>
    <label>answers<input type="number" min="1" max="8" step="1" value=${settings.count} onInput=${(event) => set({ ...settings, count: event.target.value })} /></label></div></details>`;
}

// Boxes to tick. What the answer may be of, all together: the model writes a document as it likes.
const Choice = ({ legend, all, chosen, set }) => html`<fieldset><legend>${legend}</legend>${all.map((each) => html`<label><input type="checkbox" checked=${chosen.includes(each)}
  onChange=${() => set(all.filter((other) => (other === each ? !chosen.includes(each) : chosen.includes(other))))} /> ${each}</label>`)}</fieldset>`;

// Records until stopped, as WAV.
async function record() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true }), context = new AudioContext(), samples = [];
  const source = context.createMediaStreamSource(stream), tap = context.createScriptProcessor(4096, 1, 1);
  tap.onaudioprocess = ({ inputBuffer }) => samples.push(...inputBuffer.getChannelData(0));
  source.connect(tap); tap.connect(context.destination);
  return async () => { tap.disconnect(); stream.getTracks().forEach((track) => track.stop()); await context.close(); return wavOf(samples, context.sampleRate); };
}

function Compose({ state, set, send, stop, busy, accepts, children }) {
  const [recorder, setRecorder] = useState(null), files = useRef(null);
  const attach = async (blobs) => {
    try { const parts = await Promise.all([...blobs].map(partOf)); set((before) => ({ ...before, parts: [...before.parts, ...parts], error: '' })); } catch (error) { set((before) => ({ ...before, error: error.message })); }
  };
  const microphone = async () => {
    if (recorder) { setRecorder(null); return attach([await recorder.end()]); }
    try { return setRecorder({ end: await record() }); } catch (error) { return set((before) => ({ ...before, error: `No microphone: ${error.message}` })); }
  };
  const filesIn = (transfer) => [...(transfer?.files ?? [])];
  return html`<form class="compose" onSubmit=${(event) => { event.preventDefault(); send(); }} onDragOver=${(event) => event.preventDefault()}
      onDrop=${(event) => { event.preventDefault(); attach(filesIn(event.dataTransfer)); }} onPaste=${(event) => { const given = filesIn(event.clipboardData); if (given.length) { event.preventDefault(); attach(given); } }}>
    ${state.parts.map((part, i) => html`<${Part} part=${part} onRemove=${() => set((before) => ({ ...before, parts: before.parts.filter((_, other) => other !== i) }))} />`)}
    <label class="unseen" for="prompt">Prompt</label><textarea id="prompt" rows="3" placeholder="Write, or drop or paste an image or a WAV file" value=${state.text} onInput=${(event) => { const { value } = event.target; set((before) => ({ ...before, text: value })); }}
      onKeyDown=${(event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(); } }}></textarea>
    ${state.error && html`<p class="warning" role="alert">${state.error}</p>`}
    <div class="controls"><button type="submit" disabled=${busy}>Send</button>${busy && html`<button type="button" onClick=${stop}>Stop</button>`}
      ${accepts.length > 0 && html`<button type="button" onClick=${() => files.current.click()}>Attach a file</button><input ref=${files} type="file" hidden multiple accept=${accepts.map((each) => (each === 'image' ? 'image/*' : '.wav')).join()} onChange=${(event) => attach(event.target.files)} />`}
      ${accepts.includes('audio') && html`<button type="button" aria-pressed=${String(Boolean(recorder))} onClick=${microphone}>${recorder ? 'End the recording' : 'Record'}</button>`}${children}</div></form>`;
}

// What differs from the server's defaults.
const asked = (settings, defaults) => Object.fromEntries(SETTINGS.map(([key]) => [key, settings[key]]).filter(([key, value]) => value !== undefined && value !== '' && Number(value) !== defaults[key])
  .map(([key, value]) => [key, Number(value)]));
// What all of these lists have.
const shared = (lists) => (lists[0] ?? []).filter((each) => lists.every((list) => list.includes(each)));
const drawn = () => Math.floor(Math.random() * 1e9);
let lastId = 0;  // of a turn: answers find theirs whatever became of the others

function Playground() {
  const [servers, setServers] = useState([]), [chosen, setChosen] = useState([]), [key, setKey] = useState(''), [failure, setFailure] = useState(null);  // servers: /props of each model
  const [settings, setSettings] = useState({ seed: '', count: 1 }), [wanted, setWanted] = useState(['text']);
  const [turns, setTurns] = useState([]), [draft, setDraft] = useState({ text: '', parts: [], error: '' }), aborting = useRef(null);
  useEffect(() => {
    ask('/v1/models', key).then(({ data }) => Promise.all(data.map(({ id }) => ask(`/props?model=${encodeURIComponent(id)}`, key)))).then((all) => {
      setServers(all); setChosen(all.map(({ model }) => model.id)); setFailure(null);
      setSettings((before) => ({ ...all[0].default_generation_settings, ...before }));
    }).catch(setFailure);
  }, [key]);
  const models = servers.filter(({ model }) => chosen.includes(model.id)), modalities = shared(models.map(({ model }) => model.output_modalities)), accepted = shared(models.map(({ model }) => model.input_modalities));
  const busy = turns.some(({ answers }) => answers.some(({ finish }) => !finish)), asking = modalities.filter((each) => wanted.includes(each));
  const change = (id, update) => setTurns((all) => all.map((turn) => (turn.id === id ? update(turn) : turn)));
  const failed = ({ finish, parts }) => finish === 'failed' && !parts.length;
  const messagesOf = (before, content) => [...before.filter((turn) => !failed(turn.answers[turn.chosen])).flatMap((turn) => [{ role: 'user', content: turn.content }, { role: 'assistant', content: turn.answers[turn.chosen]?.parts ?? [] }]), { role: 'user', content }];
  const requestOf = (server, messages, seed, n) => {
    const { num_inference_steps: steps, ...rest } = asked(settings, server.default_generation_settings);
    return { ...(servers.length > 1 && { model: server.model.id }), messages, ...rest, ...(server.images_are_denoised && steps !== undefined && { num_inference_steps: steps }), seed, n,
      ...(server.model.output_modalities.length > 1 && { modalities: asking }), ...(asking.includes('image') && { partial_images: PREVIEWS }) };
  };
  // Why it cannot be sent; empty: it can.
  const refusal = (content) => (!content.length ? 'Write something, or attach an image or a sound.' : !models.length ? 'Choose a model.' : !asking.length ? 'Choose what the answer may be of.'
    : asking.length > 1 && models.some(({ model }) => model.output_modalities.length !== asking.length) ? `Choose one kind of answer, or all that a model has: ${models.map(({ model }) => `${model.id} writes ${model.output_modalities.join(', ')}`).join('; ')}.` : '');
  const run = async (before, content) => {
    const count = Math.min(8, Math.max(1, Math.floor(Number(settings.count)) || 1)), seed = settings.seed === '' || settings.seed === undefined ? drawn() : Number(settings.seed), id = ++lastId;
    const requests = models.map((server) => requestOf(server, messagesOf(before, content), seed, count));
    setTurns([...before, { id, content, requests, chosen: 0, errors: [], answers: requests.flatMap(({ model }) => Array.from({ length: count }, (_, i) => ({ model, seed: count > 1 ? `${seed}, answer ${i + 1}` : seed, parts: [], finish: null }))) }]);
    aborting.current = new AbortController();
    // Of the answers of one request, those that have not ended.
    const end = (number, finish, error) => change(id, (turn) => ({ ...turn, errors: error ? [...turn.errors, requests[number].model ? `${requests[number].model}: ${error}` : error] : turn.errors, answers: turn.answers.map((each, i) => (Math.floor(i / count) === number ? { ...each, finish: each.finish ?? finish } : each)) }));
    await Promise.all(requests.map(async (request, number) => {
      try {
        await chat(request, { key, signal: aborting.current.signal, onChoice: (index, { parts, preview, finish }) => change(id, (turn) => ({ ...turn, answers: turn.answers.map((each, i) => (i === number * count + index
          ? { ...each, parts: joined(each.parts, parts), preview: parts.length ? undefined : preview ?? each.preview, finish: finish ?? each.finish } : each)) })) });
        end(number, 'stop');
      } catch (error) { error.name === 'AbortError' ? end(number, 'cancelled') : end(number, 'failed', error.message); }
    }));
    change(id, (turn) => ({ ...turn, chosen: failed(turn.answers[turn.chosen]) ? Math.max(0, turn.answers.findIndex((each) => !failed(each))) : turn.chosen }));
  };
  const send = () => {
    const content = [...draft.parts, ...(draft.text.trim() ? [{ type: 'text', text: draft.text }] : [])];
    if (busy) return;
    if (refusal(content)) { setDraft({ ...draft, error: refusal(content) }); return; }
    setDraft({ text: '', parts: [], error: '' });
    run(turns, content);
  };
  const again = (at) => { setDraft({ ...draft, error: refusal(turns[at].content) }); if (!refusal(turns[at].content)) run(turns.slice(0, at), turns[at].content); };
  const copied = ({ requests }) => requests.map((request) => asCurl(request, location.origin, Boolean(key))).join('\n');
  const copy = (turn) => { const command = copied(turn); if (navigator.clipboard) navigator.clipboard.writeText(command); else change(turn.id, (each) => ({ ...each, command })); };  // none on plain http elsewhere
  const branch = (at) => { const { content } = turns[at]; setTurns(turns.slice(0, at)); setDraft({ text: content.filter(({ type }) => type === 'text').map(({ text }) => text).join('\n'), parts: content.filter(({ type }) => type !== 'text'), error: '' }); document.getElementById('prompt').focus(); };
  return html`<header><h1>${servers.length ? servers.map(({ model }) => model.id).join(', ') : 'Playground'}</h1>${failure && html`<p class="warning" role="alert">${failure.message}</p>${failure.status === 401 && html`<label>API key <input type="password" autocomplete="off" onChange=${(event) => setKey(event.target.value)} /></label>`}`}
      ${servers.length > 0 && html`<${Remark}>Reads ${accepted.join(', ')}; writes ${modalities.join(', ')}. ${[['text', 'text'], ['image', 'image'], ['audio', 'sound']].filter(([name]) => accepted.includes(name) || modalities.includes(name)).map(([, colour]) => html`<span class=${`part ${colour} key`}>${colour}</span> `)}<//>`}</header>
    <div role="log" aria-label="Conversation">${turns.map((turn, at) => html`<${Turn} turn=${turn} locked=${busy} last=${at === turns.length - 1} choose=${(answer) => change(turn.id, (each) => ({ ...each, chosen: answer }))} again=${() => again(at)} branch=${() => branch(at)} copy=${() => copy(turn)} />`)}</div>
    ${servers.length > 0 && html`<${Compose} state=${draft} set=${setDraft} send=${send} stop=${() => aborting.current?.abort()} busy=${busy} accepts=${accepted.filter((each) => each !== 'text')}>
      ${servers.length > 1 && html`<${Choice} legend="Models, side by side" all=${servers.map(({ model }) => model.id)} chosen=${chosen} set=${setChosen} />`}
      ${modalities.length > 1 && html`<${Choice} legend="Answer" all=${modalities} chosen=${asking} set=${setWanted} />`}<//>
      <${Settings} settings=${settings} set=${setSettings} latents=${models.some((server) => server.images_are_denoised)} />`}`;
}

render(html`<${Playground} />`, document.getElementById('page'));
