// Makes what is served from headcount.src.js: the script, its Brotli, and its row in versions.in.
//   npx --yes --package=terser@5.51.2 -- node make.mjs            # writes
//   npx --yes --package=terser@5.51.2 -- node make.mjs --check    # compares, and fails on a difference
//
// What it is not: part of a build. What it makes is committed, and cargo only reads it.
//
// What surprises: a file's name is its content's hash, and sites have name and integrity in their
// pages. So a file that was released stays for ever. While the version in Cargo.toml is the same, a
// newly made file takes the place of the one before; so raise the version before the first change
// after a release.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';

const RAW_BYTES_MAX = 900;
const BROTLI_BYTES_MAX = 500;
// The order in which terser gives out names: of a few thousand tried, the one that packs best.
const LETTERS = 'nmpgfjotyqklbauhdeirsvwxz';

const here = import.meta.dirname ?? dirname(new URL(import.meta.url).pathname);
const table = join(here, 'versions.in');
const fail = (why) => { console.error(why); process.exit(1); };
const sha384 = (bytes, form) => createHash('sha384').update(bytes).digest(form);
const nameOf = (bytes) => sha384(bytes, 'hex').slice(0, 12);
const integrityOf = (bytes) => `sha384-${sha384(bytes, 'base64')}`;
const file = (name) => join(here, `${name}.js`);

// npx puts terser's program on the path; the module lies beside it.
async function terser() {
  const found = process.env.PATH.split(delimiter).map((folder) => join(folder, 'terser')).find(existsSync);
  if (!found) fail('no terser on the path; start this with npx, as its first lines say');
  return import(pathToFileURL(join(dirname(realpathSync(found)), '..', 'main.js')).href);
}

async function make() {
  const { minify } = await terser();
  const { code } = await minify(readFileSync(join(here, 'headcount.src.js'), 'utf8'), {
    ecma: 2020,
    toplevel: true,
    compress: { passes: 3 },
    mangle: {
      reserved: ['c', 'e', 'r', 's'],
      nth_identifier: { get: (n) => LETTERS[n] ?? `$${n}`, consider() {}, reset() {}, sort() {} },
    },
  });
  return Buffer.from(code);
}

function pack(script) {
  return brotliCompressSync(script, { params: {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    [constants.BROTLI_PARAM_LGWIN]: 16,
    [constants.BROTLI_PARAM_SIZE_HINT]: script.length,
  } });
}

function rows() {
  const found = existsSync(table) ? readFileSync(table, 'utf8').matchAll(/row!\("(.*)", "(.*)", "(.*)"\)/g) : [];
  return [...found].map(([, version, name, integrity]) => ({ version, name, integrity }));
}

function write(script, packed) {
  const name = nameOf(script);
  const manifest = readFileSync(join(here, '../../../../Cargo.toml'), 'utf8');
  const [, version] = manifest.match(/^version = "(.*)"$/m);
  const kept = rows().filter((row) => row.version !== version);
  const replaced = rows().filter((row) => row.version === version && row.name !== name);
  for (const { name: old } of replaced.filter((row) => !kept.some((one) => one.name === row.name))) {
    rmSync(file(old), { force: true });
    rmSync(`${file(old)}.br`, { force: true });
  }
  if (kept.at(-1)?.name !== name) kept.push({ version, name, integrity: integrityOf(script) });
  const lines = kept.map((row) => `    row!("${row.version}", "${row.name}", "${row.integrity}"),\n`);
  writeFileSync(table, '// Made by make.mjs: version that brought it, name, integrity. The newest is the last.\n'
    + `&[\n${lines.join('')}]\n`);
  writeFileSync(file(name), script);
  writeFileSync(`${file(name)}.br`, packed);
}

// What Brotli makes differs from one version of Node to the next; so only its content is compared.
function check(script) {
  const newest = rows().at(-1)?.name;
  if (newest !== nameOf(script)) fail(`served is ${newest}.js, but the source makes ${nameOf(script)}.js: run make.mjs`);
  for (const { name, integrity } of rows()) {
    const bytes = readFileSync(file(name));
    if (nameOf(bytes) !== name) fail(`${name}.js is not what its name says: take it back out of git`);
    if (integrityOf(bytes) !== integrity) fail(`${name}.js has another integrity than versions.in says`);
    if (!brotliDecompressSync(readFileSync(`${file(name)}.br`)).equals(bytes)) fail(`${name}.js.br holds something else`);
  }
  const served = readFileSync(`${file(newest)}.br`).length;
  if (served > BROTLI_BYTES_MAX) fail(`${newest}.js.br has ${served} bytes, more than ${BROTLI_BYTES_MAX}`);
}

const script = await make();
const packed = pack(script);
console.log(`${nameOf(script)}.js: ${script.length} bytes, ${packed.length} as Brotli`);
if (script.length > RAW_BYTES_MAX) fail(`more than ${RAW_BYTES_MAX} bytes`);
if (process.argv.includes('--check')) {
  check(script);
} else {
  if (packed.length > BROTLI_BYTES_MAX) fail(`more than ${BROTLI_BYTES_MAX} bytes as Brotli`);
  write(script, packed);
}
