'use strict';

const assert = require('node:assert');
const test = require('node:test');
const app = require('./app.js');

/** The status and the text of one page. */
async function get(path) {
  const server = app().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`);
    return [answer.status, await answer.text()];
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test('the first page greets', async () => {
  process.env.SHIPIT_ENVIRONMENT = 'staging';
  assert.deepStrictEqual(await get('/'), [200, 'Hello from staging.\n']);
});

test('health names the revision', async () => {
  process.env.SHIPIT_REVISION = '3f2a91c';
  assert.deepStrictEqual(await get('/health'), [200, 'ok 3f2a91c\n']);
});

test('other paths are not found', async () => {
  assert.strictEqual((await get('/nothing'))[0], 404);
});
