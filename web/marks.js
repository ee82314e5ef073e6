// What tells runs apart: colour, shape of the marker, style of the line (page.css has the colours and shapes).
import { html } from './ui.js';

const DASHES = [[], [], [7, 3], [7, 3], [2, 3], [2, 3], [9, 3, 2, 3], [9, 3, 2, 3]];
const COLOURS = DASHES.length;
// Line styles and shapes shift by three each time the colours repeat, so that the ninth differs from the first in both.
const shapeOf = (line) => (line + 3 * Math.floor(line / COLOURS)) % COLOURS;

export const dashOf = (line) => DASHES[shapeOf(line)];
export const colourClass = (line) => `c${line % COLOURS}`;
export const colourName = (line) => `--c${line % COLOURS}`;
export const styleOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const colourOf = (line) => styleOf(colourName(line));

export const Mark = ({ line }) => html`<i class=${`swatch ${colourClass(line)} s${shapeOf(line)}`}></i>`;

// Line and marker, as in the charts.
export const Key = ({ line }) => html`<svg aria-hidden="true"><line x1="0" y1="50%" x2="100%" y2="50%" stroke=${`var(${colourName(line)})`}
  stroke-width="2" stroke-dasharray=${dashOf(line).join(' ')} /></svg><${Mark} line=${line} />`;

// A label after its marker, which stays on the line of the first word.
export function Marked({ line, label }) {
  const [first, ...rest] = label.split(' ');
  return html`<span class="run"><${Mark} line=${line} />${first}</span>${rest.length ? ` ${rest.join(' ')}` : ''}`;
}
