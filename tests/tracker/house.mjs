// One server that plays every host: the sites with their pages, and the collector's, behind which
// the real collector answers. It writes down each request to the collector as a line.
//
// What it is not: a collector. What is counted is decided by the real one.
//
// What surprises: the collector's host ends in .localhost, because a browser asks for Brotli only
// where it trusts the way.

import { readFileSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';

export const COLLECTOR = 'count.localhost';
export const SITE = 'http://example.org';

const page = (head, body) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
${head}</head><body>${body}</body></html>`;

/**
 * `pages`: path of the site to { head, body, headers }. `collector`: HOST:PORT. `script`: a file that
 * is served in place of the collector's own.
 */
export async function open({ pages, collector, script }) {
  const story = [];
  const headers = new Set();
  // With `down` a proxy answers hits for a collector that is away.
  const state = { hits: 0, down: false };

  function tell({ method, url, headers: of }, body) {
    if (method === 'POST' && url === '/hit') {
      story.push(`hit ${body}`);
      headers.add(['origin', 'referer', 'cookie', 'content-type'].map((name) => `${name} ${of[name] ?? 'none'}`).join(', '));
    } else if (url.startsWith('/p.gif')) {
      story.push(`pixel ${url.slice(6)} on ${of.referer ?? 'nothing'}`);
    } else {
      story.push(`${method} ${url} ${of['accept-encoding']?.includes('br') ? 'br' : 'plain'}`);
    }
    if (of.cookie) story.push(`cookie ${of.cookie}`);
  }

  function pass(incoming, answer) {
    const parts = [];
    incoming.on('data', (part) => parts.push(part));
    incoming.on('end', () => {
      const body = Buffer.concat(parts);
      tell(incoming, body);
      if (state.down && incoming.url === '/hit') {
        state.hits += 1;
        return answer.writeHead(502).end();
      }
      if (script && incoming.url.startsWith('/headcount.')) {
        answer.writeHead(200, { 'content-type': 'text/javascript', 'access-control-allow-origin': '*', 'cache-control': 'no-store' });
        return answer.end(readFileSync(script));
      }
      const [host, port] = collector.split(':');
      const { method, url: path, headers: of } = incoming;
      const onward = ask({ host, port, method, path, headers: of }, (answered) => {
        answer.writeHead(answered.statusCode, answered.headers);
        answered.pipe(answer);
        if (path === '/hit') answered.on('end', () => { state.hits += 1; });
      });
      return onward.end(body);
    });
  }

  const server = createServer((incoming, answer) => {
    const { headers: { host }, url } = incoming;
    if (host === COLLECTOR) return pass(incoming, answer);
    if (url.startsWith('/mark/')) story.push(`-- ${url.slice(6)}`);
    const of = host === new URL(SITE).host ? pages[url.split('?')[0]] : {};
    if (!of || url === '/favicon.ico') return answer.writeHead(204).end();
    answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...of.headers });
    return answer.end(page(of.head ?? '', of.body ?? ''));
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return {
    port: server.address().port, story, headers, state,
    close: () => { server.closeAllConnections(); server.close(); },
  };
}
