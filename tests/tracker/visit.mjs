// A person's visit to one kind of site, and what the collector was told meanwhile, line by line:
//   node visit.mjs KIND CHROMIUM PROFILE AGENT COLLECTOR SCRIPT_LINE PIXEL_LINE [SCRIPT]
//
// What it is not: a test. tracker.rs compares what is printed here with what should be.
//
// What surprises: before each line of the person's doings ("-- …") all is settled: what the page
// has sent up to there was answered.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { start, until } from './chromium.mjs';
import { COLLECTOR, SITE, open as openHouse } from './house.mjs';

const [kind, chromium, profile, agent, collector, scriptLine, pixelLine, script] = process.argv.slice(2);
// Written with an entity, so that the pages in the browser's cache do not hold the collector's name,
// and whatever in the profile does hold it is ours.
const here = (line) => line.replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, `http://&#99;${COLLECTOR.slice(1)}`);
const tag = (attributes = '') => here(script ? scriptLine.replace(/ integrity="[^"]*"/, '') : scriptLine).replace('<script ', `<script ${attributes} `);
const pixel = here(pixelLine);
const link = (id, to, more = '') => `<p><a id="${id}" href="${to}" ${more}>${id}</a></p>`;

// Caches and workers are there for pages that came a safe way only; then none can be kept.
const KEPT = `(async () => [document.cookie.length, localStorage.length, sessionStorage.length,
  (await self.caches?.keys() ?? []).length, (await indexedDB.databases()).length,
  (await navigator.serviceWorker?.getRegistrations() ?? []).length].join(' '))()`;

const THINGS = [
  link('partner', 'http://partner.example/', 'target="_blank"'), link('report', '/report.pdf', 'target="_blank"'),
  link('named', 'http://partner.example/', 'target="_blank" data-headcount="signup"'),
  '<button id="signup" data-headcount="signup">Sign up</button>',
].join('');

/** Each kind: the site's pages, and what the person does. `does` writes its words down. */
const KINDS = {
  static: {
    pages: {
      '/': { head: tag(`data-downloads="[href$='.pdf' i],[download]"`), body: [
        link('about', '/about?person=7#anna'), link('partner', 'http://shop.partner.example/a/b?person=7', 'target="_blank"'),
        link('sub', 'http://help.example.org/', 'target="_blank"'), link('mail', 'mailto:anna@example.org'),
        link('report', '/files/Report.PDF', 'target="_blank"'), link('data', '/data?person=7', 'download onclick="event.preventDefault(); event.stopPropagation()"'),
        link('like', 'http://notexample.org/', 'target="_blank"'),
        '<button id="signup" data-headcount="signup"><b id="in">Sign up</b></button>',
      ].join('') },
      '/about': { head: tag(), body: link('home', '/') },
      '/files/Report.PDF': {},
    },
    async visit({ browser, does }) {
      await does('opens a link from a newsletter', () => browser.open(
        `${SITE}/?person=7&utm_source=Letter&utm_term=x&utm_campaign=spring&myutm_source=no#anna`, 'http://news.example/story/7?q=x'));
      await does('presses a named button', () => browser.click('#in'));
      await does('opens another site', () => browser.click('#partner'));
      await does('opens it in the background', () => browser.click('#partner', 'middle'));
      await does('opens the menu of that link', () => browser.click('#partner', 'right'));
      await does('opens a site whose name only ends alike', () => browser.click('#like'));
      await does('opens a subdomain', () => browser.click('#sub'));
      await does('fetches a report', () => browser.click('#report'));
      await does('saves data', () => browser.click('#data'));
      await does('goes to another page', () => browser.leads(() => browser.click('#about')));
      await does('comes home', () => browser.leads(() => browser.click('#home')));
    },
  },
  switches: {
    pages: {
      '/no-outbound': { head: tag('data-no-outbound'), body: THINGS },
      '/no-named': { head: tag('data-no-named'), body: THINGS },
    },
    async visit({ browser, does }) {
      for (const path of ['/no-outbound', '/no-named']) {
        await does(`opens ${path}`, () => browser.open(SITE + path));
        for (const id of ['partner', 'report', 'named', 'signup']) await does(`clicks ${id}`, () => browser.click(`#${id}`));
      }
    },
  },
  app: {
    pages: { '/': { head: tag(), body: link('top', '#top') } },
    async visit({ browser, does }) {
      const back = (path) => () => browser.look(`new Promise((done) => {
        addEventListener('popstate', () => setTimeout(done), { once: true }); ${path};
      })`);
      await does('opens the app', () => browser.open(`${SITE}/?utm_medium=post`));
      await does('the app tidies its address', () => browser.look(`history.replaceState({ a: 1 }, '', '/')`));
      await does('goes to a view', () => browser.look(`history.pushState({}, '', '/list')`));
      await does('sorts it', () => browser.look(`history.pushState({}, '', '/list?sort=name')`));
      await does('the app replaces the view by itself, twice', () => browser.look(
        `history.replaceState({}, '', '/list'); history.replaceState({}, '', '/list?sort=name')`));
      await does('jumps within the view', () => browser.click('#top'));
      await does('jumps by code', () => browser.look(`location.hash = '/other'`));
      await does('the app redirects', () => browser.look(`history.replaceState({}, '', '/item/4711011')`));
      await does('goes back over the jumps', back('history.go(-3)'));
      await does('goes back to the start', back('history.back()'));
      await does('pushes and pops at once', back(`history.pushState({}, '', '/about'); history.back()`));
      await does('the app reads what it has written', async () => {
        const [state, path] = await browser.look(`history.replaceState({ b: 2 }, '', '/end'); [history.state.b, location.pathname]`);
        if (state !== 2 || path !== '/end') throw new Error(`history is broken: ${state} ${path}`);
      });
    },
  },
  hash: {
    pages: { '/app/': { head: tag('data-hash'), body: link('list', '#/list?person=7') } },
    async visit({ browser, does }) {
      const goes = (hash) => () => browser.look(`new Promise((done) => {
        addEventListener('hashchange', () => setTimeout(done), { once: true }); location.hash = '${hash}';
      })`);
      await does('opens the app at a place that is no route', () => browser.open(`${SITE}/app/?utm_source=x#access_token=anna/7`));
      await does('goes to a list', () => browser.click('#list'));
      await does('sorts it', goes('/list?sort=name'));
      await does('opens an item, the old way', goes('!/item'));
    },
  },
  policy: {
    pages: { '/': { head: tag(), headers: { 'content-security-policy':
      `default-src 'none'; script-src http://${COLLECTOR.toUpperCase()}; connect-src http://${COLLECTOR.toUpperCase()}; require-trusted-types-for 'script'`,
    'referrer-policy': 'unsafe-url', 'permissions-policy': 'browsing-topics=()' },
    body: '<button id="signup" data-headcount="signup">Sign up</button>' } },
    async visit({ browser, does }) {
      await does('opens the page', () => browser.open(`${SITE}/?person=7`));
      await does('presses a named button', () => browser.click('#signup'));
    },
  },
  consent: {
    // The function is the one that the README gives.
    pages: { '/': { head: `${tag('data-wait')}<script>
      function headcount(consents) {
        document.querySelector('script[data-site]').toggleAttribute('data-wait', !consents);
        dispatchEvent(new Event('headcount'));
      }
    </script>`, body: `<button id="yes" onclick="headcount(true)">Yes</button>
      <button id="no" onclick="headcount(false)">No</button>
      <button id="signup" data-headcount="signup">Sign up</button>` } },
    async visit({ browser, does }) {
      await does('opens the page', () => browser.open(`${SITE}/`));
      await does('presses a named button', () => browser.click('#signup'));
      await does('goes to a view', () => browser.look(`history.pushState({}, '', '/list')`));
      await does('consents', () => browser.click('#yes'));
      await does('consents again', () => browser.click('#yes'));
      await does('presses a named button', () => browser.click('#signup'));
      await does('withdraws', () => browser.click('#no'));
      await does('presses a named button', () => browser.click('#signup'));
      await does('goes to a view', () => browser.look(`history.pushState({}, '', '/about')`));
    },
  },
  back: {
    pages: {
      '/': { head: `${tag()}<script>addEventListener('pageshow', (e) => { window.restored = e.persisted; })</script>`, body: link('about', '/about') },
      '/about': { head: tag() },
    },
    async visit({ browser, does }) {
      await does('opens the page from elsewhere', () => browser.open(`${SITE}/`, 'http://news.example/'));
      await does('goes to another page', () => browser.leads(() => browser.click('#about')));
      await does('goes back', async () => {
        const { entries, currentIndex } = await browser.page('Page.getNavigationHistory');
        await browser.page('Page.navigateToHistoryEntry', { entryId: entries[currentIndex - 1].id });
        await until('a page out of the back/forward cache', () => browser.look('location.pathname === "/" && window.restored'));
      });
    },
  },
  ahead: {
    pages: {
      '/': { head: tag(), body: link('next', '/next') },
      // The script's own turn comes after the tracker's: both are deferred.
      '/next': { head: `${tag()}<script defer src="data:text/javascript,document.prerendering%26%26fetch('/mark/rendered')"></script>` },
    },
    async visit({ browser, house, does }) {
      await does('opens the page', () => browser.open(`${SITE}/`));
      await does('the page has the next one rendered ahead', async () => {
        await browser.look(`(() => {
          const rules = document.createElement('script');
          rules.type = 'speculationrules';
          rules.text = '{ "prerender": [{ "urls": ["/next"], "eagerness": "immediate" }] }';
          document.head.append(rules);
        })()`);
        await until('a page rendered ahead', () => house.story.includes('-- rendered'));
      });
      await does('goes to the page that is ready', async () => {
        await browser.click('#next');
        browser.follow();
        await until('an activated page', () => browser.look('performance.getEntriesByType("navigation")[0].activationStart > 0'));
        await until('a hit of the activated page', () => house.state.hits >= 2);
      });
    },
  },
  down: {
    pages: { '/': { head: tag() } },
    async visit({ browser, house, does }) {
      house.state.down = true;
      await does('opens the page', () => browser.open(`${SITE}/`));
      await does('goes to a view', () => browser.look(`history.pushState({}, '', '/list')`));
    },
  },
  wishes: {
    pages: { '/': { head: tag(), body: `${link('partner', 'http://partner.example/', 'target="_blank"')}
      <button id="signup" data-headcount="signup">Sign up</button>` } },
    async visit({ browser, does }) {
      await browser.page('Page.addScriptToEvaluateOnNewDocument', {
        source: `Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true })` });
      await browser.page('Network.setExtraHTTPHeaders', { headers: { 'Sec-GPC': '1' } });
      await does('opens the page', () => browser.open(`${SITE}/`));
      await does('goes to a view', () => browser.look(`history.pushState({}, '', '/list')`));
      for (const id of ['partner', 'signup']) await does(`clicks ${id}`, () => browser.click(`#${id}`));
    },
  },
  pixel: {
    pages: { '/': { head: tag(), body: pixel + link('about', '/about?person=7#anna') }, '/about': { body: pixel.replace(/<\/?noscript>/g, '') } },
    async visit({ browser, does }) {
      await does('opens the page', () => browser.open(`${SITE}/`));
      await browser.page('Emulation.setScriptExecutionDisabled', { value: true });
      await does('opens it without scripts', () => browser.open(`${SITE}/?utm_source=letter&person=7`));
      await browser.page('Emulation.setScriptExecutionDisabled', { value: false });
      await does('opens a page with the image alone', () => browser.open(`${SITE}/about?person=7`));
    },
  },
};
// The same person, whose browser says the older of the two wishes by itself.
KINDS.track = { ...KINDS.wishes, preferences: { enable_do_not_track: true },
  visit: (of) => KINDS.wishes.visit({ ...of, browser: { ...of.browser, page: async () => {} } }) };

/** Files of the profile that hold a name, in bytes or in UTF-16. */
function naming(name) {
  const files = readdirSync(profile, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  return files.map((file) => join(file.parentPath ?? file.path, file.name)).filter((file) => {
    const bytes = readFileSync(file);
    return bytes.includes(name) || bytes.includes(name, 0, 'utf16le');
  });
}

const { pages, visit, preferences } = KINDS[kind];
if (preferences) {
  mkdirSync(join(profile, 'Default'), { recursive: true });
  writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
}
const house = await openHouse({ pages, collector, script });
const browser = await start({ chromium, profile, agent, port: house.port });
try {
  // How the script asks, in the browser's own words.
  await browser.page('Page.addScriptToEvaluateOnNewDocument', { source: `{
    const send = window.fetch;
    window.fetch = (url, options) => {
      const { mode, credentials, keepalive } = new Request(url, options);
      if (options) window.asked = [mode, 'credentials', credentials, 'keepalive', keepalive].join(' ');
      return send(url, options);
    };
  }` });
  const does = async (words, act) => {
    house.story.push(`-- ${words}`);
    await act();
    // What was sent is sent before an answer to any later question.
    await browser.look('0');
    await until('answers to all hits', () => house.state.hits >= browser.seen.hits);
  };
  await visit({ browser, house, does });
  const [kept, asked] = [await browser.look(KEPT), await browser.look('window.asked')];
  console.log(house.story.join('\n'));
  console.log(`asked ${asked ?? ''}`);
  console.log(`headers ${[...house.headers].join(' | ')}`);
  console.log(`kept ${kept}, cookies ${await browser.close()}`);
  console.log(`troubles ${browser.seen.troubles.join(' | ')}`);
  console.log(`profile ${naming(COLLECTOR).join(' ')}`);
  console.log(`history ${naming(new URL(SITE).host).length > 0}`);
} catch (error) {
  console.log(house.story.join('\n'));
  console.log(`failed ${error.stack} ${browser.seen.troubles.join(' | ')}`);
  await browser.close();
  process.exitCode = 1;
}
house.close();
