// The page of `mom report`: draws the data inside it.
import { Report } from './page.js';
import { html, render } from './ui.js';

const root = document.getElementById('page'), page = JSON.parse(document.getElementById('page-data').textContent);
root.replaceChildren();
render(html`<${Report} page=${page} /><footer>Made by <code>mom report</code>. This file loads nothing from the network.</footer>`, root);
